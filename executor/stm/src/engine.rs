//! The parallel run: execute speculatively, validate where writes say so, settle in order.
//!
//! Source: Block-STM (Gelashvili et al., PPoPP 2023), Algorithms 1 and 3, with a rolling ordered commit and push
//! invalidation in place of validation waves and of the counters that detect the end.
//!
//! What is truth and what is a hint:
//!
//! - **Truth**: a transaction settles when all lower ones are settled and everything it observed is true of the settled
//!   values ([`settle`](self)'s check). By the promises of [`Vm`] its result is then that of a sequential run.
//! - **Hint**: estimates, parking, the validation of readers when a write changes, the order of dispatch. They decide how
//!   much work is wasted. If all of them failed, blocks would be slow, and still right.
//!
//! Locks are taken in this order: the settler, one slot, one shard of the memory. Nobody holds two slots.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::error::{RunError, panic_message};
use crate::memory::{Finding, Memory, Stale};
use crate::pool::Pool;
use crate::report::{Abort, Fallback, Log, Outcome, Reason, Report, merge, micros};
use crate::scheduler::Scheduler;
use crate::sequential::{continue_from, run_for};
use crate::settle::Settle;
use crate::sync::{AtomicU32, AtomicUsize, CachePadded, Mutex, Ordering};
use crate::view::{Blocked, Observed, Until, View};
use crate::vm::{Execution, Stop, Vm, Write};

mod settling;

use settling::Settler;

#[cfg(test)]
mod tests;

/// How a run is to go. Nothing here changes its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Workers to use; at most as many as the pool has and as there are transactions. With one the block runs sequentially.
    pub workers: usize,
    /// Executions that one transaction may take, at least 1. When one needs more, the rest of the block runs sequentially.
    pub max_incarnations: u32,
    /// After every so many settled transactions: if at least half of these had been executed more than once, the rest of
    /// the block runs sequentially, because it is mostly a chain. 0 never does.
    pub conflict_sample: u32,
    /// Blocks with fewer transactions run sequentially.
    pub min_parallel_transactions: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: usize::MAX,
            max_incarnations: 16,
            conflict_sample: 32,
            min_parallel_transactions: 2,
        }
    }
}

/// Runs a block on the workers of `pool`, handing the transactions to `settle` in block order.
///
/// What `settle` sees is what [`run_sequential`](crate::run_sequential) shows it, whatever the options and the schedule.
///
/// # Errors
/// When the machine fails, panics or breaks its contract on settled values, or the settler panics. The transactions
/// settled before that stand.
pub fn run<V: Vm, S: Settle<V> + Send>(
    pool: &Pool,
    vm: &V,
    settle: &mut S,
    options: &Options,
) -> Result<Report<V::Location>, RunError<V::Fatal>> {
    let transactions = vm.transactions();
    let workers = options.workers.min(pool.workers()).min(transactions as usize);
    if transactions < options.min_parallel_transactions {
        return run_for(vm, settle, Reason::FewTransactions);
    }
    if workers <= 1 {
        return run_for(vm, settle, Reason::OneWorker);
    }
    let started = Instant::now();
    let engine = Engine {
        vm,
        memory: Memory::new(transactions),
        scheduler: Scheduler::new(transactions),
        slots: (0..transactions).map(|_| Mutex::new(Slot::new())).collect(),
        frontier: CachePadded::new(AtomicU32::new(0)),
        settle_requests: CachePadded::new(AtomicUsize::new(0)),
        settler: Mutex::new(Settler {
            settle,
            settled: Vec::with_capacity(transactions as usize),
            repeated: 0,
        }),
        end: Mutex::new(None),
        max_incarnations: options.max_incarnations.max(1),
        conflict_sample: options.conflict_sample,
    };
    let logs = Mutex::new(Vec::with_capacity(workers));
    pool.on_each(workers, |worker| {
        let log = engine.work(Log::new(started, worker));
        logs.lock().push(log);
    });
    let mut logs = logs.into_inner();
    let Engine { memory, slots, settler, end, .. } = engine;
    let Settler { settle, mut settled, .. } = settler.into_inner();
    let mut sequential = None;
    match end.into_inner().expect("workers return only once the run has ended") {
        End::Failed(error) => return Err(error),
        End::Stopped => {}
        End::Complete => {
            debug_assert!(memory.is_settled(), "no speculative write outlives the run");
        }
        End::Sequential { reason } => {
            let from = count(settled.len());
            let start_us = micros(started.elapsed());
            sequential = Some(Fallback { from, start_us, reason });
            let incarnations: Vec<u32> =
                slots.into_iter().map(|slot| slot.into_inner().next_incarnation()).collect();
            let mut log = Log::new(started, 0);
            let values = memory.into_settled_values();
            let next = |index: u32| incarnations[index as usize];
            continue_from(vm, settle, from, values, &next, &mut log, &mut settled)?;
            logs.push(log);
        }
    }
    let (incarnations, validations) = merge(logs, &settled);
    Ok(Report {
        transactions,
        settled: count(settled.len()),
        workers: count(workers),
        wall_us: micros(started.elapsed()),
        incarnations,
        validations,
        sequential,
    })
}

