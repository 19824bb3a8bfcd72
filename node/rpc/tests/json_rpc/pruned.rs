//! What a node answers about blocks whose history it has dropped.

use crate::world::{World, alice, bob, call_logger, deploy, hash, logger, transfer};
use alloy_primitives::B256;
use serde_json::{Value, json};
use weft_store::{Keep, Retention, StoreOptions};

const BLOCKS: u64 = 12;

fn options() -> StoreOptions {
    let retention = Retention {
        history: Keep::Blocks(4),
        receipts: Keep::Blocks(6),
        logs: Keep::Blocks(5),
        access_lists: Keep::Blocks(3),
        records: Keep::Blocks(2),
        records_bytes: None,
    };
    StoreOptions { retention, ..StoreOptions::devnet() }
}

/// In each block Alice calls the logger and Bob sends her some wei. The head is at 12, so that the
/// oldest heights, which move before a block is written, follow from 11.
async fn world() -> (World, Vec<String>) {
    let world = World::with_store(options(), |_| ()).await;
    world.commit(vec![deploy(0)]);
    let mut hashes = vec![String::new()];
    for nonce in 1..BLOCKS {
        let call = call_logger(&alice(), nonce, nonce);
        hashes.push(hash(&call));
        world.commit(vec![call, transfer(nonce - 1, 1)]);
    }
    (world, hashes)
}

async fn is_pruned(world: &World, method: &str, params: Value, oldest: u64) {
    let answer = crate::client::call(world.server.local_addr(), method, params.clone()).await;
    let error = &answer["error"];
    assert_eq!(error["code"], 4444, "{method} {params}: {answer}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("pruned history unavailable"), "{message}");
    assert_eq!(error["data"]["oldest"], format!("{oldest:#x}"), "{method} {params}");
}

#[tokio::test]
async fn state_of_the_past_is_served_as_far_as_it_is_kept() {
    let (world, _) = world().await;
    let (bob, call) = (bob().address(), json!({ "to": logger(), "data": "0x" }));
    for height in 0..=BLOCKS {
        let block = format!("{height:#x}");
        let requests = [
            ("eth_getBalance", json!([bob, block])),
            ("eth_getTransactionCount", json!([bob, block])),
            ("eth_getCode", json!([logger(), block])),
            ("eth_getStorageAt", json!([logger(), "0x0", block])),
            ("eth_call", json!([call, block])),
        ];
        for (method, params) in requests {
            if height < 7 {
                is_pruned(&world, method, params, 7).await;
            } else {
                world.ok(method, params).await;
            }
        }
    }
    for height in 7..=BLOCKS {
        let block = format!("{height:#x}");
        let nonce = world.ok("eth_getTransactionCount", json!([bob, block])).await;
        assert_eq!(nonce, format!("{:#x}", height - 1));
        let slot = world.ok("eth_getStorageAt", json!([logger(), "0x0", block])).await;
        assert_eq!(slot, B256::with_last_byte(height as u8 - 1).to_string());
    }
    is_pruned(&world, "eth_getBalance", json!([bob, "earliest"]), 7).await;
}

#[tokio::test]
async fn receipts_logs_lists_and_records_are_dropped_on_their_own() {
    let (world, hashes) = world().await;
    for height in 1..BLOCKS {
        let block = format!("{:#x}", height + 1);
        let requests = [
            ("eth_getBlockReceipts", json!([block]), 5),
            ("eth_getTransactionReceipt", json!([hashes[height as usize]]), 5),
            ("eth_getLogs", json!([{ "fromBlock": block, "toBlock": "latest" }]), 6),
            ("eth_getBlockAccessList", json!([block]), 8),
            // The record is derived from the state before the block where it is not kept any more.
            ("weft_getBlockRecord", json!([block]), 8),
        ];
        for (method, params, oldest) in requests {
            if height + 1 < oldest {
                is_pruned(&world, method, params, oldest).await;
            } else {
                let answer = world.ok(method, params).await;
                assert!(!answer.is_null(), "{method} at {height}");
            }
        }
        // Blocks themselves, and the places of their transactions, stay.
        let block = world.ok("eth_getBlockByNumber", json!([block, true])).await;
        assert_eq!(block["transactions"][0]["hash"], hashes[height as usize]);
        let found = world.ok("eth_getTransactionByHash", json!([hashes[height as usize]])).await;
        assert_eq!(found["blockNumber"], block["number"]);
    }
    let oldest = world.ok("weft_chainInfo", json!([])).await["oldest"].clone();
    let expected = json!({ "state": 7, "receipts": 5, "logs": 6, "accessLists": 8, "records": 8 });
    assert_eq!(oldest, expected);
    let logs = json!([{ "fromBlock": "0x6", "address": logger(), "topics": [B256::with_last_byte(0x42)] }]);
    assert_eq!(world.ok("eth_getLogs", logs).await.as_array().unwrap().len(), 7);
}
