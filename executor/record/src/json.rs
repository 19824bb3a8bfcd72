//! A block's record as JSON: what the RPC answers, what the page draws, and what a file of it holds.

mod analysis;
mod columns;
mod file;
mod transaction;

pub use analysis::{advice, advice_of, conflicts, critical_path};
pub use columns::{columns, run_columns, transactions};
pub use file::{FORMAT, TRANSACTIONS_MAX, file};
pub use transaction::transaction;

use crate::advice::Speedup;
use crate::block::Block;
use crate::names::{Namer, Registry};
use alloy_primitives::B256;
use serde_json::{Map, Value, json};
use weft_types::{Location, RunProfile, TxIndex};

/// Worker counts for which a record says how fast the block could have been.
pub const WORKERS: [u32; 4] = [2, 4, 8, 16];

/// A block, and how one node ran it.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// Number of the block.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, in seconds since 1970.
    pub timestamp: u64,
    /// What all nodes agree on.
    pub block: Block<'a>,
    /// What this node observed.
    pub profile: Option<&'a RunProfile>,
}

/// A location with its name.
#[must_use]
pub fn located(location: &Location, namer: &mut Namer<'_>, samples: &[TxIndex]) -> Value {
    let name = namer.location(location, samples);
    let mut value = json!(location);
    value["name"] = json!(name.text);
    value["guessed"] = json!(name.guessed);
    value
}

/// A speed-up as a number.
#[must_use]
pub fn speedup(speedup: &Speedup) -> f64 {
    if speedup.path_gas == 0 {
        return 1.0;
    }
    speedup.work_gas as f64 / speedup.path_gas as f64
}

/// The sums of the half that is equal on every node.
#[must_use]
pub fn summary(recorded: &Recorded<'_>) -> Value {
    let record = recorded.block.access;
    let (critical_path_gas, critical_path) = record.critical_path();
    let mut best = Map::new();
    for workers in WORKERS {
        best.insert(workers.to_string(), json!(record.best_speedup(Some(workers))));
    }
    best.insert("unlimited".to_owned(), json!(record.best_speedup(None)));
    json!({
        "workGas": record.work_gas(),
        "criticalPathGas": critical_path_gas,
        "criticalPath": critical_path,
        "dependentTransactions": record.dependent_transactions(),
        "bestSpeedup": best,
    })
}

/// The sums of a run on this node.
#[must_use]
pub fn run_summary(profile: &RunProfile) -> Value {
    let mut half = json!(RunProfile { incarnations: Vec::new(), ..profile.clone() });
    half["speedup"] =
        json!(profile.speedup().map(|value| json!({ "value": value, "estimated": true })));
    half["reexecutions"] = json!(profile.reexecutions());
    half
}

/// The record as columns, with both halves: what the page draws.
#[must_use]
pub fn page(recorded: &Recorded<'_>, registry: &Registry) -> Value {
    let mut deterministic = summary(recorded);
    deterministic["columns"] = columns(recorded, registry);
    let local = recorded.profile.map_or(Value::Null, |profile| {
        let mut half = run_summary(profile);
        let mut namer = Namer::new(registry, recorded.block);
        half["columns"] = run_columns(profile, &mut namer);
        half
    });
    json!({
        "number": recorded.number,
        "hash": recorded.hash,
        "timestamp": recorded.timestamp,
        "deterministic": deterministic,
        "local": local,
    })
}
