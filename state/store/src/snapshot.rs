//! Copies of a database at one block, which another node can start from.
//!
//! ```text
//! SNAPSHOT/manifest.json   height, hash, state root, certificate, and every file with its BLAKE3
//!          db/             a RocksDB checkpoint: table files are links to those of the database
//! ```
//! A snapshot is made in a folder with another name, which is renamed when everything is on disk: a
//! folder with a manifest is complete. Nothing of the database is locked for longer than RocksDB
//! needs to write down what is in memory.

pub(crate) mod files;

use crate::columns::{Column, database_options, descriptors};
use crate::database::Database;
use crate::retention::Horizon;
use crate::{Faults, StoreError, StoreOptions, layout, open, rebuild};
use alloy_primitives::{B256, Bytes};
use files::{hash_files, sync_directory};
use rocksdb::DB;
use rocksdb::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use weft_types::CommitCertificate;

pub use files::SnapshotFile;

/// Version of the manifest.
const VERSION: u32 = 1;
const MANIFEST: &str = "manifest.json";
const FILES: &str = "db";
/// Largest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotManifest {
    /// Version of this file.
    pub version: u32,
    /// Layout of the database.
    pub schema: u32,
    /// Hash of the genesis block.
    pub genesis: B256,
    /// Height of the last block.
    pub height: u64,
    /// Hash of the last block.
    pub hash: B256,
    /// Its state root.
    pub state_root: B256,
    /// Borsh of the certificate that makes it final; empty at genesis.
    pub certificate: Bytes,
    /// The files, ascending by name.
    pub files: Vec<SnapshotFile>,
}

impl SnapshotManifest {
    /// All files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The certificate of the last block; `None` at genesis.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it does not decode.
    pub fn certificate(&self) -> Result<Option<CommitCertificate>, StoreError> {
        if self.certificate.is_empty() {
            return Ok(None);
        }
        let certificate = borsh::from_slice(&self.certificate);
        certificate.map(Some).map_err(|e| StoreError::value(Column::Certificates, e))
    }
}

/// Makes a snapshot in a new folder below `parent`, named after the block. The database may be
/// written meanwhile.
pub(crate) fn create(
    database: &Database,
    parent: &Path,
) -> Result<(PathBuf, SnapshotManifest), StoreError> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| failure(path, error);
    std::fs::create_dir_all(parent).map_err(|e| failed(parent, &e))?;
    let partial = parent.join(format!(".partial-{}", std::process::id()));
    remove(&partial)?;
    std::fs::create_dir(&partial).map_err(|e| failed(&partial, &e))?;
    let made = create_in(database, &partial).and_then(|manifest| {
        let name = format!("{}-{}", manifest.height, &manifest.hash.to_string()[2..10]);
        let directory = parent.join(name);
        if directory.exists() {
            return Err(failure(&directory, &"it exists already"));
        }
        std::fs::rename(&partial, &directory).map_err(|e| failed(&directory, &e))?;
        sync_directory(parent)?;
        Ok((directory, manifest))
    });
    if made.is_err() {
        // What went wrong is what matters; the next snapshot removes the rest.
        let _ = remove(&partial);
    }
    made
}

fn create_in(database: &Database, partial: &Path) -> Result<SnapshotManifest, StoreError> {
    let directory = partial.join(FILES);
    Checkpoint::new(database.rocks())
        .and_then(|checkpoint| checkpoint.create_checkpoint(&directory))
        .map_err(|e| StoreError::database("checkpoint", &e))?;
    // The copy itself says at which block it was taken: the head may have moved.
    let facts = open::read_facts(&directory)?
        .ok_or_else(|| failure(&directory, &"the copy has no head"))?;
    let files = hash_files(&directory)?;
    let manifest = SnapshotManifest {
        version: VERSION,
        schema: facts.schema,
        genesis: facts.genesis,
        height: facts.head.height,
        hash: facts.head.hash,
        state_root: facts.head.state_root,
        certificate: facts.certificate.into(),
        files,
    };
    let path = partial.join(MANIFEST);
    let json = serde_json::to_vec_pretty(&manifest).map_err(|e| failure(&path, &e))?;
    files::write_durably(&path, &json)?;
    sync_directory(&directory)?;
    sync_directory(partial)?;
    Ok(manifest)
}

