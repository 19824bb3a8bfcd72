//! The durable memory of the consensus: a small RocksDB of its own, so that the state's compaction
//! never delays a vote.
//!
//! ```text
//! column family   key                            value
//! wal             height u64be ‖ sequence u64be   borsh(WalEntry) ‖ check
//! guard           "guard"                         borsh(SignGuard) ‖ check
//! decided         "last"                          borsh(CommitCertificate) ‖ check
//! bodies          height u64be ‖ block [32]       borsh(StoredBody) ‖ check
//! built           height u64be ‖ round u32be      block [32] ‖ check
//! meta            "schema"                        u32le
//!
//! check = first 8 bytes of BLAKE3 of what precedes it
//! ```
//!
//! A crash cuts the unsynced end off by whole batches: entries and the guard that belongs to them
//! come back together or not at all. So an entry that does not pass its check is damage, wherever it
//! is, and nothing is signed on top of it.

use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};
use rocksdb::{
    ColumnFamily, DB, DBRecoveryMode, Direction, ErrorKind, IteratorMode, Options, WriteBatch,
    WriteOptions,
};
use std::path::{Path, PathBuf};
use weft_consensus::{SignGuard, WalEntry};
use weft_types::{CommitCertificate, Height, Round};

const WAL: &str = "wal";
const GUARD: &str = "guard";
const DECIDED: &str = "decided";
const BODIES: &str = "bodies";
const BUILT: &str = "built";
const META: &str = "meta";
const FAMILIES: [&str; 6] = [WAL, GUARD, DECIDED, BODIES, BUILT, META];

/// Layout of this database; another one is refused.
const SCHEMA: u32 = 1;
const CHECK_BYTES: usize = 8;

/// The log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process has it open.
    #[error("consensus log {path} is in use by another process")]
    Locked {
        /// Its folder.
        path: PathBuf,
    },
    /// Written by another version.
    #[error("consensus log has schema {found}, expected {SCHEMA}")]
    Schema {
        /// Schema found.
        found: u32,
    },
    /// An entry is not what was written.
    #[error("consensus log is damaged: {what}")]
    Damaged {
        /// The entry.
        what: String,
    },
    /// The database failed.
    #[error("consensus log failed: {0}")]
    Database(#[from] rocksdb::Error),
}

/// A block's body that this node holds, with its header.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StoredBody {
    /// Hash of the block.
    pub block: B256,
    /// RLP of the header.
    pub header: Vec<u8>,
    /// Encoded body.
    pub body: Vec<u8>,
}

/// Key and value as they are stored.
type Pair = (Box<[u8]>, Box<[u8]>);

/// The open log. Written by the driver's thread alone.
pub struct ConsensusLog {
    db: DB,
}

