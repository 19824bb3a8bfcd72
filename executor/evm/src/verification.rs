//! Executing a block with its access list: every transaction on its exact values before, on all workers, in any order.

use crate::base::{Base, decode};
use crate::effects::{Effects, Wanted};
use crate::environment::{Authorities, Environment, transaction_environment};
use crate::error::{ExecutionError, Failure};
use crate::ledger::{Below, Ledger};
use crate::listed::{Flaw, Listed, describe};
use crate::machine::{Machine, Output};
use crate::place::{Cell, LIFE, Place};
use crate::settle::Admission;
use crate::tracker::{Changed, Fact, Loaded, LoadedSlot, Source};
use crate::value::{Change, Observation, Value};
use alloy_primitives::{Address, U256};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use weft_stm::{Pool, Stop};
use weft_types::{
    Incarnation, IncarnationOutcome, Location, ReadAccess, RecoveredTransaction, StateError,
    TransactionAccess, TxIndex, WriteAccess, Writer,
};

/// What a run with a list is made of.
pub(crate) struct Verification<'v, 'b> {
    pub(crate) base: &'b Base<'b>,
    pub(crate) environment: &'v Environment,
    pub(crate) transactions: &'v [Arc<RecoveredTransaction>],
    pub(crate) listed: &'v Listed,
    /// Blocks with fewer transactions run on the calling thread.
    pub(crate) min_parallel_transactions: u32,
    /// Reads and writes are wanted for the access record.
    pub(crate) traced: bool,
    /// Executions are noted with their times.
    pub(crate) timed: bool,
}

/// One executed transaction.
pub(crate) struct Checked {
    index: u32,
    effects: Box<Effects>,
    access: Option<TransactionAccess>,
}

/// What all workers came to.
pub(crate) enum Verdict {
    /// Everything that the transactions did is in the list.
    Agrees(Vec<Checked>, Vec<Incarnation>),
    /// The block is invalid, for what transaction `.0` does.
    Differs(u32, Flaw),
    /// A list cannot say what the block does: before Cancun an account may lose its storage.
    Inexpressible,
}

/// What one worker came to: how each transaction ended, and when it ran.
type Share = (Vec<(u32, Ended)>, Vec<Incarnation>);

/// How the execution of one transaction ended.
enum Ended {
    Agrees(Checked),
    Differs(Flaw),
    Inexpressible,
    Failed(Failure),
}

