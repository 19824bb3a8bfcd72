use crate::world::{
    CHAIN_ID, World, alice, bob, call_logger, deploy, dynamic, hash, logger, raw, sign, transfer,
};
use alloy_consensus::{TxEip1559, TxEip4844};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_signer_local::PrivateKeySigner;
use serde_json::json;

#[tokio::test]
async fn a_transaction_is_admitted_announced_and_included() {
    let world = World::empty().await;
    let sent = transfer(0, 5);
    let answer = world.ok("eth_sendRawTransaction", json!([raw(&sent)])).await;
    assert_eq!(answer, hash(&sent));
    assert_eq!(*world.submitted.lock(), [*sent.tx_hash()]);
    let block = world.commit_pool();
    assert_eq!(block.transactions().len(), 1);
    let receipt = world.ok("eth_getTransactionReceipt", json!([hash(&sent)])).await;
    assert_eq!(receipt["status"], "0x1");
    assert!(world.pool.is_empty());
}

fn plain() -> TxEip1559 {
    dynamic(0, TxKind::Call(Address::ZERO), 0, Bytes::new())
}

fn blob() -> String {
    let tx = TxEip4844 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 1,
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        ..TxEip4844::default()
    };
    raw(&sign(tx, &bob()))
}

#[tokio::test]
async fn every_refusal_has_its_code_and_geths_words() {
    let world = World::three_blocks().await;
    let pauper = PrivateKeySigner::from_bytes(&B256::repeat_byte(0x99)).unwrap();
    let large = Bytes::from(vec![0; 128 * 1024]);
    let bob = |tx| raw(&sign(tx, &bob()));
    let table = [
        ("bad hex", "0xzz".to_owned(), -32602, "invalid argument 0 (transaction): "),
        ("empty", "0x".to_owned(), -32000, "rlp: "),
        ("bad rlp", "0xf8ff01".to_owned(), -32000, "rlp: "),
        ("bad rlp of type 2", "0x02c0".to_owned(), -32000, "rlp: "),
        ("unknown type", "0x05c0".to_owned(), -32000, "transaction type not supported: type 5"),
        ("blobs", blob(), -32000, "transaction type not supported: type 3 (blob)"),
        (
            "chain id",
            bob(TxEip1559 { chain_id: 1, ..plain() }),
            -32000,
            "invalid chain id for signer: have 1 want 31337",
        ),
        ("nonce", bob(plain()), 1, "nonce too low: next nonce 2, tx nonce 0"),
        (
            "funds",
            raw(&sign(plain(), &pauper)),
            809,
            "insufficient funds for gas * price + value: have 0 want ",
        ),
        (
            "value",
            bob(TxEip1559 { nonce: 2, value: U256::from(1) << 100, ..plain() }),
            809,
            "insufficient funds",
        ),
        (
            "intrinsic gas",
            bob(TxEip1559 { nonce: 2, gas_limit: 20_999, ..plain() }),
            800,
            "intrinsic gas too low: have 20999, want 21000",
        ),
        (
            "base fee",
            bob(TxEip1559 { nonce: 2, max_fee_per_gas: 1, max_priority_fee_per_gas: 0, ..plain() }),
            806,
            "max fee per gas less than block base fee",
        ),
        (
            "tip",
            bob(TxEip1559 { nonce: 2, max_fee_per_gas: 1, ..plain() }),
            804,
            "max priority fee per gas higher than max fee per gas",
        ),
        (
            "gas cap",
            bob(TxEip1559 { nonce: 2, gas_limit: 1 << 25, ..plain() }),
            -32000,
            "transaction gas limit too high",
        ),
        ("size", bob(TxEip1559 { nonce: 2, input: large, ..plain() }), -32000, "oversized data: "),
    ];
    for (name, raw, code, message) in table {
        let error = world.error("eth_sendRawTransaction", json!([raw])).await;
        assert_eq!(error.0, code, "{name}: {}", error.1);
        assert!(error.1.starts_with(message), "{name}: {}", error.1);
    }
    assert!(world.pool.is_empty() && world.submitted.lock().is_empty());
}

#[tokio::test]
async fn a_duplicate_is_known_and_a_cheap_replacement_refused() {
    let world = World::empty().await;
    let sent = transfer(0, 5);
    world.ok("eth_sendRawTransaction", json!([raw(&sent)])).await;
    let error = world.failure("eth_sendRawTransaction", json!([raw(&sent)])).await;
    assert_eq!(error["code"], 1000);
    assert_eq!(error["message"], "already known");
    assert_eq!(error["data"], hash(&sent));
    let (_, message) = world.error("eth_sendRawTransaction", json!([raw(&transfer(0, 6))])).await;
    assert!(message.starts_with("replacement transaction underpriced"), "{message}");
    assert_eq!(world.submitted.lock().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_synchronous_form_returns_the_final_receipt() {
    let world = World::empty().await;
    world.commit(vec![deploy(0)]);
    let sent = call_logger(&alice(), 1, 3);
    world.commit_pool_once_filled();
    let receipt = world.ok("eth_sendRawTransactionSync", json!([raw(&sent), 5000])).await;
    assert_eq!(receipt["transactionHash"], hash(&sent));
    assert_eq!(receipt["logs"][0]["address"], json!(logger()));
    let again = world.ok("eth_getTransactionReceipt", json!([hash(&sent)])).await;
    assert_eq!(receipt, again);
}

#[tokio::test]
async fn the_synchronous_form_tells_timeouts_from_gaps() {
    let world = World::empty().await;
    let sent = transfer(0, 5);
    for _ in 0..2 {
        // The second time the transaction is in the pool already; that changes nothing.
        let params = json!([raw(&sent), "0x32"]);
        let error = world.failure("eth_sendRawTransactionSync", params).await;
        assert_eq!(error["code"], 4);
        assert_eq!(error["data"], hash(&sent));
        assert!(error["message"].as_str().unwrap().contains("50 ms"), "{error}");
    }
    let gap = transfer(2, 5);
    let error = world.failure("eth_sendRawTransactionSync", json!([raw(&gap)])).await;
    assert_eq!((&error["code"], &error["data"]), (&json!(5), &json!(hash(&gap))));
    let bad = json!([hex::encode_prefixed([1, 2, 3])]);
    assert_eq!(world.error("eth_sendRawTransactionSync", bad).await.0, -32000);
}
