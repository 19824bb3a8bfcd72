//! The seam between those who read state and those who keep it.

use crate::Account;
use alloy_primitives::{Address, B256, Bytes, U256};

/// A state read failed for a reason that says nothing about the block: disk, pruning, a damaged
/// record. Never a verdict about a transaction.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    /// The store could not answer.
    #[error("state read failed: {reason}")]
    Read {
        /// What the store said.
        reason: String,
    },
    /// The code of an account is missing although its hash is known.
    #[error("code {hash} is referenced but not stored")]
    CodeMissing {
        /// keccak256 of the missing code.
        hash: B256,
    },
    /// The asked height is older than what this node keeps.
    #[error("pruned history unavailable: height {height} is below {oldest}")]
    Pruned {
        /// Height asked for.
        height: u64,
        /// Oldest height that can be served.
        oldest: u64,
    },
}

/// An account or a slot that somebody is going to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Touched {
    /// An account, with its code.
    Account(Address),
    /// One storage slot.
    Slot(Address, U256),
}

/// Says what is going to be read. Called once on another thread, or never.
pub type TouchedList = Box<dyn FnOnce() -> Vec<Touched> + Send>;

/// An immutable snapshot of the state after one block. Thread-safe; answers never change.
pub trait StateReader: Send + Sync {
    /// The account, or `None` when it does not exist.
    ///
    /// # Errors
    /// [`StateError`] when the store cannot answer.
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError>;

    /// Value of a storage slot; zero when absent.
    ///
    /// # Errors
    /// [`StateError`] when the store cannot answer.
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError>;

    /// Code by its keccak256; empty for the hash of no code.
    ///
    /// # Errors
    /// [`StateError::CodeMissing`] when unknown, or another [`StateError`].
    fn code(&self, hash: &B256) -> Result<Bytes, StateError>;

    /// Hash of the block with this number, for `BLOCKHASH`; `None` when the chain does not have it.
    ///
    /// # Errors
    /// [`StateError`] when the store cannot answer.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError>;

    /// Asks for values to be read ahead of those who need them. Returns at once. A hint: whoever
    /// cannot read ahead does nothing, and no answer depends on it.
    fn prefetch(&self, list: TouchedList) {
        drop(list);
    }
}

impl<T: StateReader + ?Sized> StateReader for std::sync::Arc<T> {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        (**self).account(address)
    }
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        (**self).storage(address, slot)
    }
    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        (**self).code(hash)
    }
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        (**self).block_hash(number)
    }
    fn prefetch(&self, list: TouchedList) {
        (**self).prefetch(list);
    }
}
