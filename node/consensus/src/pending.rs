//! Inputs that came too early: before the first height was started, or for a later height.

use crate::message::LivenessMessage;
use crate::port::Input;
use std::collections::{BTreeMap, btree_map::Entry};
use weft_types::{Height, ValidatorAddress};

/// Heights ahead of the decided one for which inputs are kept.
pub(crate) const HEIGHTS_AHEAD_MAX: u64 = 16;

/// Messages kept per validator and height: two votes and a proposal in each of five rounds.
const PER_VALIDATOR_MAX: usize = 15;

/// Values, decisions and certificates kept per height and kind.
const PER_KIND_MAX: usize = 8;

/// Who pays for the place that an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Account {
    Validator(ValidatorAddress),
    Certificates,
    Values,
    Decisions,
}

#[derive(Debug, Default)]
struct Early {
    inputs: Vec<Input>,
    used: BTreeMap<Account, usize>,
}

/// Early inputs by height, bounded in heights and, within one, by who sent them. Only verified
/// messages may be put in, so that nobody can use up another one's places.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    heights: BTreeMap<Height, Early>,
}

impl Pending {
    /// Keeps an input for `height`, if `height` is near enough after `decided` and there is room.
    pub(crate) fn push(&mut self, decided: Height, height: Height, input: Input) {
        let ahead = height.0.saturating_sub(decided.0);
        if ahead == 0 || ahead > HEIGHTS_AHEAD_MAX {
            return;
        }
        let (account, limit) = match &input {
            Input::Message(message) => (Account::Validator(message.signer()), PER_VALIDATOR_MAX),
            Input::Liveness(LivenessMessage::Vote(signed)) => {
                (Account::Validator(signed.vote.validator), PER_VALIDATOR_MAX)
            }
            Input::Liveness(_) => (Account::Certificates, PER_KIND_MAX),
            Input::Value { .. } => (Account::Values, PER_KIND_MAX),
            Input::Decided { .. } => (Account::Decisions, 1),
            // The answers to our own requests: they can only be late, never early.
            Input::StartHeight { .. } | Input::Timeout(_) | Input::Built { .. } => return,
        };
        let early = match self.heights.entry(height) {
            Entry::Vacant(entry) => entry.insert(Early::default()),
            Entry::Occupied(entry) => entry.into_mut(),
        };
        let used = early.used.entry(account).or_default();
        if *used < limit {
            *used += 1;
            early.inputs.push(input);
        }
    }

    /// Takes what was kept for `height`, in order of arrival, and forgets what was for earlier ones.
    pub(crate) fn take(&mut self, height: Height) -> Vec<Input> {
        let later = self.heights.split_off(&height.next());
        let mut up_to = std::mem::replace(&mut self.heights, later);
        up_to.remove(&height).map(|early| early.inputs).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ConsensusMessage, SignedVote};
    use weft_types::Round;
    use weft_types::vote::{Vote, VoteType};

    fn vote(height: u64, validator: u8, round: u32) -> Input {
        let vote = Vote {
            vote_type: VoteType::Prevote,
            height: Height(height),
            round: Round(round),
            block: None,
            validator: ValidatorAddress::from_public_key(&[validator; 32]),
        };
        Input::Message(ConsensusMessage::Vote(SignedVote { vote, signature: [0; 64] }))
    }

    #[test]
    fn one_validator_cannot_use_up_the_places_of_another() {
        let mut pending = Pending::default();
        for round in 0..1000 {
            pending.push(Height(0), Height(2), vote(2, 1, round));
        }
        pending.push(Height(0), Height(2), vote(2, 2, 0));
        assert_eq!(pending.take(Height(2)).len(), PER_VALIDATOR_MAX + 1);
    }

    #[test]
    fn only_near_heights_are_kept_and_taking_one_forgets_the_earlier_ones() {
        let mut pending = Pending::default();
        for height in 0..100 {
            pending.push(Height(10), Height(height), vote(height, 1, 0));
        }
        assert_eq!(pending.heights.len() as u64, HEIGHTS_AHEAD_MAX);
        assert_eq!(pending.take(Height(12)).len(), 1);
        assert!(pending.take(Height(11)).is_empty());
        assert_eq!(pending.take(Height(13)).len(), 1);
    }
}
