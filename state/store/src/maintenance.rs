//! A data directory in the hands of a person: looked at, tidied, copied, while no node runs on it.

use crate::check::{CheckReport, check};
use crate::columns::Column;
use crate::database::Database;
use crate::layout::{self, HeadRecord};
use crate::records;
use crate::retention::{Kept, Oldest, Retention};
use crate::snapshot::{self, SnapshotManifest};
use crate::{Store, StoreError, StoreOptions, open};
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Attempts to read a directory beside the node that runs on it.
const READS_MAX: u32 = 5;

/// An existing data directory, locked like a node's, but without the tree of its state: opening it
/// costs the same however large it is.
pub struct Maintenance {
    database: Database,
    directory: PathBuf,
    head: HeadRecord,
    genesis: B256,
}

/// What a data directory is, told without opening it for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DirectoryVersion {
    /// Layout that this program writes.
    pub expected: u32,
    /// Layout of the directory.
    pub found: u32,
    /// Hash of the genesis block.
    pub genesis: B256,
    /// Height of the head.
    pub height: u64,
    /// Hash of the head.
    pub hash: B256,
}

/// Room that a database takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseStats {
    /// Height of the head.
    pub height: u64,
    /// Hash of the head.
    pub hash: B256,
    /// Lowest heights that can be read, by what is kept.
    pub oldest: Vec<(Cow<'static, str>, u64)>,
    /// Column families.
    pub columns: Vec<ColumnStats>,
    /// All files of the directory, in bytes.
    pub directory_bytes: u64,
}

/// Room that one column family takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnStats {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Entries, about.
    pub entries: u64,
    /// Table files, in bytes.
    pub table_bytes: u64,
    /// Blob files, in bytes.
    pub blob_bytes: u64,
    /// Not yet in files, in bytes.
    pub memory_bytes: u64,
}

impl Maintenance {
    /// Opens an existing data directory. A layout of an older version is upgraded.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none, [`StoreError::Locked`] while a node runs,
    /// [`StoreError::Schema`] and [`StoreError::Damaged`] when it cannot be used.
    pub fn open(directory: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let missing = || StoreError::Missing { path: directory.to_path_buf() };
        if !directory.join("CURRENT").exists() {
            return Err(missing());
        }
        let (database, fresh) = open::open_database(directory, options)?;
        if fresh {
            return Err(missing());
        }
        let head = database
            .get_as(Column::Meta, layout::META_HEAD, layout::decode_head)?
            .ok_or_else(|| StoreError::value(Column::Meta, "no head"))?;
        let genesis = open::stored_genesis(&database)?;
        database.opened_at(head.height);
        Ok(Self { database, directory: directory.to_path_buf(), head, genesis })
    }

    /// Hash of the genesis block.
    #[must_use]
    pub const fn genesis(&self) -> B256 {
        self.genesis
    }

    /// Height of the head.
    #[must_use]
    pub const fn height(&self) -> u64 {
        self.head.height
    }

    /// Compares everything that is stored: hashes, links, roots, every entry of every index, and the
    /// root of the flat state.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the disk fails. Damage is not an error but a finding.
    pub fn check(&self) -> Result<CheckReport, StoreError> {
        check(&self.database)
    }

    /// Room that the database takes.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the disk fails.
    pub fn stats(&self) -> Result<DatabaseStats, StoreError> {
        stats(&self.database, &self.directory, &self.head)
    }

    /// Merges all table files.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the disk fails.
    pub fn compact(&self) -> Result<(), StoreError> {
        self.database.compact(&Column::ALL)
    }

    /// Drops what the retention does not keep, to the block, and gives its room back.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the disk fails.
    pub fn prune(&self, retention: &Retention) -> Result<Oldest, StoreError> {
        let before = self.database.horizon().oldest();
        let head = self.head.height;
        let mut oldest = before.advanced(retention, head, true).unwrap_or(before);
        records::bound(&self.database, retention, head, &mut oldest, true)?;
        if oldest != before {
            self.database.drop_below(&oldest)?;
        }
        for kept in Kept::ALL {
            if oldest.of(kept) > 0 {
                self.database.compact(kept.columns())?;
            }
        }
        Ok(oldest)
    }

    /// Copies the database into a new folder below `parent`; see [`crate::Store::snapshot`].
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] naming the file that cannot be written.
    pub fn snapshot(&self, parent: &Path) -> Result<(PathBuf, SnapshotManifest), StoreError> {
        snapshot::create(&self.database, parent)
    }
}

/// What a data directory is. Needs no lock: also while a node runs.
///
/// # Errors
/// [`StoreError::Missing`] when there is none, [`StoreError::Damaged`] when it cannot be read.
pub fn directory_version(directory: &Path) -> Result<DirectoryVersion, StoreError> {
    let missing = || StoreError::Missing { path: directory.to_path_buf() };
    if !directory.join("CURRENT").exists() {
        return Err(missing());
    }
    let facts = read_beside_a_node(directory)?.ok_or_else(missing)?;
    Ok(DirectoryVersion {
        expected: layout::SCHEMA,
        found: facts.schema,
        genesis: facts.genesis,
        height: facts.head.height,
        hash: facts.head.hash,
    })
}

impl Store {
    /// Room that the database takes.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the disk fails.
    pub fn stats(&self) -> Result<DatabaseStats, StoreError> {
        let block = &self.head().block;
        let (hash, state_root) = (block.hash(), block.header().state_root);
        let head = HeadRecord { height: block.height().0, hash, state_root };
        stats(&self.shared_database(), self.directory(), &head)
    }
}

/// A node that runs may remove a file between finding its name and reading it: then the files that
/// are there now are read.
fn read_beside_a_node(directory: &Path) -> Result<Option<open::Facts>, StoreError> {
    let mut attempts = 1;
    loop {
        match open::read_facts(directory) {
            Err(_) if attempts < READS_MAX => attempts += 1,
            facts => return facts,
        }
    }
}

fn stats(
    database: &Database,
    directory: &Path,
    head: &HeadRecord,
) -> Result<DatabaseStats, StoreError> {
    let number = |column: Column, name: &str| {
        let value = database.rocks().property_int_value_cf(database.column(column), name);
        value.map(Option::unwrap_or_default).map_err(|e| StoreError::database("statistics", &e))
    };
    let one = |column: Column| -> Result<ColumnStats, StoreError> {
        Ok(ColumnStats {
            name: column.name().into(),
            entries: number(column, "rocksdb.estimate-num-keys")?,
            table_bytes: number(column, "rocksdb.total-sst-files-size")?,
            blob_bytes: number(column, "rocksdb.total-blob-file-size")?,
            memory_bytes: number(column, "rocksdb.cur-size-all-mem-tables")?,
        })
    };
    let oldest = database.horizon().oldest();
    Ok(DatabaseStats {
        height: head.height,
        hash: head.hash,
        oldest: Kept::ALL.map(|kept| (kept.name().into(), oldest.of(kept))).to_vec(),
        columns: Column::ALL.into_iter().map(one).collect::<Result<_, _>>()?,
        directory_bytes: directory_bytes(directory),
    })
}

/// Files that vanish while they are counted count nothing.
fn directory_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}
