//! What the judge says when the executor contradicts itself. It never does here, so its answers are changed by hand.

use super::judge;
use super::recipe::recipe;
use crate::fixture::Accounts;
use crate::judge::execution::compare_runs;
use crate::judge::world::World;
use crate::judge::{Difference, Finding, Outcome, conclude};
use std::path::Path;
use std::sync::Arc;
use weft_evm::{BlockInput, Executed, ExecutionError, Mode, Products, Rules, SpecId};
use weft_types::StateReader;

/// What executing the empty block on this state gives.
fn run(accounts: &Accounts) -> Result<Executed, ExecutionError> {
    with_block(accounts, |input, state| {
        judge().executor.execute(input, state, Mode::Oracle, Products::ALL)
    })
}

fn with_block<T>(
    accounts: &Accounts,
    then: impl FnOnce(&BlockInput<'_>, &Arc<dyn StateReader>) -> T,
) -> T {
    let header = recipe().blocks[0].header.clone();
    let rules = Rules::ethereum(SpecId::OSAKA, 1);
    let input = BlockInput {
        header: &header,
        transactions: &[],
        ommers: &[],
        withdrawals: &[],
        commands: &[],
        rules: &rules,
    };
    let state: Arc<dyn StateReader> = Arc::new(World::new(accounts));
    then(&input, &state)
}

fn field_of(finding: Result<(), Finding>) -> Option<String> {
    match finding {
        Ok(()) => None,
        Err(Finding::Contradiction(difference)) => Some(difference.field),
        Err(Finding::Differs(difference)) => panic!("not the suite's matter: {difference}"),
    }
}

#[test]
fn two_runs_must_give_the_same_or_refuse_for_the_same_reason() {
    let pre = recipe().pre;
    let right = run(&pre);
    assert_eq!(field_of(compare_runs("oracle", &right, &run(&pre))), None);

    let mut other = run(&pre).unwrap();
    other.gas_used += 1;
    let found = field_of(compare_runs("oracle", &right, &Ok(other)));
    assert_eq!(found.as_deref(), Some("oracle: gasUsed"));

    let refused = run(&Accounts::new());
    assert_eq!(field_of(compare_runs("oracle", &refused, &run(&Accounts::new()))), None);
    assert_eq!(field_of(compare_runs("oracle", &refused, &right)).as_deref(), Some("oracle"));
    assert_eq!(field_of(compare_runs("oracle", &right, &refused)).as_deref(), Some("oracle"));
    let reason = "another".to_owned();
    let otherwise = Err(ExecutionError::Invalid { index: None, reason });
    assert_eq!(field_of(compare_runs("oracle", &refused, &otherwise)).as_deref(), Some("oracle"));
}

#[test]
fn a_wrong_list_must_be_refused() {
    let pre = recipe().pre;
    let refuse = |list: &[u8]| {
        field_of(with_block(&pre, |input, state| judge().refuse_list(input, state, list)))
    };
    assert_eq!(refuse(&[0xc0]), None);
    let right = run(&pre).unwrap().access_list;
    assert_eq!(refuse(&right).as_deref(), Some("wrong list"));
}

#[test]
fn only_a_difference_from_the_suite_can_be_excepted() {
    let test = "tests/paris/eip7610_create_collision/test_x";
    let outcome = |finding| conclude(Path::new("a.json"), test, "Osaka", || Err(finding)).outcome;
    let difference = Difference::new("stateRoot", 1, 2);
    let differs = outcome(Finding::Differs(difference.clone()));
    assert!(matches!(differs, Outcome::Excepted { .. }), "{differs:?}");
    let contradiction = outcome(Finding::Contradiction(difference.clone()));
    assert_eq!(contradiction, Outcome::Failed(difference));
}

#[test]
fn a_panic_fails_its_own_test_only() {
    let verdict = conclude(Path::new("a.json"), "test", "Osaka", || panic!("on purpose"));
    assert_eq!(verdict.outcome, Outcome::Failed(Difference::new("panic", "none", "on purpose")));
}
