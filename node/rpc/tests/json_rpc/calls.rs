use crate::client::request;
use crate::world::{World, alice, bob, logger};
use alloy_primitives::{Address, B256, U256, hex};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Bytecode that reverts with `data` (at most 255 bytes).
fn reverting(data: &[u8]) -> String {
    let length = u8::try_from(data.len()).unwrap();
    let mut code = vec![0x60, length, 0x60, 0x0c, 0x60, 0, 0x39, 0x60, length, 0x60, 0, 0xfd];
    code.extend_from_slice(data);
    hex::encode_prefixed(code)
}

/// ABI encoding of `Error("not yours")`.
fn error_string() -> Vec<u8> {
    let mut data = hex!("08c379a0").to_vec();
    data.extend_from_slice(U256::from(32).to_be_bytes_vec().as_slice());
    data.extend_from_slice(U256::from(9).to_be_bytes_vec().as_slice());
    data.extend_from_slice(b"not yours");
    data.resize(100, 0);
    data
}

#[tokio::test]
async fn a_call_returns_what_the_contract_returns_and_changes_nothing() {
    let world = World::three_blocks().await;
    let word = B256::with_last_byte(0x2a);
    for field in ["input", "data"] {
        let request = json!({ "to": logger(), (field): word });
        assert_eq!(world.ok("eth_call", json!([request, "latest"])).await, word.to_string());
    }
    let stored = world.ok("eth_getStorageAt", json!([logger(), "0x0", "latest"])).await;
    assert_eq!(stored, B256::with_last_byte(9).to_string());
    let before = json!([{ "to": logger(), "input": word }, "0x0"]);
    assert_eq!(world.ok("eth_call", before).await, "0x", "there was no contract yet");
    let future = json!([{ "to": logger() }, "0x9"]);
    assert_eq!(world.error("eth_call", future).await.0, -32001);
}

#[tokio::test]
async fn a_revert_has_code_3_its_reason_and_its_data() {
    let world = World::empty().await;
    let target = Address::repeat_byte(0x77);
    let overrides = json!({ (target.to_string()): { "code": reverting(&error_string()) } });
    for method in ["eth_call", "eth_estimateGas"] {
        let params = json!([{ "to": target }, "latest", overrides]);
        let error = world.failure(method, params).await;
        assert_eq!(error["code"], 3, "{method}");
        assert_eq!(error["message"], "execution reverted: not yours");
        assert_eq!(error["data"], hex::encode_prefixed(error_string()));
    }
}

#[tokio::test]
async fn the_pending_environment_is_that_of_the_next_block() {
    let world = World::three_blocks().await;
    // NUMBER PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN
    let target = Address::repeat_byte(0x78);
    let overrides = json!({ (target.to_string()): { "code": "0x4360005260206000f3" } });
    for (block, number) in [("latest", 3), ("pending", 4), ("0x1", 1)] {
        let answer = world.ok("eth_call", json!([{ "to": target }, block, overrides])).await;
        assert_eq!(answer, B256::with_last_byte(number).to_string(), "{block}");
    }
    let params = json!([{ "to": target }, "latest", overrides, { "number": "0x11" }]);
    assert_eq!(world.ok("eth_call", params).await, B256::with_last_byte(0x11).to_string());
}

#[tokio::test]
async fn an_estimate_is_enough_and_does_not_judge_the_nonce() {
    let world = World::three_blocks().await;
    let transfer = json!([{ "from": bob().address(), "to": alice().address(), "value": "0x1" }]);
    assert_eq!(world.ok("eth_estimateGas", transfer).await, "0x5208");
    let later = json!([{
        "from": alice().address(), "to": logger(), "nonce": "0x63", "data": B256::repeat_byte(1)
    }, "pending"]);
    let gas = world.ok("eth_estimateGas", later).await;
    let gas = u64::from_str_radix(&gas.as_str().unwrap()[2..], 16).unwrap();
    assert!((26_000..60_000).contains(&gas), "{gas}");
}

#[tokio::test]
async fn contradictory_requests_are_refused() {
    let world = World::empty().await;
    for request in [
        json!({ "to": logger(), "chainId": "0x1" }),
        json!({ "to": logger(), "gasPrice": "0x1", "maxFeePerGas": "0x1" }),
        json!({ "to": logger(), "data": "0x01", "input": "0x02" }),
        json!({ "to": "0x12" }),
    ] {
        let (code, message) = world.error("eth_call", json!([request])).await;
        assert_eq!(code, -32602, "{message}");
        assert!(message.starts_with("invalid argument 0 (transaction): "), "{message}");
    }
    let poor = json!([{ "from": Address::repeat_byte(5), "to": logger(), "value": "0x1" }]);
    let (code, message) = world.error("eth_call", poor).await;
    assert_eq!(code, -32000);
    assert!(message.contains("insufficient funds"), "{message}");
}

/// Jumps to its own beginning for ever: JUMPDEST PUSH1 0 JUMP.
const LOOP: &str = "0x5b600056";
/// Reads one slot after the other for ever.
const READER: &str = "0x60005b805450600101600256";

