//! The local profile of one run.
//!
//! All of it depends on the schedule and on the clock of this machine: it is for people and dashboards, and never enters
//! anything that nodes agree on.

use std::collections::HashMap;
use std::time::Instant;

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
    /// Every execution, sorted by transaction index and incarnation.
    pub incarnations: Vec<Incarnation<L>>,
    /// Read sets checked again: once each before settling, and whenever a lower write might have changed them.
    pub validations: u64,
    /// Set when part of the block, or all of it, ran sequentially.
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
    /// The run ended, or went on sequentially, before this execution could settle.
    Discarded,
}

/// The part of a block that ran sequentially.
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
    /// A transaction used up the incarnations it is allowed.
    Incarnations {
        /// Index of the transaction.
        index: u32,
    },
    /// Too many transactions had to be executed again: the block is mostly a chain.
    Conflicts {
        /// Index of the last transaction that settled before the decision.
        index: u32,
    },
}

impl<L> Report<L> {
    /// Executions beyond the first of each transaction.
    #[must_use]
    pub fn re_executions(&self) -> u64 {
        self.incarnations.iter().filter(|run| run.incarnation > 0).count() as u64
    }

    /// Executions that were discarded because something they had observed changed.
    #[must_use]
    pub fn aborts(&self) -> u64 {
        self.incarnations
            .iter()
            .filter(|run| matches!(run.outcome, Outcome::Aborted { .. }))
            .count() as u64
    }
}

/// What one worker noted down.
pub(crate) struct Log<L> {
    started: Instant,
    worker: u32,
    /// The transaction that the worker is busy with, to name it if the worker panics.
    pub(crate) at: u32,
    pub(crate) runs: Vec<Incarnation<L>>,
    pub(crate) aborts: Vec<Abort<L>>,
    pub(crate) validations: u64,
}

/// One abort: of which incarnation, and why.
pub(crate) struct Abort<L> {
    pub(crate) index: u32,
    pub(crate) incarnation: u32,
    pub(crate) location: L,
    pub(crate) writer: Option<u32>,
}

impl<L> Log<L> {
    /// An empty log of `worker` in a run that began at `started`.
    pub(crate) fn new(started: Instant, worker: u32) -> Self {
        Self { started, worker, at: 0, runs: Vec::new(), aborts: Vec::new(), validations: 0 }
    }

    /// Notes an execution that began at `begin` and ends now.
    pub(crate) fn executed(
        &mut self,
        index: u32,
        incarnation: u32,
        begin: Instant,
        outcome: Outcome<L>,
    ) {
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

/// Whole microseconds of `duration`.
pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// All incarnations of all logs, each with what finally became of it. `settled[i]` is the incarnation of transaction `i`
/// that settled, and whether it was skipped.
pub(crate) fn merge<L>(logs: Vec<Log<L>>, settled: &[(u32, bool)]) -> (Vec<Incarnation<L>>, u64) {
    let mut runs = Vec::with_capacity(logs.iter().map(|log| log.runs.len()).sum());
    let mut aborts = HashMap::new();
    let mut validations = 0;
    for log in logs {
        validations += log.validations;
        runs.extend(log.runs);
        aborts.extend(
            log.aborts
                .into_iter()
                .map(|abort| ((abort.index, abort.incarnation), (abort.location, abort.writer))),
        );
    }
    runs.sort_by_key(|run| (run.index, run.incarnation));
    for run in runs.iter_mut().filter(|run| matches!(run.outcome, Outcome::Discarded)) {
        let last = settled
            .get(run.index as usize)
            .filter(|(incarnation, _)| *incarnation == run.incarnation);
        run.outcome = match (last, aborts.is_empty()) {
            (Some((_, false)), _) => Outcome::Settled,
            (Some((_, true)), _) => Outcome::Skipped,
            (None, true) => Outcome::Discarded,
            (None, false) => match aborts.remove(&(run.index, run.incarnation)) {
                Some((location, writer)) => Outcome::Aborted { location, writer },
                None => Outcome::Discarded,
            },
        };
    }
    (runs, validations)
}
