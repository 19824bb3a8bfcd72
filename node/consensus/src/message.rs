//! What validators send each other, and its encoding.
//!
//! ```text
//! consensus topic   borsh(ConsensusMessage)                       at most 4 KiB
//! liveness topic    nonce u64le ‖ borsh(LivenessMessage)          at most 64 KiB
//! ```
//!
//! Gossip drops a message whose content it has seen before. What must be heard again carries a nonce
//! from outside (the time, a counter), so that no two sendings are equal.

use crate::error::MessageError;
use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};
use weft_types::vote::{Proposal, SignatureBytes, Vote, VoteType};
use weft_types::{Height, Round, ValidatorAddress};

/// Largest encoded [`ConsensusMessage`], in bytes.
pub const CONSENSUS_BYTES_MAX: usize = 4 * 1024;

/// Largest encoded [`LivenessMessage`] with its nonce, in bytes.
pub const LIVENESS_BYTES_MAX: usize = 64 * 1024;

/// A vote with its voter's signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedVote {
    /// The vote.
    pub vote: Vote,
    /// Signature over [`Vote::sign_bytes`].
    pub signature: SignatureBytes,
}

/// A proposal with its proposer's signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedProposal {
    /// The proposal.
    pub proposal: Proposal,
    /// Signature over [`Proposal::sign_bytes`].
    pub signature: SignatureBytes,
}

/// A message of the normal course of a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ConsensusMessage {
    /// A vote.
    Vote(SignedVote),
    /// A proposal.
    Proposal(SignedProposal),
}

/// More than two thirds of the power prevoted one block in one round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PolkaCertificate {
    /// Height of the prevotes.
    pub height: Height,
    /// Round of the prevotes.
    pub round: Round,
    /// The block.
    pub block: B256,
    /// Voters and their signatures.
    pub signatures: Vec<(ValidatorAddress, SignatureBytes)>,
}

/// Why a round certificate lets a validator enter a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum RoundCertificateKind {
    /// More than one third voted in this round: enter it (Tendermint L55).
    Skip,
    /// More than two thirds precommitted in this round: enter the next one (Tendermint L47).
    Precommit,
}

/// One vote inside a [`RoundCertificate`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundVote {
    /// Step.
    pub vote_type: VoteType,
    /// The block, or nil.
    pub block: Option<B256>,
    /// The voter.
    pub validator: ValidatorAddress,
    /// Its signature.
    pub signature: SignatureBytes,
}

/// Votes that let a validator enter a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundCertificate {
    /// Height of the votes.
    pub height: Height,
    /// Round of the votes.
    pub round: Round,
    /// What the votes prove.
    pub kind: RoundCertificateKind,
    /// The votes, any values.
    pub votes: Vec<RoundVote>,
}

/// A message that is sent again, or that helps a validator which missed others.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum LivenessMessage {
    /// A vote, sent again.
    Vote(SignedVote),
    /// Proof of a prevote quorum.
    Polka(PolkaCertificate),
    /// Proof that a round may be entered.
    Round(RoundCertificate),
}

impl ConsensusMessage {
    /// Height that it belongs to.
    #[must_use]
    pub const fn height(&self) -> Height {
        match self {
            Self::Vote(signed) => signed.vote.height,
            Self::Proposal(signed) => signed.proposal.height,
        }
    }

    /// Round that it belongs to.
    #[must_use]
    pub const fn round(&self) -> Round {
        match self {
            Self::Vote(signed) => signed.vote.round,
            Self::Proposal(signed) => signed.proposal.round,
        }
    }

    /// The claimed signer.
    #[must_use]
    pub const fn signer(&self) -> ValidatorAddress {
        match self {
            Self::Vote(signed) => signed.vote.validator,
            Self::Proposal(signed) => signed.proposal.proposer,
        }
    }

    /// The bytes to gossip.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory cannot fail")
    }

    /// Decodes gossiped bytes. Says nothing about the signature: see
    /// [`verify_message`](crate::verify_message).
    ///
    /// # Errors
    /// [`MessageError::Size`] or [`MessageError::Malformed`]; the sender is to blame.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        decode(bytes, bytes.len(), CONSENSUS_BYTES_MAX)
    }
}

