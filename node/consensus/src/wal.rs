//! The log: the inputs that a restarted validator must see again before it signs.
//!
//! ```text
//! borsh: height u64 | sequence u64 | event (u8 tag, then its fields)
//!   0 vote      SignedVote          1 proposal  SignedProposal
//!   2 value     round u32, valid_round Option<u32>, proposer [20], block [32], valid u8
//!   3 polka     PolkaCertificate    4 timeout   kind u8, round u32
//! ```

use crate::message::{PolkaCertificate, SignedProposal, SignedVote};
use crate::port::TimeoutKind;
use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};
use weft_types::{Height, Round, ValidatorAddress};

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct WalEntry {
    /// Height in which it happened.
    pub height: Height,
    /// Place within the height, from 0, without gaps.
    pub sequence: u64,
    /// What happened.
    pub event: WalEvent,
}

/// What the log remembers.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum WalEvent {
    /// A verified vote, own or foreign.
    Vote(SignedVote),
    /// A verified proposal, own or foreign.
    Proposal(SignedProposal),
    /// A block that arrived, or was built here, with the verdict on it.
    Value(ProposedBlock),
    /// A verified prevote quorum.
    Polka(PolkaCertificate),
    /// A timeout that ran out.
    Timeout {
        /// Which one.
        kind: TimeoutKind,
        /// Its round.
        round: Round,
    },
}

/// A proposed block whose body this node holds, with the verdict on it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProposedBlock {
    /// Round in which it was proposed.
    pub round: Round,
    /// Earlier round with a prevote quorum, when it was proposed again.
    pub valid_round: Option<Round>,
    /// Who proposed it.
    pub proposer: ValidatorAddress,
    /// The block.
    pub block: B256,
    /// Whether executing it confirmed its header.
    pub valid: bool,
}
