//! The contract again, under schedules that are drawn from a seed, step by step, instead of left to the operating system:
//! a failure replays.
//!
//! `WEFT_STM_INTERLEAVINGS=<n>` tries that many seeds of each shape; `WEFT_STM_INTERLEAVING=<seed>` replays one.

use std::collections::BTreeSet;

use weft_stm::toy::{Generator, Ledger, Op, Shape, Toy};
use weft_stm::virtual_time::{Decisions, run_interleaved};
use weft_stm::{Incarnation, Options, Outcome};

#[path = "common/contract.rs"]
mod contract;

use contract::{expect_same, number_from_env, silence_programs};

/// The block and the options that belong to a seed.
fn case(shape: Shape, seed: u64) -> (Toy, Options) {
    let mut generator = Generator::new(seed);
    // Mostly small, where a seed decides most; some longer ones, where more can go wrong.
    let transactions = if generator.below(8) == 0 { 40 } else { 2 + generator.below(15) };
    let block = generator.block(shape, transactions);
    let options = Options {
        workers: [2, 3, 4, 5][usize::try_from(generator.below(4)).unwrap()],
        max_incarnations: [1, 2, 3, 1000][usize::try_from(generator.below(4)).unwrap()],
        conflict_sample: [0, 1, 2][usize::try_from(generator.below(3)).unwrap()],
        incarnations: generator.below(2) == 0,
        ..Options::default()
    };
    (block, options)
}

/// Runs one interleaving and compares it with the sequential run.
fn try_one(shape: Shape, seed: u64) -> Decisions {
    let (block, options) = case(shape, seed);
    let mut ledger = Ledger::new(&block);
    let interleaved = run_interleaved(&block, &mut ledger, &options, seed);
    let what = format!(
        "{} transactions of shape {shape:?} on {} workers, {options:?}, \
         replay with WEFT_STM_INTERLEAVING={seed}",
        block.programs().len(),
        options.workers
    );
    expect_same(&block, (&interleaved.result, &ledger), options.max_incarnations, &what);
    interleaved.decisions
}

fn property(shape: Shape) {
    silence_programs();
    let seeds = match number_from_env("WEFT_STM_INTERLEAVING") {
        Some(seed) => seed..seed + 1,
        None => 0..number_from_env("WEFT_STM_INTERLEAVINGS").unwrap_or(250),
    };
    for seed in seeds {
        try_one(shape, seed);
    }
}

#[test]
fn independent_transactions_survive_every_drawn_interleaving() {
    property(Shape::Independent);
}

#[test]
fn chains_survive_every_drawn_interleaving() {
    property(Shape::Chain);
}

#[test]
fn hot_keys_survive_every_drawn_interleaving() {
    property(Shape::HotKey);
}

#[test]
fn deltas_survive_every_drawn_interleaving() {
    property(Shape::Deltas);
}

#[test]
fn branches_survive_every_drawn_interleaving() {
    property(Shape::Branches);
}

#[test]
fn skips_survive_every_drawn_interleaving() {
    property(Shape::Skips);
}

#[test]
fn stops_survive_every_drawn_interleaving() {
    property(Shape::Stops);
}

#[test]
fn failures_survive_every_drawn_interleaving() {
    property(Shape::Failures);
}

/// The second program takes 5 without looking, which only the first one brings: whoever reads above them before that has
/// to wait until the second settles, and must be called then.
#[test]
fn whoever_waits_for_a_transaction_to_settle_is_called_when_it_does() {
    let programs = vec![
        vec![Op::Read(40), Op::Add(1, 10)],
        vec![Op::Overdraw(1, 5)],
        vec![Op::Read(1), Op::Set(3)],
        vec![Op::Read(3), Op::Set(5)],
    ];
    let poor = |block: &Toy| block.initial(1) < 5;
    let block = (0..).map(|seed| Toy::new(programs.clone()).with_seed(seed)).find(poor).unwrap();
    let options = Options { workers: 3, incarnations: true, ..Options::default() };
    let mut waited = 0;
    for seed in 0..200 {
        let mut ledger = Ledger::new(&block);
        let interleaved = run_interleaved(&block, &mut ledger, &options, seed);
        let what = format!("seed {seed}");
        expect_same(&block, (&interleaved.result, &ledger), options.max_incarnations, &what);
        let (report, _) = interleaved.result.unwrap();
        let on_second = |run: &Incarnation<u64>| run.outcome == Outcome::Blocked { on: 1 };
        waited += usize::from(report.incarnations.iter().any(on_second));
    }
    assert!(waited > 5, "{waited}");
}

#[test]
fn the_same_seed_takes_the_same_steps_and_another_one_takes_others() {
    silence_programs();
    let mut digests = BTreeSet::new();
    let (block, options) =
        (Generator::new(1).block(Shape::Branches, 8), Options { workers: 4, ..Options::default() });
    for seed in 0..200 {
        let run =
            |seed| run_interleaved(&block, &mut Ledger::new(&block), &options, seed).decisions;
        let once = run(seed);
        assert_eq!(run(seed), once, "seed {seed}");
        assert!(once.steps > 8 * 3, "a claim, an end and a settlement each: {once:?}");
        digests.insert(once.digest);
    }
    assert_eq!(digests.len(), 200);
}
