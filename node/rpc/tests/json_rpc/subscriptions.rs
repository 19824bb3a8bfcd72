use crate::client::call;
use crate::world::{World, alice, call_logger, deploy, logger, transfer};
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
async fn a_subscriber_that_lags_is_told_so_and_gets_no_gaps() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    socket.call("eth_subscribe", json!(["newHeads"])).await;
    let block = world.commit(vec![]);
    let event = std::sync::Arc::new(weft_rpc::HeadEvent {
        block: std::sync::Arc::new(block),
        receipts: vec![],
    });
    // In one go, on the only thread: the subscription cannot read in between.
    for _ in 0..2 * weft_rpc::HEADS_CAPACITY {
        world.heads().send(event.clone()).unwrap();
    }
    let last = socket.event().await;
    assert_eq!(last["error"]["code"], -32005, "{last}");
    let reason = last["error"]["message"].as_str().unwrap();
    assert!(reason.starts_with("subscriber is too slow: "), "{reason}");
    let live = socket.call("eth_chainId", json!([])).await;
    assert_eq!(live["result"], "0x7a69", "the connection stays usable");
}

#[tokio::test]
async fn unknown_topics_and_plain_http_are_refused() {
    let world = World::empty().await;
    let mut socket = world.socket().await;
    let unknown = socket.call("eth_subscribe", json!(["newWeather"])).await;
    assert_eq!(unknown["error"]["code"], -32602);
    let text = unknown["error"]["message"].as_str().unwrap();
    assert!(text.contains("newHeads or logs"), "{text}");
    let http: Value = call(world.server.local_addr(), "eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(http["error"]["code"], -32004);
    assert!(http["error"]["message"].as_str().unwrap().contains("WebSocket"));
}
