//! The whole engine on small blocks: every lock, every atomic and every sleep is a place at which another worker may go on.
//!
//! `WEFT_STM_SCHEDULES=<n>` tries that many schedules of each block. A failure says how to replay it.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock};

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, Runner};

use crate::engine::{Options, run_on_threads};
use crate::run_sequential;
use crate::toy::{Generator, Ledger, Shape, Toy, histories};

/// Blocks of each shape.
const BLOCKS: u64 = 16;
/// Schedules of each block, half of them drawn step by step, half by priorities with few changes.
const SCHEDULES: usize = 1000;

/// The block and the options that belong to a seed.
fn case(shape: Shape, seed: u64) -> (Toy, Options) {
    let mut generator = Generator::new(seed);
    let transactions = 2 + generator.below(4);
    let block = generator.block(shape, transactions);
    let mut one_of = |choices: &[u32]| choices[generator.below(choices.len() as u64) as usize];
    let options = Options {
        workers: one_of(&[2, 3]) as usize,
        max_incarnations: one_of(&[1, 2, 1000]),
        conflict_sample: one_of(&[0, 1]),
        incarnations: false,
        ..Options::default()
    };
    (block, options)
}

/// One run, compared with the sequential one.
fn expect_sequential_result(block: &Toy, options: &Options) {
    let mut expected = Ledger::new(block);
    let oracle = run_sequential(block, &mut expected);
    let mut ledger = Ledger::new(block);
    let result = run_on_threads(block, &mut ledger, options, None);
    match (result, oracle) {
        (Ok((report, versions)), Ok(oracle)) => {
            assert_eq!(report.settled, oracle.settled);
            assert_eq!(histories(&versions), expected.histories, "other values are left behind");
        }
        (Err(error), Err(oracle)) => assert_eq!(format!("{error:?}"), format!("{oracle:?}")),
        (run, oracle) => panic!("the runs end differently: {run:?} {oracle:?}"),
    }
    assert_eq!(ledger, expected, "the settler saw something else");
}

/// Keeps the panics that programs raise on purpose away from the checker, which would report each of them.
fn silence_programs() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // The checker installs its own report first.
        shuttle::check_random(|| {}, 1);
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload().downcast_ref::<String>();
            if !message.is_some_and(|text| text.starts_with("register ") && text.ends_with(" odd"))
            {
                report(info);
            }
        }));
    });
}

fn explore(shape: Shape, seed: u64, scheduler: impl Scheduler + 'static) {
    let (block, options) = case(shape, seed);
    let block = Arc::new(block);
    let shown = Arc::clone(&block);
    let mut config = Config::new();
    config.silence_warnings = true;
    let run =
        || Runner::new(scheduler, config).run(move || expect_sequential_result(&block, &options));
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        eprintln!("{options:?}\n{shown:#?}");
        eprintln!(
            "replay with WEFT_STM_BLOCK={seed} WEFT_STM_SCHEDULE=<the schedule above> and the name of this test"
        );
        resume_unwind(panic);
    }
}

fn property(shape: Shape) {
    silence_programs();
    let number = |name| env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    if let Ok(schedule) = env::var("WEFT_STM_SCHEDULE") {
        let seed = number("WEFT_STM_BLOCK").expect("WEFT_STM_BLOCK names the block");
        return explore(shape, seed, ReplayScheduler::new_from_encoded(&schedule));
    }
    let schedules = number("WEFT_STM_SCHEDULES").map_or(SCHEDULES, |schedules| schedules as usize);
    for seed in 0..BLOCKS {
        explore(shape, seed, RandomScheduler::new_from_seed(seed, schedules.div_ceil(2)));
        explore(shape, seed, PctScheduler::new_from_seed(seed, 3, schedules.div_ceil(2)));
    }
}

#[test]
fn independent_transactions_settle_under_every_schedule() {
    property(Shape::Independent);
}

#[test]
fn chains_settle_under_every_schedule() {
    property(Shape::Chain);
}

#[test]
fn hot_keys_settle_under_every_schedule() {
    property(Shape::HotKey);
}

#[test]
fn deltas_settle_under_every_schedule() {
    property(Shape::Deltas);
}

#[test]
fn branches_settle_under_every_schedule() {
    property(Shape::Branches);
}

#[test]
fn skips_settle_under_every_schedule() {
    property(Shape::Skips);
}

#[test]
fn stops_settle_under_every_schedule() {
    property(Shape::Stops);
}

#[test]
fn failures_surface_under_every_schedule() {
    property(Shape::Failures);
}
