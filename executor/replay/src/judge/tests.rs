//! The judge is judged: it must accept what is right, and refuse it with any one thing wrong.

mod amsterdam;
mod blocks;
mod files;
mod findings;
mod recipe;
mod state;

use super::{Checks, Difference, Finding, Judge, Rejection};
use crate::fixture::BlockchainTest;
use serde_json::Value;

fn judge() -> Judge {
    Judge::new(2, Checks::ALL)
}

/// Judges a blockchain test given as JSON.
fn judge_json(json: &Value) -> Result<Vec<Rejection>, Difference> {
    let test: BlockchainTest = serde_json::from_value(json.clone()).expect("a blockchain test");
    judge().judge_chain(&test).map_err(difference_of)
}

/// What differs from the suite. The tests here never find the executor contradicting itself.
fn difference_of(finding: Finding) -> Difference {
    match finding {
        Finding::Differs(difference) => difference,
        Finding::Contradiction(difference) => panic!("{difference}"),
    }
}
