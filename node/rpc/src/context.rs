//! What every method works with: the node's parts, the blocks that callers name, and the lanes
//! that keep heavy work off the threads that serve connections.

use crate::error::Failure;
use crate::listener::Served;
use crate::methods::fees::history::FeeBlocks;
use crate::methods::filters::Filters;
use crate::records::Records;
use crate::{RpcBackend, RpcConfig};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weft_store::{Head, StoredBlock};
use weft_types::header::next_header_under;
use weft_types::{Header, Receipt, Round, Settings, StateReader};

/// Calls that may wait for a place in one lane; one more is told to come back later.
const WAITING_MAX: usize = 1024;

/// Reads of the store that run at the same time.
const READS_CONCURRENT: usize = 32;

/// Shared by all methods.
pub(crate) struct Context {
    pub(crate) config: RpcConfig,
    pub(crate) backend: RpcBackend,
    /// Which methods this listener serves.
    pub(crate) served: Served,
    pub(crate) filters: Filters,
    pub(crate) records: Records,
    /// What `rpc.discover` answers, once somebody has asked: it is long and never changes.
    pub(crate) document: OnceLock<Box<RawValue>>,
    /// Suggested tip, with the hash of the head it was computed for. A hint: recomputed when the
    /// head moved.
    pub(crate) tip: Mutex<Option<(B256, u128)>>,
    /// Prices of recent blocks.
    pub(crate) fees: FeeBlocks,
    reads: Lane,
    calls: Lane,
    traces: Lane,
    derivations: Lane,
    submissions: Lane,
}

/// Which lane a method runs in. Separate lanes keep one kind of work from starving another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Reads blocks or single values.
    Read,
    /// Runs the EVM or scans many blocks.
    Call,
    /// Runs transactions again and records what they do: long, and with much memory.
    Trace,
    /// Reads records, or derives them: by running blocks again, one at a time.
    Record,
    /// Recovers and admits a transaction.
    Submit,
}

