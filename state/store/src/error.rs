//! What can go wrong with the store, by what the caller can do about it.

use crate::columns::Column;
use alloy_primitives::B256;
use std::path::PathBuf;
use weft_commitment::CommitmentError;
use weft_commitment::sync::SyncError;
use weft_types::StateError;

/// Why the store refused or failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// Another process, or another handle of this one, has the directory open.
    #[error("data directory {} is in use by another process", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// There is no database.
    #[error("there is no database in {}", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// The directory belongs to another chain.
    #[error("data directory is of another chain: expected genesis {expected}, found {found}")]
    WrongGenesis {
        /// Hash of the genesis block given.
        expected: B256,
        /// Hash of the genesis block stored.
        found: B256,
    },
    /// The directory was written in a layout that this version does not read.
    #[error(
        "data directory has schema {found}, expected {expected}: {}",
        if found & !(1 << 31) == *expected {
            "it holds a chain of Ethereum that was imported"
        } else if found > expected {
            "it was written by a newer version"
        } else {
            "it is too old to be upgraded"
        }
    )]
    Schema {
        /// The schema of this version.
        expected: u32,
        /// The schema stored.
        found: u32,
    },
    /// Stored data contradicts itself or does not decode.
    #[error("data directory is damaged: {what}")]
    Damaged {
        /// What does not fit, expected and found.
        what: String,
    },
    /// An earlier write failed, so what is on disk is unknown until the store is opened again.
    #[error("store is closed for writing because an earlier write failed")]
    Poisoned,
    /// The block does not follow the head.
    #[error("block {height} has parent {found}, expected the head {expected} at {head}")]
    WrongParent {
        /// Height of the block.
        height: u64,
        /// Height of the head.
        head: u64,
        /// Hash of the head.
        expected: B256,
        /// Parent named by the block.
        found: B256,
    },
    /// The header does not commit to the state that is to be stored.
    #[error("block {height} has state root {expected}, but its state has {found}")]
    WrongRoot {
        /// Height of the block.
        height: u64,
        /// Root in the header.
        expected: B256,
        /// Root of the tree.
        found: B256,
    },
    /// The parts of a commit do not belong together.
    #[error("block {height} is inconsistent: {reason}")]
    Inconsistent {
        /// Height of the block.
        height: u64,
        /// What does not fit.
        reason: String,
    },
    /// No block has this height yet.
    #[error("no state at height {height}: the head is {head}")]
    UnknownHeight {
        /// Height asked for.
        height: u64,
        /// Height of the head.
        head: u64,
    },
    /// What belongs to this height was dropped, as the retention says.
    #[error("pruned history unavailable: {what} of height {height} is below {oldest}")]
    Pruned {
        /// What was asked for.
        what: &'static str,
        /// Height asked for.
        height: u64,
        /// Oldest height that can be served.
        oldest: u64,
    },
    /// A snapshot cannot be made, used or restored.
    #[error("snapshot {}: {reason}", path.display())]
    Snapshot {
        /// The snapshot's directory, or the file in it that does not fit.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The state is too old to be proven.
    #[error(
        "no proof window at height {height}: states can be proven from height {oldest} to {head}"
    )]
    NoProof {
        /// Height asked for.
        height: u64,
        /// Oldest height whose state can be proven.
        oldest: u64,
        /// Height of the head.
        head: u64,
    },
    /// The block access list of a block is needed and is not there or of no use.
    #[error("block access list of block {height} is of no use: {reason}")]
    NoList {
        /// Height of the block.
        height: u64,
        /// What does not fit.
        reason: String,
    },
    /// The tree and the flat state do not go together, or a state was not read.
    #[error(transparent)]
    Tree(#[from] CommitmentError),
    /// A piece of a state that is being imported is refused.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A state was not read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The disk or RocksDB failed.
    #[error("{operation} failed: {reason}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// What RocksDB said.
        reason: String,
    },
}

impl StoreError {
    /// Whether the node must stop: nothing that is asked again will do better before the disk is
    /// repaired or the store is opened anew.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Poisoned | Self::Database { .. })
    }

    /// An error of RocksDB; a failed checksum is damage.
    pub(crate) fn database(operation: &'static str, error: &rocksdb::Error) -> Self {
        match error.kind() {
            rocksdb::ErrorKind::Corruption => Self::Damaged { what: error.to_string() },
            _ => Self::Database { operation, reason: error.to_string() },
        }
    }

    /// A stored value that does not decode.
    pub(crate) fn value(column: Column, reason: impl std::fmt::Display) -> Self {
        Self::Damaged { what: format!("{}: {reason}", column.name()) }
    }
}

impl From<StoreError> for StateError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Pruned { height, oldest, .. } => Self::Pruned { height, oldest },
            other => Self::Read { reason: other.to_string() },
        }
    }
}
