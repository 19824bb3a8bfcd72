//! Errors of the server, and the table of JSON-RPC error codes.
//!
//! | code | meaning |
//! |---|---|
//! | -32700, -32600, -32601 | not JSON; not a request, or too large a batch; no such method |
//! | -32602 | a parameter is missing or malformed; the message names it |
//! | -32603 | the node failed |
//! | -32000 | the call or transaction was refused; the message has geth's wording |
//! | -32001 | unknown block |
//! | -32004 | the chain does not support this; the message names the alternative |
//! | -32005 | a limit was exceeded; for logs `data` has a range that works |
//! | 1 | nonce too low |
//! | 2 | nonce too high, where the server signs; `data` has `expected` and `got`, on a devnet also a `hint` |
//! | 3 | execution reverted; `data` is the revert data |
//! | 4, 5 | `eth_sendRawTransactionSync` (EIP-7966): no receipt in time; queued. `data` is the hash |
//! | 800 to 809, 1000, 1001 | refused by the pool; see [`PoolError::code`] |
//! | -38010 to -38026 | `eth_simulateV1` refuses a block or a call; the codes of execution-apis |
//! | 4444 | pruned history |

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::{Panic, Revert, SolError};
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Value, json};
use std::net::SocketAddr;
use weft_evm::CallError;
use weft_pool::PoolError;
use weft_store::{CommitmentError, StoreError};
use weft_trace::TraceError;
use weft_types::{StateError, TransactionError};

/// Why a nonce is too high more often than not, where chains begin anew every day.
pub(crate) const STALE_NONCE: &str = "wallet cached nonces of an earlier chain? MetaMask: Settings > Advanced > Clear activity and \
     nonce data; or start the chain with weft devnet --fresh-chain-id";

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Somebody else listens on the port.
    #[error("rpc address {address} is already in use")]
    PortInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be bound for another reason.
    #[error("rpc address {address} cannot be bound: {reason}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// A listener is to serve a namespace that does not exist or that it must not serve.
    #[error("namespace {namespace:?} cannot be served: {reason}")]
    Namespace {
        /// Its name.
        namespace: String,
        /// Why not.
        reason: String,
    },
    /// An entry of the CORS list is not an origin.
    #[error(
        "cors origin {origin:?} is not an origin, expected for example https://app.example or *"
    )]
    Origin {
        /// The entry.
        origin: String,
    },
}

/// A method cannot answer: becomes the `error` object of the response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("invalid argument {index} ({name}): {reason}")]
    Argument { index: usize, name: &'static str, reason: String },
    #[error("missing value for required argument {index} ({name})")]
    Missing { index: usize, name: &'static str },
    #[error("{reason}")]
    Parameters { reason: String },
    #[error("unknown block")]
    UnknownBlock,
    #[error(
        "pruned history unavailable: {what} of block {height} is gone, the oldest kept is {oldest}"
    )]
    Pruned { what: &'static str, height: u64, oldest: u64 },
    #[error("{reason}")]
    Unsupported { reason: String },
    #[error("server is busy: {limit} requests of this kind are waiting, try again later")]
    Busy { limit: usize },
    #[error("{reason}; use the range {from} to {to}")]
    LogsRange { reason: String, from: u64, to: u64 },
    #[error("{reason}")]
    Limit { reason: String },
    #[error("filter not found")]
    FilterNotFound,
    #[error("{}", revert_message(.output))]
    Reverted { output: Bytes },
    #[error("{reason}")]
    Refused { reason: String },
    /// With a code that a specification gives.
    #[error("{reason}")]
    Coded { code: i32, reason: String },
    #[error("the transaction was added to the pool but was not included within {timeout_ms} ms")]
    SyncTimeout { hash: B256, timeout_ms: u64 },
    #[error("the transaction was added to the pool but cannot run yet: {reason}")]
    SyncQueued { hash: B256, reason: String },
    #[error("nonce too high: next nonce {next}, tx nonce {nonce}")]
    NonceTooHigh { next: u64, nonce: u64, devnet: bool },
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("internal error: {reason}")]
    Internal { reason: String },
}

impl Failure {
    pub(crate) fn internal(reason: impl ToString) -> Self {
        Self::Internal { reason: reason.to_string() }
    }

    /// The code; see the table at the top.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Argument { .. } | Self::Missing { .. } | Self::Parameters { .. } => -32602,
            Self::UnknownBlock => -32001,
            Self::Pruned { .. } => 4444,
            Self::Unsupported { .. } => -32004,
            Self::Busy { .. } | Self::LogsRange { .. } | Self::Limit { .. } => -32005,
            Self::FilterNotFound | Self::Refused { .. } => -32000,
            Self::Coded { code, .. } => *code,
            Self::Reverted { .. } => 3,
            Self::NonceTooHigh { .. } => 2,
            Self::SyncTimeout { .. } => 4,
            Self::SyncQueued { .. } => 5,
            Self::Pool(error) => error.code(),
            Self::Internal { .. } => -32603,
        }
    }

    fn data(&self) -> Option<Value> {
        match self {
            Self::Reverted { output } => Some(json!(output)),
            Self::LogsRange { from, to, .. } => {
                Some(json!({ "from": format!("{from:#x}"), "to": format!("{to:#x}") }))
            }
            Self::NonceTooHigh { next, nonce, devnet } => {
                let (expected, got) = (format!("{next:#x}"), format!("{nonce:#x}"));
                let mut data = json!({ "expected": expected, "got": got });
                if *devnet {
                    data["hint"] = json!(STALE_NONCE);
                }
                Some(data)
            }
            Self::Pruned { oldest, .. } => Some(json!({ "oldest": format!("{oldest:#x}") })),
            Self::SyncTimeout { hash, .. } | Self::SyncQueued { hash, .. } => Some(json!(hash)),
            Self::Pool(PoolError::AlreadyKnown { hash }) => Some(json!(hash)),
            _ => None,
        }
    }
}

