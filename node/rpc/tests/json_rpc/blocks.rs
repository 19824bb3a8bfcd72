use crate::world::{World, alice, bob, hash, logger, transfer};
use alloy_primitives::B256;
use serde_json::{Value, json};

#[tokio::test]
async fn a_block_has_what_client_libraries_read() {
    let world = World::three_blocks().await;
    let block = world.ok("eth_getBlockByNumber", json!(["0x1", false])).await;
    let stored = world.store.block(1).unwrap().unwrap().block;
    assert_eq!(block["hash"], stored.hash().to_string());
    assert_eq!(block["number"], "0x1");
    assert_eq!(block["nonce"], "0x0000000000000000");
    assert_eq!(block["difficulty"], "0x0");
    assert_eq!(block["uncles"], json!([]));
    assert_eq!(block["withdrawals"], json!([]));
    assert_eq!(block["transactions"].as_array().unwrap().len(), 2);
    for quantity in ["gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "size", "blobGasUsed"] {
        let text = block[quantity].as_str().unwrap_or_else(|| panic!("{quantity} is missing"));
        assert!(text.starts_with("0x") && (text == "0x0" || !text.starts_with("0x0")), "{text}");
    }
    for word in [
        "parentHash",
        "sha3Uncles",
        "stateRoot",
        "transactionsRoot",
        "receiptsRoot",
        "mixHash",
        "withdrawalsRoot",
        "parentBeaconBlockRoot",
        "requestsHash",
        "blockAccessListHash",
    ] {
        assert_eq!(block[word].as_str().map(str::len), Some(66), "{word}");
    }
    assert_eq!(block["logsBloom"].as_str().unwrap().len(), 514);
    assert!(block.get("totalDifficulty").is_none());
    let header = world.ok("eth_getHeaderByNumber", json!(["0x1"])).await;
    assert_eq!(header["hash"], block["hash"]);
    let by_hash = world.ok("eth_getBlockByHash", json!([block["hash"], false])).await;
    assert_eq!(by_hash, block);
}

