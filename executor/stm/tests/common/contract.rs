//! What the tests of the contract share.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::env;
use std::sync::OnceLock;

use weft_stm::toy::{Ledger, Toy, ToyFailure, histories};
use weft_stm::{Report, Run, RunError, run_sequential};

/// Keeps the panics that programs raise on purpose out of the test output.
pub fn silence_programs() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload().downcast_ref::<String>();
            if !message
                .is_some_and(|text| text.starts_with("register ") && text.ends_with(" is odd"))
            {
                print(info);
            }
        }));
    });
}

/// The number in an environment variable, if it is set.
pub fn number_from_env(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// How a run ended, comparable.
fn ending(result: Result<&Report<u64>, &RunError<ToyFailure>>) -> String {
    match result {
        Ok(report) => format!("settled {} of {}", report.settled, report.transactions),
        Err(error) => format!("{error:?}"),
    }
}

/// Expects that a run ended, showed its settler and left behind what the sequential run does.
pub fn expect_same(
    block: &Toy,
    (result, ledger): (&Result<Run<'_, Toy>, RunError<ToyFailure>>, &Ledger),
    max_incarnations: u32,
    what: &str,
) {
    let mut expected = Ledger::new(block);
    let oracle = run_sequential(block, &mut expected);
    let end = ending(result.as_ref().map(|(report, _)| report));
    assert_eq!(end, ending(oracle.as_ref()), "{what}: the runs end differently\n{block:#?}");
    assert_eq!(ledger, &expected, "{what}: the settler saw something else\n{block:#?}");
    if let Ok((report, versions)) = result {
        let executions =
            u64::from(max_incarnations.saturating_add(1)) * block.programs().len() as u64;
        assert!(report.executions <= executions, "{what}: {} executions", report.executions);
        let left = histories(versions);
        assert_eq!(left, expected.histories, "{what}: other values are left behind\n{block:#?}");
    }
}
