//! The tree: a persistent value whose copies share what they have in common.

mod builder;
mod node;
mod update;

pub use builder::TreeBuilder;

use crate::leaf::{LeafChange, PARALLEL_MIN, leaves_of};
use alloy_primitives::B256;
use node::{Node, leaf_hash};
use rayon::prelude::*;
use update::Update;
use weft_types::StateDiff;

/// The commitment to one state. Cloning is cheap and the copy never changes: a clone is a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    root: Option<Node>,
}

impl Tree {
    /// The tree of the empty state; its root is zero.
    #[must_use]
    pub const fn empty() -> Self {
        Self { root: None }
    }

    /// The root hash: the header's `stateRoot`.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.root.as_ref().map_or(B256::ZERO, |node| *node.hash())
    }

    /// The tree after a block's net change. `self` stays as it is; both share what did not change.
    ///
    /// Large changes are spread over the current rayon pool.
    ///
    /// # Panics
    /// When the diff breaks its own promises: see [`leaves_of`].
    #[must_use]
    pub fn apply(&self, diff: &StateDiff) -> Self {
        self.apply_leaves(&leaves_of(diff))
    }

    /// The tree after changes of leaves, which must ascend by key, each key once.
    #[must_use]
    pub fn apply_leaves(&self, changes: &[LeafChange]) -> Self {
        debug_assert!(changes.is_sorted_by(|a, b| a.key < b.key), "leaf changes must ascend");
        let hash = |change: &LeafChange| Update {
            key: change.key,
            leaf: change.value.as_ref().map(|value| leaf_hash(&change.key, value)),
        };
        let updates: Vec<Update> = if changes.len() >= PARALLEL_MIN {
            changes.par_iter().map(hash).collect()
        } else {
            changes.iter().map(hash).collect()
        };
        Self { root: update::update(self.root.as_ref(), 0, &updates) }
    }

    /// Number of leaves; walks the whole tree.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        self.root.as_ref().map_or(0, Node::leaves)
    }
}
