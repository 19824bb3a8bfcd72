//! The access record: what every transaction of a block read and wrote. The same on every node.

use crate::TxIndex;
use alloy_primitives::{Address, U256};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What a read or write names.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Location {
    /// Balance of an account.
    Balance {
        /// The account.
        address: Address,
    },
    /// Nonce of an account.
    Nonce {
        /// The account.
        address: Address,
    },
    /// Code of an account, by hash; covers EIP-7702 delegation.
    Code {
        /// The account.
        address: Address,
    },
    /// One storage slot.
    Storage {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
    },
    /// Whether the account's storage was wiped (self-destruct before Cancun).
    StorageEpoch {
        /// The account.
        address: Address,
    },
}

impl Location {
    /// The account that the location belongs to.
    #[must_use]
    pub const fn address(&self) -> &Address {
        match self {
            Self::Balance { address }
            | Self::Nonce { address }
            | Self::Code { address }
            | Self::Storage { address, .. }
            | Self::StorageEpoch { address } => address,
        }
    }
}

/// Where a read value came from.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
#[serde(rename_all = "camelCase", tag = "kind", content = "index")]
pub enum Writer {
    /// The state before the block's transactions (parent state and pre-block system calls).
    Base,
    /// The last transaction below the reader that changed the location.
    Transaction(TxIndex),
}

/// One read of one transaction.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct ReadAccess {
    /// What was read.
    pub location: Location,
    /// Who wrote the value that was read.
    pub from: Writer,
}

/// One write of one transaction: the location differs after it from before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct WriteAccess {
    /// What was changed.
    pub location: Location,
    /// The change was an addition or subtraction that the transaction did not look at: it
    /// commutes with others of its kind and makes nobody depend on a predecessor by itself.
    pub commutative: bool,
}

/// Reads and writes of one transaction.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct TransactionAccess {
    /// Gas used.
    pub gas_used: u64,
    /// Reads, ascending by location, each location once.
    pub reads: Vec<ReadAccess>,
    /// Writes, ascending by location, each location once.
    pub writes: Vec<WriteAccess>,
}

/// What every transaction of a block read and wrote, in block order.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct AccessRecord {
    /// One entry per transaction.
    pub transactions: Vec<TransactionAccess>,
}
