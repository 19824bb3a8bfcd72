//! Records for the tests of this module.

use super::file::{FileError, RecordFile};
use serde_json::{Value, json};

/// Block 7: four calls; 0, 1 and 2 raise a counter one after the other, 3 does not meet anybody. Transaction 1 was thrown
/// away once.
pub(super) fn sample_json() -> Value {
    let counter = json!({
        "kind": "storage", "address": format!("0x{}", "c0".repeat(20)), "slot": "0x0",
        "name": "Counter.count", "guessed": false,
    });
    let mut conflict = counter.clone();
    for (key, value) in [
        ("serialisedGas", json!(100_000)),
        ("waiting", json!(2)),
        ("edges", json!([{ "from": 0, "to": 1 }, { "from": 1, "to": 2 }])),
    ] {
        conflict[key] = value;
    }
    let step = |tx: u32, via: &[&Value]| json!({ "tx": tx, "gas": 50_000, "function": "Counter.increment", "via": via });
    json!({
        "format": "weft-record-1",
        "source": "chain 31337",
        "record": {
            "number": 7, "hash": format!("0x{}", "ab".repeat(32)), "timestamp": 1,
            "deterministic": {
                "workGas": 200_000, "criticalPathGas": 150_000, "criticalPath": [0, 1, 2],
                "dependentTransactions": 2,
                "bestSpeedup": { "2": 1.33, "4": 1.33, "8": 1.33, "16": 1.33, "unlimited": 1.33 },
                "columns": {
                    "hashes": (0..4).map(|n| format!("0x{}", format!("0{n}").repeat(32))).collect::<Vec<_>>(),
                    "addresses": [format!("0x{}", "a0".repeat(20)), format!("0x{}", "c0".repeat(20)), format!("0x{}", "b0".repeat(20))],
                    "addressNames": ["alice", "Counter", "bob"], "addressKinds": [null, null, null],
                    "functions": ["increment()", "transfer"],
                    "from": [0, 2, 0, 2], "to": [1, 1, 1, 0], "function": [0, 0, 0, 1], "creates": [0, 0, 0, 0],
                    "gas": [50_000, 50_000, 50_000, 50_000], "status": [1, 1, 1, 0],
                    "depth": [0, 1, 2, 0], "startGas": [0, 50_000, 100_000, 0],
                    "edges": { "from": [0, 1], "to": [1, 2], "location": [0, 0], "truncated": false },
                    "locations": [counter],
                },
            },
            "local": {
                "mode": "blockStm", "workers": 2, "wallUs": 200, "reexecutions": 1,
                "speedup": { "value": 1.1, "estimated": true },
                "columns": {
                    "tx": [0, 1, 3, 1, 2], "incarnation": [0, 0, 0, 1, 0], "worker": [0, 1, 1, 0, 0],
                    "start": [0, 1, 50, 60, 120], "duration": [50, 40, 50, 50, 60],
                    "outcome": [0, 1, 0, 0, 0], "by": [null, 0, null, null, null],
                    "cause": [null, 0, null, null, null], "causes": ["Counter.count"],
                },
            },
        },
        "criticalPath": { "block": 7, "workGas": 200_000, "pathGas": 150_000, "bestSpeedup": 1.33,
            "steps": [step(0, &[]), step(1, &[&counter]), step(2, &[&counter])] },
        "conflicts": [conflict],
        "advice": { "bestSpeedup": 1.33, "ifFollowed": 4.0, "advice": [{
            "title": "global counter: Counter.count changes by +1 in 3 of 3 calls of Counter.increment",
            "remedy": "Each call reads what the call before wrote, so they run one by one.",
            "transactions": [0, 1, 2],
        }] },
        "transactions": null,
    })
}

pub(super) fn sample() -> RecordFile {
    RecordFile::parse(&sample_json()).expect("the sample is a record")
}

/// The same calls without the counter.
pub(super) fn independent() -> RecordFile {
    let mut json = sample_json();
    json["conflicts"] = json!([]);
    let half = &mut json["record"]["deterministic"];
    half["criticalPathGas"] = json!(50_000);
    half["criticalPath"] = json!([0]);
    half["dependentTransactions"] = json!(0);
    half["bestSpeedup"]["unlimited"] = json!(4.0);
    RecordFile::parse(&json).expect("the sample is a record")
}

/// The sample with one value changed.
fn broken(pointer: &str, value: Value) -> String {
    let mut json = sample_json();
    *json.pointer_mut(pointer).expect("the sample has it") = value;
    RecordFile::parse(&json).expect_err(pointer).to_string()
}

#[test]
fn a_file_whose_parts_do_not_fit_is_refused_with_what_was_expected() {
    let columns = "/record/deterministic/columns";
    assert_eq!(
        broken(&format!("{columns}/gas"), json!([1, 2])),
        "transactions: expected 2 entries, found 4"
    );
    assert_eq!(broken(&format!("{columns}/to/3"), json!(9)), "to: expected below 3, found 9");
    assert_eq!(
        broken(&format!("{columns}/edges/location/1"), json!(1)),
        "edges.location: expected below 1, found 1"
    );
    let runs = "/record/local/columns";
    assert_eq!(
        broken(&format!("{runs}/tx/0"), json!(4)),
        "incarnations.tx: expected below 4, found 4"
    );
    assert!(broken(&format!("{runs}/worker/0"), json!(5000)).contains("incarnations.worker"));
    assert!(broken(&format!("{runs}/cause/1"), json!(1)).contains("incarnations.cause"));
    assert!(broken("/criticalPath/steps/2/tx", json!(4)).contains("criticalPath.steps"));
    assert!(broken("/record/number", json!("7")).starts_with("not a record"));
}

#[test]
fn a_file_of_another_form_is_refused_by_its_name() {
    let found = broken("/format", json!("weft-record-2"));
    assert_eq!(found, "expected a record of form weft-record-1, found weft-record-2");
    assert!(matches!(RecordFile::parse(&json!([1])), Err(FileError::Format { .. })));
}

#[test]
fn a_page_with_a_record_inside_is_read_like_its_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("block.html");
    let mut json = sample_json();
    json["source"] = json!("</script><b>&");
    std::fs::write(&path, weft_rpc::standalone_page(&json)).unwrap();
    let (value, record) = super::file::read(&path).unwrap();
    assert_eq!((value, record.source.as_str()), (json, "</script><b>&"));
    std::fs::write(&path, "<html>").unwrap();
    let failure = super::file::read(&path).unwrap_err().to_string();
    assert!(
        failure.contains("is not a record") && failure.contains("weft record export"),
        "{failure}"
    );
}

#[test]
fn a_transaction_that_the_block_does_not_have_is_refused() {
    let (json, record) = (sample_json(), sample());
    let failure = super::transaction::of(&json, &record, 4).unwrap_err().to_string();
    assert!(
        failure.contains("has no transaction 4") && failure.contains("4 transactions"),
        "{failure}"
    );
    let failure = super::transaction::of(&json, &record, 1).unwrap_err().to_string();
    assert!(failure.contains("weft_getTransactionRecord"), "{failure}");
}