impl ConsensusLog {
    /// Opens the log in a folder, or makes it.
    ///
    /// # Errors
    /// [`LogError`]: the node must not sign.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_keep_log_file_num(2);
        options.set_max_background_jobs(2);
        options.set_max_total_wal_size(32 << 20);
        // Only the end of the log may be torn. The default would also go back to before a damaged
        // record in the middle, and forget votes that have left this node.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        let mut family = Options::default();
        family.set_write_buffer_size(4 << 20);
        let families = FAMILIES.map(|name| (name, family.clone()));
        let db = DB::open_cf_with_opts(&options, path, families).map_err(|error| {
            // The text names the lock file; a folder may have any name, "blocks" for one.
            if error.to_string().contains("/LOCK: ") {
                return LogError::Locked { path: path.to_path_buf() };
            }
            if error.kind() == ErrorKind::Corruption {
                return LogError::Damaged { what: error.into_string() };
            }
            LogError::Database(error)
        })?;
        let log = Self { db };
        match log.db.get_cf(log.family(META), "schema")? {
            None => log.db.put_cf(log.family(META), "schema", SCHEMA.to_le_bytes())?,
            Some(bytes) => {
                let found = bytes.try_into().map(u32::from_le_bytes).unwrap_or(0);
                if found != SCHEMA {
                    return Err(LogError::Schema { found });
                }
            }
        }
        Ok(log)
    }

    /// Adds entries, replaces the guard, in one write. With `sync` it and everything before it is
    /// on the disk when this returns.
    ///
    /// # Errors
    /// [`LogError::Database`]: the node must stop.
    pub fn append(
        &self,
        entries: &[WalEntry],
        guard: Option<&SignGuard>,
        sync: bool,
    ) -> Result<(), LogError> {
        let mut batch = WriteBatch::default();
        for entry in entries {
            let key = pair(entry.height.0, &entry.sequence.to_be_bytes());
            batch.put_cf(self.family(WAL), key, checked(entry));
        }
        if let Some(guard) = guard {
            batch.put_cf(self.family(GUARD), GUARD, checked(guard));
        }
        if batch.is_empty() && sync {
            // Makes what was written unsynced before durable.
            return Ok(self.db.flush_wal(true)?);
        }
        self.write(batch, sync)
    }

    /// Entries of one height, in order.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when one is not what was written or one is missing between others.
    pub fn entries(&self, height: Height) -> Result<Vec<WalEntry>, LogError> {
        let mut entries: Vec<WalEntry> = Vec::new();
        for (key, value) in self.of_height(WAL, height)? {
            let entry: WalEntry = unchecked(&value, || format!("entry {}", hex::encode(&key)))?;
            if entry.sequence != entries.len() as u64 || entry.height != height {
                return Err(LogError::Damaged {
                    what: format!(
                        "height {height}: expected entry {}, found {}",
                        entries.len(),
                        entry.sequence
                    ),
                });
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// What was signed last.
    ///
    /// # Errors
    /// [`LogError`]: the node must not sign.
    pub fn guard(&self) -> Result<Option<SignGuard>, LogError> {
        self.read(GUARD, GUARD.as_bytes())
    }

    /// Whether nothing was ever signed or decided with this log.
    ///
    /// # Errors
    /// [`LogError`]: the node must not sign.
    pub fn is_fresh(&self) -> Result<bool, LogError> {
        Ok(self.guard()?.is_none() && self.last_decided()?.is_none())
    }

    /// Keeps the body of a block; `built` marks the block that this node built for a round.
    ///
    /// # Errors
    /// [`LogError::Database`]: the node must stop.
    pub fn put_body(
        &self,
        height: Height,
        block: B256,
        header: &[u8],
        body: &[u8],
        built: Option<Round>,
    ) -> Result<(), LogError> {
        let stored = StoredBody { block, header: header.to_vec(), body: body.to_vec() };
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(BODIES), pair(height.0, block.as_slice()), checked(&stored));
        if let Some(round) = built {
            let key = pair(height.0, &round.0.to_be_bytes());
            batch.put_cf(self.family(BUILT), key, checked(&block));
        }
        self.write(batch, false)
    }

    /// The body of a block.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn body(&self, height: Height, block: &B256) -> Result<Option<StoredBody>, LogError> {
        self.read(BODIES, &pair(height.0, block.as_slice()))
    }

    /// The block that this node built for a round, if it did.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn built(&self, height: Height, round: Round) -> Result<Option<StoredBody>, LogError> {
        match self.read::<B256>(BUILT, &pair(height.0, &round.0.to_be_bytes()))? {
            Some(block) => self.body(height, &block),
            None => Ok(None),
        }
    }

    /// Keeps the newest decision.
    ///
    /// # Errors
    /// [`LogError::Database`]: the node must stop.
    pub fn put_decided(&self, certificate: &CommitCertificate, sync: bool) -> Result<(), LogError> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(DECIDED), "last", checked(certificate));
        self.write(batch, sync)
    }

    /// The newest decision.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn last_decided(&self) -> Result<Option<CommitCertificate>, LogError> {
        self.read(DECIDED, b"last")
    }

    /// Forgets entries and bodies at and below a committed height.
    ///
    /// # Errors
    /// [`LogError::Database`]: the node must stop.
    pub fn prune(&self, height: Height) -> Result<(), LogError> {
        let mut batch = WriteBatch::default();
        let end = height.next().0.to_be_bytes();
        for family in [WAL, BODIES, BUILT] {
            let family = self.family(family);
            // Keys one by one: a height leaves a few dozen, range tombstones would pile up.
            for item in self.db.iterator_cf(family, IteratorMode::Start) {
                let (key, _) = item?;
                if key.as_ref() >= end.as_slice() {
                    break;
                }
                batch.delete_cf(family, key);
            }
        }
        self.write(batch, false)
    }

    fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), LogError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        Ok(self.db.write_opt(batch, &options)?)
    }

    fn of_height(&self, family: &str, height: Height) -> Result<Vec<Pair>, LogError> {
        let prefix = height.0.to_be_bytes();
        let mode = IteratorMode::From(&prefix, Direction::Forward);
        let mut found = Vec::new();
        for item in self.db.iterator_cf(self.family(family), mode) {
            let (key, value) = item?;
            if !key.starts_with(&prefix) {
                break;
            }
            found.push((key, value));
        }
        Ok(found)
    }

    fn read<T: BorshDeserialize>(&self, family: &str, key: &[u8]) -> Result<Option<T>, LogError> {
        let Some(bytes) = self.db.get_pinned_cf(self.family(family), key)? else {
            return Ok(None);
        };
        unchecked(&bytes, || format!("{family} {}", hex::encode(key))).map(Some)
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("all column families are made when the log is opened")
    }
}

fn pair(height: u64, rest: &[u8]) -> Vec<u8> {
    [height.to_be_bytes().as_slice(), rest].concat()
}

