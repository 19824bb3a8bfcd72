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
//! Locks are taken in this order: the settler, one slot, one cell of the memory. Nobody holds two slots.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::error::{RunError, panic_message};
use crate::in_order::run_in_order;
use crate::memory::{CellId, Finding, Memory, Stale};
use crate::pace::{Pace, Step};
#[cfg(not(any(loom, shuttle)))]
use crate::pool::Pool;
use crate::report::{Abort, Fallback, Log, Outcome, Reason, Report, merge, micros};
use crate::role::Role;
use crate::scheduler::Scheduler;
use crate::settle::Settle;
#[cfg(not(loom))]
use crate::sync::on_threads;
use crate::sync::{Ahead, AtomicU32, CachePadded, Mutex, Ordering};
use crate::versions::Versions;
use crate::view::{Blocked, Observed, Shared, Until, View};
use crate::vm::{Execution, Field, Put, Stop, Vm};

mod settling;
mod throttle;

use settling::Settler;
use throttle::Throttle;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

/// How a run is to go. Nothing here changes its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Workers to use; at most as many as the pool has and as there are transactions. With one the block runs in order.
    pub workers: usize,
    /// Speculative executions that one transaction may take, at least 1. One that needs more waits until all lower ones are
    /// settled; its next execution is its last.
    pub max_incarnations: u32,
    /// After every so many settled transactions (more with 16 workers and more): if nearly all workers but one, or three
    /// quarters of many, were busy with what had to be repeated, the next transactions are left to fewer workers; how many
    /// transactions grows while it stays so. 0 never does.
    pub conflict_sample: u32,
    /// Blocks with fewer transactions run in order.
    pub min_parallel_transactions: u32,
    /// Note every execution with its times and its end, for [`Report::incarnations`].
    pub incarnations: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: usize::MAX,
            max_incarnations: 16,
            conflict_sample: 16,
            min_parallel_transactions: 2,
            incarnations: true,
        }
    }
}

/// What a run leaves behind: its report, and everything that the settled transactions wrote.
pub type Run<'v, V> = (Report<<V as Vm>::Location>, Versions<'v, V>);

/// Runs a block on the workers of `pool`, handing the transactions to `settle` in block order.
///
/// What `settle` sees is what [`run_sequential`](crate::run_sequential) shows it, whatever the options and the schedule.
///
/// # Errors
/// When the machine fails, panics or breaks its contract on settled values, or the settler panics. The transactions
/// settled before that stand.
#[cfg(not(any(loom, shuttle)))]
pub fn run<'v, V: Vm, S: Settle<V> + Send>(
    pool: &Pool,
    vm: &'v V,
    settle: &mut S,
    options: &Options,
) -> Result<Run<'v, V>, RunError<V::Fatal>> {
    let transactions = vm.transactions();
    let workers = options.workers.min(pool.workers_for(transactions as usize));
    let reason = if transactions < options.min_parallel_transactions {
        Some(Reason::FewTransactions)
    } else if workers <= 1 {
        Some(Reason::OneWorker)
    } else {
        None
    };
    let started = Instant::now();
    if let Some(reason) = reason {
        let memory = Memory::from_spare(pool.spare(), vm.cells());
        return whole_in_order(vm, memory, settle, options, (started, reason));
    }
    let memory = Memory::from_spare(pool.spare(), vm.cells());
    let engine = Engine::new(vm, memory, settle, options, workers);
    let logs = Mutex::new(Vec::with_capacity(workers));
    pool.on_each(workers, |worker| {
        let log = engine.work(Log::new(started, worker, options.incarnations), worker, None);
        logs.lock().push(log);
    });
    engine.conclude(logs.into_inner(), (started, count(workers)))
}

/// As [`run`], on threads of its own; whose every step `pace` decides, if there is one.
#[cfg(not(loom))]
pub(crate) fn run_on_threads<'v, V: Vm, S: Settle<V> + Send>(
    vm: &'v V,
    settle: &mut S,
    options: &Options,
    pace: Option<&dyn Pace>,
) -> Result<Run<'v, V>, RunError<V::Fatal>> {
    let started = Instant::now();
    if options.workers <= 1 || vm.transactions() == 0 {
        let memory = Memory::new(vm.cells());
        return whole_in_order(vm, memory, settle, options, (started, Reason::OneWorker));
    }
    let engine = Engine::new(vm, Memory::new(vm.cells()), settle, options, options.workers);
    let logs = Mutex::new(Vec::with_capacity(options.workers));
    on_threads(count(options.workers), |worker| {
        let log = Log::new(started, worker, options.incarnations);
        let log = engine.work(log, worker, pace);
        if let Some(pace) = pace {
            pace.leave(worker);
        }
        logs.lock().push(log);
    });
    engine.conclude(logs.into_inner(), (started, count(options.workers)))
}

