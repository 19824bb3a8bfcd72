//! The tree of a whole state, from its leaves in key order.

use super::Tree;
use super::node::{Node, join, leaf_hash};
use crate::{CommitmentError, TreeKey};
use alloy_primitives::B256;

/// Bit at which storage keys (FF) part from header (00) and code (01) keys.
const STORAGE_SPLIT: u16 = 0;
/// Bit at which code keys (01) part from header keys (00).
const CODE_SPLIT: u16 = 7;

/// Builds a tree in one pass from leaves that ascend within each zone (header, code, storage); the
/// zones may be interleaved. Keeps only open right edges besides the tree.
#[derive(Debug, Default)]
pub struct TreeBuilder {
    zones: [Zone; 3],
}

/// The right edge of one zone's tree.
#[derive(Debug, Default)]
struct Zone {
    /// Left halves that wait for their right half, each with the bit at which they part; the bits
    /// ascend.
    open: Vec<(Node, u16)>,
    last: Option<(TreeKey, Node)>,
}

impl TreeBuilder {
    /// A builder without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next leaf of its zone. A value of zero is the same as no leaf.
    ///
    /// # Errors
    /// [`CommitmentError::KeyOrder`] when the key does not come after the one before it in its zone.
    pub fn push(&mut self, key: TreeKey, value: &B256) -> Result<(), CommitmentError> {
        if value.is_zero() {
            return Ok(());
        }
        self.zones[key.zone()].push(key, value)
    }

    /// The tree of all leaves taken.
    #[must_use]
    pub fn finish(self) -> Tree {
        let [header, code, storage] = self.zones.map(Zone::finish);
        let root = two(STORAGE_SPLIT, 0, two(CODE_SPLIT, STORAGE_SPLIT + 1, header, code), storage);
        Tree { root }
    }
}

/// Joins two zones below a parent that leaves `start` as the first bit.
fn two(split: u16, start: u16, left: Option<Node>, right: Option<Node>) -> Option<Node> {
    let below = |node: Option<Node>| node.map(|node| node.moved_to(split + 1));
    join(start, split, below(left), below(right))
}

impl Zone {
    fn push(&mut self, key: TreeKey, value: &B256) -> Result<(), CommitmentError> {
        if let Some((previous, node)) = self.last.take() {
            if key <= previous {
                let (previous, found) = (format!("{previous:?}"), format!("{key:?}"));
                return Err(CommitmentError::KeyOrder { previous, found });
            }
            let split = previous.common_bits(&key);
            let node = self.close(node, Some(split));
            self.open.push((node, split));
        }
        self.last = Some((key, Node::leaf(key, leaf_hash(&key, value))));
        Ok(())
    }

    fn finish(mut self) -> Option<Node> {
        self.last.take().map(|(_, node)| self.close(node, None))
    }

    /// Joins `node` with the open left halves that part below `next`, where the coming leaf parts.
    fn close(&mut self, mut node: Node, next: Option<u16>) -> Node {
        while let Some((_, split)) = self.open.last()
            && next.is_none_or(|next| *split > next)
        {
            let (left, split) = self.open.pop().expect("seen above");
            let parent = self.open.last().map(|(_, parent)| *parent).max(next);
            node = Node::branch(parent.map_or(0, |parent| parent + 1), split, left, node);
        }
        node
    }
}
