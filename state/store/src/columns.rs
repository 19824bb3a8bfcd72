//! The column families and how RocksDB keeps each of them.

use crate::StoreOptions;
use crate::retention::{Horizon, Kept};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, CompactionDecision, DBCompressionType,
    DBRecoveryMode, LogLevel, Options, SliceTransform,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// Values from this size on lie in blob files, which compaction does not rewrite, in bytes.
const BLOB_BYTES_MIN: u64 = 4096;
/// `H(addr32)`: the part of a state key that all keys of one account share, in bytes.
const ACCOUNT_PREFIX_BYTES: usize = 32;
const TABLE_BLOCK_BYTES: usize = 16 * 1024;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Table files older than this are merged again, so that what was dropped gives its room back.
const DROP_WITHIN_SECONDS: u64 = 24 * 60 * 60;
const LOG_FILES_MAX: usize = 2;
const SYNC_EVERY_BYTES: u64 = 1 << 20;

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Meta,
    Accounts,
    Storage,
    Code,
    AccountHistory,
    StorageHistory,
    Headers,
    Bodies,
    Certificates,
    Receipts,
    AccessLists,
    AccessRecords,
    Profiles,
    BlockNumbers,
    Transactions,
    LogIndex,
    CodeStems,
    AddressIndex,
}

impl Column {
    pub(crate) const ALL: [Self; 18] = [
        Self::Meta,
        Self::Accounts,
        Self::Storage,
        Self::Code,
        Self::AccountHistory,
        Self::StorageHistory,
        Self::Headers,
        Self::Bodies,
        Self::Certificates,
        Self::Receipts,
        Self::AccessLists,
        Self::AccessRecords,
        Self::Profiles,
        Self::BlockNumbers,
        Self::Transactions,
        Self::LogIndex,
        Self::CodeStems,
        Self::AddressIndex,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Accounts => "accounts",
            Self::Storage => "storage",
            Self::Code => "code",
            Self::AccountHistory => "account_history",
            Self::StorageHistory => "storage_history",
            Self::Headers => "headers",
            Self::Bodies => "bodies",
            Self::Certificates => "certificates",
            Self::Receipts => "receipts",
            Self::AccessLists => "access_lists",
            Self::AccessRecords => "access_records",
            Self::Profiles => "profiles",
            Self::BlockNumbers => "block_numbers",
            Self::Transactions => "transactions",
            Self::LogIndex => "log_index",
            Self::CodeStems => "code_stems",
            Self::AddressIndex => "address_index",
        }
    }

    /// Keys begin with an account's hash and are sought within one account.
    const fn is_by_account(self) -> bool {
        matches!(self, Self::Storage | Self::AccountHistory | Self::StorageHistory)
    }

    /// Values are large and written once.
    const fn is_blob(self) -> bool {
        matches!(
            self,
            Self::Code
                | Self::Bodies
                | Self::Receipts
                | Self::AccessLists
                | Self::AccessRecords
                | Self::Profiles
        )
    }

    /// Keys and values are hashes and numbers, which do not compress.
    const fn is_index(self) -> bool {
        matches!(self, Self::BlockNumbers | Self::Transactions | Self::CodeStems)
    }

    /// What decides when entries, whose keys end with a height, are dropped.
    const fn dropped_with(self) -> Option<Kept> {
        match self {
            Self::AccountHistory | Self::StorageHistory => Some(Kept::History),
            Self::LogIndex | Self::AddressIndex => Some(Kept::Logs),
            _ => None,
        }
    }

    fn options(self, options: &StoreOptions, cache: &Cache, horizon: &Horizon) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_block_size(TABLE_BLOCK_BYTES);
        table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        let mut column = Options::default();
        column.set_block_based_table_factory(&table);
        column.set_level_compaction_dynamic_level_bytes(true);
        column.set_write_buffer_size(options.write_buffer_bytes / 4);
        column.set_max_write_buffer_number(3);
        if self.is_index() {
            column.set_compression_type(DBCompressionType::None);
        } else {
            column.set_compression_type(DBCompressionType::Lz4);
            column.set_bottommost_compression_type(DBCompressionType::Zstd);
        }
        if self.is_blob() {
            column.set_enable_blob_files(true);
            column.set_min_blob_size(BLOB_BYTES_MIN);
            column.set_blob_compression_type(DBCompressionType::Zstd);
            column.set_enable_blob_gc(true);
        }
        if let Some(kept) = self.dropped_with() {
            let bound = horizon.bound(kept);
            column.set_compaction_filter("below horizon", move |_, key, _| drop_below(&bound, key));
            column.set_periodic_compaction_seconds(DROP_WITHIN_SECONDS);
        }
        if self.is_by_account() {
            let prefix = SliceTransform::create_fixed_prefix(ACCOUNT_PREFIX_BYTES);
            column.set_prefix_extractor(prefix);
            column.set_memtable_prefix_bloom_ratio(0.1);
        }
        column
    }
}

/// Whether merging table files drops an entry whose key ends with a height. What has another key
/// stays: reading it reports the damage.
fn drop_below(bound: &AtomicU64, key: &[u8]) -> CompactionDecision {
    match key.split_last_chunk::<8>() {
        Some((_, height)) if u64::from_be_bytes(*height) < bound.load(Ordering::Acquire) => {
            CompactionDecision::Remove
        }
        _ => CompactionDecision::Keep,
    }
}

/// What RocksDB needs to open these column families; names that are not ours keep their defaults.
pub(crate) fn descriptors<'a>(
    names: impl IntoIterator<Item = &'a str>,
    options: &StoreOptions,
    horizon: &Horizon,
) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(options.cache_bytes);
    let describe = |name: &str| {
        let ours = Column::ALL.into_iter().find(|column| column.name() == name);
        let column =
            ours.map_or_else(Options::default, |column| column.options(options, &cache, horizon));
        ColumnFamilyDescriptor::new(name, column)
    };
    names.into_iter().map(describe).collect()
}

/// Options of the database as a whole.
pub(crate) fn database_options(options: &StoreOptions) -> Options {
    let mut database = Options::default();
    // Only the end of the log may be torn, by a write that nobody was told of. RocksDB's default
    // would also go back to before a damaged record in the middle, and lose blocks silently.
    database.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    database.set_track_and_verify_wals_in_manifest(true);
    database.set_max_background_jobs(options.background_jobs);
    database.set_db_write_buffer_size(options.write_buffer_bytes);
    database.set_max_total_wal_size(4 * options.write_buffer_bytes as u64);
    database.set_max_open_files(options.open_files_max);
    database.set_bytes_per_sync(SYNC_EVERY_BYTES);
    database.set_wal_bytes_per_sync(SYNC_EVERY_BYTES);
    database.set_stats_dump_period_sec(0);
    database.set_keep_log_file_num(LOG_FILES_MAX);
    database.set_log_level(LogLevel::Warn);
    database
}
