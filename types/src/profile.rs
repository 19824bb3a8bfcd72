//! What one node observed while it ran a block: never hashed, compared or gossiped.

use crate::{Location, TxIndex};
use serde::{Deserialize, Serialize};

/// How a block was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunMode {
    /// One transaction after the other.
    Sequential,
    /// Optimistic parallel execution (Block-STM).
    BlockStm,
    /// Against the block access list, without speculation.
    AccessList,
}

/// Local observation of one execution of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunProfile {
    /// How the block was executed.
    pub mode: RunMode,
    /// Worker threads used.
    pub workers: u32,
    /// Whole execution including settling, in microseconds.
    pub wall_us: u64,
    /// Time spent in the commitment's root, in microseconds.
    pub root_us: u64,
    /// Executions that were discarded or blocked.
    pub discarded: u64,
    /// Every incarnation that ran, in start order; empty when they were not noted.
    pub incarnations: Vec<Incarnation>,
    /// Number of validations of a read set.
    pub validations: u64,
    /// First transaction of the suffix that ran sequentially, if there was one.
    pub fallback_at: Option<TxIndex>,
}

/// One execution of one transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incarnation {
    /// The transaction.
    pub index: TxIndex,
    /// n-th execution of it, from 0.
    pub incarnation: u32,
    /// Worker that ran it, from 0.
    pub worker: u32,
    /// Start, in microseconds since the block's execution began.
    pub start_us: u64,
    /// Duration in microseconds.
    pub duration_us: u64,
    /// How it ended.
    pub outcome: IncarnationOutcome,
}

/// How an incarnation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum IncarnationOutcome {
    /// It is the result of the transaction.
    Settled,
    /// Discarded: what it had read at `location` was changed by `by` (when known).
    Aborted {
        /// Where the observation no longer held.
        location: Option<Location>,
        /// Transaction that changed it.
        by: Option<TxIndex>,
    },
    /// Stopped at a write that `on` is expected to make again.
    Blocked {
        /// The writer it waits for.
        on: TxIndex,
    },
    /// The worker panicked in it; the transaction ran again.
    Panicked,
}

impl RunProfile {
    /// An empty profile, for a block without transactions.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            mode: RunMode::Sequential,
            workers: 1,
            wall_us: 0,
            root_us: 0,
            discarded: 0,
            incarnations: Vec::new(),
            validations: 0,
            fallback_at: None,
        }
    }

    /// Executions beyond the one of each transaction that settled.
    #[must_use]
    pub const fn reexecutions(&self) -> u64 {
        self.discarded
    }

    /// Time in settled incarnations over wall time: what parallel execution gained, estimated. `None` where executions were
    /// not noted one by one.
    #[must_use]
    pub fn speedup(&self) -> Option<f64> {
        if self.incarnations.is_empty() {
            return None;
        }
        if self.wall_us == 0 {
            return Some(1.0);
        }
        let useful: u64 = self
            .incarnations
            .iter()
            .filter(|i| i.outcome == IncarnationOutcome::Settled)
            .map(|i| i.duration_us)
            .sum();
        Some(useful as f64 / self.wall_us as f64)
    }
}
