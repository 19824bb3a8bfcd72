//! Reading blocks and what is kept beside them.

use super::{Store, StoredBlock};
use crate::columns::Column;
use crate::database::Database;
use crate::{StoreError, layout};
use alloy_primitives::{B256, Bytes};
use weft_types::{AccessRecord, CommitCertificate, Header, Receipt, RunProfile, TxIndex};

/// Every method answers `None` for a height or hash that the chain does not have, and fails with
/// [`StoreError::Damaged`] when what is stored does not decode, or [`StoreError::Database`] when the
/// disk fails.
impl Store {
    /// The header at `height`: one small read, for scans over many blocks.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn header(&self, height: u64) -> Result<Option<Header>, StoreError> {
        self.database.get_as(Column::Headers, &height.to_be_bytes(), layout::decode_header)
    }

    /// Hash of the block at `height`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn hash_of(&self, height: u64) -> Result<Option<B256>, StoreError> {
        self.database.get_as(Column::Headers, &height.to_be_bytes(), layout::decode_header_hash)
    }

    /// Height of the block with this hash.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn height_of(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        self.database.get_as(Column::BlockNumbers, hash.as_slice(), |bytes| {
            layout::decode_number(Column::BlockNumbers, bytes).map(u64::from_be_bytes)
        })
    }

    /// The block at `height` and the senders of its transactions.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn block(&self, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        block(&self.database, height)
    }

    /// Receipts of the block at `height`, in block order.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn receipts(&self, height: u64) -> Result<Option<Vec<Receipt>>, StoreError> {
        self.database.get_as(Column::Receipts, &height.to_be_bytes(), layout::decode_receipts)
    }

    /// The certificate of the block at `height`; genesis has none.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn certificate(&self, height: u64) -> Result<Option<CommitCertificate>, StoreError> {
        self.borsh(Column::Certificates, height)
    }

    /// RLP of the block access list (EIP-7928) of the block at `height`; `None` also when it was not
    /// kept.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn access_list(&self, height: u64) -> Result<Option<Bytes>, StoreError> {
        let bytes = self.database.get(Column::AccessLists, &height.to_be_bytes())?;
        Ok(bytes.map(|bytes| Bytes::copy_from_slice(&bytes)))
    }

    /// Reads and writes of the transactions of the block at `height`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn access_record(&self, height: u64) -> Result<Option<AccessRecord>, StoreError> {
        self.borsh(Column::AccessRecords, height)
    }

    /// What this node observed when it executed the block at `height`, if it did.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn profile(&self, height: u64) -> Result<Option<RunProfile>, StoreError> {
        let column = Column::Profiles;
        self.database.get_as(column, &height.to_be_bytes(), |bytes| {
            serde_json::from_slice(bytes).map_err(|e| StoreError::value(column, e))
        })
    }

    /// Height and place of the transaction with this hash.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn transaction_location(&self, hash: &B256) -> Result<Option<(u64, TxIndex)>, StoreError> {
        self.database.get_as(Column::Transactions, hash.as_slice(), layout::decode_location)
    }

    fn borsh<T: borsh::BorshDeserialize>(
        &self,
        column: Column,
        height: u64,
    ) -> Result<Option<T>, StoreError> {
        self.database.get_as(column, &height.to_be_bytes(), |bytes| {
            borsh::from_slice(bytes).map_err(|e| StoreError::value(column, e))
        })
    }
}

pub(super) fn block(database: &Database, height: u64) -> Result<Option<StoredBlock>, StoreError> {
    let key = height.to_be_bytes();
    let Some(header) = database.get_as(Column::Headers, &key, layout::decode_header)? else {
        return Ok(None);
    };
    let body = database.get_as(Column::Bodies, &key, |bytes| layout::decode_body(header, bytes))?;
    body.map(Some).ok_or_else(|| StoreError::value(Column::Bodies, format!("no body {height}")))
}
