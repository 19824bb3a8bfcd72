//! Why a chain specification cannot become a chain.

use weft_types::validator::ValidatorSetError;
use weft_types::{Address, U256};

/// A chain specification is refused; whoever wrote the file is to blame. Each message says what is
/// wrong, where, and what is expected instead.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum GenesisError {
    /// The file is larger than the limit.
    #[error("genesis file of {size} bytes exceeds the limit of {limit}: shorten the alloc")]
    Oversized {
        /// Size found, in bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// Not the JSON of a chain specification.
    #[error("genesis file: {reason}")]
    Json {
        /// What is wrong and where (line and column), as the parser says it.
        reason: String,
    },
    /// A number is outside its range.
    #[error("genesis {field}: found {found}, expected {min} to {max}{hint}")]
    Range {
        /// The field, with dots for nesting.
        field: &'static str,
        /// Value found.
        found: u64,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
        /// What may have gone wrong; empty or starting with a space.
        hint: &'static str,
    },
    /// The heartbeat would come before the next block is due.
    #[error(
        "genesis params.emptyBlockIntervalMs: found {empty_ms}, expected at least params.blockIntervalMs ({block_ms})"
    )]
    EmptyBlockInterval {
        /// `emptyBlockIntervalMs`.
        empty_ms: u64,
        /// `blockIntervalMs`.
        block_ms: u64,
    },
    /// A name is empty, too long, or holds characters that do not print.
    #[error("genesis {field}: found {found:?}, expected 1 to {limit} printable ASCII characters")]
    Name {
        /// The field.
        field: &'static str,
        /// The name, cut to a printable length.
        found: String,
        /// Limit in bytes.
        limit: usize,
    },
    /// Two validators have one name.
    #[error(
        "genesis validators: the name {name:?} is given twice, expected a name of its own for each"
    )]
    ValidatorName {
        /// The name.
        name: String,
    },
    /// The validators do not form a set.
    #[error("genesis validators: {0}")]
    Validators(#[from] ValidatorSetError),
    /// More money than 128 bits can count.
    #[error(
        "genesis alloc: balances up to and including {address} sum to {total}, expected at most {}: lower the balances",
        u128::MAX
    )]
    Supply {
        /// Account at which the sum passes the limit.
        address: Address,
        /// The sum there, in wei; saturated.
        total: U256,
    },
    /// A nonce that can never be used.
    #[error(
        "genesis alloc: account {address} has nonce {nonce}, expected less than 2^64-1 (EIP-2681)"
    )]
    Nonce {
        /// The account.
        address: Address,
        /// Nonce found.
        nonce: u64,
    },
    /// Code longer than a contract may be.
    #[error(
        "genesis alloc: account {address} has {size} bytes of code, expected at most {limit} (EIP-170)"
    )]
    CodeSize {
        /// The account.
        address: Address,
        /// Size found, in bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// Code that starts with the reserved byte and is not a delegation.
    #[error(
        "genesis alloc: account {address} has code starting with 0xef that is not a delegation, expected 0xef0100 and 20 bytes (EIP-3541, EIP-7702)"
    )]
    CodeReserved {
        /// The account.
        address: Address,
    },
    /// Slots in an account that a contract could still be created in.
    #[error(
        "genesis alloc: account {address} has storage but neither code nor a nonce, expected one of them: give it its code or nonce 1, or remove the storage (EIP-7610)"
    )]
    StorageOfNothing {
        /// The account.
        address: Address,
    },
}
