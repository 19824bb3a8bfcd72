//! Nodes and their hashes.

use crate::TreeKey;
use alloy_primitives::B256;
use std::sync::Arc;

const LEAF: u8 = 0x00;
const BRANCH: u8 = 0x01;

/// Longest preimage of a branch: tag, bit count, 66 bytes of prefix, two hashes.
const BRANCH_BYTES_MAX: usize = 1 + 2 + 66 + 64;

/// A subtree that is not empty.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// One leaf.
    Leaf(Arc<Leaf>),
    /// Two subtrees that part at a bit.
    Branch(Arc<Branch>),
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
    pub(crate) left: Node,
    pub(crate) right: Node,
    pub(crate) hash: B256,
}

impl Node {
    pub(crate) fn leaf(key: TreeKey, hash: B256) -> Self {
        Self::Leaf(Arc::new(Leaf { key, hash }))
    }

    pub(crate) fn branch(start: u16, split: u16, left: Self, right: Self) -> Self {
        let hash = branch_hash(start, split, &left, &right);
        Self::Branch(Arc::new(Branch { start, split, left, right, hash }))
    }

    pub(crate) fn hash(&self) -> &B256 {
        match self {
            Self::Leaf(leaf) => &leaf.hash,
            Self::Branch(branch) => &branch.hash,
        }
    }

    /// The lowest key below: any key below shows the bits that all of them share.
    pub(crate) fn first_key(&self) -> &TreeKey {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(leaf) => return &leaf.key,
                Self::Branch(branch) => node = &branch.left,
            }
        }
    }

    /// The same subtree under a parent that splits at the bit before `start`.
    pub(crate) fn moved_to(self, start: u16) -> Self {
        match &self {
            Self::Branch(branch) if branch.start != start => {
                Self::branch(start, branch.split, branch.left.clone(), branch.right.clone())
            }
            _ => self,
        }
    }

    pub(crate) fn leaves(&self) -> u64 {
        match self {
            Self::Leaf(_) => 1,
            Self::Branch(branch) => branch.left.leaves() + branch.right.leaves(),
        }
    }
}

/// Puts two halves together; a missing half promotes the other one.
pub(crate) fn join(
    start: u16,
    split: u16,
    left: Option<Node>,
    right: Option<Node>,
) -> Option<Node> {
    match (left, right) {
        (Some(left), Some(right)) => Some(Node::branch(start, split, left, right)),
        (Some(node), None) | (None, Some(node)) => Some(node.moved_to(start)),
        (None, None) => None,
    }
}

/// `H(00 ‖ key ‖ value)`.
pub(crate) fn leaf_hash(key: &TreeKey, value: &B256) -> B256 {
    let key = key.as_slice();
    let mut preimage = [0u8; 1 + 66 + 32];
    preimage[0] = LEAF;
    preimage[1..=key.len()].copy_from_slice(key);
    preimage[1 + key.len()..33 + key.len()].copy_from_slice(value.as_slice());
    B256::from(*blake3::hash(&preimage[..33 + key.len()]).as_bytes())
}

/// `H(01 ‖ u16be(bits) ‖ prefix bits ‖ left ‖ right)`.
fn branch_hash(start: u16, split: u16, left: &Node, right: &Node) -> B256 {
    let bits = split - start;
    let mut preimage = [0u8; BRANCH_BYTES_MAX];
    preimage[0] = BRANCH;
    preimage[1..3].copy_from_slice(&bits.to_be_bytes());
    let mut end = 3;
    if bits > 0 {
        end += pack_bits(left.first_key().as_slice(), start, split, &mut preimage[3..]);
    }
    preimage[end..end + 32].copy_from_slice(left.hash().as_slice());
    preimage[end + 32..end + 64].copy_from_slice(right.hash().as_slice());
    B256::from(*blake3::hash(&preimage[..end + 64]).as_bytes())
}

/// Writes the bits `start..split` of a key, the first one highest, and returns the bytes used.
fn pack_bits(key: &[u8], start: u16, split: u16, out: &mut [u8]) -> usize {
    let bits = usize::from(split - start);
    let first = usize::from(start / 8);
    let shift = u32::from(start % 8);
    let bytes = bits.div_ceil(8);
    for (place, byte) in out[..bytes].iter_mut().enumerate() {
        let high = u16::from(key[first + place]) << 8;
        let low = key.get(first + place + 1).copied().map_or(0, u16::from);
        *byte = (((high | low) << shift) >> 8) as u8;
    }
    if !bits.is_multiple_of(8) {
        out[bytes - 1] &= 0xff << (8 - bits % 8);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::pack_bits;

    #[test]
    fn bits_are_packed_from_any_place_and_padded_with_zeros() {
        let key = [0b1010_0110, 0b1111_0000, 0b0000_1111];
        for start in 0..24u16 {
            for split in start + 1..=24 {
                let mut out = [0u8; 3];
                let used = pack_bits(&key, start, split, &mut out);
                let bit = |bytes: &[u8], i: u16| (bytes[usize::from(i / 8)] >> (7 - i % 8)) & 1;
                assert_eq!(used, usize::from((split - start).div_ceil(8)));
                for place in 0..used as u16 * 8 {
                    let expected = if start + place < split { bit(&key, start + place) } else { 0 };
                    assert_eq!(bit(&out, place), expected, "{start}..{split} at {place}");
                }
            }
        }
    }
}
