//! The state before a transaction of a block, taken from the block's access list instead of running what came before it.

use crate::error::TraceError;
use alloy_eip7928::{AccountChanges, BlockAccessIndex};
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use std::sync::Arc;
use weft_types::{Account, StateError, StateReader};

/// The last value of what was changed.
#[derive(Default)]
struct Latest {
    balance: Option<U256>,
    nonce: Option<u64>,
    /// Hash and length.
    code: Option<(B256, u32)>,
    slots: HashMap<U256, U256>,
}

/// The state before one transaction of a block.
pub struct ListedState {
    parent: Arc<dyn StateReader>,
    accounts: HashMap<Address, Latest>,
    codes: HashMap<B256, Bytes>,
}

impl std::fmt::Debug for ListedState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListedState")
            .field("accounts", &self.accounts.len())
            .finish_non_exhaustive()
    }
}

impl ListedState {
    /// The state before transaction `index` (0-based) of the block with this access list (RLP, EIP-7928), whose parent's
    /// state is given. An index at or above the number of transactions gives the state after all of them.
    ///
    /// # Errors
    /// [`TraceError::List`] when the list does not decode.
    pub fn before(
        parent: Arc<dyn StateReader>,
        list: &[u8],
        index: usize,
    ) -> Result<Self, TraceError> {
        let decoded = Vec::<AccountChanges>::decode(&mut &*list);
        let decoded = decoded.map_err(|error| TraceError::List { reason: error.to_string() })?;
        // The list counts what comes before the transactions as 0, and the transactions from 1.
        let earlier = |at: BlockAccessIndex| at.0 <= index as u64;
        let mut state = Self { parent, accounts: HashMap::default(), codes: HashMap::default() };
        for account in decoded {
            let mut latest = Latest::default();
            let balances = account.balance_changes.iter();
            for change in balances.take_while(|change| earlier(change.block_access_index)) {
                latest.balance = Some(change.post_balance);
            }
            let nonces = account.nonce_changes.iter();
            for change in nonces.take_while(|change| earlier(change.block_access_index)) {
                latest.nonce = Some(change.new_nonce);
            }
            let codes = account.code_changes.iter();
            for change in codes.take_while(|change| earlier(change.block_access_index)) {
                let hash = keccak256(&change.new_code);
                let size = u32::try_from(change.new_code.len()).unwrap_or(u32::MAX);
                latest.code = Some((hash, size));
                state.codes.insert(hash, change.new_code.clone());
            }
            for slot in &account.storage_changes {
                let changes = slot.changes.iter();
                let changes = changes.take_while(|change| earlier(change.block_access_index));
                if let Some(last) = changes.last() {
                    latest.slots.insert(slot.slot, last.new_value);
                }
            }
            state.accounts.insert(account.address, latest);
        }
        Ok(state)
    }
}

impl StateReader for ListedState {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        let before = self.parent.account(address)?;
        let Some(latest) = self.accounts.get(address) else { return Ok(before) };
        let mut account = before.unwrap_or_default();
        account.balance = latest.balance.unwrap_or(account.balance);
        account.nonce = latest.nonce.unwrap_or(account.nonce);
        if let Some((hash, size)) = latest.code {
            (account.code_hash, account.code_size) = (hash, size);
        }
        Ok((!account.is_empty()).then_some(account))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        match self.accounts.get(address).and_then(|latest| latest.slots.get(slot)) {
            Some(value) => Ok(*value),
            None => self.parent.storage(address, slot),
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        match self.codes.get(hash) {
            Some(code) => Ok(code.clone()),
            None => self.parent.code(hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.parent.block_hash(number)
    }
}