fn checked(value: &impl BorshSerialize) -> Vec<u8> {
    let mut bytes = borsh::to_vec(value).expect("writing to memory cannot fail");
    let check = blake3::hash(&bytes);
    bytes.extend_from_slice(&check.as_bytes()[..CHECK_BYTES]);
    bytes
}

fn unchecked<T: BorshDeserialize>(bytes: &[u8], name: impl Fn() -> String) -> Result<T, LogError> {
    let damaged = || LogError::Damaged { what: name() };
    let at = bytes.len().checked_sub(CHECK_BYTES).ok_or_else(damaged)?;
    let (value, check) = bytes.split_at(at);
    if blake3::hash(value).as_bytes()[..CHECK_BYTES] != *check {
        return Err(damaged());
    }
    borsh::from_slice(value).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_consensus::{TimeoutKind, WalEvent};

    fn entry(height: u64, sequence: u64) -> WalEntry {
        let event = WalEvent::Timeout { kind: TimeoutKind::Prevote, round: Round(1) };
        WalEntry { height: Height(height), sequence, event }
    }

    #[test]
    fn what_was_written_is_there_after_reopening_and_pruned_heights_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let certificate = CommitCertificate::new(Height(1), Round(0), B256::ZERO, 4, vec![]);
        let block = B256::repeat_byte(1);
        {
            let log = ConsensusLog::open(dir.path()).unwrap();
            log.append(&[entry(1, 0), entry(1, 1)], None, true).unwrap();
            log.append(&[entry(2, 0)], None, false).unwrap();
            log.append(&[], None, true).unwrap();
            log.put_body(Height(2), block, b"header", b"body", Some(Round(3))).unwrap();
            log.put_decided(&certificate, true).unwrap();
        }
        let log = ConsensusLog::open(dir.path()).unwrap();
        assert_eq!(log.entries(Height(1)).unwrap(), [entry(1, 0), entry(1, 1)]);
        assert_eq!(log.last_decided().unwrap(), Some(certificate));
        let stored = log.built(Height(2), Round(3)).unwrap().unwrap();
        assert_eq!((stored.block, stored.body.as_slice()), (block, b"body".as_slice()));
        assert_eq!(log.built(Height(2), Round(2)).unwrap(), None);
        log.prune(Height(1)).unwrap();
        assert!(log.entries(Height(1)).unwrap().is_empty());
        assert_eq!(log.entries(Height(2)).unwrap(), [entry(2, 0)]);
        log.prune(Height(2)).unwrap();
        assert_eq!(log.body(Height(2), &block).unwrap(), None);
    }

    #[test]
    fn a_changed_or_missing_entry_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let log = ConsensusLog::open(dir.path()).unwrap();
        log.append(&[entry(1, 0), entry(1, 1), entry(1, 2)], None, false).unwrap();
        let key = pair(1, &1u64.to_be_bytes());
        let mut bytes = log.db.get_cf(log.family(WAL), &key).unwrap().unwrap();
        bytes[3] ^= 1;
        log.db.put_cf(log.family(WAL), &key, &bytes).unwrap();
        assert!(matches!(log.entries(Height(1)), Err(LogError::Damaged { .. })));
        log.db.delete_cf(log.family(WAL), &key).unwrap();
        assert!(matches!(log.entries(Height(1)), Err(LogError::Damaged { .. })));
    }

    #[test]
    fn a_torn_end_is_cut_off_and_damage_before_the_end_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        {
            let log = ConsensusLog::open(dir.path()).unwrap();
            for sequence in 0..50 {
                log.append(&[entry(1, sequence)], None, true).unwrap();
            }
        }
        let newest = || {
            let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
            let logs = files.filter(|path| path.extension().is_some_and(|name| name == "log"));
            logs.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
        };
        let bytes = std::fs::read(newest()).unwrap();
        std::fs::write(newest(), &bytes[..bytes.len() - 5]).unwrap();
        {
            let log = ConsensusLog::open(dir.path()).unwrap();
            assert_eq!(log.entries(Height(1)).unwrap().len(), 49);
            for sequence in 49..90 {
                log.append(&[entry(1, sequence)], None, true).unwrap();
            }
        }
        let mut bytes = std::fs::read(newest()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(newest(), &bytes).unwrap();
        assert!(matches!(ConsensusLog::open(dir.path()), Err(LogError::Damaged { .. })));
    }

    #[test]
    fn two_openings_and_another_schema_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let log = ConsensusLog::open(dir.path()).unwrap();
        assert!(matches!(ConsensusLog::open(dir.path()), Err(LogError::Locked { .. })));
        log.db.put_cf(log.family(META), "schema", 9u32.to_le_bytes()).unwrap();
        drop(log);
        assert!(matches!(ConsensusLog::open(dir.path()), Err(LogError::Schema { found: 9 })));
    }
}