#[tokio::test]
async fn full_transactions_and_single_ones_are_the_same_objects() {
    let world = World::three_blocks().await;
    let block = world.ok("eth_getBlockByNumber", json!(["0x1", true])).await;
    let [deploy, transfer] = block["transactions"].as_array().unwrap().as_slice() else {
        panic!("{block}")
    };
    assert_eq!(deploy["type"], "0x2");
    assert_eq!(deploy["from"], json!(alice().address()));
    assert_eq!(deploy["to"], Value::Null);
    assert_eq!(deploy["transactionIndex"], "0x0");
    assert_eq!(deploy["chainId"], "0x7a69");
    assert!(deploy["yParity"] == "0x0" || deploy["yParity"] == "0x1", "{deploy}");
    assert_eq!(deploy["gasPrice"], receipt_of(&world, &deploy["hash"]).await["effectiveGasPrice"]);
    assert_eq!(transfer["type"], "0x0");
    assert_eq!(transfer["value"], "0x5");
    for (method, params) in [
        ("eth_getTransactionByHash", json!([transfer["hash"]])),
        ("eth_getTransactionByBlockHashAndIndex", json!([block["hash"], "0x1"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x1"])),
    ] {
        assert_eq!(&world.ok(method, params).await, transfer, "{method}");
    }
    let beyond = json!(["0x1", "0x2"]);
    assert!(world.ok("eth_getTransactionByBlockNumberAndIndex", beyond).await.is_null());
}

async fn receipt_of(world: &World, hash: &Value) -> Value {
    world.ok("eth_getTransactionReceipt", json!([hash])).await
}

#[tokio::test]
async fn receipts_count_gas_and_logs_within_the_block() {
    let world = World::three_blocks().await;
    let first = world.ok("eth_getBlockReceipts", json!(["0x1"])).await;
    assert_eq!(first[0]["contractAddress"], json!(logger()));
    assert_eq!(first[0]["to"], Value::Null);
    assert_eq!(first[1]["contractAddress"], Value::Null);
    assert_eq!(first[1]["gasUsed"], "0x5208");
    assert_eq!(first[1]["status"], "0x1");
    let second = world.ok("eth_getBlockReceipts", json!(["latest"])).await;
    assert_eq!(second, json!([]), "block 3 is empty");
    let second = world.ok("eth_getBlockReceipts", json!(["0x2"])).await;
    assert_eq!([&second[0]["type"], &second[1]["type"]], ["0x2", "0x1"]);
    assert_eq!(second[0]["logs"][0]["logIndex"], "0x0");
    assert_eq!(second[1]["logs"][0]["logIndex"], "0x1");
    assert_eq!(second[1]["logs"][0]["transactionIndex"], "0x1");
    let sum = |index: usize| {
        let text = second[index]["gasUsed"].as_str().unwrap();
        u64::from_str_radix(&text[2..], 16).unwrap()
    };
    assert_eq!(second[1]["cumulativeGasUsed"], format!("{:#x}", sum(0) + sum(1)));
    assert_eq!(receipt_of(&world, &second[1]["transactionHash"]).await, second[1]);
    assert!(receipt_of(&world, &json!(B256::repeat_byte(1))).await.is_null());
}

#[tokio::test]
async fn all_tags_of_the_present_name_the_head() {
    let world = World::three_blocks().await;
    assert_eq!(world.ok("eth_blockNumber", json!([])).await, "0x3");
    for tag in ["latest", "safe", "finalized"] {
        assert_eq!(world.ok("eth_getBlockByNumber", json!([tag, false])).await["number"], "0x3");
    }
    let earliest = world.ok("eth_getBlockByNumber", json!(["earliest", true])).await;
    assert_eq!(earliest["number"], "0x0");
    assert_eq!(world.ok("eth_getBlockReceipts", json!(["0x0"])).await, json!([]));
    assert!(world.ok("eth_getBlockByNumber", json!(["0x4", false])).await.is_null());
    let unknown = json!([B256::repeat_byte(9), false]);
    assert!(world.ok("eth_getBlockByHash", unknown).await.is_null());
    assert_eq!(world.error("eth_getBlockByNumber", json!(["soon", false])).await.0, -32602);
}

#[tokio::test]
async fn the_pending_block_is_never_null_and_holds_the_pool() {
    let world = World::three_blocks().await;
    let waiting = transfer(2, 1);
    world.ok("eth_sendRawTransaction", json!([crate::world::raw(&waiting)])).await;
    let block = world.ok("eth_getBlockByNumber", json!(["pending", false])).await;
    assert_eq!(block["number"], "0x4");
    assert_eq!(block["transactions"], json!([hash(&waiting)]));
    for unknown in ["hash", "nonce", "logsBloom", "miner"] {
        assert!(block.get(unknown).is_some_and(Value::is_null), "{unknown}");
    }
    assert_eq!(block["stateRoot"], B256::ZERO.to_string());
    let head = world.ok("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(block["parentHash"], head["hash"]);
    let full = world.ok("eth_getBlockByNumber", json!(["pending", true])).await;
    assert_eq!(full["transactions"][0]["from"], json!(bob().address()));
    assert_eq!(full["transactions"][0]["blockHash"], Value::Null);
    let count = world.ok("eth_getBlockTransactionCountByNumber", json!(["pending"])).await;
    assert_eq!(count, "0x1");
    let found = world.ok("eth_getTransactionByHash", json!([hash(&waiting)])).await;
    assert_eq!(found, full["transactions"][0]);
}

#[tokio::test]
async fn counts_and_uncles_answer_for_known_blocks_only() {
    let world = World::three_blocks().await;
    let head = world.store.head().block.hash();
    let count = world.ok("eth_getBlockTransactionCountByNumber", json!(["0x2"])).await;
    assert_eq!(count, "0x2");
    let count = world.ok("eth_getBlockTransactionCountByHash", json!([head])).await;
    assert_eq!(count, "0x0");
    assert_eq!(world.ok("eth_getUncleCountByBlockHash", json!([head])).await, "0x0");
    assert_eq!(world.ok("eth_getUncleCountByBlockNumber", json!(["0x2"])).await, "0x0");
    assert!(world.ok("eth_getUncleCountByBlockNumber", json!(["0x9"])).await.is_null());
    let params = json!([head, "0x0"]);
    assert!(world.ok("eth_getUncleByBlockHashAndIndex", params).await.is_null());
}

#[tokio::test]
async fn a_raw_transaction_is_what_was_sent() {
    let world = World::empty().await;
    let sent = transfer(0, 1);
    let params = json!([hash(&sent)]);
    assert!(world.ok("eth_getRawTransactionByHash", params.clone()).await.is_null());
    world.ok("eth_sendRawTransaction", json!([crate::world::raw(&sent)])).await;
    let raw = crate::world::raw(&sent);
    assert_eq!(world.ok("eth_getRawTransactionByHash", params.clone()).await, raw);
    world.commit_pool();
    assert_eq!(world.ok("eth_getRawTransactionByHash", params).await, raw);
}
