//! The state after one block, for as long as anybody wants to read it.

use crate::columns::Column;
use crate::database::Database;
use crate::{StoreError, layout};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use std::sync::Arc;
use weft_commitment::AccountKey;
use weft_types::{Account, StateError, StateReader};

/// The state after the block at `height`. It holds no RocksDB snapshot and stays correct while later
/// blocks are committed beside it.
///
/// A read takes the current value first and looks for later changes second:
/// 1. no block above `height` had begun to be written when the current value was read: it is the
///    answer;
/// 2. else the history has an entry above `height`: the lowest one holds the answer;
/// 3. else nothing above `height` had changed the key, not even after step 1: the current value is
///    the answer.
///
/// Each block's new values and history entries become visible at once, so no order of these steps
/// and a commit gives a mixture. The opposite order would be wrong.
pub(crate) struct StateView {
    database: Arc<Database>,
    height: u64,
}

impl StateView {
    pub(crate) const fn new(database: Arc<Database>, height: u64) -> Self {
        Self { database, height }
    }

    fn read<T>(
        &self,
        (current, history): (Column, Column),
        key: &[u8],
        decode: impl Fn(Column, &[u8]) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let value = self.database.get(current, key)?;
        if !self.database.is_untouched_above(self.height)
            && let Some(old) = self.database.before_next_change(history, key, self.height)?
        {
            return decode(history, &old);
        }
        decode(current, value.as_deref().unwrap_or_default())
    }
}

impl StateReader for StateView {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        let key = AccountKey::new(address);
        let columns = (Column::Accounts, Column::AccountHistory);
        let found = self.read(columns, key.hash().as_slice(), layout::decode_account)?;
        Ok(found.map(|(_, account)| account))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let key = layout::storage_key(&AccountKey::new(address), slot);
        Ok(self.read((Column::Storage, Column::StorageHistory), &key, layout::decode_slot)?)
    }

    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        if *hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        let code = self.database.get(Column::Code, hash.as_slice())?;
        code.map(|code| Bytes::copy_from_slice(&code))
            .ok_or(StateError::CodeMissing { hash: *hash })
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        if number > self.height {
            return Ok(None);
        }
        let key = number.to_be_bytes();
        Ok(self.database.get_as(Column::Headers, &key, layout::decode_header_hash)?)
    }
}
