//! The tree: a persistent value whose copies share what they have in common.

mod builder;
pub(crate) mod node;
mod prove;
mod saved;
mod source;
mod trim;
pub(crate) mod update;

pub use builder::TreeBuilder;
pub use saved::SavedTree;
pub use source::LeafSource;

use crate::hash::Preimage;
use crate::leaf::{LeafChange, PARALLEL_MIN, leaves_of};
use crate::{CommitmentError, TreeKey};
use alloy_primitives::B256;
use node::{Context, ITEM_BYTES, Node, Stub};
use rayon::prelude::*;
use std::sync::Arc;
use trim::Sweep;
use update::Update;
use weft_types::StateDiff;

/// The commitment to one state. Cloning is cheap and the copy never changes: a clone is a snapshot.
///
/// A tree without a [`LeafSource`] is whole in memory. One with a source may hold only a part:
/// [`Self::trim`] drops subtrees, and whatever needs them reads them again.
#[derive(Clone, Default)]
pub struct Tree {
    root: Option<Node>,
    source: Option<Arc<dyn LeafSource>>,
    /// Number of applications that led here.
    epoch: u32,
    /// Where the next pass of `trim` begins.
    hand: Option<TreeKey>,
    /// Items that were left when a pass of `trim` found nothing more to drop.
    floor: u32,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("root", &self.root())
            .field("leaves", &self.leaves())
            .finish_non_exhaustive()
    }
}

impl Tree {
    /// The tree of the empty state; its root is zero.
    #[must_use]
    pub const fn empty() -> Self {
        Self { root: None, source: None, epoch: 0, hand: None, floor: 0 }
    }

    /// The root hash: the header's `stateRoot`.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.root.as_ref().map_or(B256::ZERO, |node| *node.hash())
    }

    /// The same tree, which reads from now on what it does not hold from `source`: the state that
    /// this tree commits to.
    #[must_use]
    pub fn with_source(mut self, source: Arc<dyn LeafSource>) -> Self {
        self.source = Some(source);
        self
    }

    /// The tree after a block's net change, for trees that are whole in memory: see
    /// [`Self::try_apply`].
    ///
    /// # Panics
    /// When the diff breaks its own promises: see [`leaves_of`]; when the tree has a source that
    /// fails.
    #[must_use]
    pub fn apply(&self, diff: &StateDiff) -> Self {
        self.try_apply(diff).expect("a tree that is whole in memory reads nothing")
    }

    /// The tree after a block's net change. `self` stays as it is; both share what did not change,
    /// and both read from the source of `self` what they do not hold: the change itself is in
    /// memory.
    ///
    /// Large changes are spread over the current rayon pool.
    ///
    /// # Errors
    /// [`CommitmentError::Source`] or [`CommitmentError::Changed`] when a subtree that is not in
    /// memory cannot be read, or is not what it was.
    ///
    /// # Panics
    /// When the diff breaks its own promises: see [`leaves_of`].
    pub fn try_apply(&self, diff: &StateDiff) -> Result<Self, CommitmentError> {
        self.apply_leaves(&leaves_of(diff))
    }

    /// The tree after changes of leaves, which must ascend by key, each key once.
    ///
    /// # Errors
    /// As [`Self::try_apply`].
    pub fn apply_leaves(&self, changes: &[LeafChange]) -> Result<Self, CommitmentError> {
        debug_assert!(changes.is_sorted_by(|a, b| a.key < b.key), "leaf changes must ascend");
        let hash = |change: &LeafChange| Update {
            key: change.key,
            leaf: change.value.as_ref().map(|value| Preimage::leaf(&change.key, value).hash()),
        };
        let updates: Vec<Update> = if changes.len() >= PARALLEL_MIN {
            changes.par_iter().map(hash).collect()
        } else {
            changes.iter().map(hash).collect()
        };
        let mut next = self.clone();
        next.epoch = self.epoch.saturating_add(1);
        next.root = update::update(self.root.as_ref(), 0, &updates, &next.context())?;
        Ok(next)
    }

    /// Number of leaves, in memory or not; stops counting at 2^32 - 1.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        self.root.as_ref().map_or(0, |node| u64::from(node.counts().leaves))
    }

    /// Estimated bytes of memory that this tree takes by itself.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        u64::from(self.items()) * ITEM_BYTES
    }

    /// Number of leaves in memory.
    #[must_use]
    pub fn leaves_in_memory(&self) -> u64 {
        self.root.as_ref().map_or(0, |node| u64::from(node.counts().resident))
    }

    /// The same tree in at most `budget_bytes` of memory, if the part of it that has to stay fits:
    /// subtrees of up to 16 leaves are dropped, first those that no recent change touched. With a
    /// budget of zero all of them are, and every later touch reads the source.
    ///
    /// Copies of the tree keep what they hold.
    ///
    /// # Panics
    /// When the tree has no source: what is dropped could never be read again.
    #[must_use]
    pub fn trim(&self, budget_bytes: u64) -> Self {
        let mut tree = self.clone();
        let budget = u32::try_from(budget_bytes / ITEM_BYTES).unwrap_or(u32::MAX);
        let items = tree.items();
        // A sixteenth more than was left when nothing could be dropped: else each block would search
        // the whole tree in vain.
        let enough = budget.max(tree.floor.saturating_add(tree.floor / 16));
        if budget > 0 && items <= enough {
            return tree;
        }
        assert!(tree.source.is_some(), "a tree is trimmed only when it can be read again");
        let goal = items.saturating_sub(budget - budget / 16);
        let young = tree.epoch.saturating_sub(if budget > 0 { YOUNG_BLOCKS } else { 0 });
        if budget == 0 {
            tree.hand = None;
        }
        let first = Sweep { goal, young, singles: budget == 0, freed: 0, last: None };
        let left = tree.sweep(first);
        let left = if left == 0 { 0 } else { tree.again(left, young) };
        let left = if left == 0 { 0 } else { tree.again(left, tree.epoch) };
        tree.floor = if left == 0 { 0 } else { tree.items() };
        tree
    }

    /// A pass from the beginning, for what the pass from the hand did not find.
    fn again(&mut self, goal: u32, young: u32) -> u32 {
        self.hand = None;
        self.sweep(Sweep { goal, young, singles: false, freed: 0, last: None })
    }

    /// One pass; returns how much of its goal is left.
    fn sweep(&mut self, mut sweep: Sweep) -> u32 {
        let Some(root) = &self.root else { return 0 };
        if let Some(root) = sweep.drop_below(root, 0, self.hand.as_ref()) {
            self.root = Some(root);
        }
        self.hand = sweep.last;
        if sweep.singles { 0 } else { sweep.goal.saturating_sub(sweep.freed) }
    }

    pub(crate) const fn root_node(&self) -> Option<&Node> {
        self.root.as_ref()
    }

    fn items(&self) -> u32 {
        self.root.as_ref().map_or(0, |node| node.counts().items)
    }

    fn context(&self) -> Context<'_> {
        Context { source: self.source.as_deref(), epoch: self.epoch }
    }
}

/// What the last blocks touched stays in memory as long as something else can be dropped.
const YOUNG_BLOCKS: u32 = 8;
