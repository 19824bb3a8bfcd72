//! RocksDB with our column families, our errors and the two facts that readers and writers share.

use crate::columns::Column;
use crate::faults::{Disk, Fate, Faults};
use crate::retention::{Horizon, Kept, Oldest};
use crate::{StoreError, layout, records};
use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, CompactOptions, DB, DBPinnableSlice, ReadOptions,
    WriteBatch, WriteOptions,
};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The open database.
pub(crate) struct Database {
    rocks: DB,
    sync: bool,
    disk: Disk,
    /// What readers may ask for. Written under the writer's lock, see [`Horizon`].
    horizon: Horizon,
    /// Holds a chain of Ethereum. Set when it is opened.
    foreign: bool,
    /// Highest block whose batch may be visible to readers. Written by `write_block` before the
    /// batch, read by views after a read. Truth: a read that saw anything of block n, loads n here.
    writing: AtomicU64,
    /// Set when a write failed, never cleared. Written and read by `write_block`. Truth.
    poisoned: AtomicBool,
}

/// Which way keys are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Ascending.
    Up,
    /// Descending.
    Down,
}

impl Database {
    pub(crate) fn new(rocks: DB, horizon: Horizon, sync: bool, faults: Faults) -> Self {
        let (writing, poisoned) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { rocks, sync, disk: Disk::new(faults), horizon, foreign: false, writing, poisoned }
    }

    /// Says whether it holds a chain of Ethereum.
    pub(crate) const fn set_foreign(&mut self, foreign: bool) {
        self.foreign = foreign;
    }

    pub(crate) const fn is_foreign(&self) -> bool {
        self.foreign
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

    /// Reads many values at once, in the order of the keys, which must ascend.
    pub(crate) fn get_many<'a, K>(
        &self,
        column: Column,
        keys: &[K],
    ) -> Result<Vec<Option<DBPinnableSlice<'_>>>, StoreError>
    where
        K: AsRef<[u8]> + 'a,
    {
        let column = self.column(column);
        let values = self.rocks.batched_multi_get_cf(column, keys.iter().map(AsRef::as_ref), true);
        let read = |value: Result<_, _>| value.map_err(|e| StoreError::database("read", &e));
        values.into_iter().map(read).collect()
    }

    /// Visits the entries from `from` to `to`, both included.
    pub(crate) fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        options.fill_cache(false);
        let mut entries = self.rocks.raw_iterator_cf_opt(self.column(column), options);
        entries.seek(from);
        while let Some((key, value)) = entries.item() {
            if key > to {
                break;
            }
            visit(key, value)?;
            entries.next();
        }
        entries.status().map_err(|e| StoreError::database("scan", &e))
    }

    /// Visits the keys from the first to the second, both included, or the other way round, until the visitor has enough.
    pub(crate) fn walk(
        &self,
        column: Column,
        (low, high): (&[u8], &[u8]),
        direction: Direction,
        mut visit: impl FnMut(&[u8]) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        let mut entries = self.rocks.raw_iterator_cf_opt(self.column(column), options);
        match direction {
            Direction::Up => entries.seek(low),
            Direction::Down => entries.seek_for_prev(high),
        }
        while let Some(key) = entries.key() {
            if key < low || key > high || visit(key)?.is_break() {
                break;
            }
            match direction {
                Direction::Up => entries.next(),
                Direction::Down => entries.prev(),
            }
        }
        entries.status().map_err(|e| StoreError::database("walk", &e))
    }

    /// Visits all entries.
    pub(crate) fn scan_all(
        &self,
        column: Column,
        visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // No key is longer or greater.
        self.scan(column, &[], &[0xff; 128], visit)
    }

    /// What is kept, by height.
    pub(crate) const fn horizon(&self) -> &Horizon {
        &self.horizon
    }

    /// Writes one block's batch, whole or not at all.
    pub(crate) fn write_block(&self, height: u64, batch: WriteBatch) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        self.writing.store(height, Ordering::Release);
        self.write("write of a block", batch, self.sync)
    }

    /// Drops what is older than these heights: first for readers, then on disk, then, when the disk
    /// knows that it is gone, from the table files that are merged.
    pub(crate) fn drop_below(&self, oldest: &Oldest) -> Result<(), StoreError> {
        let before = self.horizon.oldest();
        let mut batch = WriteBatch::default();
        let (from, to) = (before.of(Kept::Records), oldest.of(Kept::Records));
        if let Some(bytes) = records::counted(self)? {
            let left = bytes.saturating_sub(records::between(self, from, to)?);
            batch.put_cf(self.column(Column::Meta), layout::META_RECORD_BYTES, left.to_be_bytes());
        }
        self.horizon.announce(oldest);
        let value = borsh::to_vec(oldest).expect("writing to memory cannot fail");
        batch.put_cf(self.column(Column::Meta), layout::META_OLDEST, value);
        let moved = Kept::ALL.into_iter().filter(|kept| kept.is_by_height());
        let ranges: Vec<(Column, [u8; 8], u64)> = moved
            .filter(|kept| oldest.of(*kept) > before.of(*kept).max(1))
            .flat_map(|kept| {
                let from = before.of(kept).max(1).to_be_bytes();
                kept.columns().iter().map(move |column| (*column, from, oldest.of(kept)))
            })
            .collect();
        for (column, from, to) in &ranges {
            batch.delete_range_cf(self.column(*column), &from[..], &to.to_be_bytes()[..]);
        }
        self.write("write of the oldest heights", batch, true)?;
        for (column, from, to) in ranges {
            // The last file may hold entries of both sides: it is left to merging.
            let last = (to - 1).to_be_bytes();
            self.rocks
                .delete_file_in_range_cf(self.column(column), from, last)
                .map_err(|e| StoreError::database("removal of table files", &e))?;
        }
        self.horizon.release(oldest);
        Ok(())
    }

    /// Writes a batch; a failure closes the database for writing.
    pub(crate) fn write(
        &self,
        operation: &'static str,
        batch: WriteBatch,
        sync: bool,
    ) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        let fate = self.disk.next();
        let mut options = WriteOptions::default();
        options.set_sync(sync && fate == Fate::Works);
        let made = |what: &str| StoreError::Database { operation, reason: what.to_owned() };
        let result = match fate {
            Fate::WriteFails => Err(made("the write fails on purpose")),
            Fate::Works | Fate::SyncFails => self
                .rocks
                .write_opt(batch, &options)
                .map_err(|error| StoreError::database(operation, &error)),
        };
        let result = match fate {
            Fate::SyncFails => result.and(Err(made("the sync fails on purpose"))),
            _ => result,
        };
        result.inspect_err(|_| self.poisoned.store(true, Ordering::Release))
    }

    /// Waits until the log of all writes is on the disk; a failure closes the database for writing.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        self.rocks.flush_wal(true).map_err(|error| {
            self.poisoned.store(true, Ordering::Release);
            StoreError::database("sync of the log", &error)
        })
    }

    /// Writes what is only in memory to table files and merges those of these columns: what was
    /// dropped or replaced gives its room back.
    pub(crate) fn compact(&self, columns: &[Column]) -> Result<(), StoreError> {
        for column in columns {
            let column = self.column(*column);
            self.rocks.flush_cf(column).map_err(|e| StoreError::database("flush", &e))?;
            let mut options = CompactOptions::default();
            options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
            self.rocks.compact_range_cf_opt(column, None::<&[u8]>, None::<&[u8]>, &options);
        }
        Ok(())
    }

    /// Says which block is stored last; called once, before anything reads through a view.
    pub(crate) fn opened_at(&self, height: u64) {
        self.writing.store(height, Ordering::Release);
    }
}
