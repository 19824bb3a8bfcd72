//! The engine on one thread: what small blocks use, in the same memory as large ones.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{RunError, panic_message};
use crate::memory::Memory;
use crate::report::{Log, Outcome};
use crate::sequential::stopped;
use crate::settle::{Settle, Settled, Verdict};
use crate::sync::{Ahead, AtomicBool};
use crate::view::{Shared, View};
use crate::vm::{Execution, Vm};

/// Runs all transactions on empty memory, and adds what settles to `settled`.
pub(crate) fn run_in_order<V: Vm, S: Settle<V>>(
    vm: &V,
    memory: &Memory<V>,
    settle: &mut S,
    log: &mut Log,
    settled: &mut Vec<(u32, bool)>,
) -> Result<(), RunError<V::Fatal>> {
    let (ended, ahead) = (AtomicBool::new(false), RefCell::new(Ahead::default()));
    let mut worker = vm.worker();
    for index in 0..vm.transactions() {
        let begin = log.begin();
        log.at = index;
        let step = catch_unwind(AssertUnwindSafe(|| -> Result<Verdict, RunError<V::Fatal>> {
            let shared = Shared { memory, ended: &ended, ahead: &ahead, pace: None };
            let mut view = View::shared(vm, shared, (index, 0), true);
            let execution = vm.execute(&mut worker, &mut view);
            log.executed(index, 0, begin, Outcome::Discarded);
            let observations = view.into_observations();
            let Execution { writes, output } = execution.map_err(|stop| stopped(index, stop))?;
            expect_promises(vm, memory, index, &observations, &writes)?;
            let given = Settled { output, writes: &writes, observations, incarnation: 0 };
            let verdict = settle.settle(index, given);
            if verdict == Verdict::Include {
                memory.append(vm, (index, 0), &writes);
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
    Ok(())
}

/// With debug assertions, refuses a machine that breaks its promises: an observation that is not true of the value it
/// read, a delta that does not fit.
pub(crate) fn expect_promises<V: Vm>(
    vm: &V,
    memory: &Memory<V>,
    index: u32,
    observations: &[crate::view::Observed<V>],
    writes: &[crate::vm::Put<V>],
) -> Result<(), RunError<V::Fatal>> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let name = |cell, field| format!("{:?}", vm.location(memory.key(cell), field));
    for observed in observations {
        let unseen = crate::view::Observed { assumed: true, ..observed.clone() };
        if matches!(memory.check(vm, &unseen, index), crate::memory::Finding::Broken { .. }) {
            let location = name(observed.cell, observed.field);
            return Err(RunError::Inconsistent { index, location });
        }
    }
    match memory.misfit(vm, index, writes) {
        Some(put) => Err(RunError::OutOfRange { index, location: name(put.cell, put.field) }),
        None => Ok(()),
    }
}
