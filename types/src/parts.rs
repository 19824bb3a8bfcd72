//! Proposal parts: how a block's body travels so that every piece is verifiable on arrival.
//!
//! The proposer cuts the encoded body into parts of [`PART_BYTES`], hashes them into a binary
//! BLAKE3 tree and signs the root in [`PartsInit`]. A part carries its path to that root.
//!
//! ```text
//! leaf  = BLAKE3(0x00 ‖ index u32le ‖ data)      node = BLAKE3(0x01 ‖ left ‖ right)
//! an odd node at the end of a level moves up unchanged; an empty body has one empty part
//! ```

use crate::limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX, PART_BYTES, PARTS_MAX};
use crate::vote::{SignatureBytes, sign_bytes, verify_signature};
use crate::{Height, Round, ValidatorAddress};
use alloy_primitives::{B256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};

/// What the proposer announces and signs before the parts.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PartsInit {
    /// Height of the block.
    pub height: Height,
    /// Round of this proposal.
    pub round: Round,
    /// Earlier round with a prevote quorum, when the block is proposed again.
    pub pol_round: Option<Round>,
    /// The proposer of this round.
    pub proposer: ValidatorAddress,
    /// Hash of the block: keccak256 of `header_rlp`.
    pub block: B256,
    /// The header.
    pub header_rlp: Vec<u8>,
    /// Length of the encoded body in bytes.
    pub body_len: u32,
    /// Root over the parts.
    pub parts_root: B256,
}

/// A [`PartsInit`] with its proposer's signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedPartsInit {
    /// The announcement.
    pub init: PartsInit,
    /// Signature by the proposer.
    pub signature: SignatureBytes,
}

/// One piece of a body.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Part {
    /// Height of the block.
    pub height: Height,
    /// The block.
    pub block: B256,
    /// Place of this part, from 0.
    pub index: u32,
    /// Data, [`PART_BYTES`] long except in the last part.
    pub data: Vec<u8>,
    /// Siblings on the way to the root, from the leaf up.
    pub path: Vec<B256>,
}

/// A part or its announcement is not what the proposer signed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PartError {
    /// A size is over its limit.
    #[error("proposal part: {field} is {found}, limit {limit}")]
    Limit {
        /// What is too large.
        field: &'static str,
        /// Value found.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The announced hash is not the hash of the header.
    #[error("proposal parts: header does not hash to block {block}")]
    Header {
        /// Announced hash.
        block: B256,
    },
    /// The proposer's signature is wrong.
    #[error("proposal parts: signature of {proposer} is invalid")]
    Signature {
        /// Claimed proposer.
        proposer: ValidatorAddress,
    },
    /// The part belongs to another block, has a wrong length or does not hash to the root.
    #[error("proposal part {index} does not belong to block {block}")]
    Path {
        /// Index of the part.
        index: u32,
        /// The block it was checked against.
        block: B256,
    },
}

impl PartsInit {
    /// Number of parts of this body: at least one.
    #[must_use]
    pub const fn parts(&self) -> usize {
        let n = (self.body_len as usize).div_ceil(PART_BYTES);
        if n == 0 { 1 } else { n }
    }

    /// The bytes that the proposer signs.
    #[must_use]
    pub fn sign_bytes(&self, genesis_hash: &B256) -> Vec<u8> {
        sign_bytes(b"weft/parts/v1", genesis_hash, self)
    }
}

impl SignedPartsInit {
    /// Checks limits, header hash and signature. `public_key` is that of the claimed proposer.
    ///
    /// # Errors
    /// [`PartError`]; whoever sent it is to blame.
    pub fn verify(&self, genesis_hash: &B256, public_key: &[u8; 32]) -> Result<(), PartError> {
        let init = &self.init;
        limit("header length", init.header_rlp.len(), HEADER_BYTES_MAX)?;
        limit("body length", init.body_len as usize, BODY_BYTES_MAX)?;
        if keccak256(&init.header_rlp) != init.block {
            return Err(PartError::Header { block: init.block });
        }
        if !verify_signature(public_key, &init.sign_bytes(genesis_hash), &self.signature) {
            return Err(PartError::Signature { proposer: init.proposer });
        }
        Ok(())
    }
}

impl Part {
    /// Checks that this part belongs to the announced body.
    ///
    /// # Errors
    /// [`PartError`]; whoever sent it is to blame.
    pub fn verify(&self, init: &PartsInit) -> Result<(), PartError> {
        limit("data length", self.data.len(), PART_BYTES)?;
        limit("path length", self.path.len(), PARTS_MAX.ilog2() as usize + 1)?;
        let wrong = PartError::Path { index: self.index, block: init.block };
        let (index, parts) = (self.index as usize, init.parts());
        if self.block != init.block || self.height != init.height || index >= parts {
            return Err(wrong);
        }
        let start = index * PART_BYTES;
        let expected_len = (init.body_len as usize - start).min(PART_BYTES);
        if self.data.len() != expected_len {
            return Err(wrong);
        }
        match fold_path(leaf_hash(self.index, &self.data), index, parts, &self.path) {
            Some(root) if root == init.parts_root => Ok(()),
            _ => Err(wrong),
        }
    }
}