impl From<Failure> for ErrorObjectOwned {
    fn from(failure: Failure) -> Self {
        if let Failure::Internal { reason } = &failure {
            tracing::error!(%reason, "rpc method failed");
        }
        Self::owned(failure.code(), failure.to_string(), failure.data())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownHeight { .. } => Self::UnknownBlock,
            StoreError::Pruned { what, height, oldest } => Self::Pruned { what, height, oldest },
            error @ (StoreError::NoProof { .. } | StoreError::NoList { .. }) => {
                Self::Refused { reason: error.to_string() }
            }
            StoreError::Tree(error) => error.into(),
            StoreError::State(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<CommitmentError> for Failure {
    fn from(error: CommitmentError) -> Self {
        match error {
            CommitmentError::Source(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Pruned { height, oldest } => Self::Pruned { what: "state", height, oldest },
            other => Self::internal(other),
        }
    }
}

impl From<TransactionError> for Failure {
    fn from(error: TransactionError) -> Self {
        Self::Pool(PoolError::Transaction(error))
    }
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::State(error) => error.into(),
            TraceError::Tracer { reason } => Self::Parameters { reason },
            TraceError::Invalid { reason } => Self::Refused { reason },
            TraceError::Timeout { .. } | TraceError::TooLarge { .. } => {
                Self::Limit { reason: error.to_string() }
            }
            TraceError::List { .. } | TraceError::Machine { .. } => Self::internal(error),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Reverted { output } => Self::Reverted { output },
            CallError::State(error) => error.into(),
            other => Self::Refused { reason: other.to_string() },
        }
    }
}

/// `execution reverted`, with the reason when the data is `Error(string)` or `Panic(uint256)`.
pub(crate) fn revert_message(output: &[u8]) -> String {
    let reason = Revert::abi_decode(output).map(|revert| revert.reason).ok().or_else(|| {
        let panic = Panic::abi_decode(output).ok()?;
        Some(panic.kind().map_or_else(
            || format!("unknown panic code: {:#x}", panic.code),
            |kind| kind.as_str().to_owned(),
        ))
    });
    match reason {
        Some(reason) if !reason.is_empty() => format!("execution reverted: {reason}"),
        _ => "execution reverted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    #[test]
    fn a_revert_names_its_reason() {
        let revert = Revert::from("not the owner").abi_encode();
        assert_eq!(revert_message(&revert), "execution reverted: not the owner");
        let panic = Panic { code: U256::from(0x11) }.abi_encode();
        assert!(revert_message(&panic).starts_with("execution reverted: arithmetic"));
        let panic = Panic { code: U256::from(0x99) }.abi_encode();
        assert_eq!(revert_message(&panic), "execution reverted: unknown panic code: 0x99");
        assert_eq!(revert_message(&[]), "execution reverted");
        assert_eq!(revert_message(&[1, 2, 3, 4, 5]), "execution reverted", "a custom error");
    }

    #[test]
    fn a_revert_carries_its_data_and_code_3() {
        let output = Bytes::from_static(&[0xde, 0xad, 0xbe, 0xef]);
        let object = ErrorObjectOwned::from(Failure::Reverted { output });
        assert_eq!(object.code(), 3);
        assert_eq!(object.data().unwrap().get(), "\"0xdeadbeef\"");
    }

    #[test]
    fn what_was_dropped_is_4444_with_the_oldest_height() {
        let store = StoreError::Pruned { what: "receipts", height: 7, oldest: 26 };
        let state = StateError::Pruned { height: 7, oldest: 26 };
        for failure in [Failure::from(store), Failure::from(state)] {
            let object = ErrorObjectOwned::from(failure);
            assert_eq!(object.code(), 4444);
            assert!(object.message().starts_with("pruned history unavailable: "));
            assert_eq!(object.data().unwrap().get(), r#"{"oldest":"0x1a"}"#);
        }
    }

    #[test]
    fn a_logs_limit_carries_a_range_in_hex() {
        let failure = Failure::LogsRange { reason: "too many".into(), from: 10, to: 31 };
        let object = ErrorObjectOwned::from(failure);
        assert_eq!(object.code(), -32005);
        assert_eq!(object.data().unwrap().get(), r#"{"from":"0xa","to":"0x1f"}"#);
    }
}
