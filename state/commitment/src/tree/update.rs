//! A sorted batch of changes, put into the tree by copying the paths that it touches.

use super::node::{Branch, Context, Node, join};
use crate::{CommitmentError, TreeKey};
use alloy_primitives::B256;

/// Number of updates above which both halves of a batch run beside each other.
const JOIN_MIN: usize = 256;

/// One change of a leaf: its new hash, or `None` to remove it.
pub(crate) struct Update {
    pub(crate) key: TreeKey,
    pub(crate) leaf: Option<B256>,
}

type Updated = Result<Option<Node>, CommitmentError>;

/// The subtree after the updates, which must ascend by key and share all bits before `start` with
/// the subtree. `start` is the bit after the parent's split, which the result is made for.
pub(crate) fn update(
    node: Option<&Node>,
    start: u16,
    updates: &[Update],
    context: &Context<'_>,
) -> Updated {
    if updates.is_empty() {
        return node.map(|node| node.clone().moved_to(start, context)).transpose();
    }
    match node {
        None => build(start, updates, context),
        Some(node @ Node::Leaf(leaf)) => {
            let place = updates.partition_point(|update| update.key < leaf.key);
            if updates.get(place).is_some_and(|update| update.key == leaf.key) {
                return build(start, updates, context);
            }
            let place = (start, leaf_split(&leaf.key, updates));
            insert_beside(node, &leaf.key, place, updates, context)
        }
        Some(Node::Stub(stub)) => {
            let node = stub.resolve(context)?;
            update(Some(&node), start, updates, context)
        }
        Some(node @ Node::Branch(branch)) => update_branch(node, branch, start, updates, context),
    }
}

fn update_branch(
    node: &Node,
    branch: &Branch,
    start: u16,
    updates: &[Update],
    context: &Context<'_>,
) -> Updated {
    // Without a prefix every key that came this far belongs below this branch.
    if branch.split > start {
        let below = node.first_key();
        let split = leaf_split(below, updates);
        if split < branch.split {
            return insert_beside(node, below, (start, split), updates, context);
        }
    }
    let (left, right) = partition(updates, branch.split);
    let below = branch.split + 1;
    let (left, right) = both(
        updates.len(),
        || update(Some(&branch.left), below, left, context),
        || update(Some(&branch.right), below, right, context),
    );
    join((start, branch.split), left?, right?, context)
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
    (start, split): (u16, u16),
    updates: &[Update],
    context: &Context<'_>,
) -> Updated {
    let (left, right) = partition(updates, split);
    let below = split + 1;
    let old = |updates| update(Some(old), below, updates, context);
    let new = |updates| build(below, updates, context);
    let (left, right) = if old_key.bit(split) {
        both(updates.len(), || new(left), || old(right))
    } else {
        both(updates.len(), || old(left), || new(right))
    };
    join((start, split), left?, right?, context)
}

/// The subtree of the updates alone; removals of what is not there change nothing.
pub(crate) fn build(start: u16, updates: &[Update], context: &Context<'_>) -> Updated {
    let (first, last) = match updates {
        [] => return Ok(None),
        [only] => return Ok(only.leaf.map(|hash| Node::leaf(only.key, hash))),
        [first, .., last] => (first, last),
    };
    let split = first.key.common_bits(&last.key);
    let (left, right) = partition(updates, split);
    let (left, right) = both(
        updates.len(),
        || build(split + 1, left, context),
        || build(split + 1, right, context),
    );
    join((start, split), left?, right?, context)
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
