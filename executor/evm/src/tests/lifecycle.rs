//! Accounts that come, go and come back, under every fork: random blocks on a small pool of accounts, in interleavings drawn
//! from a seed, against the oracle and a plain revm loop.
//!
//! `WEFT_EVM_INTERLEAVINGS=<n>` tries that many interleavings of each family of forks; `WEFT_EVM_LIFECYCLE=<seed>` replays
//! the block of one seed, with all of its interleavings.

pub(crate) mod cases;

use super::dice::number_from_env;
use super::plain::{check_refused, plain_loop};
use super::world::{World, assert_same};
use crate::{Executed, Executor, Mode};
use cases::Case;
use revm::primitives::hardfork::SpecId;
use std::sync::Arc;
use weft_types::{Account, Location, RecoveredTransaction};

/// Interleavings of each block.
const SCHEDULES: u64 = 5;

/// Blocks of each family of forks in the everyday run.
const BLOCKS: u64 = 76;

/// Executors on real threads.
struct Threads(Vec<Executor>);

/// Says, when a test fails, how to see it again.
struct Replay {
    test: &'static str,
    case: String,
    seed: u64,
    workers: usize,
    schedule: Option<u64>,
}

impl Drop for Replay {
    #[expect(clippy::print_stdout, reason = "shown with a failing test only")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { test, case, seed, workers, schedule } = self;
            println!("{case}\n{workers} workers, schedule {schedule:?}");
            println!("replay: WEFT_EVM_LIFECYCLE={seed} cargo test --release -p weft-evm {test}");
        }
    }
}

impl Threads {
    fn new() -> Self {
        let executor = |workers| Executor::new(workers).with_min_parallel_transactions(0);
        Self([1, 2, 3, 8].map(executor).into())
    }
}

/// Everything that one case must stand.
fn try_case(test: &'static str, forks: &[SpecId], seed: u64, threads: &Threads) {
    let case = Case::new(forks, seed);
    let mut replay = Replay { test, case: case.to_string(), seed, workers: 0, schedule: None };
    let Case { world, candidates, .. } = &case;
    let plain = plain_loop(world, candidates);
    let included: Vec<Arc<RecoveredTransaction>> = (0..candidates.len())
        .filter(|place| !plain.refused.contains(place))
        .map(|place| Arc::clone(&candidates[place]))
        .collect();
    let oracle = world.oracle(&included).unwrap();
    plain.compare(world, &oracle);
    if let Some(first) = plain.refused.first() {
        check_refused(world, candidates, *first);
    }
    let all = |executor: &Executor| {
        let built = world.build(executor, candidates).unwrap();
        assert_eq!(built.skipped.len(), plain.refused.len());
        assert_same(&built, &oracle, "built");
        every_way(world, &included, &oracle, executor);
    };
    for executor in &threads.0 {
        replay.workers += 1;
        all(executor);
    }
    for schedule in 0..SCHEDULES {
        replay.workers = 2 + (mixed(seed, schedule) % 7) as usize;
        let drawn = mixed(schedule, seed);
        replay.schedule = Some(drawn);
        let executor = Executor::new(replay.workers).with_drawn_schedule(drawn);
        // Building and verifying differ only in what becomes of an invalid transaction.
        if schedule % 2 == 0 {
            let built = world.build(&executor, candidates).unwrap();
            assert_same(&built, &oracle, "built");
        } else {
            every_way(world, &included, &oracle, &executor);
        }
    }
}

/// The ways of verification.
fn every_way(
    world: &World,
    included: &[Arc<RecoveredTransaction>],
    oracle: &Executed,
    executor: &Executor,
) {
    let verified = world.execute(executor, included, Mode::Verify).unwrap();
    assert_same(&verified, oracle, "verified");
    // A list does not say that an account which was left empty from before EIP-161 is gone.
    let mut writes = oracle.access_record.transactions.iter().flat_map(|access| &access.writes);
    let relic = writes.any(|write| matches!(write.location, Location::StorageEpoch { .. }))
        || oracle.diff.accounts.iter().any(|account| account.before == Some(Account::default()));
    if world.is_osaka() && !relic {
        let listed = world.execute(executor, included, Mode::WithList(&oracle.access_list));
        assert_same(&listed.unwrap(), oracle, "verified with its list");
    }
}

fn mixed(a: u64, b: u64) -> u64 {
    super::dice::Dice::new(a.wrapping_mul(31) ^ b.rotate_left(32)).below(u64::MAX)
}

fn property(test: &'static str, forks: &[SpecId]) {
    let threads = Threads::new();
    let seeds = match number_from_env("WEFT_EVM_LIFECYCLE") {
        Some(seed) => seed..seed + 1,
        None => {
            let interleavings = number_from_env("WEFT_EVM_INTERLEAVINGS");
            0..interleavings.map_or(BLOCKS, |number| number.div_ceil(SCHEDULES))
        }
    };
    for seed in seeds {
        try_case(test, forks, seed, &threads);
    }
}

#[test]
fn lifecycles_under_shanghai_survive_every_drawn_interleaving() {
    property("lifecycles_under_shanghai", &[SpecId::SHANGHAI]);
}

#[test]
fn lifecycles_under_cancun_survive_every_drawn_interleaving() {
    property("lifecycles_under_cancun", &[SpecId::CANCUN]);
}

#[test]
fn lifecycles_under_osaka_survive_every_drawn_interleaving() {
    property("lifecycles_under_osaka", &[SpecId::OSAKA]);
}

#[test]
fn lifecycles_under_older_forks_survive_every_drawn_interleaving() {
    let forks = [
        SpecId::FRONTIER,
        SpecId::HOMESTEAD,
        SpecId::SPURIOUS_DRAGON,
        SpecId::BYZANTIUM,
        SpecId::BERLIN,
    ];
    property("lifecycles_under_older_forks", &forks);
}
