//! Records at every level: what a node that stored them says, and one that derives them.

use crate::world::{World, alice, bob, call_logger, deploy, dynamic, logger, sign, transfer};
use alloy_primitives::{Address, Bytes, TxKind, hex};
use serde_json::{Value, json};
use weft_evm::RecordLevel;
use weft_rpc::RpcConfig;
use weft_store::{Keep, Retention, StoreOptions};
use weft_types::RecoveredTransaction;

/// Methods that say something of the deterministic half of blocks `from` to `to`.
fn methods(from: u64, to: u64) -> Vec<(&'static str, Value)> {
    let range = json!({ "from": format!("{from:#x}"), "to": format!("{to:#x}") });
    let mut methods = vec![
        ("weft_getConflicts", json!([range])),
        ("weft_getAdvice", json!([range])),
        ("weft_getHotspots", json!([range, { "by": "slot" }])),
        ("weft_getHotspots", json!([range, { "by": "sender" }])),
    ];
    for height in from..=to {
        let block = format!("{height:#x}");
        methods.push(("weft_getCriticalPath", json!([block])));
        methods.push(("weft_getTransactionRecord", json!([{ "block": block, "index": "0x0" }])));
    }
    methods
}

async fn at(level: RecordLevel) -> World {
    World::recording(StoreOptions::devnet(), false, level, |_| ()).await
}

/// What a record says that is equal on all nodes.
async fn deterministic(world: &World, height: u64) -> Value {
    let options = json!({ "names": true });
    let record = world.ok("weft_getBlockRecord", json!([format!("{height:#x}"), options])).await;
    let columns = json!([format!("{height:#x}"), { "columns": true }]);
    let columns = world.ok("weft_getBlockRecord", columns).await;
    json!([record["deterministic"], columns["deterministic"], record["hash"]])
}

/// What only one node saw of a transaction is left out.
fn without_run(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("incarnations");
    }
    value
}

async fn assert_same(stored: &World, derived: &World) {
    let head = stored.store.head().block.height().0;
    for height in 1..=head {
        assert!(stored.store.access_record(height).unwrap().is_some(), "block {height}");
        let count = derived.store.block(height).unwrap().unwrap().block.transactions().len();
        let kept = derived.store.access_record(height).unwrap();
        assert_eq!(kept.is_none(), count > 0, "block {height}: nothing is made at commit");
        assert!(derived.store.profile(height).unwrap().is_some(), "block {height}: the sums are");
        let (expected, found) =
            (deterministic(stored, height).await, deterministic(derived, height).await);
        assert_eq!(found, expected, "block {height}");
    }
    for (method, params) in methods(1, head) {
        let expected = without_run(stored.ok(method, params.clone()).await);
        let found = without_run(derived.ok(method, params.clone()).await);
        assert_eq!(found, expected, "{method} {params}");
    }
}

/// Creates a contract that destroys itself at once and sends what it has to Bob.
fn short_life(nonce: u64) -> RecoveredTransaction {
    let mut init = hex!("73").to_vec();
    init.extend_from_slice(bob().address().as_slice());
    init.push(0xff);
    sign(dynamic(nonce, TxKind::Create, 3, init.into()), &alice())
}

#[tokio::test]
async fn a_derived_record_is_the_one_that_is_stored_in_full() {
    let worlds = [at(RecordLevel::Full).await, at(RecordLevel::Counts).await];
    for world in &worlds {
        world.commit(vec![deploy(0), transfer(0, 5)]);
        world.commit(vec![call_logger(&alice(), 1, 7), call_logger(&bob(), 1, 9)]);
        world.commit(vec![]);
        world.commit(vec![short_life(2), transfer(2, 1), call_logger(&alice(), 3, 7)]);
        let nobody = Address::repeat_byte(0x55);
        let new = dynamic(4, TxKind::Call(nobody), 1, Bytes::new());
        let failing = dynamic(5, TxKind::Create, 0, hex!("5f5ffd").to_vec().into());
        world.commit(vec![sign(new, &alice()), sign(failing, &alice()), transfer(3, 2)]);
    }
    assert_same(&worlds[0], &worlds[1]).await;
    let block = worlds[1].ok("weft_getBlockRecord", json!(["0x2"])).await;
    assert_eq!(block["deterministic"]["dependentTransactions"], 1);
    assert_eq!(block["local"]["incarnations"], json!([]));
    assert!(block["local"]["wallUs"].is_number(), "{}", block["local"]);
    for (world, noted) in worlds.iter().zip([true, false]) {
        let block = world.ok("weft_getBlockRecord", json!(["0x2"])).await;
        assert_eq!(block["local"]["speedup"]["value"].is_number(), noted, "{}", block["local"]);
        let trace = world.ok("weft_getExecutionTrace", json!(["0x2"])).await;
        assert_eq!(trace["traceEvents"].is_array(), noted, "{trace}");
        assert_eq!(trace.is_null(), !noted, "{trace}");
    }
}

