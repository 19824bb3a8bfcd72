//! Traces as viewers read them: every event against the Trace Event Format, by a reader that knows nothing of the writer.
//!
//! **Source**: Trace Event Format (JSON object form), and how Perfetto binds flow arrows: to the slice that was begun last on the
//! thread, by time and, at the same time, by the order of the events.

use crate::trace::{End, Label, Slice, chrome};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weft_types::TxIndex;

/// Colours that the format reserves and we use.
const COLOURS: [&str; 3] = ["terrible", "grey", "black"];

/// What was counted in a trace.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    slices: usize,
    threads: usize,
    arrows: usize,
}

/// A slice as a viewer sees it, in nanoseconds.
struct Seen {
    thread: (u64, u64),
    start: u64,
    end: u64,
    category: String,
    place: usize,
}

fn text<'v>(event: &'v Value, field: &str) -> &'v str {
    let value = event[field].as_str().unwrap_or_else(|| panic!("{field} is no text: {event}"));
    assert!(!value.is_empty(), "{field} is empty: {event}");
    value
}

fn time(event: &Value, field: &str) -> u64 {
    let us = event[field].as_f64().unwrap_or_else(|| panic!("{field} is no number: {event}"));
    assert!(us.is_finite() && us >= 0.0, "{field}: {event}");
    (us * 1000.0).round() as u64
}

fn thread(event: &Value) -> (u64, u64) {
    let of = |field: &str| event[field].as_u64().unwrap_or_else(|| panic!("{field}: {event}"));
    (of("pid"), of("tid"))
}

fn only_fields(event: &Value, known: &[&str]) {
    for field in event.as_object().expect("an event is an object").keys() {
        assert!(known.contains(&field.as_str()), "{field} means nothing here: {event}");
    }
}

/// The slice that is the enclosing one of an event: begun last on its thread and not over.
fn enclosing<'s>(slices: &'s [Seen], event: &Value, place: usize) -> &'s Seen {
    let (at, thread) = (time(event, "ts"), thread(event));
    let begun = slices
        .iter()
        .filter(|slice| slice.thread == thread && (slice.start, slice.place) < (at, place));
    let slice = begun.max_by_key(|slice| (slice.start, slice.place));
    let slice = slice.unwrap_or_else(|| panic!("no slice around {event}"));
    assert!(at < slice.end, "the slice around {event} is over");
    slice
}

/// Reads a whole trace; what is against the format is a panic.
fn read(trace: &Value) -> Counted {
    only_fields(trace, &["displayTimeUnit", "traceEvents"]);
    assert!(["ms", "ns"].contains(&text(trace, "displayTimeUnit")));
    let events = trace["traceEvents"].as_array().expect("events");
    let (mut names, mut slices) = (BTreeMap::new(), Vec::new());
    let mut ends: BTreeMap<(String, u64), Vec<(usize, &Value)>> = BTreeMap::new();
    for (place, event) in events.iter().enumerate() {
        let name = text(event, "name");
        match text(event, "ph") {
            "M" => {
                only_fields(event, &["ph", "pid", "tid", "name", "args"]);
                assert!(["process_name", "thread_name"].contains(&name), "{event}");
                text(&event["args"], "name");
                let before = names.insert((name, thread(event)), place);
                assert!(before.is_none(), "named twice: {event}");
            }
            "X" => {
                only_fields(
                    event,
                    &["ph", "pid", "tid", "ts", "dur", "cat", "cname", "name", "args"],
                );
                assert!(event["args"].is_object(), "{event}");
                assert!(event.get("cname").is_none_or(|c| COLOURS.contains(&c.as_str().unwrap())));
                let (start, length) = (time(event, "ts"), time(event, "dur"));
                assert!(length > 0, "viewers hide it: {event}");
                let category = text(event, "cat").to_owned();
                let thread = thread(event);
                slices.push(Seen { thread, start, end: start + length, category, place });
            }
            phase @ ("s" | "f") => {
                only_fields(event, &["ph", "pid", "tid", "ts", "id", "name", "cat", "bp"]);
                assert_eq!(event.get("bp").and_then(Value::as_str), (phase == "f").then_some("e"));
                let key = format!("{}/{name}", text(event, "cat"));
                let id = event["id"].as_u64().expect("an id");
                ends.entry((key, id)).or_default().push((place, event));
            }
            other => panic!("phase {other}: {event}"),
        }
    }
    let threads: BTreeSet<(u64, u64)> = slices.iter().map(|slice| slice.thread).collect();
    for thread in &threads {
        assert!(names.contains_key(&("thread_name", *thread)), "{thread:?} has no name");
        let process =
            names.keys().any(|(kind, (pid, _))| *kind == "process_name" && *pid == thread.0);
        assert!(process, "process {} has no name", thread.0);
        let mut own: Vec<&Seen> = slices.iter().filter(|slice| slice.thread == *thread).collect();
        own.sort_by_key(|slice| (slice.start, slice.place));
        for pair in own.windows(2) {
            assert!(pair[0].end <= pair[1].start, "two slices of {thread:?} overlap");
        }
    }
    for (of, both) in &ends {
        let [(first, start), (second, end)] = both[..] else {
            panic!("{of:?}: {} ends", both.len())
        };
        assert_eq!((text(start, "ph"), text(end, "ph")), ("s", "f"), "{of:?}");
        assert!(time(start, "ts") <= time(end, "ts"), "{of:?} goes back in time");
        enclosing(&slices, start, first);
        assert_eq!(enclosing(&slices, end, second).category, "aborted", "{of:?}");
    }
    Counted { slices: slices.len(), threads: threads.len(), arrows: ends.len() }
}