#[tokio::test]
async fn an_endless_loop_ends_by_its_gas() {
    let world = World::empty().await;
    let target = Address::repeat_byte(0x77);
    let overrides = json!({ (target.to_string()): { "code": LOOP } });
    let started = std::time::Instant::now();
    let params = json!([{ "to": target }, "latest", overrides]);
    let (code, message) = world.error("eth_call", params.clone()).await;
    assert_eq!(code, -32000);
    assert!(message.contains("out of gas"), "{message}");
    let (_, message) = world.error("eth_estimateGas", params).await;
    assert!(message.starts_with("execution halted: gas required exceeds allowance ("), "{message}");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_aborted() {
    let world = World::with(|config| {
        config.call_timeout_ms = 1;
        config.gas_cap = u64::MAX;
    })
    .await;
    let target = Address::repeat_byte(0x77);
    let overrides = json!({ (target.to_string()): { "code": READER } });
    let params = json!([{ "to": target }, "latest", overrides]);
    for method in ["eth_call", "eth_estimateGas"] {
        let error = world.error(method, params.clone()).await;
        assert_eq!(error, (-32000, "execution aborted (timeout = 1ms)".to_owned()), "{method}");
    }
}

#[tokio::test]
async fn a_call_whose_caller_goes_away_makes_room_for_others() {
    let world = World::with(|config| {
        config.call_timeout_ms = 60_000;
        config.gas_cap = u64::MAX;
        config.calls_concurrent = 1;
    })
    .await;
    let target = Address::repeat_byte(0x77);
    let overrides = json!({ (target.to_string()): { "code": READER } });
    let body = request(1, "eth_call", json!([{ "to": target }, "latest", overrides]));
    let mut caller = TcpStream::connect(world.server.local_addr()).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    caller.write_all((head + &body).as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    // The only place is taken: another call waits.
    let other = world.ok("eth_call", json!([{ "to": Address::ZERO }]));
    let mut other = std::pin::pin!(other);
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut other).await;
    assert!(early.is_err(), "the endless call should run");
    drop(caller);
    assert_eq!(other.await, "0x");
}

#[tokio::test]
async fn an_estimate_covers_what_calls_keep_back_and_what_is_refunded() {
    let world = World::empty().await;
    let [inner, outer, clearer] = [0x71, 0x72, 0x73].map(Address::repeat_byte);
    // Needs 100,000 gas to go on: GAS PUSH3 100000 LT PUSH1 10 JUMPI INVALID JUMPDEST STOP.
    let needs = "0x5a620186a010600a57fe5b00";
    // Calls it with all its gas, and reverts when it fails.
    let calls = format!("0x6000600060006000600073{}5af160295760006000fd5b00", "71".repeat(20));
    // Clears a slot that is set.
    let clears = "0x600060005500";
    let overrides = json!({
        (inner.to_string()): { "code": needs },
        (outer.to_string()): { "code": calls },
        (clearer.to_string()): { "code": clears, "stateDiff": { (B256::ZERO.to_string()): B256::with_last_byte(1) } },
    });
    for target in [outer, clearer] {
        let estimate =
            world.ok("eth_estimateGas", json!([{ "to": target }, "latest", overrides])).await;
        let gas = u64::from_str_radix(&estimate.as_str().unwrap()[2..], 16).unwrap();
        let with =
            |gas: u64| json!([{ "to": target, "gas": format!("{gas:#x}") }, "latest", overrides]);
        world.ok("eth_call", with(gas)).await;
        world.failure("eth_call", with(gas * 98 / 100)).await;
        assert!(target != outer || gas > 21_000 + 100_000 * 64 / 63, "{gas}");
    }
}

#[tokio::test]
async fn an_estimate_of_a_creation_uses_the_named_nonce() {
    let world = World::empty().await;
    // ADDRESS PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN: what is created is its own address.
    let request = |nonce: &str| json!([{ "from": alice().address(), "nonce": nonce, "data": "0x3060005260206000f3" }]);
    for nonce in [0, 5] {
        let created = world.ok("eth_call", request(&format!("{nonce:#x}"))).await;
        let address = alice().address().create(nonce);
        assert_eq!(created, address.into_word().to_string());
        world.ok("eth_estimateGas", request(&format!("{nonce:#x}"))).await;
    }
}

#[tokio::test]
async fn every_block_override_is_seen_by_the_call() {
    let world = World::empty().await;
    let target = Address::repeat_byte(0x78);
    // OPCODE PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN
    let seen = |opcode: &str| format!("0x{opcode}60005260206000f3");
    let coinbase = Address::repeat_byte(0xcb);
    let random = B256::repeat_byte(0xaa);
    let hash = B256::repeat_byte(0xbb);
    let cases = [
        ("43", json!({ "number": "0x1234" }), B256::from(U256::from(0x1234))),
        ("42", json!({ "time": "0x77777777" }), B256::from(U256::from(0x7777_7777))),
        ("45", json!({ "gasLimit": "0x222222" }), B256::from(U256::from(0x22_2222))),
        ("41", json!({ "feeRecipient": coinbase }), coinbase.into_word()),
        ("44", json!({ "prevRandao": random }), random),
    ];
    for (opcode, block, expected) in cases {
        let overrides = json!({ (target.to_string()): { "code": seen(opcode) } });
        let params = json!([{ "to": target }, "latest", overrides, block]);
        assert_eq!(world.ok("eth_call", params).await, expected.to_string(), "{block}");
    }
    // The base fee is seen by who pays a price.
    let overrides = json!({ (target.to_string()): { "code": seen("48") } });
    let request = json!({ "to": target, "gasPrice": "0x99", "from": alice().address() });
    let params = json!([request, "latest", overrides, { "baseFeePerGas": "0x55" }]);
    assert_eq!(world.ok("eth_call", params).await, B256::with_last_byte(0x55).to_string());
    // PUSH1 7 BLOCKHASH
    let overrides = json!({ (target.to_string()): { "code": seen("600740") } });
    for seven in ["0x7", "7"] {
        let block = json!({ "number": "0x9", "blockHash": { (seven): hash } });
        let params = json!([{ "to": target }, "latest", overrides, block]);
        assert_eq!(world.ok("eth_call", params).await, hash.to_string());
    }
}
