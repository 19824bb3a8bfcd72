//! A whole state in pieces, each of which is verified as it arrives (after EIP-8347).
//!
//! # Flow
//! 1. Who has a state makes a [`Plan`] of its tree: the upper nodes as preimages, down to subtrees of
//!    at most [`CHUNK_LEAVES_MAX`] leaves.
//! 2. Who wants the state knows its root from a certified header. [`Plan::sections`] checks the
//!    nodes against it and says which subtrees there are, and the hash of each.
//! 3. Chunks arrive in any order and from anybody. [`Section::verify`] decodes one, builds its
//!    subtree and compares the hash.
//!
//! ```text
//! plan    version u8 | node                          root first, left before right
//! node    00 | leaves u32be                          a section
//!         01 | length u8 | preimage | node | node    a branch
//!
//! chunk   stream length u32be | stream | origins
//! stream  RLP list (key, value without leading zeros) for each leaf, ascending: the leaf stream of
//!         EIP-8347
//! origins what the keys were hashed from, which the tree does not say, in the order of the leaves:
//!         basic leaf          RLP string: address
//!         slot from 64 on     RLP list (slot) or, at the first one of an account, (slot, address)
//!         chunk of code       RLP list (code hash, size of the code, group), at the first one of a
//!                             group of 256
//!         other leaves        nothing
//! ```
//! Nothing in a plan or a chunk is believed: an origin must hash to the key that it is for, and the
//! values must have the hash that the plan leads to. What a plan says about numbers of leaves is a
//! hint.

mod chunk;
mod plan;

pub use chunk::{ChunkWriter, CodeGroup, Origin, SyncLeaf};
pub use plan::{Plan, Section};

/// Most leaves of one chunk.
pub const CHUNK_LEAVES_MAX: u32 = 1 << 16;

/// Most bytes of one chunk: the longest leaf with the longest origin, as many times as there may be.
pub const CHUNK_BYTES_MAX: usize = 12 << 20;

/// Most sections of one plan.
pub const SECTIONS_MAX: usize = 1 << 16;

/// Most bytes of one plan: each section has fewer than one branch above it that is not shared.
pub const PLAN_BYTES_MAX: usize = SECTIONS_MAX * (5 + 2 + crate::hash::NODE_BYTES_MAX);

/// Why a plan or a chunk is refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SyncError {
    /// The plan does not decode or does not lead to the root.
    #[error("plan is of no use: {reason}")]
    Plan {
        /// What was found.
        reason: String,
    },
    /// A chunk does not decode or is not the one of its section.
    #[error("chunk {place} is refused: {reason}")]
    Chunk {
        /// Place of the section in the plan, from 0.
        place: usize,
        /// What was found.
        reason: String,
    },
}
