//! The strict judge: runs Ethereum's own test suites as a node would, and says of each test whether it passed.
//!
//! # Flow
//! A block is taken from its RLP: decoded ([`alloy_consensus`]'s types, but no byte may be left over or encoded in another
//! way), judged by the header rules, its senders recovered, executed by [`weft_evm::Executor`] in parallel, and every result
//! compared with its header, the Merkle-Patricia state root included. A block that the suite calls invalid must be rejected,
//! and for the reason that the suite gives as far as our own reasons tell them apart. Then [`Checks`] hold the same block
//! against the sequential oracle and against a run with its block access list.
//!
//! # It is not
//! A chain: there is no proof of work here, so blockchain tests are judged from Paris on. State tests are judged in all forks.
//!
//! ```
//! use weft_replay::judge::{Checks, Judge, Outcome};
//!
//! let judge = Judge::new(2, Checks::ALL);
//! let file = "tests/fixtures/blockchain/payment.json";
//! for verdict in judge.judge_blockchain_file(file.as_ref()) {
//!     assert!(matches!(verdict.outcome, Outcome::Passed { .. }), "{verdict}");
//! }
//! ```

mod amsterdam;
mod block;
mod chain;
mod exceptions;
mod execution;
mod fork;
mod junit;
mod rejection;
mod state_test;
#[cfg(test)]
mod tests;
mod world;

pub(crate) use block::DecodedBlock;
pub(crate) use execution::compare_header;
pub(crate) use fork::Fork;
pub use junit::write_junit;
pub use rejection::{Rejection, Stage};
pub(crate) use world::World;

pub use crate::difference::Difference;

use crate::fixture::{BlockchainTest, StateTest, read_tests};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use weft_evm::Executor;

/// What to hold against a block besides its header. The block itself always runs in parallel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Run it sequentially by the oracle, too; everything that execution gives must be equal, and so must refusals.
    pub oracle: bool,
    /// From Osaka on, run it with its own block access list, too; everything must be equal.
    pub access_list: bool,
    /// Run a block of several transactions under so many schedules, too, drawn from the seeds 0, 1, ...; everything must be
    /// equal, and so must refusals.
    pub schedules: u16,
}

impl Checks {
    /// All of them, and two schedules.
    pub const ALL: Self = Self { oracle: true, access_list: true, schedules: 2 };
    /// None: the header alone.
    pub const NONE: Self = Self { oracle: false, access_list: false, schedules: 0 };
}

/// Judges files of tests with one executor.
#[derive(Debug)]
pub struct Judge {
    executor: Executor,
    /// One for each drawn schedule, by its seed.
    drawn: Vec<Executor>,
    checks: Checks,
    filter: Option<String>,
}

/// One test, in one fork, and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The file that it is from.
    pub file: PathBuf,
    /// Its name in the file; empty when the file as a whole is meant.
    pub test: String,
    /// The fork, in the suite's words.
    pub fork: String,
    /// How it went.
    pub outcome: Outcome,
}

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As the suite expects.
    Passed {
        /// Why the blocks or transactions were rejected that had to be.
        rejections: Vec<Rejection>,
    },
    /// Not as the suite expects.
    Failed(Difference),
    /// Not as the suite expects, for a reason that is known and documented.
    Excepted {
        /// The reason.
        reason: &'static str,
        /// What differs.
        difference: Difference,
    },
}

/// Why a test does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The executor differs from the suite.
    Differs(Difference),
    /// The executor contradicts itself, or could not tell.
    Contradiction(Difference),
}

impl Finding {
    /// Says where.
    fn at(self, place: impl fmt::Display) -> Self {
        match self {
            Self::Differs(difference) => Self::Differs(difference.at(place)),
            Self::Contradiction(difference) => Self::Contradiction(difference.at(place)),
        }
    }
}

impl From<Difference> for Finding {
    fn from(difference: Difference) -> Self {
        Self::Differs(difference)
    }
}