/// Cuts a body into parts and returns them with the root over them.
///
/// # Errors
/// [`PartError::Limit`] when the body is larger than any block may be.
pub fn cut_body(height: Height, block: B256, body: &[u8]) -> Result<(B256, Vec<Part>), PartError> {
    limit("body length", body.len(), BODY_BYTES_MAX)?;
    let chunks: Vec<&[u8]> =
        if body.is_empty() { vec![&[]] } else { body.chunks(PART_BYTES).collect() };
    let leaves: Vec<B256> =
        chunks.iter().enumerate().map(|(i, data)| leaf_hash(i as u32, data)).collect();
    let levels = tree_levels(leaves);
    let root = levels[levels.len() - 1][0];
    let parts = chunks
        .into_iter()
        .enumerate()
        .map(|(i, data)| Part {
            height,
            block,
            index: i as u32,
            data: data.to_vec(),
            path: path_of(&levels, i),
        })
        .collect();
    Ok((root, parts))
}

const fn limit(field: &'static str, found: usize, limit: usize) -> Result<(), PartError> {
    if found > limit {
        return Err(PartError::Limit { field, found, limit });
    }
    Ok(())
}

fn leaf_hash(index: u32, data: &[u8]) -> B256 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[0]).update(&index.to_le_bytes()).update(data);
    B256::from(*hasher.finalize().as_bytes())
}

fn node_hash(left: &B256, right: &B256) -> B256 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[1]).update(left.as_slice()).update(right.as_slice());
    B256::from(*hasher.finalize().as_bytes())
}

fn tree_levels(leaves: Vec<B256>) -> Vec<Vec<B256>> {
    let mut levels = vec![leaves];
    while levels[levels.len() - 1].len() > 1 {
        let next = levels[levels.len() - 1]
            .chunks(2)
            .map(|pair| if pair.len() == 2 { node_hash(&pair[0], &pair[1]) } else { pair[0] })
            .collect();
        levels.push(next);
    }
    levels
}

fn path_of(levels: &[Vec<B256>], mut index: usize) -> Vec<B256> {
    let mut path = Vec::new();
    for level in levels {
        if let Some(sibling) = level.get(index ^ 1) {
            path.push(*sibling);
        }
        index /= 2;
    }
    path
}

fn fold_path(leaf: B256, mut index: usize, mut width: usize, path: &[B256]) -> Option<B256> {
    let mut path = path.iter();
    let mut hash = leaf;
    while width > 1 {
        if index ^ 1 < width {
            let sibling = path.next()?;
            hash = if index.is_multiple_of(2) {
                node_hash(&hash, sibling)
            } else {
                node_hash(sibling, &hash)
            };
        }
        index /= 2;
        width = width.div_ceil(2);
    }
    path.next().is_none().then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn init(body: &[u8], root: B256) -> PartsInit {
        PartsInit {
            height: Height(3),
            round: Round(0),
            pol_round: None,
            proposer: ValidatorAddress::from_public_key(&[1; 32]),
            block: B256::repeat_byte(4),
            header_rlp: vec![],
            body_len: body.len() as u32,
            parts_root: root,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_part_verifies_and_no_other_does(parts in 0usize..9, tail in 0usize..3, flip: u16) {
            let body: Vec<u8> =
                (0..parts * PART_BYTES + tail).map(|i| (i / PART_BYTES + i) as u8).collect();
            let (root, cut) = cut_body(Height(3), B256::repeat_byte(4), &body).unwrap();
            let init = init(&body, root);
            prop_assert_eq!(cut.len(), init.parts());
            let joined: Vec<u8> = cut.iter().flat_map(|p| p.data.clone()).collect();
            prop_assert_eq!(joined, body);
            for part in &cut {
                prop_assert_eq!(part.verify(&init), Ok(()));
                let mut moved = part.clone();
                moved.index += 1;
                prop_assert!(moved.verify(&init).is_err());
                let mut longer = part.clone();
                longer.path.push(B256::ZERO);
                prop_assert!(longer.verify(&init).is_err());
                if !part.data.is_empty() {
                    let mut broken = part.clone();
                    let at = flip as usize % broken.data.len();
                    broken.data[at] ^= 1;
                    prop_assert!(broken.verify(&init).is_err());
                }
            }
        }
    }
}
