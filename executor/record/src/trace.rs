//! The run of a block on this node, as a trace that Perfetto, `chrome://tracing` and speedscope open.
//!
//! **Source**: Trace Event Format, JSON object form: `X` complete events, `M` metadata, `s`/`f` flow arrows.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use weft_types::{Incarnation, IncarnationOutcome, RunProfile, TxIndex};

/// What a transaction is called in the trace, and what is shown beside it.
#[derive(Clone, Debug)]
pub struct Label {
    /// The name of its slices.
    pub name: String,
    /// Fields that a viewer shows when a slice is selected.
    pub details: Value,
}

/// The trace. `label` names a transaction, `place` a location by an arbitrary text.
pub fn chrome(
    number: u64,
    profile: &RunProfile,
    mut label: impl FnMut(TxIndex) -> Label,
    mut place: impl FnMut(&weft_types::Location, TxIndex) -> String,
) -> Value {
    let mut events = vec![json!({
        "ph": "M", "pid": 1, "tid": 0, "name": "process_name",
        "args": { "name": format!("weft block {number}") },
    })];
    for worker in 0..profile.workers {
        events.push(json!({
            "ph": "M", "pid": 1, "tid": worker, "name": "thread_name",
            "args": { "name": format!("worker {worker}") },
        }));
    }
    for run in &profile.incarnations {
        let Label { name, details } = label(run.index);
        let mut args = json!({
            "tx": run.index, "incarnation": run.incarnation, "details": details,
        });
        let mut event = json!({
            "ph": "X", "pid": 1, "tid": run.worker, "ts": run.start_us,
            // Viewers hide slices without a length.
            "dur": run.duration_us.max(1), "cat": category(&run.outcome),
        });
        event["name"] = json!(format!("{} {name}", run.index.0));
        match &run.outcome {
            IncarnationOutcome::Settled => {}
            IncarnationOutcome::Aborted { location, by } => {
                event["cname"] = json!("terrible");
                args["abortedBy"] = json!(by);
                args["at"] = json!(location.map(|location| place(&location, run.index)));
            }
            IncarnationOutcome::Blocked { on } => {
                event["cname"] = json!("grey");
                args["waitsFor"] = json!(on);
            }
            IncarnationOutcome::Panicked => event["cname"] = json!("black"),
        }
        event["args"] = args;
        events.push(event);
    }
    flows(profile, &mut events);
    json!({ "displayTimeUnit": "ns", "traceEvents": events })
}

/// An arrow from the transaction that caused each abort.
fn flows(profile: &RunProfile, events: &mut Vec<Value>) {
    // The runs are in the order of their starts, so the last one before is the cause.
    let mut runs: BTreeMap<TxIndex, Vec<&Incarnation>> = BTreeMap::new();
    for run in &profile.incarnations {
        runs.entry(run.index).or_default().push(run);
    }
    for (id, run) in profile.incarnations.iter().enumerate() {
        let IncarnationOutcome::Aborted { by: Some(writer), .. } = run.outcome else { continue };
        let end = run.start_us + run.duration_us;
        let cause =
            runs.get(&writer).and_then(|all| all.iter().rfind(|other| other.start_us <= end));
        let Some(cause) = cause else { continue };
        let arrow = |phase: &str, at: &Incarnation, ts: u64| {
            json!({
                "ph": phase, "bp": "e", "pid": 1, "tid": at.worker, "ts": ts,
                "id": id, "name": "abort", "cat": "abort",
            })
        };
        events.push(arrow("s", cause, cause.start_us));
        events.push(arrow("f", run, end));
    }
}

const fn category(outcome: &IncarnationOutcome) -> &'static str {
    match outcome {
        IncarnationOutcome::Settled => "settled",
        IncarnationOutcome::Aborted { .. } => "aborted",
        IncarnationOutcome::Blocked { .. } => "blocked",
        IncarnationOutcome::Panicked => "panicked",
    }
}
