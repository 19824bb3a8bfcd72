use super::judge;
use super::recipe::{recipe, state_json};
use crate::judge::{Outcome, Verdict};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/fixtures").join(name)
}

fn blockchain_file() -> Value {
    json!({ "payment_and_withdrawal": recipe().to_json() })
}

fn state_file() -> Value {
    json!({ "payment": state_json() })
}

fn read(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

#[test]
fn the_files_in_the_tree_are_what_the_recipe_makes() {
    assert_eq!(read("blockchain/payment.json"), blockchain_file());
    assert_eq!(read("state/payment.json"), state_file());
}

/// Writes the files anew, after a change to the recipe: `cargo test -p weft-replay -- --ignored write_the_files`.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_files() {
    let files =
        [("blockchain/payment.json", blockchain_file()), ("state/payment.json", state_file())];
    for (name, json) in files {
        fs::write(fixture(name), format!("{json:#}\n")).unwrap();
    }
}

fn passed(verdict: &Verdict) -> bool {
    matches!(verdict.outcome, Outcome::Passed { .. })
}

#[test]
fn a_file_gives_one_verdict_a_test_and_fork() {
    let verdicts = judge().judge_blockchain_file(&fixture("blockchain/payment.json"));
    assert_eq!(verdicts.len(), 1);
    assert!(passed(&verdicts[0]), "{}", verdicts[0]);
    let verdicts = judge().judge_state_file(&fixture("state/payment.json"));
    let forks: Vec<&str> = verdicts.iter().map(|verdict| verdict.fork.as_str()).collect();
    assert_eq!(forks, ["Berlin", "London", "Osaka"]);
    for verdict in &verdicts {
        assert!(passed(verdict), "{verdict}");
    }
}

#[test]
fn the_filter_chooses_by_file_test_and_fork() {
    let count = |text: &str| {
        let judge = judge().with_filter(Some(text.to_owned()));
        judge.judge_state_file(&fixture("state/payment.json")).len()
    };
    assert_eq!(
        [count("payment"), count("Osaka"), count("state/pay"), count("nothing")],
        [3, 1, 3, 0]
    );
}

#[test]
fn a_file_of_another_kind_is_one_failure_that_names_it() {
    let verdicts = judge().judge_blockchain_file(&fixture("state/payment.json"));
    assert_eq!(verdicts.len(), 1);
    let text = verdicts[0].to_string();
    assert!(matches!(verdicts[0].outcome, Outcome::Failed(_)), "{text}");
    assert!(text.contains("payment.json is not a file of this kind of tests"), "{text}");
}
