//! Lanes in text: a row for each worker, time from left to right.

use super::file::{Columns, RecordFile, Runs};
use super::paper::{Ink, Paper, counted, gas, time};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are drawn.
const ROWS_MAX: usize = 32;
/// Columns before the lane, and behind it.
const MARGINS: usize = 10 + 5;

/// Codes of the columns.
pub(super) const ABORTED: u8 = 1;
pub(super) const BLOCKED: u8 = 2;

/// A box in a lane.
struct Slice {
    row: usize,
    tx: u32,
    start: u64,
    length: u64,
    outcome: u8,
}

/// What is drawn: slices in the order of their starts.
struct Drawing<'a> {
    slices: Vec<Slice>,
    rows: usize,
    end: u64,
    label: &'static str,
    amount: fn(u64) -> String,
    path: BTreeSet<u32>,
    paper: &'a Paper,
}

/// One character of a lane.
#[derive(Clone, Copy)]
struct Cell {
    sign: char,
    ink: Option<Ink>,
}

/// The lanes of a block as it ran, or as it could run where the node did not note how it ran.
pub(super) fn lanes(record: &RecordFile, paper: &Paper) -> String {
    let path = record.record.deterministic.critical_path.iter().copied().collect();
    let drawing = match (record.runs(), &record.record.local) {
        (Some(runs), Some(local)) => {
            let slices = measured(runs);
            let last = slices.iter().map(|slice| slice.start.saturating_add(slice.length)).max();
            let rows = slices.iter().map(|slice| slice.row + 1).max().unwrap_or(0);
            Drawing {
                rows: rows.max(local.workers as usize),
                end: local.wall_us.max(last.unwrap_or(0)).max(1),
                slices,
                label: "worker",
                amount: time,
                path,
                paper,
            }
        }
        _ => {
            let (slices, rows) = ideal(record.columns());
            let end = record.record.deterministic.critical_path_gas.max(1);
            Drawing { slices, rows, end, label: "core", amount: gas, path, paper }
        }
    };
    drawing.text()
}

fn measured(runs: &Runs) -> Vec<Slice> {
    let mut slices: Vec<Slice> = (0..runs.tx.len())
        .map(|run| Slice {
            row: runs.worker[run] as usize,
            tx: runs.tx[run],
            start: runs.start[run],
            length: runs.duration[run],
            outcome: runs.outcome[run],
        })
        .collect();
    slices.sort_by_key(|slice| slice.start);
    slices
}

/// Each transaction starts when the last one that it waits for has ended, on the first free core.
fn ideal(columns: &Columns) -> (Vec<Slice>, usize) {
    let mut order: Vec<usize> = (0..columns.gas.len()).collect();
    order.sort_by_key(|tx| (columns.start_gas[*tx], *tx));
    let mut busy: BTreeSet<(u64, usize)> = BTreeSet::new();
    let mut free: BTreeSet<usize> = BTreeSet::new();
    let mut rows = 0;
    let mut slices = Vec::with_capacity(order.len());
    for tx in order {
        let (start, length) = (columns.start_gas[tx], columns.gas[tx]);
        while let Some((end, row)) = busy.first().copied().filter(|(end, _)| *end <= start) {
            busy.remove(&(end, row));
            free.insert(row);
        }
        let row = free.pop_first().unwrap_or_else(|| {
            rows += 1;
            rows - 1
        });
        busy.insert((start.saturating_add(length), row));
        slices.push(Slice { row, tx: tx as u32, start, length, outcome: 0 });
    }
    (slices, rows)
}

