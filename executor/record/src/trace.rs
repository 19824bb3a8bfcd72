//! The run of a block on this node, as a trace that Perfetto, `chrome://tracing` and speedscope open.
//!
//! **Source**: Trace Event Format, JSON object form: `X` complete events, `M` metadata, `s`/`f` flow arrows.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use weft_types::{IncarnationOutcome, Location, RunProfile, TxIndex};

/// One execution of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
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
    pub end: End,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is the result of the transaction.
    Settled,
    /// What it had read was changed, by this transaction and at the place of this name where they are known.
    Aborted {
        /// Transaction that changed it.
        by: Option<TxIndex>,
        /// Name of the place.
        at: Option<String>,
    },
    /// It stopped to wait for a write of this transaction.
    Blocked {
        /// The transaction.
        on: TxIndex,
    },
    /// The worker panicked in it.
    Panicked,
}

/// What a transaction is called in the trace, and what is shown beside it.
#[derive(Clone, Debug)]
pub struct Label {
    /// The name of its slices.
    pub name: String,
    /// Fields that a viewer shows when a slice is selected.
    pub details: Value,
}

/// The executions of a run. `place` names a location at which the transaction was aborted.
pub fn slices(
    profile: &RunProfile,
    mut place: impl FnMut(&Location, TxIndex) -> String,
) -> Vec<Slice> {
    let of = |run: &weft_types::Incarnation| Slice {
        index: run.index,
        incarnation: run.incarnation,
        worker: run.worker,
        start_us: run.start_us,
        duration_us: run.duration_us,
        end: match run.outcome {
            IncarnationOutcome::Settled => End::Settled,
            IncarnationOutcome::Aborted { location, by } => {
                End::Aborted { by, at: location.map(|location| place(&location, run.index)) }
            }
            IncarnationOutcome::Blocked { on } => End::Blocked { on },
            IncarnationOutcome::Panicked => End::Panicked,
        },
    };
    profile.incarnations.iter().map(of).collect()
}

/// The trace of the slices, which are in the order of their starts. `label` names a transaction.
pub fn chrome(
    number: u64,
    workers: u32,
    slices: &[Slice],
    mut label: impl FnMut(TxIndex) -> Label,
) -> Value {
    let mut events = vec![json!({
        "ph": "M", "pid": 1, "tid": 0, "name": "process_name",
        "args": { "name": format!("weft block {number}") },
    })];
    for worker in 0..workers {
        events.push(json!({
            "ph": "M", "pid": 1, "tid": worker, "name": "thread_name",
            "args": { "name": format!("worker {worker}") },
        }));
    }
    for run in slices {
        let Label { name, details } = label(run.index);
        let mut args = json!({
            "tx": run.index, "incarnation": run.incarnation, "details": details,
        });
        let mut event = json!({
            "ph": "X", "pid": 1, "tid": run.worker, "ts": run.start_us,
            // Viewers hide slices without a length.
            "dur": run.duration_us.max(1), "cat": category(&run.end),
        });
        event["name"] = json!(format!("{} {name}", run.index.0));
        match &run.end {
            End::Settled => {}
            End::Aborted { by, at } => {
                event["cname"] = json!("terrible");
                args["abortedBy"] = json!(by);
                args["at"] = json!(at);
            }
            End::Blocked { on } => {
                event["cname"] = json!("grey");
                args["waitsFor"] = json!(on);
            }
            End::Panicked => event["cname"] = json!("black"),
        }
        event["args"] = args;
        events.push(event);
    }
    flows(slices, &mut events);
    json!({ "displayTimeUnit": "ns", "traceEvents": events })
}

/// An arrow from the transaction that caused each abort.
fn flows(slices: &[Slice], events: &mut Vec<Value>) {
    // The runs are in the order of their starts, so the last one before is the cause.
    let mut runs: BTreeMap<TxIndex, Vec<&Slice>> = BTreeMap::new();
    for run in slices {
        runs.entry(run.index).or_default().push(run);
    }
    for (id, run) in slices.iter().enumerate() {
        let End::Aborted { by: Some(writer), .. } = run.end else { continue };
        let end = run.start_us.saturating_add(run.duration_us);
        let cause =
            runs.get(&writer).and_then(|all| all.iter().rfind(|other| other.start_us <= end));
        let Some(cause) = cause else { continue };
        let arrow = |phase: &str, at: &Slice, ts: u64| {
            json!({
                "ph": phase, "bp": "e", "pid": 1, "tid": at.worker, "ts": ts,
                "id": id, "name": "abort", "cat": "abort",
            })
        };
        events.push(arrow("s", cause, cause.start_us));
        events.push(arrow("f", run, end));
    }
}

const fn category(end: &End) -> &'static str {
    match end {
        End::Settled => "settled",
        End::Aborted { .. } => "aborted",
        End::Blocked { .. } => "blocked",
        End::Panicked => "panicked",
    }
}
