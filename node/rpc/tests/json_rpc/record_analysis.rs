use crate::world::{CHAIN_ID, LOGGER, World, alice, bob, call_logger, deploy, logger, transfer};
use alloy_primitives::Address;
use serde_json::{Value, json};
use std::sync::Arc;

/// Block 1 deploys the logger; in block 2 Alice calls it twice and Bob once, each writing slot 0.
async fn busy() -> World {
    let world = World::with(|config| config.devnet = true).await;
    world.commit(vec![deploy(0), transfer(0, 5)]);
    world.commit(vec![
        call_logger(&alice(), 1, 7),
        call_logger(&bob(), 1, 9),
        call_logger(&alice(), 2, 11),
    ]);
    world.commit(vec![]);
    world
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("expected a list, found {value}"))
}

#[tokio::test]
async fn conflicts_name_the_place_and_who_met_there() {
    let world = busy().await;
    let found = world.ok("weft_getConflicts", json!(["0x2"])).await;
    let slot = list(&found).iter().find(|one| one["kind"] == "storage").unwrap();
    assert_eq!(slot["address"], logger().to_string().to_lowercase());
    assert_eq!(slot["edges"], json!([{ "from": 0, "to": 1 }, { "from": 1, "to": 2 }]));
    assert_eq!(slot["writers"], json!([0, 1, 2]));
    assert!(slot["name"].as_str().unwrap().ends_with("slot 0"), "{slot}");
    let nonce = json!([{ "from": "0x1", "to": "0x3" }, { "kinds": ["nonce"], "limit": 5 }]);
    let nonce = world.ok("weft_getConflicts", nonce).await;
    assert!(list(&nonce).iter().all(|one| one["kind"] == "nonce") && !list(&nonce).is_empty());
    let none = world.ok("weft_getConflicts", json!(["0x2", { "minGas": 1_000_000_000 }])).await;
    assert_eq!(none, json!([]));
}

#[tokio::test]
async fn hot_spots_are_ranked_by_each_measure() {
    let world = busy().await;
    for (by, count) in [("slot", 2), ("account", 2), ("function", 1), ("sender", 2)] {
        let range = json!([{ "from": "0x2", "to": "0x2" }, { "by": by }]);
        let found = world.ok("weft_getHotspots", range).await;
        let spots = list(&found["hotspots"]);
        assert_eq!(spots.len(), count, "{by}: {found}");
        let gas: Vec<u64> = spots.iter().map(|s| s["serialisedGas"].as_u64().unwrap()).collect();
        assert!(gas.is_sorted_by(|a, b| a >= b), "{by}: {gas:?}");
        assert_eq!(spots[0]["samples"][0]["block"], 2);
    }
    assert_eq!(world.error("weft_getHotspots", json!(["0x9"])).await.0, -32001);
    let backwards = json!([{ "from": "0x3", "to": "0x1" }]);
    assert_eq!(world.error("weft_getHotspots", backwards).await.0, -32602);
}

