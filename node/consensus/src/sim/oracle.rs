//! What must hold whatever happens.

use crate::message::{ConsensusMessage, SignedVote};
use alloy_primitives::B256;
use std::collections::BTreeMap;
use weft_types::vote::VoteType;
use weft_types::{CommitCertificate, Height, Round, ValidatorSet};

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Two blocks were decided at one height.
    #[error("fork at height {height}: {first} and {second}")]
    Fork {
        /// The height.
        height: u64,
        /// One block.
        first: B256,
        /// The other one.
        second: B256,
    },
    /// An honest validator signed two votes for one step.
    #[error("node {node} voted twice in {step:?} of height {height} round {round}")]
    DoubleVote {
        /// The node.
        node: usize,
        /// The step.
        step: VoteType,
        /// Its height.
        height: u64,
        /// Its round.
        round: u32,
    },
    /// An honest validator signed two proposals for one round.
    #[error("node {node} proposed twice at height {height} round {round}")]
    DoubleProposal {
        /// The node.
        node: usize,
        /// The height.
        height: u64,
        /// The round.
        round: u32,
    },
    /// A certificate does not verify.
    #[error("node {node} decided height {height} with a bad certificate: {reason}")]
    Certificate {
        /// The node.
        node: usize,
        /// The height.
        height: u64,
        /// What is wrong.
        reason: String,
    },
    /// A node decided a block whose body is not on its disk.
    #[error("node {node} decided height {height} without the body of {block}")]
    NoBody {
        /// The node.
        node: usize,
        /// The height.
        height: u64,
        /// The block.
        block: B256,
    },
    /// Something left a node before the log was synced.
    #[error("node {node} acted before the log was synced: {output}")]
    Unflushed {
        /// The node.
        node: usize,
        /// What it did.
        output: String,
    },
    /// An honest node's message did not verify.
    #[error("node {node} sent a message that does not verify: {reason}")]
    BadMessage {
        /// The sender.
        node: usize,
        /// What is wrong.
        reason: String,
    },
    /// A node stopped for safety.
    #[error("node {node} halted: {reason}")]
    Halted {
        /// The node.
        node: usize,
        /// Its reason.
        reason: String,
    },
    /// Not all honest nodes reached the last height after the faults had ended.
    #[error("after {elapsed_ms} ms: expected height {expected} on all nodes, found {found:?}")]
    Stuck {
        /// Virtual time, in milliseconds.
        elapsed_ms: u64,
        /// Height to be reached.
        expected: u64,
        /// Height of each honest node.
        found: Vec<u64>,
    },
}

type Slot = (usize, VoteType, Height, Round);

/// Remembers all votes, proposals and decisions of a run.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    decided: BTreeMap<Height, B256>,
    votes: BTreeMap<Slot, Option<B256>>,
    proposals: BTreeMap<(usize, Height, Round), (B256, Option<Round>)>,
}

impl Oracle {
    /// An honest node sends a message that it signed itself.
    pub(super) fn signed(
        &mut self,
        node: usize,
        message: &ConsensusMessage,
    ) -> Result<(), Violation> {
        match message {
            ConsensusMessage::Vote(signed) => self.voted(node, signed),
            ConsensusMessage::Proposal(signed) => {
                let p = &signed.proposal;
                let said = (p.block, p.pol_round);
                let first = self.proposals.entry((node, p.height, p.round)).or_insert(said);
                if *first == said {
                    return Ok(());
                }
                Err(Violation::DoubleProposal { node, height: p.height.0, round: p.round.0 })
            }
        }
    }

    /// An honest node sends a vote that it signed itself.
    pub(super) fn voted(&mut self, node: usize, signed: &SignedVote) -> Result<(), Violation> {
        let v = &signed.vote;
        let slot = (node, v.vote_type, v.height, v.round);
        if *self.votes.entry(slot).or_insert(v.block) == v.block {
            return Ok(());
        }
        let (height, round) = (v.height.0, v.round.0);
        Err(Violation::DoubleVote { node, step: v.vote_type, height, round })
    }

    /// A node decides.
    pub(super) fn decided(
        &mut self,
        node: usize,
        certificate: &CommitCertificate,
        validators: &ValidatorSet,
        genesis_hash: &B256,
    ) -> Result<(), Violation> {
        let (height, second) = (certificate.height.0, certificate.block);
        certificate.verify(validators, genesis_hash).map_err(|error| Violation::Certificate {
            node,
            height,
            reason: error.to_string(),
        })?;
        let first = *self.decided.entry(certificate.height).or_insert(second);
        if first == second {
            return Ok(());
        }
        Err(Violation::Fork { height, first, second })
    }
}
