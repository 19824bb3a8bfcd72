//! The local profile of one run.
//!
//! All of it depends on the schedule and on the clock of this machine: it is for people and dashboards, and never enters
//! anything that nodes agree on.

use std::collections::HashMap;
use std::time::Instant;

use crate::memory::CellId;
use crate::vm::Field;

/// What happened in one run.
#[derive(Clone, Debug)]
pub struct Report<L> {
    /// Transactions in the block.
    pub transactions: u32,
    /// Transactions that were handed to the settler. Fewer than `transactions` only when it said stop.
    pub settled: u32,
    /// Workers that took part.
    pub workers: u32,
    /// Duration of the run in microseconds.
    pub wall_us: u64,
    /// Executions, discarded ones included.
    pub executions: u64,
    /// Executions beyond the first of each transaction.
    pub re_executions: u64,
    /// Executions that were discarded because something they had observed changed.
    pub aborts: u64,
    /// Every execution, sorted by transaction index and incarnation; empty unless the options ask for it.
    pub incarnations: Vec<Incarnation<L>>,
    /// Read sets checked again: once each before settling, and whenever a lower write might have changed them.
    pub validations: u64,
    /// Set when the block ran on one thread.
    pub sequential: Option<Fallback>,
}

/// One execution of one transaction.
#[derive(Clone, Debug)]
pub struct Incarnation<L> {
    /// Index of the transaction.
    pub index: u32,
    /// Executions of it before this one.
    pub incarnation: u32,
    /// The worker that executed it; 0 is the thread that called `run`.
    pub worker: u32,
    /// When it started, in microseconds since the run did.
    pub start_us: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What became of it.
    pub outcome: Outcome<L>,
}

/// What became of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<L> {
    /// It is the final one, and the settler included it (or stopped at it).
    Settled,
    /// It is the final one, and the settler skipped it.
    Skipped,
    /// An observation of `location` did not hold any more.
    Aborted {
        /// Where.
        location: L,
        /// The transaction that wrote there; `None` when the value is that from before the block.
        writer: Option<u32>,
    },
    /// A read had to wait for a lower transaction.
    Blocked {
        /// Index of that transaction.
        on: u32,
    },
    /// The machine panicked.
    Panicked,
    /// The machine or its snapshot failed.
    Failed,
    /// The run ended before this execution could settle.
    Discarded,
}

/// The part of a block that ran sequentially: all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// First transaction that did.
    pub from: u32,
    /// When, in microseconds since the run started.
    pub start_us: u64,
    /// Why.
    pub reason: Reason,
}

/// Why transactions ran sequentially.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The caller asked for the sequential run.
    Asked,
    /// There is only one worker.
    OneWorker,
    /// The block is too small to gain from more workers.
    FewTransactions,
}

/// What one worker noted down.
pub(crate) struct Log {
    started: Instant,
    worker: u32,
    /// Whether each execution is noted, with its times.
    detailed: bool,
    /// The transaction that the worker is busy with, to name it if the worker panics.
    pub(crate) at: u32,
    executions: u64,
    re_executions: u64,
    aborted: u64,
    runs: Vec<Incarnation<()>>,
    aborts: Vec<Abort>,
    pub(crate) validations: u64,
}

/// One abort: of which incarnation, and why.
pub(crate) struct Abort {
    pub(crate) index: u32,
    pub(crate) incarnation: u32,
    pub(crate) cell: CellId,
    pub(crate) field: Field,
    pub(crate) writer: Option<u32>,
}

impl Log {
    /// An empty log of `worker` in a run that began at `started`.
    pub(crate) fn new(started: Instant, worker: u32, detailed: bool) -> Self {
        Self {
            started,
            worker,
            detailed,
            at: 0,
            executions: 0,
            re_executions: 0,
            aborted: 0,
            runs: Vec::new(),
            aborts: Vec::new(),
            validations: 0,
        }
    }

    /// The time now, if executions are noted.
    pub(crate) fn begin(&self) -> Option<Instant> {
        self.detailed.then(Instant::now)
    }

    /// Notes an execution that began at `begin` and ends now.
    pub(crate) fn executed(
        &mut self,
        index: u32,
        incarnation: u32,
        begin: Option<Instant>,
        outcome: Outcome<()>,
    ) {
        self.executions += 1;
        self.re_executions += u64::from(incarnation > 0);
        if let Some(begin) = begin {
            self.runs.push(Incarnation {
                index,
                incarnation,
                worker: self.worker,
                start_us: micros(begin - self.started),
                duration_us: micros(begin.elapsed()),
                outcome,
            });
        }
    }

    /// Notes an abort.
    pub(crate) fn aborted(&mut self, abort: Abort) {
        self.aborted += 1;
        if self.detailed {
            self.aborts.push(abort);
        }
    }
}

/// Whole microseconds of `duration`.
pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A report of all logs, each execution with what finally became of it. `settled[i]` is the incarnation of transaction `i`
/// that settled, and whether it was skipped; `location` names locations. What the logs do not know is left at 0.
pub(crate) fn merge<L>(
    logs: Vec<Log>,
    settled: &[(u32, bool)],
    location: impl Fn(CellId, Field) -> L,
) -> Report<L> {
    let mut report = Report {
        transactions: 0,
        settled: 0,
        workers: 0,
        wall_us: 0,
        executions: logs.iter().map(|log| log.executions).sum(),
        re_executions: logs.iter().map(|log| log.re_executions).sum(),
        aborts: logs.iter().map(|log| log.aborted).sum(),
        incarnations: Vec::with_capacity(logs.iter().map(|log| log.runs.len()).sum()),
        validations: logs.iter().map(|log| log.validations).sum(),
        sequential: None,
    };
    let mut runs = Vec::with_capacity(report.incarnations.capacity());
    let mut aborts = HashMap::new();
    for log in logs {
        runs.extend(log.runs);
        aborts
            .extend(log.aborts.into_iter().map(|abort| ((abort.index, abort.incarnation), abort)));
    }
    runs.sort_by_key(|run| (run.index, run.incarnation));
    for run in runs {
        let last = settled
            .get(run.index as usize)
            .filter(|(incarnation, _)| *incarnation == run.incarnation);
        let outcome = match run.outcome {
            Outcome::Blocked { on } => Outcome::Blocked { on },
            Outcome::Panicked => Outcome::Panicked,
            Outcome::Failed => Outcome::Failed,
            _ => match (last, aborts.remove(&(run.index, run.incarnation))) {
                (Some((_, false)), _) => Outcome::Settled,
                (Some((_, true)), _) => Outcome::Skipped,
                (None, Some(abort)) => Outcome::Aborted {
                    location: location(abort.cell, abort.field),
                    writer: abort.writer,
                },
                (None, None) => Outcome::Discarded,
            },
        };
        report.incarnations.push(Incarnation {
            index: run.index,
            incarnation: run.incarnation,
            worker: run.worker,
            start_us: run.start_us,
            duration_us: run.duration_us,
            outcome,
        });
    }
    report
}