impl LivenessMessage {
    /// Height that it belongs to.
    #[must_use]
    pub const fn height(&self) -> Height {
        match self {
            Self::Vote(signed) => signed.vote.height,
            Self::Polka(certificate) => certificate.height,
            Self::Round(certificate) => certificate.height,
        }
    }

    /// Round that it belongs to.
    #[must_use]
    pub const fn round(&self) -> Round {
        match self {
            Self::Vote(signed) => signed.vote.round,
            Self::Polka(certificate) => certificate.round,
            Self::Round(certificate) => certificate.round,
        }
    }

    /// The bytes to gossip. `nonce` must differ from one sending to the next.
    #[must_use]
    pub fn encode(&self, nonce: u64) -> Vec<u8> {
        let mut bytes = nonce.to_le_bytes().to_vec();
        self.serialize(&mut bytes).expect("writing to memory cannot fail");
        bytes
    }

    /// Decodes gossiped bytes; the nonce has done its work and is dropped.
    ///
    /// # Errors
    /// [`MessageError::Size`] or [`MessageError::Malformed`]; the sender is to blame.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let body = bytes.get(8..).unwrap_or_default();
        decode(body, bytes.len(), LIVENESS_BYTES_MAX)
    }
}

fn decode<T: BorshDeserialize>(body: &[u8], found: usize, limit: usize) -> Result<T, MessageError> {
    if found > limit {
        return Err(MessageError::Size { found, limit });
    }
    // borsh never reserves more than 4 KiB before it has read the elements, and refuses trailing bytes.
    borsh::from_slice(body).map_err(|error| MessageError::Malformed { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote() -> SignedVote {
        SignedVote {
            vote: Vote {
                vote_type: VoteType::Prevote,
                height: Height(3),
                round: Round(1),
                block: Some(B256::repeat_byte(4)),
                validator: ValidatorAddress::from_public_key(&[9; 32]),
            },
            signature: [5; 64],
        }
    }

    #[test]
    fn messages_survive_encoding_and_every_cut_or_tail_is_refused() {
        let message = ConsensusMessage::Vote(vote());
        let bytes = message.encode();
        assert_eq!(ConsensusMessage::decode(&bytes), Ok(message));
        for end in 0..bytes.len() {
            assert!(ConsensusMessage::decode(&bytes[..end]).is_err());
        }
        let longer = [bytes, vec![0]].concat();
        assert!(matches!(ConsensusMessage::decode(&longer), Err(MessageError::Malformed { .. })));
    }

    #[test]
    fn two_sendings_of_one_liveness_message_differ_and_mean_the_same() {
        let message = LivenessMessage::Vote(vote());
        let (first, second) = (message.encode(1), message.encode(2));
        assert_ne!(first, second);
        assert_eq!(LivenessMessage::decode(&first), LivenessMessage::decode(&second));
        assert_eq!(LivenessMessage::decode(&first), Ok(message));
        assert!(LivenessMessage::decode(&first[..7]).is_err());
    }

    #[test]
    fn oversized_messages_are_refused_before_decoding() {
        let bytes = vec![0; CONSENSUS_BYTES_MAX + 1];
        assert_eq!(
            ConsensusMessage::decode(&bytes),
            Err(MessageError::Size { found: bytes.len(), limit: CONSENSUS_BYTES_MAX })
        );
        let bytes = vec![0; LIVENESS_BYTES_MAX + 1];
        assert_eq!(
            LivenessMessage::decode(&bytes),
            Err(MessageError::Size { found: bytes.len(), limit: LIVENESS_BYTES_MAX })
        );
    }

    #[test]
    fn the_largest_round_certificate_fits_its_limit() {
        let votes = (0..weft_types::limits::VALIDATORS_MAX)
            .map(|_| RoundVote {
                vote_type: VoteType::Precommit,
                block: Some(B256::ZERO),
                validator: vote().vote.validator,
                signature: [0; 64],
            })
            .collect();
        let certificate = RoundCertificate {
            height: Height(1),
            round: Round(0),
            kind: RoundCertificateKind::Precommit,
            votes,
        };
        let bytes = LivenessMessage::Round(certificate).encode(0);
        assert!(LivenessMessage::decode(&bytes).is_ok());
    }
}
