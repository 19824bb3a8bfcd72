//! The state that a judge keeps between blocks.

use crate::fixture::Accounts;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use std::collections::BTreeMap;
use weft_commitment::Commitment;
use weft_commitment::mpt::Mpt;
use weft_types::{Account, AccountDiff, SlotDiff, StateDiff, StateError, StateReader};

/// Accounts, slots, code and block hashes, in maps that can be walked. Accounts that exist but are empty (EIP-161) are kept:
/// before Spurious Dragon they are part of the state.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    accounts: BTreeMap<Address, Account>,
    slots: BTreeMap<Address, BTreeMap<U256, U256>>,
    codes: BTreeMap<B256, Bytes>,
    block_hashes: BTreeMap<u64, B256>,
    trie: Mpt,
}

impl World {
    /// The state that a fixture describes.
    pub(crate) fn new(accounts: &Accounts) -> Self {
        let mut world = Self::default();
        world.apply(&[], &Self::change_of(accounts));
        world
    }

    /// The state that a fixture describes, as a change of the empty one.
    pub(crate) fn change_of(accounts: &Accounts) -> StateDiff {
        let mut diff = StateDiff::default();
        let mut codes = BTreeMap::new();
        for (address, case) in accounts {
            let code_hash = keccak256(&case.code);
            let code_size = u32::try_from(case.code.len()).expect("code is far below 4 GiB");
            let account =
                Account { nonce: case.nonce.to(), balance: case.balance, code_hash, code_size };
            if !case.code.is_empty() {
                codes.insert(code_hash, case.code.clone());
            }
            let slots = case.storage.iter().map(|(slot, value)| SlotDiff {
                slot: *slot,
                before: U256::ZERO,
                after: *value,
            });
            let (after, slots) = (Some(account), slots.collect());
            diff.accounts.push(AccountDiff { address: *address, before: None, after, slots });
        }
        diff.code = codes.into_iter().collect();
        diff
    }

    /// The slots of an account, ascending.
    pub(crate) fn slots_of(&self, address: &Address) -> impl Iterator<Item = (U256, U256)> + '_ {
        let slots = self.slots.get(address).into_iter().flatten();
        slots.map(|(slot, value)| (*slot, *value))
    }

    /// Makes the hash of a block known to `BLOCKHASH`.
    pub(crate) fn set_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// Applies the net change of a block: first what is gone, then what is written.
    pub(crate) fn apply(&mut self, wiped: &[Address], diff: &StateDiff) {
        for address in wiped {
            self.slots.remove(address);
            self.trie.wipe(address);
        }
        self.trie = self.trie.after(diff).expect("the trie is in memory");
        for change in &diff.accounts {
            match change.after {
                Some(account) => self.accounts.insert(change.address, account),
                None => self.accounts.remove(&change.address),
            };
            for slot in &change.slots {
                self.set_slot(change.address, slot.slot, slot.after);
            }
        }
        self.codes.extend(diff.code.iter().cloned());
    }

    fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        let slots = self.slots.entry(address).or_default();
        if value.is_zero() {
            slots.remove(&slot);
        } else {
            slots.insert(slot, value);
        }
    }

    /// The trie of the state.
    pub(crate) fn trie(&self) -> Mpt {
        self.trie.clone()
    }

    /// Merkle-Patricia root of the state.
    pub(crate) fn root(&self) -> B256 {
        self.trie.root()
    }

    /// Where this state differs first from the one that a fixture lists: what, expected, found.
    pub(crate) fn first_difference(&self, expected: &Accounts) -> Option<(String, String, String)> {
        let other = Self::new(expected);
        let addresses = self.accounts.keys().chain(other.accounts.keys());
        let mut addresses: Vec<_> = addresses.collect();
        addresses.sort();
        addresses.into_iter().find_map(|address| self.account_difference(&other, address))
    }

    fn account_difference(
        &self,
        other: &Self,
        address: &Address,
    ) -> Option<(String, String, String)> {
        let (found, expected) = (self.accounts.get(address), other.accounts.get(address));
        if found != expected {
            let show = |account: Option<&Account>| match account {
                None => "no account".to_owned(),
                Some(a) => format!("nonce {} balance {} code {}", a.nonce, a.balance, a.code_hash),
            };
            return Some((address.to_string(), show(expected), show(found)));
        }
        let none = BTreeMap::new();
        let ours = self.slots.get(address).unwrap_or(&none);
        let theirs = other.slots.get(address).unwrap_or(&none);
        let slot = ours.keys().chain(theirs.keys()).find(|s| ours.get(s) != theirs.get(s))?;
        let value =
            |slots: &BTreeMap<U256, U256>| slots.get(slot).copied().unwrap_or_default().to_string();
        Some((format!("{address} slot {slot}"), value(theirs), value(ours)))
    }
}

impl StateReader for World {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        Ok(self.accounts.get(address).copied())
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let slots = self.slots.get(address);
        Ok(slots.and_then(|slots| slots.get(slot)).copied().unwrap_or_default())
    }

    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        if *hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        self.codes.get(hash).cloned().ok_or(StateError::CodeMissing { hash: *hash })
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        Ok(self.block_hashes.get(&number).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::AccountCase;
    use weft_types::{AccountDiff, SlotDiff};

    #[test]
    fn what_is_wiped_goes_before_what_is_written() {
        let address = Address::repeat_byte(1);
        let slots =
            BTreeMap::from([(U256::from(1), U256::from(5)), (U256::from(2), U256::from(6))]);
        let case = AccountCase { storage: slots, ..AccountCase::default() };
        let mut world = World::new(&Accounts::from([(address, case)]));
        let written = SlotDiff { slot: U256::from(2), before: U256::ZERO, after: U256::from(7) };
        let account = Some(Account::default());
        let change = AccountDiff { address, before: account, after: account, slots: vec![written] };
        let diff = StateDiff { accounts: vec![change], code: Vec::new() };
        world.apply(&[address], &diff);
        assert_eq!(world.storage(&address, &U256::from(1)), Ok(U256::ZERO));
        assert_eq!(world.storage(&address, &U256::from(2)), Ok(U256::from(7)));
    }

    #[test]
    fn the_first_difference_names_account_and_slot() {
        let address = Address::repeat_byte(1);
        let mut case = AccountCase::default();
        let world = World::new(&Accounts::from([(address, case.clone())]));
        assert_eq!(world.first_difference(&Accounts::from([(address, case.clone())])), None);
        case.storage.insert(U256::from(3), U256::from(4));
        let (what, expected, found) =
            world.first_difference(&Accounts::from([(address, case)])).unwrap();
        assert_eq!(what, format!("{address} slot 3"));
        assert_eq!((expected.as_str(), found.as_str()), ("4", "0"));
        let (_, expected, _) = world.first_difference(&Accounts::new()).unwrap();
        assert_eq!(expected, "no account", "an empty account is not the same as none");
    }
}
