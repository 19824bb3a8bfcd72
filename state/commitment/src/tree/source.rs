//! Where the tree reads what it does not hold.

use super::node::{Context, Node, Stub};
use super::update::{Update, build};
use crate::hash::Preimage;
use crate::{CommitmentError, TreeKey};
use alloy_primitives::B256;
use std::collections::BTreeMap;
use std::fmt::Debug;
use weft_types::StateError;

/// The leaves of one state in key order: the flat state, seen as the tree sees it.
///
/// A tree and its source must belong to the same state, except for keys that the tree holds in
/// memory: those may differ.
pub trait LeafSource: Send + Sync + Debug {
    /// The first `count` leaves from `first` on, in the zone of `first` (header, code or storage)
    /// and, in the storage zone, of the same account; fewer when there are no more.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    fn leaves_from(
        &self,
        first: &TreeKey,
        count: usize,
    ) -> Result<Vec<(TreeKey, B256)>, StateError>;
}

/// Leaves in memory, for tests and small tools.
impl LeafSource for BTreeMap<TreeKey, B256> {
    fn leaves_from(
        &self,
        first: &TreeKey,
        count: usize,
    ) -> Result<Vec<(TreeKey, B256)>, StateError> {
        let belongs = |key: &TreeKey| key.is_scanned_with(first);
        let leaves = self.range(*first..).take_while(|(key, _)| belongs(key)).take(count);
        Ok(leaves.map(|(key, value)| (*key, *value)).collect())
    }
}

impl Stub {
    /// The subtree, read anew and compared with the hash that was kept of it.
    pub(crate) fn resolve(&self, context: &Context<'_>) -> Result<Node, CommitmentError> {
        let source = context.source.ok_or(CommitmentError::NoSource)?;
        let leaves = source.leaves_from(&self.first, usize::from(self.leaves))?;
        let updates: Vec<Update> = leaves
            .iter()
            .map(|(key, value)| Update { key: *key, leaf: Some(Preimage::leaf(key, value).hash()) })
            .collect();
        let sorted = updates.is_sorted_by(|a, b| a.key < b.key);
        let node = if sorted { build(self.start, &updates, context)? } else { None };
        let found = node.as_ref().map_or(B256::ZERO, |node| *node.hash());
        match node {
            Some(node) if found == self.hash => Ok(node),
            _ => Err(CommitmentError::Changed {
                first: format!("{:?}", self.first),
                leaves: self.leaves,
                expected: self.hash,
                found,
            }),
        }
    }
}
