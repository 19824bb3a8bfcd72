//! What the methods see of the node itself: its peers, its consensus.

use alloy_primitives::B256;
use serde::Serialize;
use weft_types::{Height, Round, ValidatorAddress};

/// Events of the consensus that a subscriber may lag behind before its subscription is closed.
pub const CONSENSUS_EVENTS_CAPACITY: usize = 1024;

/// The node behind the server. No call may block.
pub trait NodeView: Send + Sync {
    /// What this node is.
    fn info(&self) -> NodeInfo;
    /// The connected peers, in order of their ids.
    fn peers(&self) -> Vec<PeerInfo>;
    /// Where the consensus stands; `None` when no height has begun.
    fn consensus(&self) -> Option<ConsensusState>;
    /// Keeps a connection with the peer at a multiaddress. Whether it is new.
    ///
    /// # Errors
    /// A sentence that says why the address cannot be used.
    fn add_peer(&self, address: &str) -> Result<bool, String>;
    /// Disconnects a peer, given by id or multiaddress, and dials it no more. Whether it was known.
    ///
    /// # Errors
    /// A sentence that says why the peer cannot be understood.
    fn remove_peer(&self, peer: &str) -> Result<bool, String>;
}

/// What a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// Its name in logs.
    pub moniker: String,
    /// Names it to its peers.
    pub peer_id: String,
    /// Multiaddresses that it listens on for peers.
    pub listen: Vec<String>,
    /// Its validator, if it signs.
    pub validator: Option<ValidatorAddress>,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerInfo {
    /// Its id.
    pub id: String,
    /// Multiaddress of the connection's other end.
    pub address: String,
    /// Whether this node dialled it.
    pub outbound: bool,
    /// Whether the connection is kept: dialled again when lost.
    pub persistent: bool,
    /// How long there has been a connection, in milliseconds.
    pub connected_ms: u64,
}

/// A step of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsensusStep {
    /// Between two heights: waiting for transactions or for the time of the next block.
    Waiting,
    /// Waiting for a proposal.
    Propose,
    /// A proposal is there.
    Prevote,
    /// Two thirds have prevoted for a block or for none.
    Precommit,
    /// The block is decided and being executed or committed.
    Commit,
}

/// Where the consensus of this node stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsensusState {
    /// Height being decided.
    pub height: Height,
    /// Its round.
    pub round: Round,
    /// The step in it.
    pub step: ConsensusStep,
    /// Who proposes in this round, once it has begun.
    pub proposer: Option<ValidatorAddress>,
    /// Votes seen at this height, by round, kind and block.
    pub votes: Vec<VotesSeen>,
    /// Power that makes a quorum.
    pub quorum_power: u64,
    /// Power of all validators.
    pub total_power: u64,
}

/// Kind of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VoteKind {
    /// First vote on a proposal.
    Prevote,
    /// Second vote: a quorum of these decides.
    Precommit,
}

/// Votes of one round for one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VotesSeen {
    /// The round.
    pub round: Round,
    /// The kind.
    pub kind: VoteKind,
    /// The block; `None` for votes for no block.
    pub block: Option<B256>,
    /// Who voted so.
    pub validators: Vec<ValidatorAddress>,
    /// Their power together.
    pub power: u64,
}

/// Something happened in the consensus, as this node saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum ConsensusEvent {
    /// A block was proposed.
    Proposal {
        /// Height.
        height: Height,
        /// Round.
        round: Round,
        /// Who proposed.
        proposer: ValidatorAddress,
        /// The block.
        block: B256,
    },
    /// More than two thirds of the power voted alike.
    Quorum {
        /// Kind of the votes.
        kind: VoteKind,
        /// Height.
        height: Height,
        /// Round.
        round: Round,
        /// What for; `None` for no block.
        block: Option<B256>,
    },
    /// A block is decided, executed and durable.
    Commit {
        /// Height.
        height: Height,
        /// Round that decided it.
        round: Round,
        /// The block.
        block: B256,
    },
}

/// A node without peers and consensus: for tools and tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offline;

impl NodeView for Offline {
    fn info(&self) -> NodeInfo {
        NodeInfo::default()
    }

    fn peers(&self) -> Vec<PeerInfo> {
        Vec::new()
    }

    fn consensus(&self) -> Option<ConsensusState> {
        None
    }

    fn add_peer(&self, _: &str) -> Result<bool, String> {
        Err("this node has no network".to_owned())
    }

    fn remove_peer(&self, _: &str) -> Result<bool, String> {
        Err("this node has no network".to_owned())
    }
}
