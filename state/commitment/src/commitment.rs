//! The seam between those who need a root and the kinds of tree that give one.

use crate::{CommitmentError, Tree};
use alloy_primitives::B256;
use weft_types::StateDiff;

/// A commitment to one state, from which that to the next state follows.
pub trait Commitment: Clone + Send + Sync {
    /// The root hash: the header's `stateRoot`.
    fn root(&self) -> B256;

    /// The commitment after a block's net change; `self` stays as it is.
    ///
    /// # Errors
    /// [`CommitmentError`] when what is not in memory cannot be read.
    fn after(&self, diff: &StateDiff) -> Result<Self, CommitmentError>;
}

impl Commitment for Tree {
    fn root(&self) -> B256 {
        Self::root(self)
    }

    fn after(&self, diff: &StateDiff) -> Result<Self, CommitmentError> {
        self.try_apply(diff)
    }
}
