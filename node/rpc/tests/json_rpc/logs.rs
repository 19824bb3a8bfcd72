use crate::world::{World, alice, bob, call_logger, logger};
use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

fn data(logs: &Value) -> Vec<u8> {
    let word = |log: &Value| log["data"].as_str().unwrap().parse::<B256>().unwrap()[31];
    logs.as_array().unwrap().iter().map(word).collect()
}

#[tokio::test]
async fn logs_are_found_by_address_topic_range_and_hash() {
    let world = World::three_blocks().await;
    let hash = world.store.block(2).unwrap().unwrap().block.hash();
    let topic = B256::with_last_byte(0x42);
    for (filter, expected) in [
        (json!({ "fromBlock": "0x0", "toBlock": "latest" }), vec![7, 9]),
        (json!({ "fromBlock": "earliest", "address": logger() }), vec![7, 9]),
        (json!({ "fromBlock": "0x2", "toBlock": "0x2", "topics": [topic] }), vec![7, 9]),
        (json!({ "fromBlock": "0x0", "topics": [[B256::ZERO, topic]] }), vec![7, 9]),
        (json!({ "blockHash": hash }), vec![7, 9]),
        (json!({ "fromBlock": "0x0", "topics": [null, topic] }), vec![]),
        (json!({ "fromBlock": "0x0", "topics": [B256::ZERO] }), vec![]),
        (json!({ "fromBlock": "0x0", "topics": [topic, topic] }), vec![]),
        (json!({ "fromBlock": "0x0", "address": Address::repeat_byte(1) }), vec![]),
        (json!({ "fromBlock": "0x0", "toBlock": "0x1" }), vec![]),
        (json!({}), vec![]),
        (json!({ "fromBlock": "0x1", "toBlock": "latest" }), vec![7, 9]),
    ] {
        let logs = world.ok("eth_getLogs", json!([filter])).await;
        assert_eq!(data(&logs), expected, "{filter}");
    }
    let logs = world.ok("eth_getLogs", json!([{ "blockHash": hash }])).await;
    assert_eq!(logs[1]["removed"], false);
    assert_eq!(logs[1]["logIndex"], "0x1");
    assert_eq!(logs[1]["blockNumber"], "0x2");
    let receipts = world.ok("eth_getBlockReceipts", json!(["0x2"])).await;
    assert_eq!(receipts[1]["logs"][0], logs[1], "the same log everywhere");
}

#[tokio::test]
async fn impossible_ranges_are_refused() {
    let world = World::three_blocks().await;
    let backwards = json!([{ "fromBlock": "0x2", "toBlock": "0x1" }]);
    assert_eq!(world.error("eth_getLogs", backwards).await.0, -32602);
    let future = json!([{ "fromBlock": "0x8" }]);
    assert_eq!(world.error("eth_getLogs", future).await.0, -32602);
    let beyond = json!([{ "fromBlock": "0x1", "toBlock": "0x4" }]);
    let beyond = world.error("eth_getLogs", beyond).await;
    assert_eq!(beyond, (-32602, "block range extends beyond current head block".to_owned()));
    let unknown = json!([{ "blockHash": B256::repeat_byte(1) }]);
    assert_eq!(world.error("eth_getLogs", unknown).await.0, -32001);
}

/// Walks the chain by what the errors suggest.
async fn walk(world: &World) -> (Vec<u8>, u32) {
    let head = world.store.head().block.height().0;
    let (mut from, mut to, mut refusals, mut found) = (0, head, 0, Vec::new());
    while from <= head {
        let filter = json!([{ "fromBlock": format!("{from:#x}"), "toBlock": format!("{to:#x}") }]);
        let answer = crate::client::call(world.server.local_addr(), "eth_getLogs", filter).await;
        if let Some(error) = answer.get("error") {
            assert_eq!(error["code"], -32005, "{error}");
            let number = |name: &str| {
                u64::from_str_radix(&error["data"][name].as_str().unwrap()[2..], 16).unwrap()
            };
            assert_eq!(number("from"), from);
            assert!(number("to") < to, "the range must shrink: {error}");
            to = number("to");
            refusals += 1;
            continue;
        }
        found.extend(data(&answer["result"]));
        (from, to) = (to + 1, head);
    }
    (found, refusals)
}

