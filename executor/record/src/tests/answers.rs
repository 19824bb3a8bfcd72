//! Records as JSON: every field of one block that has a bit of everything.

use super::sketch::{Sketch, slot};
use super::world::*;
use crate::advice::Speedup;
use crate::json::{self as answers, Recorded};
use crate::names::{Namer, Registry, short};
use crate::trace::{Label, chrome, slices};
use alloy_primitives::{B256, Bytes, TxKind, U256, hex};
use serde_json::{Value, json};
use weft_types::{
    Incarnation, IncarnationOutcome, Location, ReadAccess, RunMode, RunProfile, TxIndex,
    WriteAccess, Writer,
};

/// A creation, three steps of a counter of which the last fails, a transfer by the sender of the first step, and a call of
/// an unknown function that reads what the last step wrote.
fn sketch() -> Sketch {
    let mut sketch = Sketch::empty();
    sketch.add(user(0), TxKind::Create, Bytes::from_static(&[0]), 300);
    for (n, gas) in [(1, 200), (2, 100), (3, 100)] {
        sketch.add(user(n), TxKind::Call(CONTRACT), input("increment()", &[]), gas);
    }
    sketch.add(user(1), TxKind::Call(user(9)), Bytes::new(), 50);
    sketch.add(user(4), TxKind::Call(CONTRACT), hex!("deadbeef").into(), 30);
    sketch.access.transactions[1].reads =
        vec![ReadAccess { location: slot(0), from: Writer::Base }];
    sketch.chain(slot(0), &[1, 2, 3]);
    sketch.waits(Location::Nonce { address: user(1) }, 1, 4);
    sketch.waits(slot(7), 3, 5);
    sketch.access.transactions[4].writes =
        vec![WriteAccess { location: Location::Balance { address: user(9) }, commutative: true }];
    sketch.listed(U256::ZERO, &[(2, 11), (3, 12), (4, 13)]);
    sketch.fails(3);
    sketch
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    let layout = json!({ "storage": [{ "label": "count", "slot": "0", "type": "t" }] });
    registry.register(CONTRACT, Some("Clicker".to_owned()), None, Some(layout)).unwrap();
    registry
}

fn recorded<'a>(sketch: &'a Sketch, profile: Option<&'a RunProfile>) -> Recorded<'a> {
    let hash = B256::repeat_byte(8);
    Recorded { number: 8, hash, timestamp: 1_000, block: sketch.block(), profile }
}

/// Two aborts at one place, one at another, one wait and one panic.
fn profile() -> RunProfile {
    let aborted = |location, by| IncarnationOutcome::Aborted { location, by };
    let outcomes = [
        (2, aborted(Some(slot(0)), Some(TxIndex(1)))),
        (3, aborted(Some(slot(0)), Some(TxIndex(2)))),
        (5, aborted(Some(slot(7)), None)),
        (4, IncarnationOutcome::Blocked { on: TxIndex(1) }),
        (0, IncarnationOutcome::Panicked),
        (2, IncarnationOutcome::Settled),
    ];
    let run = |(place, (index, outcome)): (usize, (u32, IncarnationOutcome))| Incarnation {
        index: TxIndex(index),
        incarnation: u32::from(outcome == IncarnationOutcome::Settled),
        worker: 0,
        start_us: 10 * place as u64,
        duration_us: 5,
        outcome,
    };
    RunProfile {
        mode: RunMode::BlockStm,
        wall_us: 60,
        discarded: 3,
        incarnations: outcomes.into_iter().enumerate().map(run).collect(),
        ..RunProfile::empty()
    }
}

/// A place as it stands in an answer.
fn located(place: Location, name: &str) -> Value {
    let mut value = json!(place);
    value["name"] = json!(name);
    value["guessed"] = json!(false);
    value
}

fn count() -> Value {
    located(slot(0), "Clicker.count")
}

fn nonce() -> Value {
    located(Location::Nonce { address: user(1) }, &format!("nonce of {}", short(&user(1))))
}

#[test]
fn the_sums_of_a_block() {
    let sketch = sketch();
    let page = answers::page(&recorded(&sketch, None), &registry());
    let sums = &page["deterministic"];
    assert_eq!(sums["workGas"], 780);
    assert_eq!(sums["criticalPathGas"], 430);
    assert_eq!(sums["criticalPath"], json!([1, 2, 3, 5]));
    assert_eq!(sums["dependentTransactions"], 4);
    let best = 780.0 / 430.0;
    let expected = json!({ "2": best, "4": best, "8": best, "16": best, "unlimited": best });
    assert_eq!(sums["bestSpeedup"], expected);
    assert_eq!((&page["number"], &page["timestamp"]), (&json!(8), &json!(1_000)));
    assert_eq!(page["local"], Value::Null, "nobody observed the run");
    let even = Sketch::of(&[100; 4]);
    let best = answers::summary(&recorded(&even, None))["bestSpeedup"].clone();
    assert_eq!(best, json!({ "2": 2.0, "4": 4.0, "8": 4.0, "16": 4.0, "unlimited": 4.0 }));
}

