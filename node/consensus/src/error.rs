//! Why a message, a log entry or a signature is refused.

use crate::guard::SignPoint;
use alloy_primitives::B256;
use weft_types::{Height, Round, ValidatorAddress};

/// A message is refused. Whoever sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The encoding is longer than its kind allows.
    #[error("message of {found} bytes, limit {limit}")]
    Size {
        /// Length found, in bytes.
        found: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The bytes are not an encoded message.
    #[error("malformed message: {reason}")]
    Malformed {
        /// What the decoder found.
        reason: String,
    },
    /// The signer is not in the validator set.
    #[error("{address} is not a validator")]
    UnknownValidator {
        /// Claimed signer.
        address: ValidatorAddress,
    },
    /// The signature does not belong to the message and the signer's key.
    #[error("signature of {address} is invalid")]
    Signature {
        /// Claimed signer.
        address: ValidatorAddress,
    },
    /// The proposal comes from a validator whose turn it is not.
    #[error(
        "height {height} round {round}: expected a proposal of {expected}, found one of {found}"
    )]
    Proposer {
        /// Height of the proposal.
        height: Height,
        /// Round of the proposal.
        round: Round,
        /// Whose turn it is.
        expected: ValidatorAddress,
        /// Who sent it.
        found: ValidatorAddress,
    },
    /// A proposal names a prevote quorum of its own or of a later round (Tendermint L28).
    #[error("proposal of round {round} names a prevote quorum of round {pol_round}")]
    PolRound {
        /// Round of the proposal.
        round: Round,
        /// Round of the quorum that it names.
        pol_round: Round,
    },
    /// A certificate holds two votes of one validator.
    #[error("certificate holds two votes of {address}")]
    Duplicate {
        /// The validator.
        address: ValidatorAddress,
    },
    /// A certificate holds a vote of a step that it must not hold.
    #[error("precommit certificate holds a prevote of {address}")]
    Step {
        /// The voter.
        address: ValidatorAddress,
    },
    /// The signers of a certificate do not have the power that it needs.
    #[error("certificate has power {power} of {total}, which is too little")]
    Power {
        /// Power of the signers.
        power: u64,
        /// Power of the whole set.
        total: u64,
    },
}

/// A signature is refused: it would contradict one that this validator has already given.
///
/// The node must stop signing; a supervisor or a person decides what happens next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The message is for an earlier height, round or step than the last signed one.
    #[error("asked to sign {asked}, but {signed} is already signed")]
    Regress {
        /// What was signed last.
        signed: SignPoint,
        /// What was asked for.
        asked: SignPoint,
    },
    /// Another message is already signed for this height, round and step.
    #[error("asked to sign block {asked:?} at {point}, but block {signed:?} is already signed")]
    Conflict {
        /// The height, round and step.
        point: SignPoint,
        /// Block signed.
        signed: Option<B256>,
        /// Block asked for.
        asked: Option<B256>,
    },
}