/// The manifest of a snapshot, without looking at its files.
///
/// # Errors
/// [`StoreError::Snapshot`] when there is none, or it cannot be read.
pub fn read_manifest(snapshot: &Path) -> Result<SnapshotManifest, StoreError> {
    let path = snapshot.join(MANIFEST);
    let length = std::fs::metadata(&path).map_err(|e| failure(&path, &e))?.len();
    if length > MANIFEST_BYTES_MAX {
        return Err(failure(&path, &format!("{length} bytes, limit {MANIFEST_BYTES_MAX}")));
    }
    let text = std::fs::read(&path).map_err(|e| failure(&path, &e))?;
    let manifest: SnapshotManifest =
        serde_json::from_slice(&text).map_err(|e| failure(&path, &e))?;
    if manifest.version != VERSION {
        let reason = format!("version {}, expected {VERSION}", manifest.version);
        return Err(failure(&path, &reason));
    }
    if let Some(file) = manifest.files.iter().find(|file| !file.has_plain_name()) {
        return Err(failure(&path, &format!("{:?} is not the name of a file", file.name)));
    }
    Ok(manifest)
}

/// Compares every file of a snapshot with its manifest, rebuilds the state root, and compares what
/// the database says with the manifest. Whether the block is one of the chain, only its certificate
/// or a trusted hash can say.
///
/// # Errors
/// [`StoreError::Snapshot`] naming the file that does not fit, [`StoreError::Damaged`] when the
/// database in it is not whole.
pub fn verify_snapshot(snapshot: &Path) -> Result<SnapshotManifest, StoreError> {
    let manifest = read_manifest(snapshot)?;
    let directory = snapshot.join(FILES);
    let expected: BTreeSet<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    for name in files::names(&directory)? {
        if !expected.contains(name.as_str()) {
            return Err(failure(&directory.join(&name), &"it is not in the manifest"));
        }
    }
    for file in &manifest.files {
        file.verify(&directory)?;
    }
    let database = open_read_only(&directory)?;
    let (head, _) = rebuild::verified_tree(&database, 0)?;
    let found = (head.height, head.hash, head.state_root, open::stored_genesis(&database)?);
    let said = (manifest.height, manifest.hash, manifest.state_root, manifest.genesis);
    if found != said {
        let reason = format!("the manifest says {said:?}, the database {found:?}");
        return Err(failure(&snapshot.join(MANIFEST), &reason));
    }
    let header = database
        .get_as(Column::Headers, &head.height.to_be_bytes(), layout::decode_header)?
        .ok_or_else(|| StoreError::value(Column::Headers, "no header of the head"))?;
    if header.hash_slow() != head.hash || header.state_root != head.state_root {
        let reason = format!("the header of block {} is another one", head.height);
        return Err(StoreError::value(Column::Headers, reason));
    }
    let certificate = manifest.certificate()?;
    let certified = certificate.map(|certificate| (certificate.height.0, certificate.block));
    if certified.is_some_and(|certified| certified != (head.height, head.hash)) {
        let reason = format!("the certificate is for {certified:?}");
        return Err(failure(&snapshot.join(MANIFEST), &reason));
    }
    Ok(manifest)
}

/// Copies the database of a snapshot to `target`, which must not exist. Every file is compared with
/// the manifest while it is copied; a copy that was interrupted leaves nothing under the name.
///
/// # Errors
/// [`StoreError::Snapshot`] naming the file that does not fit or cannot be written.
pub fn restore_snapshot(snapshot: &Path, target: &Path) -> Result<SnapshotManifest, StoreError> {
    let manifest = read_manifest(snapshot)?;
    if target.exists() {
        return Err(failure(target, &"it exists already"));
    }
    let parent = target.parent().ok_or_else(|| failure(target, &"it has no parent folder"))?;
    let partial = target.with_extension("partial");
    remove(&partial)?;
    std::fs::create_dir_all(&partial).map_err(|e| failure(&partial, &e))?;
    let directory = snapshot.join(FILES);
    for file in &manifest.files {
        file.copy(&directory, &partial)?;
    }
    sync_directory(&partial)?;
    std::fs::rename(&partial, target).map_err(|e| failure(target, &e))?;
    sync_directory(parent)?;
    Ok(manifest)
}

/// Opens a directory without changing anything in it.
fn open_read_only(directory: &Path) -> Result<Database, StoreError> {
    let options = StoreOptions { open_files_max: 256, ..StoreOptions::devnet() };
    let horizon = Horizon::default();
    let columns = descriptors(Column::ALL.map(Column::name), &options, &horizon);
    let mut database = database_options(&options);
    open::leave_no_log(&mut database);
    let rocks = DB::open_cf_descriptors_read_only(&database, directory, columns, false)
        .map_err(|e| StoreError::database("open", &e))?;
    Ok(Database::new(rocks, horizon, false, Faults::default()))
}

pub(crate) fn remove(directory: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failure(directory, &error))
        }
        _ => Ok(()),
    }
}

pub(crate) fn failure(path: &Path, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Snapshot { path: path.to_path_buf(), reason: reason.to_string() }
}
