//! The threads that execute blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::PoolError;
use crate::memory::Spare;
use crate::report::micros;
use crate::sync::{
    AtomicU64, AtomicUsize, CachePadded, Ordering, Scope, ThreadPool, ThreadPoolBuilder, spin_loop,
};

/// Dedicated worker threads, started once and kept for as long as the node runs.
///
/// The thread that calls [`run`](crate::run) is a worker itself, beside `n - 1` threads of the pool. Each gets one long task
/// a block. Between blocks all `n` threads are there for [`install`](Self::install).
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
    /// What the values of the last block were kept in.
    spare: Arc<Spare>,
}

/// What threads that look out for work, and those who have some, know of each other. All of it is a *hint*: it decides
/// when a thread sleeps. Work is found because it is queued.
#[derive(Debug)]
struct Hot {
    /// Rises when work was queued: whoever was asked to look out before goes and gets it.
    epoch: CachePadded<AtomicUsize>,
    /// Threads that look out, or were asked to.
    looking: CachePadded<AtomicUsize>,
    /// Until when, in microseconds since `started`.
    until_us: AtomicU64,
    started: Instant,
    /// Workers that are at work; nobody looks out beside them.
    busy: CachePadded<AtomicUsize>,
}

/// How long a thread looks out for the next task after it has finished one.
const LOOK_OUT: Duration = Duration::from_micros(500);
/// The longest time for which threads look out at once.
const LOOK_OUT_MAX: Duration = Duration::from_millis(100);

impl Pool {
    /// A pool for `workers` workers, of which the calling thread will be one. 0 is taken as 1.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn new(workers: usize) -> Result<Self, PoolError> {
        let workers = workers.max(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (hot, spare) = (Arc::new(Hot::new()), Arc::default());
        if workers == 1 {
            return Ok(Self { threads: None, workers, cores, hot, spare });
        }
        let threads = ThreadPoolBuilder::new()
            .num_threads(workers)
            .thread_name(|thread| format!("weft-stm-{}", thread + 1))
            .build()
            .map_err(|source| PoolError { workers, source })?;
        Ok(Self { threads: Some(threads), workers, cores, hot, spare })
    }

    /// Most workers that can take part in one run.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Workers that are of use for so many pieces of work: not more than there are threads, cores and pieces.
    #[must_use]
    pub fn workers_for(&self, pieces: usize) -> usize {
        self.workers.min(self.cores).min(pieces).max(1)
    }

    /// Lets more workers take part than the machine has cores. It is slower; tests find more schedules with it.
    #[must_use]
    pub fn oversubscribed(mut self) -> Self {
        self.cores = usize::MAX;
        self
    }

    /// What the values of the last block were kept in.
    pub(crate) fn spare(&self) -> &Arc<Spare> {
        &self.spare
    }

    /// Wakes the threads, because work will come within `time` (100 ms at most); they look out for it until then and sleep
    /// again. Returns at once.
    pub fn warm(&self, time: Duration) {
        self.look_out_until(Instant::now() + time.min(LOOK_OUT_MAX));
    }

    fn look_out_until(&self, until: Instant) {
        let Some(threads) = self.threads.as_ref() else { return };
        self.hot.look_out_until(until);
        // Who is at work calls this again when he is done.
        if self.hot.busy.load(Ordering::Relaxed) > 0 {
            return;
        }
        // One core is left to the caller.
        let wanted = self.workers.min(self.cores).saturating_sub(1);
        let epoch = self.hot.epoch.load(Ordering::Acquire);
        while self.hot.ask(wanted) {
            let hot = Arc::clone(&self.hot);
            threads.spawn(move || hot.look_out(epoch));
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
        let _work = self.work(2);
        let mut done = None;
        let first = threads.in_place_scope(|scope: &Scope<'_>| {
            scope.spawn(|_| done = Some(second()));
            self.hot.call();
            first()
        });
        (first, done.expect("the scope waits for what it spawned, and passes its panics on"))
    }

    /// Runs `work` where rayon's parallel iterators use the threads of this pool; on the calling thread if it has none.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self.threads.as_ref() {
            Some(threads) => {
                let _work = self.work(self.workers);
                self.hot.call();
                threads.install(work)
            }
            None => work(),
        }
    }

    /// Calls `task(0), ..., task(workers - 1)` at once, number 0 on the calling thread, and returns when all have.
    pub fn on_each(&self, workers: usize, task: impl Fn(u32) + Sync) {
        debug_assert!(workers <= self.workers, "more workers than threads");
        let last = u32::try_from(workers).expect("a machine has fewer than 2^32 cores");
        let Some(threads) = self.threads.as_ref().filter(|_| workers > 1) else { return task(0) };
        let _work = self.work(workers);
        let task = &task;
        threads.in_place_scope(|scope: &Scope<'_>| {
            for worker in 1..last {
                scope.spawn(move |_| task(worker));
            }
            self.hot.call();
            task(0);
        });
    }

    /// Notes that so many workers are at work, until what is returned is dropped; then they look out for more.
    fn work(&self, workers: usize) -> Work<'_> {
        self.hot.busy.fetch_add(workers, Ordering::Relaxed);
        Work { pool: self, workers }
    }
}