fn label(index: TxIndex) -> Label {
    Label { name: format!("call {}", index.0), details: json!({ "gas": 1 }) }
}

fn run(index: u32, worker: u32, (start_us, duration_us): (u64, u64), end: End) -> Slice {
    Slice { index: TxIndex(index), incarnation: 0, worker, start_us, duration_us, end }
}

fn aborted(by: u32) -> End {
    End::Aborted { by: Some(TxIndex(by)), at: Some("Counter.count".to_owned()) }
}

#[test]
fn runs_of_one_worker_within_a_microsecond_do_not_overlap_and_arrows_end_in_their_own_slice() {
    let slices = [
        run(0, 0, (5, 0), End::Settled),
        run(1, 0, (5, 0), End::Settled),
        run(2, 1, (5, 4), aborted(0)),
        run(3, 0, (5, 3), End::Blocked { on: TxIndex(0) }),
        // Begins where the aborted one ends.
        run(2, 1, (9, 2), End::Settled),
        run(4, 0, (9, 0), End::Panicked),
    ];
    let trace = chrome(7, 2, &slices, label);
    assert_eq!(read(&trace), Counted { slices: 6, threads: 2, arrows: 1 });
    let events = trace["traceEvents"].as_array().unwrap();
    let end = events.iter().find(|event| event["ph"] == "f").unwrap();
    assert_eq!(end["ts"], json!(8.999));
    let first = events.iter().find(|event| event["ph"] == "X").unwrap();
    assert_eq!((&first["ts"], &first["dur"]), (&json!(5), &json!(0.001)));
    let last = events.iter().rfind(|event| event["ph"] == "X").unwrap();
    assert_eq!((&last["ts"], &last["dur"]), (&json!(9), &json!(1)), "nobody needs the room");
}

/// Runs of workers that each do one thing after the other, in microseconds; several may fall into the same one.
fn workers() -> impl Strategy<Value = Vec<Slice>> {
    let end = prop_oneof![
        3 => Just(None),
        2 => (0u32..6).prop_map(|by| Some(aborted(by))),
        1 => Just(Some(End::Aborted { by: None, at: None })),
        1 => (0u32..6).prop_map(|on| Some(End::Blocked { on: TxIndex(on) })),
        1 => Just(Some(End::Panicked)),
    ];
    let one = (0u32..6, 0u32..3, 0u64..3, 0u64..4, end);
    prop::collection::vec(one, 0..40).prop_map(|drawn| {
        let mut clocks = [0u64; 3];
        let mut slices: Vec<Slice> = Vec::new();
        for (index, worker, pause, length, end) in drawn {
            let clock = &mut clocks[worker as usize];
            let start = *clock + pause;
            *clock = start + length;
            slices.push(run(index, worker, (start, length), end.unwrap_or(End::Settled)));
        }
        slices.sort_by_key(|slice| slice.start_us);
        slices
    })
}

proptest! {
    #[test]
    fn every_trace_is_one_that_viewers_read(slices in workers()) {
        let counted = read(&chrome(1, 3, &slices, label));
        let workers: BTreeSet<u32> = slices.iter().map(|slice| slice.worker).collect();
        prop_assert_eq!((counted.slices, counted.threads), (slices.len(), workers.len()));
        let may = |slice: &Slice| match slice.end {
            End::Aborted { by: Some(by), .. } => {
                let end = slice.start_us + slice.duration_us.max(1);
                slices.iter().any(|other| other.index == by && other.start_us <= end)
            }
            _ => false,
        };
        prop_assert!(counted.arrows <= slices.iter().filter(|slice| may(slice)).count());
        let surely = |slice: &Slice| match slice.end {
            End::Aborted { by: Some(by), .. } => {
                slices.iter().any(|other| other.index == by && other.start_us < slice.start_us)
            }
            _ => false,
        };
        prop_assert!(counted.arrows >= slices.iter().filter(|slice| surely(slice)).count());
    }
}
