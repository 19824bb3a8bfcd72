//! The oracle: one transaction after the other on a plain map.
//!
//! It shares neither scheduling nor memory with the parallel run. What it returns is, by definition, right; the parallel
//! run is tested against it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::error::{RunError, panic_message};
use crate::memory::CellId;
use crate::report::{Fallback, Log, Outcome, Reason, Report, merge, micros};
use crate::settle::{Settle, Settled, Verdict};
use crate::sync::OwnedMap;
use crate::view::{Observed, View};
use crate::vm::{Execution, FIELDS_MAX, Field, Put, Stop, Vm, Write};

/// The values of a block that is executed in order.
pub struct Plain<V: Vm + ?Sized> {
    index: OwnedMap<V::Key, CellId>,
    cells: Vec<PlainCell<V>>,
}

struct PlainCell<V: Vm + ?Sized> {
    key: V::Key,
    base: V::Base,
    /// The fields that were written.
    values: [Option<V::Value>; FIELDS_MAX],
}

impl<V: Vm + ?Sized> Plain<V> {
    pub(crate) fn cell(&mut self, vm: &V, key: &V::Key) -> Result<CellId, V::Fatal> {
        if let Some(id) = self.index.get(key) {
            return Ok(*id);
        }
        let base = vm.base(key)?;
        let id = CellId(u32::try_from(self.cells.len()).expect("fewer than 2^32 cells"));
        self.cells.push(PlainCell { key: key.clone(), base, values: Default::default() });
        self.index.insert(key.clone(), id);
        Ok(id)
    }

    pub(crate) fn key(&self, id: CellId) -> &V::Key {
        &self.cells[id.number()].key
    }

    pub(crate) fn base(&self, id: CellId) -> &V::Base {
        &self.cells[id.number()].base
    }

    pub(crate) fn value(&self, vm: &V, id: CellId, field: Field) -> V::Value {
        let cell = &self.cells[id.number()];
        let written = cell.values[usize::from(field)].clone();
        written.unwrap_or_else(|| vm.field(&cell.base, field))
    }

    /// The fields that were written, with their values.
    pub(crate) fn written(&self, id: CellId) -> impl Iterator<Item = (Field, V::Value)> {
        let values = self.cells[id.number()].values.iter().enumerate();
        values.filter_map(|(field, value)| Some((field as Field, value.clone()?)))
    }

    fn location(&self, vm: &V, id: CellId, field: Field) -> String {
        format!("{:?}", vm.location(self.key(id), field))
    }

    /// The value of each write once it is applied.
    fn fold(
        &self,
        vm: &V,
        index: u32,
        writes: &[Put<V>],
    ) -> Result<Vec<V::Value>, RunError<V::Fatal>> {
        let apply = |put: &Put<V>| match &put.write {
            Write::Set(value) => Ok(value.clone()),
            Write::Add(delta) => {
                vm.apply(&self.value(vm, put.cell, put.field), delta).ok_or_else(|| {
                    let location = self.location(vm, put.cell, put.field);
                    RunError::OutOfRange { index, location }
                })
            }
        };
        writes.iter().map(apply).collect()
    }

    /// With debug assertions, refuses a machine that observed what is not true of the values it read. Without them the
    /// oracle stays the plain loop that it is.
    fn expect_consistent(
        &self,
        vm: &V,
        index: u32,
        observations: &[Observed<V>],
    ) -> Result<(), RunError<V::Fatal>> {
        if !cfg!(debug_assertions) {
            return Ok(());
        }
        for observed in observations {
            let value = self.value(vm, observed.cell, observed.field);
            if !vm.holds(&observed.observation, &value) {
                let location = self.location(vm, observed.cell, observed.field);
                return Err(RunError::Inconsistent { index, location });
            }
        }
        Ok(())
    }
}

/// Runs the block one transaction after the other on the calling thread.
///
/// # Errors
/// As [`run`](crate::run), on the same blocks.
pub fn run_sequential<V: Vm, S: Settle<V>>(
    vm: &V,
    settle: &mut S,
) -> Result<Report<V::Location>, RunError<V::Fatal>> {
    let started = Instant::now();
    let mut log = Log::new(started, 0, true);
    let mut settled = Vec::with_capacity(vm.transactions() as usize);
    let values = RefCell::new(Plain { index: OwnedMap::default(), cells: Vec::new() });
    let mut worker = vm.worker();
    for index in 0..vm.transactions() {
        let begin = Instant::now();
        let step = catch_unwind(AssertUnwindSafe(|| -> Result<Verdict, RunError<V::Fatal>> {
            let mut view = View::plain(vm, &values, index);
            let execution = vm.execute(&mut worker, &mut view);
            let observations = view.into_observations();
            log.executed(index, 0, Some(begin), Outcome::Discarded);
            let Execution { writes, output } = execution.map_err(|stop| stopped(index, stop))?;
            let mut values = values.borrow_mut();
            values.expect_consistent(vm, index, &observations)?;
            let changed = values.fold(vm, index, &writes)?;
            let given = Settled { output, writes: &writes, observations, incarnation: 0 };
            let verdict = settle.settle(index, given);
            if verdict == Verdict::Include {
                for (put, value) in writes.iter().zip(changed) {
                    let cell = &mut values.cells[put.cell.number()];
                    cell.values[usize::from(put.field)] = Some(value);
                }
            }
            Ok(verdict)
        }));
        let verdict =
            step.map_err(|panic| RunError::Panicked { index, message: panic_message(&*panic) })??;
        settled.push((0, verdict == Verdict::Skip));
        if verdict == Verdict::Stop {
            break;
        }
    }
    let merged = merge(vec![log], &settled, |_, _| unreachable!("nothing is aborted in order"));
    Ok(Report {
        transactions: vm.transactions(),
        settled: u32::try_from(settled.len()).expect("at most `transactions`"),
        workers: 1,
        wall_us: micros(started.elapsed()),
        sequential: Some(Fallback { from: 0, start_us: 0, reason: Reason::Asked }),
        ..merged
    })
}

/// The error for an execution that gave no result although all below it is settled.
pub(crate) fn stopped<F: std::error::Error>(index: u32, stop: Stop<F>) -> RunError<F> {
    match stop {
        Stop::Fatal(source) => RunError::Fatal { index, source },
        Stop::Blocked(blocked) => RunError::NeverBlocked { index, on: blocked.on() },
    }
}
