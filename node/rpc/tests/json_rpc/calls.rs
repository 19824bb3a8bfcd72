use crate::world::{World, alice, bob, logger};
use alloy_primitives::{Address, B256, U256, hex};
use serde_json::json;

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
