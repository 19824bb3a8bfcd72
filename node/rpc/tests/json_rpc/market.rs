//! What transactions cost, what became of them, and what the pool holds.

use crate::world::{
    World, alice, bob, call_logger, deploy, dynamic, hash, logger, raw, sign, transfer,
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use serde_json::{Value, json};
use weft_types::RecoveredTransaction;
use weft_types::header::next_base_fee;

const GWEI: u128 = 1_000_000_000;

fn quantity(value: &Value) -> u128 {
    u128::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

async fn send(world: &World, tx: &RecoveredTransaction) {
    world.ok("eth_sendRawTransaction", json!([raw(tx)])).await;
}

async fn status(world: &World, tx: &RecoveredTransaction) -> Value {
    world.ok("weft_getTransactionStatus", json!([hash(tx)])).await
}

/// Bob pays these fees, in gwei, for a transfer of nothing.
fn priced(nonce: u64, max_fee: u128, tip: u128) -> RecoveredTransaction {
    let tx = TxEip1559 {
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: tip,
        ..dynamic(nonce, TxKind::Call(Address::repeat_byte(0x44)), 0, Bytes::new())
    };
    sign(tx, &bob())
}

#[tokio::test]
async fn a_transactions_status_says_where_it_is_and_what_it_waits_for() {
    let world = World::empty().await;
    let [first, third] = [priced(0, 20 * GWEI, 1), priced(2, 20 * GWEI, 1)];
    assert_eq!(status(&world, &first).await, json!({ "status": "unknown" }));
    send(&world, &third).await;
    let queued =
        json!({ "status": "queued", "missingNonce": "0x0", "reason": "nonce 0 is missing" });
    assert_eq!(status(&world, &third).await, queued);
    send(&world, &first).await;
    let before = call_logger(&alice(), 0, 1);
    send(&world, &before).await;
    assert_eq!(status(&world, &before).await, json!({ "status": "pending", "position": "0x0" }));
    assert_eq!(status(&world, &first).await, json!({ "status": "pending", "position": "0x1" }));
    let block = world.commit_pool();
    let included = status(&world, &first).await;
    assert_eq!(included["status"], "included");
    assert_eq!(included["blockNumber"], "0x1");
    assert_eq!(included["blockHash"], block.hash().to_string());
    assert_eq!(included["index"], "0x1");
    assert!(included["incarnations"].is_null() || quantity(&included["incarnations"]) >= 1);
    // Another transaction takes the nonce of the one that waits.
    world.commit(vec![transfer(1, 1), transfer(2, 1)]);
    let dropped = status(&world, &third).await;
    let reason = "nonce too low: next nonce 3, tx nonce 2";
    assert_eq!(dropped, json!({ "status": "dropped", "reason": reason, "at": "0x2" }));
}

#[tokio::test]
async fn the_status_of_what_is_included_needs_no_memory_of_it() {
    let world = World::empty().await;
    let sent = transfer(0, 5);
    // Not by way of the pool: as after a restart.
    world.commit(vec![sent.clone()]);
    let included = status(&world, &sent).await;
    assert_eq!((&included["status"], &included["index"]), (&json!("included"), &json!("0x0")));
}

#[tokio::test]
async fn a_fee_cap_below_the_base_fee_waits_until_the_base_fee_has_fallen() {
    let world = World::empty().await;
    let base_fee = next_base_fee(world.store.head().block.header());
    let cheap = priced(0, u128::from(base_fee) * 9 / 10, 1);
    send(&world, &cheap).await;
    let queued = status(&world, &cheap).await;
    assert_eq!(queued["status"], "queued");
    assert_eq!(quantity(&queued["maxFeePerGas"]), u128::from(base_fee) * 9 / 10);
    assert_eq!(quantity(&queued["baseFeePerGas"]), u128::from(base_fee));
    let sync = world.failure("eth_sendRawTransactionSync", json!([raw(&cheap)])).await;
    assert_eq!((&sync["code"], &sync["data"]), (&json!(5), &json!(hash(&cheap))));
    // An empty block takes an eighth off the base fee.
    world.commit(vec![]);
    assert_eq!(status(&world, &cheap).await["status"], "pending");
    world.commit_pool();
    assert_eq!(status(&world, &cheap).await["status"], "included");
}

#[tokio::test]
async fn the_content_of_the_pool_has_the_shape_of_geth() {
    let world = World::empty().await;
    let create = deploy(0);
    for tx in [&transfer(0, 5), &transfer(12, 6), &create] {
        send(&world, tx).await;
    }
    let (bob, alice) = (bob().address().to_string(), alice().address().to_string());
    let content = world.ok("txpool_content", json!([])).await;
    assert_eq!(content["pending"][&bob]["0"]["hash"], hash(&transfer(0, 5)));
    assert_eq!(content["queued"][&bob]["12"]["hash"], hash(&transfer(12, 6)));
    assert_eq!(content["pending"][&bob].as_object().unwrap().len(), 1);
    assert!(content["queued"].get(&alice).is_none(), "nobody has an empty half");
    for field in ["blockHash", "blockNumber", "transactionIndex"] {
        let value = &content["pending"][&bob]["0"].as_object().unwrap()[field];
        assert!(value.is_null(), "{field}: {value}");
    }
    assert_eq!(content["pending"][&bob]["0"]["from"], bob.to_lowercase());
    // Not included yet: the most that it would pay.
    assert_eq!(content["pending"][&alice]["0"]["maxFeePerGas"], "0x4a817c800");
    assert_eq!(content["pending"][&alice]["0"]["gasPrice"], "0x4a817c800");
    let own = world.ok("txpool_contentFrom", json!([bob])).await;
    assert_eq!(own["pending"], content["pending"][&bob]);
    assert_eq!(own["queued"], content["queued"][&bob]);
    let nobody = world.ok("txpool_contentFrom", json!([Address::ZERO])).await;
    assert_eq!(nobody, json!({ "pending": {}, "queued": {} }));
    let lines = world.ok("txpool_inspect", json!([])).await;
    let line = format!("{alice}: 5 wei + 21000 gas × 10000000000 wei");
    assert_eq!(lines["pending"][&bob]["0"], line);
    let line = "contract creation: 0 wei + 200000 gas × 20000000000 wei";
    assert_eq!(lines["pending"][&alice]["0"], line);
}

#[tokio::test]
async fn a_filter_of_pending_transactions_tells_each_once() {
    let world = World::empty().await;
    let filter = world.ok("eth_newPendingTransactionFilter", json!([])).await;
    let changes = || world.ok("eth_getFilterChanges", json!([filter]));
    assert_eq!(changes().await, json!([]));
    send(&world, &transfer(1, 5)).await;
    assert_eq!(changes().await, json!([]), "it waits for nonce 0");
    send(&world, &transfer(0, 5)).await;
    assert_eq!(changes().await, json!([hash(&transfer(0, 5)), hash(&transfer(1, 5))]));
    world.commit_pool();
    assert_eq!(changes().await, json!([]));
    assert_eq!(world.error("eth_getFilterLogs", json!([filter])).await.0, -32000);
    assert_eq!(world.ok("eth_uninstallFilter", json!([filter])).await, true);
    assert_eq!(world.error("eth_getFilterChanges", json!([filter])).await.1, "filter not found");
}

#[tokio::test]
async fn a_request_is_filled_so_that_it_can_be_signed_and_sent() {
    let world = World::three_blocks().await;
    send(&world, &transfer(2, 1)).await;
    let request = json!([{ "from": bob().address(), "to": alice().address(), "value": "0x7" }]);
    let filled = world.ok("eth_fillTransaction", request).await;
    let tx = &filled["tx"];
    assert_eq!(tx["from"], json!(bob().address()));
    assert_eq!((&tx["type"], &tx["chainId"]), (&json!("0x2"), &json!("0x7a69")));
    assert_eq!((&tx["nonce"], &tx["gas"]), (&json!("0x3"), &json!("0x5208")), "after the pool");
    let base_fee = u128::from(next_base_fee(world.store.head().block.header()));
    let tip = quantity(&world.ok("eth_maxPriorityFeePerGas", json!([])).await);
    assert_eq!(quantity(&tx["maxPriorityFeePerGas"]), tip);
    assert_eq!(quantity(&tx["maxFeePerGas"]), tip + 2 * base_fee);
    // The raw form is what the fields say, with an empty signature.
    let raw_form = hex::decode(filled["raw"].as_str().unwrap()).unwrap();
    let decoded = weft_types::transaction::decode_transaction(&raw_form).unwrap();
    let unsigned = decoded.as_eip1559().unwrap().tx().clone();
    assert_eq!((unsigned.nonce, unsigned.value), (3, U256::from(7)));
    assert_eq!(json!(decoded.tx_hash()), tx["hash"]);
    let signed = sign(unsigned, &bob());
    send(&world, &signed).await;
    assert_eq!(status(&world, &signed).await["status"], "pending");
}

#[tokio::test]
async fn what_the_caller_says_is_kept_when_a_request_is_filled() {
    let world = World::three_blocks().await;
    let fill = |request: Value| world.ok("eth_fillTransaction", json!([request]));
    let (from, to) = (bob().address(), logger());
    let call = json!({ "from": from, "to": to, "nonce": "0x63", "data": B256::ZERO });
    let called = fill(call).await;
    assert_eq!(
        (&called["tx"]["nonce"], &called["tx"]["input"]),
        (&json!("0x63"), &json!(B256::ZERO))
    );
    assert!(quantity(&called["tx"]["gas"]) > 21_000);
    let legacy =
        fill(json!({ "from": from, "to": to, "gasPrice": "0x9" , "gas": "0x11111" })).await;
    assert_eq!((&legacy["tx"]["type"], &legacy["tx"]["gasPrice"]), (&json!("0x0"), &json!("0x9")));
    assert_eq!(legacy["tx"]["gas"], "0x11111");
    let capped = fill(json!({ "from": from, "to": to, "maxFeePerGas": "0x5" })).await;
    assert_eq!(capped["tx"]["maxPriorityFeePerGas"], "0x5", "no tip above the fee cap");
    let creation = fill(json!({ "from": from, "data": "0x00" })).await;
    assert!(creation["tx"]["to"].is_null());
    let bad = [
        (json!({ "from": from, "to": to, "chainId": "0x1" }), -32602),
        (json!({ "from": from, "to": to, "type": "0x3" }), -32602),
        (
            json!({ "from": from, "to": to, "maxFeePerGas": "0x5", "maxPriorityFeePerGas": "0x6" }),
            -32602,
        ),
        (json!({ "from": Address::repeat_byte(5), "to": to, "value": "0x1" }), -32000),
    ];
    for (request, code) in bad {
        let error = world.error("eth_fillTransaction", json!([request])).await;
        assert_eq!(error.0, code, "{request}: {}", error.1);
    }
}

#[tokio::test]
async fn a_synchronous_send_can_be_repeated_after_its_block() {
    let world = World::empty().await;
    let sent = transfer(0, 5);
    world.commit(vec![sent.clone()]);
    let receipt = world.ok("eth_sendRawTransactionSync", json!([raw(&sent)])).await;
    assert_eq!(receipt["transactionHash"], hash(&sent));
    let other = world.error("eth_sendRawTransactionSync", json!([raw(&transfer(0, 6))])).await;
    assert_eq!(other.0, 1, "another transaction with that nonce is too late");
}

#[tokio::test]
async fn a_timeout_that_is_not_allowed_is_replaced_by_the_default() {
    let world = World::with(|config| config.sync_timeout_ms = 40).await;
    let sent = transfer(0, 5);
    for asked in [json!(0), json!(401), json!(null), json!("0xffffffff")] {
        let error = world.failure("eth_sendRawTransactionSync", json!([raw(&sent), asked])).await;
        assert_eq!(error["code"], 4, "{error}");
        assert!(error["message"].as_str().unwrap().contains("40 ms"), "{asked}: {error}");
    }
}

#[tokio::test]
async fn full_blocks_raise_the_suggested_tip_and_so_does_a_full_pool() {
    let world = World::empty().await;
    let idle = quantity(&world.ok("eth_maxPriorityFeePerGas", json!([])).await);
    assert_eq!(idle, 100_000_000);
    // Each claims a quarter of a block's gas, within the cap of one transaction.
    let heavy = |nonce, tip| {
        let tx = TxEip1559 {
            gas_limit: 15_000_000,
            max_fee_per_gas: 100 * GWEI,
            max_priority_fee_per_gas: tip,
            ..dynamic(nonce, TxKind::Call(Address::repeat_byte(0x44)), 0, Bytes::new())
        };
        sign(tx, &bob())
    };
    for nonce in 0..6 {
        send(&world, &heavy(nonce, 3 * GWEI)).await;
    }
    // The suggestion belongs to a head: the next one knows of the pool.
    world.commit(vec![]);
    let crowded = quantity(&world.ok("eth_maxPriorityFeePerGas", json!([])).await);
    assert_eq!(crowded, 3 * GWEI + 1, "more than the last one that fits");
    let history = world.ok("eth_feeHistory", json!(["0x1", "latest", [50.0]])).await;
    assert_eq!(history["reward"], json!([["0x0"]]));
    assert_eq!(history["baseFeePerBlobGas"], json!(["0x1", "0x1"]));
    assert_eq!(history["blobGasUsedRatio"], json!([0.0]));
}
