//! The state that transactions are run on again: a snapshot, and what has been changed on top of it.

use alloy_primitives::map::{HashMap, HashSet};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_rpc_types_eth::state::{AccountOverride, StateOverride};
use revm::bytecode::Bytecode;
use revm::database_interface::DBErrorMarker;
use revm::state::{AccountInfo, EvmState};
use revm::{Database, DatabaseRef};
use std::collections::{BTreeMap, BTreeSet};
use weft_types::{Account, AccountDiff, SlotDiff, StateDiff, StateError, StateReader};

/// A state that could not be read, as the machine passes it on.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(transparent)]
pub struct Unread(#[from] pub StateError);

impl DBErrorMarker for Unread {}

/// A snapshot with changes on top. What is committed here stays here.
pub struct World<'s> {
    pub(crate) state: &'s dyn StateReader,
    accounts: HashMap<Address, Option<AccountInfo>>,
    slots: HashMap<Address, HashMap<U256, U256>>,
    /// Accounts whose slots in the snapshot do not count any more.
    wiped: HashSet<Address>,
    codes: HashMap<B256, Bytecode>,
    block_hashes: BTreeMap<u64, B256>,
    /// Where precompiles are that were moved, and which one is there.
    pub(crate) moved: BTreeMap<Address, Address>,
    /// Precompiles that are no longer where they were.
    pub(crate) gone: HashSet<Address>,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("accounts", &self.accounts.len()).finish_non_exhaustive()
    }
}

impl<'s> World<'s> {
    /// The world as the snapshot has it.
    #[must_use]
    pub fn new(state: &'s dyn StateReader) -> Self {
        Self {
            state,
            accounts: HashMap::default(),
            slots: HashMap::default(),
            wiped: HashSet::default(),
            codes: HashMap::default(),
            block_hashes: BTreeMap::new(),
            moved: BTreeMap::new(),
            gone: HashSet::default(),
        }
    }

    /// Keeps what a transaction did. An account that it left empty is none (EIP-161).
    pub fn commit(&mut self, changes: EvmState) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            if account.is_selfdestructed() || account.is_created() {
                self.wiped.insert(address);
                self.slots.remove(&address);
            }
            if account.is_selfdestructed() {
                self.accounts.insert(address, None);
                continue;
            }
            let slots = account.storage.iter().filter(|(_, slot)| slot.is_changed());
            let mut slots = slots.map(|(key, slot)| (*key, slot.present_value)).peekable();
            if slots.peek().is_some() {
                self.slots.entry(address).or_default().extend(slots);
            }
            self.put(address, account.info);
        }
    }

    /// Replaces fields of accounts, as callers of simulations ask for. Precompiles are not looked at here; see
    /// [`move_precompiles`](Self::move_precompiles).
    ///
    /// # Errors
    /// [`StateError`] when an account cannot be read.
    pub fn override_accounts(&mut self, overrides: &StateOverride) -> Result<(), StateError> {
        for (address, change) in overrides {
            self.override_account(*address, change)?;
        }
        Ok(())
    }

    fn override_account(
        &mut self,
        address: Address,
        change: &AccountOverride,
    ) -> Result<(), StateError> {
        let mut info = self.account(address)?.unwrap_or_default();
        info.balance = change.balance.unwrap_or(info.balance);
        info.nonce = change.nonce.unwrap_or(info.nonce);
        if let Some(code) = &change.code {
            info.code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) };
            info.code = Some(Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| {
                // Bytes that only look like a delegation are code like any other.
                Bytecode::new_legacy(code.clone())
            }));
        }
        self.put(address, info);
        if let Some(state) = &change.state {
            self.wiped.insert(address);
            self.slots.remove(&address);
            self.set_slots(address, state.iter());
        }
        if let Some(diff) = &change.state_diff {
            self.set_slots(address, diff.iter());
        }
        Ok(())
    }

    fn set_slots<'v>(
        &mut self,
        address: Address,
        values: impl Iterator<Item = (&'v B256, &'v B256)>,
    ) {
        let slots = self.slots.entry(address).or_default();
        slots.extend(
            values.map(|(slot, value)| (U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0))),
        );
    }

    /// Makes `BLOCKHASH` answer this for a height.
    pub fn set_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// Adds to a balance what no transaction pays, such as a withdrawal.
    ///
    /// # Errors
    /// [`StateError`] when the account cannot be read.
    pub fn credit(&mut self, address: Address, amount: U256) -> Result<(), StateError> {
        let mut info = self.account(address)?.unwrap_or_default();
        info.balance = info.balance.saturating_add(amount);
        self.put(address, info);
        Ok(())
    }

    /// The account as it is now; its code is not loaded.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be read.
    pub fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        if let Some(account) = self.accounts.get(&address) {
            return Ok(account.clone());
        }
        Ok(self.state.account(&address)?.map(info))
    }

    /// What differs from the snapshot: accounts whose slots there do not count any more, ascending,
    /// and every value that was written. What a written account or slot was before is not said.
    ///
    /// # Errors
    /// [`StateError`] when an account cannot be read.
    pub fn net_change(&self) -> Result<(Vec<Address>, StateDiff), StateError> {
        let changed = self.accounts.keys().chain(self.slots.keys());
        let changed: BTreeSet<Address> = changed.chain(&self.wiped).copied().collect();
        let mut diff = StateDiff::default();
        for address in changed {
            let after = self.account(address)?.map(|info| Account {
                nonce: info.nonce,
                balance: info.balance,
                code_hash: info.code_hash,
                ..Account::default()
            });
            let written: BTreeMap<U256, U256> =
                self.slots.get(&address).into_iter().flatten().map(|(k, v)| (*k, *v)).collect();
            let slots = written.into_iter();
            let slots = slots.map(|(slot, after)| SlotDiff { slot, before: U256::ZERO, after });
            let slots = slots.collect();
            diff.accounts.push(AccountDiff { address, before: None, after, slots });
        }
        let mut wiped: Vec<Address> = self.wiped.iter().copied().collect();
        wiped.sort_unstable();
        Ok((wiped, diff))
    }

    fn put(&mut self, address: Address, mut info: AccountInfo) {
        if let Some(code) = info.code.take()
            && !code.is_empty()
        {
            self.codes.insert(info.code_hash, code);
        }
        self.accounts.insert(address, (!info.is_empty()).then_some(info));
    }

    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        if let Some(value) = self.slots.get(&address).and_then(|slots| slots.get(&slot)) {
            return Ok(*value);
        }
        if self.wiped.contains(&address) {
            return Ok(U256::ZERO);
        }
        self.state.storage(&address, &slot)
    }

    fn bytecode(&self, hash: B256) -> Result<Bytecode, StateError> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.codes.get(&hash) {
            return Ok(code.clone());
        }
        let code = self.state.code(&hash)?;
        Ok(Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code)))
    }

    fn hash_of(&self, number: u64) -> Result<B256, StateError> {
        if let Some(hash) = self.block_hashes.get(&number) {
            return Ok(*hash);
        }
        Ok(self.state.block_hash(number)?.unwrap_or_default())
    }
}

