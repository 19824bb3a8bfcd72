//! Where transactions waited, over many blocks of a node or many files.

use super::file::{RecordFile, read};
use super::paper::{Ink, Paper, fit, gas};
use super::source::Node;
use super::{By, HotspotsArgs, rows};
use crate::failure::{ExitStatus, Failure};
use crate::{node, say};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// A place in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    name: String,
    waiting: u64,
    serialised_gas: u64,
    blocks: u64,
    /// Block and index of one that waited.
    sample: (u64, u64),
}

/// The table and what it is about.
struct Table {
    about: String,
    waited_gas: u64,
    rows: Vec<Row>,
}

pub(super) fn run(args: &HotspotsArgs) -> Result<(), Failure> {
    let mut table = if args.files.is_empty() {
        node::runtime()?.block_on(of_node(args))?
    } else {
        of_files(&args.files, args.by)?
    };
    table.rows.truncate(args.limit as usize);
    if args.json {
        let entry = |row: &Row| {
            json!({
                "name": row.name, "waiting": row.waiting, "serialisedGas": row.serialised_gas,
                "blocks": row.blocks, "sample": { "block": row.sample.0, "index": row.sample.1 },
            })
        };
        return say(&rows("hotspots", table.rows.iter().map(entry).collect()));
    }
    say(&text(&table, &Paper::of_stdout(None)))
}

async fn of_node(args: &HotspotsArgs) -> Result<Table, Failure> {
    let mut node = Node::connect(&args.server.rpc).await?;
    let head = node.head().await?;
    if head == 0 {
        return Err(Failure::new(ExitStatus::Config, "the chain has no block but genesis yet")
            .fix("send a transaction, or make traffic: weft load"));
    }
    let from = head.saturating_sub(args.last - 1).max(1);
    let by = match args.by {
        By::Slot => "slot",
        By::Account => "account",
        By::Function => "function",
        By::Sender => "sender",
    };
    let range = json!({ "from": format!("{from:#x}"), "to": format!("{head:#x}") });
    let params = json!([range, { "by": by, "limit": args.limit }]);
    let found = node.call("weft_getHotspots", &params).await?;
    let rows = found["hotspots"].as_array().into_iter().flatten().map(row).collect();
    let about = format!("blocks {from} to {head}, by {by}");
    Ok(Table { about, waited_gas: found["serialisedGas"].as_u64().unwrap_or(0), rows })
}

fn row(spot: &Value) -> Row {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let name = spot["name"].as_str().or_else(|| spot["address"].as_str()).unwrap_or("?");
    let sample = &spot["samples"][0];
    Row {
        name: if spot["guessed"] == true { format!("{name} ?") } else { name.to_owned() },
        waiting: number(&spot["waiting"]),
        serialised_gas: number(&spot["serialisedGas"]),
        blocks: number(&spot["blocks"]),
        sample: (number(&sample["block"]), number(&sample["index"])),
    }
}

fn of_files(files: &[PathBuf], by: By) -> Result<Table, Failure> {
    let mut found: BTreeMap<String, Row> = BTreeMap::new();
    let mut waited_gas = 0;
    for file in files {
        let (_, record) = read(file)?;
        waited_gas += add(&mut found, &record, by);
    }
    let mut rows: Vec<Row> = found.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.serialised_gas));
    let about = format!("{} files, by {}", files.len(), format!("{by:?}").to_lowercase());
    Ok(Table { about, waited_gas, rows })
}

/// Counts a block in; returns the gas of the transactions that waited anywhere.
fn add(found: &mut BTreeMap<String, Row>, record: &RecordFile, by: By) -> u64 {
    let columns = record.columns();
    let edges = &columns.edges;
    let mut waits: BTreeSet<(String, usize)> = BTreeSet::new();
    for edge in 0..edges.to.len() {
        let (tx, place) = (edges.to[edge], &columns.locations[edges.location[edge]]);
        let name = match by {
            By::Slot => place.text(),
            By::Account => {
                let known = columns.addresses.iter().position(|one| *one == place.address);
                known.map_or_else(
                    || weft_record::names::short(&place.address),
                    |known| columns.account(known),
                )
            }
            By::Function => columns.called(tx),
            By::Sender => columns.account(columns.from[tx]),
        };
        waits.insert((name, tx));
    }
    let mut here: BTreeSet<&str> = BTreeSet::new();
    for (name, tx) in &waits {
        let row = found.entry(name.clone()).or_insert_with(|| Row {
            name: name.clone(),
            sample: (record.record.number, *tx as u64),
            ..Row::default()
        });
        row.waiting += 1;
        row.serialised_gas += columns.gas[*tx];
        row.blocks += u64::from(here.insert(name));
    }
    let all: BTreeSet<usize> = waits.iter().map(|(_, tx)| *tx).collect();
    all.into_iter().map(|tx| columns.gas[tx]).sum()
}

fn text(table: &Table, paper: &Paper) -> String {
    let mut text = format!("Where transactions waited: {}\n", table.about);
    if table.rows.is_empty() {
        return text + "Nobody had to wait: everything could have run at once.\n";
    }
    let name = paper.width.saturating_sub(48).max(20);
    let head = format!(
        "{:<name$} {:>7} {:>10} {:>6} {:>7}  for example",
        "place", "waited", "their gas", "share", "blocks"
    );
    let _ = writeln!(text, "{}", paper.ink(Ink::Faint, head.trim_end()));
    for row in &table.rows {
        let share = 100.0 * row.serialised_gas as f64 / table.waited_gas.max(1) as f64;
        let _ = writeln!(
            text,
            "{} {:>7} {:>10} {share:>5.0}% {:>7}  #{}·{}",
            paper.ink(Ink::Cyan, &fit(&row.name, name)),
            row.waiting,
            gas(row.serialised_gas),
            row.blocks,
            row.sample.0,
            row.sample.1
        );
    }
    text + "share: of the gas of all that waited; #block·index\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::sample;

    #[test]
    fn files_are_summed_up_by_each_measure() {
        for (by, first, waiting) in [
            (By::Slot, "Counter.count", 4),
            (By::Account, "Counter", 4),
            (By::Function, "Counter.increment", 4),
            (By::Sender, "bob", 2),
        ] {
            let mut found = BTreeMap::new();
            let waited = add(&mut found, &sample(), by) + add(&mut found, &sample(), by);
            assert_eq!(waited, 200_000);
            let row = &found[first];
            assert_eq!((row.waiting, row.blocks), (waiting, 2), "{by:?}");
            let rows: Vec<Row> = found.values().cloned().collect();
            let table = Table { about: String::new(), waited_gas: waited, rows };
            let text = text(&table, &Paper::plain(80));
            assert!(text.contains(first), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
    }
}