#[test]
fn a_speedup_of_nothing_is_one() {
    assert_eq!(answers::speedup(&Speedup { work_gas: 0, path_gas: 0 }), 1.0);
    assert_eq!(answers::speedup(&Speedup { work_gas: 6, path_gas: 4 }), 1.5);
}

#[test]
fn the_columns_of_a_block() {
    let sketch = sketch();
    let columns = answers::columns(&recorded(&sketch, None), &registry());
    let created = user(0).create(0);
    let addresses = [user(0), created, user(1), CONTRACT, user(2), user(3), user(9), user(4)];
    assert_eq!(columns["addresses"], json!(addresses));
    let names = json!([null, null, null, "Clicker", null, null, null, null]);
    assert_eq!(columns["addressNames"], names);
    assert_eq!(columns["from"], json!([0, 2, 4, 5, 2, 7]));
    assert_eq!(columns["to"], json!([1, 3, 3, 3, 6, 3]));
    assert_eq!(columns["creates"], json!([1, 0, 0, 0, 0, 0]));
    assert_eq!(columns["functions"], json!(["create", "increment()", "transfer", "0xdeadbeef"]));
    assert_eq!(columns["function"], json!([0, 1, 1, 1, 2, 3]));
    assert_eq!(columns["gas"], json!([300, 200, 100, 100, 50, 30]));
    assert_eq!(columns["status"], json!([1, 1, 1, 0, 1, 1]));
    assert_eq!(columns["depth"], json!([0, 0, 1, 2, 1, 3]));
    assert_eq!(columns["startGas"], json!([0, 0, 200, 300, 200, 400]));
    let edges = json!({
        "from": [1, 2, 1, 3], "to": [2, 3, 4, 5], "location": [0, 0, 1, 2], "truncated": false,
    });
    assert_eq!(columns["edges"], edges);
    let unknown = located(slot(7), "Clicker[0x7]");
    assert_eq!(columns["locations"], json!([count(), nonce(), unknown]));
    let guessed = answers::columns(&recorded(&sketch, None), &Registry::default());
    assert_eq!(guessed["locations"][0]["guessed"], true, "nothing is known of the contract");
}

#[test]
fn the_run_of_a_block() {
    let (sketch, profile) = (sketch(), profile());
    let page = answers::page(&recorded(&sketch, Some(&profile)), &registry());
    let local = &page["local"];
    assert_eq!((&local["mode"], &local["wallUs"]), (&json!("blockStm"), &json!(60)));
    assert_eq!(local["reexecutions"], 3);
    assert_eq!(local["speedup"], json!({ "value": 5.0 / 60.0, "estimated": true }));
    let unnoted = RunProfile { incarnations: Vec::new(), ..profile };
    assert_eq!(answers::run_summary(&unnoted)["speedup"], Value::Null, "nothing was noted");
    assert_eq!(local["incarnations"], json!([]), "they are in the columns");
    let columns = &local["columns"];
    assert_eq!(columns["tx"], json!([2, 3, 5, 4, 0, 2]));
    assert_eq!(columns["incarnation"], json!([0, 0, 0, 0, 0, 1]));
    assert_eq!(columns["start"], json!([0, 10, 20, 30, 40, 50]));
    assert_eq!(columns["duration"], json!([5, 5, 5, 5, 5, 5]));
    assert_eq!(columns["outcome"], json!([1, 1, 1, 2, 3, 0]));
    assert_eq!(columns["by"], json!([1, 2, null, 1, null, null]));
    assert_eq!(columns["cause"], json!([0, 0, 1, null, null, null]));
    assert_eq!(columns["causes"], json!(["Clicker.count", "Clicker[0x7]"]));
}