#[tokio::test]
async fn the_critical_path_says_what_binds_each_pair() {
    let world = busy().await;
    let path = world.ok("weft_getCriticalPath", json!(["0x2"])).await;
    let steps = list(&path["steps"]);
    assert_eq!(
        steps.iter().map(|step| step["tx"].as_u64().unwrap()).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(steps[0]["via"], json!([]));
    assert_eq!(steps[1]["via"][0]["kind"], "storage");
    assert_eq!(path["pathGas"], path["workGas"]);
    assert_eq!(path["bestSpeedup"], 1.0);
    assert!(world.ok("weft_getCriticalPath", json!(["0x9"])).await.is_null());
}

#[tokio::test]
async fn advice_is_given_for_a_block_and_for_a_range() {
    let world = busy().await;
    let one = world.ok("weft_getAdvice", json!(["0x2"])).await;
    let first = &one["advice"][0];
    assert_eq!(first["transactions"], json!([0, 1, 2]));
    assert_eq!(first["location"]["kind"], "storage");
    assert!(first["bestSpeedupWithout"].as_f64() > first["bestSpeedup"].as_f64(), "{first}");
    let range = world.ok("weft_getAdvice", json!([{ "from": "0x1" }])).await;
    assert_eq!((&range["from"], &range["to"]), (&json!(1), &json!(3)));
    assert_eq!(range["advice"][0]["block"], 2);
    let quiet = world.ok("weft_getAdvice", json!(["0x3"])).await;
    assert_eq!(quiet["advice"], json!([]), "an empty block needs no word");
}

#[tokio::test]
async fn blocks_in_one_line_are_columns_of_equal_length() {
    let world = busy().await;
    let stats = world.ok("weft_getRecordStats", json!([])).await;
    assert_eq!(stats["head"], 3);
    let blocks = stats["blocks"].as_object().unwrap();
    assert!(blocks.values().all(|column| list(column).len() == 3), "{blocks:?}");
    assert_eq!(blocks["number"], json!([1, 2, 3]));
    assert_eq!(blocks["transactions"], json!([2, 3, 0]));
    assert!(blocks["hottest"][1]["name"].is_string());
    assert_eq!(stats["totals"]["transactions"], 5);
    let newer = world.ok("weft_getRecordStats", json!([{ "after": 2, "last": 10 }])).await;
    assert_eq!(newer["blocks"]["number"], json!([3]));
    let filled = world.ok("weft_getRecordStats", json!([{ "skipEmpty": true, "last": 1 }])).await;
    assert_eq!(filled["blocks"]["number"], json!([2]));
}

#[tokio::test]
async fn a_transaction_knows_whom_it_waited_for_and_who_waited_for_it() {
    let world = busy().await;
    let by_place = json!([{ "block": "0x2", "index": "0x1" }]);
    let record = world.ok("weft_getTransactionRecord", by_place).await;
    assert_eq!((&record["index"], &record["depth"]), (&json!(1), &json!(1)));
    assert_eq!(record["blockedBy"][0]["tx"], 0);
    assert_eq!(record["blocks"][0]["tx"], 2);
    assert_eq!(record["onCriticalPath"], true);
    let write = list(&record["writes"]).iter().find(|write| write["kind"] == "storage").unwrap();
    assert_eq!(write["value"], "0x9");
    let by_hash = world.ok("weft_getTransactionRecord", json!([record["hash"]])).await;
    assert_eq!(by_hash, record);
    let absent = json!([{ "block": "0x2", "index": "0x3" }]);
    assert!(world.ok("weft_getTransactionRecord", absent).await.is_null());
}

#[tokio::test]
async fn columns_and_traces_are_what_viewers_need() {
    let world = busy().await;
    let record = world.ok("weft_getBlockRecord", json!(["0x2", { "columns": true }])).await;
    let columns = &record["deterministic"]["columns"];
    assert_eq!(columns["depth"], json!([0, 1, 2]));
    assert_eq!(columns["status"], json!([1, 1, 1]));
    assert_eq!(columns["from"], json!([0, 2, 0]), "alice, the logger, bob, in order of appearance");
    assert_eq!(list(&columns["edges"]["from"]).len(), list(&columns["edges"]["location"]).len());
    let runs = &record["local"]["columns"];
    assert_eq!(list(&runs["tx"]).len(), list(&runs["outcome"]).len());
    assert!(list(&runs["tx"]).len() >= 3);
    let trace = world.ok("weft_getExecutionTrace", json!(["0x2", { "format": "chrome" }])).await;
    let slices = list(&trace["traceEvents"]).iter().filter(|event| event["ph"] == "X");
    assert_eq!(slices.count(), list(&runs["tx"]).len());
    let wrong = json!(["0x2", { "format": "svg" }]);
    assert_eq!(world.error("weft_getExecutionTrace", wrong).await.0, -32602);
}

#[tokio::test]
async fn registered_names_appear_and_only_on_a_devnet() {
    let world = busy().await;
    let layout = json!({ "storage": [{ "label": "last", "slot": "0", "type": "t_uint256" }] });
    let params = json!([logger(), null, layout, "Logger"]);
    assert_eq!(world.ok("weft_registerAbi", params.clone()).await, true);
    let found = world.ok("weft_getConflicts", json!(["0x2", { "kinds": ["storage"] }])).await;
    assert_eq!((&found[0]["name"], &found[0]["guessed"]), (&json!("Logger.last"), &json!(false)));
    let wrong = json!([logger(), { "abi": [] }]);
    assert_eq!(world.error("weft_registerAbi", wrong).await.0, -32602);
    let public = World::empty().await;
    assert_eq!(public.error("weft_registerAbi", params).await.0, -32004);
}

#[tokio::test]
async fn what_is_registered_at_one_listener_has_its_name_at_all_of_them() {
    let names = Arc::new(weft_rpc::Names::default());
    let shared = Arc::clone(&names);
    let change = move |config: &mut weft_rpc::RpcConfig| {
        (config.devnet, config.names) = (true, shared);
    };
    let world = World::with(change).await;
    world.commit(vec![deploy(0)]);
    world.commit(vec![call_logger(&alice(), 1, 7), call_logger(&bob(), 0, 9)]);
    let mut config = weft_rpc::RpcConfig::new("127.0.0.1:0".parse().unwrap());
    config.names = Arc::clone(&names);
    let other = weft_rpc::serve(config, world.backend()).await.unwrap();
    let hottest = async || {
        let answer =
            crate::client::call(other.local_addr(), "weft_getRecordStats", json!([])).await;
        answer["result"]["blocks"]["hottest"][1]["name"].as_str().unwrap().to_owned()
    };
    let before = hottest().await;
    assert!(!before.contains("Logger"), "{before}");
    let layout = json!({ "storage": [{ "label": "last", "slot": "0", "type": "t_uint256" }] });
    world.ok("weft_registerAbi", json!([logger(), null, layout, "Logger"])).await;
    assert_eq!(hottest().await, "Logger.last", "also in what was remembered");
    assert_eq!(names.registry().account(&logger()), Some("Logger"));
}

#[tokio::test]
async fn a_block_that_does_not_exist_has_a_record_and_leaves_no_trace() {
    let world = busy().await;
    let before = world.store.head().block.hash();
    let call = |user: u8, word: u8| {
        let input = format!("{word:064x}");
        json!({ "from": Address::repeat_byte(user), "to": logger(), "data": format!("0x{input}") })
    };
    let calls: Vec<Value> = (1..11).map(|n| call(n, n)).collect();
    let record = world.ok("weft_simulateBlock", json!([calls, { "reads": true }])).await;
    let half = &record["deterministic"];
    assert_eq!(list(&record["transactions"]).len(), 10);
    assert!(list(&record["transactions"]).iter().all(|one| one["status"] == 1));
    assert_eq!(half["bestSpeedup"]["unlimited"], 1.0, "all write one slot");
    assert_eq!(half["dependentTransactions"], 9);
    assert_eq!(record["advice"][0]["location"]["kind"], "storage");
    assert_eq!(record["number"], 4);
    // One sender twice: the nonces follow each other. Another one cannot pay, and is told so when nobody lends.
    let twice = json!([call(1, 1), call(1, 2)]);
    let same = world.ok("weft_simulateBlock", json!([twice])).await;
    assert_eq!(same["skipped"], json!([]));
    let poor = world.ok("weft_simulateBlock", json!([[call(1, 1)], { "noFunding": true }])).await;
    assert!(poor["skipped"][0]["reason"].as_str().unwrap().contains("funds"), "{poor}");
    assert_eq!(world.error("weft_simulateBlock", json!([[]])).await.0, -32005);
    assert_eq!(world.store.head().block.hash(), before);
    assert_eq!(world.backend().params.chain_id, CHAIN_ID);
}

#[tokio::test]
async fn contracts_of_a_project_are_recognised_by_their_code() {
    let compiled = json!({
        "abi": [],
        "deployedBytecode": { "object": alloy_primitives::hex::encode(LOGGER) },
        "storageLayout": { "storage": [{ "label": "word", "slot": "0", "type": "t_uint256" }] },
    });
    let artifact = weft_rpc::Artifact::parse("Logger", compiled).unwrap().unwrap();
    let world = World::with(|config| {
        let registry = weft_rpc::Registry::default().with_artifacts(&[artifact.into()]);
        config.names = Arc::new(weft_rpc::Names::new(registry));
    })
    .await;
    world.commit(vec![deploy(0)]);
    world.commit(vec![call_logger(&alice(), 1, 7), call_logger(&bob(), 0, 9)]);
    let stats = world.ok("weft_getRecordStats", json!([])).await;
    assert_eq!(stats["blocks"]["hottest"][1]["name"], "Logger.word", "{stats}");
    let found = world.ok("weft_getConflicts", json!(["0x2", { "kinds": ["storage"] }])).await;
    assert_eq!((&found[0]["name"], &found[0]["guessed"]), (&json!("Logger.word"), &json!(false)));
}