#[tokio::test]
async fn derived_records_of_random_blocks_are_those_that_are_stored() {
    for seed in 1..=3u64 {
        let worlds = [at(RecordLevel::Full).await, at(RecordLevel::Counts).await];
        for world in &worlds {
            let mut dice = seed;
            let mut roll = move |sides: u64| {
                // Knuth's MMIX constants.
                dice = dice
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (dice >> 33) % sides
            };
            world.commit(vec![deploy(0)]);
            let (mut ours, mut theirs) = (1, 0);
            for _ in 0..4 {
                let mut transactions = Vec::new();
                for _ in 0..1 + roll(12) {
                    let mut next = |of_alice: bool| {
                        let nonce = if of_alice { &mut ours } else { &mut theirs };
                        *nonce += 1;
                        *nonce - 1
                    };
                    transactions.push(match roll(5) {
                        0 => call_logger(&alice(), next(true), roll(3)),
                        1 => call_logger(&bob(), next(false), roll(3)),
                        2 => transfer(next(false), roll(4)),
                        3 => short_life(next(true)),
                        _ => {
                            let to = Address::with_last_byte(0x80 + roll(3) as u8);
                            sign(
                                dynamic(next(true), TxKind::Call(to), roll(2), Bytes::new()),
                                &alice(),
                            )
                        }
                    });
                }
                world.commit(transactions);
            }
        }
        assert_same(&worlds[0], &worlds[1]).await;
    }
}

#[tokio::test]
async fn the_record_of_a_block_with_commands_is_derived_after_them() {
    let mut found = Vec::new();
    for level in [RecordLevel::Full, RecordLevel::Counts] {
        // The list of the block is gone at the end: what the commands did must be done again.
        let retention = Retention { access_lists: Keep::Blocks(1), ..Retention::ARCHIVE };
        let options = StoreOptions { retention, ..StoreOptions::devnet() };
        let world = World::recording(options, true, level, |config| config.devnet = true).await;
        world.commit(vec![deploy(0)]);
        world.pool_one(call_logger(&alice(), 1, 7));
        world.pool_one(transfer(0, 2));
        // From here on the logger writes slot 5.
        let other = json!([logger(), "0x600160055500"]);
        world.ok("anvil_setCode", other).await;
        let block = world.store.block(2).unwrap().unwrap().block;
        assert_eq!((block.commands().len(), block.transactions().len()), (1, 2));
        let mut halves = vec![deterministic(&world, 2).await[0].clone()];
        assert_eq!(world.store.access_record(2).unwrap().is_none(), level == RecordLevel::Counts);
        for _ in 0..3 {
            world.commit(vec![]);
        }
        assert!(world.store.access_list(2).is_err());
        let again = if level == RecordLevel::Counts {
            // Another listener of another node: nothing is remembered.
            let mut config = RpcConfig::new("127.0.0.1:0".parse().unwrap());
            config.record_level = level;
            let backend = weft_rpc::RpcBackend { derived: Default::default(), ..world.backend() };
            let server = weft_rpc::serve(config, backend).await.unwrap();
            let params = json!(["0x2", { "names": true }]);
            let address = server.local_addr();
            crate::client::call(address, "weft_getBlockRecord", params).await["result"].clone()
        } else {
            world.ok("weft_getBlockRecord", json!(["0x2", { "names": true }])).await
        };
        halves.push(again["deterministic"].clone());
        found.extend(halves);
    }
    // Names of developers are shown on the devnet's own listener only.
    let plain = |half: &Value| {
        let of = |transaction: &Value| {
            json!([transaction["reads"], transaction["writes"], transaction["gasUsed"]])
        };
        let transactions = half["transactions"].as_array().unwrap();
        json!([half["edges"], transactions.iter().map(of).collect::<Vec<_>>()])
    };
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|half| plain(half) == plain(&found[0])));
    assert_eq!(found[0], found[2], "as JSON, with names");
}

