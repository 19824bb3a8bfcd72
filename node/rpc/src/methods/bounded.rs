//! Methods that run the EVM: for a bounded time, and only while somebody waits for the answer.
//!
//! Gas bounds what a call computes. What it reads is bounded here: between two reads of the state a
//! call can do no more than its gas pays for, and every read looks at the clock and at whether the
//! caller is still there. An estimate runs a call again and again, each time with a read.

use super::{Module, encode};
use crate::RpcConfig;
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Args;
use alloy_primitives::{Address, B256, Bytes, U256};
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use weft_types::{Account, StateError, StateReader};

/// How long a call may go on, and whether anybody still wants its answer.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    started: Instant,
    limit: Duration,
    /// Set when the caller went away. A hint: read without order.
    gone: Arc<AtomicBool>,
}

impl Patience {
    /// For work whose caller cannot go away.
    pub(super) fn of(limit: Duration) -> Self {
        Self::new(limit, Arc::default())
    }

    fn new(limit: Duration, gone: Arc<AtomicBool>) -> Self {
        Self { started: Instant::now(), limit, gone }
    }

    /// What is left of the time.
    pub(super) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }

    /// Why the call must not go on, if it must not.
    pub(super) fn over(&self) -> Option<String> {
        if self.gone.load(Ordering::Relaxed) {
            return Some("execution aborted (the caller went away)".to_owned());
        }
        let late = self.started.elapsed() >= self.limit;
        late.then(|| format!("execution aborted (timeout = {:?})", self.limit))
    }
}

/// A state that stops answering when the patience is over.
pub(super) struct Bounded {
    inner: Arc<dyn StateReader>,
    patience: Patience,
}

impl Bounded {
    pub(super) fn new(inner: Arc<dyn StateReader>, patience: &Patience) -> Self {
        Self { inner, patience: patience.clone() }
    }

    fn go_on(&self) -> Result<(), StateError> {
        self.patience.over().map_or(Ok(()), |reason| Err(StateError::Read { reason }))
    }
}

impl StateReader for Bounded {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        self.go_on()?;
        self.inner.account(address)
    }
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        self.go_on()?;
        self.inner.storage(address, slot)
    }
    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        self.go_on()?;
        self.inner.code(hash)
    }
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.go_on()?;
        self.inner.block_hash(number)
    }
}

/// Dropped when the answer is there, or when nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a bounded method does.
pub(super) type Handler<R> = fn(&Context, &mut Args<'_>, &Patience) -> Result<R, Failure>;

/// Registers a method that runs the EVM, in the lane of calls. The time counts from the moment it
/// runs; one whose caller went away while it waited for its turn does not run at all.
pub(super) fn bounded<R: Serialize + 'static>(
    module: &mut Module,
    name: &'static str,
    parameters: usize,
    handler: Handler<R>,
) {
    bounded_in(module, (name, parameters), Work::Call, |config| config.call_timeout_ms, handler);
}

/// [`bounded`] in another lane and with another limit, in milliseconds.
pub(super) fn bounded_in<R: Serialize + 'static>(
    module: &mut Module,
    (name, parameters): (&'static str, usize),
    lane: Work,
    limit_ms: fn(&RpcConfig) -> u64,
    handler: Handler<R>,
) {
    module
        .register_async_method(name, move |params, context, _| async move {
            let gone = Arc::new(AtomicBool::new(false));
            let waiting = Waiting(Arc::clone(&gone));
            let worker = Arc::clone(&context);
            let answer = context
                .run(lane, move || {
                    let limit = Duration::from_millis(limit_ms(&worker.config));
                    let patience = Patience::new(limit, gone);
                    let mut args = Args::new(&params, parameters)?;
                    let answer = handler(&worker, &mut args, &patience);
                    match (answer, patience.over()) {
                        (Ok(answer), _) => encode(&answer),
                        // The state that stopped answering is no fault of the node.
                        (Err(Failure::Internal { .. }), Some(reason)) => {
                            Err(Failure::Refused { reason })
                        }
                        (Err(failure), _) => Err(failure),
                    }
                })
                .await
                .and_then(|answer| answer);
            drop(waiting);
            answer.map_err(ErrorObjectOwned::from)
        })
        .expect("every method is registered once");
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Empty;

    impl StateReader for Empty {
        fn account(&self, _: &Address) -> Result<Option<Account>, StateError> {
            Ok(None)
        }
        fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
            Ok(U256::ZERO)
        }
        fn code(&self, _: &B256) -> Result<Bytes, StateError> {
            Ok(Bytes::new())
        }
        fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
            Ok(None)
        }
    }

    fn read(state: &Bounded) -> [bool; 4] {
        [
            state.account(&Address::ZERO).is_ok(),
            state.storage(&Address::ZERO, &U256::ZERO).is_ok(),
            state.code(&B256::ZERO).is_ok(),
            state.block_hash(1).is_ok(),
        ]
    }

    #[test]
    fn every_read_stops_when_the_time_is_over_or_the_caller_is_gone() {
        let gone = Arc::new(AtomicBool::new(false));
        let long = Patience::new(Duration::from_secs(3600), Arc::clone(&gone));
        let state = Bounded::new(Arc::new(Empty), &long);
        assert_eq!(read(&state), [true; 4]);
        drop(Waiting(gone));
        assert_eq!(read(&state), [false; 4]);
        let short = Patience::new(Duration::ZERO, Arc::new(AtomicBool::new(false)));
        assert_eq!(read(&Bounded::new(Arc::new(Empty), &short)), [false; 4]);
        assert_eq!(short.over().unwrap(), "execution aborted (timeout = 0ns)");
    }
}