/// A block that one thread executes from the start.
fn whole_in_order<'v, V: Vm, S: Settle<V>>(
    vm: &'v V,
    memory: Memory<V>,
    settle: &mut S,
    options: &Options,
    (started, reason): (Instant, Reason),
) -> Result<Run<'v, V>, RunError<V::Fatal>> {
    let transactions = vm.transactions();
    let mut log = Log::new(started, 0, options.incarnations);
    let mut settled = Vec::with_capacity(transactions as usize);
    run_in_order(vm, &memory, settle, &mut log, &mut settled)?;
    let name = |cell, field| vm.location(memory.key(cell), field);
    let report = Report {
        transactions,
        settled: count(settled.len()),
        workers: 1,
        wall_us: micros(started.elapsed()),
        sequential: Some(Fallback { from: 0, start_us: 0, reason }),
        ..merge(vec![log], &settled, name)
    };
    Ok((report, Versions::new(vm, memory)))
}

/// `len` of something with at most one element a transaction.
fn count(len: usize) -> u32 {
    u32::try_from(len).expect("no more than transactions, which are counted in 32 bits")
}

/// Everything the workers of one run share.
struct Engine<'v, 's, V: Vm, S> {
    vm: &'v V,
    memory: Memory<V>,
    scheduler: Scheduler,
    /// One for each transaction.
    slots: Vec<Mutex<Slot<V>>>,
    /// **Truth**: the number of settled transactions. Written by the owner of the settle role.
    frontier: CachePadded<AtomicU32>,
    settle_role: CachePadded<Role>,
    /// Locked by the owner of the settle role only, so never contended.
    settler: Mutex<Settler<'s, S>>,
    /// Why the run ended.
    end: Mutex<Option<End<V::Fatal>>>,
    max_incarnations: u32,
}

/// Why a run ended.
enum End<F: std::error::Error + 'static> {
    /// All transactions are settled.
    Complete,
    /// The settler said stop.
    Stopped,
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
    published: Vec<Put<V>>,
    /// The result of the incarnation, while `Executed`.
    done: Option<Done<V>>,
}

/// Ready -> Executing -> Executed -> Settled, back to Ready when aborted; Executing -> Parked -> Ready when blocked; Ready ->
/// Held -> Ready when it was aborted or blocked too often.
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
    /// Waits until all lower transactions are settled.
    Held,
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
#[derive(Clone, Copy)]
struct Broken {
    cell: CellId,
    field: Field,
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
}

impl<'v, 's, V: Vm, S: Settle<V>> Engine<'v, 's, V, S> {
    fn new(
        vm: &'v V,
        memory: Memory<V>,
        settle: &'s mut S,
        options: &Options,
        workers: usize,
    ) -> Self {
        let transactions = vm.transactions();
        Self {
            vm,
            memory,
            scheduler: Scheduler::new(transactions),
            slots: (0..transactions).map(|_| Mutex::new(Slot::new())).collect(),
            frontier: CachePadded::new(AtomicU32::new(0)),
            settle_role: CachePadded::new(Role::new()),
            settler: Mutex::new(Settler {
                settle,
                settled: Vec::with_capacity(transactions as usize),
                throttle: Throttle::new(options.conflict_sample, count(workers)),
            }),
            end: Mutex::new(None),
            max_incarnations: options.max_incarnations.max(1),
        }
    }

