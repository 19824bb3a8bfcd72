use crate::world::{LOGGER, World, alice, bob, logger, raw, transfer};
use alloy_primitives::{B256, hex};
use serde_json::json;

#[tokio::test]
async fn state_is_served_at_every_height() {
    let world = World::three_blocks().await;
    let (alice, bob) = (alice().address(), bob().address());
    let rich = "0x3635c9adc5dea00000";
    assert_eq!(world.ok("eth_getBalance", json!([alice, "earliest"])).await, rich);
    assert_ne!(world.ok("eth_getBalance", json!([alice])).await, rich);
    for (block, nonce) in [("0x0", "0x0"), ("0x1", "0x1"), ("0x2", "0x2"), ("latest", "0x2")] {
        let params = json!([bob, block]);
        assert_eq!(world.ok("eth_getTransactionCount", params).await, nonce, "{block}");
    }
    assert_eq!(world.ok("eth_getCode", json!([logger(), "0x0"])).await, "0x");
    let code = hex::encode_prefixed(LOGGER);
    assert_eq!(world.ok("eth_getCode", json!([logger(), "0x1"])).await, code);
    for (block, value) in [("0x1", 0), ("0x2", 9), ("latest", 9), ("pending", 9)] {
        for slot in ["0x0", "0x0000000000000000000000000000000000000000000000000000000000000000"] {
            let stored = world.ok("eth_getStorageAt", json!([logger(), slot, block])).await;
            assert_eq!(stored, B256::with_last_byte(value).to_string(), "{block}");
        }
    }
}

#[tokio::test]
async fn blocks_are_named_as_eip_1898_says() {
    let world = World::three_blocks().await;
    let hash = world.store.block(1).unwrap().unwrap().block.hash();
    let bob = bob().address();
    for block in [
        json!("0x1"),
        json!(hash),
        json!({ "blockNumber": "0x1" }),
        json!({ "blockHash": hash }),
        json!({ "blockHash": hash, "requireCanonical": true }),
    ] {
        let params = json!([bob, block]);
        assert_eq!(world.ok("eth_getTransactionCount", params).await, "0x1", "{block}");
    }
    for block in [json!("0x4"), json!(B256::repeat_byte(3)), json!({ "blockNumber": "0x99" })] {
        let error = world.error("eth_getBalance", json!([bob, block])).await;
        assert_eq!(error, (-32001, "unknown block".to_owned()));
    }
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let world = World::empty().await;
    let (code, message) = world.error("eth_getBalance", json!([])).await;
    assert_eq!(
        (code, message.as_str()),
        (-32602, "missing value for required argument 0 (address)")
    );
    let (code, message) = world.error("eth_getBalance", json!(["0x12", "latest"])).await;
    assert_eq!(code, -32602);
    assert!(message.starts_with("invalid argument 0 (address): "), "{message}");
    let (code, message) = world.error("eth_getBalance", json!([alice().address(), {}])).await;
    assert_eq!(code, -32602);
    assert!(message.starts_with("invalid argument 1 (block): "), "{message}");
}

#[tokio::test]
async fn the_pending_nonce_counts_the_pool_up_to_the_first_gap() {
    let world = World::empty().await;
    let bob = bob().address();
    for nonce in [0, 1, 3] {
        world.ok("eth_sendRawTransaction", json!([raw(&transfer(nonce, 1))])).await;
    }
    assert_eq!(world.ok("eth_getTransactionCount", json!([bob, "pending"])).await, "0x2");
    assert_eq!(world.ok("eth_getTransactionCount", json!([bob, "latest"])).await, "0x0");
    let status = world.ok("txpool_status", json!([])).await;
    assert_eq!(status, json!({ "pending": "0x2", "queued": "0x1" }));
    world.commit_pool();
    assert_eq!(world.ok("eth_getTransactionCount", json!([bob, "latest"])).await, "0x2");
}

#[tokio::test]
async fn fees_come_from_the_blocks() {
    let world = World::empty().await;
    assert_eq!(world.ok("eth_maxPriorityFeePerGas", json!([])).await, "0x5f5e100");
    world.commit(vec![transfer(0, 1)]);
    world.commit(vec![transfer(1, 1)]);
    let quantity = |value: &serde_json::Value| {
        u128::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    let base_fee =
        |height| u128::from(world.store.header(height).unwrap().unwrap().base_fee_per_gas.unwrap());
    let tip = quantity(&world.ok("eth_maxPriorityFeePerGas", json!([])).await);
    assert_eq!(tip, 100_000_000, "the blocks had room, whatever was paid in them");
    let history = world.ok("eth_feeHistory", json!(["0x2", "latest", [0, 50, 100]])).await;
    assert_eq!(history["oldestBlock"], "0x1");
    let fees = history["baseFeePerGas"].as_array().unwrap();
    assert_eq!(fees.len(), 3);
    assert_eq!([quantity(&fees[0]), quantity(&fees[1])], [base_fee(1), base_fee(2)]);
    let next = weft_types::header::next_base_fee(world.store.head().block.header());
    assert_eq!(quantity(&fees[2]), u128::from(next), "the next block's fee is computed");
    assert_eq!(world.ok("eth_baseFee", json!([])).await, fees[2]);
    assert_eq!(history["gasUsedRatio"].as_array().unwrap().len(), 2);
    let rewards = history["reward"].as_array().unwrap();
    assert_eq!(rewards.len(), 2);
    assert_eq!(quantity(&rewards[1][2]), 10_000_000_000 - base_fee(2));
    let price = quantity(&world.ok("eth_gasPrice", json!([])).await);
    assert_eq!(price, u128::from(next) + tip);
    let long = world.ok("eth_feeHistory", json!([5000, "pending", []])).await;
    assert_eq!(long["gasUsedRatio"].as_array().unwrap().len(), 3, "no more than there are");
    assert!(long.get("reward").is_none());
    let descending = json!(["0x1", "latest", [50, 10]]);
    assert_eq!(world.error("eth_feeHistory", descending).await.0, -32602);
}
