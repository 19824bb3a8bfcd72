//! Keeping the tree within a size: cold subtrees of a few leaves are dropped from memory and
//! remembered by their hash.

use super::node::{Counts, Node, Stub};
use crate::TreeKey;
use std::sync::Arc;

/// Most leaves that one stub stands for.
pub(crate) const STUB_LEAVES_MAX: u32 = 16;

/// One pass over the tree, in key order from a key on.
pub(super) struct Sweep {
    /// Items to free before the pass ends.
    pub(super) goal: u32,
    /// Branches made after this application are left alone.
    pub(super) young: u32,
    /// Single leaves are dropped, too. That frees nothing: it is for the mode without memory.
    pub(super) singles: bool,
    /// Items freed so far.
    pub(super) freed: u32,
    /// The last subtree dropped: where the next pass begins.
    pub(super) last: Option<TreeKey>,
}

impl Sweep {
    fn is_done(&self) -> bool {
        self.freed >= self.goal && !self.singles
    }

    /// `node` without what this pass drops; `None` when that is nothing. `from` is where the pass
    /// begins, `None` when everything below comes after it; `epoch` is that of the nearest branch.
    pub(super) fn drop_below(
        &mut self,
        node: &Node,
        epoch: u32,
        mut from: Option<&TreeKey>,
    ) -> Option<Node> {
        if self.is_done() || node.counts().resident == 0 {
            return None;
        }
        let Node::Branch(branch) = node else {
            let begun = from.is_none_or(|from| node.first_key() >= from);
            let dropped = begun && self.singles && epoch <= self.young;
            return dropped.then(|| self.drop(node));
        };
        let mut skip_left = false;
        if let Some(key) = from {
            let first = node.first_key();
            let common = if first == key { u16::MAX } else { first.common_bits(key) };
            if common >= branch.split {
                skip_left = first != key && key.bit(branch.split);
            } else if key.bit(common) {
                return None;
            } else {
                from = None;
            }
        }
        if from.is_none() && branch.epoch <= self.young && may_be_dropped(node) {
            return Some(self.drop(node));
        }
        let left = if skip_left { None } else { self.drop_below(&branch.left, branch.epoch, from) };
        let right_from = if skip_left { from } else { None };
        let right = self.drop_below(&branch.right, branch.epoch, right_from);
        if left.is_none() && right.is_none() {
            return None;
        }
        let left = left.unwrap_or_else(|| branch.left.clone());
        let right = right.unwrap_or_else(|| branch.right.clone());
        Some(Node::joined(branch.hash, (branch.start, branch.split), left, right, branch.epoch))
    }

    fn drop(&mut self, node: &Node) -> Node {
        let stub = stub(node);
        self.freed = self.freed.saturating_add(node.counts().items - 1);
        self.last = Some(*stub.first_key());
        stub
    }
}

/// Whether a subtree is small enough to be read again by one short scan. Leaves of the storage zone
/// are scanned account by account, so there they must be of one.
pub(crate) fn may_be_dropped(node: &Node) -> bool {
    node.counts().leaves <= STUB_LEAVES_MAX
        && last_key(node).is_some_and(|last| last.is_scanned_with(node.first_key()))
}

/// The highest key below, when it is in memory or the node is a stub, which was judged before.
fn last_key(node: &Node) -> Option<&TreeKey> {
    match node {
        Node::Leaf(leaf) => Some(&leaf.key),
        // All keys of a stub are scanned together.
        Node::Stub(stub) => Some(&stub.first),
        Node::Branch(branch) => last_key(&branch.right),
    }
}

/// What is remembered of a subtree.
pub(crate) fn stub(node: &Node) -> Node {
    let Counts { leaves, .. } = node.counts();
    let start = match node {
        Node::Stub(_) => return node.clone(),
        Node::Branch(branch) => branch.start,
        Node::Leaf(_) => 0,
    };
    let leaves = u16::try_from(leaves).expect("a stub stands for a few leaves");
    Node::Stub(Arc::new(Stub { first: *node.first_key(), hash: *node.hash(), start, leaves }))
}