/// A bounded number of blocking threads with a bounded queue.
struct Lane {
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// A block that a caller named, together with the head at the time of the call: an answer never
/// mixes two heads.
pub(crate) struct At {
    pub(crate) head: Arc<Head>,
    pub(crate) height: u64,
    /// The caller asked for the block after the head: state of the head, environment of the next.
    pub(crate) pending: bool,
}

impl Context {
    pub(crate) fn new(config: RpcConfig, served: Served, backend: RpcBackend) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get);
        // The other half is for blocks.
        let half = (cores / 2).max(1);
        let calls = if config.calls_concurrent == 0 { half } else { config.calls_concurrent };
        Self {
            filters: Filters::new(config.filters_max),
            records: Records::new(Arc::clone(&config.names)),
            document: OnceLock::new(),
            tip: Mutex::new(None),
            fees: FeeBlocks::default(),
            reads: Lane::new(READS_CONCURRENT),
            calls: Lane::new(calls),
            traces: Lane::new(calls.div_ceil(2)),
            derivations: Lane::new(calls),
            submissions: Lane::new(cores),
            config,
            served,
            backend,
        }
    }

    /// Runs `work` on a blocking thread of its lane.
    ///
    /// # Errors
    /// [`Failure::Busy`] when too many wait already, [`Failure::Internal`] when it panicked.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        lane: Work,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Failure> {
        self.lane(lane).run(work).await
    }

    /// [`Self::run`] for work that must not be turned away: its callers are few and bounded
    /// otherwise.
    pub(crate) async fn run_patiently<R: Send + 'static>(
        &self,
        lane: Work,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Failure> {
        self.lane(lane).run_in(None, work).await
    }

    const fn lane(&self, lane: Work) -> &Lane {
        match lane {
            Work::Read => &self.reads,
            Work::Call => &self.calls,
            Work::Trace => &self.traces,
            Work::Record => &self.derivations,
            Work::Submit => &self.submissions,
        }
    }

    /// The block that `id` names.
    ///
    /// # Errors
    /// [`Failure::UnknownBlock`] for a future number or a hash that is not on the chain.
    pub(crate) fn at(&self, id: BlockId) -> Result<At, Failure> {
        let head = self.backend.store.head();
        let newest = head.block.height().0;
        let mut pending = false;
        let height = match id {
            BlockId::Hash(hash) => {
                let height = self.backend.store.height_of(&hash.block_hash)?;
                height.ok_or(Failure::UnknownBlock)?
            }
            BlockId::Number(BlockNumberOrTag::Number(number)) => number,
            BlockId::Number(BlockNumberOrTag::Earliest) => 0,
            BlockId::Number(BlockNumberOrTag::Pending) => {
                pending = true;
                newest
            }
            // Instant finality: what is committed is safe and final.
            BlockId::Number(
                BlockNumberOrTag::Latest | BlockNumberOrTag::Safe | BlockNumberOrTag::Finalized,
            ) => newest,
        };
        if height > newest {
            return Err(Failure::UnknownBlock);
        }
        Ok(At { head, height, pending })
    }

    /// [`Self::at`], with `None` for a block that does not exist: for methods that answer `null`.
    pub(crate) fn find(&self, id: BlockId) -> Result<Option<At>, Failure> {
        match self.at(id) {
            Ok(at) => Ok(Some(at)),
            Err(Failure::UnknownBlock) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// State after the block.
    pub(crate) fn state(&self, at: &At) -> Result<Arc<dyn StateReader>, Failure> {
        if at.height == at.head.block.height().0 {
            return Ok(Arc::clone(&at.head.state));
        }
        Ok(self.backend.store.state_at(at.height)?)
    }

    /// Header of the block; for the pending one a header without what depends on its content.
    pub(crate) fn header(&self, at: &At) -> Result<Header, Failure> {
        if at.pending {
            return Ok(self.next_header(&at.head));
        }
        if at.height == at.head.block.height().0 {
            return Ok(at.head.block.header().clone());
        }
        self.backend.store.header(at.height)?.ok_or_else(|| missing("header", at.height))
    }

    /// Base fee of the block after the one with this header, in wei: what a command has set, or EIP-1559's.
    pub(crate) fn next_base_fee(&self, header: &Header) -> u64 {
        self.backend.pool.commands().next_base_fee(header)
    }

    /// Header of the block that will follow `head`, as far as it is known before it is built.
    pub(crate) fn next_header(&self, head: &Head) -> Header {
        let (parent, params) = (head.block.header(), &self.backend.params);
        // What cannot be read now is not there to be foreseen.
        let settings = Settings::read(params, &*head.state).unwrap_or_default();
        let (hash, by) = (head.block.hash(), (Round(0), parent.beneficiary));
        let mut header =
            next_header_under(parent, hash, params, (&settings, &[]), by, now_seconds());
        self.shape_next(parent, &mut header);
        header
    }

    /// The committed block at `height`, which must not be above the head.
    pub(crate) fn block(&self, height: u64) -> Result<StoredBlock, Failure> {
        self.backend.store.block(height)?.ok_or_else(|| missing("block", height))
    }

    /// Its receipts; none for genesis.
    pub(crate) fn receipts(&self, height: u64) -> Result<Vec<Receipt>, Failure> {
        match self.backend.store.receipts(height)? {
            Some(receipts) => Ok(receipts),
            None if height == 0 => Ok(Vec::new()),
            None => Err(missing("receipts", height)),
        }
    }
}

impl Lane {
    fn new(threads: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(threads + WAITING_MAX)),
            running: Arc::new(Semaphore::new(threads)),
        }
    }

    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Failure> {
        let busy = |_| Failure::Busy { limit: WAITING_MAX };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(busy)?;
        self.run_in(Some(place), work).await
    }

    /// Waits for a thread, however many wait.
    async fn run_in<R: Send + 'static>(
        &self,
        place: Option<OwnedSemaphorePermit>,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Failure> {
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(Failure::internal)?;
        // The permits travel with the work: a caller that hangs up does not free its thread.
        let task = tokio::task::spawn_blocking(move || {
            let _held = (place, permit);
            work()
        });
        task.await.map_err(|error| Failure::internal(format!("method stopped: {error}")))
    }
}

fn missing(what: &str, height: u64) -> Failure {
    Failure::internal(format!("{what} of block {height} is not in the store"))
}

/// Seconds since the epoch.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed: Duration| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_lane_says_that_it_is_busy_and_recovers() {
        let lane = Arc::new(Lane {
            places: Arc::new(Semaphore::new(1)),
            running: Arc::new(Semaphore::new(1)),
        });
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let (entered, running) = tokio::sync::oneshot::channel();
        let first = tokio::spawn({
            let lane = Arc::clone(&lane);
            async move {
                lane.run(move || {
                    entered.send(()).unwrap();
                    wait.recv().unwrap();
                })
                .await
            }
        });
        running.await.unwrap();
        assert!(matches!(lane.run(|| ()).await, Err(Failure::Busy { .. })));
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert!(lane.run(|| 7).await.is_ok_and(|seven| seven == 7));
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_and_frees_the_place() {
        let lane = Lane::new(1);
        for _ in 0..3 {
            let outcome = lane.run(|| panic!("on purpose")).await;
            assert!(matches!(outcome, Err(Failure::Internal { .. })));
        }
        assert!(lane.run(|| ()).await.is_ok());
    }
}
