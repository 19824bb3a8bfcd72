//! What goes in and what comes out.

use crate::guard::SignGuard;
use crate::message::{ConsensusMessage, LivenessMessage, SignedProposal, SignedVote};
use crate::wal::{ProposedBlock, WalEntry};
use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};
use weft_types::{CommitCertificate, Height, Round, ValidatorAddress};

/// Which timeout of a round.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum TimeoutKind {
    /// No proposal came (Tendermint L57).
    Propose,
    /// Prevotes came, but no quorum for one value (Tendermint L61).
    Prevote,
    /// Precommits came, but no quorum for one value (Tendermint L65).
    Precommit,
    /// Time to send own votes again.
    Rebroadcast,
}

/// Names a scheduled timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeoutId {
    /// Height that it belongs to.
    pub height: Height,
    /// Round that it belongs to.
    pub round: Round,
    /// Which one.
    pub kind: TimeoutKind,
}

/// What this node does in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It proposes and votes.
    Proposer,
    /// It votes.
    Validator,
    /// It only follows.
    Follower,
}

/// Something happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin a height: the one after the decided (or synced) one. Only after the
    /// [`Output::Decide`] before it has been carried out.
    StartHeight {
        /// The height.
        height: Height,
        /// What the log holds for this height, in order: all of it after a restart, else nothing.
        replay: Vec<WalEntry>,
    },
    /// A message of the consensus topic.
    Message(ConsensusMessage),
    /// A message of the liveness topic.
    Liveness(LivenessMessage),
    /// A scheduled timeout ran out.
    Timeout(TimeoutId),
    /// The answer to [`Output::Build`]. The body must be on disk (unsynced is enough) before.
    Built {
        /// Height asked for.
        height: Height,
        /// Round asked for.
        round: Round,
        /// The block that was built.
        block: B256,
    },
    /// The parts of a proposed block came in completely and the block was executed. A valid block's
    /// body must be on disk (unsynced is enough) before.
    Value {
        /// Height of the block.
        height: Height,
        /// The block and the verdict on it.
        proposed: ProposedBlock,
    },
    /// Sync fetched the block of the current height, its certificate verified, and executing it
    /// confirmed its header. Its body must be on disk (unsynced is enough) before.
    Decided {
        /// Why the block is final.
        certificate: CommitCertificate,
    },
}

/// Something must be done outside. The outputs of one step are performed in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Add to the log; may be buffered until [`Output::Flush`].
    Persist(WalEntry),
    /// Replace the sign guard, in the same batch as the entries around it.
    Guard(SignGuard),
    /// Write everything buffered in one batch and sync it. What follows must not happen if this
    /// fails: stop the node then.
    Flush,
    /// Gossip on the consensus topic.
    Publish(ConsensusMessage),
    /// Gossip on the liveness topic, with a fresh nonce.
    PublishLiveness(LivenessMessage),
    /// Feed [`Input::Timeout`] after this time; replaces an equal one.
    Schedule {
        /// Which timeout.
        id: TimeoutId,
        /// When, in milliseconds from now.
        duration_ms: u64,
    },
    /// Forget this timeout.
    Cancel(TimeoutId),
    /// Forget all timeouts.
    CancelAll,
    /// Build a block and answer with [`Input::Built`], then stream its parts.
    Build {
        /// Height to build for.
        height: Height,
        /// Round to build for.
        round: Round,
        /// After this time the answer is of no use, in milliseconds.
        timeout_ms: u64,
    },
    /// Stream the parts of a known block again.
    Restream {
        /// Height of the block.
        height: Height,
        /// Round in which it is proposed again.
        round: Round,
        /// Round in which it got its prevote quorum.
        valid_round: Option<Round>,
        /// The proposer of this round.
        proposer: ValidatorAddress,
        /// The block.
        block: B256,
    },
    /// A round began.
    StartedRound {
        /// Its height.
        height: Height,
        /// The round.
        round: Round,
        /// Who proposes in it.
        proposer: ValidatorAddress,
        /// What this node does in it.
        role: Role,
    },
    /// Commit this block, then begin the next height.
    Decide {
        /// Why the block is final.
        certificate: CommitCertificate,
    },
    /// A peer still works on a height that is decided here: send it the status, so that it syncs.
    /// Peers at the tip send nothing else that helps it. Comes once per message; limit the rate.
    PeerBehind {
        /// The height that it works on.
        height: Height,
    },
    /// A validator contradicted itself.
    Evidence(Evidence),
    /// Safety cannot be assured: nothing comes out any more and nothing is signed. Keep the node
    /// up for reading and call a person.
    Halt {
        /// Why.
        reason: String,
    },
}

/// Two signed messages of one validator that no honest validator signs both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Two votes of one step.
    Votes(Box<(SignedVote, SignedVote)>),
    /// Two proposals of one round.
    Proposals(Box<(SignedProposal, SignedProposal)>),
}