impl Judge {
    /// A judge whose executor has so many workers (0: one a core) and runs even the smallest block on them.
    #[must_use]
    pub fn new(workers: usize, checks: Checks) -> Self {
        let executor = || Executor::new(workers).with_min_parallel_transactions(0);
        let seeds = 0..u64::from(checks.schedules);
        let drawn = seeds.map(|seed| executor().with_drawn_schedule(seed)).collect();
        Self { executor: executor(), drawn, checks, filter: None }
    }

    /// Judges only tests whose file, name or fork contains `text`.
    #[must_use]
    pub fn with_filter(mut self, text: Option<String>) -> Self {
        self.filter = text;
        self
    }

    /// Judges the blockchain tests of one file, in the order of their names.
    ///
    /// A file that cannot be read is one failed verdict.
    #[must_use]
    pub fn judge_blockchain_file(&self, file: &Path) -> Vec<Verdict> {
        let tests = match read_tests::<BlockchainTest>(file) {
            Ok(tests) => tests,
            Err(error) => return vec![unreadable(file, &error)],
        };
        let wanted = tests.iter().filter(|(name, test)| self.wants(file, name, &test.network));
        wanted
            .map(|(name, test)| {
                let run = || self.judge_chain(test);
                conclude(file, name, &test.network, run)
            })
            .collect()
    }

    /// Judges the state tests of one file: one verdict for each outcome that the file states.
    ///
    /// A file that cannot be read is one failed verdict.
    #[must_use]
    pub fn judge_state_file(&self, file: &Path) -> Vec<Verdict> {
        let tests = match read_tests::<StateTest>(file) {
            Ok(tests) => tests,
            Err(error) => return vec![unreadable(file, &error)],
        };
        let mut verdicts = Vec::new();
        for (name, test) in &tests {
            for (fork, expectations) in &test.post {
                if !self.wants(file, name, fork) {
                    continue;
                }
                for (index, expectation) in expectations.iter().enumerate() {
                    let name = match expectations.len() {
                        1 => name.clone(),
                        _ => format!("{name}[{index}]"),
                    };
                    let run = || self.judge_expectation(test, fork, expectation);
                    verdicts.push(conclude(file, &name, fork, run));
                }
            }
        }
        verdicts
    }

    fn wants(&self, file: &Path, name: &str, fork: &str) -> bool {
        self.filter.as_ref().is_none_or(|text| {
            name.contains(text) || fork.contains(text) || file.to_string_lossy().contains(text)
        })
    }
}

/// Runs a test and files its verdict. A panic is a failure of this test, not the end of the others.
fn conclude(
    file: &Path,
    test: &str,
    fork: &str,
    run: impl FnOnce() -> Result<Vec<Rejection>, Finding>,
) -> Verdict {
    let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(Finding::Contradiction(Difference::new("panic", "none", text.unwrap_or_default())))
    });
    let outcome = match result {
        Ok(rejections) => Outcome::Passed { rejections },
        Err(Finding::Differs(difference)) => match exceptions::reason(test, fork) {
            Some(reason) => Outcome::Excepted { reason, difference },
            None => Outcome::Failed(difference),
        },
        Err(Finding::Contradiction(difference)) => Outcome::Failed(difference),
    };
    Verdict { file: file.to_owned(), test: test.to_owned(), fork: fork.to_owned(), outcome }
}

fn unreadable(file: &Path, error: &dyn std::error::Error) -> Verdict {
    let difference = Difference::new("file", "tests of this kind", error);
    let outcome = Outcome::Failed(difference);
    Verdict { file: file.to_owned(), test: String::new(), fork: String::new(), outcome }
}

impl Difference {
    pub(crate) fn new(field: impl ToString, expected: impl ToString, found: impl ToString) -> Self {
        let (field, expected) = (field.to_string(), expected.to_string());
        Self { field, expected, found: found.to_string() }
    }

    /// Says where.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.field = format!("{place}: {}", self.field);
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.field, self.expected, self.found)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: ", self.file.display(), self.test, self.fork)?;
        match &self.outcome {
            Outcome::Passed { .. } => f.write_str("passed"),
            Outcome::Failed(difference) => difference.fmt(f),
            Outcome::Excepted { reason, difference } => {
                write!(f, "excepted ({reason}): {difference}")
            }
        }
    }
}
