//! How close the engine's schedule comes to a perfect one, on more workers than this machine has.
//!
//! `makespan FOLDER`: for the real blocks above 4 Mgas in the folder, the time that the engine would take if a transaction
//! took its gas, or what it took in the plain loop, and nothing else took any, re-executions included; beside a schedule
//! that knows all dependencies.

#![allow(clippy::print_stdout, reason = "it prints its table")]

use std::path::Path;
use weft_evm::{Executor, Mode, Products};
use weft_replay::Load;
use weft_replay::blocks::{find_blocks, read_blocks};
use weft_replay::plain::PlainLoop;
use weft_replay::schedule::{foreseeable, makespan};
use weft_types::AccessRecord;

/// Blocks with less gas are left out, as in the benchmark.
const GAS_MIN: u64 = 4_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: makespan FOLDER")?;
    let executor = Executor::new(1);
    let mut blocks = Vec::new();
    for load in read_blocks(&find_blocks(Path::new(&folder))?)? {
        let run = executor.execute(&load.input(), &load.state, Mode::Oracle, Products::ALL)?;
        if run.gas_used >= GAS_MIN {
            blocks.push((load, run.access_record));
        }
    }
    table("gas", &executor, &blocks, |_, record| {
        Ok(record.transactions.iter().map(|access| access.gas_used).collect())
    })?;
    table("recorded time", &executor, &blocks, |load, _| {
        let plain = PlainLoop::default();
        plain.run(&load.input(), &*load.state, true)?;
        Ok(plain.run(&load.input(), &*load.state, true)?.nanoseconds)
    })
}

type Weights = Result<Vec<u64>, Box<dyn std::error::Error>>;

/// One row for each number of workers.
fn table(
    unit: &str,
    executor: &Executor,
    blocks: &[(Load, AccessRecord)],
    weigh: impl Fn(&Load, &AccessRecord) -> Weights,
) -> Result<(), Box<dyn std::error::Error>> {
    println!("speed-up in {unit}\nworkers  perfect  engine  engine/perfect  executions");
    let weights: Vec<Vec<u64>> =
        blocks.iter().map(|(load, record)| weigh(load, record)).collect::<Result<_, _>>()?;
    for workers in [2, 4, 8, 16, 32] {
        let (mut total, mut perfect, mut own, mut executions, mut transactions) = (0, 0, 0, 0, 0);
        for ((load, record), weights) in blocks.iter().zip(&weights) {
            let input = load.input();
            let record = foreseeable(record, input.transactions);
            let costs = |index: u32| weights[index as usize];
            let found = executor.makespan(&input, &load.state, workers, &costs)?;
            total += weights.iter().sum::<u64>();
            perfect += makespan(&record, weights, workers);
            own += found.total;
            executions += found.executions;
            transactions += weights.len();
        }
        let speedup = |time: u64| total as f64 / time as f64;
        println!(
            "{workers:7}  {:7.2}  {:6.2}  {:14.3}  {executions} for {transactions}",
            speedup(perfect),
            speedup(own),
            own as f64 / perfect as f64,
        );
    }
    Ok(())
}
