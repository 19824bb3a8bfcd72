//! Executing a block with its access list: every transaction on its exact values before, on all workers, in any order.

mod quick;
mod traced;

use crate::base::Base;
use crate::environment::{Authorities, Environment, transaction_environment};
use crate::error::{ExecutionError, Failure};
use crate::executor::{BlockInput, flawed};
use crate::ledger::{Below, Ledger};
use crate::listed::{Flaw, Listed, Tally, describe};
use crate::place::{LIFE, Place};
use crate::system::Phase;
use crate::value::Value;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, Bytes, Log};
use quick::QuickMachine;
use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use traced::TracedMachine;
use weft_stm::Pool;
use weft_types::{
    Incarnation, IncarnationOutcome, Location, RecoveredTransaction, TransactionAccess, TxIndex,
};

/// What a run with a list is made of.
pub(crate) struct Verification<'v> {
    pub(crate) base: &'v Base<'v>,
    pub(crate) environment: &'v Environment,
    pub(crate) block: &'v BlockInput<'v>,
    pub(crate) listed: &'v Listed<'v>,
    /// Blocks with fewer transactions run on the calling thread.
    pub(crate) min_parallel_transactions: u32,
    /// Reads and writes are wanted for the access record.
    pub(crate) traced: bool,
    /// Executions are noted with their times.
    pub(crate) timed: bool,
    /// Somebody asks for logs.
    pub(crate) logged: bool,
}

/// One executed transaction, which agrees with the list.
pub(crate) struct Checked {
    pub(crate) index: u32,
    /// Listed writes that it made.
    pub(crate) writes: u32,
    pub(crate) gas_used: u64,
    pub(crate) gas_limit: u64,
    pub(crate) success: bool,
    pub(crate) transaction: Arc<RecoveredTransaction>,
}

/// What one execution gave.
struct Done {
    gas_used: u64,
    success: bool,
    logs: Vec<Log>,
    /// Listed writes that it made.
    writes: usize,
}

/// A phase of the block besides its transactions, which agrees with the list.
#[derive(Default)]
pub(crate) struct CheckedPhase {
    pub(crate) requests: Vec<Bytes>,
    pub(crate) tally: Tally,
}

/// What all workers came to.
pub(crate) enum Verdict {
    /// Everything that the transactions did is in the list.
    Agrees(Agreed),
    /// The block is invalid, for what transaction `.0` does.
    Differs(u32, Flaw),
    /// A list cannot say what the block does: before Cancun an account may lose its storage.
    Inexpressible,
}

/// What was executed, transactions in no order.
#[derive(Default)]
pub(crate) struct Agreed {
    pub(crate) checked: Vec<Vec<Checked>>,
    /// If somebody asks for logs.
    pub(crate) logs: Vec<(u32, Vec<Log>)>,
    /// If the access record is wanted.
    pub(crate) accesses: Vec<(u32, TransactionAccess)>,
    pub(crate) incarnations: Vec<Incarnation>,
    /// Accounts that were destroyed with their storage, of which the list names no slot; ascending.
    pub(crate) wiped: Vec<Address>,
    pub(crate) before: CheckedPhase,
    /// `None` where it has to wait for the logs of all transactions.
    pub(crate) after: Option<CheckedPhase>,
    /// What all of these found in the list.
    pub(crate) tally: Tally,
}

/// What one worker came to.
#[derive(Default)]
struct Share {
    checked: Vec<Checked>,
    logs: Vec<(u32, Vec<Log>)>,
    accesses: Vec<(u32, TransactionAccess)>,
    /// Executions that do not agree.
    ended: Vec<(u32, Ended)>,
    runs: Vec<Incarnation>,
    wiped: Vec<Address>,
    tally: Tally,
    before: Option<Result<CheckedPhase, ExecutionError>>,
    after: Option<Result<CheckedPhase, ExecutionError>>,
}

/// How the execution of one transaction ended.
enum Ended {
    Agrees(Done),
    Differs(Flaw),
    Inexpressible,
    Failed(Failure),
}

