//! What the record costs: the same block with the record off, with counts, and in full, by turns in one process.
//!
//! `cargo bench --workspace --bench record -- [--rounds 21] [--workers 2] [--counts-max 3]`. Everything else that a node makes of a
//! block is made in all three. The twin is `off`: a cost is the median over the rounds of this time over that of `off` in the same
//! round. At the end comes what `counts` costs over all loads (the median of theirs); with `--counts-max` the bench fails when that
//! is more per cent. The lines of `derive` say what somebody waits who asks for a record that was not stored: an execution of the
//! block with its list, on one thread, for the access record alone.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::time::{Duration, Instant};
use weft_evm::{Executor, Mode, Products, RecordLevel};
use weft_replay::Load;
use weft_replay::loads::Kind;

/// The allocator of the node's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Loads by name; small enough that a round of all ways takes about a second.
const LOADS: [&str; 5] = ["hot-10", "mints", "deposits", "mixed", "mixed-giga"];
const LEVELS: [RecordLevel; 3] = [RecordLevel::Off, RecordLevel::Counts, RecordLevel::Full];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let of = |name: &str, default: usize| {
        let place = arguments.iter().position(|argument| argument == name);
        place.and_then(|place| arguments.get(place + 1)?.parse().ok()).unwrap_or(default)
    };
    let (rounds, workers) = (of("--rounds", 21).max(1), of("--workers", 2).max(1));
    let counts_max = of("--counts-max", usize::MAX);
    let (executor, deriver) = (Executor::new(workers), Executor::new(1));
    let mut costs = Vec::new();
    for name in LOADS {
        let Some(kind) = Kind::find(name) else { continue };
        let load = kind.make();
        let built = run(&executor, &load, Mode::Verify, RecordLevel::Full).1;
        for (way, list) in [("speculative", None), ("list", Some(&built[..]))] {
            costs.push(compare(&executor, &load, (way, workers, rounds), list));
        }
        let derivations = (0..rounds.min(5)).map(|_| derive(&deriver, &load, &built));
        let ms = median(derivations.map(|took| took.as_secs_f64() * 1e3).collect());
        println!("record::derive/load={name},workers=1  median {ms:.1} ms");
    }
    let cost = median(costs);
    println!("record::counts/workers={workers}  cost {cost:+.1} %");
    if cost > counts_max as f64 {
        println!("expected at most {counts_max} %");
        std::process::exit(1);
    }
}

/// What somebody waits for a record that was not stored.
fn derive(executor: &Executor, load: &Load, list: &[u8]) -> Duration {
    let input = load.input();
    let start = Instant::now();
    let executed = executor.execute(&input, &load.state, Mode::WithList(list), Products::RECORD);
    let took = start.elapsed();
    let executed = executed.unwrap_or_else(|error| panic!("{}: {error}", load.name));
    assert_eq!(executed.access_record.transactions.len(), input.transactions.len());
    took
}

/// Runs the levels by turns and prints a line for each. Returns what `counts` costs, in per cent.
fn compare(
    executor: &Executor,
    load: &Load,
    about: (&str, usize, usize),
    list: Option<&[u8]>,
) -> f64 {
    let (way, workers, rounds) = about;
    let mut times: Vec<[Duration; 3]> = Vec::new();
    for round in 0..=rounds {
        let mut row = [Duration::ZERO; 3];
        for turn in 0..LEVELS.len() {
            // Another one begins each round, so that none has the warmest cache.
            let place = (round + turn) % LEVELS.len();
            let mode = list.map_or(Mode::Verify, Mode::WithList);
            row[place] = run(executor, load, mode, LEVELS[place]).0;
        }
        // The first round warms up.
        if round > 0 {
            times.push(row);
        }
    }
    let mut costs = [0.0; 3];
    for (place, level) in LEVELS.into_iter().enumerate() {
        let ms = median(times.iter().map(|row| row[place].as_secs_f64() * 1e3).collect());
        let of = |row: &[Duration; 3]| row[place].as_secs_f64() / row[0].as_secs_f64();
        let cost = 100.0 * (median(times.iter().map(of).collect()) - 1.0);
        costs[place] = cost;
        let least = times.iter().map(|row| row[place]).min().unwrap_or_default();
        println!(
            "record::execute/load={},way={way},workers={workers},level={level:?}  median {ms:.1} ms, least {:.1} ms, cost {cost:+.1} %",
            load.name,
            least.as_secs_f64() * 1e3
        );
    }
    costs[1]
}

/// One run: its time, and the access list that it made.
fn run(
    executor: &Executor,
    load: &Load,
    mode: Mode<'_>,
    level: RecordLevel,
) -> (Duration, Vec<u8>) {
    let input = load.input();
    let start = Instant::now();
    let executed = executor.execute(&input, &load.state, mode, Products::of_node(level));
    let took = start.elapsed();
    let executed = executed.unwrap_or_else(|error| panic!("{}: {error}", load.name));
    (took, executed.access_list.to_vec())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
    f64::midpoint(values[low], values[high])
}