#[test]
fn a_trace_says_where_and_for_whom() {
    let runs = slices(&profile(), |place, index| format!("{index} at {}", place.address()));
    let label = |index: TxIndex| Label { name: format!("t{index}"), details: json!({}) };
    let trace = chrome(8, 1, &runs, label);
    let events = trace["traceEvents"].as_array().unwrap();
    let args: Vec<&Value> =
        events.iter().filter(|event| event["ph"] == "X").map(|event| &event["args"]).collect();
    assert_eq!((&args[0]["abortedBy"], &args[2]["abortedBy"]), (&json!(1), &Value::Null));
    assert_eq!(args[1]["at"], format!("{} at {CONTRACT}", TxIndex(3)));
    assert_eq!((&args[3]["waitsFor"], args[3].get("at")), (&json!(1), None));
}

#[test]
fn the_transactions_of_a_block() {
    let sketch = sketch();
    let plain = answers::transactions(&recorded(&sketch, None), None);
    let named = answers::transactions(&recorded(&sketch, None), Some(&registry()));
    assert_eq!((plain.len(), named.len()), (6, 6));
    assert_eq!(plain[0]["creates"], json!(user(0).create(0)));
    assert_eq!((&plain[0]["to"], &plain[0]["selector"]), (&Value::Null, &Value::Null));
    assert_eq!((plain[1].get("creates"), plain[1].get("function")), (None, None));
    assert_eq!((&plain[3]["status"], &plain[4]["status"]), (&json!(0), &json!(1)));
    assert_eq!(plain[5]["selector"], "0xdeadbeef");
    assert_eq!((&plain[2]["index"], &plain[2]["type"]), (&json!(2), &json!(2)));
    assert_eq!((&plain[2]["from"], &plain[2]["to"]), (&json!(user(2)), &json!(CONTRACT)));
    assert_eq!(named[1]["function"], "Clicker.increment");
    assert_eq!(named[1]["fromName"], Value::Null);
    assert_eq!(named[5]["function"], "Clicker.0xdeadbeef");
}

#[test]
fn the_conflicts_of_a_block() {
    let sketch = sketch();
    let recorded = recorded(&sketch, None);
    let all = answers::conflicts(&recorded, &registry(), 9, |_| true);
    let gas: Vec<u64> = all.iter().map(|(gas, _)| *gas).collect();
    assert_eq!(gas, [200, 50, 30]);
    let mut expected = count();
    for (field, value) in [
        ("block", json!(8)),
        ("serialisedGas", json!(200)),
        ("pathGas", json!(200)),
        ("waiting", json!(2)),
        ("writers", json!([1, 2, 3])),
        ("readers", json!([2, 3])),
        ("edges", json!([{ "from": 1, "to": 2 }, { "from": 2, "to": 3 }])),
    ] {
        expected[field] = value;
    }
    assert_eq!(all[0].1, expected);
    assert_eq!((&all[1].1["pathGas"], &all[2].1["pathGas"]), (&json!(0), &json!(30)));
    assert_eq!(answers::conflicts(&recorded, &registry(), 2, |_| true), all[..2]);
    let nonces = |one: &crate::conflict::Conflict| matches!(one.location, Location::Nonce { .. });
    assert_eq!(answers::conflicts(&recorded, &registry(), 9, nonces), all[1..2]);
}

#[test]
fn the_critical_path_of_a_block() {
    let sketch = sketch();
    let path = answers::critical_path(&recorded(&sketch, None), &registry());
    assert_eq!(
        (&path["block"], &path["workGas"], &path["pathGas"]),
        (&json!(8), &json!(780), &json!(430))
    );
    assert_eq!(path["bestSpeedup"], 780.0 / 430.0);
    let steps = path["steps"].as_array().unwrap();
    let of = |field: &str| steps.iter().map(|step| step[field].clone()).collect::<Value>();
    assert_eq!(of("tx"), json!([1, 2, 3, 5]));
    assert_eq!(of("gas"), json!([200, 100, 100, 30]));
    let seven = located(slot(7), "Clicker[0x7]");
    assert_eq!(of("via"), json!([[], [count()], [count()], [seven]]));
    assert_eq!(steps[3]["function"], "Clicker.0xdeadbeef");
}

