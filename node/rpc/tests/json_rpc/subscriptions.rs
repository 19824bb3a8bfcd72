use crate::client::call;
use crate::world::{World, alice, call_logger, deploy, hash, logger, raw, transfer};
use alloy_primitives::Address;
use serde_json::{Value, json};

#[tokio::test]
async fn new_heads_come_once_each_and_in_order() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    let id = socket.call("eth_subscribe", json!(["newHeads"])).await["result"].clone();
    assert!(id.as_str().unwrap().starts_with("0x"), "{id}");
    for height in 1..=20 {
        let block = world.commit(vec![]);
        let event = socket.event().await;
        assert_eq!(event["subscription"], id);
        assert_eq!(event["result"]["number"], format!("{height:#x}"));
        assert_eq!(event["result"]["hash"], block.hash().to_string());
        assert!(event["result"].get("transactions").is_none());
        // Whoever heard of a block can read it.
        let number = socket.call("eth_blockNumber", json!([])).await;
        assert_eq!(number["result"], format!("{height:#x}"));
    }
    let done = socket.call("eth_unsubscribe", json!([id])).await;
    assert_eq!(done["result"], true);
    world.commit(vec![]);
    let again = socket.call("eth_unsubscribe", json!([id])).await;
    assert_eq!(again["result"], false);
}

#[tokio::test]
async fn logs_are_filtered_and_equal_to_those_of_get_logs() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    let all = socket.call("eth_subscribe", json!(["logs", { "address": logger() }])).await;
    let elsewhere = json!(["logs", { "address": Address::repeat_byte(1) }]);
    socket.call("eth_subscribe", elsewhere).await;
    world.commit(vec![deploy(0), transfer(0, 1)]);
    world.commit(vec![call_logger(&alice(), 1, 5), call_logger(&alice(), 2, 6)]);
    let found = world.ok("eth_getLogs", json!([{ "fromBlock": "0x0" }])).await;
    for log in found.as_array().unwrap() {
        let event = socket.event().await;
        assert_eq!(event["subscription"], all["result"]);
        assert_eq!(&event["result"], log);
        assert_eq!(event["result"]["removed"], false);
    }
}

#[tokio::test]
async fn a_subscriber_that_falls_behind_is_served_from_the_store_without_gaps() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    socket.call("eth_subscribe", json!(["newHeads"])).await;
    let records = socket.call("weft_subscribe", json!(["records"])).await["result"].clone();
    // In one go, on the only thread: the subscriptions cannot read in between, and the feed forgets.
    let blocks = weft_rpc::HEADS_CAPACITY as u64 * 2;
    for _ in 0..blocks {
        world.commit(vec![]);
    }
    let (mut heads, mut summaries) = (Vec::new(), Vec::new());
    for _ in 0..2 * blocks {
        let event = socket.event().await;
        assert!(event.get("error").is_none(), "{event}");
        match event["subscription"] == records {
            true => summaries.push(event["result"]["number"].as_u64().unwrap()),
            false => heads.push(number(&event["result"]["number"])),
        }
    }
    let expected: Vec<u64> = (1..=blocks).collect();
    assert_eq!(heads, expected);
    assert_eq!(summaries, expected);
}

fn number(quantity: &Value) -> u64 {
    u64::from_str_radix(&quantity.as_str().unwrap()[2..], 16).unwrap()
}

#[tokio::test]
async fn a_subscriber_that_is_too_far_behind_is_closed_with_the_reason() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    socket.call("eth_subscribe", json!(["newHeads"])).await;
    for _ in 0..1_100 {
        world.commit(vec![]);
    }
    let last = socket.event().await;
    assert_eq!(last["error"]["code"], -32005, "{last}");
    let reason = last["error"]["message"].as_str().unwrap();
    assert!(reason.starts_with("subscriber is too slow: 1100 blocks behind"), "{reason}");
    assert!(reason.contains("from block 1 on"), "{reason}");
    let live = socket.call("eth_chainId", json!([])).await;
    assert_eq!(live["result"], "0x7a69", "the connection stays usable");
}

#[tokio::test]
async fn pending_transactions_are_announced_once_when_they_become_ready() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    let hashes = socket.call("eth_subscribe", json!(["newPendingTransactions"])).await;
    let filter = world.ok("eth_newPendingTransactionFilter", json!([])).await;
    let (first, second, third) = (transfer(0, 1), transfer(1, 2), transfer(2, 3));
    for transaction in [&third, &second, &first] {
        world.ok("eth_sendRawTransaction", json!([raw(transaction)])).await;
    }
    for expected in [&first, &second, &third] {
        let event = socket.event().await;
        assert_eq!(event["subscription"], hashes["result"]);
        assert_eq!(event["result"], hash(expected), "in the order of their nonces");
    }
    let expected = json!([hash(&first), hash(&second), hash(&third)]);
    assert_eq!(world.ok("eth_getFilterChanges", json!([filter])).await, expected);
    assert_eq!(world.ok("eth_getFilterChanges", json!([filter])).await, json!([]));

    let mut socket = world.socket().await;
    socket.call("eth_subscribe", json!(["newPendingTransactions", true])).await;
    let fourth = transfer(3, 4);
    world.ok("eth_sendRawTransaction", json!([raw(&fourth)])).await;
    let event = socket.event().await;
    assert_eq!(event["result"]["hash"], hash(&fourth));
    assert_eq!(event["result"]["nonce"], "0x3");
    assert_eq!(event["result"]["blockHash"], Value::Null);
}

