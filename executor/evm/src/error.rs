//! How executing a block or a call can fail.

use alloy_primitives::Bytes;
use weft_stm::RunError;
use weft_types::{HeaderError, StateError};

/// A block could not be executed, or must not be.
///
/// Two kinds, never mixed: a *verdict* says that the block breaks a rule and its proposer is to blame; everything else is
/// an operational failure of this node and says nothing about the block.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// Verdict: the block breaks a rule of execution.
    #[error("{}{reason}", at(*index))]
    Invalid {
        /// The transaction that breaks it, or `None` when it is the block as a whole.
        index: Option<u32>,
        /// Which rule, with the values expected and found.
        reason: String,
    },
    /// Verdict: a header field is not what execution gives.
    #[error(transparent)]
    Field(#[from] HeaderError),
    /// Operational: the state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// Operational: the machine itself failed.
    #[error("{}machine failed: {reason}", at(*index))]
    Machine {
        /// The transaction it failed in, if one.
        index: Option<u32>,
        /// What it said.
        reason: String,
    },
    /// Operational: a worker panicked on settled values.
    #[error("transaction {index}: panicked: {message}")]
    Panicked {
        /// The transaction.
        index: u32,
        /// The panic message.
        message: String,
    },
}

impl ExecutionError {
    /// Whether this says that the block is invalid, as opposed to that this node could not tell.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        matches!(self, Self::Invalid { .. } | Self::Field(_))
    }
}

impl From<Failure> for ExecutionError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::State(error) => Self::State(error),
            Failure::Machine { reason } => Self::Machine { index: None, reason },
        }
    }
}

impl From<RunError<Failure>> for ExecutionError {
    fn from(error: RunError<Failure>) -> Self {
        match error {
            RunError::Fatal { source: Failure::State(error), .. } => Self::State(error),
            RunError::Fatal { index, source: Failure::Machine { reason } } => {
                Self::Machine { index: Some(index), reason }
            }
            RunError::Panicked { index, message } => Self::Panicked { index, message },
            broken => Self::Machine { index: None, reason: broken.to_string() },
        }
    }
}

/// What a prefix of a message says about the place.
fn at(index: Option<u32>) -> String {
    index.map_or_else(String::new, |index| format!("transaction {index}: "))
}

/// An operational failure inside an execution. Never the verdict on a transaction.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The machine failed in a way that the protocol does not know.
    #[error("machine failed: {reason}")]
    Machine {
        /// What it said.
        reason: String,
    },
}

/// A simulated call has no result.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CallError {
    /// The call reverted even with the most gas that it may have.
    #[error("execution reverted")]
    Reverted {
        /// What the contract returned: usually an ABI-encoded error.
        output: Bytes,
    },
    /// The call ended in an exceptional halt even with the most gas that it may have.
    #[error("execution halted: {reason}")]
    Halted {
        /// Why.
        reason: String,
    },
    /// The request contradicts itself, or its sender could not pay.
    #[error("{reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
}
