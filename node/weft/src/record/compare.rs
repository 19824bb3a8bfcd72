//! Two records held against each other.

use super::file::RecordFile;
use super::paper::{Ink, Paper, fit, gas, time, times};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Rows of the list of places.
const ROWS: usize = 12;

/// Gas of those that waited at a place, and how many they were.
type Waited = (u64, usize);

/// A place, and who waited there before and after.
type Change<'a> = (&'a str, Waited, Waited);

/// One side in numbers.
#[derive(Clone, Debug)]
struct Side {
    number: u64,
    transactions: usize,
    waiting: usize,
    work_gas: u64,
    path_gas: u64,
    path_length: usize,
    best: f64,
    wall_us: Option<u64>,
    speedup: Option<f64>,
    again: Option<u64>,
    places: BTreeMap<String, Waited>,
}

/// What changed from one record to another.
pub(super) struct Comparison {
    before: Side,
    after: Side,
}

impl Side {
    fn of(record: &RecordFile) -> Self {
        let sums = &record.record.deterministic;
        let local = record.record.local.as_ref();
        let mut places: BTreeMap<String, Waited> = BTreeMap::new();
        for conflict in &record.conflicts {
            let (gas, waiting) = places.entry(conflict.text()).or_default();
            *gas += conflict.serialised_gas;
            *waiting += conflict.waiting;
        }
        Self {
            number: record.record.number,
            transactions: record.columns().gas.len(),
            waiting: sums.dependent_transactions,
            work_gas: sums.work_gas,
            path_gas: sums.critical_path_gas,
            path_length: sums.critical_path.len(),
            best: record.best(),
            wall_us: local.map(|local| local.wall_us),
            speedup: local
                .filter(|l| l.mode != "sequential")
                .and_then(|l| l.speedup.map(|speedup| speedup.value)),
            again: local.map(|local| local.reexecutions),
            places,
        }
    }

    fn json(&self) -> Value {
        json!({
            "block": self.number, "transactions": self.transactions, "waiting": self.waiting,
            "workGas": self.work_gas, "pathGas": self.path_gas, "pathTransactions": self.path_length,
            "bestSpeedup": self.best, "executionUs": self.wall_us, "speedup": self.speedup,
            "reexecutions": self.again,
        })
    }
}

impl Comparison {
    pub(super) fn new(before: &RecordFile, after: &RecordFile) -> Self {
        Self { before: Side::of(before), after: Side::of(after) }
    }

    /// Places of both sides: name, gas and number of those that waited before and after. The largest change comes first.
    fn places(&self) -> Vec<Change<'_>> {
        let (a, b) = (&self.before.places, &self.after.places);
        let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
        let of = |side: &BTreeMap<String, Waited>, name: &String| {
            side.get(name).copied().unwrap_or_default()
        };
        let mut all: Vec<_> = names.map(|name| (name.as_str(), of(a, name), of(b, name))).collect();
        all.sort_by_key(|(_, before, after)| std::cmp::Reverse(before.0.abs_diff(after.0)));
        all
    }

    pub(super) fn json(&self) -> String {
        let change = |(name, before, after): &Change<'_>| {
            json!({
                "name": name, "change": word(*before, *after),
                "waitingBefore": before.1, "waitingAfter": after.1,
                "serialisedGasBefore": before.0, "serialisedGasAfter": after.0,
            })
        };
        let conflicts: Vec<Value> = self.places().iter().map(change).collect();
        let whole = json!({
            "before": self.before.json(), "after": self.after.json(), "conflicts": conflicts,
        });
        format!("{whole}\n")
    }

    pub(super) fn text(&self, a: &str, b: &str, paper: &Paper) -> String {
        let (x, y) = (&self.before, &self.after);
        let column = paper.width.saturating_sub(26) / 2;
        let mut text = format!(
            "{:<24} {} {}\n",
            "",
            paper.ink(Ink::Bold, &format!("{:>column$}", fit(a, column).trim_end())),
            paper.ink(Ink::Bold, &format!("{:>column$}", fit(b, column).trim_end()))
        );
        let mut row = |label: &str, before: String, after: String| {
            let _ = writeln!(text, "{label:<24} {before:>column$} {after:>column$}");
        };
        let maybe = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        row("transactions", x.transactions.to_string(), y.transactions.to_string());
        row("that had to wait", x.waiting.to_string(), y.waiting.to_string());
        row("work, gas", gas(x.work_gas), gas(y.work_gas));
        row("critical path, gas", gas(x.path_gas), gas(y.path_gas));
        row("critical path, txs", x.path_length.to_string(), y.path_length.to_string());
        row("best speed-up", times(x.best), times(y.best));
        row("executed in", maybe(x.wall_us.map(time)), maybe(y.wall_us.map(time)));
        row("speed-up (estimated)", maybe(x.speedup.map(times)), maybe(y.speedup.map(times)));
        let count = |value: Option<u64>| maybe(value.map(|count| count.to_string()));
        row("executions thrown away", count(x.again), count(y.again));
        text += &self.changes(paper);
        let _ = writeln!(text, "\n{}", self.verdict());
        text
    }

    fn changes(&self, paper: &Paper) -> String {
        let places = self.places();
        if places.is_empty() {
            return String::new();
        }
        let mut text = paper.heading("Places where transactions waited");
        let name = paper.width.saturating_sub(46).max(20);
        for (place, before, after) in places.iter().take(ROWS) {
            let word = word(*before, *after);
            let ink = match word {
                "gone" => Ink::Green,
                "new" => Ink::Red,
                _ => Ink::Faint,
            };
            let _ = writeln!(
                text,
                "  {} {} {:>6} -> {:<6} {:>9} -> {}",
                paper.ink(ink, &format!("{word:<5}")),
                fit(place, name),
                before.1,
                after.1,
                gas(before.0),
                gas(after.0)
            );
        }
        if places.len() > ROWS {
            let _ = writeln!(text, "  and {} more", places.len() - ROWS);
        }
        text + "  (transactions that waited, and their gas)\n"
    }

    fn verdict(&self) -> String {
        let (x, y) = (self.before.best, self.after.best);
        if y > x * 1.05 {
            format!(
                "The second could run {} as fast as one by one, the first {}.",
                times(y),
                times(x)
            )
        } else if x > y * 1.05 {
            format!("The second is less parallel: at best {}, the first {}.", times(y), times(x))
        } else {
            format!("Both are equally parallel: at best {} and {}.", times(x), times(y))
        }
    }
}

fn word(before: Waited, after: Waited) -> &'static str {
    match (before.1, after.1) {
        (_, 0) => "gone",
        (0, _) => "new",
        (a, b) if a == b => "same",
        (a, b) if b < a => "less",
        _ => "more",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{independent, sample};

    #[test]
    fn conflicts_that_went_and_came_are_named() {
        let fixed = Comparison::new(&sample(), &independent());
        let text = fixed.text("before.json", "after.json", &Paper::plain(80));
        assert!(text.contains("gone  Counter.count"), "{text}");
        assert!(text.contains("The second could run 4.0x as fast"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let broken = Comparison::new(&independent(), &sample());
        let json: Value = serde_json::from_str(&broken.json()).unwrap();
        assert_eq!(json["conflicts"][0]["change"], "new");
        assert_eq!(json["after"]["pathGas"], 150_000);
        assert!(broken.text("a", "b", &Paper::plain(80)).contains("less parallel: at best 1.3x"));
        let same = Comparison::new(&sample(), &sample()).text("a", "b", &Paper::plain(80));
        assert!(
            same.contains("same  Counter.count") && same.contains("equally parallel"),
            "{same}"
        );
    }
}