    /// What the run has come to, once all workers have left it.
    fn conclude(
        self,
        logs: Vec<Log>,
        (started, workers): (Instant, u32),
    ) -> Result<Run<'v, V>, RunError<V::Fatal>> {
        let Self { vm, memory, slots, settler, end, .. } = self;
        let settled = settler.into_inner().settled;
        match end.into_inner().expect("workers return only once the run has ended") {
            End::Failed(error) => return Err(error),
            End::Stopped => discard_from(&memory, slots, settled.len()),
            End::Complete => {}
        }
        debug_assert!(
            memory.is_settled(&settled),
            "what is left was written by the incarnations that settled"
        );
        let name = |cell, field| vm.location(memory.key(cell), field);
        let report = Report {
            transactions: vm.transactions(),
            settled: count(settled.len()),
            workers,
            wall_us: micros(started.elapsed()),
            ..merge(logs, &settled, name)
        };
        Ok((report, Versions::new(vm, memory)))
    }

    /// The life of one worker: execute what is ready until the run ends. A panic outside of an execution (in the settler,
    /// or of the engine) ends the run; it does not leave the others waiting (hazard 44).
    fn work<'e>(&'e self, mut log: Log, worker: u32, pace: Option<&'e dyn Pace>) -> Log {
        let lived = catch_unwind(AssertUnwindSafe(|| {
            let ahead = RefCell::new(Ahead::default());
            let mut machine = self.vm.worker();
            while !self.scheduler.has_ended() {
                let at = Place { worker, ahead: &ahead, pace };
                at.step(Step::Claim);
                match (self.scheduler.claim(worker), pace) {
                    (Some(index), _) => self.execute(&mut log, &mut machine, index, at),
                    (None, _) if !self.scheduler.has_ended() && self.vm.chore() => {}
                    (None, Some(pace)) if !self.scheduler.has_ended() => pace.idle(worker),
                    (None, Some(_)) => {}
                    (None, None) => self.scheduler.wait(worker),
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
    fn execute<'e>(
        &'e self,
        log: &mut Log,
        machine: &mut V::Worker<'e>,
        index: u32,
        at: Place<'e>,
    ) {
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
        // Acquire pairs with the Release in `settle_final`: all that is settled is in the memory.
        let final_view = self.frontier.load(Ordering::Acquire) == index;
        let shared = Shared {
            memory: &self.memory,
            ended: self.scheduler.ended_flag(),
            ahead: at.ahead,
            pace: at.pace.map(|pace| (pace, at.worker)),
        };
        let mut view = View::shared(self.vm, shared, (index, incarnation), final_view);
        let begin = log.begin();
        let result = catch_unwind(AssertUnwindSafe(|| self.vm.execute(machine, &mut view)));
        let outcome = match &result {
            Ok(Ok(_)) => Outcome::Discarded,
            Ok(Err(Stop::Blocked(blocked))) => Outcome::Blocked { on: blocked.on() },
            Ok(Err(Stop::Fatal(_))) => Outcome::Failed,
            Err(_) => Outcome::Panicked,
        };
        let blocked = matches!(outcome, Outcome::Blocked { .. });
        log.executed(index, incarnation, begin, outcome);
        at.step(Step::Finish { index, blocked });
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
                // The panic may have left the machine half changed.
                *machine = self.vm.worker();
                Err(Failure::Panicked(panic_message(&*panic)))
            }
        };
        self.finish(log, at, (index, final_view), observations, result);
    }

    /// Publishes what an incarnation wrote, and tells those whom it concerns.
    fn finish(
        &self,
        log: &mut Log,
        at: Place<'_>,
        (index, final_view): (u32, bool),
        mut observations: Vec<Observed<V>>,
        result: Result<Execution<V>, Failure<V::Fatal>>,
    ) {
        let (writes, result) = match result {
            Ok(Execution { writes, output }) => (writes, Ok(output)),
            // On settled values a failure is real; anywhere else it is one more guess (hazards 43 and 47).
            Err(failure) if final_view => return self.fail(index, failure),
            Err(failure) => (Vec::new(), Err(failure)),
        };
        let mut stale = Vec::new();
        let mut slot = self.slots[index as usize].lock();
        let incarnation = slot.incarnation;
        let broken =
            if final_view { None } else { self.memory.register(self.vm, index, &mut observations) };
        let previous = std::mem::replace(&mut slot.published, writes);
        let version = (index, incarnation);
        self.memory.publish(version, &slot.published, &previous, broken.is_some(), &mut stale);
        if let Some((place, writer)) = broken {
            slot.retry();
            drop(slot);
            let Observed { cell, field, .. } = observations[place];
            log.aborted(Abort { index, incarnation, cell, field, writer });
            self.again(index, incarnation + 1);
            self.validate(log, at, stale);
            return;
        }
        slot.status = Status::Executed;
        slot.done = Some(Done { result, observations, final_view });
        let waiting = std::mem::take(&mut slot.waiting);
        drop(slot);
        waiting.into_iter().for_each(|parked| self.wake(parked));
        self.validate(log, at, stale);
        self.request_settle(log, at);
    }

    /// Validates readers that a write may have made stale: aborts those whose observation of the location is not true any
    /// more. They are many only where many transactions ran ahead of a conflict.
    fn validate(&self, log: &mut Log, at: Place<'_>, stale: Vec<Stale>) {
        for (index, cell, field) in stale {
            at.step(Step::Validate);
            let mut slot = self.slots[index as usize].lock();
            // One that executes registers, and looks, when it finishes.
            let Some(done) = slot.done.as_mut().filter(|done| !done.final_view) else { continue };
            log.validations += 1;
            let concerned = |observed: &&mut Observed<V>| {
                !observed.assumed && observed.cell == cell && observed.field == field
            };
            let mut broken = None;
            for observed in done.observations.iter_mut().filter(concerned) {
                match self.memory.check(self.vm, observed, index) {
                    Finding::Holds { seen } => observed.seen = seen,
                    Finding::Broken { writer } => broken = Some(Broken { cell, field, writer }),
                }
            }
            if let Some(broken) = broken {
                let incarnation = self.abort(log, index, &mut slot, broken);
                drop(slot);
                self.again(index, incarnation);
            }
        }
    }

    /// Discards an executed incarnation and leaves its writes as estimates. Returns the number of the next incarnation; the
    /// caller hands it to [`again`](Self::again) once the slot is free.
    fn abort(&self, log: &mut Log, index: u32, slot: &mut Slot<V>, broken: Broken) -> u32 {
        debug_assert_eq!(slot.status, Status::Executed, "only a result can be aborted");
        // Before the slot is free: nobody may start the next incarnation while these are being marked (hazard 35).
        self.memory.mark_estimates(index, &slot.published);
        let Broken { cell, field, writer } = broken;
        log.aborted(Abort { index, incarnation: slot.incarnation, cell, field, writer });
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
            Until::Executed => !matches!(parent.status, Status::Executed | Status::Settled),
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

    /// Hands a transaction that is ready again to the scheduler; later, if it has had its share (hazards 46 and 50): once all
    /// lower ones are settled one more execution is enough, whatever it reads.
    fn again(&self, index: u32, incarnation: u32) {
        if incarnation >= self.max_incarnations {
            let mut slot = self.slots[index as usize].lock();
            // Whoever settles the one below looks into this slot after it has raised the frontier, under the same lock: it
            // finds the transaction held, or it was there before and its frontier is seen here.
            if self.frontier.load(Ordering::Acquire) != index {
                slot.status = Status::Held;
                return;
            }
        }
        self.scheduler.give_back(index);
    }

    /// Ends the run with the failure of an execution on settled values.
    fn fail(&self, index: u32, failure: Failure<V::Fatal>) {
        self.end(End::Failed(match failure {
            Failure::Fatal(source) => RunError::Fatal { index, source },
            Failure::Panicked(message) => RunError::Panicked { index, message },
        }));
    }

    /// Ends the run, if it has not ended before: the first reason stays.
    fn end(&self, end: End<V::Fatal>) {
        self.end.lock().get_or_insert(end);
        self.scheduler.end();
    }
}

/// Removes what transactions that did not settle have written.
fn discard_from<V: Vm>(memory: &Memory<V>, slots: Vec<Mutex<Slot<V>>>, settled: usize) {
    for (index, slot) in slots.into_iter().enumerate().skip(settled) {
        memory.discard(count(index), &slot.into_inner().published, &mut Vec::new());
    }
}

/// Which worker is at work, and who holds it back.
#[derive(Clone, Copy)]
struct Place<'e> {
    worker: u32,
    ahead: &'e RefCell<Ahead>,
    pace: Option<&'e dyn Pace>,
}

impl Place<'_> {
    fn step(self, step: Step) {
        if let Some(pace) = self.pace {
            pace.step(self.worker, step);
        }
    }
}
