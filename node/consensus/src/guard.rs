//! The last line against signing twice: what was signed last, and nothing that contradicts it.
//!
//! The log already makes a restarted validator repeat its votes instead of inventing new ones. The
//! guard does not depend on that logic: it only knows that (height, round, step) must not go back
//! and that one step has one message.

use crate::error::Refused;
use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};
use weft_types::vote::{SignatureBytes, VoteType};
use weft_types::{Height, Round};

/// The step of a round in which a validator signs, in the order in which it may sign them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum SignStep {
    /// Announcing a block as the round's proposer.
    Proposal,
    /// First vote.
    Prevote,
    /// Second vote.
    Precommit,
}

impl From<VoteType> for SignStep {
    fn from(vote_type: VoteType) -> Self {
        match vote_type {
            VoteType::Prevote => Self::Prevote,
            VoteType::Precommit => Self::Precommit,
        }
    }
}

/// A place in the life of a validator; it signs at most one message at each.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct SignPoint {
    /// Height.
    pub height: Height,
    /// Round within the height.
    pub round: Round,
    /// Step within the round.
    pub step: SignStep,
}

impl std::fmt::Display for SignPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at height {} round {}", self.step, self.height, self.round)
    }
}

/// What a validator signed last. Stored in the same synced batch as the log.
///
/// ```text
/// borsh: height u64 | round u32 | step u8 | block Option<[32]> | digest [32] | signature [64]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignGuard {
    /// Where it signed.
    pub point: SignPoint,
    /// The block it signed for, or nil.
    pub block: Option<B256>,
    /// BLAKE3 of the signed bytes: two proposals of one block may still differ.
    pub digest: B256,
    /// The signature.
    pub signature: SignatureBytes,
}

/// What the guard says about a message that does not contradict it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Nothing is signed there yet: sign, and replace the guard.
    New,
    /// This very message is signed already: use this signature again.
    Again(SignatureBytes),
}

impl SignGuard {
    /// Whether a message with these signed bytes may be signed at `point`.
    ///
    /// # Errors
    /// [`Refused`]; the caller must not sign, now or later.
    pub fn check(
        &self,
        point: SignPoint,
        block: Option<B256>,
        digest: &B256,
    ) -> Result<Permit, Refused> {
        match point.cmp(&self.point) {
            std::cmp::Ordering::Greater => Ok(Permit::New),
            std::cmp::Ordering::Less => Err(Refused::Regress { signed: self.point, asked: point }),
            std::cmp::Ordering::Equal if *digest == self.digest => {
                Ok(Permit::Again(self.signature))
            }
            std::cmp::Ordering::Equal => {
                Err(Refused::Conflict { point, signed: self.block, asked: block })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(height: u64, round: u32, step: SignStep) -> SignPoint {
        SignPoint { height: Height(height), round: Round(round), step }
    }

    fn guard() -> SignGuard {
        SignGuard {
            point: point(5, 1, SignStep::Prevote),
            block: None,
            digest: B256::repeat_byte(1),
            signature: [7; 64],
        }
    }

    #[test]
    fn later_steps_rounds_and_heights_may_be_signed() {
        for next in [
            point(5, 1, SignStep::Precommit),
            point(5, 2, SignStep::Proposal),
            point(6, 0, SignStep::Proposal),
        ] {
            assert_eq!(guard().check(next, None, &B256::ZERO), Ok(Permit::New));
        }
    }

    #[test]
    fn earlier_steps_rounds_and_heights_are_refused() {
        for next in [
            point(5, 1, SignStep::Proposal),
            point(5, 0, SignStep::Precommit),
            point(4, 9, SignStep::Precommit),
        ] {
            assert_eq!(
                guard().check(next, None, &B256::repeat_byte(1)),
                Err(Refused::Regress { signed: guard().point, asked: next })
            );
        }
    }

    #[test]
    fn the_same_message_gets_its_signature_again_and_another_one_is_refused() {
        let here = guard().point;
        assert_eq!(guard().check(here, None, &B256::repeat_byte(1)), Ok(Permit::Again([7; 64])));
        let block = Some(B256::repeat_byte(3));
        assert_eq!(
            guard().check(here, block, &B256::repeat_byte(2)),
            Err(Refused::Conflict { point: here, signed: None, asked: block })
        );
    }
}
