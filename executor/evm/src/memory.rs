//! A state that lives in memory, for tests and for programs that embed the executor without a database.

use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use weft_types::{Account, StateDiff, StateError, StateReader};

/// Accounts, slots, code and block hashes in maps.
///
/// ```
/// use weft_evm::MemoryState;
/// use weft_types::{Address, StateReader, U256};
///
/// let mut state = MemoryState::default();
/// state.set_balance(Address::repeat_byte(1), U256::from(7));
/// let account = state.account(&Address::repeat_byte(1))?.expect("just set");
/// assert_eq!(account.balance, U256::from(7));
/// # Ok::<(), weft_types::StateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    accounts: HashMap<Address, Account>,
    slots: HashMap<(Address, U256), U256>,
    codes: HashMap<B256, Bytes>,
    block_hashes: HashMap<u64, B256>,
}

impl MemoryState {
    /// Gives an account a balance, in wei.
    pub fn set_balance(&mut self, address: Address, balance: U256) {
        self.accounts.entry(address).or_default().balance = balance;
    }

    /// Gives an account a nonce.
    pub fn set_nonce(&mut self, address: Address, nonce: u64) {
        self.accounts.entry(address).or_default().nonce = nonce;
    }

    /// Gives an account code, and nonce 1 if it has none, as a creation would.
    pub fn set_code(&mut self, address: Address, code: Bytes) {
        let account = self.accounts.entry(address).or_default();
        account.code_hash = keccak256(&code);
        account.code_size = u32::try_from(code.len()).expect("code is far smaller than 4 GiB");
        account.nonce = account.nonce.max(1);
        self.codes.insert(account.code_hash, code);
    }

    /// Sets a storage slot; zero removes it.
    pub fn set_storage(&mut self, address: Address, slot: U256, value: U256) {
        if value.is_zero() {
            self.slots.remove(&(address, slot));
        } else {
            self.slots.insert((address, slot), value);
        }
    }

    /// Removes the accounts that are empty, and so the same as none since EIP-161.
    pub fn remove_empty_accounts(&mut self) {
        self.accounts.retain(|_, account| !account.is_empty());
    }

    /// Sets the hash of a block, for `BLOCKHASH`.
    pub fn set_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// Applies the net change of a block.
    pub fn apply(&mut self, diff: &StateDiff) {
        for change in &diff.accounts {
            match change.after {
                Some(account) => {
                    self.accounts.insert(change.address, account);
                }
                None => {
                    self.accounts.remove(&change.address);
                }
            }
            for slot in &change.slots {
                self.set_storage(change.address, slot.slot, slot.after);
            }
        }
        self.codes.extend(diff.code.iter().cloned());
    }
}

impl StateReader for MemoryState {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        Ok(self.accounts.get(address).copied())
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        Ok(self.slots.get(&(*address, *slot)).copied().unwrap_or_default())
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