impl<'v> Verification<'v, '_> {
    /// Executes all transactions. They are started by descending gas limit: any order is right, and the longest bounds the
    /// block.
    pub(crate) fn run(&self, pool: &Pool) -> Result<Verdict, ExecutionError> {
        for (hash, code) in &self.listed.codes {
            match decode(hash, code.clone()) {
                Ok(code) => self.base.produce(&[(*hash, code)]),
                Err(error) => return Ok(Verdict::Differs(0, error.to_string())),
            }
        }
        let count = u32::try_from(self.transactions.len()).expect("counted in 32 bits");
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_by_key(|index| std::cmp::Reverse(self.gas_limit(*index)));
        let authorities = Authorities::of(self.transactions);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done = Mutex::new(Vec::new());
        // Waking a worker costs more than a few transactions.
        let few = count < self.min_parallel_transactions;
        let workers = if few { 1 } else { pool.workers_for(self.transactions.len()) };
        let started = Instant::now();
        pool.on_each(workers, |worker| {
            let mut results = Vec::with_capacity(order.len() / workers + 1);
            let mut runs = Vec::new();
            let wanted = Wanted { facts: self.traced, loose: true, ..Wanted::NOTHING };
            let mut machine = Machine::new(self.base, self.environment, wanted);
            while !failed.load(Ordering::Relaxed)
                && let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let begin = self.timed.then(Instant::now);
                let ended = self.execute(&mut machine, *index, &authorities);
                if let Some(begin) = begin {
                    runs.push(incarnation(*index, worker, begin, started));
                }
                let agrees = matches!(ended, Ended::Agrees(_));
                results.push((*index, ended));
                if !agrees {
                    failed.store(true, Ordering::Relaxed);
                }
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).push((results, runs));
        });
        self.conclude(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn gas_limit(&self, index: u32) -> u64 {
        alloy_consensus::Transaction::gas_limit(self.transactions[index as usize].inner())
    }

    /// Puts the results in block order. Of several transactions that differ the first counts: what those above it did may
    /// only follow from it.
    fn conclude(&self, workers: Vec<Share>) -> Result<Verdict, ExecutionError> {
        let mut checked = Vec::with_capacity(self.transactions.len());
        let mut runs = Vec::new();
        let mut flaw: Option<(u32, Flaw)> = None;
        let mut failure = None;
        for (results, own) in workers {
            runs.extend(own);
            for (index, ended) in results {
                match ended {
                    Ended::Agrees(result) => checked.push(result),
                    Ended::Inexpressible => return Ok(Verdict::Inexpressible),
                    Ended::Failed(error) => failure = Some(error),
                    Ended::Differs(reason) => {
                        if flaw.as_ref().is_none_or(|(first, _)| index < *first) {
                            flaw = Some((index, reason));
                        }
                    }
                }
            }
        }
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        if let Some((index, reason)) = flaw {
            return Ok(Verdict::Differs(index, reason));
        }
        checked.sort_unstable_by_key(|result| result.index);
        runs.sort_by_key(|run| (run.start_us, run.index));
        Ok(Verdict::Agrees(checked, runs))
    }

    /// Executes one transaction and holds it against the list.
    fn execute(
        &self,
        machine: &mut Machine<'v, ListSource<'v>>,
        index: u32,
        authorities: &Authorities,
    ) -> Ended
    where
        Self: 'v,
    {
        let recovered = &self.transactions[index as usize];
        let transaction = transaction_environment(recovered, authorities.get(index));
        let source = ListSource {
            listed: self.listed,
            at: index + 1,
            changes: Vec::new(),
            reads: Vec::new(),
            traced: self.traced,
            flaw: None,
        };
        let (mut source, result) = machine.execute(source, transaction, index);
        if let Some(reason) = source.flaw.take() {
            return Ended::Differs(reason);
        }
        let effects = match result {
            Ok(Output::Executed(effects)) => effects,
            Ok(Output::Invalid { reason }) => return Ended::Differs(reason),
            Err(Stop::Fatal(failure)) => return Ended::Failed(failure),
            Err(Stop::Blocked(_)) => {
                let reason = "a read waits although all values are known".to_owned();
                return Ended::Failed(Failure::Machine { reason });
            }
        };
        for place in &effects.loose {
            if self.listed.access(place).is_none() {
                return Ended::Differs(not_listed(place));
            }
        }
        match self.compare(&source.changes, index + 1) {
            Ok(None) => {}
            Ok(Some(ended)) => return ended,
            Err(failure) => return Ended::Failed(failure),
        }
        let access = if self.traced {
            match source.trace(self.base, effects.gas_used) {
                Ok(access) => Some(access),
                Err(failure) => return Ended::Failed(failure),
            }
        } else {
            None
        };
        Ended::Agrees(Checked { index, effects, access })
    }

    /// Whether the changes at access index `at` are exactly those that are listed there.
    fn compare(&self, changes: &[Changed], at: u32) -> Result<Option<Ended>, Failure> {
        for changed in changes {
            let Changed { place, field, change, .. } = changed;
            if *field == LIFE && matches!(place, Place::Account(_)) {
                // Also of what was left empty before EIP-161: a list does not say that it vanishes.
                return Ok(Some(Ended::Inexpressible));
            }
            let Some(cell) = self.listed.access(place) else {
                return Ok(Some(Ended::Differs(not_listed(place))));
            };
            let after = match change {
                Change::Set(value) => *value,
                Change::Add(delta) => {
                    let before = cell.value(self.base, *field, at)?;
                    match delta.apply(&before) {
                        Some(after) => after,
                        None => return Ok(Some(Ended::Differs(out_of_range(place)))),
                    }
                }
            };
            if cell.at(*field, at) != Some(&after) {
                let location = place.location(*field);
                let listed = cell.at(*field, at);
                return Ok(Some(Ended::Differs(format!(
                    "{location:?} is {after:?} after access index {at}, listed is {listed:?}"
                ))));
            }
        }
        let count = changes.len();
        let listed = self.listed.writes_at(at as usize);
        if count != listed {
            return Ok(Some(Ended::Differs(format!(
                "{listed} changes are listed at access index {at}, execution makes {count}"
            ))));
        }
        Ok(None)
    }

    /// Holds a phase besides the transactions against the list.
    pub(crate) fn check_phase(
        &self,
        at: usize,
        accesses: &[(Address, Vec<U256>)],
        ledger: &Ledger<'_>,
    ) -> Result<Result<(), Flaw>, StateError> {
        for (address, slots) in accesses {
            let places = slots.iter().map(|slot| Place::Slot(*address, *slot));
            for place in std::iter::once(Place::Account(*address)).chain(places) {
                if self.listed.access(&place).is_none() {
                    return Ok(Err(not_listed(&place)));
                }
            }
        }
        let changes = ledger.changes()?;
        let mut count = 0;
        for (location, value) in &changes {
            let (place, field) = Place::of(location);
            if field == LIFE && matches!(place, Place::Account(_)) {
                continue;
            }
            count += 1;
            let index = u32::try_from(at).expect("access indices have 32 bits");
            let listed = self.listed.access(&place).and_then(|cell| cell.at(field, index));
            if listed != Some(value) {
                return Ok(Err(format!(
                    "{location:?} is {value:?} after access index {at}, listed is {listed:?}"
                )));
            }
        }
        let listed = self.listed.writes_at(at);
        if listed != count {
            return Ok(Err(format!(
                "{listed} changes are listed at access index {at}, the block makes {count}"
            )));
        }
        Ok(Ok(()))
    }

    /// Takes the executed transactions into the block, in order.
    pub(crate) fn admit(
        &self,
        checked: Vec<Checked>,
        admission: &mut Admission<'_>,
    ) -> Vec<TransactionAccess> {
        let mut record = Vec::with_capacity(if self.traced { checked.len() } else { 0 });
        for Checked { index, mut effects, access } in checked {
            let extent = crate::settle::Extent { accesses: 0, changes: 0 };
            if admission.admit(index, &mut effects, extent).is_err() {
                break;
            }
            record.extend(access);
        }
        record
    }
}