#[test]
fn the_advice_about_a_block() {
    let sketch = sketch();
    let advice = answers::advice(&recorded(&sketch, None), &registry());
    // Without the counter the creation is the heaviest.
    assert_eq!((&advice["from"], &advice["to"]), (&json!(8), &json!(8)));
    assert_eq!(
        (&advice["bestSpeedup"], &advice["ifFollowed"]),
        (&json!(780.0 / 430.0), &json!(2.6))
    );
    assert_eq!(advice["advice"].as_array().unwrap().len(), 1);
    let piece = &advice["advice"][0];
    assert_eq!((&piece["rule"], &piece["block"]), (&json!("globalCounter"), &json!(8)));
    let title = "global counter: Clicker.count changes by +1 in 3 of 3 calls of Clicker.increment";
    assert_eq!(piece["title"], title);
    assert_eq!((&piece["place"], &piece["guessed"]), (&json!("Clicker.count"), &json!(false)));
    assert_eq!((&piece["count"], &piece["of"]), (&json!(3), &json!(3)));
    assert_eq!((&piece["transactions"], &piece["serialisedGas"]), (&json!([1, 2, 3]), &json!(200)));
    assert_eq!(piece["bestSpeedup"], 780.0 / 430.0);
    assert_eq!(piece["bestSpeedupWithout"], 2.6);
}

#[test]
fn one_transaction_of_a_block() {
    let (sketch, profile) = (sketch(), profile());
    let (recorded, registry) = (recorded(&sketch, Some(&profile)), registry());
    let of = |index: u32| {
        let mut namer = Namer::new(&registry, recorded.block);
        answers::transaction(&recorded, TxIndex(index), &mut namer)
    };
    let with = |mut place: Value, fields: &[(&str, Value)]| {
        fields.iter().for_each(|(field, value)| place[*field] = value.clone());
        place
    };
    let second = of(2);
    assert_eq!((&second["depth"], &second["startGas"]), (&json!(1), &json!(200)));
    assert_eq!((&second["gasUsed"], &second["onCriticalPath"]), (&json!(100), &json!(true)));
    let from = with(count(), &[("from", json!(1)), ("value", json!("0xb"))]);
    assert_eq!(second["reads"], json!([from]));
    let to = with(count(), &[("commutative", json!(false)), ("value", json!("0xc"))]);
    assert_eq!(second["writes"], json!([to]));
    assert_eq!(second["blockedBy"], json!([{ "tx": 1, "at": [count()] }]));
    assert_eq!(second["blocks"], json!([{ "tx": 3, "at": [count()] }]));
    let runs = second["incarnations"].as_array().unwrap();
    let places: Vec<&Value> = runs.iter().map(|run| &run["incarnation"]).collect();
    assert_eq!(places, [&json!(0), &json!(1)]);
    let first = of(1);
    assert_eq!(first["reads"], json!([with(count(), &[("from", json!("base"))])]));
    let waiting = json!([{ "tx": 2, "at": [count()] }, { "tx": 4, "at": [nonce()] }]);
    assert_eq!((&first["blockedBy"], &first["blocks"]), (&json!([]), &waiting));
    let transfer = of(4);
    assert_eq!((&transfer["onCriticalPath"], &transfer["creates"]), (&json!(false), &Value::Null));
    assert_eq!(transfer["writes"][0]["commutative"], true);
    assert_eq!(transfer["writes"][0]["value"], Value::Null);
    assert_eq!(of(0)["creates"], json!(user(0).create(0)));
}

#[test]
fn a_file_has_what_the_answers_have() {
    let (sketch, profile) = (sketch(), profile());
    let (recorded, registry) = (recorded(&sketch, Some(&profile)), registry());
    let mut file = answers::file(&recorded, &registry, "a test");
    assert_eq!((&file["format"], &file["source"]), (&json!(answers::FORMAT), &json!("a test")));
    let mut namer = Namer::new(&registry, recorded.block);
    let of = |index| answers::transaction(&recorded, TxIndex(index), &mut namer);
    assert_eq!(file["transactions"], (0..6).map(of).collect::<Value>());
    assert_eq!(file["criticalPath"], answers::critical_path(&recorded, &registry));
    assert_eq!(file["advice"], answers::advice(&recorded, &registry));
    assert_eq!(file["conflicts"].as_array().unwrap().len(), 3);
    let hashes = file["record"]["deterministic"]["columns"]["hashes"].take();
    let plain = answers::transactions(&recorded, None);
    assert_eq!(hashes, plain.iter().map(|one| one["hash"].clone()).collect::<Value>());
}

#[test]
fn a_file_of_a_large_block_does_without_single_transactions() {
    let whole = |count: usize| {
        let sketch = Sketch::of(&vec![1; count]);
        answers::file(&recorded(&sketch, None), &Registry::default(), "a test")
    };
    let (most, more) = (answers::TRANSACTIONS_MAX, answers::TRANSACTIONS_MAX + 1);
    assert_eq!(whole(most)["transactions"].as_array().map(Vec::len), Some(most));
    let large = whole(more);
    assert_eq!(large["transactions"], Value::Null);
    assert_eq!(large["record"]["deterministic"]["workGas"], more);
}
