//! What is hashed: the bytes of a leaf and of a branch, written and read.

use crate::TreeKey;
use alloy_primitives::B256;

const LEAF: u8 = 0x00;
const BRANCH: u8 = 0x01;

/// Longest preimage of a node, in bytes: tag, bit count, 66 bytes of prefix, two hashes.
pub(crate) const NODE_BYTES_MAX: usize = 1 + 2 + 66 + 64;

/// The exact bytes whose hash stands for a node.
pub(crate) struct Preimage {
    bytes: [u8; NODE_BYTES_MAX],
    length: usize,
}

impl Preimage {
    /// `00 ‖ key ‖ value`.
    pub(crate) fn leaf(key: &TreeKey, value: &B256) -> Self {
        let key = key.as_slice();
        let mut bytes = [0u8; NODE_BYTES_MAX];
        bytes[0] = LEAF;
        bytes[1..=key.len()].copy_from_slice(key);
        let length = 33 + key.len();
        bytes[1 + key.len()..length].copy_from_slice(value.as_slice());
        Self { bytes, length }
    }

    /// `01 ‖ u16be(bits) ‖ prefix bits ‖ left ‖ right`, where the prefix are the bits
    /// `start..split` of any key below.
    pub(crate) fn branch(
        (start, split): (u16, u16),
        key: &TreeKey,
        left: &B256,
        right: &B256,
    ) -> Self {
        let mut bytes = [0u8; NODE_BYTES_MAX];
        bytes[0] = BRANCH;
        bytes[1..3].copy_from_slice(&(split - start).to_be_bytes());
        let mut end = 3;
        if split > start {
            end += pack_bits(key.as_slice(), start, split, &mut bytes[3..]);
        }
        bytes[end..end + 32].copy_from_slice(left.as_slice());
        bytes[end + 32..end + 64].copy_from_slice(right.as_slice());
        Self { bytes, length: end + 64 }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(crate) fn hash(&self) -> B256 {
        hash(self.as_slice())
    }
}

/// BLAKE3-256.
pub(crate) fn hash(bytes: &[u8]) -> B256 {
    B256::from(*blake3::hash(bytes).as_bytes())
}

/// A node as its preimage says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    Leaf { key: TreeKey, value: B256 },
    Branch { bits: u16, prefix: &'a [u8], left: B256, right: B256 },
}

/// Reads a preimage; `None` when it is not in the one form that a node can have.
pub(crate) fn parse(bytes: &[u8]) -> Option<Parsed<'_>> {
    match bytes.split_first()? {
        (&LEAF, rest) => {
            let (key, value) = rest.split_at_checked(rest.len().checked_sub(32)?)?;
            let value = B256::try_from(value).ok().filter(|value| !value.is_zero())?;
            Some(Parsed::Leaf { key: TreeKey::from_slice(key)?, value })
        }
        (&BRANCH, rest) => {
            let (bits, rest) = rest.split_first_chunk::<2>()?;
            let bits = u16::from_be_bytes(*bits);
            let (prefix, hashes) = rest.split_at_checked(usize::from(bits.div_ceil(8)))?;
            let hashes: &[u8; 64] = hashes.try_into().ok()?;
            let unused = 0xffu8.checked_shr(u32::from(bits % 8)).unwrap_or(0);
            let padded = bits.is_multiple_of(8) || prefix.last()? & unused == 0;
            let (left, right) = (B256::from_slice(&hashes[..32]), B256::from_slice(&hashes[32..]));
            (padded && prefix.len() <= 66).then_some(Parsed::Branch { bits, prefix, left, right })
        }
        _ => None,
    }
}

/// Writes the bits `start..split` of a key, the first one highest, and returns the bytes used.
pub(crate) fn pack_bits(key: &[u8], start: u16, split: u16, out: &mut [u8]) -> usize {
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
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn what_was_written_is_read_back() {
        let key = TreeKey::from_slice(&[0xff; 66]).expect("a storage key");
        let value = B256::repeat_byte(3);
        let leaf = Preimage::leaf(&key, &value);
        assert_eq!(parse(leaf.as_slice()), Some(Parsed::Leaf { key, value }));
        for (start, split) in [(0, 0), (3, 4), (1, 9), (5, 527), (0, 527)] {
            let branch = Preimage::branch((start, split), &key, &value, &B256::ZERO);
            match parse(branch.as_slice()) {
                Some(Parsed::Branch { bits, left, right, .. }) => {
                    assert_eq!((bits, left, right), (split - start, value, B256::ZERO));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_second_form_of_the_same_node_is_refused() {
        let key = TreeKey::from_slice(&[0; 34]).expect("a header key");
        let branch = Preimage::branch((0, 3), &key, &B256::ZERO, &B256::ZERO);
        let mut bytes = branch.as_slice().to_vec();
        bytes[3] |= 1;
        assert_eq!(parse(&bytes), None, "padding that is not zero");
        bytes[3] = 0;
        assert!(parse(&bytes).is_some());
        bytes.push(0);
        assert_eq!(parse(&bytes), None, "a byte too many");
        let zero = Preimage::leaf(&key, &B256::ZERO);
        assert_eq!(parse(zero.as_slice()), None, "zero is the same as no leaf");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_and_what_is_read_is_the_only_form(
            tag in 0u8..3, rest in prop::collection::vec(any::<u8>(), 0..140),
        ) {
            let bytes = [&[tag], &rest[..]].concat();
            if let Some(Parsed::Leaf { key, value }) = parse(&bytes) {
                let again = Preimage::leaf(&key, &value);
                prop_assert_eq!(again.as_slice(), &bytes[..]);
            }
        }
    }
}
