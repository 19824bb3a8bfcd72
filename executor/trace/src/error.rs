//! Why a transaction could not be run again.

use crate::world::Unread;
use revm::context::result::EVMError;
use weft_evm::{CallError, explain};
use weft_types::StateError;

/// Running a transaction again gave no result.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TraceError {
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// No such tracer, or its configuration does not fit it.
    #[error("{reason}")]
    Tracer {
        /// What was asked for, and what there is.
        reason: String,
    },
    /// The request contradicts itself, or the transaction is invalid on the state that it is run on.
    #[error("{reason}")]
    Invalid {
        /// Why, in geth's words.
        reason: String,
    },
    /// It took longer than the caller may wait.
    #[error("execution timeout: the trace took longer than {timeout_ms} ms")]
    Timeout {
        /// The time it had.
        timeout_ms: u64,
    },
    /// The trace grew larger than what a node keeps in memory for one request.
    #[error(
        "trace is larger than {bytes_max} bytes: use callTracer, or switch off stack, memory, storage or return data, or set limit"
    )]
    TooLarge {
        /// The limit, in bytes of what was recorded.
        bytes_max: usize,
    },
    /// The block access list that the state was to be taken from does not decode.
    #[error("block access list does not decode: {reason}")]
    List {
        /// What the decoder said.
        reason: String,
    },
    /// The machine itself failed.
    #[error("machine failed: {reason}")]
    Machine {
        /// What it said.
        reason: String,
    },
}

impl From<EVMError<Unread>> for TraceError {
    fn from(error: EVMError<Unread>) -> Self {
        match error {
            EVMError::Transaction(reason) => Self::Invalid { reason: explain(&reason) },
            EVMError::Database(Unread(error)) => Self::State(error),
            EVMError::Header(error) => Self::Machine { reason: error.to_string() },
            EVMError::Custom(reason) => Self::Machine { reason },
            EVMError::CustomAny(error) => Self::Machine { reason: error.to_string() },
        }
    }
}

impl From<CallError> for TraceError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::State(error) => Self::State(error),
            other => Self::Invalid { reason: other.to_string() },
        }
    }
}
