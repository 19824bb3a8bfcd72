use super::recipe::state_json;
use super::{difference_of, judge};
use crate::fixture::StateTest;
use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

/// The field that differs in one fork, after a change to the test.
fn differing(fork: &str, change: impl FnOnce(&mut Value)) -> Option<String> {
    let mut json = state_json();
    change(&mut json);
    let test: StateTest = serde_json::from_value(json).expect("a state test");
    let expectation = &test.post[fork][0];
    let finding = judge().judge_expectation(&test, fork, expectation).err();
    finding.map(|finding| difference_of(finding).field)
}

#[test]
fn the_payment_that_was_worked_out_by_hand_passes_in_every_fork() {
    for fork in ["Berlin", "London", "Osaka"] {
        assert_eq!(differing(fork, |_| ()), None, "{fork}");
    }
}

#[test]
fn every_wrong_expectation_is_found() {
    let osaka = |field: &'static str, value: Value| {
        differing("Osaka", move |test| test["post"]["Osaka"][0][field] = value)
    };
    assert_eq!(osaka("hash", json!(B256::ZERO)).as_deref(), Some("stateRoot"));
    assert_eq!(osaka("logs", json!(B256::ZERO)).as_deref(), Some("logs"));
    assert_eq!(
        osaka("expectException", json!("TransactionException.X")).as_deref(),
        Some("verdict")
    );
    assert_eq!(osaka("txbytes", json!("0x02")).as_deref(), Some("verdict"));
    let indexes = json!({ "data": 0, "gas": 0, "value": 1 });
    assert_eq!(osaka("indexes", indexes).as_deref(), Some("txbytes: value"));
    let not_rejected = differing("Berlin", |test| {
        test["post"]["Berlin"][0].as_object_mut().unwrap().remove("expectException");
    });
    assert_eq!(not_rejected.as_deref(), Some("verdict"));
    let changed = differing("Berlin", |test| test["post"]["Berlin"][0]["hash"] = json!(B256::ZERO));
    assert_eq!(changed.as_deref(), Some("stateRoot"), "a rejected transaction changes nothing");
}

#[test]
fn every_wrong_part_of_the_transaction_is_found() {
    let wrong = [
        ("sender", json!(Address::ZERO)),
        ("to", json!("")),
        ("nonce", json!("0x01")),
        ("gasLimit", json!(["0x5209"])),
        ("value", json!(["0x03e9"])),
        ("data", json!(["0x00"])),
        ("blobVersionedHashes", json!([B256::ZERO])),
    ];
    for (field, value) in wrong {
        let found = differing("Osaka", |test| test["transaction"][field] = value);
        assert_eq!(found, Some(format!("txbytes: {field}")));
    }
    let fee = differing("Osaka", |test| test["transaction"]["maxFeePerGas"] = json!("0x07d1"));
    assert_eq!(fee.as_deref(), Some("txbytes: fee"));
}

#[test]
fn another_state_or_block_before_the_transaction_gives_another_root() {
    let balance = differing("Osaka", |test| {
        let account = test["pre"].as_object_mut().unwrap().values_mut().next().unwrap();
        account["balance"] = json!("0x0de0b6b3a7640001");
    });
    assert!(balance.is_some_and(|field| field.starts_with("stateRoot: 0x")));
    let base_fee = differing("Osaka", |test| test["env"]["currentBaseFee"] = json!("0x0b"));
    assert!(base_fee.is_some_and(|field| field.starts_with("stateRoot: 0x")));
    let beneficiary =
        differing("Osaka", |test| test["env"]["currentCoinbase"] = json!(Address::ZERO));
    assert!(beneficiary.is_some_and(|field| field.starts_with("stateRoot: 0x")));
}