fn info(account: Account) -> AccountInfo {
    AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.code_hash,
        code: None,
        ..AccountInfo::default()
    }
}

impl DatabaseRef for World<'_> {
    type Error = Unread;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Unread> {
        Ok(self.account(address)?)
    }
    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Unread> {
        Ok(self.bytecode(code_hash)?)
    }
    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Unread> {
        Ok(self.slot(address, slot)?)
    }
    fn block_hash_ref(&self, number: u64) -> Result<B256, Unread> {
        Ok(self.hash_of(number)?)
    }
}

impl Database for World<'_> {
    type Error = Unread;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Unread> {
        self.basic_ref(address)
    }
    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Unread> {
        self.code_by_hash_ref(code_hash)
    }
    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Unread> {
        self.storage_ref(address, slot)
    }
    fn block_hash(&mut self, number: u64) -> Result<B256, Unread> {
        self.block_hash_ref(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_evm::MemoryState;

    #[test]
    fn the_net_change_names_what_was_written_and_what_was_wiped() {
        let address = |byte| Address::repeat_byte(byte);
        let state = MemoryState::default();
        let mut world = World::new(&state);
        let word = |value: u64| B256::from(U256::from(value));
        let slots = [(word(1), word(5)), (word(2), word(0))];
        let overrides = StateOverride::from_iter([
            (address(2), AccountOverride { balance: Some(U256::from(9)), ..Default::default() }),
            (
                address(1),
                AccountOverride {
                    nonce: Some(3),
                    state: Some(slots.into_iter().collect()),
                    ..Default::default()
                },
            ),
        ]);
        world.override_accounts(&overrides).unwrap();
        let (wiped, diff) = world.net_change().unwrap();
        assert_eq!(wiped, [address(1)]);
        let accounts: Vec<_> = diff.accounts.iter().map(|change| change.address).collect();
        assert_eq!(accounts, [address(1), address(2)], "ascending");
        let slots: Vec<_> = diff.accounts[0].slots.iter().map(|s| (s.slot, s.after)).collect();
        assert_eq!(slots, [(U256::from(1), U256::from(5)), (U256::from(2), U256::ZERO)]);
        assert_eq!(diff.accounts[0].after.unwrap().nonce, 3);
        assert_eq!(diff.accounts[1].after.unwrap().balance, U256::from(9));
    }
}
