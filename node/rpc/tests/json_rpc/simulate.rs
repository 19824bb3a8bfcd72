//! `eth_simulateV1`, `eth_callMany` and `eth_createAccessList`.

use crate::trace::{forwarder, world as traced_world};
use crate::world::{World, alice, bob, logger};
use alloy_primitives::{Address, B256, U256};
use serde_json::{Value, json};

fn quantity(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// Somebody whom nobody knows.
fn person(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

async fn blocks(world: &World, payload: Value) -> Vec<Value> {
    let answer = world.ok("eth_simulateV1", json!([payload, "latest"])).await;
    answer.as_array().unwrap().clone()
}

#[tokio::test]
async fn blocks_follow_the_head_and_each_other() {
    let world = World::three_blocks().await;
    let head = world.ok("eth_getBlockByNumber", json!(["latest", false])).await;
    // NUMBER, TIMESTAMP, COINBASE, PREVRANDAO, BASEFEE, and the hash of the block before, as six words.
    let code =
        "0x43600052426020524160405244606052486080526001430340 60a05260c06000f3".replace(' ', "");
    let target = person(0x50);
    let overrides = json!({ "number": "0x6", "time": "0x77777777", "feeRecipient": person(7), "prevRandao": B256::repeat_byte(9), "baseFeePerGas": "0x0", "gasLimit": "0x100000" });
    let calls = json!([{ "from": person(1), "to": target }]);
    let payload = json!({ "blockStateCalls": [
        { "stateOverrides": { (target.to_string()): { "code": code } }, "calls": calls },
        { "blockOverrides": overrides, "calls": calls },
    ] });
    let answer = blocks(&world, payload).await;
    // Block 5 fills the gap.
    let numbers: Vec<_> = answer.iter().map(|block| quantity(&block["number"])).collect();
    assert_eq!(numbers, [4, 5, 6]);
    let mut parent = head["hash"].clone();
    for block in &answer {
        assert_eq!(block["parentHash"], parent);
        parent = block["hash"].clone();
    }
    let time = quantity(&head["timestamp"]);
    assert_eq!(
        [quantity(&answer[0]["timestamp"]), quantity(&answer[1]["timestamp"])],
        [time + 12, time + 24]
    );
    let word = |block: &Value, index: usize| {
        let data = block["calls"][0]["returnData"].as_str().unwrap();
        format!("0x{}", &data[2 + index * 64..66 + index * 64])
    };
    assert_eq!(word(&answer[0], 0), B256::with_last_byte(4).to_string());
    assert_eq!(word(&answer[0], 5), head["hash"]);
    let expected = [
        U256::from(6).into(),
        U256::from(0x7777_7777).into(),
        person(7).into_word(),
        B256::repeat_byte(9),
        B256::ZERO,
    ];
    for (index, expected) in expected.into_iter().enumerate() {
        assert_eq!(word(&answer[2], index), expected.to_string(), "{index}");
    }
    assert_eq!(word(&answer[2], 5), answer[1]["hash"], "BLOCKHASH knows simulated blocks");
    assert_eq!(answer[2]["miner"], json!(person(7)));
    assert_eq!(answer[2]["gasUsed"], answer[2]["calls"][0]["gasUsed"]);
    assert_eq!(answer[0]["transactions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn calls_see_what_the_ones_before_have_done() {
    let world = World::three_blocks().await;
    let [rich, poor] = [person(1), person(2)];
    let give = |from: Address, to: Address, value: u64| json!({ "from": from, "to": to, "value": format!("{value:#x}") });
    let payload = json!({ "blockStateCalls": [
        { "stateOverrides": { (rich.to_string()): { "balance": "0x64" } }, "calls": [give(rich, poor, 60), give(poor, rich, 20)] },
        { "calls": [give(poor, rich, 40)] },
    ], "returnFullTransactions": true });
    let answer = blocks(&world, payload).await;
    for (block, count) in [(0, 2), (1, 1)] {
        let calls = answer[block]["calls"].as_array().unwrap();
        assert_eq!(calls.len(), count);
        assert!(calls.iter().all(|call| call["status"] == "0x1" && call["gasUsed"] == "0x5208"));
    }
    let second = &answer[1]["transactions"][0];
    assert_eq!(
        json!([second["from"], second["nonce"], second["value"], second["type"]]),
        json!([poor, "0x1", "0x28", "0x2"])
    );
    assert_eq!(json!([second["r"], second["s"], second["gasPrice"]]), json!(["0x0", "0x0", "0x0"]));
    assert_eq!(second["blockHash"], answer[1]["hash"]);
    // One wei more is not there any more.
    let payload = json!({ "blockStateCalls": [{ "calls": [give(poor, rich, 1)] }] });
    let (code, message) = world.error("eth_simulateV1", json!([payload])).await;
    assert_eq!(code, -38014, "{message}");
    assert!(
        message.starts_with("err: insufficient funds for gas * price + value: address 0x0202"),
        "{message}"
    );
    assert!(message.contains("have 0 want 1"), "{message}");
}

#[tokio::test]
async fn reverts_and_halts_are_results_of_their_call() {
    let world = World::three_blocks().await;
    let target = person(0x51);
    for (code, expected, message) in [
        ("0x60006000fd", 3, "execution reverted"),
        ("0xfe", -32015, "invalid opcode: INVALID"),
        ("0x5b600056", -32015, "out of gas"),
    ] {
        let state = json!({ (target.to_string()): { "code": code } });
        let payload = json!({ "blockStateCalls": [{ "stateOverrides": state, "calls": [{ "to": target, "gas": "0xc350" }] }] });
        let answer = blocks(&world, payload).await;
        let call = &answer[0]["calls"][0];
        assert_eq!(
            json!([call["status"], call["error"]["code"], call["error"]["message"]]),
            json!(["0x0", expected, message])
        );
    }
}

#[tokio::test]
async fn transfers_are_logs_where_they_happen_and_vanish_with_a_revert() {
    let world = World::three_blocks().await;
    let [rich, inner, outer, heir] = [1, 0x52, 0x53, 0x54].map(person);
    let emitter = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";
    // Sends 3 wei to inner, with all gas.
    let forward =
        format!("0x600060006000600060 03 73{} 5af1 5000", &inner.to_string()[2..]).replace(' ', "");
    let ends = format!("0x73{}ff", &heir.to_string()[2..]);
    for (code, logs) in [("0x", 2), ("0x60006000fd", 1), (ends.as_str(), 3)] {
        let state = json!({
            (rich.to_string()): { "balance": "0x64" },
            (outer.to_string()): { "code": forward },
            (inner.to_string()): { "code": code },
        });
        let call = json!({ "from": rich, "to": outer, "value": "0x5" });
        let payload = |trace: bool| json!({ "blockStateCalls": [{ "stateOverrides": state, "calls": [call] }], "traceTransfers": trace });
        let answer = blocks(&world, payload(true)).await;
        let found = answer[0]["calls"][0]["logs"].as_array().unwrap();
        assert_eq!(found.len(), logs, "{code}: {found:?}");
        assert_eq!(answer[0]["calls"][0]["status"], "0x1");
        let expected = [(rich, outer, 5), (outer, inner, 3), (inner, heir, 3)];
        for (index, (log, (from, to, value))) in found.iter().zip(expected).enumerate() {
            assert_eq!(log["address"], emitter);
            assert_eq!(log["topics"][1], json!(from.into_word()));
            assert_eq!(log["topics"][2], json!(to.into_word()));
            assert_eq!(log["data"], B256::with_last_byte(value).to_string());
            assert_eq!(log["logIndex"], format!("{index:#x}"));
            assert_eq!(log["blockHash"], answer[0]["hash"]);
        }
        let silent = blocks(&world, payload(false)).await;
        assert_eq!(silent[0]["calls"][0]["logs"], json!([]));
        assert_eq!(silent[0]["hash"], answer[0]["hash"], "the block is the same one");
        assert_eq!(silent[0]["logsBloom"], answer[0]["logsBloom"]);
    }
}

#[tokio::test]
async fn validation_judges_nonces_and_fees_with_the_codes_of_the_specification() {
    let world = World::three_blocks().await;
    let rich = person(1);
    let state = json!({ (rich.to_string()): { "balance": "0xde0b6b3a7640000", "nonce": "0x5" } });
    let call = |fields: Value| {
        let mut call =
            json!({ "from": rich, "to": person(2), "gas": "0x5208", "maxFeePerGas": "0x77359400" });
        for (name, value) in fields.as_object().unwrap() {
            call[name] = value.clone();
        }
        json!({ "blockStateCalls": [{ "stateOverrides": state, "calls": [call] }], "validation": true })
    };
    let answer = blocks(&world, call(json!({ "nonce": "0x5" }))).await;
    let head = world.store.head().block.header().clone();
    let base_fee = weft_types::header::next_base_fee(&head);
    assert_eq!(quantity(&answer[0]["baseFeePerGas"]), base_fee);
    for (fields, code, text) in [
        (json!({ "nonce": "0x4" }), -38010, "nonce too low"),
        (json!({ "nonce": "0x6" }), -38011, "nonce too high"),
        (json!({ "maxFeePerGas": "0x1" }), -38012, "max fee per gas less than block base fee"),
        (json!({ "gas": "0x5207" }), -38013, "intrinsic gas too low: have 20999, want 21000"),
        (json!({ "value": "0xde0b6b3a7640000" }), -38014, "insufficient funds"),
        (json!({ "gas": "0xffffffffff" }), -38015, "block gas limit reached"),
        (
            json!({ "maxPriorityFeePerGas": "0x77359401" }),
            -32602,
            "max priority fee per gas higher",
        ),
    ] {
        let (found, message) = world.error("eth_simulateV1", json!([call(fields), "latest"])).await;
        assert_eq!(found, code, "{message}");
        assert!(message.contains(text), "{message}");
    }
    for (payload, block, code, text) in [
        (json!({ "blockStateCalls": [] }), "latest", -32602, "empty input"),
        (json!({ "blockStateCalls": vec![json!({}); 257] }), "latest", -38026, "too many blocks"),
        (
            json!({ "blockStateCalls": [{ "blockOverrides": { "number": "0x3" } }] }),
            "latest",
            -38020,
            "block numbers must be in order: 3 <= 3",
        ),
        (json!({ "blockStateCalls": [{}] }), "0x99", -32000, "header not found"),
    ] {
        let (found, message) = world.error("eth_simulateV1", json!([payload, block])).await;
        assert_eq!((found, message.as_str()), (code, text));
    }
}

#[tokio::test]
async fn precompiles_move_for_one_block() {
    let world = World::three_blocks().await;
    let [sha, place] = [Address::with_last_byte(2), person(0x55)];
    let state = json!({ (sha.to_string()): { "movePrecompileToAddress": place } });
    let calls = json!([{ "to": sha, "input": "0x1234" }, { "to": place, "input": "0x1234" }]);
    let payload = json!({ "blockStateCalls": [{ "stateOverrides": state, "calls": calls }, { "calls": calls }] });
    let answer = blocks(&world, payload).await;
    let hash = "0x3a103a4e5729ad68c02a678ae39accfbc0ae208096437401b7ceab63cca0622f";
    let data = |block: usize, call: usize| answer[block]["calls"][call]["returnData"].clone();
    assert_eq!([data(0, 0), data(0, 1)], [json!("0x"), json!(hash)]);
    assert_eq!([data(1, 0), data(1, 1)], [json!(hash), json!("0x")]);
    let state = json!({ (place.to_string()): { "movePrecompileToAddress": sha } });
    let payload = json!({ "blockStateCalls": [{ "stateOverrides": state }] });
    let (code, message) = world.error("eth_simulateV1", json!([payload])).await;
    assert_eq!(
        (code, message.as_str()),
        (-32000, format!("account {place:#x} is not a precompile").as_str())
    );
}

#[tokio::test]
async fn many_calls_go_on_from_each_other_and_say_why_they_fail() {
    let (world, _) = traced_world().await;
    // SLOAD(0) + CALLDATALOAD(0) to slot 0, which it returns; 0 reverts.
    let target = person(0x56);
    let code = "0x600035801560185760005401806000556000526020 6000f35b60006000fd".replace(' ', "");
    let state = json!({ (target.to_string()): { "code": code } });
    let add = |word: u8| json!({ "to": target, "input": B256::with_last_byte(word) });
    let bundles =
        json!([{ "transactions": [add(2), add(0), add(3)] }, { "transactions": [add(4)] }]);
    let answer =
        world.ok("eth_callMany", json!([bundles, { "blockNumber": "latest" }, state])).await;
    let value = |word: u8| json!({ "value": B256::with_last_byte(word) });
    let failed = json!({ "error": "execution reverted" });
    assert_eq!(answer, json!([[value(2), failed, value(5)], [value(9)]]));
    // Before the second transaction of block 2 the logger has 7.
    let read = json!([{ "transactions": [{ "to": logger(), "input": B256::with_last_byte(7) }] }]);
    world.ok("eth_callMany", json!([read, { "blockNumber": "0x2", "transactionIndex": 1 }])).await;
}

#[tokio::test]
async fn an_access_list_names_what_is_touched_and_its_gas_with_it() {
    let (world, _) = traced_world().await;
    let call = json!({ "from": alice().address(), "to": forwarder(), "value": "0x5", "input": B256::with_last_byte(3) });
    let answer = world.ok("eth_createAccessList", json!([call, "latest"])).await;
    assert_eq!(answer["accessList"], json!([{ "address": logger(), "storageKeys": [B256::ZERO] }]));
    let mut with = call.clone();
    with["accessList"] = answer["accessList"].clone();
    let params = json!([with, "latest", { "tracer": "callTracer" }]);
    let traced = world.ok("debug_traceCall", params).await;
    assert_eq!(traced["gasUsed"], answer["gasUsed"]);
    assert!(answer.get("error").is_none());
    let plain = json!([{ "from": alice().address(), "to": bob().address() }]);
    let answer = world.ok("eth_createAccessList", plain).await;
    assert_eq!(answer, json!({ "accessList": [], "gasUsed": "0x5208" }));
    let target = person(0x57);
    let state = json!({ (target.to_string()): { "code": "0x60006000fd" } });
    let answer = world.ok("eth_createAccessList", json!([{ "to": target }, "latest", state])).await;
    assert_eq!(answer["error"], "execution reverted");
}
