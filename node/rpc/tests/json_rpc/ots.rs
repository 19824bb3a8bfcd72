//! Otterscan's methods, and the console lines of contracts.

use crate::trace::{create, forwarder, world as traced_world};
use crate::world::{World, alice, bob, call_logger, deploy, dynamic, hash, logger, sign, transfer};
use alloy_primitives::{Address, B256, TxKind, U256, hex, keccak256};
use serde_json::{Value, json};
use std::sync::Arc;
use weft_rpc::ConsoleSink;

#[tokio::test]
async fn blocks_and_their_transactions_come_in_pages() {
    let (world, hashes) = traced_world().await;
    assert_eq!(world.ok("ots_getApiLevel", json!([])).await, 8);
    let header = world.ok("erigon_getHeaderByNumber", json!(["0x2"])).await;
    let block = world.ok("eth_getBlockByNumber", json!(["0x2", true])).await;
    assert_eq!(header["hash"], block["hash"]);
    assert_eq!(world.ok("erigon_getHeaderByNumber", json!(["0x9"])).await, Value::Null);
    for params in [json!(["0x2"]), json!([2])] {
        if params[0].is_string() {
            let details = world.ok("ots_getBlockDetails", params).await;
            assert_eq!(details["block"]["transactionCount"], 4);
            assert!(details["block"].get("transactions").is_none());
            let receipts = world.ok("eth_getBlockReceipts", json!(["0x2"])).await;
            let number =
                |value: &Value| U256::from_str_radix(&value.as_str().unwrap()[2..], 16).unwrap();
            let fees = receipts.as_array().unwrap().iter();
            let fees = fees.map(|r| number(&r["gasUsed"]) * number(&r["effectiveGasPrice"]));
            assert_eq!(number(&details["totalFees"]), fees.fold(U256::ZERO, |a, b| a + b));
            let same = world.ok("ots_getBlockDetailsByHash", json!([block["hash"]])).await;
            assert_eq!(same, details);
        }
    }
    for (page, expected) in [(0, &hashes[1..4]), (1, &hashes[0..1]), (2, &hashes[0..0])] {
        let found = world.ok("ots_getBlockTransactions", json!(["0x2", page, 3])).await;
        let of = |list: &Value, name: &str| -> Vec<Value> {
            list.as_array().unwrap().iter().map(|item| item[name].clone()).collect()
        };
        assert_eq!(json!(of(&found["fullblock"]["transactions"], "hash")), json!(expected));
        assert_eq!(json!(of(&found["receipts"], "transactionHash")), json!(expected));
        assert_eq!(found["fullblock"]["transactionCount"], 4);
    }
}

#[tokio::test]
async fn the_inside_of_a_transaction_is_shown() {
    let (world, hashes) = traced_world().await;
    let operations = world.ok("ots_getInternalOperations", json!([hashes[2]])).await;
    assert_eq!(
        operations,
        json!([{ "type": 0, "from": forwarder(), "to": logger(), "value": "0x1" }])
    );
    let trace = world.ok("ots_traceTransaction", json!([hashes[2]])).await;
    let trace = trace.as_array().unwrap();
    let shape: Vec<_> = trace
        .iter()
        .map(|entry| json!([entry["type"], entry["depth"], entry["to"], entry["value"]]))
        .collect();
    let expected = json!([
        ["CALL", 0, forwarder(), "0x5"],
        ["CALL", 1, logger(), "0x1"],
        ["STATICCALL", 1, logger(), null]
    ]);
    assert_eq!(json!(shape), expected);
    assert_eq!(world.ok("ots_getTransactionError", json!([hashes[2]])).await, "0x");
    // Reverts with four bytes: PUSH4 to memory, REVERT(28, 4).
    let reverting = alice().address().create(3);
    world.commit(vec![create(3, &hex!("63deadbeef6000526004601cfd"))]);
    let failed = sign(dynamic(4, TxKind::Call(reverting), 0, Default::default()), &alice());
    let failed_hash = hash(&failed);
    world.commit(vec![failed]);
    assert_eq!(world.ok("ots_getTransactionError", json!([failed_hash])).await, "0xdeadbeef");
    for (who, block, has) in
        [(logger(), "latest", true), (logger(), "0x0", false), (bob().address(), "latest", false)]
    {
        assert_eq!(world.ok("ots_hasCode", json!([who, block])).await, has);
    }
}

#[tokio::test]
async fn contracts_name_their_creators() {
    let (world, _) = traced_world().await;
    let first = world.store.block(1).unwrap().unwrap();
    let found = world.ok("ots_getContractCreator", json!([logger()])).await;
    let expected =
        json!({ "hash": first.block.transactions()[0].tx_hash(), "creator": alice().address() });
    assert_eq!(found, expected);
    assert_eq!(world.ok("ots_getContractCreator", json!([bob().address()])).await, Value::Null);
    // A factory: MSTORE8(0, 0xfe) as code would be invalid, so it creates a contract whose code is one zero byte.
    // PUSH5 6001 5f f3 00.. : initcode "60016000f3" returns memory[0..1].
    let factory = alice().address().create(3);
    world.commit(vec![create(3, &hex!("6460016000f36000526005601b6000f000"))]);
    let call = sign(dynamic(4, TxKind::Call(factory), 0, Default::default()), &alice());
    let call_hash = hash(&call);
    world.commit(vec![call]);
    let inner = factory.create(1);
    assert_eq!(world.ok("eth_getCode", json!([inner, "latest"])).await, "0x00");
    let found = world.ok("ots_getContractCreator", json!([inner])).await;
    assert_eq!(found, json!({ "hash": call_hash, "creator": factory }));
}

