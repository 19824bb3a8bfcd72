//! Ethereum's own test suites, where they lie beside the workspace: `../shared/conformance` with one folder a suite.

use std::path::{Path, PathBuf};
use weft_replay::fixture::list_files;
use weft_replay::judge::{Checks, Judge, Outcome, Verdict};

/// Nine transactions of 120 million gas that end out of gas: most of the time of all suites together. They run with 2 workers
/// only; a block of one transaction has nothing to share among more.
const LONG: &str = "test_run_until_out_of_gas.json";
const LONG_TESTS: usize = 9;

/// The folder of a suite; `None`, with a message, when it is not there.
fn suite(name: &str) -> Option<PathBuf> {
    let root = Path::new("../../../shared/conformance");
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not here", folder.display());
    None
}

/// Judges every file of a suite with 1, 2 and 4 workers, all checks on: so many tests must pass, so many may be excepted, and
/// none may fail.
fn judge(
    name: &str,
    judge_file: fn(&Judge, &Path) -> Vec<Verdict>,
    (passes, exceptions): (usize, usize),
) {
    let Some(folder) = suite(name) else { return };
    let files = list_files(&folder).expect("a suite is readable");
    for workers in [1, 2, 4] {
        let judge = Judge::new(workers, Checks::ALL);
        let (short, long): (Vec<_>, Vec<_>) = files.iter().partition(|file| !file.ends_with(LONG));
        let long_too = if workers == 2 { long.as_slice() } else { &[] };
        let passes = passes - if workers == 2 { 0 } else { LONG_TESTS * long.len() };
        let (mut passed, mut excepted, mut failures) = (0, 0, Vec::new());
        for verdict in short.iter().chain(long_too).flat_map(|file| judge_file(&judge, file)) {
            match verdict.outcome {
                Outcome::Passed { .. } => passed += 1,
                Outcome::Excepted { .. } => excepted += 1,
                Outcome::Failed(_) => failures.push(verdict.to_string()),
            }
        }
        let count = failures.len();
        assert!(failures.is_empty(), "{workers} workers, {count} fail:\n{}", failures.join("\n"));
        assert_eq!((passed, excepted), (passes, exceptions), "{name}, {workers} workers");
    }
}

#[test]
fn blocks_of_osaka() {
    judge("bt_osaka", Judge::judge_blockchain_file, (185, 0));
}

#[test]
fn blocks_of_prague() {
    judge("bt_prague", Judge::judge_blockchain_file, (49, 0));
}

#[test]
fn blocks_on_both_sides_of_a_fork() {
    judge("bt_transition", Judge::judge_blockchain_file, (10, 0));
}

#[test]
fn valid_and_invalid_blocks_of_cancun() {
    judge("bt_ethtests", Judge::judge_blockchain_file, (110, 0));
}

#[test]
fn transactions_in_all_forks() {
    judge("state", Judge::judge_state_file, (1_025, 0));
}

#[test]
fn transactions_of_the_ported_families() {
    judge("state_static", Judge::judge_state_file, (802, 0));
}

/// The 19 differ in gas that is one generation older than revm's: see the list of exceptions.
#[test]
fn block_access_lists_of_amsterdam() {
    judge("bal7928", Judge::judge_blockchain_file, (64, 19));
}
