//! The contract: whatever the block, the workers and the schedule, the parallel run shows its settler what the sequential
//! run shows it.
//!
//! `WEFT_STM_SEED=<n>` replays one seed with every shape, many times over; `WEFT_STM_SEEDS=<n>` tries that many.

use std::sync::OnceLock;

use weft_stm::toy::{Generator, Ledger, Shape, Toy};
use weft_stm::{Options, Pool, run};

#[path = "common/contract.rs"]
mod contract;

use contract::{expect_same, number_from_env, silence_programs};

/// A pool for each number of workers, shared by the tests.
fn pool(workers: usize) -> &'static Pool {
    static POOLS: OnceLock<Vec<Pool>> = OnceLock::new();
    let pool = |n| Pool::new(n).expect("threads start").oversubscribed();
    let pools = POOLS.get_or_init(|| (0..=8).map(pool).collect());
    &pools[workers]
}

fn expect_equal(block: &Toy, options: &Options, what: &str) {
    let mut ledger = Ledger::new(block);
    let result = run(pool(options.workers), block, &mut ledger, options);
    expect_same(block, (&result, &ledger), options.max_incarnations, what);
}

fn property(shape: Shape, transactions: u64) {
    silence_programs();
    let replay = number_from_env("WEFT_STM_SEED");
    let seeds =
        replay.map_or(0..number_from_env("WEFT_STM_SEEDS").unwrap_or(120), |seed| seed..seed + 1);
    let rounds = if replay.is_some() { 300 } else { 1 };
    for seed in seeds {
        let mut generator = Generator::new(seed);
        let count = 1 + generator.below(transactions);
        let block = generator.block(shape, count);
        for workers in [1, 2, 3, 4, 8] {
            let max_incarnations = [1, 2, 16, 1000][(seed % 4) as usize];
            let conflict_sample = [0, 1, 4, 32][(seed / 4 % 4) as usize];
            let options = Options {
                workers,
                max_incarnations,
                conflict_sample,
                min_parallel_transactions: 0,
                incarnations: seed % 3 > 0,
            };
            for _ in 0..rounds {
                let what =
                    format!("shape {shape:?}, {options:?}, replay with WEFT_STM_SEED={seed}");
                expect_equal(&block, &options, &what);
            }
        }
    }
}

#[test]
fn independent_transactions_settle_as_in_a_sequential_run() {
    property(Shape::Independent, 60);
}

#[test]
fn chains_settle_as_in_a_sequential_run() {
    property(Shape::Chain, 40);
}

#[test]
fn hot_keys_settle_as_in_a_sequential_run() {
    property(Shape::HotKey, 60);
}

#[test]
fn deltas_mixed_with_exact_reads_settle_as_in_a_sequential_run() {
    property(Shape::Deltas, 40);
}

#[test]
fn writes_whose_locations_depend_on_reads_settle_as_in_a_sequential_run() {
    property(Shape::Branches, 40);
}

#[test]
fn skipped_transactions_leave_nothing_behind_as_in_a_sequential_run() {
    property(Shape::Skips, 40);
}

#[test]
fn stopped_runs_end_where_the_sequential_run_ends() {
    property(Shape::Stops, 40);
}

#[test]
fn failures_panics_and_contract_breaks_surface_where_the_sequential_run_meets_them() {
    property(Shape::Failures, 30);
}

/// Small blocks again and again: where schedules differ most from run to run.
#[test]
fn tiny_blocks_survive_many_schedules() {
    silence_programs();
    for seed in 0..400 {
        for shape in Shape::ALL {
            let mut generator = Generator::new(seed);
            let block = generator.block(shape, 5);
            let options = Options {
                workers: 4,
                max_incarnations: 1000,
                conflict_sample: 0,
                min_parallel_transactions: 0,
                incarnations: false,
            };
            let what = format!("five transactions of shape {shape:?}, seed {seed}");
            expect_equal(&block, &options, &what);
        }
    }
}
