//! What the consensus looks like from outside: where it stands, which votes were seen, and an event
//! for each proposal, quorum and commit.
//!
//! It only listens. Votes are counted once for each validator, round, kind and block, as they are
//! verified or signed here; a quorum whose votes this node never saw is known from the certificate.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::broadcast;
use weft_consensus::{ConsensusMessage, LivenessMessage, SignedVote};
use weft_rpc::{ConsensusEvent, ConsensusState, ConsensusStep, VoteKind, VotesSeen};
use weft_types::vote::VoteType;
use weft_types::{B256, CommitCertificate, Height, Round, ValidatorAddress, ValidatorSet};

/// Groups of votes that are counted; those of far rounds are left out beyond.
const GROUPS_MAX: usize = 1024;

/// Votes of one kind, in one round, for one block or none.
type Group = (Height, Round, VoteKind, Option<B256>);

/// Written by the driver, read by RPC.
#[derive(Debug)]
pub struct ConsensusWatch {
    validators: ValidatorSet,
    events: broadcast::Sender<Arc<ConsensusEvent>>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    height: Height,
    round: Round,
    proposer: Option<ValidatorAddress>,
    decided: bool,
    proposals: BTreeSet<(Height, Round, B256)>,
    votes: BTreeMap<Group, BTreeSet<ValidatorAddress>>,
    quorums: BTreeSet<Group>,
}

impl ConsensusWatch {
    /// Watches from the height after `head` on.
    #[must_use]
    pub fn new(
        validators: ValidatorSet,
        head: Height,
        events: broadcast::Sender<Arc<ConsensusEvent>>,
    ) -> Self {
        let seen = Seen {
            height: head.next(),
            round: Round(0),
            proposer: None,
            decided: false,
            proposals: BTreeSet::new(),
            votes: BTreeMap::new(),
            quorums: BTreeSet::new(),
        };
        Self { validators, events, seen: Mutex::new(seen) }
    }

    /// A round begins.
    pub fn round(&self, height: Height, round: Round, proposer: ValidatorAddress) {
        let mut seen = self.seen.lock();
        if height == seen.height {
            (seen.round, seen.proposer) = (round, Some(proposer));
        }
    }

    /// A verified message of a peer, or one of our own.
    pub fn message(&self, message: &ConsensusMessage) {
        match message {
            ConsensusMessage::Vote(signed) => self.vote(signed),
            ConsensusMessage::Proposal(signed) => {
                let p = &signed.proposal;
                let mut seen = self.seen.lock();
                let is_new = seen.is_near(p.height)
                    && seen.proposals.len() < GROUPS_MAX
                    && seen.proposals.insert((p.height, p.round, p.block));
                if is_new {
                    self.tell(ConsensusEvent::Proposal {
                        height: p.height,
                        round: p.round,
                        proposer: p.proposer,
                        block: p.block,
                    });
                }
            }
        }
    }

    /// A verified message that was sent again.
    pub fn liveness(&self, message: &LivenessMessage) {
        if let LivenessMessage::Vote(signed) = message {
            self.vote(signed);
        }
    }

    fn vote(&self, signed: &SignedVote) {
        let vote = &signed.vote;
        let kind = match vote.vote_type {
            VoteType::Prevote => VoteKind::Prevote,
            VoteType::Precommit => VoteKind::Precommit,
        };
        let group = (vote.height, vote.round, kind, vote.block);
        let mut seen = self.seen.lock();
        let has_room = seen.votes.len() < GROUPS_MAX || seen.votes.contains_key(&group);
        if !seen.is_near(vote.height) || !has_room {
            return;
        }
        let voters = seen.votes.entry(group).or_default();
        if voters.insert(vote.validator) && self.validators.is_quorum(self.power(voters)) {
            self.quorum(&mut seen, group);
        }
    }

    /// The block of a height is decided.
    pub fn decided(&self, certificate: &CommitCertificate) {
        let mut seen = self.seen.lock();
        if certificate.height != seen.height {
            return;
        }
        seen.decided = true;
        let block = Some(certificate.block);
        let group = (certificate.height, certificate.round, VoteKind::Precommit, block);
        self.quorum(&mut seen, group);
    }

    /// The block of a height is durable.
    pub fn committed(&self, height: Height, round: Round, block: B256) {
        let mut seen = self.seen.lock();
        seen.height = height.next();
        (seen.round, seen.proposer, seen.decided) = (Round(0), None, false);
        seen.proposals.retain(|proposal| proposal.0 > height);
        seen.votes.retain(|group, _| group.0 > height);
        seen.quorums.retain(|group| group.0 > height);
        self.tell(ConsensusEvent::Commit { height, round, block });
    }