#[tokio::test]
async fn without_the_list_blocks_are_speculated_and_without_the_state_the_record_is_gone() {
    let retention =
        Retention { history: Keep::Blocks(6), access_lists: Keep::Blocks(2), ..Retention::ARCHIVE };
    let options = StoreOptions { retention, ..StoreOptions::devnet() };
    let worlds = [
        at(RecordLevel::Full).await,
        World::recording(options, false, RecordLevel::Counts, |_| ()).await,
    ];
    for world in &worlds {
        world.commit(vec![deploy(0)]);
        for nonce in 1..12 {
            world.commit(vec![
                call_logger(&alice(), nonce, nonce),
                call_logger(&bob(), nonce - 1, nonce + 1),
            ]);
        }
    }
    // The head is at 12; what is old is dropped before the block after.
    let oldest = worlds[1].ok("weft_chainInfo", json!([])).await["oldest"].clone();
    assert_eq!(oldest["records"], oldest["state"].as_u64().unwrap() + 1);
    let oldest = oldest["records"].as_u64().unwrap();
    assert!(worlds[1].store.access_list(oldest).is_err() && oldest > 1);
    for height in oldest..=12 {
        let (expected, found) =
            (deterministic(&worlds[0], height).await, deterministic(&worlds[1], height).await);
        assert_eq!(found, expected, "block {height}");
    }
    for height in 1..oldest {
        let error = worlds[1].failure("weft_getBlockRecord", json!([format!("{height:#x}")])).await;
        assert_eq!(
            (&error["code"], &error["data"]["oldest"]),
            (&json!(4444), &json!(format!("{oldest:#x}")))
        );
        let text = error["message"].as_str().unwrap();
        assert!(text.contains("and the state that it is derived from"), "{text}");
    }
    let range = json!([{ "from": "0x1" }]);
    let (expected, found) = (
        worlds[0].ok("weft_getConflicts", json!([{ "from": format!("{oldest:#x}") }])).await,
        worlds[1].ok("weft_getConflicts", range).await,
    );
    assert_eq!(found, expected, "blocks whose record is gone are left out");
    let lines = worlds[1].ok("weft_getRecordStats", json!([])).await;
    assert_eq!(lines["blocks"]["number"][0], oldest);
}

#[tokio::test]
async fn a_node_that_keeps_no_records_derives_none() {
    let world = at(RecordLevel::Off).await;
    world.commit(vec![deploy(0), transfer(0, 5)]);
    for method in ["weft_getBlockRecord", "weft_getCriticalPath", "weft_getRecordFile"] {
        assert!(world.ok(method, json!(["0x1"])).await.is_null(), "{method}");
    }
    assert_eq!(world.ok("weft_chainInfo", json!([])).await["recordLevel"], "off");
    assert!(world.store.profile(1).unwrap().is_none());
}

#[tokio::test]
async fn deriving_ends_with_the_time_of_a_call_and_the_stored_ones_are_answered_all_the_same() {
    for (level, derives) in [(RecordLevel::Counts, true), (RecordLevel::Full, false)] {
        let change = |config: &mut RpcConfig| config.record_timeout_ms = 0;
        let world = World::recording(StoreOptions::devnet(), false, level, change).await;
        let mut socket = world.socket().await;
        socket.call("weft_subscribe", json!(["records"])).await;
        world.commit(vec![deploy(0), transfer(0, 5)]);
        let event = socket.event().await["result"].clone();
        assert_eq!((&event["number"], event["deterministic"].is_null()), (&json!(1), derives));
        if !derives {
            assert!(!world.ok("weft_getBlockRecord", json!(["0x1"])).await.is_null());
            continue;
        }
        let (code, text) = world.error("weft_getBlockRecord", json!(["0x1"])).await;
        assert!(code == -32005 && text.contains("block 1 did not end within 0 ms"), "{text}");
        world.commit(vec![]);
        // The empty one is stored: its record says nothing.
        assert!(!world.ok("weft_getBlockRecord", json!(["0x2"])).await.is_null());
        world.commit(vec![transfer(1, 1)]);
        let (_, text) = world.error("weft_getConflicts", json!([{ "from": "0x2" }])).await;
        assert!(text.contains("block 3") && text.ends_with("use from 2 to 2"), "{text}");
        // Newest first: the first one cannot be had, and that is the answer.
        assert_eq!(world.error("weft_getRecordStats", json!([])).await.0, -32005);
        let lines = world.ok("weft_getRecordStats", json!([{ "to": "0x2" }])).await;
        assert_eq!(lines["blocks"]["number"], json!([2]), "as far as the time goes");
    }
}

#[tokio::test]
async fn subscribers_hear_derived_records_and_all_listeners_share_them() {
    let world = at(RecordLevel::Counts).await;
    let mut socket = world.socket().await;
    socket.call("weft_subscribe", json!(["records", { "transactions": true }])).await;
    world.commit(vec![deploy(0), transfer(0, 5)]);
    let event = socket.event().await["result"].clone();
    assert_eq!(event["deterministic"]["transactions"].as_array().unwrap().len(), 2);
    // A listener that has no time to derive anything finds what the first one derived.
    let mut config = RpcConfig::new("127.0.0.1:0".parse().unwrap());
    (config.record_level, config.record_timeout_ms) = (RecordLevel::Counts, 0);
    let server = weft_rpc::serve(config, world.backend()).await.unwrap();
    let params = json!(["0x1", { "reads": true }]);
    let answer = crate::client::call(server.local_addr(), "weft_getBlockRecord", params).await;
    assert_eq!(answer["result"]["deterministic"]["workGas"], event["deterministic"]["workGas"]);
}
