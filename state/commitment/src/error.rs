//! Why a tree cannot be built.

/// The leaves given to a [`TreeBuilder`](crate::TreeBuilder) are not a sorted set.
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
}
