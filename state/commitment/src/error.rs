//! Why a tree cannot be built, changed or read.

use alloy_primitives::B256;
use weft_types::StateError;

/// The tree and the leaves that it is made of do not go together.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommitmentError {
    /// A key does not come after the one before it.
    #[error("leaf keys must ascend: found {found} after {previous}")]
    KeyOrder {
        /// The last key taken, in hex.
        previous: String,
        /// The key refused, in hex.
        found: String,
    },
    /// A subtree is not in memory, and the tree does not know where to read it.
    #[error("the tree has no source for the leaves that it does not hold")]
    NoSource,
    /// The flat state could not be read.
    #[error(transparent)]
    Source(#[from] StateError),
    /// The flat state is not the one that the tree was made of.
    #[error(
        "the {leaves} leaves from key {first} on have hash {found}, expected {expected}: the flat \
         state has changed behind the tree"
    )]
    Changed {
        /// Lowest key of the subtree, in hex.
        first: String,
        /// Leaves of the subtree.
        leaves: u16,
        /// Hash that the tree keeps of it.
        expected: B256,
        /// Hash of the leaves found; zero when they are not as many or do not ascend.
        found: B256,
    },
    /// A saved tree does not decode or is not the one expected.
    #[error("saved tree is of no use: {reason}")]
    Saved {
        /// What does not fit.
        reason: String,
    },
}