impl Drawing<'_> {
    fn text(&self) -> String {
        let width = self.paper.width.saturating_sub(MARGINS).max(20);
        let mut by_row: BTreeMap<usize, Vec<&Slice>> = BTreeMap::new();
        for slice in &self.slices {
            by_row.entry(slice.row).or_default().push(slice);
        }
        let mut text = String::new();
        for row in 0..self.rows.min(ROWS_MAX) {
            let slices = by_row.get(&row).map_or(&[][..], Vec::as_slice);
            let busy: u64 = slices.iter().map(|slice| slice.length).sum();
            let share = (100.0 * busy as f64 / self.end as f64).min(100.0).round();
            let name = format!("{} {row}", self.label);
            let share = self.paper.ink(Ink::Faint, &format!("{share:>4}%"));
            text += &format!("{name:<9} {}{share}\n", self.lane(slices, width));
        }
        if self.rows > ROWS_MAX {
            let more = counted(self.rows - ROWS_MAX, self.label);
            text += &format!("{:10}and {more} more\n", "");
        }
        text + &self.axis(width) + &self.legend()
    }

    fn cell(&self, at: u64, width: usize) -> usize {
        ((u128::from(at) * width as u128 / u128::from(self.end)) as usize).min(width - 1)
    }

    fn lane(&self, slices: &[&Slice], width: usize) -> String {
        let mut cells = vec![Cell { sign: ' ', ink: None }; width];
        for (nth, slice) in slices.iter().enumerate() {
            let from = self.cell(slice.start, width);
            let last = slice.start.saturating_add(slice.length.saturating_sub(1));
            let to = self.cell(last, width).max(from);
            let (sign, ink) = self.look(slice, nth);
            for cell in &mut cells[from..=to] {
                // What was thrown away stays visible where several slices share a column.
                if cell.sign != 'x' {
                    *cell = Cell { sign, ink };
                }
            }
            let name = slice.tx.to_string();
            if to - from > name.len() {
                for (cell, sign) in cells[from..].iter_mut().zip(name.chars()) {
                    *cell = Cell { sign, ink };
                }
            }
        }
        self.painted(&cells)
    }

    /// How a slice is drawn. Neighbours look different, so that one sees where one ends.
    fn look(&self, slice: &Slice, nth: usize) -> (char, Option<Ink>) {
        match slice.outcome {
            ABORTED => ('x', Some(Ink::Red)),
            BLOCKED => ('.', Some(Ink::Faint)),
            _ => {
                let ink = if self.path.contains(&slice.tx) { Ink::Yellow } else { Ink::Green };
                (if nth.is_multiple_of(2) { '█' } else { '▓' }, Some(ink))
            }
        }
    }

    fn painted(&self, cells: &[Cell]) -> String {
        let mut text = String::new();
        for run in cells.chunk_by(|a, b| a.ink == b.ink) {
            let signs: String = run.iter().map(|cell| cell.sign).collect();
            text += &run[0].ink.map_or_else(|| signs.clone(), |ink| self.paper.ink(ink, &signs));
        }
        text
    }

    fn axis(&self, width: usize) -> String {
        let (half, end) = ((self.amount)(self.end / 2), (self.amount)(self.end));
        let left = width / 2 - 1;
        let middle = width - left - super::paper::count(&end);
        let line = format!("{:10}{:<left$}{:<middle$}{end}\n", "", "0", half);
        self.paper.ink(Ink::Faint, line.trim_end()) + "\n"
    }

    fn legend(&self) -> String {
        let has = |outcome| self.slices.iter().any(|slice| slice.outcome == outcome);
        let mut text = format!("{:10}12██▓▓ executions, some with the transaction's index", "");
        if has(ABORTED) {
            text += &format!("   {} thrown away", self.paper.ink(Ink::Red, "x"));
        }
        if has(BLOCKED) {
            text += "   . stopped";
        }
        text + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::sample;

    #[test]
    fn each_worker_has_a_row_with_its_executions_and_what_was_thrown_away() {
        let text = lanes(&sample(), &Paper::plain(80));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("worker 0") && lines[1].starts_with("worker 1"), "{text}");
        assert!(lines[0].contains("0█") && lines[1].contains("1xxx"), "{text}");
        assert!(lines[0].ends_with('%'), "{text}");
        assert!(text.contains("thrown away"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn without_executions_the_ideal_schedule_is_drawn_by_gas() {
        let mut record = sample();
        record.record.local = None;
        let text = lanes(&record, &Paper::plain(80));
        assert!(text.starts_with("core 0") && !text.contains("thrown away"), "{text}");
        // Three of the four are a chain; the other one runs beside it.
        assert!(text.contains("core 1") && !text.contains("core 2"), "{text}");
    }
}