/// Workers at work.
struct Work<'p> {
    pool: &'p Pool,
    workers: usize,
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.pool.hot.busy.fetch_sub(self.workers, Ordering::Relaxed);
        self.pool.look_out_until(Instant::now() + LOOK_OUT);
    }
}

impl Drop for Pool {
    /// Nobody looks out any more for work that cannot come.
    fn drop(&mut self) {
        self.hot.call();
    }
}

impl Hot {
    fn new() -> Self {
        Self {
            epoch: CachePadded::default(),
            looking: CachePadded::default(),
            until_us: AtomicU64::new(0),
            started: Instant::now(),
            busy: CachePadded::default(),
        }
    }

    /// Whoever looks out does so until `until`, or longer if that was asked for before.
    fn look_out_until(&self, until: Instant) {
        let until_us = micros(until.saturating_duration_since(self.started));
        self.until_us.fetch_max(until_us, Ordering::Relaxed);
    }

    /// Counts one more thread that is asked to look out, if there are fewer than `wanted`.
    fn ask(&self, wanted: usize) -> bool {
        let more = |looking| (looking < wanted).then_some(looking + 1);
        self.looking.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Looks out for work, for a thread that was asked to in `epoch`. If work was queued since then it is found at once: a
    /// thread that comes late must not look out while the work waits behind it.
    fn look_out(&self, epoch: usize) {
        // The clock is read now and then only: it costs more than a look.
        'look: while micros(self.started.elapsed()) < self.until_us.load(Ordering::Relaxed) {
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

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// A pool of four that takes the machine to have so many cores.
    fn pool_on(cores: usize) -> Pool {
        let mut pool = Pool::new(4).unwrap();
        pool.cores = cores;
        pool
    }

    /// Waits until nobody looks out.
    fn expect_rest(pool: &Pool) {
        let begin = Instant::now();
        while pool.hot.looking.load(Ordering::SeqCst) > 0 {
            assert!(begin.elapsed() < Duration::from_secs(10), "somebody still looks out");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn never_more_threads_look_out_than_cores_are_free() {
        for cores in [1, 2, 3, 8] {
            let pool = pool_on(cores);
            let free = cores.min(4) - 1;
            for _ in 0..200 {
                pool.warm(Duration::from_millis(5));
                assert!(pool.hot.looking.load(Ordering::SeqCst) <= free);
            }
            expect_rest(&pool);
        }
    }

    #[test]
    fn nobody_looks_out_beside_those_who_work() {
        let pool = pool_on(4);
        pool.on_each(2, |_| {
            pool.warm(Duration::from_millis(100));
            assert_eq!(pool.hot.looking.load(Ordering::SeqCst), 0);
        });
        // What was asked for meanwhile begins when they are done.
        assert_eq!(pool.hot.looking.load(Ordering::SeqCst), 3);
        expect_rest(&pool);
    }

    /// All workers have to be there at once, whoever looks out for however long, and was asked however often.
    #[test]
    fn who_looks_out_comes_at_once_when_there_is_work() {
        let pool = pool_on(4);
        let far = Instant::now() + Duration::from_secs(60);
        let begin = Instant::now();
        for _ in 0..100 {
            pool.look_out_until(far);
            let all = Barrier::new(4);
            pool.on_each(4, |_| {
                all.wait();
            });
            pool.look_out_until(far);
            assert_eq!(pool.join(|| 1, || 2), (1, 2));
            pool.look_out_until(far);
            assert_eq!(pool.install(|| 3), 3);
        }
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn work_that_panics_is_passed_on_and_leaves_the_pool_as_it_was() {
        let pool = Pool::new(3).unwrap();
        for worker in [0, 1, 2] {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pool.on_each(3, |at| assert!(at != worker, "expected in this test: {at}"));
            }));
            assert!(panicked.is_err());
            assert_eq!(pool.hot.busy.load(Ordering::SeqCst), 0);
        }
        let calls = AtomicUsize::new(0);
        pool.on_each(3, |_| {
            calls.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(calls.into_inner(), 3);
    }
}
