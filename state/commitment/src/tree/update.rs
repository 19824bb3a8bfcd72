//! A sorted batch of changes, put into the tree by copying the paths that it touches.

use super::node::{Branch, Node, join};
use crate::TreeKey;
use alloy_primitives::B256;

/// Number of updates above which both halves of a batch run beside each other.
const JOIN_MIN: usize = 256;

/// One change of a leaf: its new hash, or `None` to remove it.
pub(crate) struct Update {
    pub(crate) key: TreeKey,
    pub(crate) leaf: Option<B256>,
}

/// The subtree after the updates, which must ascend by key and share all bits before `start` with
/// the subtree. `start` is the bit after the parent's split, which the result is made for.
pub(crate) fn update(node: Option<&Node>, start: u16, updates: &[Update]) -> Option<Node> {
    if updates.is_empty() {
        return node.map(|node| node.clone().moved_to(start));
    }
    match node {
        None => build(start, updates),
        Some(Node::Leaf(leaf)) => {
            let place = updates.partition_point(|update| update.key < leaf.key);
            if updates.get(place).is_some_and(|update| update.key == leaf.key) {
                return build(start, updates);
            }
            let old = node.expect("matched above");
            insert_beside(old, &leaf.key, start, leaf_split(&leaf.key, updates), updates)
        }
        Some(node @ Node::Branch(branch)) => update_branch(node, branch, start, updates),
    }
}

fn update_branch(node: &Node, branch: &Branch, start: u16, updates: &[Update]) -> Option<Node> {
    // Without a prefix every key that came this far belongs below this branch.
    if branch.split > start {
        let below = node.first_key();
        let split = leaf_split(below, updates);
        if split < branch.split {
            return insert_beside(node, below, start, split, updates);
        }
    }
    let (left, right) = partition(updates, branch.split);
    let below = branch.split + 1;
    let (left, right) = both(
        updates.len(),
        || update(Some(&branch.left), below, left),
        || update(Some(&branch.right), below, right),
    );
    join(start, branch.split, left, right)
}

/// First bit at which any of the updates parts from a key. Keys equal to it do not count.
fn leaf_split(key: &TreeKey, updates: &[Update]) -> u16 {
    let common = |update: Option<&Update>| update.map_or(u16::MAX, |u| u.key.common_bits(key));
    common(updates.first()).min(common(updates.last()))
}

/// Puts updates of which some part from the subtree before its own split: it goes to one side of a
/// branch at `split`, the updates are divided.
fn insert_beside(
    old: &Node,
    old_key: &TreeKey,
    start: u16,
    split: u16,
    updates: &[Update],
) -> Option<Node> {
    let (left, right) = partition(updates, split);
    let below = split + 1;
    let (left, right) = if old_key.bit(split) {
        both(updates.len(), || build(below, left), || update(Some(old), below, right))
    } else {
        both(updates.len(), || update(Some(old), below, left), || build(below, right))
    };
    join(start, split, left, right)
}

/// The subtree of the updates alone; removals of what is not there change nothing.
fn build(start: u16, updates: &[Update]) -> Option<Node> {
    let (first, last) = match updates {
        [] => return None,
        [only] => return only.leaf.map(|hash| Node::leaf(only.key, hash)),
        [first, .., last] => (first, last),
    };
    let split = first.key.common_bits(&last.key);
    let (left, right) = partition(updates, split);
    let (left, right) = both(updates.len(), || build(split + 1, left), || build(split + 1, right));
    join(start, split, left, right)
}

/// Divides updates that share all bits before `split` into those with 0 and those with 1 there.
fn partition(updates: &[Update], split: u16) -> (&[Update], &[Update]) {
    updates.split_at(updates.partition_point(|update| !update.key.bit(split)))
}

fn both<A: Send, B: Send>(
    updates: usize,
    left: impl FnOnce() -> A + Send,
    right: impl FnOnce() -> B + Send,
) -> (A, B) {
    if updates > JOIN_MIN { rayon::join(left, right) } else { (left(), right()) }
}
