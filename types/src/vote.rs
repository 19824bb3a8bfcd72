//! Votes and proposals of the consensus, and the bytes that validators sign.
//!
//! ```text
//! signed bytes = domain ‖ genesis_hash (32) ‖ borsh(message)
//!   vote      domain "weft/vote/v1"
//!   proposal  domain "weft/proposal/v1"
//!   parts     domain "weft/parts/v1"      (see `parts`)
//! ```
//!
//! The genesis hash keeps a signature from being valid on another chain.

use crate::{Height, Round, ValidatorAddress};
use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};

/// ed25519 signature bytes.
pub type SignatureBytes = [u8; 64];

/// The two steps in which validators vote.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum VoteType {
    /// First step: the block is valid.
    Prevote,
    /// Second step: two thirds say that it is valid.
    Precommit,
}

/// One validator's vote. `block` is `None` for nil.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Step.
    pub vote_type: VoteType,
    /// Height voted on.
    pub height: Height,
    /// Round voted in.
    pub round: Round,
    /// The block, or nil.
    pub block: Option<B256>,
    /// The voter.
    pub validator: ValidatorAddress,
}

/// A proposer's announcement of a block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// Height proposed for.
    pub height: Height,
    /// Round proposed in.
    pub round: Round,
    /// The block.
    pub block: B256,
    /// Round in which the block got its prevote quorum, when it is proposed again.
    pub pol_round: Option<Round>,
    /// The proposer.
    pub proposer: ValidatorAddress,
}

impl Vote {
    /// The bytes that the voter signs.
    #[must_use]
    pub fn sign_bytes(&self, genesis_hash: &B256) -> Vec<u8> {
        sign_bytes(b"weft/vote/v1", genesis_hash, self)
    }
}

impl Proposal {
    /// The bytes that the proposer signs.
    #[must_use]
    pub fn sign_bytes(&self, genesis_hash: &B256) -> Vec<u8> {
        sign_bytes(b"weft/proposal/v1", genesis_hash, self)
    }
}

/// `domain ‖ genesis_hash ‖ borsh(message)`.
#[must_use]
pub fn sign_bytes<T: BorshSerialize>(domain: &[u8], genesis_hash: &B256, message: &T) -> Vec<u8> {
    let mut bytes = domain.to_vec();
    bytes.extend_from_slice(genesis_hash.as_slice());
    message.serialize(&mut bytes).expect("writing to memory cannot fail");
    bytes
}

/// Verifies an ed25519 signature by the one rule used everywhere: `verify_strict`.
#[must_use]
pub fn verify_signature(public_key: &[u8; 32], message: &[u8], signature: &SignatureBytes) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(public_key) else {
        return false;
    };
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
}