    /// Where the consensus stands.
    #[must_use]
    pub fn state(&self) -> ConsensusState {
        let seen = self.seen.lock();
        let (height, round) = (seen.height, seen.round);
        let current = |group: &&Group| (group.0, group.1) == (height, round);
        let prevoted = seen.quorums.iter().filter(current).any(|g| g.2 == VoteKind::Prevote);
        let proposed = seen.proposals.iter().any(|p| (p.0, p.1) == (height, round));
        let step = match seen.proposer {
            _ if seen.decided => ConsensusStep::Commit,
            None => ConsensusStep::Waiting,
            Some(_) if prevoted => ConsensusStep::Precommit,
            Some(_) if proposed => ConsensusStep::Prevote,
            Some(_) => ConsensusStep::Propose,
        };
        let votes = (seen.votes.iter())
            .filter(|(group, _)| group.0 == height)
            .map(|((_, round, kind, block), voters)| VotesSeen {
                round: *round,
                kind: *kind,
                block: *block,
                validators: voters.iter().copied().collect(),
                power: self.power(voters),
            })
            .collect();
        ConsensusState {
            height,
            round,
            step,
            proposer: seen.proposer,
            votes,
            quorum_power: self.validators.quorum_power(),
            total_power: self.validators.total_power(),
        }
    }

    fn quorum(&self, seen: &mut Seen, group: Group) {
        if seen.quorums.insert(group) {
            let (height, round, kind, block) = group;
            self.tell(ConsensusEvent::Quorum { kind, height, round, block });
        }
    }

    fn power(&self, voters: &BTreeSet<ValidatorAddress>) -> u64 {
        let known = voters.iter().filter_map(|voter| self.validators.get(voter));
        known.map(|(_, validator)| validator.power).sum()
    }

    /// Within the lock, so that all subscribers hear one order.
    fn tell(&self, event: ConsensusEvent) {
        // Nobody may be listening.
        let _ = self.events.send(Arc::new(event));
    }
}

impl Seen {
    /// Whether messages of this height are of interest: of this one, or of the next by those who
    /// are a little ahead.
    fn is_near(&self, height: Height) -> bool {
        height == self.height || height == self.height.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_types::Validator;
    use weft_types::vote::Vote;

    fn watch() -> (ConsensusWatch, broadcast::Receiver<Arc<ConsensusEvent>>) {
        let validator = |index: u8| Validator {
            name: format!("v{index}"),
            public_key: ed25519_dalek::SigningKey::from_bytes(&[index; 32])
                .verifying_key()
                .to_bytes(),
            power: 1,
        };
        let set = ValidatorSet::new((1..=4).map(validator).collect()).unwrap();
        let events = weft_rpc::consensus_channel();
        let heard = events.subscribe();
        (ConsensusWatch::new(set, Height(6), events), heard)
    }

    fn vote(watch: &ConsensusWatch, voter: usize, vote_type: VoteType, block: B256) {
        let validator = watch.validators.as_slice()[voter].address();
        let vote =
            Vote { vote_type, height: Height(7), round: Round(0), block: Some(block), validator };
        watch.message(&ConsensusMessage::Vote(SignedVote { vote, signature: [0; 64] }));
    }

    #[test]
    fn a_quorum_is_told_once_and_a_repeated_vote_counts_once() {
        let (watch, mut heard) = watch();
        let block = B256::repeat_byte(9);
        watch.round(Height(7), Round(0), watch.validators.as_slice()[0].address());
        assert_eq!(watch.state().step, ConsensusStep::Propose);
        for voter in [0, 0, 0, 1] {
            vote(&watch, voter, VoteType::Prevote, block);
        }
        assert!(heard.try_recv().is_err(), "two of four");
        assert_eq!(watch.state().votes[0].power, 2);
        vote(&watch, 2, VoteType::Prevote, block);
        vote(&watch, 3, VoteType::Prevote, block);
        let expected = ConsensusEvent::Quorum {
            kind: VoteKind::Prevote,
            height: Height(7),
            round: Round(0),
            block: Some(block),
        };
        assert_eq!(*heard.try_recv().unwrap(), expected);
        assert!(heard.try_recv().is_err());
        assert_eq!(watch.state().step, ConsensusStep::Precommit);
    }

    #[test]
    fn a_commit_clears_the_height_and_far_heights_are_not_counted() {
        let (watch, mut heard) = watch();
        let block = B256::repeat_byte(9);
        for voter in 0..3 {
            vote(&watch, voter, VoteType::Precommit, block);
        }
        watch.committed(Height(7), Round(0), block);
        assert!(matches!(*heard.try_recv().unwrap(), ConsensusEvent::Quorum { .. }));
        assert!(matches!(*heard.try_recv().unwrap(), ConsensusEvent::Commit { .. }));
        let state = watch.state();
        assert_eq!(
            (state.height, state.step, state.votes.len()),
            (Height(8), ConsensusStep::Waiting, 0)
        );
        vote(&watch, 0, VoteType::Precommit, block);
        assert!(watch.seen.lock().votes.is_empty(), "height 7 is over");
    }
}
