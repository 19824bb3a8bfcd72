//! The threads that execute blocks.

use crate::error::PoolError;
use crate::sync::{Scope, ThreadPool, ThreadPoolBuilder};

/// Dedicated worker threads, started once and kept for as long as the node runs.
///
/// The thread that calls [`run`](crate::run) is a worker itself, so a pool for `n` workers starts `n - 1` threads. Each
/// gets one long task a block; nothing else runs on them, and they never wait for other tasks of the pool.
#[derive(Debug)]
pub struct Pool {
    /// `None` for one worker.
    threads: Option<ThreadPool>,
    workers: usize,
}

impl Pool {
    /// A pool for `workers` workers, of which the calling thread will be one. 0 is taken as 1.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn new(workers: usize) -> Result<Self, PoolError> {
        let workers = workers.max(1);
        if workers == 1 {
            return Ok(Self { threads: None, workers });
        }
        let threads = ThreadPoolBuilder::new()
            .num_threads(workers - 1)
            .thread_name(|thread| format!("weft-stm-{}", thread + 1))
            .build()
            .map_err(|source| PoolError { workers, source })?;
        Ok(Self { threads: Some(threads), workers })
    }

    /// Most workers that can take part in one run.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Does two things that are independent of each other: `first` on the calling thread, `second` on another worker if
    /// there is one. Returns when both are done.
    pub fn join<A: Send, B: Send>(
        &self,
        first: impl FnOnce() -> A,
        second: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        let Some(threads) = self.threads.as_ref() else { return (first(), second()) };
        let mut done = None;
        let first = threads.in_place_scope(|scope: &Scope<'_>| {
            scope.spawn(|_| done = Some(second()));
            first()
        });
        (first, done.expect("the scope waits for what it spawned, and passes its panics on"))
    }

    /// Calls `task(0), ..., task(workers - 1)` at once, number 0 on the calling thread, and returns when all have.
    pub(crate) fn on_each(&self, workers: usize, task: impl Fn(u32) + Sync) {
        debug_assert!(workers <= self.workers, "more workers than threads");
        let last = u32::try_from(workers).expect("a machine has fewer than 2^32 cores");
        let Some(threads) = self.threads.as_ref() else { return task(0) };
        let task = &task;
        threads.in_place_scope(|scope: &Scope<'_>| {
            for worker in 1..last {
                scope.spawn(move |_| task(worker));
            }
            task(0);
        });
    }
}
