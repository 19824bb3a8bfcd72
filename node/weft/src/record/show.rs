//! A block for people.

use super::file::{Conflict, Local, RecordFile, Step};
use super::lanes::{ABORTED, BLOCKED, lanes};
use super::paper::{Ink, Paper, counted, fit, gas, time, times};
use std::fmt::Write;

/// Rows of each list.
const ROWS: usize = 8;

/// The whole text.
pub(super) fn text(record: &RecordFile, paper: &Paper) -> String {
    let mut text = head(record, paper);
    if record.columns().gas.is_empty() {
        let what =
            if record.record.number == 0 { "Genesis" } else { "An empty block: a heartbeat" };
        return text + what + ".\n";
    }
    let heading = match (record.runs(), &record.record.local) {
        (Some(_), _) => "Lanes: one row per worker of this node",
        (None, Some(_)) => {
            "Lanes: as if cores were unlimited (this node did not note executions one by one)"
        }
        (None, None) => "Lanes: as if cores were unlimited (this node did not run the block)",
    };
    text += &paper.heading(heading);
    text += &lanes(record, paper);
    text += &discarded(record, paper);
    text += &met(record, paper);
    text += &path(record, paper);
    text + &advice(record, paper)
}

fn head(record: &RecordFile, paper: &Paper) -> String {
    let block = &record.record;
    let sums = &block.deterministic;
    let count = record.columns().gas.len();
    let title = paper.ink(Ink::Bold, &format!("Block {}", block.number));
    let mut text = format!("{title}  {}\n", record.source);
    let _ = writeln!(text, "{}", paper.ink(Ink::Faint, &block.hash.to_string()));
    if count == 0 {
        return text;
    }
    let waiting = sums.dependent_transactions;
    let best = times(record.best());
    let summary = if waiting == 0 {
        format!(
            "{}, and none waits for another: at best {best} as fast as one by one.",
            counted(count, "transaction")
        )
    } else {
        format!(
            "{waiting} of {} {} for another. Work {} gas, path {}: at best {best} as fast as one by one, on any number of cores.",
            counted(count, "transaction"),
            if waiting == 1 { "waits" } else { "wait" },
            gas(sums.work_gas),
            gas(sums.critical_path_gas)
        )
    };
    text += &paper.wrap(&summary, 0);
    let cores: Vec<String> = ["2", "4", "8", "16"]
        .iter()
        .filter_map(|n| Some(format!("{n} cores {}", times(*sums.best_speedup.get(*n)?))))
        .collect();
    text += &paper.wrap(&format!("Best on {}.", cores.join(", ")), 0);
    if let Some(local) = &block.local {
        text += &paper.wrap(&ran(local), 0);
    }
    text
}

fn ran(local: &Local) -> String {
    let took = time(local.wall_us);
    if local.mode == "sequential" {
        return format!("This node ran it in {took} on one worker: too small to be worth more.");
    }
    let how = if local.mode == "accessList" { ", with the block access list" } else { "" };
    let gain = local.speedup.map(|speedup| format!("{} (estimated), ", times(speedup.value)));
    format!(
        "This node ran it in {took} on {}{how}: {}{} thrown away.",
        counted(local.workers as usize, "worker"),
        gain.unwrap_or_default(),
        counted(local.reexecutions as usize, "execution")
    )
}

/// Executions that were thrown away or stopped, with their causes.
fn discarded(record: &RecordFile, paper: &Paper) -> String {
    let Some(runs) = record.runs() else { return String::new() };
    let gone: Vec<usize> =
        (0..runs.tx.len()).filter(|run| matches!(runs.outcome[*run], ABORTED | BLOCKED)).collect();
    if gone.is_empty() {
        return String::new();
    }
    let mut text = paper.heading("Thrown away");
    for run in gone.iter().take(ROWS) {
        let run = *run;
        let what = match (runs.outcome[run], runs.by[run]) {
            (BLOCKED, Some(by)) => format!("stopped, waits for tx {by}"),
            (_, Some(by)) => format!("tx {by} wrote {}", runs.cause(run).unwrap_or_default()),
            (_, None) => format!("changed: {}", runs.cause(run).unwrap_or_default()),
        };
        let line = format!("  tx {:<5} {:>7} lost: {what}", runs.tx[run], time(runs.duration[run]));
        let _ = writeln!(text, "{}", fit(&line, paper.width).trim_end());
    }
    more(&mut text, gone.len());
    text
}

fn more(text: &mut String, all: usize) {
    if all > ROWS {
        let _ = writeln!(text, "  and {} more", all - ROWS);
    }
}

