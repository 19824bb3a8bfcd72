//! How a run can fail.

use std::error::Error;

/// The run ended without a verdict on all transactions. What was settled before stands.
///
/// Each of these is about the settled prefix: the transaction was executed, or judged, with everything below it final.
/// Failures of speculative executions never come to light here.
#[derive(Debug, thiserror::Error)]
pub enum RunError<F: Error + 'static> {
    /// The machine or its snapshot failed. The node cannot go on.
    #[error("transaction {index}: the machine failed")]
    Fatal {
        /// Index of the transaction.
        index: u32,
        /// What failed.
        #[source]
        source: F,
    },
    /// The machine or the settler panicked.
    #[error("transaction {index}: panicked: {message}")]
    Panicked {
        /// Index of the transaction that the panicking thread worked on.
        index: u32,
        /// The panic message.
        message: String,
    },
    /// The machine wrote a delta that takes the value out of its range: it broke its contract.
    #[error("transaction {index}: the delta written to {location} takes it out of range")]
    OutOfRange {
        /// Index of the transaction.
        index: u32,
        /// The location, in its debug form.
        location: String,
    },
    /// The machine observed something on final values that is not true of them: it broke its contract.
    #[error("transaction {index}: what it observed of {location} is not true of the value it read")]
    Inconsistent {
        /// Index of the transaction.
        index: u32,
        /// The location, in its debug form.
        location: String,
    },
    /// The machine claimed to be blocked although all its reads were answered: it broke its contract.
    #[error("transaction {index}: blocked on transaction {on} although nothing below is pending")]
    NeverBlocked {
        /// Index of the transaction.
        index: u32,
        /// The transaction that the claim names.
        on: u32,
    },
}

/// The worker threads could not be started.
#[cfg(not(any(loom, shuttle)))]
#[derive(Debug, thiserror::Error)]
#[error("cannot start {workers} worker threads")]
pub struct PoolError {
    /// Threads asked for.
    pub workers: usize,
    /// Why not.
    #[source]
    pub source: rayon::ThreadPoolBuildError,
}

/// The text of a panic, as far as it has one.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}