/// A machine, by what is asked of it.
enum AnyMachine<'v> {
    Quick(Box<QuickMachine<'v>>),
    Traced(Box<TracedMachine<'v>>),
}

/// What the workers share while they execute.
struct Course {
    order: OnceLock<Vec<u32>>,
    next: AtomicUsize,
    failed: AtomicBool,
    /// Somebody sees to what comes after the transactions.
    after: AtomicBool,
    /// Workers that have begun, and that are done.
    begun: AtomicUsize,
    done: AtomicUsize,
    authorities: Authorities,
    started: Instant,
    workers: usize,
}

impl Course {
    /// Lets the others finish what they have begun: to be woken by the last of them would cost more than to wait awake.
    fn wait_a_moment(&self) {
        const TURNS_MAX: u32 = 20_000;
        for _ in 0..TURNS_MAX {
            if self.done.load(Ordering::Acquire) >= self.begun.load(Ordering::Relaxed) {
                break;
            }
            std::hint::spin_loop();
        }
        // What the last of them counted is not yet the end of its task.
        (0..64).for_each(|_| std::hint::spin_loop());
    }
}

impl<'v> Verification<'v> {
    /// Decodes the list and executes the block. What comes before the transactions and after them is work like theirs: with
    /// the list, its values are known.
    pub(crate) fn run(&self, pool: &Pool) -> Result<Verdict, ExecutionError> {
        let count = self.block.transactions.len();
        // Waking a worker costs more than a few transactions.
        let few = count < self.min_parallel_transactions as usize;
        let workers = if few { 1 } else { pool.workers_for(count) };
        let course = Course {
            order: OnceLock::new(),
            next: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            // Requests are made of logs.
            after: AtomicBool::new(self.block.rules.deposits().is_some()),
            begun: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            authorities: Authorities::of(self.block.transactions),
            started: Instant::now(),
            workers,
        };
        let shares = Mutex::new(Vec::new());
        pool.on_each(workers, |worker| {
            course.begun.fetch_add(1, Ordering::Relaxed);
            let share = self.work(&course, worker);
            shares.lock().unwrap_or_else(PoisonError::into_inner).push(share);
            course.done.fetch_add(1, Ordering::Release);
            if worker == 0 {
                course.wait_a_moment();
            }
        });
        self.conclude(shares.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// In which order to execute: any is right. The longest bounds the block, and the gas limit says best which that may be;
    /// among many transactions it is enough to start the longest early.
    fn order(&self, workers: usize) -> Vec<u32> {
        let count = u32::try_from(self.block.transactions.len()).expect("counted in 32 bits");
        let mut order: Vec<u32> = (0..count).collect();
        if workers > 1 {
            order.sort_by_cached_key(|index| {
                Reverse(self.block.transactions[*index as usize].gas_limit())
            });
        }
        order
    }

    /// Does what is left to do until nothing is.
    fn work(&self, course: &Course, worker: u32) -> Share {
        let mut share = Share::default();
        if worker == 0 {
            // While the others wake up.
            share.before = Some(self.before());
        }
        self.listed.decode();
        self.transactions(course, worker, &mut share);
        if !course.failed.load(Ordering::Relaxed) && !course.after.swap(true, Ordering::Relaxed) {
            share.after = Some(self.after(std::iter::empty()));
        }
        share
    }

    /// Executes transactions until none is left.
    fn transactions(&self, course: &Course, worker: u32, share: &mut Share) {
        let order = course.order.get_or_init(|| self.order(course.workers));
        let (listed, base, environment) = (self.listed, self.base, self.environment);
        let mut machine = if self.traced {
            AnyMachine::Traced(Box::new(TracedMachine::new(listed, base, environment)))
        } else {
            AnyMachine::Quick(Box::new(QuickMachine::new(listed, base, environment)))
        };
        let count = order.len();
        share.checked.reserve(count / course.workers + 1);
        // Several at a time where there are many.
        let batch = (count / (course.workers * 64)).clamp(1, 32);
        'all: while !course.failed.load(Ordering::Relaxed) {
            let first = course.next.fetch_add(batch, Ordering::Relaxed);
            let Some(batch) = order.get(first..(first + batch).min(count)) else { break };
            if batch.is_empty() {
                break;
            }
            for index in batch {
                let begin = self.timed.then(Instant::now);
                let ended = self.execute(&mut machine, *index, &course.authorities, share);
                if let Some(begin) = begin {
                    share.runs.push(incarnation(*index, worker, begin, course.started));
                }
                if let Some(ended) = ended {
                    share.ended.push((*index, ended));
                    course.failed.store(true, Ordering::Relaxed);
                    break 'all;
                }
            }
        }
        share.tally = match machine {
            AnyMachine::Quick(mut machine) => {
                share.wiped = machine.wiped();
                machine.tally()
            }
            AnyMachine::Traced(machine) => machine.tally,
        };
    }

    /// What happens before the transactions.
    fn before(&self) -> Result<CheckedPhase, ExecutionError> {
        let mut phase = Phase::new(self.environment, self.block, Ledger::new(self.base));
        phase.before_transactions()?;
        self.check_phase(0, &phase, Vec::new())
    }

    /// What happens after the transactions, whose logs are given if a deposit may be among them.
    pub(crate) fn after<'l>(
        &self,
        logs: impl Iterator<Item = &'l Log>,
    ) -> Result<CheckedPhase, ExecutionError> {
        let count = self.block.transactions.len();
        let at = u32::try_from(count + 1).expect("access indices have 32 bits");
        let values = ListedValues { listed: self.listed, at };
        let ledger = Ledger::above(self.base, &values);
        let mut phase = Phase::new(self.environment, self.block, ledger);
        let requests = phase.after_transactions(logs)?;
        self.check_phase(at, &phase, requests)
    }

    /// Executes one transaction and holds it against the list. How it ended, if it does not agree.
    fn execute(
        &self,
        machine: &mut AnyMachine<'v>,
        index: u32,
        authorities: &Authorities,
        share: &mut Share,
    ) -> Option<Ended> {
        let recovered = &self.block.transactions[index as usize];
        let transaction = transaction_environment(recovered, authorities.get(index));
        let (ended, access) = match machine {
            AnyMachine::Quick(machine) => (machine.execute(transaction, index + 1), None),
            AnyMachine::Traced(machine) => machine.execute(transaction, index),
        };
        match ended {
            Ended::Agrees(Done { gas_used, success, logs, writes }) => {
                if self.logged && !logs.is_empty() {
                    share.logs.push((index, logs));
                }
                share.accesses.extend(access.map(|access| (index, access)));
                // Here the count of its users is at hand.
                let transaction = Arc::clone(recovered);
                let (writes, gas_limit) = (writes as u32, transaction.gas_limit());
                let checked = Checked { index, writes, gas_used, gas_limit, success, transaction };
                share.checked.push(checked);
                None
            }
            ended => Some(ended),
        }
    }

    /// Of several transactions that differ the first counts: what those above it did may only follow from it.
    fn conclude(&self, shares: Vec<Share>) -> Result<Verdict, ExecutionError> {
        let mut agreed = Agreed::default();
        let mut flaw: Option<(u32, Flaw)> = None;
        let (mut failure, mut inexpressible) = (None, false);
        self.listed.check()?;
        let mut after = None;
        for mut share in shares {
            if let Some(before) = share.before.take() {
                agreed.before = before?;
                agreed.tally += agreed.before.tally;
            }
            after = after.or(share.after.take());
            agreed.checked.push(share.checked);
            agreed.logs.append(&mut share.logs);
            agreed.accesses.append(&mut share.accesses);
            agreed.incarnations.extend(share.runs);
            agreed.wiped.append(&mut share.wiped);
            agreed.tally += share.tally;
            for (index, ended) in share.ended {
                match ended {
                    Ended::Agrees(_) => {}
                    Ended::Inexpressible => inexpressible = true,
                    Ended::Failed(error) => failure = Some(error),
                    Ended::Differs(reason) => {
                        if flaw.as_ref().is_none_or(|(first, _)| index < *first) {
                            flaw = Some((index, reason));
                        }
                    }
                }
            }
        }
        if inexpressible {
            return Ok(Verdict::Inexpressible);
        }
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        if let Some((index, reason)) = flaw {
            return Ok(Verdict::Differs(index, reason));
        }
        agreed.after = after.transpose()?;
        if let Some(after) = &agreed.after {
            agreed.tally += after.tally;
        }
        agreed.incarnations.sort_by_key(|run| (run.start_us, run.index));
        agreed.wiped.sort_unstable();
        agreed.wiped.dedup();
        Ok(Verdict::Agrees(agreed))
    }

    /// Holds a phase besides the transactions against the list.
    fn check_phase(
        &self,
        at: u32,
        phase: &Phase<'_, '_>,
        requests: Vec<Bytes>,
    ) -> Result<CheckedPhase, ExecutionError> {
        let mut tally = Tally::default();
        for (address, slots) in &phase.accesses {
            let places = slots.iter().map(|slot| Place::Slot(*address, *slot));
            for place in std::iter::once(Place::Account(*address)).chain(places) {
                if !self.listed.access(&place, &mut tally) {
                    return Err(flawed(not_listed(&place)));
                }
            }
        }
        for (location, value) in &phase.ledger.changes()? {
            let (place, field) = Place::of(location);
            if field == LIFE && matches!(place, Place::Account(_)) {
                continue;
            }
            tally.writes += 1;
            let listed = self.listed.at(&place, field, at);
            if listed != Some(*value) {
                return Err(flawed(format!(
                    "{location:?} is {value:?} after access index {at}, listed is {listed:?}"
                )));
            }
            if !self.listed.access(&place, &mut tally) {
                return Err(flawed(not_listed(&place)));
            }
        }
        Ok(CheckedPhase { requests, tally })
    }

    /// What is listed and does not happen, when all that happens is listed. `writes` are those found at each access index.
    pub(crate) fn surplus(&self, writes: impl Iterator<Item = (u32, usize)>) -> ExecutionError {
        let mut missing = self.listed.writes_by_index();
        let listed = missing.clone();
        writes.for_each(|(at, found)| missing[at as usize] -= found);
        if let Some(at) = missing.iter().position(|missing| *missing > 0) {
            let (listed, made) = (listed[at], listed[at] - missing[at]);
            let index = at.checked_sub(1).filter(|index| *index < self.block.transactions.len());
            let reason =
                format!("{listed} changes are listed at access index {at}, the block makes {made}");
            return match index {
                Some(index) => ExecutionError::Invalid { index: Some(index as u32), reason },
                None => flawed(reason),
            };
        }
        let place = self.listed.unseen().map_or_else(String::new, |place| describe(&place));
        flawed(format!("{place} is listed and not accessed"))
    }
}

/// The listed values after all transactions, below what comes after them.
pub(crate) struct ListedValues<'l> {
    pub(crate) listed: &'l Listed<'l>,
    /// The access index of what comes after.
    pub(crate) at: u32,
}

impl Below for ListedValues<'_> {
    fn written(&self, location: &Location) -> Option<Value> {
        let (place, field) = Place::of(location);
        self.listed.value(&place, field, self.at)
    }
}

fn not_listed(place: &Place) -> Flaw {
    format!("{} is accessed and not listed", describe(place))
}

fn out_of_range(place: &Place) -> Flaw {
    format!("the balance of {} leaves the range", describe(place))
}

fn incarnation(index: u32, worker: u32, begin: Instant, started: Instant) -> Incarnation {
    let micros = |duration: std::time::Duration| duration.as_micros() as u64;
    Incarnation {
        index: TxIndex(index),
        incarnation: 0,
        worker,
        start_us: micros(begin - started),
        duration_us: micros(begin.elapsed()),
        outcome: IncarnationOutcome::Settled,
    }
}
