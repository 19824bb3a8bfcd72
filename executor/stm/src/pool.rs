//! The threads that execute blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::PoolError;
use crate::sync::{
    AtomicUsize, CachePadded, Ordering, Scope, ThreadPool, ThreadPoolBuilder, spin_loop,
};

/// Dedicated worker threads, started once and kept for as long as the node runs.
///
/// The thread that calls [`run`](crate::run) is a worker itself, so a pool for `n` workers starts `n - 1` threads. Each
/// gets one long task a block; nothing else runs on them, and they never wait for other tasks of the pool.
///
/// Waking a sleeping thread costs as much as a small block. A thread that has finished a task therefore looks out for the
/// next one for a bounded time before it sleeps, and [`warm`](Self::warm) wakes the threads when work is on its way. A pool
/// without work uses no CPU.
#[derive(Debug)]
pub struct Pool {
    /// `None` for one worker.
    threads: Option<ThreadPool>,
    workers: usize,
    cores: usize,
    hot: Arc<Hot>,
}

/// How long threads look out for work.
#[derive(Debug, Default)]
struct Hot {
    /// Rises when there is work: those who look out go and get it.
    epoch: CachePadded<AtomicUsize>,
    /// Threads that are looking out.
    looking: CachePadded<AtomicUsize>,
}

/// How long a thread looks out for the next task after it has finished one.
const LOOK_OUT: Duration = Duration::from_micros(500);

impl Pool {
    /// A pool for `workers` workers, of which the calling thread will be one. 0 is taken as 1.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn new(workers: usize) -> Result<Self, PoolError> {
        let workers = workers.max(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let hot = Arc::default();
        if workers == 1 {
            return Ok(Self { threads: None, workers, cores, hot });
        }
        let threads = ThreadPoolBuilder::new()
            .num_threads(workers - 1)
            .thread_name(|thread| format!("weft-stm-{}", thread + 1))
            .build()
            .map_err(|source| PoolError { workers, source })?;
        Ok(Self { threads: Some(threads), workers, cores, hot })
    }

    /// Most workers that can take part in one run.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Cores of the machine when the pool was made.
    pub(crate) fn cores(&self) -> usize {
        self.cores
    }

    /// Wakes the threads, because work will come within `time`; they look out for it until then and sleep again. Returns
    /// at once.
    pub fn warm(&self, time: Duration) {
        let Some(threads) = self.threads.as_ref() else { return };
        // Never more lookouts than cores that nobody uses.
        let wanted = self.workers.min(self.cores).saturating_sub(1);
        let missing = wanted.saturating_sub(self.hot.looking.load(Ordering::Relaxed));
        for _ in 0..missing {
            let hot = Arc::clone(&self.hot);
            let until = Instant::now() + time;
            threads.spawn(move || hot.look_out(until));
        }
    }

    /// Does two things that are independent of each other: `first` on the calling thread, `second` on another worker if
    /// there is one. Returns when both are done.
    pub fn join<A: Send, B: Send>(
        &self,
        first: impl FnOnce() -> A,
        second: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        let Some(threads) = self.threads.as_ref().filter(|_| self.cores > 1) else {
            return (first(), second());
        };
        let mut done = None;
        let first = threads.in_place_scope(|scope: &Scope<'_>| {
            scope.spawn(|_| done = Some(second()));
            self.hot.call();
            first()
        });
        (first, done.expect("the scope waits for what it spawned, and passes its panics on"))
    }

    /// Calls `task(0), ..., task(workers - 1)` at once, number 0 on the calling thread, and returns when all have.
    pub fn on_each(&self, workers: usize, task: impl Fn(u32) + Sync) {
        debug_assert!(workers <= self.workers, "more workers than threads");
        let last = u32::try_from(workers).expect("a machine has fewer than 2^32 cores");
        let Some(threads) = self.threads.as_ref().filter(|_| workers > 1) else { return task(0) };
        let task = &task;
        threads.in_place_scope(|scope: &Scope<'_>| {
            for worker in 1..last {
                scope.spawn(move |_| task(worker));
            }
            self.hot.call();
            task(0);
        });
        self.warm(LOOK_OUT);
    }
}

impl Hot {
    /// Looks out for work until `until`.
    fn look_out(&self, until: Instant) {
        self.looking.fetch_add(1, Ordering::Relaxed);
        let epoch = self.epoch.load(Ordering::Acquire);
        // The clock is read now and then only: it costs more than a look.
        'look: while Instant::now() < until {
            for _ in 0..64 {
                if self.epoch.load(Ordering::Relaxed) != epoch {
                    break 'look;
                }
                spin_loop();
            }
        }
        self.looking.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sends those who look out to get the work that was queued before.
    fn call(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }
}
