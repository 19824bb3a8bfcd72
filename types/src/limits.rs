//! Every limit that two nodes must agree on, in one place.
//!
//! Limits that one node may choose for itself (pool size, connections, caches) live in its
//! configuration, not here.

/// Largest encoded transaction that a node admits or puts into a block, in bytes (geth's limit).
pub const TRANSACTION_BYTES_MAX: usize = 128 * 1024;

/// Largest body (transactions and block access list, encoded) of one block, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Largest encoded header, in bytes.
pub const HEADER_BYTES_MAX: usize = 2 * 1024;

/// Size of one proposal part's data, in bytes; only the last one may be shorter.
pub const PART_BYTES: usize = 128 * 1024;

/// Most parts that one proposal can have.
pub const PARTS_MAX: usize = BODY_BYTES_MAX.div_ceil(PART_BYTES);

/// Most transactions in one block: the largest block gas limit over the cheapest transaction.
pub const BLOCK_TRANSACTIONS_MAX: usize = 100_000;

/// Highest gas limit that genesis may set.
pub const BLOCK_GAS_LIMIT_MAX: u64 = 2_000_000_000;

/// Gas cap of one transaction (EIP-7825, in force since Osaka).
pub const TRANSACTION_GAS_MAX: u64 = 1 << 24;

/// Most validators in one set.
pub const VALIDATORS_MAX: usize = 256;

/// Highest total voting power: the threshold arithmetic of the consensus core multiplies it by 3.
pub const VOTING_POWER_MAX: u64 = 1 << 53;

/// Seconds that a header's timestamp may lie ahead of a validator's own clock.
pub const CLOCK_DRIFT_SECONDS_MAX: u64 = 5;
