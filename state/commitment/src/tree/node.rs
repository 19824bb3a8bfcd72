//! Nodes of the tree in memory.

use crate::hash::Preimage;
use crate::{CommitmentError, LeafSource, TreeKey};
use alloy_primitives::B256;
use std::sync::Arc;

/// Bytes that one leaf or stub costs together with the branch above it; measured with a common
/// allocator, rounded up.
pub(crate) const ITEM_BYTES: u64 = 240;

/// A subtree that is not empty.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// One leaf.
    Leaf(Arc<Leaf>),
    /// Two subtrees that part at a bit.
    Branch(Arc<Branch>),
    /// A subtree that is not in memory.
    Stub(Arc<Stub>),
}

/// A key and the hash that stands for it and its value.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) key: TreeKey,
    pub(crate) hash: B256,
}

/// Keys below share all bits before `split`; `left` has 0 there, `right` has 1.
#[derive(Debug)]
pub(crate) struct Branch {
    /// First bit of the prefix: the bit after the parent's `split`.
    pub(crate) start: u16,
    /// The bit that this branch decides.
    pub(crate) split: u16,
    /// The application that made this branch: what was touched last has the highest.
    pub(crate) epoch: u32,
    pub(crate) counts: Counts,
    pub(crate) left: Node,
    pub(crate) right: Node,
    pub(crate) hash: B256,
}

/// A subtree whose leaves are read from the flat state when somebody needs them.
#[derive(Debug)]
pub(crate) struct Stub {
    /// The lowest key below.
    pub(crate) first: TreeKey,
    pub(crate) hash: B256,
    /// First bit of the prefix that `hash` covers; without meaning for a single leaf.
    pub(crate) start: u16,
    /// Leaves below: those that follow `first` in its zone.
    pub(crate) leaves: u16,
}

/// What lies below a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Leaves, in memory or not. Stays at its limit when there are more.
    pub(crate) leaves: u32,
    /// Leaves in memory.
    pub(crate) resident: u32,
    /// Leaves in memory and stubs.
    pub(crate) items: u32,
}

impl Counts {
    const fn and(self, other: Self) -> Self {
        Self {
            leaves: self.leaves.saturating_add(other.leaves),
            resident: self.resident.saturating_add(other.resident),
            items: self.items.saturating_add(other.items),
        }
    }
}

/// What an application of changes works with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// Where the leaves of stubs are read.
    pub(crate) source: Option<&'a dyn LeafSource>,
    /// Written into every branch that is made.
    pub(crate) epoch: u32,
}

impl Node {
    pub(crate) fn leaf(key: TreeKey, hash: B256) -> Self {
        Self::Leaf(Arc::new(Leaf { key, hash }))
    }

    pub(crate) fn branch((start, split): (u16, u16), left: Self, right: Self, epoch: u32) -> Self {
        let below = if split > start { Some(left.first_key()) } else { None };
        let hash = match below {
            Some(key) => Preimage::branch((start, split), key, left.hash(), right.hash()),
            None => Preimage::branch((split, split), &NO_KEY, left.hash(), right.hash()),
        }
        .hash();
        Self::joined(hash, (start, split), left, right, epoch)
    }

    /// A branch whose hash is known.
    pub(crate) fn joined(
        hash: B256,
        (start, split): (u16, u16),
        left: Self,
        right: Self,
        epoch: u32,
    ) -> Self {
        let counts = left.counts().and(right.counts());
        Self::Branch(Arc::new(Branch { start, split, epoch, counts, left, right, hash }))
    }

    pub(crate) fn hash(&self) -> &B256 {
        match self {
            Self::Leaf(leaf) => &leaf.hash,
            Self::Branch(branch) => &branch.hash,
            Self::Stub(stub) => &stub.hash,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        match self {
            Self::Leaf(_) => Counts { leaves: 1, resident: 1, items: 1 },
            Self::Branch(branch) => branch.counts,
            Self::Stub(stub) => Counts { leaves: u32::from(stub.leaves), resident: 0, items: 1 },
        }
    }

    /// The lowest key below: any key below shows the bits that all of them share.
    pub(crate) fn first_key(&self) -> &TreeKey {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(leaf) => return &leaf.key,
                Self::Stub(stub) => return &stub.first,
                Self::Branch(branch) => node = &branch.left,
            }
        }
    }

    /// The same subtree under a parent that splits at the bit before `start`.
    pub(crate) fn moved_to(
        self,
        start: u16,
        context: &Context<'_>,
    ) -> Result<Self, CommitmentError> {
        match &self {
            Self::Branch(branch) if branch.start != start => {
                let place = (start, branch.split);
                Ok(Self::branch(place, branch.left.clone(), branch.right.clone(), context.epoch))
            }
            Self::Stub(stub) if stub.leaves > 1 && stub.start != start => {
                stub.resolve(context)?.moved_to(start, context)
            }
            _ => Ok(self),
        }
    }
}

/// Stands for the key of a branch without prefix, of which no bit is read.
const NO_KEY: TreeKey = TreeKey::Short([0; 34]);

/// Puts two halves together; a missing half promotes the other one.
pub(crate) fn join(
    (start, split): (u16, u16),
    left: Option<Node>,
    right: Option<Node>,
    context: &Context<'_>,
) -> Result<Option<Node>, CommitmentError> {
    match (left, right) {
        (Some(left), Some(right)) => {
            Ok(Some(Node::branch((start, split), left, right, context.epoch)))
        }
        (Some(node), None) | (None, Some(node)) => node.moved_to(start, context).map(Some),
        (None, None) => Ok(None),
    }
}
