//! The oracle: one transaction after the other on a plain map.
//!
//! It shares no scheduling code with the parallel run. What it returns is, by definition, right; the parallel run is
//! tested against it, falls back to it, and small blocks use nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::error::{RunError, panic_message};
use crate::report::{Fallback, Log, Outcome, Reason, Report, merge, micros};
use crate::settle::{Settle, Settled, Verdict};
use crate::sync::OwnedMap;
use crate::view::{Observed, View};
use crate::vm::{Execution, Stop, Vm, Write};

/// The writes of the settled transactions, location by location.
pub(crate) type Values<V> = OwnedMap<<V as Vm>::Location, <V as Vm>::Value>;

/// Runs the block one transaction after the other on the calling thread.
///
/// # Errors
/// As [`run`](crate::run), on the same blocks.
pub fn run_sequential<V: Vm, S: Settle<V>>(
    vm: &V,
    settle: &mut S,
) -> Result<Report<V::Location>, RunError<V::Fatal>> {
    run_for(vm, settle, Reason::Asked)
}

/// A sequential run of the whole block, for `reason`.
pub(crate) fn run_for<V: Vm, S: Settle<V>>(
    vm: &V,
    settle: &mut S,
    reason: Reason,
) -> Result<Report<V::Location>, RunError<V::Fatal>> {
    let started = Instant::now();
    let mut log = Log::new(started, 0);
    let mut settled = Vec::with_capacity(vm.transactions() as usize);
    let mut values = Values::<V>::default();
    values.reserve(4 * vm.transactions() as usize);
    continue_from(vm, settle, 0, values, &|_| 0, &mut log, &mut settled)?;
    let (incarnations, validations) = merge(vec![log], &settled);
    Ok(Report {
        transactions: vm.transactions(),
        settled: u32::try_from(settled.len()).expect("at most `transactions`"),
        workers: 1,
        wall_us: micros(started.elapsed()),
        incarnations,
        validations,
        sequential: Some(Fallback { from: 0, start_us: 0, reason }),
    })
}

/// Runs the transactions from `from` on, on `values`, and adds what settles to `settled`. `incarnation` numbers the
/// execution of a transaction that may have been executed before.
pub(crate) fn continue_from<V: Vm, S: Settle<V>>(
    vm: &V,
    settle: &mut S,
    from: u32,
    mut values: Values<V>,
    incarnation: &dyn Fn(u32) -> u32,
    log: &mut Log<V::Location>,
    settled: &mut Vec<(u32, bool)>,
) -> Result<(), RunError<V::Fatal>> {
    let mut worker = vm.worker();
    for index in from..vm.transactions() {
        let incarnation = incarnation(index);
        let begin = Instant::now();
        let step = catch_unwind(AssertUnwindSafe(|| -> Result<Verdict, RunError<V::Fatal>> {
            let mut view = View::sequential(vm, &values, index, incarnation);
            let execution = vm.execute(&mut worker, index, &mut view);
            let observations = view.into_observations();
            log.executed(index, incarnation, begin, Outcome::Discarded);
            let Execution { writes, output } = execution.map_err(|stop| stopped(index, stop))?;
            expect_consistent(vm, &values, index, &observations)?;
            let changed = fold(vm, &values, index, &writes)?;
            let verdict = settle.settle(
                index,
                Settled { output, writes: &writes, observations: &observations, incarnation },
            );
            if verdict == Verdict::Include {
                values.extend(writes.into_iter().map(|(location, _)| location).zip(changed));
            }
            Ok(verdict)
        }));
        let verdict =
            step.map_err(|panic| RunError::Panicked { index, message: panic_message(&*panic) })??;
        settled.push((incarnation, verdict == Verdict::Skip));
        if verdict == Verdict::Stop {
            break;
        }
    }
    Ok(())
}

/// The error for an execution that gave no result.
fn stopped<F: std::error::Error>(index: u32, stop: Stop<F>) -> RunError<F> {
    match stop {
        Stop::Fatal(source) => RunError::Fatal { index, source },
        Stop::Blocked(blocked) => RunError::NeverBlocked { index, on: blocked.on() },
    }
}

/// The value of each write once it is applied.
fn fold<V: Vm>(
    vm: &V,
    values: &Values<V>,
    index: u32,
    writes: &[(V::Location, Write<V>)],
) -> Result<Vec<V::Value>, RunError<V::Fatal>> {
    let apply = |(location, write): &(V::Location, Write<V>)| match write {
        Write::Set(value) => Ok(value.clone()),
        Write::Add(delta) => match values.get(location) {
            Some(value) => vm.apply(value, delta),
            None => vm.apply(
                &vm.base(location).map_err(|source| RunError::Fatal { index, source })?,
                delta,
            ),
        }
        .ok_or_else(|| RunError::OutOfRange { index, location: format!("{location:?}") }),
    };
    writes.iter().map(apply).collect()
}

/// With debug assertions, refuses a machine that observed what is not true of the values it read. Without them the
/// oracle stays the plain loop that it is.
fn expect_consistent<V: Vm>(
    vm: &V,
    values: &Values<V>,
    index: u32,
    observations: &[Observed<V>],
) -> Result<(), RunError<V::Fatal>> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    for Observed { location, observation, .. } in observations {
        let holds = match values.get(location) {
            Some(value) => vm.holds(observation, value),
            None => vm.holds(
                observation,
                &vm.base(location).map_err(|source| RunError::Fatal { index, source })?,
            ),
        };
        if !holds {
            return Err(RunError::Inconsistent { index, location: format!("{location:?}") });
        }
    }
    Ok(())
}