#[tokio::test]
async fn transactions_are_found_by_sender_and_nonce() {
    let world = World::empty().await;
    world.commit(vec![deploy(0)]);
    let mut hashes = Vec::new();
    for nonce in 0..20 {
        let transaction = transfer(nonce, 1);
        hashes.push(hash(&transaction));
        world.commit(vec![transaction]);
        if nonce % 3 == 0 {
            world.commit(vec![]);
        }
    }
    for (nonce, hash) in hashes.iter().enumerate() {
        let found =
            world.ok("ots_getTransactionBySenderAndNonce", json!([bob().address(), nonce])).await;
        assert_eq!(found, *hash, "{nonce}");
    }
    for (who, nonce) in
        [(bob().address(), 20), (alice().address(), 7), (Address::repeat_byte(3), 0)]
    {
        let found = world.ok("ots_getTransactionBySenderAndNonce", json!([who, nonce])).await;
        assert_eq!(found, Value::Null, "{who} {nonce}");
    }
}

/// Numbers of blocks and hashes of a page.
fn page(found: &Value) -> Vec<String> {
    let txs = found["txs"].as_array().unwrap();
    let receipts = found["receipts"].as_array().unwrap();
    assert_eq!(txs.len(), receipts.len());
    for (transaction, receipt) in txs.iter().zip(receipts) {
        assert_eq!(transaction["hash"], receipt["transactionHash"]);
        assert_eq!(receipt["logs"], Value::Null);
    }
    txs.iter().map(|transaction| transaction["hash"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_address_has_its_transactions_in_both_directions() {
    let (world, _) = traced_world().await;
    let mut newest_first = Vec::new();
    for nonce in 3..12 {
        let call = call_logger(&alice(), nonce, nonce);
        newest_first.push(hash(&call));
        // Does not touch the logger.
        let other = transfer(nonce, 1);
        world.commit(vec![other, call]);
        world.commit(vec![]);
    }
    let stored =
        |height: u64| world.store.block(height).unwrap().unwrap().block.transactions().to_vec();
    let mut all: Vec<String> = vec![stored(1)[0].tx_hash().to_string()];
    // The two calls, and the one that reaches it through the forwarder.
    all.extend(stored(2)[..3].iter().map(|tx| tx.tx_hash().to_string()));
    all.extend(newest_first);
    all.reverse();
    for size in [1, 2, 5, 50] {
        let mut found = Vec::new();
        let mut block = json!(0);
        loop {
            let answer =
                world.ok("ots_searchTransactionsBefore", json!([logger(), block, size])).await;
            assert_eq!(answer["firstPage"], block == 0);
            found.extend(page(&answer));
            if answer["lastPage"] == true {
                break;
            }
            block = answer["txs"].as_array().unwrap().last().unwrap()["blockNumber"].clone();
            block = json!(u64::from_str_radix(&block.as_str().unwrap()[2..], 16).unwrap());
        }
        assert_eq!(found, all, "backwards by {size}");
        let mut found = Vec::new();
        let mut block = json!(0);
        loop {
            let answer =
                world.ok("ots_searchTransactionsAfter", json!([logger(), block, size])).await;
            assert_eq!(answer["lastPage"], block == 0);
            let mut newer = page(&answer);
            newer.extend(found);
            found = newer;
            if answer["firstPage"] == true {
                break;
            }
            block = answer["txs"][0]["blockNumber"].clone();
            block = json!(u64::from_str_radix(&block.as_str().unwrap()[2..], 16).unwrap());
        }
        assert_eq!(found, all, "forwards by {size}");
    }
    let fees =
        world.ok("ots_searchTransactionsBefore", json!([Address::repeat_byte(0xfe), 0, 10])).await;
    assert_eq!(
        (page(&fees).len(), &fees["lastPage"]),
        (0, &json!(true)),
        "fees make nobody's transactions"
    );
}

#[tokio::test]
async fn a_devnet_hears_what_contracts_log() {
    let lines = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let heard = Arc::clone(&lines);
    let world = World::with(move |config| {
        config.console = Some(ConsoleSink::new(move |line| heard.lock().push(line.to_owned())));
    })
    .await;
    // Passes its calldata on to the console: CALLDATACOPY all, STATICCALL.
    let mut code = hex!("3660006000376000600036600073").to_vec();
    code.extend(hex!("000000000000000000636F6e736F6c652e6c6f67"));
    code.extend(hex!("5afa00"));
    let target = alice().address().create(0);
    world.commit(vec![create(0, &code)]);
    let mut input = keccak256("log(string,uint256)")[..4].to_vec();
    for word in [64u64, 7, 3] {
        input.extend(B256::from(U256::from(word)));
    }
    input.extend(b"abc");
    input.resize(4 + 4 * 32, 0);
    let request = json!({ "to": target, "input": hex::encode_prefixed(&input) });
    world.ok("eth_call", json!([request])).await;
    assert_eq!(*lines.lock(), ["abc 7"]);
    world.ok("eth_estimateGas", json!([request])).await;
    assert_eq!(*lines.lock(), ["abc 7", "abc 7"]);
    world.commit(vec![sign(dynamic(1, TxKind::Call(target), 0, input.into()), &alice())]);
    for _ in 0..200 {
        if lines.lock().len() == 3 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no line of the transaction: {:?}", lines.lock());
}
