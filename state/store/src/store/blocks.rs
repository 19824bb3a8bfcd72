//! Reading blocks and what is kept beside them.

use super::{Store, StoredBlock};
use crate::columns::Column;
use crate::database::Database;
use crate::logs::{self, LogQuery};
use crate::retention::Kept;
use crate::{StoreError, layout};
use alloy_primitives::{B256, Bytes};
use weft_types::{AccessRecord, CommitCertificate, Header, Receipt, RunProfile, TxIndex};

/// Every method answers `None` for a height or hash that the chain does not have, as far as the head
/// reaches: a block that is being written, or whose write failed, is not there yet. They fail with
/// [`StoreError::Pruned`] for what was dropped, with [`StoreError::Damaged`] when what is stored does
/// not decode, and with [`StoreError::Database`] when the disk fails.
impl Store {
    /// The header at `height`: one small read, for scans over many blocks.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn header(&self, height: u64) -> Result<Option<Header>, StoreError> {
        self.at(Column::Headers, height, layout::decode_header)
    }

    /// Hash of the block at `height`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn hash_of(&self, height: u64) -> Result<Option<B256>, StoreError> {
        self.at(Column::Headers, height, layout::decode_header_hash)
    }

    /// Height of the block with this hash.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn height_of(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        let height = self.database().get_as(Column::BlockNumbers, hash.as_slice(), |bytes| {
            layout::decode_number(Column::BlockNumbers, bytes).map(u64::from_be_bytes)
        })?;
        Ok(height.filter(|height| self.reaches(*height)))
    }

    /// The block at `height` and the senders of its transactions.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn block(&self, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        if !self.reaches(height) {
            return Ok(None);
        }
        block(self.database(), height)
    }

    /// Receipts of the block at `height`, in block order.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn receipts(&self, height: u64) -> Result<Option<Vec<Receipt>>, StoreError> {
        let receipts = self.at(Column::Receipts, height, layout::decode_receipts)?;
        self.kept(Kept::Receipts, height, receipts)
    }

    /// Heights from `from` to `to` whose blocks may have logs that `query` looks for, ascending.
    /// None is left out; a few may turn out to have none.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] when the index does not reach back to `from`, or another
    /// [`StoreError`] when the store cannot answer.
    pub fn heights_with_logs(
        &self,
        query: &LogQuery,
        from: u64,
        to: u64,
    ) -> Result<Vec<u64>, StoreError> {
        let to = to.min(self.head.load().block.height().0);
        let found = logs::search(self.database(), query, from, to)?;
        // Genesis has no logs, so that a range may begin with it.
        let first = if from == 0 && self.oldest().of(Kept::Logs) <= 1 { 1 } else { from };
        self.database().horizon().require(Kept::Logs, first)?;
        Ok(found)
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
        let list =
            self.at(Column::AccessLists, height, |bytes| Ok(Bytes::copy_from_slice(bytes)))?;
        self.kept(Kept::AccessLists, height, list)
    }

    /// Reads and writes of the transactions of the block at `height`; `None` also when it was
    /// committed without: not executed here, or by a node that does not store them.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn access_record(&self, height: u64) -> Result<Option<AccessRecord>, StoreError> {
        let record = self.at(Column::AccessRecords, height, layout::decode_record)?;
        // A block that was committed without has none, however much is kept.
        Ok(self.kept(Kept::Records, height, record)?.flatten())
    }

    /// What this node observed when it executed the block at `height`, if it did.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn profile(&self, height: u64) -> Result<Option<RunProfile>, StoreError> {
        let column = Column::Profiles;
        let profile = self.at(column, height, |bytes| {
            serde_json::from_slice(bytes).map_err(|e| StoreError::value(column, e))
        })?;
        self.kept(Kept::Records, height, profile)
    }

    /// Height and place of the transaction with this hash.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn transaction_location(&self, hash: &B256) -> Result<Option<(u64, TxIndex)>, StoreError> {
        let column = Column::Transactions;
        let place = self.database().get_as(column, hash.as_slice(), layout::decode_location)?;
        Ok(place.filter(|(height, _)| self.reaches(*height)))
    }

    pub(crate) fn database(&self) -> &Database {
        &self.source.database
    }

    /// Whether the block at `height` is durable.
    fn reaches(&self, height: u64) -> bool {
        height <= self.head.load().block.height().0
    }

    /// Reads what lies under a height.
    fn at<T>(
        &self,
        column: Column,
        height: u64,
        decode: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if !self.reaches(height) {
            return Ok(None);
        }
        self.database().get_as(column, &height.to_be_bytes(), decode)
    }

    fn borsh<T: borsh::BorshDeserialize>(
        &self,
        column: Column,
        height: u64,
    ) -> Result<Option<T>, StoreError> {
        self.at(column, height, |bytes| {
            borsh::from_slice(bytes).map_err(|e| StoreError::value(column, e))
        })
    }

    /// What was not found may have been dropped.
    fn kept<T>(&self, kept: Kept, height: u64, found: Option<T>) -> Result<Option<T>, StoreError> {
        if found.is_none() && self.reaches(height) {
            self.database().horizon().require(kept, height)?;
        }
        Ok(found)
    }
}

/// Where the blocks begin that are stored whole, besides genesis.
pub(crate) fn base(database: &Database) -> Result<u64, StoreError> {
    let decode = |bytes: &[u8]| layout::decode_number(Column::Meta, bytes).map(u64::from_be_bytes);
    Ok(database.get_as(Column::Meta, layout::META_BASE, decode)?.unwrap_or_default())
}

pub(crate) fn block(database: &Database, height: u64) -> Result<Option<StoredBlock>, StoreError> {
    let key = height.to_be_bytes();
    let Some(header) = database.get_as(Column::Headers, &key, layout::decode_header)? else {
        return Ok(None);
    };
    let body = database.get_as(Column::Bodies, &key, |bytes| layout::decode_body(header, bytes))?;
    if body.is_none() && height < base(database)? {
        return Ok(None);
    }
    body.map(Some).ok_or_else(|| StoreError::value(Column::Bodies, format!("no body {height}")))
}
