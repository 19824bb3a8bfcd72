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
    let spans = spans(slices);
    for (run, span) in slices.iter().zip(&spans) {
        let Label { name, details } = label(run.index);
        let mut args = json!({
            "tx": run.index, "incarnation": run.incarnation, "details": details,
        });
        let mut event = json!({
            "ph": "X", "pid": 1, "tid": run.worker, "ts": us(span.start_ns),
            "dur": us(span.end_ns - span.start_ns), "cat": category(&run.end),
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
    flows(slices, &spans, &mut events);
    json!({ "displayTimeUnit": "ns", "traceEvents": events })
}

/// Where a slice is shown, in nanoseconds since the block's execution began.
#[derive(Clone, Copy)]
struct Span {
    start_ns: u64,
    end_ns: u64,
}

/// Slices are shown one after the other, as a worker ran them, and with a length: viewers take those that overlap for parts of
/// each other and hide those without one. Clocks tell microseconds, so several may begin in the same one.
fn spans(slices: &[Slice]) -> Vec<Span> {
    let ns = |us: u64| us.saturating_mul(1000);
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    let followers: Vec<Option<u64>> =
        slices.iter().rev().map(|run| next.insert(run.worker, ns(run.start_us))).collect();
    let mut shown: BTreeMap<u32, u64> = BTreeMap::new();
    let one = |(run, follower): (&Slice, &Option<u64>)| {
        let free = shown.entry(run.worker).or_default();
        let start_ns = ns(run.start_us).max(*free);
        let wanted = ns(run.start_us.saturating_add(run.duration_us.max(1)));
        let end_ns = wanted.min(follower.unwrap_or(u64::MAX)).max(start_ns.saturating_add(1));
        *free = end_ns;
        Span { start_ns, end_ns }
    };
    slices.iter().zip(followers.iter().rev()).map(one).collect()
}

/// Microseconds, which the format may have with a fraction.
fn us(ns: u64) -> Value {
    if ns.is_multiple_of(1000) { json!(ns / 1000) } else { json!(ns as f64 / 1000.0) }
}

/// An arrow from the transaction that caused each abort.
fn flows(slices: &[Slice], spans: &[Span], events: &mut Vec<Value>) {
    // The runs are in the order of their starts, so the last one before is the cause.
    let mut runs: BTreeMap<TxIndex, Vec<usize>> = BTreeMap::new();
    for (place, run) in slices.iter().enumerate() {
        runs.entry(run.index).or_default().push(place);
    }
    for (id, run) in slices.iter().enumerate() {
        let End::Aborted { by: Some(writer), .. } = run.end else { continue };
        // Within the slice: at its end another one may begin, and viewers would take that.
        let end_ns = spans[id].end_ns - 1;
        let cause = runs.get(&writer);
        let cause = cause.and_then(|all| all.iter().rfind(|at| spans[**at].start_ns <= end_ns));
        let Some(cause) = cause else { continue };
        let arrow = |phase: &str, worker: u32, ns: u64| {
            json!({
                "ph": phase, "pid": 1, "tid": worker, "ts": us(ns),
                "id": id, "name": "abort", "cat": "abort",
            })
        };
        events.push(arrow("s", slices[*cause].worker, spans[*cause].start_ns));
        let mut end = arrow("f", run.worker, end_ns);
        end["bp"] = json!("e");
        events.push(end);
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
