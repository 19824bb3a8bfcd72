//! What genesis fixes for the life of the chain, besides the initial state and the validators.

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Consensus-relevant parameters. All nodes of a chain hold equal values: they are part of the
/// genesis hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainParams {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Gas limit of every block.
    pub gas_limit: u64,
    /// Shortest time between two blocks, in milliseconds.
    pub block_interval_ms: u64,
    /// Time after which a block is proposed although there is no transaction, in milliseconds.
    pub empty_block_interval_ms: u64,
    /// Timeouts of the consensus rounds.
    pub timeouts: Timeouts,
    /// Whether blocks may hold commands ([`crate::command`]), which set balances, code and time at will: for development
    /// only. Part of the genesis hash where it is set; a chain without it has the hash that it had before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[borsh(skip)]
    pub devnet_cheats: bool,
}

/// Round timeouts in milliseconds: `base + delta * round` (Tendermint's timeout functions).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    /// Waiting for a proposal in round 0.
    pub propose_ms: u64,
    /// Added to the propose timeout per round.
    pub propose_delta_ms: u64,
    /// Waiting for prevotes in round 0.
    pub prevote_ms: u64,
    /// Waiting for precommits in round 0.
    pub precommit_ms: u64,
    /// Added to the prevote and precommit timeouts per round.
    pub vote_delta_ms: u64,
    /// Time after which votes are sent again.
    pub rebroadcast_ms: u64,
}

impl Timeouts {
    /// For validators on one machine or one local network.
    #[must_use]
    pub const fn devnet() -> Self {
        Self {
            propose_ms: 500,
            propose_delta_ms: 250,
            prevote_ms: 250,
            precommit_ms: 250,
            vote_delta_ms: 125,
            rebroadcast_ms: 1000,
        }
    }

    /// For validators spread over a wide-area network.
    #[must_use]
    pub const fn network() -> Self {
        Self {
            propose_ms: 1500,
            propose_delta_ms: 500,
            prevote_ms: 500,
            precommit_ms: 500,
            vote_delta_ms: 250,
            rebroadcast_ms: 2500,
        }
    }
}

impl ChainParams {
    /// Parameters of the local devnet: chain id 31337, 60 M gas, a block at most every 50 ms, a heartbeat of 1 s.
    #[must_use]
    pub const fn devnet() -> Self {
        Self {
            chain_id: 31_337,
            gas_limit: 60_000_000,
            block_interval_ms: 50,
            empty_block_interval_ms: 1000,
            timeouts: Timeouts::devnet(),
            devnet_cheats: false,
        }
    }
}

/// Address that receives the tips of blocks proposed by a validator: the last 20 bytes of
/// keccak256 of its ed25519 public key unless its configuration names another one.
#[must_use]
pub fn default_fee_recipient(public_key: &[u8; 32]) -> Address {
    Address::from_slice(&alloy_primitives::keccak256(public_key)[12..])
}