#[tokio::test]
async fn the_state_of_the_synchronisation_comes_at_once_and_on_change() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    socket.call("eth_subscribe", json!(["syncing"])).await;
    assert_eq!(socket.event().await["result"], json!(false));
    *world.behind.lock() = Some(weft_rpc::SyncStatus { starting: 0, current: 1, highest: 90 });
    world.commit(vec![]);
    let status = json!({ "startingBlock": "0x0", "currentBlock": "0x1", "highestBlock": "0x5a" });
    assert_eq!(socket.event().await["result"], json!({ "syncing": true, "status": status }));
    *world.behind.lock() = None;
    // Without a block too: the clock looks.
    assert_eq!(socket.event().await["result"], json!(false));
}

#[tokio::test]
async fn receipts_come_for_all_or_for_certain_transactions() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    let (sent, call) = (transfer(0, 5), call_logger(&alice(), 1, 7));
    let all = socket.call("eth_subscribe", json!(["transactionReceipts"])).await["result"].clone();
    let wanted = json!({ "transactionHashes": [hash(&call)] });
    let one = socket.call("eth_subscribe", json!(["transactionReceipts", wanted])).await["result"]
        .clone();
    world.commit(vec![deploy(0), sent]);
    world.commit(vec![]);
    world.commit(vec![call.clone()]);
    let mut events = [socket.event().await, socket.event().await, socket.event().await];
    events.sort_by_key(|event| event["subscription"] == one);
    let first = world.ok("eth_getBlockReceipts", json!(["0x1"])).await;
    let third = world.ok("eth_getBlockReceipts", json!(["0x3"])).await;
    assert_eq!(events[0], json!({ "subscription": all, "result": first }));
    assert_eq!(events[1], json!({ "subscription": all, "result": third }));
    assert_eq!(events[2], json!({ "subscription": one, "result": third }));
    // One that is included already is told at once.
    let mut late = world.socket().await;
    late.call("eth_subscribe", json!(["transactionReceipts", wanted])).await;
    assert_eq!(late.event().await["result"][0]["transactionHash"], hash(&call));
    let many: Vec<_> = (0..201u8).map(alloy_primitives::B256::with_last_byte).collect();
    let many = json!(["transactionReceipts", { "transactionHashes": many }]);
    assert_eq!(late.call("eth_subscribe", many).await["error"]["code"], -32005);
}

#[tokio::test]
async fn records_say_what_ran_in_parallel_and_the_consensus_says_what_it_does() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    socket.call("weft_subscribe", json!(["records", { "transactions": true }])).await;
    world.commit(vec![deploy(0), transfer(0, 5)]);
    let event = socket.event().await["result"].clone();
    let record = world
        .ok("weft_getBlockRecord", json!(["0x1", { "reads": false, "incarnations": false }]))
        .await;
    assert_eq!(event["deterministic"], record["deterministic"]);
    assert_eq!(event["local"], record["local"]);
    assert_eq!((&event["transactions"], &event["number"]), (&json!(2), &json!(1)));

    let mut socket = world.socket().await;
    socket.call("weft_subscribe", json!(["consensus"])).await;
    let block = alloy_primitives::B256::repeat_byte(7);
    for height in [8, 9] {
        let event = weft_rpc::ConsensusEvent::Commit {
            height: weft_types::Height(height),
            round: weft_types::Round(1),
            block,
        };
        world.backend().consensus.send(std::sync::Arc::new(event)).unwrap();
    }
    for (sequence, height) in [(0, 8), (1, 9)] {
        let expected = json!({
            "event": "commit", "height": height, "round": 1, "block": block, "sequence": sequence
        });
        assert_eq!(socket.event().await["result"], expected);
    }
    for _ in 0..2 * weft_rpc::CONSENSUS_EVENTS_CAPACITY {
        let event = weft_rpc::ConsensusEvent::Quorum {
            kind: weft_rpc::VoteKind::Prevote,
            height: weft_types::Height(9),
            round: weft_types::Round(0),
            block: None,
        };
        world.backend().consensus.send(std::sync::Arc::new(event)).unwrap();
    }
    let last = socket.event().await;
    assert!(last["error"]["message"].as_str().unwrap().contains("events were not read"), "{last}");
}

#[tokio::test]
async fn unknown_topics_and_plain_http_are_refused() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    let unknown = socket.call("eth_subscribe", json!(["newWeather"])).await;
    assert_eq!(unknown["error"]["code"], -32602);
    let text = unknown["error"]["message"].as_str().unwrap();
    assert!(text.contains("newHeads, logs, "), "{text}");
    let http: Value = call(world.server.local_addr(), "eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(http["error"]["code"], -32004);
    assert!(http["error"]["message"].as_str().unwrap().contains("WebSocket"));
}