#[tokio::test]
async fn whoever_follows_the_suggested_ranges_reads_everything() {
    let world = World::with(|config| {
        config.logs_blocks_max = 4;
        config.logs_results_max = 2;
    })
    .await;
    world.commit(vec![crate::world::deploy(0)]);
    let calls = |nonce: u64| {
        (0..3).map(|i| call_logger(&alice(), nonce + i, nonce + i)).collect::<Vec<_>>()
    };
    world.commit(calls(1));
    world.commit(vec![call_logger(&bob(), 0, 50)]);
    world.commit(calls(4));
    world.commit(vec![]);
    world.commit(vec![call_logger(&bob(), 1, 51)]);
    let (found, refusals) = walk(&world).await;
    assert_eq!(found, [1, 2, 3, 50, 4, 5, 6, 51]);
    assert!(refusals > 2, "{refusals}");
}

#[tokio::test]
async fn filters_report_what_is_new_once() {
    let world = World::three_blocks().await;
    let blocks = world.ok("eth_newBlockFilter", json!([])).await;
    let logs = world.ok("eth_newFilter", json!([{ "address": logger() }])).await;
    assert_eq!(world.ok("eth_getFilterChanges", json!([logs])).await, json!([]));
    let block = world.commit(vec![call_logger(&alice(), 2, 77)]);
    let changes = world.ok("eth_getFilterChanges", json!([blocks])).await;
    assert_eq!(changes, json!([block.hash()]));
    assert_eq!(data(&world.ok("eth_getFilterChanges", json!([logs])).await), [77]);
    assert_eq!(world.ok("eth_getFilterChanges", json!([logs])).await, json!([]));
    assert_eq!(data(&world.ok("eth_getFilterLogs", json!([logs])).await), [77]);
    assert_eq!(world.ok("eth_uninstallFilter", json!([logs])).await, json!(true));
    assert_eq!(world.ok("eth_uninstallFilter", json!([logs])).await, json!(false));
    let error = world.error("eth_getFilterChanges", json!([logs])).await;
    assert_eq!(error, (-32000, "filter not found".to_owned()));
}

#[tokio::test]
async fn a_suggested_range_always_succeeds_and_always_moves_on() {
    for (blocks_max, results_max) in [(1, 1), (2, 1), (3, 2), (50, 3), (5, 100)] {
        let world = World::with(|config| {
            config.logs_blocks_max = blocks_max;
            config.logs_results_max = results_max;
        })
        .await;
        world.commit(vec![crate::world::deploy(0)]);
        let mut nonce = 1;
        for calls in [0, 4, 1, 0, 2, 7, 0, 1, 1] {
            let transactions = (nonce..nonce + calls).map(|n| call_logger(&alice(), n, n));
            world.commit(transactions.collect());
            nonce += calls;
        }
        let range = |from: u64, to: u64| json!([{ "fromBlock": format!("{from:#x}"), "toBlock": format!("{to:#x}") }]);
        let address = world.server.local_addr();
        for from in 0..10 {
            for to in from..10 {
                let answer = crate::client::call(address, "eth_getLogs", range(from, to)).await;
                let Some(error) = answer.get("error") else { continue };
                let number = |name: &str| {
                    u64::from_str_radix(&error["data"][name].as_str().unwrap()[2..], 16).unwrap()
                };
                assert_eq!(number("from"), from, "{error}");
                assert!((from..to).contains(&number("to")), "{from} to {to}: {error}");
                world.ok("eth_getLogs", range(from, number("to"))).await;
            }
        }
    }
}

#[tokio::test]
async fn a_public_caller_sees_no_pending_transactions() {
    let world = World::with(|config| config.public = true).await;
    let code = world.error("eth_newPendingTransactionFilter", json!([])).await;
    assert_eq!(code.0, -32601);
    assert!(code.1.contains("public listener"), "{}", code.1);
    let mut socket = world.socket().await;
    let refused = socket.call("eth_subscribe", json!(["newPendingTransactions"])).await;
    assert_eq!(refused["error"]["code"], -32004);
    world
        .ok("eth_sendRawTransaction", json!([crate::world::raw(&crate::world::transfer(0, 1))]))
        .await;
    let pending = world.ok("eth_getBlockByNumber", json!(["pending", true])).await;
    assert_eq!(pending["transactions"], json!([]));
}
