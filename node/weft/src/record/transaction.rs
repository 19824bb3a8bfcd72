//! One transaction for people.

use super::file::RecordFile;
use super::paper::{Ink, Paper, fit, gas, time};
use crate::failure::{ExitStatus, Failure};
use serde_json::Value;
use std::fmt::Write;

/// Rows of each list.
const ROWS: usize = 16;

/// The record of a transaction out of its block's.
///
/// # Errors
/// [`Failure`] when the block does not have it, or its file is one of a large block.
pub(super) fn of(value: &Value, record: &RecordFile, index: u32) -> Result<Value, Failure> {
    let count = record.columns().gas.len();
    if index as usize >= count {
        let what = format!("block {} has no transaction {index}", record.record.number);
        return Err(Failure::new(ExitStatus::Config, what)
            .fact("has", format!("{count} transactions, counted from 0"))
            .fix("--tx with a smaller index"));
    }
    match &value["transactions"][index as usize] {
        Value::Null => {
            let what = format!("the record has no reads and writes of its {count} transactions");
            let hash = record.columns().hashes[index as usize];
            Err(Failure::new(ExitStatus::Config, what)
                .fact("limit", weft_record::json::TRANSACTIONS_MAX)
                .fix(format!(
                    "ask the node for this one: cast rpc weft_getTransactionRecord {hash}"
                )))
        }
        one => Ok(one.clone()),
    }
}

/// The whole text.
pub(super) fn text(one: &Value, record: &RecordFile, paper: &Paper) -> String {
    let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| one[key].as_u64().unwrap_or_default();
    let title = format!("tx {} of block {}", number("index"), record.record.number);
    let mut text = format!("{}  {}\n", paper.ink(Ink::Bold, &title), word("function"));
    let _ = writeln!(text, "{}", paper.ink(Ink::Faint, &word("hash")));
    let state = match one["status"].as_u64() {
        Some(0) => "failed",
        Some(_) => "succeeded",
        None => "its receipt is no longer kept",
    };
    let from = one["fromName"].as_str().map_or_else(|| word("from"), str::to_owned);
    let path = if one["onCriticalPath"] == true { ", on the critical path" } else { "" };
    let sentence = format!(
        "From {from}, {} gas, {state}{path}. It could start in layer {}.",
        gas(number("gasUsed")),
        number("depth") + 1
    );
    text += &paper.wrap(&sentence, 0);
    text += &waits("Waited for", &one["blockedBy"], paper);
    text += &waits("Made wait", &one["blocks"], paper);
    text += &runs(&one["incarnations"], paper);
    text += &accesses("Read", &one["reads"], paper, |at| match &at["from"] {
        Value::Number(writer) => format!("tx {writer}"),
        _ => "before the block".to_owned(),
    });
    text += &accesses("Wrote", &one["writes"], paper, |at| {
        if at["commutative"] == true {
            return "added or taken, unseen".to_owned();
        }
        at["value"].as_str().map_or_else(String::new, value)
    });
    text + &format!("\nweft record show {} shows the block\n", record.record.number)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn name(at: &Value) -> String {
    at["name"].as_str().unwrap_or("?").to_owned()
}

fn waits(title: &str, all: &Value, paper: &Paper) -> String {
    let all = list(all);
    let mut text = paper.heading(title);
    if all.is_empty() {
        return text + "  nobody\n";
    }
    for one in all.iter().take(ROWS) {
        let at: Vec<String> = list(&one["at"]).iter().map(name).collect();
        let line = format!("  tx {:<6} {}", one["tx"], at.join(", "));
        let _ = writeln!(text, "{}", fit(&line, paper.width).trim_end());
    }
    rest(&mut text, all.len());
    text
}

fn rest(text: &mut String, all: usize) {
    if all > ROWS {
        let _ = writeln!(text, "  and {} more", all - ROWS);
    }
}

fn runs(all: &Value, paper: &Paper) -> String {
    let all = list(all);
    if all.is_empty() {
        return String::new();
    }
    let mut text = paper.heading("Executions on this node");
    for run in all.iter().take(ROWS) {
        let outcome = &run["outcome"];
        let end = match outcome["kind"].as_str() {
            Some("settled") => "kept".to_owned(),
            Some("aborted") => match outcome["by"].as_u64() {
                Some(by) => format!("thrown away: tx {by} wrote what it had read"),
                None => "thrown away: what it had read changed".to_owned(),
            },
            Some("blocked") => format!("stopped to wait for tx {}", outcome["on"]),
            _ => "the worker failed in it".to_owned(),
        };
        let us = |key: &str| time(run[key].as_u64().unwrap_or_default());
        let nth = run["incarnation"].as_u64().unwrap_or_default() + 1;
        let _ = writeln!(
            text,
            "  {nth:<3} worker {:<3} at {:>8} for {:>7}   {end}",
            run["worker"].as_u64().unwrap_or_default(),
            us("startUs"),
            us("durationUs")
        );
    }
    rest(&mut text, all.len());
    text
}

fn accesses(title: &str, all: &Value, paper: &Paper, about: impl Fn(&Value) -> String) -> String {
    let all = list(all);
    if all.is_empty() {
        return String::new();
    }
    let mut text = paper.heading(title);
    let left = (paper.width / 2).max(30);
    for at in all.iter().take(ROWS) {
        let line = format!("  {} {}", fit(&name(at), left), about(at));
        let _ = writeln!(text, "{}", fit(&line, paper.width).trim_end());
    }
    rest(&mut text, all.len());
    text
}

/// Small numbers in decimal, others as they are.
fn value(hex: &str) -> String {
    match u128::from_str_radix(hex.trim_start_matches("0x"), 16) {
        Ok(number) if number < 1_000_000_000_000_000 => number.to_string(),
        _ => hex.to_owned(),
    }
}
