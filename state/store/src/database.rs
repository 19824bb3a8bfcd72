//! RocksDB with our column families, our errors and the two facts that readers and writers share.

use crate::columns::Column;
use crate::{StoreError, layout};
use rocksdb::{ColumnFamily, DB, DBPinnableSlice, ReadOptions, WriteBatch, WriteOptions};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The open database.
pub(crate) struct Database {
    rocks: DB,
    write: WriteOptions,
    /// Highest block whose batch may be visible to readers. Written by `write_block` before the
    /// batch, read by views after a read. Truth: a read that saw anything of block n, loads n here.
    writing: AtomicU64,
    /// Set when a write failed, never cleared. Written and read by `write_block`. Truth.
    poisoned: AtomicBool,
}

impl Database {
    pub(crate) fn new(rocks: DB, sync: bool) -> Self {
        let mut write = WriteOptions::default();
        write.set_sync(sync);
        Self { rocks, write, writing: AtomicU64::new(0), poisoned: AtomicBool::new(false) }
    }

    pub(crate) const fn rocks(&self) -> &DB {
        &self.rocks
    }

    pub(crate) fn column(&self, column: Column) -> &ColumnFamily {
        self.rocks.cf_handle(column.name()).expect("opening makes sure that every column exists")
    }

    pub(crate) fn get(
        &self,
        column: Column,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.rocks
            .get_pinned_cf(self.column(column), key)
            .map_err(|e| StoreError::database("read", &e))
    }

    /// Reads and decodes one value.
    pub(crate) fn get_as<T>(
        &self,
        column: Column,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.get(column, key)?.map(|bytes| decode(&bytes)).transpose()
    }

    /// The value that `key` had before the first block above `height` that changed it; `None` when
    /// no such block is stored.
    pub(crate) fn before_next_change(
        &self,
        history: Column,
        key: &[u8],
        height: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(next) = height.checked_add(1) else {
            return Ok(None);
        };
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(layout::history_key(key, u64::MAX));
        let mut entries = self.rocks.raw_iterator_cf_opt(self.column(history), options);
        entries.seek(layout::history_key(key, next));
        entries.status().map_err(|e| StoreError::database("seek", &e))?;
        let found = entries.item().filter(|(found, _)| found.starts_with(key));
        Ok(found.map(|(_, value)| value.to_vec()))
    }

    /// Whether everything that any read before this call has seen was written by blocks up to
    /// `height`.
    pub(crate) fn is_untouched_above(&self, height: u64) -> bool {
        // Pairs with the store in `write_block`: a read that returned part of a later batch is
        // ordered after that store by RocksDB's own publication of the batch.
        self.writing.load(Ordering::Acquire) <= height
    }

    /// Writes one block's batch, whole or not at all.
    pub(crate) fn write_block(&self, height: u64, batch: WriteBatch) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        self.writing.store(height, Ordering::Release);
        self.rocks.write_opt(batch, &self.write).map_err(|error| {
            self.poisoned.store(true, Ordering::Release);
            StoreError::database("write of a block", &error)
        })
    }

    /// Says which block is stored last; called once, before anything reads through a view.
    pub(crate) fn opened_at(&self, height: u64) {
        self.writing.store(height, Ordering::Release);
    }
}
