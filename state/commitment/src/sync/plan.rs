//! The upper part of a tree, down to subtrees that are sent whole.

use super::{CHUNK_LEAVES_MAX, PLAN_BYTES_MAX, SECTIONS_MAX, SyncError};
use crate::hash::{NODE_BYTES_MAX, Parsed, Preimage, hash, parse};
use crate::tree::node::Node;
use crate::{CommitmentError, Tree, TreeKey};
use alloy_primitives::B256;

const VERSION: u8 = 1;
const SECTION: u8 = 0;
const BRANCH: u8 = 1;

/// Longest way from the root to a section, in bits: the shortest key has more.
const PATH_BITS_MAX: u16 = 66 * 8 - 1;

/// How a state is divided into chunks, as bytes that anybody may have made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    bytes: Vec<u8>,
}

/// A subtree that one chunk brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Place in the plan, from 0.
    pub place: usize,
    /// Number of leaves, if the plan is honest.
    pub leaves: u32,
    /// Hash of the subtree.
    pub(super) hash: B256,
    /// The bits that lead here: all of its keys begin with them.
    path: [u8; 66],
    pub(super) bits: u16,
}

impl Tree {
    /// The plan of this tree with sections of at most `leaves_max` leaves, which is between 16 and
    /// [`CHUNK_LEAVES_MAX`].
    ///
    /// # Errors
    /// [`CommitmentError::Saved`] when there would be more than [`SECTIONS_MAX`] sections.
    pub fn plan(&self, leaves_max: u32) -> Result<Plan, CommitmentError> {
        let leaves_max = leaves_max.clamp(16, CHUNK_LEAVES_MAX);
        let mut bytes = vec![VERSION];
        if let Some(root) = self.root_node() {
            put(root, leaves_max, &mut bytes);
        }
        if bytes.len() > PLAN_BYTES_MAX {
            let reason = format!("the state has more than {SECTIONS_MAX} sections");
            return Err(CommitmentError::Saved { reason });
        }
        Ok(Plan { bytes })
    }
}

fn put(node: &Node, leaves_max: u32, bytes: &mut Vec<u8>) {
    match node {
        Node::Branch(branch) if branch.counts.leaves > leaves_max => {
            let key = node.first_key();
            let (left, right) = (branch.left.hash(), branch.right.hash());
            let preimage = Preimage::branch((branch.start, branch.split), key, left, right);
            let preimage = preimage.as_slice();
            bytes.push(BRANCH);
            bytes.push(preimage.len() as u8);
            bytes.extend_from_slice(preimage);
            put(&branch.left, leaves_max, bytes);
            put(&branch.right, leaves_max, bytes);
        }
        _ => {
            bytes.push(SECTION);
            bytes.extend_from_slice(&node.counts().leaves.to_be_bytes());
        }
    }
}

impl Plan {
    /// A plan from bytes. Says nothing about what is in it: see [`Self::sections`].
    ///
    /// # Errors
    /// [`SyncError::Plan`] when it is too large.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, SyncError> {
        if bytes.len() > PLAN_BYTES_MAX {
            let reason = format!("{} bytes, limit {PLAN_BYTES_MAX}", bytes.len());
            return Err(SyncError::Plan { reason });
        }
        Ok(Self { bytes })
    }

    /// The bytes of the plan.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The sections of the state with this root, in key order. Everything but the numbers of leaves
    /// is verified.
    ///
    /// # Errors
    /// [`SyncError::Plan`] when the plan does not decode, is too large, or does not lead to the root.
    pub fn sections(&self, root: B256) -> Result<Vec<Section>, SyncError> {
        let refuse = |reason: &str| Err(SyncError::Plan { reason: reason.into() });
        let Some((&VERSION, rest)) = self.bytes.split_first() else {
            return refuse("its version is another");
        };
        let mut reader = Reader { rest, sections: Vec::new() };
        if !root.is_zero() {
            reader.node(root, [0; 66], 0)?;
        }
        if !reader.rest.is_empty() {
            return refuse("bytes are left over");
        }
        Ok(reader.sections)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    sections: Vec<Section>,
}

impl Reader<'_> {
    /// The node with this hash, to which the first `bits` bits of `path` lead.
    fn node(&mut self, expected: B256, path: [u8; 66], bits: u16) -> Result<(), SyncError> {
        let refuse = |reason: String| SyncError::Plan { reason };
        let cut = || refuse("it is cut off".into());
        let (kind, rest) = self.rest.split_first().ok_or_else(cut)?;
        match *kind {
            SECTION => {
                let (leaves, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
                self.rest = rest;
                let (place, leaves) = (self.sections.len(), u32::from_be_bytes(*leaves));
                if place >= SECTIONS_MAX || leaves == 0 || leaves > CHUNK_LEAVES_MAX {
                    return Err(refuse(format!("section {place} of {leaves} leaves")));
                }
                self.sections.push(Section { place, leaves, hash: expected, path, bits });
                Ok(())
            }
            BRANCH => {
                let (length, rest) = rest.split_first().ok_or_else(cut)?;
                let length = usize::from(*length).min(NODE_BYTES_MAX);
                let (preimage, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
                self.rest = rest;
                let found = hash(preimage);
                if found != expected {
                    return Err(refuse(format!("a node has hash {found}, expected {expected}")));
                }
                let Some(Parsed::Branch { bits: own, prefix, left, right }) = parse(preimage)
                else {
                    return Err(refuse(format!("node {expected} is no branch")));
                };
                let split = bits.saturating_add(own);
                if split >= PATH_BITS_MAX {
                    return Err(refuse(format!("node {expected} splits at bit {split}")));
                }
                let mut path = path;
                for place in 0..own {
                    if prefix[usize::from(place / 8)] >> (7 - place % 8) & 1 == 1 {
                        set(&mut path, bits + place);
                    }
                }
                self.node(left, path, split + 1)?;
                set(&mut path, split);
                self.node(right, path, split + 1)
            }
            other => Err(refuse(format!("node of kind {other}"))),
        }
    }
}

fn set(path: &mut [u8; 66], bit: u16) {
    path[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
}

impl Section {
    /// Whether the key lies in this section.
    #[must_use]
    pub fn has(&self, key: &TreeKey) -> bool {
        usize::from(self.bits) <= key.as_slice().len() * 8
            && key
                .compare_bits(0, self.bits, &self.path[..usize::from(self.bits.div_ceil(8))])
                .is_eq()
    }

    /// The lowest keys that the section can have: one for each zone (header, code, storage) that it
    /// reaches into, ascending.
    #[must_use]
    pub fn first_keys(&self) -> Vec<TreeKey> {
        let zones = [(0x00u8, 34), (0x01, 34), (0xff, 66)];
        let keys = zones.into_iter().filter_map(|(zone, length)| {
            let mut bytes = self.path;
            if self.bits < 8 {
                bytes[0] = zone;
            }
            TreeKey::from_slice(&bytes[..length]).filter(|key| bytes[0] == zone && self.has(key))
        });
        keys.collect()
    }
}
