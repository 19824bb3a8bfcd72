//! Whole networks from one seed each. `WEFT_SEED=n` runs only that seed and prints its trace:
//!
//! ```text
//! WEFT_SEED=17 cargo test --release -p weft-consensus --test simulation NAME -- --nocapture
//! ```

use weft_consensus::sim::{Report, Scenario, Violation, run};

/// Runs a scenario for every seed, or for the one asked for, and fails on the first violation.
fn all_hold(
    test: &str,
    seeds: std::ops::Range<u64>,
    scenario: impl Fn(u64) -> Scenario,
) -> Vec<Report> {
    let asked = std::env::var("WEFT_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds: Vec<u64> = asked.map_or_else(|| seeds.collect(), |seed| vec![seed]);
    let mut reports = Vec::new();
    for seed in seeds {
        let report = run(&Scenario { trace: asked.is_some(), ..scenario(seed) });
        for line in &report.trace {
            eprintln!("{line}");
        }
        if let Some(violation) = &report.violation {
            panic!(
                "seed {seed}: {violation}\nreplay: WEFT_SEED={seed} cargo test --release \
                 -p weft-consensus --test simulation {test} -- --exact --nocapture"
            );
        }
        reports.push(report);
    }
    reports
}

#[test]
fn four_validators_survive_loss_and_crashes_without_fork_or_double_vote() {
    let name = "four_validators_survive_loss_and_crashes_without_fork_or_double_vote";
    let reports = all_hold(name, 0..200, |seed| Scenario::faulty(seed, 4));
    if reports.len() == 200 {
        // The faults took place, or the test would prove little.
        let (crashes, synced): (u32, u32) =
            reports.iter().fold((0, 0), |sum, r| (sum.0 + r.crashes, sum.1 + r.synced));
        let later_rounds = reports.iter().filter(|report| report.round_max > 0).count();
        assert!(crashes > 800, "{crashes} crashes");
        assert!(synced > 200, "{synced} synced blocks");
        assert!(later_rounds > 150, "{later_rounds} runs with a decision in a later round");
    }
}

#[test]
fn seven_validators_and_a_follower_survive_a_partition() {
    let name = "seven_validators_and_a_follower_survive_a_partition";
    all_hold(name, 0..12, |seed| Scenario {
        followers: 1,
        partition: true,
        ..Scenario::faulty(seed, 7)
    });
}

#[test]
fn an_equivocating_validator_is_proved_and_forks_nothing() {
    let name = "an_equivocating_validator_is_proved_and_forks_nothing";
    let reports =
        all_hold(name, 0..30, |seed| Scenario { equivocator: true, ..Scenario::faulty(seed, 4) });
    assert!(reports.iter().map(|report| report.evidence).sum::<u32>() > 0);
}

#[test]
fn a_network_without_faults_decides_every_height_in_the_first_round() {
    let scenario = Scenario {
        loss_percent: 0,
        duplicate_percent: 0,
        crashes_max: 0,
        followers: 2,
        ..Scenario::faulty(1, 4)
    };
    let report = run(&scenario);
    assert_eq!(report.violation, None);
    assert_eq!(report.round_max, 0);
    assert!(report.height > 15, "{report:?}");
}

#[test]
fn validators_that_forget_their_log_vote_twice_in_some_run() {
    let found = (0..60).any(|seed| {
        let report = run(&Scenario { forget_log: true, ..Scenario::faulty(seed, 4) });
        matches!(
            report.violation,
            Some(Violation::DoubleVote { .. } | Violation::DoubleProposal { .. })
        )
    });
    assert!(found, "the oracle finds no double vote although logs are forgotten");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let scenario = Scenario { equivocator: true, partition: true, ..Scenario::faulty(5, 4) };
    let (first, second) = (run(&scenario), run(&scenario));
    assert_eq!(first.digest, second.digest);
    assert_eq!(first.elapsed_ms, second.elapsed_ms);
    let other = run(&Scenario { seed: 6, ..scenario });
    assert_ne!(first.digest, other.digest);
}