/// `len` of something with at most one element a transaction.
fn count(len: usize) -> u32 {
    u32::try_from(len).expect("no more than transactions, which are counted in 32 bits")
}

/// Everything the workers of one run share.
struct Engine<'a, V: Vm, S> {
    vm: &'a V,
    memory: Memory<V>,
    scheduler: Scheduler,
    /// One for each transaction.
    slots: Vec<Mutex<Slot<V>>>,
    /// **Truth**: the number of settled transactions. Written by the settler after it has folded their writes.
    frontier: CachePadded<AtomicU32>,
    /// Requests to settle since the settle role was last free. Whoever raises it from 0 takes the role.
    settle_requests: CachePadded<AtomicUsize>,
    /// Locked by the owner of the settle role only, so never contended.
    settler: Mutex<Settler<'a, S>>,
    /// Why the run ended; see `end` for which reason stays.
    end: Mutex<Option<End<V::Fatal>>>,
    max_incarnations: u32,
    conflict_sample: u32,
}

/// Why a run ended.
enum End<F: std::error::Error + 'static> {
    /// All transactions are settled.
    Complete,
    /// The settler said stop.
    Stopped,
    /// The sequential run takes over.
    Sequential { reason: Reason },
    /// The run failed.
    Failed(RunError<F>),
}

/// One transaction. Its lock makes status, incarnation and result change together (hazard 33).
struct Slot<V: Vm> {
    status: Status,
    /// Number of the incarnation that runs next, runs, or has run.
    incarnation: u32,
    /// Transactions parked on this one. Each parked transaction is in one such list (hazard 35).
    waiting: Vec<u32>,
    /// Its writes that are in the memory now, estimates or not.
    published: Vec<(V::Location, Write<V>)>,
    /// The result of the incarnation, while `Executed`.
    done: Option<Done<V>>,
}

/// Ready -> Executing -> Executed -> Settled, back to Ready when aborted; Executing -> Parked -> Ready when blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// With the scheduler, which hands it out once.
    Ready,
    /// With a worker.
    Executing,
    /// Has a result that waits to settle.
    Executed,
    /// In the waiting list of a lower transaction.
    Parked,
    /// Final.
    Settled,
}

/// What an incarnation left behind.
struct Done<V: Vm> {
    /// The output, or why there is none. A failure waits here until everything below is settled, and is then tried again.
    result: Result<V::Output, Failure<V::Fatal>>,
    observations: Vec<Observed<V>>,
    /// Everything below was settled when it started: no speculation.
    final_view: bool,
}

/// An execution that gave no result.
enum Failure<F> {
    Fatal(F),
    Panicked(String),
}

/// An observation that does not hold.
struct Broken<L> {
    location: L,
    writer: Option<u32>,
}

impl<V: Vm> Slot<V> {
    fn new() -> Self {
        Self {
            status: Status::Ready,
            incarnation: 0,
            waiting: Vec::new(),
            published: Vec::new(),
            done: None,
        }
    }

    /// Gives up the incarnation: the next one is to run.
    fn retry(&mut self) {
        self.status = Status::Ready;
        self.incarnation += 1;
        self.done = None;
    }

    /// Number of the incarnation that comes after all that have begun.
    fn next_incarnation(&self) -> u32 {
        if self.status == Status::Ready { self.incarnation } else { self.incarnation + 1 }
    }
}

