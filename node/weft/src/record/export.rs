//! The record in forms that other programs read.

use super::file::{RecordFile, Runs};
use super::lanes::{ABORTED, BLOCKED};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use weft_record::trace::{End, Label, Slice, chrome};
use weft_types::TxIndex;

/// Code of an execution whose worker panicked.
const PANICKED: u8 = 3;

/// One line a transaction.
pub(super) fn csv(record: &RecordFile) -> String {
    let columns = record.columns();
    let mut text = "index,hash,from,to,function,gas,status,layer,start_gas\n".to_owned();
    for tx in 0..columns.gas.len() {
        let status = columns.status[tx].map_or_else(String::new, |status| status.to_string());
        let _ = writeln!(
            text,
            "{tx},{},{},{},{},{},{status},{},{}",
            columns.hashes[tx],
            columns.addresses[columns.from[tx]],
            columns.addresses[columns.to[tx]],
            cell(&columns.functions[columns.function[tx]]),
            columns.gas[tx],
            u64::from(columns.depth[tx]) + 1,
            columns.start_gas[tx]
        );
    }
    text
}

/// A cell that a spreadsheet reads back (RFC 4180).
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The graph of who waited for whom; the critical path is bold.
pub(super) fn dot(record: &RecordFile) -> String {
    let columns = record.columns();
    let path = &record.record.deterministic.critical_path;
    let members: BTreeSet<u32> = path.iter().copied().collect();
    let next: BTreeSet<(usize, usize)> =
        path.windows(2).map(|pair| (pair[0] as usize, pair[1] as usize)).collect();
    let mut text = format!(
        "digraph block{} {{\n  rankdir=LR; node [shape=box, fontname=\"sans-serif\"];\n",
        record.record.number
    );
    let edges = &columns.edges;
    let touched: BTreeSet<usize> = edges.from.iter().chain(&edges.to).copied().collect();
    for tx in touched {
        let bold = if members.contains(&(tx as u32)) { ", penwidth=2" } else { "" };
        let _ = writeln!(text, "  {tx} [label=\"{tx} {}\"{bold}];", escaped(&columns.called(tx)));
    }
    for edge in 0..edges.from.len() {
        let (from, to) = (edges.from[edge], edges.to[edge]);
        let bold = if next.contains(&(from, to)) { ", penwidth=3" } else { "" };
        let place = columns.locations[edges.location[edge]].text();
        let _ = writeln!(text, "  {from} -> {to} [tooltip=\"{}\"{bold}];", escaped(&place));
    }
    text + "}\n"
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ")
}

/// The run for trace viewers; none where executions were not noted.
pub(super) fn perfetto(record: &RecordFile) -> Option<Value> {
    let runs = record.runs()?;
    let local = record.record.local.as_ref()?;
    let mut slices: Vec<Slice> = (0..runs.tx.len()).map(|run| slice(runs, run)).collect();
    slices.sort_by_key(|slice| slice.start_us);
    let columns = record.columns();
    let label = |index: TxIndex| {
        let tx = index.0 as usize;
        let details = json!({
            "hash": columns.hashes[tx],
            "from": columns.account(columns.from[tx]),
            "gas": columns.gas[tx],
        });
        Label { name: columns.called(tx), details }
    };
    Some(chrome(record.record.number, local.workers, &slices, label))
}

fn slice(runs: &Runs, run: usize) -> Slice {
    let by = runs.by[run].map(TxIndex);
    let end = match (runs.outcome[run], by) {
        (ABORTED, by) => End::Aborted { by, at: runs.cause(run) },
        (BLOCKED, Some(on)) => End::Blocked { on },
        (PANICKED, _) => End::Panicked,
        _ => End::Settled,
    };
    Slice {
        index: TxIndex(runs.tx[run]),
        incarnation: runs.incarnation[run],
        worker: runs.worker[run],
        start_us: runs.start[run],
        duration_us: runs.duration[run],
        end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::sample;

    #[test]
    fn csv_has_a_line_for_each_transaction() {
        let text = csv(&sample());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        let fields: Vec<&str> = lines[2].split(',').collect();
        assert_eq!(
            (fields[0], fields[4], fields[5], fields[7]),
            ("1", "increment()", "50000", "2")
        );
        assert_eq!(cell("transfer(address,uint256)"), "\"transfer(address,uint256)\"");
        assert_eq!(cell("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn the_graph_has_an_edge_for_each_wait_and_bold_ones_on_the_path() {
        let text = dot(&sample());
        assert!(text.contains("0 -> 1 [tooltip=\"Counter.count\", penwidth=3]"), "{text}");
        assert_eq!(text.matches(" -> ").count(), 2);
        assert!(!text.contains("  3 ["), "who waits for nobody is left out: {text}");
        assert_eq!(escaped("a\"b\\c\n"), "a\\\"b\\\\c ");
    }

    #[test]
    fn the_trace_has_a_slice_for_each_execution_and_an_arrow_for_the_abort() {
        let trace = perfetto(&sample()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
        assert_eq!((of("X"), of("s"), of("f")), (5, 1, 1));
        let aborted = events.iter().find(|event| event["cat"] == "aborted").unwrap();
        assert_eq!(aborted["args"]["at"], "Counter.count");
        let mut counts = sample();
        counts.record.local.as_mut().unwrap().columns = None;
        assert!(perfetto(&counts).is_none());
    }
}
