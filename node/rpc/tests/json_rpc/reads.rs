//! Methods that read several things at once, or bytes.

use crate::world::{World, alice, bob, logger, raw, transfer};
use alloy_primitives::{B256, hex, keccak256};
use serde_json::{Value, json};

#[tokio::test]
async fn raw_parts_of_a_block_hash_to_what_the_block_says() {
    let world = World::three_blocks().await;
    let block = world.ok("eth_getBlockByNumber", json!(["0x2", false])).await;
    let bytes = |value: Value| hex::decode(value.as_str().unwrap()).unwrap();
    let header = bytes(world.ok("debug_getRawHeader", json!(["0x2"])).await);
    assert_eq!(block["hash"], json!(keccak256(&header)));
    let whole = bytes(world.ok("debug_getRawBlock", json!([block["hash"]])).await);
    assert_eq!(block["size"], format!("{:#x}", whole.len()), "the size is that of the bytes");
    assert!(whole.windows(header.len()).any(|part| part == header));
    for (place, hash) in block["transactions"].as_array().unwrap().iter().enumerate() {
        let raw = world.ok("debug_getRawTransaction", json!([hash])).await;
        assert_eq!(hash, &json!(keccak256(bytes(raw.clone()))));
        let index = format!("{place:#x}");
        for (method, id) in [
            ("eth_getRawTransactionByBlockNumberAndIndex", json!("0x2")),
            ("eth_getRawTransactionByBlockHashAndIndex", block["hash"].clone()),
        ] {
            assert_eq!(world.ok(method, json!([id, index])).await, raw);
        }
        assert_eq!(world.ok("eth_getRawTransactionByHash", json!([hash])).await, raw);
    }
    let receipts = world.ok("debug_getRawReceipts", json!(["0x2"])).await;
    assert_eq!(receipts.as_array().unwrap().len(), 2);
    let list = bytes(world.ok("debug_getRawBlockAccessList", json!(["0x2"])).await);
    assert_eq!(block["blockAccessListHash"], json!(keccak256(list)));
    let unknown = json!([B256::repeat_byte(9)]);
    assert_eq!(world.ok("debug_getRawTransaction", unknown).await, "0x");
    assert_eq!(world.error("debug_getRawBlock", json!(["0xff"])).await.0, -32001);
    assert_eq!(world.error("debug_getRawHeader", json!(["2"])).await.0, -32602);
    assert_eq!(world.ok("debug_getBadBlocks", json!([])).await, json!([]));
}

#[tokio::test]
async fn the_transaction_of_a_nonce_is_found_in_the_chain_and_in_the_pool() {
    let world = World::three_blocks().await;
    let method = "eth_getTransactionBySenderAndNonce";
    for (sender, nonce, block) in [
        (alice().address(), "0x0", "0x1"),
        (bob().address(), "0x0", "0x1"),
        (alice().address(), "0x1", "0x2"),
        (bob().address(), "0x1", "0x2"),
    ] {
        let found = world.ok(method, json!([sender, nonce])).await;
        assert_eq!((&found["blockNumber"], &found["nonce"]), (&json!(block), &json!(nonce)));
        assert_eq!(found["from"], json!(sender));
    }
    assert_eq!(world.ok(method, json!([bob().address(), "0x2"])).await, Value::Null);
    world.ok("eth_sendRawTransaction", json!([raw(&transfer(2, 1))])).await;
    let pooled = world.ok(method, json!([bob().address(), "0x2"])).await;
    assert_eq!((&pooled["blockHash"], &pooled["nonce"]), (&Value::Null, &json!("0x2")));
    let pending = world.ok("eth_pendingTransactions", json!([])).await;
    assert_eq!(pending, json!([pooled]));
    assert_eq!(world.ok(method, json!([logger(), "0x0"])).await, Value::Null, "a contract's");
}

#[tokio::test]
async fn values_of_several_accounts_come_in_one_answer() {
    let world = World::three_blocks().await;
    let (contract, nobody) = (format!("{:#x}", logger()), format!("0x{}", "ab".repeat(20)));
    let request = json!({ contract.clone(): ["0x0", "0x1"], nobody.clone(): ["0x00"] });
    let values = world.ok("eth_getStorageValues", json!([request, "0x1"])).await;
    let word = |value: u8| format!("0x{}{value:02x}", "00".repeat(31));
    assert_eq!(values[&contract], json!([word(0), word(0)]));
    let values = world.ok("eth_getStorageValues", json!([request])).await;
    assert_eq!(values[&contract], json!([word(9), word(0)]), "Bob's call was the last");
    assert_eq!(values[&nobody], json!([word(0)]));
    let empty = world.error("eth_getStorageValues", json!([{}, "latest"])).await;
    assert_eq!(empty, (-32602, "empty request".to_owned()));
    let many: Vec<String> = (0..1025).map(|slot| format!("{slot:#x}")).collect();
    let many = world.error("eth_getStorageValues", json!([{ contract: many }])).await;
    assert_eq!(many, (-32602, "too many slots (max 1024)".to_owned()));

    let info = world.ok("eth_getAccountInfo", json!([logger(), "latest"])).await;
    assert_eq!(info["code"], world.ok("eth_getCode", json!([logger(), "latest"])).await);
    assert_eq!(info["nonce"], "0x1");
    let account = world.ok("eth_getAccount", json!([logger(), "latest"])).await;
    let code = hex::decode(info["code"].as_str().unwrap()).unwrap();
    assert_eq!(account["codeHash"], json!(keccak256(code)));
    assert_eq!(world.ok("eth_getAccount", json!([nobody, "latest"])).await, Value::Null);
}

#[tokio::test]
async fn what_the_node_can_answer_is_what_it_says() {
    let world = World::three_blocks().await;
    let capabilities = world.ok("eth_capabilities", json!([])).await;
    assert_eq!(capabilities["head"]["number"], "0x3");
    assert_eq!(capabilities["state"], json!({ "disabled": false, "oldestBlock": "0x0" }));
    let config = world.ok("eth_config", json!([])).await;
    assert_eq!(config["current"]["chainId"], "0x7a69");
    assert_eq!(config["current"]["precompiles"].as_object().unwrap().len(), 18);
    assert_eq!(config["next"], Value::Null);
    assert_eq!(world.ok("eth_coinbase", json!([])).await, format!("0x{}", "fe".repeat(20)));
    let list = world.ok("eth_getBlockAccessList", json!(["0x2"])).await;
    let by_number = world.ok("eth_getBlockAccessListByBlockNumber", json!(["0x2"])).await;
    let hash = world.ok("eth_getBlockByNumber", json!(["0x2", false])).await["hash"].clone();
    let by_hash = world.ok("eth_getBlockAccessListByBlockHash", json!([hash])).await;
    assert!(list == by_number && list == by_hash && !list.as_array().unwrap().is_empty());
}
