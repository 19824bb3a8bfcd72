//! Why a transaction is not admitted, what clients are told, and who pays for it.

use alloy_primitives::{Address, B256, U256};
use weft_types::{StateError, TransactionError};

/// Who is responsible for a refused transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Nobody who follows the rules would have passed it on, whatever its view of the state: a peer
    /// that sent it loses score.
    Peer,
    /// Whoever signed it must change something; an honest peer may well have passed it on.
    Caller,
    /// This node could not answer.
    Node,
}

/// A transaction is not admitted. The wording is geth's, because client libraries match on it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PoolError {
    /// Breaks a rule that does not depend on the state.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The gas limit does not pay for what every transaction of this shape costs.
    #[error("intrinsic gas too low: have {have}, want {want}")]
    IntrinsicGas {
        /// Gas limit of the transaction.
        have: u64,
        /// Intrinsic gas.
        want: u64,
    },
    /// The gas limit is below the calldata floor of EIP-7623.
    #[error("insufficient gas for floor data gas cost: have {have}, want {want}")]
    FloorGas {
        /// Gas limit of the transaction.
        have: u64,
        /// Floor.
        want: u64,
    },
    /// Creation code longer than EIP-3860 allows.
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitcodeSize {
        /// Size found, in bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// An EIP-7702 transaction without authorisations.
    #[error("EIP-7702 transaction with empty auth list (sender {sender})")]
    NoAuthorizations {
        /// The sender.
        sender: Address,
    },
    /// A nonce that no transaction may have (EIP-2681).
    #[error("nonce has max value: address {sender}, nonce: {}", u64::MAX)]
    NonceMax {
        /// The sender.
        sender: Address,
    },
    /// More gas than a block has.
    #[error("exceeds block gas limit: transaction gas limit {gas_limit}, block gas limit {limit}")]
    BlockGasLimit {
        /// Gas limit of the transaction.
        gas_limit: u64,
        /// Gas limit of a block.
        limit: u64,
    },
    /// The sender has code that is not a delegation (EIP-3607).
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderNotEoa {
        /// The sender.
        sender: Address,
        /// keccak256 of its code.
        code_hash: B256,
    },
    /// The nonce is used already.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// Next nonce of the sender at the head.
        next: u64,
        /// Nonce of the transaction.
        nonce: u64,
    },
    /// The fee cap does not reach half the base fee of the next block: it would wait for long.
    #[error(
        "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {max_fee}, baseFee: {base_fee}"
    )]
    FeeBelowBase {
        /// The sender.
        sender: Address,
        /// `maxFeePerGas` (or the gas price) in wei.
        max_fee: u128,
        /// Base fee of the next block in wei.
        base_fee: u64,
    },
    /// The sender cannot pay for the transaction in the worst case.
    #[error("insufficient funds for gas * price + value: have {have} want {want}")]
    Funds {
        /// Balance of the sender in wei.
        have: U256,
        /// `gasLimit * maxFeePerGas + value` in wei.
        want: U256,
    },
    /// The very transaction is in the pool.
    #[error("already known")]
    AlreadyKnown {
        /// Its hash.
        hash: B256,
    },
    /// Another transaction with this sender and nonce is in the pool and pays about as much.
    #[error(
        "replacement transaction underpriced: expected maxFeePerGas >= {max_fee_min} and maxPriorityFeePerGas >= {tip_min}, found {max_fee} and {tip}"
    )]
    ReplacementUnderpriced {
        /// Smallest sufficient fee cap in wei.
        max_fee_min: u128,
        /// Smallest sufficient tip in wei.
        tip_min: u128,
        /// Fee cap found, in wei.
        max_fee: u128,
        /// Tip found, in wei.
        tip: u128,
    },
    /// The sender has as many transactions in the pool as one sender may have.
    #[error(
        "account limit exceeded: address {sender} has {count} transactions in the pool, limit {limit}"
    )]
    AccountLimit {
        /// The sender.
        sender: Address,
        /// Number held.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The pool is full of transactions that pay as much or more.
    #[error(
        "transaction underpriced: txpool is full and tip {tip} is not above the lowest one held"
    )]
    Full {
        /// Effective tip of the transaction at the next base fee, in wei; negative when it cannot
        /// be included there.
        tip: i128,
    },
    /// The state could not be read; nothing is known about the transaction.
    #[error(transparent)]
    State(#[from] StateError),
}

/// `-32000`: refused, and no code of the catalogue says it closer.
const CODE_REFUSED: i32 = -32_000;

impl PoolError {
    /// JSON-RPC error code: the catalogue of `execution-apis` where it names the case, `-32000`
    /// where it does not, `-32603` when the node is at fault.
    ///
    /// | code | case |
    /// |---|---|
    /// | 1 | nonce too low |
    /// | 800 | intrinsic gas, calldata floor |
    /// | 802 | pool full and tip too low |
    /// | 803 | above the block gas limit |
    /// | 804 | tip above fee cap |
    /// | 806 | fee cap below base fee |
    /// | 809 | insufficient funds |
    /// | 1000 | already known |
    /// | 1001 | invalid sender (bad signature, sender with code) |
    /// | -32000 | everything else, such as an underpriced replacement (the catalogue has no code) |
    ///
    /// Code 2 (nonce too high) is never used: a transaction behind a gap waits.
    #[must_use]
    pub const fn code(&self) -> i32 {
        match self {
            Self::Transaction(error) => transaction_code(error),
            Self::NonceTooLow { .. } => 1,
            Self::IntrinsicGas { .. } | Self::FloorGas { .. } => 800,
            Self::Full { .. } => 802,
            Self::BlockGasLimit { .. } => 803,
            Self::FeeBelowBase { .. } => 806,
            Self::Funds { .. } => 809,
            Self::AlreadyKnown { .. } => 1000,
            Self::SenderNotEoa { .. } => 1001,
            Self::State(_) => -32_603,
            Self::InitcodeSize { .. }
            | Self::NoAuthorizations { .. }
            | Self::NonceMax { .. }
            | Self::ReplacementUnderpriced { .. }
            | Self::AccountLimit { .. } => CODE_REFUSED,
        }
    }

    /// Who is responsible. Reasons that depend on the state or on this pool never blame a peer: its
    /// head may be another one.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Transaction(_)
            | Self::IntrinsicGas { .. }
            | Self::FloorGas { .. }
            | Self::InitcodeSize { .. }
            | Self::NoAuthorizations { .. }
            | Self::NonceMax { .. }
            | Self::BlockGasLimit { .. } => Blame::Peer,
            Self::SenderNotEoa { .. }
            | Self::NonceTooLow { .. }
            | Self::FeeBelowBase { .. }
            | Self::Funds { .. }
            | Self::AlreadyKnown { .. }
            | Self::ReplacementUnderpriced { .. }
            | Self::AccountLimit { .. }
            | Self::Full { .. } => Blame::Caller,
            Self::State(_) => Blame::Node,
        }
    }
}

/// JSON-RPC error code of a transaction that is refused before the pool sees it.
#[must_use]
pub const fn transaction_code(error: &TransactionError) -> i32 {
    match error {
        TransactionError::TipAboveFee { .. } => 804,
        TransactionError::Signature => 1001,
        TransactionError::Decode { .. }
        | TransactionError::Oversized { .. }
        | TransactionError::BlobUnsupported
        | TransactionError::TypeUnsupported { .. }
        | TransactionError::ChainId { .. }
        | TransactionError::Unprotected
        | TransactionError::GasLimitTooHigh { .. } => CODE_REFUSED,
    }
}