/// The hottest places, and which transactions collided there.
fn met(record: &RecordFile, paper: &Paper) -> String {
    if record.conflicts.is_empty() {
        return String::new();
    }
    let mut text = paper.heading("Where they met");
    let name = paper.width.saturating_sub(44).max(20);
    let head = format!("  {:<name$} {:>7} {:>10}  collided", "place", "waited", "their gas");
    let _ = writeln!(text, "{}", paper.ink(Ink::Faint, &head));
    for conflict in record.conflicts.iter().take(ROWS) {
        let _ = writeln!(
            text,
            "  {} {:>7} {:>10}  {}",
            paper.ink(Ink::Cyan, &fit(&conflict.text(), name)),
            conflict.waiting,
            gas(conflict.serialised_gas),
            collided(conflict)
        );
    }
    more(&mut text, record.conflicts.len());
    if record.conflicts.iter().take(ROWS).any(|conflict| conflict.guessed) {
        text +=
            "  ?: the usual name in contracts of this kind; weft_registerAbi tells the real one\n";
    }
    text
}

/// The first pair that met at a place.
fn collided(conflict: &Conflict) -> String {
    conflict.edges.first().map_or_else(String::new, |pair| {
        let more = if conflict.waiting > 1 { ", …" } else { "" };
        format!("tx {} ← tx {}{more}", pair.to, pair.from)
    })
}

fn path(record: &RecordFile, paper: &Paper) -> String {
    let steps = &record.critical_path.steps;
    if steps.len() < 2 {
        return String::new();
    }
    let title = format!(
        "Critical path: {}, {} of {} gas",
        counted(steps.len(), "transaction"),
        gas(record.critical_path.path_gas),
        gas(record.record.deterministic.work_gas)
    );
    let mut text = paper.heading(&title);
    let (head, tail) = if steps.len() > ROWS { (ROWS - 3, 2) } else { (steps.len(), 0) };
    for step in &steps[..head] {
        step_line(&mut text, step, paper);
    }
    if tail > 0 {
        let _ = writeln!(text, "  … {} more", steps.len() - head - tail);
        for step in &steps[steps.len() - tail..] {
            step_line(&mut text, step, paper);
        }
    }
    text
}

fn step_line(text: &mut String, step: &Step, paper: &Paper) {
    let via = step.via.first().map_or_else(String::new, |at| format!("after {}", at.text()));
    let left = paper.width.saturating_sub(2 + 9 + 9) / 2;
    let line = format!(
        "  tx {:<6} {} {:>7}  {via}",
        step.tx,
        fit(&step.function, left.saturating_sub(2)),
        gas(step.gas)
    );
    let _ = writeln!(text, "{}", fit(&line, paper.width).trim_end());
}

fn advice(record: &RecordFile, paper: &Paper) -> String {
    let list = &record.advice;
    let mut text = paper.heading("Advice");
    for piece in &list.advice {
        let title = paper.wrap(&piece.title, 2);
        text += &paper.ink(Ink::Yellow, title.trim_end());
        text.push('\n');
        text += &paper.wrap(&piece.remedy, 4);
        let cited: Vec<String> = piece.transactions.iter().take(10).map(u32::to_string).collect();
        if !cited.is_empty() {
            text += &paper.wrap(&format!("tx {}", cited.join(", ")), 4);
        }
    }
    if list.advice.len() > 1 && list.if_followed > record.best() * 1.05 {
        let all = format!(
            "All of it: from {} to {} at best.",
            times(record.best()),
            times(list.if_followed)
        );
        text += &paper.wrap(&all, 2);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::sample;

    #[test]
    fn the_text_answers_what_serialised_the_block_who_collided_and_what_to_change() {
        let text = text(&sample(), &Paper::plain(80));
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "Block 7",
            "2 of 4 transactions wait for another",
            "at best 1.3x as fast as one by one",
            "1 execution thrown away",
            "tx 1 40 µs lost: tx 0 wrote Counter.count",
            "Counter.count",
            "tx 1 ← tx 0, …",
            "Critical path: 3 transactions, 150.0k of 200.0k gas",
            "after Counter.count",
            "global counter",
        ] {
            assert!(flat.contains(words), "{words} is missing in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn no_speed_up_is_told_where_executions_were_not_noted() {
        let mut record = sample();
        let told = |record: &RecordFile| {
            let text = text(record, &Paper::plain(120));
            text.lines().find(|line| line.starts_with("This node ran it")).unwrap().to_owned()
        };
        assert_eq!(
            told(&record),
            "This node ran it in 200 µs on 2 workers: 1.1x (estimated), 1 execution thrown away."
        );
        record.record.local.as_mut().unwrap().speedup = None;
        assert_eq!(
            told(&record),
            "This node ran it in 200 µs on 2 workers: 1 execution thrown away."
        );
    }

    #[test]
    fn nothing_is_coloured_on_plain_paper() {
        assert!(!text(&sample(), &Paper::plain(120)).contains('\x1b'));
    }
}