impl<V: Vm, S: Settle<V>> Engine<'_, V, S> {
    /// The life of one worker: execute what is ready until the run ends. A panic outside of an execution (in the settler,
    /// or of the engine) ends the run; it does not leave the others waiting (hazard 44).
    fn work(&self, mut log: Log<V::Location>) -> Log<V::Location> {
        let lived = catch_unwind(AssertUnwindSafe(|| {
            let mut buffers = self.vm.worker();
            while !self.scheduler.has_ended() {
                match self.scheduler.claim() {
                    Some(index) => self.execute(&mut log, &mut buffers, index),
                    None => self.scheduler.wait(),
                }
            }
        }));
        if let Err(panic) = lived {
            self.end(End::Failed(RunError::Panicked {
                index: log.at,
                message: panic_message(&*panic),
            }));
        }
        log
    }

    /// Executes one incarnation of a claimed transaction.
    fn execute(&self, log: &mut Log<V::Location>, buffers: &mut V::Worker, index: u32) {
        log.at = index;
        let incarnation = {
            let mut slot = self.slots[index as usize].lock();
            debug_assert_eq!(
                slot.status,
                Status::Ready,
                "a transaction is handed out when it is ready"
            );
            slot.status = Status::Executing;
            slot.incarnation
        };
        // Acquire pairs with the Release in `settle_next`: all that is settled is folded into the memory.
        let final_view = self.frontier.load(Ordering::Acquire) == index;
        let ended = self.scheduler.ended_flag();
        let mut view = View::shared(self.vm, &self.memory, ended, (index, incarnation), final_view);
        let begin = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| self.vm.execute(buffers, index, &mut view)));
        let outcome = match &result {
            Ok(Ok(_)) => Outcome::Discarded,
            Ok(Err(Stop::Blocked(blocked))) => Outcome::Blocked { on: blocked.on() },
            Ok(Err(Stop::Fatal(_))) => Outcome::Failed,
            Err(_) => Outcome::Panicked,
        };
        log.executed(index, incarnation, begin, outcome);
        if self.scheduler.has_ended() {
            // An execution that saw the end may have returned anything; nobody may find that in its slot. Whoever was told
            // `cancelled` finds the flag set here, too: both read the same atomic, in this order.
            return;
        }
        let observations = view.into_observations();
        let result = match result {
            Ok(Ok(execution)) => Ok(execution),
            Ok(Err(Stop::Blocked(blocked))) => return self.park(index, blocked, final_view),
            Ok(Err(Stop::Fatal(fatal))) => Err(Failure::Fatal(fatal)),
            Err(panic) => {
                // The panic may have left the buffers half changed.
                *buffers = self.vm.worker();
                Err(Failure::Panicked(panic_message(&*panic)))
            }
        };
        self.finish(log, index, final_view, observations, result);
    }

    /// Publishes what an incarnation wrote, and tells those whom it concerns.
    fn finish(
        &self,
        log: &mut Log<V::Location>,
        index: u32,
        final_view: bool,
        observations: Vec<Observed<V>>,
        result: Result<Execution<V>, Failure<V::Fatal>>,
    ) {
        let (writes, mut result) = match result {
            Ok(Execution { writes, output }) => (writes, Ok(output)),
            // On settled values a failure is real; anywhere else it is one more guess (hazards 43 and 47).
            Err(failure) if final_view => return self.fail(index, failure),
            Err(failure) => (Vec::new(), Err(failure)),
        };
        let mut stale = Vec::new();
        let mut slot = self.slots[index as usize].lock();
        let incarnation = slot.incarnation;
        let broken = if final_view { Ok(None) } else { self.register(index, &observations) };
        let broken = broken.unwrap_or_else(|fatal| {
            result = Err(Failure::Fatal(fatal));
            None
        });
        let writes = if result.is_ok() { writes } else { Vec::new() };
        let previous = std::mem::replace(&mut slot.published, writes);
        let version = (index, incarnation);
        self.memory.publish(version, &slot.published, &previous, broken.is_some(), &mut stale);
        if let Some(Broken { location, writer }) = broken {
            slot.retry();
            drop(slot);
            log.aborts.push(Abort { index, incarnation, location, writer });
            self.again(index, incarnation + 1);
            self.validate(log, stale);
            return;
        }
        slot.status = Status::Executed;
        slot.done = Some(Done { result, observations, final_view });
        let waiting = std::mem::take(&mut slot.waiting);
        drop(slot);
        waiting.into_iter().for_each(|parked| self.wake(parked));
        self.validate(log, stale);
        self.request_settle(log);
    }

    /// Registers transaction `index` as a reader of what it observed, and returns the first observation that does not hold
    /// any more.
    fn register(
        &self,
        index: u32,
        observations: &[Observed<V>],
    ) -> Result<Option<Broken<V::Location>>, V::Fatal> {
        for observed in observations.iter().filter(|observed| !observed.assumed) {
            if let Finding::Broken { writer } = self.memory.check(self.vm, observed, index, true)? {
                return Ok(Some(Broken { location: observed.location.clone(), writer }));
            }
        }
        Ok(None)
    }

    /// Validates readers that a write may have made stale: aborts those whose observation of the location is not true any
    /// more. They are many only where many transactions ran ahead of a conflict.
    fn validate(&self, log: &mut Log<V::Location>, stale: Vec<Stale<V::Location>>) {
        for (index, location) in stale {
            let mut slot = self.slots[index as usize].lock();
            // One that executes registers, and looks, when it finishes.
            let Some(done) = slot.done.as_ref().filter(|done| !done.final_view) else { continue };
            log.validations += 1;
            let broken = done
                .observations
                .iter()
                .filter(|observed| !observed.assumed && observed.location == location)
                .find_map(|observed| match self.memory.check(self.vm, observed, index, false) {
                    Ok(Finding::Broken { writer }) => {
                        Some(Broken { location: location.clone(), writer })
                    }
                    // A snapshot that cannot be read says nothing here; the check before settling will.
                    Ok(Finding::Holds) | Err(_) => None,
                });
            if let Some(broken) = broken {
                let incarnation = self.abort(log, index, &mut slot, broken);
                drop(slot);
                self.again(index, incarnation);
            }
        }
    }

    /// Discards an executed incarnation and leaves its writes as estimates. Returns the number of the next incarnation; the
    /// caller hands it to [`again`](Self::again) once the slot is free.
    fn abort(
        &self,
        log: &mut Log<V::Location>,
        index: u32,
        slot: &mut Slot<V>,
        broken: Broken<V::Location>,
    ) -> u32 {
        debug_assert_eq!(slot.status, Status::Executed, "only a result can be aborted");
        // Before the slot is free: nobody may start the next incarnation while these are being marked (hazard 35).
        self.memory.mark_estimates(index, &slot.published);
        let Broken { location, writer } = broken;
        log.aborts.push(Abort { index, incarnation: slot.incarnation, location, writer });
        slot.retry();
        slot.incarnation
    }

    /// Parks a transaction on the lower one that it met. Progress: the lowest unsettled transaction has nothing below it to
    /// wait for, and every wait is for a lower one, which ends by settling at the latest.
    fn park(&self, index: u32, blocked: Blocked, final_view: bool) {
        let Blocked { on, until } = blocked;
        if final_view {
            return self.end(End::Failed(RunError::NeverBlocked { index, on }));
        }
        assert!(on < index, "transaction {index} returned a `Blocked` that none of its reads gave");
        self.slots[index as usize].lock().status = Status::Parked;
        let mut parent = self.slots[on as usize].lock();
        let wait = match until {
            Until::Executed => {
                matches!(parent.status, Status::Ready | Status::Executing | Status::Parked)
            }
            Until::Settled => parent.status != Status::Settled,
        };
        if wait {
            parent.waiting.push(index);
        }
        drop(parent);
        if !wait {
            self.wake(index);
        }
    }

    /// Makes a parked transaction ready.
    fn wake(&self, index: u32) {
        let mut slot = self.slots[index as usize].lock();
        debug_assert_eq!(
            slot.status,
            Status::Parked,
            "a parked transaction is in one waiting list"
        );
        slot.retry();
        let incarnation = slot.incarnation;
        drop(slot);
        self.again(index, incarnation);
    }

    /// Hands a transaction that is ready again to the scheduler, or the rest of the block to the sequential run when the
    /// transaction has had its share (hazards 46 and 50: the bound is a fallback, not an error).
    fn again(&self, index: u32, incarnation: u32) {
        if incarnation >= self.max_incarnations {
            self.end(End::Sequential { reason: Reason::Incarnations { index } });
        } else {
            self.scheduler.give_back(index);
        }
    }

    /// Ends the run with the failure of an execution on settled values.
    fn fail(&self, index: u32, failure: Failure<V::Fatal>) {
        self.end(End::Failed(match failure {
            Failure::Fatal(source) => RunError::Fatal { index, source },
            Failure::Panicked(message) => RunError::Panicked { index, message },
        }));
    }

    /// Ends the run. What is known about the settled prefix outweighs the wish to go on sequentially, which any worker may
    /// voice while the settler is still at work: after a stop nothing goes on.
    fn end(&self, end: End<V::Fatal>) {
        let mut current = self.end.lock();
        if matches!(*current, None | Some(End::Sequential { .. })) {
            *current = Some(end);
        }
        drop(current);
        self.scheduler.end();
    }
}
