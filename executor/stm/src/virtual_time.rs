//! The engine under a schedule of one's own: any interleaving again from a seed, and the time that a block takes on any
//! number of workers, computed.
//!
//! Both run the engine itself, on threads of its own of which one runs at a time. It comes to a standstill before every step
//! at which another worker could get in between (a claim, a read, the end of an execution, a validation, a settlement), and
//! the schedule says who goes on.
//!
//! - [`run_interleaved`] draws the next one from a seed. Block, seed and number of workers give the same interleaving again.
//! - [`makespan`] gives each worker a clock, lets an execution take what the caller says it costs, and always lets the worker
//!   with the earliest clock go on. That is the schedule of a machine with that many cores, on which everything but executing
//!   is free.
//!
//! # What a makespan counts
//!
//! Every execution, those that are discarded in the end at full cost. An execution reads at its beginning and writes at its
//! end: the recorded cost of a transaction does not say where in it a read was, and a read at the beginning is the one that
//! most easily goes stale. Claims, validation and settlement cost nothing; nor do locks. A worker without work waits for the
//! next moment at which another one finishes something.
//!
//! ```
//! use weft_stm::Options;
//! use weft_stm::toy::{Ledger, Op, Toy};
//! use weft_stm::virtual_time::makespan;
//!
//! // Eight programs that have nothing to do with each other, of 10 each.
//! let block = Toy::new((0..8).map(|i| vec![Op::Read(100 + i), Op::Set(200 + i)]).collect());
//! let options = Options { workers: 4, ..Options::default() };
//! let made = makespan(&block, &mut Ledger::new(&block), &options, &|_| 10)?;
//! assert_eq!((made.total, made.busy), (20, 80));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::engine::{Options, Run, run_on_threads};
use crate::error::RunError;
use crate::report::Report;
use crate::settle::Settle;
use crate::vm::Vm;

mod baton;
mod clock;
mod interleaved;

use baton::Baton;
use clock::Clock;
use interleaved::Seeded;

pub use clock::Costs;
pub use interleaved::Decisions;

/// Most workers of a virtual run: each is a thread.
pub const WORKERS_MAX: usize = 1024;

/// What a run under a drawn schedule came to.
#[derive(Debug)]
pub struct Interleaved<'v, V: Vm> {
    /// What [`run`](crate::run) would have returned.
    pub result: Result<Run<'v, V>, RunError<V::Fatal>>,
    /// What the schedule was.
    pub decisions: Decisions,
}

/// The time that a block takes.
#[derive(Clone, Debug)]
pub struct Makespan<L> {
    /// From the first step to the last, in the unit of the [`Costs`].
    pub total: u64,
    /// Time that all workers together spent executing.
    pub busy: u64,
    /// What happened; its times are those of this machine, and mean nothing.
    pub report: Report<L>,
}

/// Runs a block on `options.workers` workers, at most [`WORKERS_MAX`], in an order drawn from `seed`.
///
/// `min_parallel_transactions` is not heeded, so that small blocks can be tried; with one worker the block runs in order.
pub fn run_interleaved<'v, V: Vm, S: Settle<V> + Send>(
    vm: &'v V,
    settle: &mut S,
    options: &Options,
    seed: u64,
) -> Interleaved<'v, V> {
    let workers = options.workers.clamp(1, WORKERS_MAX);
    let baton = Baton::new(workers, Seeded::new(seed, workers));
    let result = run_on_threads(vm, settle, &Options { workers, ..*options }, Some(&baton));
    Interleaved { result, decisions: baton.into_order().decisions() }
}

/// The time that a block takes on `options.workers` workers, at most [`WORKERS_MAX`], when executions cost what `costs` says.
/// A block with fewer than `min_parallel_transactions` transactions runs in order.
///
/// # Errors
/// As [`run`](crate::run).
pub fn makespan<V: Vm, S: Settle<V> + Send>(
    vm: &V,
    settle: &mut S,
    options: &Options,
    costs: &(impl Costs + ?Sized),
) -> Result<Makespan<V::Location>, RunError<V::Fatal>> {
    let few = vm.transactions() < options.min_parallel_transactions;
    let workers = if few { 1 } else { options.workers.clamp(1, WORKERS_MAX) };
    let baton = Baton::new(workers, Clock::new(workers, costs));
    let (report, _) = run_on_threads(vm, settle, &Options { workers, ..*options }, Some(&baton))?;
    let (total, busy) = match report.sequential {
        Some(_) => {
            let sum = (0..report.settled).map(|index| costs.execution(index)).sum();
            (sum, sum)
        }
        None => baton.into_order().total(),
    };
    Ok(Makespan { total, busy, report })
}

#[cfg(test)]
mod tests;
