//! A tree in a file, for a fast start: its upper part, with a stub for every small subtree.
//!
//! ```text
//! "weft.tree" | version u8 | height u64be | root 32 | node | BLAKE3 of all before, 32
//!
//! node   00                                                          nothing: the empty tree
//!        01 | split u16be | node left | node right                   a branch
//!        02 | leaves u16be | hash 32 | first key, 34 or 66 bytes     a stub, or a single leaf
//! ```
//! The hashes of branches are computed anew when the file is read, so what it gives has the root that
//! its stubs' hashes lead to.

use super::node::Node;
use super::trim::{STUB_LEAVES_MAX, may_be_dropped, stub};
use super::{Stub, Tree};
use crate::{CommitmentError, TreeKey};
use alloy_primitives::B256;
use std::io::{self, Write};
use std::sync::Arc;

const MAGIC: &[u8; 9] = b"weft.tree";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = MAGIC.len() + 1 + 8 + 32;
const HASH_BYTES: usize = 32;

const NOTHING: u8 = 0;
const BRANCH: u8 = 1;
const STUB: u8 = 2;

/// No key has more bits, so no path is longer.
const DEPTH_MAX: usize = 66 * 8;

/// A tree that was read from a file, and the height it was written for.
#[derive(Clone, Debug)]
pub struct SavedTree {
    /// Height of the block whose state the tree commits to.
    pub height: u64,
    /// The tree; it needs a source before it is changed.
    pub tree: Tree,
}

/// Writes through, and hashes what it writes.
struct Hashing<W> {
    out: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }

    fn node(&mut self, node: &Node) -> io::Result<()> {
        match node {
            Node::Branch(branch) if !may_be_dropped(node) => {
                self.put(&[BRANCH])?;
                self.put(&branch.split.to_be_bytes())?;
                self.node(&branch.left)?;
                self.node(&branch.right)
            }
            _ => {
                let Node::Stub(stub) = stub(node) else { return Ok(()) };
                self.put(&[STUB])?;
                self.put(&stub.leaves.to_be_bytes())?;
                self.put(stub.hash.as_slice())?;
                self.put(stub.first.as_slice())
            }
        }
    }
}

impl Tree {
    /// Writes what is needed to continue with this tree of the state at `height`: see the layout in
    /// the crate's documentation. What is small is left out, whether it is in memory or not.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn save(&self, height: u64, out: impl Write) -> io::Result<()> {
        let mut out = Hashing { out, hasher: blake3::Hasher::new() };
        out.put(MAGIC)?;
        out.put(&[VERSION])?;
        out.put(&height.to_be_bytes())?;
        out.put(self.root().as_slice())?;
        match &self.root {
            Some(root) => out.node(root)?,
            None => out.put(&[NOTHING])?,
        }
        let hash = out.hasher.finalize();
        out.out.write_all(hash.as_bytes())
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`CommitmentError::Saved`] when a byte is not as it was written, or the version is another.
    pub fn load(bytes: &[u8]) -> Result<SavedTree, CommitmentError> {
        let refuse = |reason: &str| CommitmentError::Saved { reason: reason.into() };
        if bytes.len() < HEADER_BYTES + 1 + HASH_BYTES || !bytes.starts_with(MAGIC) {
            return Err(refuse("not a saved tree"));
        }
        let (bytes, hash) = bytes.split_at(bytes.len() - HASH_BYTES);
        if blake3::hash(bytes).as_bytes() != hash {
            return Err(refuse("its checksum does not match"));
        }
        let mut input = Input { bytes: &bytes[MAGIC.len()..] };
        let [version] = input.take::<1>()?;
        if version != VERSION {
            return Err(refuse(&format!("version {version}, expected {VERSION}")));
        }
        let height = u64::from_be_bytes(input.take()?);
        let expected = B256::from(input.take()?);
        let root = if input.bytes == [NOTHING] { None } else { Some(input.node(0, None, 0)?) };
        if root.is_some() && !input.bytes.is_empty() {
            return Err(refuse("bytes are left over"));
        }
        let tree = Self { root, ..Self::empty() };
        if tree.root() != expected {
            let reason = format!("its nodes have root {}, expected {expected}", tree.root());
            return Err(CommitmentError::Saved { reason });
        }
        Ok(SavedTree { height, tree })
    }
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CommitmentError> {
        let (head, rest) = self
            .bytes
            .split_first_chunk::<N>()
            .ok_or_else(|| CommitmentError::Saved { reason: "it is cut off".into() })?;
        self.bytes = rest;
        Ok(*head)
    }

    /// A node whose keys must come after `after`, under a parent that leaves `start` as first bit.
    fn node(
        &mut self,
        start: u16,
        after: Option<TreeKey>,
        depth: usize,
    ) -> Result<Node, CommitmentError> {
        let refuse = |reason: String| Err(CommitmentError::Saved { reason });
        match self.take::<1>()? {
            [BRANCH] => {
                let split = u16::from_be_bytes(self.take()?);
                if split < start || usize::from(split) >= DEPTH_MAX || depth >= DEPTH_MAX {
                    return refuse(format!("a branch splits at bit {split} below bit {start}"));
                }
                let left = self.node(split + 1, after, depth + 1)?;
                let first = *left.first_key();
                let right = self.node(split + 1, Some(first), depth + 1)?;
                if first.common_bits(right.first_key()) != split {
                    return refuse(format!("keys do not part at bit {split}"));
                }
                Ok(Node::branch((start, split), left, right, 0))
            }
            [STUB] => {
                let leaves = u16::from_be_bytes(self.take()?);
                let hash = B256::from(self.take()?);
                let length = if self.bytes.first() == Some(&0xff) { 66 } else { 34 };
                let key = self.bytes.split_at_checked(length);
                let Some((Some(first), rest)) = key.map(|(k, r)| (TreeKey::from_slice(k), r))
                else {
                    return refuse("a key is cut off or has no zone".into());
                };
                self.bytes = rest;
                if leaves == 0 || u32::from(leaves) > STUB_LEAVES_MAX {
                    return refuse(format!("a stub of {leaves} leaves"));
                }
                if after.is_some_and(|after| first <= after) {
                    return refuse(format!("keys do not ascend at {first:?}"));
                }
                Ok(Node::Stub(Arc::new(Stub { first, hash, start, leaves })))
            }
            [other] => refuse(format!("node of kind {other}")),
        }
    }
}