/// The listed values after all transactions, below what comes after them.
pub(crate) struct ListedValues<'l, 'b> {
    pub(crate) listed: &'l Listed,
    pub(crate) base: &'b Base<'b>,
    /// The access index of what comes after.
    pub(crate) at: u32,
}

impl Below for ListedValues<'_, '_> {
    fn written(&self, location: &Location) -> Option<Value> {
        let (place, field) = Place::of(location);
        let cell = self.listed.find(&place)?;
        cell.value(self.base, field, self.at).ok()
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

/// The list as one transaction reads it.
struct ListSource<'v> {
    listed: &'v Listed,
    /// Access index of the transaction.
    at: u32,
    changes: Vec<Changed>,
    /// Facts with the place that they are about, in the order of the machine.
    reads: Vec<(Place, Fact)>,
    traced: bool,
    /// Why the list is wrong.
    flaw: Option<Flaw>,
}

impl ListSource<'_> {
    /// Ends the execution: the list lacks what it has to read.
    fn lacks(&mut self, place: &Place) -> Stop<Failure> {
        let reason = not_listed(place);
        self.flaw = Some(reason.clone());
        Stop::Fatal(Failure::Machine { reason })
    }

    /// What the transaction read, from whom, and wrote.
    fn trace(&self, base: &Base<'_>, gas_used: u64) -> Result<TransactionAccess, Failure> {
        let mut reads: Vec<(Location, Option<U256>, Place, weft_stm::Field)> = self
            .reads
            .iter()
            .map(|(place, fact)| {
                let least = match fact.observation {
                    Observation::Exactly(_) => None,
                    Observation::AtLeast(least) => Some(least),
                };
                (place.location(fact.field), least, *place, fact.field)
            })
            .collect();
        reads.sort_unstable_by_key(|(location, least, ..)| (*location, *least));
        reads.dedup_by_key(|(location, ..)| *location);
        let mut access = TransactionAccess { gas_used, ..Default::default() };
        for (location, least, place, field) in reads {
            let Some(cell) = self.listed.find(&place) else { continue };
            // "At least so much" is a dependency only where the value before the block was less.
            if let Some(least) = least
                && cell.base(base)?.value(field).number() >= least
            {
                continue;
            }
            let from = match cell.last_below(field, self.at) {
                Some((at, _)) if *at > 0 => Writer::Transaction(TxIndex(at - 1)),
                _ => Writer::Base,
            };
            access.reads.push(ReadAccess { location, from });
        }
        access.writes = self
            .changes
            .iter()
            .map(|changed| WriteAccess {
                location: changed.place.location(changed.field),
                commutative: matches!(changed.change, Change::Add(_)),
            })
            .collect();
        access.writes.sort_unstable_by_key(|write| write.location);
        Ok(access)
    }
}

impl Source for ListSource<'_> {
    fn account(&mut self, base: &Base<'_>, address: Address) -> Result<Loaded, Stop<Failure>> {
        let place = Place::Account(address);
        let Some(cell) = self.listed.access(&place) else { return Err(self.lacks(&place)) };
        let fields = cell.fields(base, self.at).map_err(Stop::Fatal)?;
        match cell.base(base).map_err(Stop::Fatal)? {
            Cell::Account(before) => Ok(Loaded::plain(fields, before)),
            Cell::Slot(_) => Err(self.lacks(&place)),
        }
    }

    fn slot(
        &mut self,
        base: &Base<'_>,
        address: Address,
        slot: U256,
    ) -> Result<LoadedSlot, Stop<Failure>> {
        let place = Place::Slot(address, slot);
        let Some(cell) = self.listed.access(&place) else { return Err(self.lacks(&place)) };
        let value = cell.slot(base, self.at).map_err(Stop::Fatal)?;
        Ok(LoadedSlot { value, cell: None, seen: 0 })
    }

    fn settled(&self) -> bool {
        true
    }

    fn wants_facts(&self) -> bool {
        self.traced
    }

    fn depend(&mut self, place: &Place, fact: Fact) {
        self.reads.push((*place, fact));
    }

    fn change(&mut self, changed: Changed) -> Result<(), Stop<Failure>> {
        self.changes.push(changed);
        Ok(())
    }
}
