//! The tree of a whole state, from its leaves in key order.

use super::Tree;
use super::node::{Node, leaf_hash};
use crate::{CommitmentError, TreeKey};
use alloy_primitives::B256;

/// Builds a tree from ascending leaves in one pass; keeps only the open right edge besides the tree.
#[derive(Debug, Default)]
pub struct TreeBuilder {
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

    /// Takes the next leaf. A value of zero is the same as no leaf.
    ///
    /// # Errors
    /// [`CommitmentError::KeyOrder`] when the key does not come after the one before it.
    pub fn push(&mut self, key: TreeKey, value: &B256) -> Result<(), CommitmentError> {
        if value.is_zero() {
            return Ok(());
        }
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

    /// The tree of all leaves taken.
    #[must_use]
    pub fn finish(mut self) -> Tree {
        let root = self.last.take().map(|(_, node)| self.close(node, None));
        Tree { root }
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
