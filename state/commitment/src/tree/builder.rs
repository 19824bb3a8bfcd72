//! The tree of a whole state, from its leaves in key order.

use super::Tree;
use super::node::{Context, ITEM_BYTES, Node, join};
use super::trim::{STUB_LEAVES_MAX, may_be_dropped, stub};
use crate::hash::Preimage;
use crate::{CommitmentError, TreeKey};
use alloy_primitives::B256;

/// Bit at which storage keys (FF) part from header (00) and code (01) keys.
const STORAGE_SPLIT: u16 = 0;
/// Bit at which code keys (01) part from header keys (00).
const CODE_SPLIT: u16 = 7;

const CONTEXT: Context<'static> = Context { source: None, epoch: 0 };

/// Builds a tree in one pass from leaves that ascend within each zone (header, code, storage); the
/// zones may be interleaved. Keeps only open right edges besides the tree.
#[derive(Debug)]
pub struct TreeBuilder {
    zones: [Zone; 3],
    room: Room,
}

/// Memory for the tree that is being built.
#[derive(Debug)]
struct Room {
    items_max: u64,
    items: u64,
}

/// The right edge of one zone's tree.
#[derive(Debug, Default)]
struct Zone {
    /// Left halves that wait for their right half, each with the bit at which they part; the bits
    /// ascend.
    open: Vec<(Node, u16)>,
    last: Option<(TreeKey, Node)>,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TreeBuilder {
    /// A builder without leaves, whose tree will be whole in memory.
    #[must_use]
    pub fn new() -> Self {
        Self::within(u64::MAX)
    }

    /// A builder that drops small subtrees from memory as soon as the tree takes more than
    /// `budget_bytes`. Its tree needs a source: see [`Tree::with_source`].
    #[must_use]
    pub fn within(budget_bytes: u64) -> Self {
        let room = Room { items_max: budget_bytes / ITEM_BYTES, items: 0 };
        Self { zones: Default::default(), room }
    }

    /// Takes the next leaf of its zone. A value of zero is the same as no leaf.
    ///
    /// # Errors
    /// [`CommitmentError::KeyOrder`] when the key does not come after the one before it in its zone.
    pub fn push(&mut self, key: TreeKey, value: &B256) -> Result<(), CommitmentError> {
        if value.is_zero() {
            return Ok(());
        }
        self.zones[key.zone()].push(key, value, &mut self.room)
    }

    /// The tree of all leaves taken.
    #[must_use]
    pub fn finish(mut self) -> Tree {
        let [header, code, storage] = self.zones.map(|zone| zone.finish(&mut self.room));
        let root = two(STORAGE_SPLIT, 0, two(CODE_SPLIT, STORAGE_SPLIT + 1, header, code), storage);
        Tree { root, ..Tree::empty() }
    }
}

/// Joins two zones below a parent that leaves `start` as the first bit.
fn two(split: u16, start: u16, left: Option<Node>, right: Option<Node>) -> Option<Node> {
    let below = |node: Option<Node>| node.map(|node| moved_to(node, split + 1));
    join((start, split), below(left), below(right), &CONTEXT).expect("the top is no stub")
}

/// Only what lies below a finished branch is ever dropped, so the top of a zone is in memory.
fn moved_to(node: Node, start: u16) -> Node {
    node.moved_to(start, &CONTEXT).expect("the top is no stub")
}

impl Room {
    /// A branch, with its small halves dropped when there is no room for them: no larger stub could
    /// hold both.
    fn branch(&mut self, place: (u16, u16), left: Node, right: Node) -> Node {
        let (left, right) = if self.items > self.items_max
            && left.counts().leaves + right.counts().leaves > STUB_LEAVES_MAX
        {
            (self.dropped(left), self.dropped(right))
        } else {
            (left, right)
        };
        Node::branch(place, left, right, 0)
    }

    fn dropped(&mut self, node: Node) -> Node {
        let is_worth_it = node.counts().items > 1 || self.items_max == 0;
        if !is_worth_it || !may_be_dropped(&node) {
            return node;
        }
        self.items -= u64::from(node.counts().items - 1);
        stub(&node)
    }
}

impl Zone {
    fn push(&mut self, key: TreeKey, value: &B256, room: &mut Room) -> Result<(), CommitmentError> {
        if let Some((previous, node)) = self.last.take() {
            if key <= previous {
                let (previous, found) = (format!("{previous:?}"), format!("{key:?}"));
                return Err(CommitmentError::KeyOrder { previous, found });
            }
            let split = previous.common_bits(&key);
            let node = self.close(node, Some(split), room);
            self.open.push((node, split));
        }
        room.items += 1;
        self.last = Some((key, Node::leaf(key, Preimage::leaf(&key, value).hash())));
        Ok(())
    }

    fn finish(mut self, room: &mut Room) -> Option<Node> {
        self.last.take().map(|(_, node)| self.close(node, None, room))
    }

    /// Joins `node` with the open left halves that part below `next`, where the coming leaf parts.
    fn close(&mut self, mut node: Node, next: Option<u16>, room: &mut Room) -> Node {
        while let Some((_, split)) = self.open.last()
            && next.is_none_or(|next| *split > next)
        {
            let (left, split) = self.open.pop().expect("seen above");
            let parent = self.open.last().map(|(_, parent)| *parent).max(next);
            node = room.branch((parent.map_or(0, |parent| parent + 1), split), left, node);
        }
        node
    }
}
