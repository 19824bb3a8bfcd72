//! `debug_trace*` and `trace_*`, against values worked out by hand and against receipts.

use crate::world::{
    World, alice, bob, call_logger, deploy, dynamic, hash, logger, raw, sign, transfer,
};
use alloy_primitives::{Address, B256, TxKind, U256, hex};
use alloy_rlp::Encodable;
use serde_json::{Value, json};
use weft_store::{Keep, Retention, StoreOptions};
use weft_types::RecoveredTransaction;

/// Passes its first word on to the logger with 1 wei, then asks it again in a static call, which cannot write.
pub(crate) fn forwarder_code() -> Vec<u8> {
    let mut code = hex!("600035600052").to_vec(); // MSTORE(0, CALLDATALOAD(0))
    code.extend(hex!("6000600060206000600173")); // out 0, 0, in 0, 32, value 1, PUSH20
    code.extend(logger());
    code.extend(hex!("5af150")); // GAS CALL POP
    code.extend(hex!("600060006020600073")); // out 0, 0, in 0, 32, PUSH20
    code.extend(logger());
    code.extend(hex!("611388fa5000")); // PUSH2 5000 STATICCALL POP STOP
    code
}

/// Alice creates a contract.
pub(crate) fn create(nonce: u64, code: &[u8]) -> RecoveredTransaction {
    let length = u8::try_from(code.len()).unwrap();
    let mut init = vec![0x60, length, 0x60, 0x0c, 0x60, 0, 0x39, 0x60, length, 0x60, 0, 0xf3];
    init.extend_from_slice(code);
    sign(dynamic(nonce, TxKind::Create, 0, init.into()), &alice())
}

pub(crate) fn forwarder() -> Address {
    alice().address().create(1)
}

pub(crate) fn forward(nonce: u64, word: u64, value: u64) -> RecoveredTransaction {
    let input = U256::from(word).to_be_bytes_vec();
    sign(dynamic(nonce, TxKind::Call(forwarder()), value, input.into()), &bob())
}

/// Block 1: logger and forwarder. Block 2: Alice and Bob log 7 and 9, Bob forwards 9 with 5 wei and sends Alice 1.
pub(crate) async fn world() -> (World, Vec<String>) {
    let world = World::empty().await;
    world.commit(vec![deploy(0), create(1, &forwarder_code())]);
    let transactions = vec![
        call_logger(&alice(), 2, 7),
        call_logger(&bob(), 0, 9),
        forward(1, 9, 5),
        transfer(2, 1),
    ];
    let hashes = transactions.iter().map(hash).collect();
    world.commit(transactions);
    (world, hashes)
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[tokio::test]
async fn struct_logs_have_each_step_with_its_gas_and_stack() {
    let (world, hashes) = world().await;
    let trace = world.ok("debug_traceTransaction", json!([hashes[0]])).await;
    // 21,000 and 31 zero bytes at 4 and one other at 16, then the steps.
    let steps: [(&str, u64, u64); 14] = [
        ("PUSH1", 0, 3),
        ("CALLDATALOAD", 2, 3),
        ("DUP1", 3, 3),
        ("PUSH1", 4, 3),
        ("SSTORE", 6, 22_100),
        ("PUSH1", 7, 3),
        ("MSTORE", 9, 6),
        ("PUSH1", 10, 3),
        ("PUSH1", 12, 3),
        ("PUSH1", 14, 3),
        ("LOG1", 16, 375 + 375 + 8 * 32),
        ("PUSH1", 17, 3),
        ("PUSH1", 19, 3),
        ("RETURN", 21, 0),
    ];
    let mut gas = 200_000 - 21_140;
    let logs = trace["structLogs"].as_array().unwrap();
    assert_eq!(logs.len(), steps.len());
    for (log, (op, pc, cost)) in logs.iter().zip(steps) {
        let expected = json!([op, pc, gas, cost, 1]);
        assert_eq!(
            json!([log["op"], log["pc"], log["gas"], log["gasCost"], log["depth"]]),
            expected
        );
        assert!(log.get("memory").is_none() && log.get("error").is_none(), "{log}");
        gas -= cost;
    }
    assert_eq!(logs[4]["stack"], json!(["0x7", "0x7", "0x0"]));
    let word = |byte: u8| B256::with_last_byte(byte).to_string();
    assert_eq!(logs[4]["storage"], json!({ (word(0)): word(7) }));
    assert_eq!(trace["gas"], 200_000 - gas);
    assert_eq!(trace["failed"], false);
    assert_eq!(trace["returnValue"], word(7));
    // The second one finds the slot written: 2,100 + 2,900 for the write.
    let second = world.ok("debug_traceTransaction", json!([hashes[1], {}])).await;
    assert_eq!(second["structLogs"][4]["gasCost"], 5_000);
    assert_eq!(second["gas"], 200_000 - gas - 22_100 + 5_000);
}

#[tokio::test]
async fn struct_log_options_leave_out_and_add_fields() {
    let (world, hashes) = world().await;
    let options =
        json!({ "disableStack": true, "disableStorage": true, "enableMemory": true, "limit": 8 });
    let trace = world.ok("debug_traceTransaction", json!([hashes[0], options])).await;
    let logs = trace["structLogs"].as_array().unwrap();
    assert_eq!(logs.len(), 8, "limit");
    assert!(logs.iter().all(|log| log.get("stack").is_none() && log.get("storage").is_none()));
    assert_eq!(logs[7]["memory"], json!([B256::with_last_byte(7)]));
}

#[tokio::test]
async fn call_frames_nest_with_values_errors_and_logs() {
    let (world, hashes) = world().await;
    let tracer = json!({ "tracer": "callTracer", "tracerConfig": { "withLog": true } });
    let frame = world.ok("debug_traceTransaction", json!([hashes[2], tracer])).await;
    let receipt = world.ok("eth_getTransactionReceipt", json!([hashes[2]])).await;
    assert_eq!(frame["type"], "CALL");
    assert_eq!(frame["from"], json!(bob().address()));
    assert_eq!(frame["to"], json!(forwarder()));
    assert_eq!(frame["value"], "0x5");
    assert_eq!(frame["gas"], "0x30d40");
    assert_eq!(frame["gasUsed"], receipt["gasUsed"]);
    assert_eq!(frame["input"], B256::with_last_byte(9).to_string());
    let calls = frame["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    let inner = &calls[0];
    assert_eq!(
        json!([inner["type"], inner["from"], inner["to"], inner["value"]]),
        json!(["CALL", forwarder(), logger(), "0x1"])
    );
    assert_eq!(inner["output"], B256::with_last_byte(9).to_string());
    // 9 is there already: the write costs 2,100 + 100, the rest as above.
    assert_eq!(number(&inner["gasUsed"]), 23_142 - 22_100 + 2_200);
    let log = &inner["logs"][0];
    assert_eq!(log["address"], json!(logger()));
    assert_eq!(log["topics"], json!([B256::with_last_byte(0x42)]));
    let refused = &calls[1];
    assert_eq!(
        json!([refused["type"], refused["gas"], refused["gasUsed"]]),
        json!(["STATICCALL", "0x1388", "0x1388"])
    );
    assert_eq!(refused["error"], "write protection");
    assert!(refused.get("value").is_none());

    let top = json!({ "tracer": "callTracer", "tracerConfig": { "onlyTopCall": true } });
    let top = world.ok("debug_traceTransaction", json!([hashes[2], top])).await;
    assert!(top.get("calls").is_none());
    assert_eq!(top["gasUsed"], receipt["gasUsed"]);
}

#[tokio::test]
async fn prestate_is_what_the_transaction_found_and_the_diff_what_it_left() {
    let (world, hashes) = world().await;
    let tracer = json!({ "tracer": "prestateTracer" });
    let zero = B256::ZERO.to_string();
    let of = |address: Address| format!("{address:#x}");
    for (index, found) in [(0, 0), (1, 7), (2, 9)] {
        let state = world.ok("debug_traceTransaction", json!([hashes[index], tracer])).await;
        let expected = B256::with_last_byte(found).to_string();
        assert_eq!(state[of(logger())]["storage"][&zero], expected, "{index}: {state}");
        assert_eq!(state[of(logger())]["nonce"], 1);
    }
    let diff = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
    let diff = world.ok("debug_traceTransaction", json!([hashes[1], diff])).await;
    let expected = [B256::with_last_byte(7), B256::with_last_byte(9)];
    let found = ["pre", "post"].map(|when| diff[when][of(logger())]["storage"][&zero].clone());
    assert_eq!(json!(found), json!(expected));
    assert_eq!(diff["post"][of(bob().address())]["nonce"], 1);
    let receipt = world.ok("eth_getTransactionReceipt", json!([hashes[1]])).await;
    let paid = number(&receipt["gasUsed"]) * number(&receipt["effectiveGasPrice"]);
    let balance = |when: &str| {
        let text = diff[when][of(bob().address())]["balance"].as_str().unwrap().to_owned();
        U256::from_str_radix(&text[2..], 16).unwrap()
    };
    assert_eq!(balance("pre") - balance("post"), U256::from(paid));
}

#[tokio::test]
async fn the_other_tracers_answer_in_geths_shapes() {
    let (world, hashes) = world().await;
    let trace = |options: Value| world.ok("debug_traceTransaction", json!([hashes[2], options]));
    assert_eq!(trace(json!({ "tracer": "noopTracer" })).await, json!({}));
    // The word's first four bytes are zero; 28 bytes follow them.
    assert_eq!(trace(json!({ "tracer": "4byteTracer" })).await, json!({ "0x00000000-28": 3 }));
    let flat = trace(json!({ "tracer": "flatCallTracer" })).await;
    let addresses: Vec<_> =
        flat.as_array().unwrap().iter().map(|t| t["traceAddress"].clone()).collect();
    assert_eq!(json!(addresses), json!([[], [0], [1]]));
    let receipt = world.ok("eth_getTransactionReceipt", json!([hashes[2]])).await;
    assert_eq!(flat[0]["result"]["gasUsed"], receipt["gasUsed"]);
    let config = json!({ "callTracer": {}, "noopTracer": null });
    let mux = trace(json!({ "tracer": "muxTracer", "tracerConfig": config })).await;
    assert_eq!(mux["callTracer"]["calls"].as_array().unwrap().len(), 2);
    assert_eq!(mux["noopTracer"], json!({}));
}

#[tokio::test]
async fn a_block_and_its_transactions_alone_have_equal_traces() {
    let (world, hashes) = world().await;
    let block = world.store.block(2).unwrap().unwrap();
    let rlp = alloy_consensus::Block {
        header: block.block.header().clone(),
        body: alloy_consensus::BlockBody {
            transactions: block.block.transactions().to_vec(),
            ommers: vec![],
            withdrawals: Some(Default::default()),
        },
    };
    let mut bytes = Vec::new();
    rlp.encode(&mut bytes);
    let diff = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
    let mut all = vec![json!({}), diff];
    for tracer in ["callTracer", "prestateTracer", "flatCallTracer", "4byteTracer"] {
        all.push(json!({ "tracer": tracer }));
    }
    for options in all {
        // One by one on the state that the access list gives; together by running them in order.
        let mut alone = Vec::new();
        for hash in &hashes {
            let result = world.ok("debug_traceTransaction", json!([hash, options])).await;
            alone.push(json!({ "result": result, "txHash": hash }));
        }
        let block_hash = block.block.hash();
        for (method, name) in [
            ("debug_traceBlockByNumber", json!("0x2")),
            ("debug_traceBlockByHash", json!(block_hash)),
            ("debug_traceBlock", json!(hex::encode_prefixed(&bytes))),
        ] {
            let together = world.ok(method, json!([name, options])).await;
            assert_eq!(together, json!(alone), "{method} {options}");
        }
    }
}

#[tokio::test]
async fn every_trace_says_what_the_receipt_says() {
    let (world, _) = world().await;
    // Reverts, runs out of gas, and a creation that fails.
    let failing = alice().address().create(3);
    world.commit(vec![create(3, &hex!("60006000fd"))]);
    let revert = sign(dynamic(4, TxKind::Call(failing), 3, Default::default()), &alice());
    let mut short = dynamic(5, TxKind::Call(logger()), 0, vec![1; 32].into());
    short.gas_limit = 23_000;
    let broken = sign(dynamic(6, TxKind::Create, 0, vec![0xfe].into()), &alice());
    world.commit(vec![transfer(3, 2), revert, sign(short, &alice()), broken]);
    for height in 1..=world.store.head().block.height().0 {
        let block = format!("{height:#x}");
        let receipts = world.ok("eth_getBlockReceipts", json!([block])).await;
        let receipts = receipts.as_array().unwrap();
        let frames =
            world.ok("debug_traceBlockByNumber", json!([block, { "tracer": "callTracer" }])).await;
        let logs = world.ok("debug_traceBlockByNumber", json!([block])).await;
        let kinds = json!(["trace", "stateDiff"]);
        let results = world.ok("trace_replayBlockTransactions", json!([block, kinds])).await;
        assert_eq!(receipts.len(), frames.as_array().unwrap().len());
        for (index, receipt) in receipts.iter().enumerate() {
            let (frame, logs) = (&frames[index]["result"], &logs[index]["result"]);
            let failed = receipt["status"] == "0x0";
            assert_eq!(frame["gasUsed"], receipt["gasUsed"], "{height} {index}");
            assert_eq!(frame.get("error").is_some(), failed, "{height} {index}");
            assert_eq!(logs["gas"], number(&receipt["gasUsed"]), "{height} {index}");
            assert_eq!(logs["failed"], failed, "{height} {index}");
            let parity = &results[index];
            assert_eq!(parity["transactionHash"], receipt["transactionHash"]);
            assert_eq!(parity["trace"][0].get("error").is_some(), failed, "{height} {index}");
            let sender =
                format!("{:#x}", receipt["from"].as_str().unwrap().parse::<Address>().unwrap());
            assert!(parity["stateDiff"][sender]["nonce"]["*"].is_object(), "{height} {index}");
        }
    }
}

#[tokio::test]
async fn calls_are_traced_with_overrides_and_in_bundles() {
    let (world, _) = world().await;
    let target = Address::repeat_byte(0x78);
    // NUMBER SLOAD(0) ADD SSTORE(0): adds the number of the block to slot 0.
    let code = "0x4360005401600055";
    let state = json!({ (target.to_string()): { "code": code, "stateDiff": { (B256::ZERO.to_string()): B256::with_last_byte(5) } } });
    let diff = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
    let mut options = diff.clone();
    options["stateOverrides"] = state.clone();
    options["blockOverrides"] = json!({ "number": "0x20" });
    let call = json!({ "to": target, "gas": "0x186a0" });
    let found = world.ok("debug_traceCall", json!([call, "latest", options])).await;
    let slot = |diff: &Value, when: &str| {
        diff[when][target.to_string().to_lowercase()]["storage"][B256::ZERO.to_string()].clone()
    };
    assert_eq!(slot(&found, "pre"), json!(B256::with_last_byte(5)));
    assert_eq!(slot(&found, "post"), json!(B256::with_last_byte(0x25)));
    // Block 2, then 3: each call goes on from the one before.
    let mut options = diff;
    options["stateOverrides"] = state;
    let bundles = json!([{ "transactions": [call, call] }, { "transactions": [call] }]);
    let place = json!({ "blockNumber": "latest" });
    let found = world.ok("debug_traceCallMany", json!([bundles, place, options])).await;
    let posts = [&found[0][0], &found[0][1], &found[1][0]].map(|diff| slot(diff, "post"));
    assert_eq!(json!(posts), json!([7, 9, 12].map(B256::with_last_byte)));
    // Before the second transaction of block 2, slot 0 of the logger is 7.
    for (index, expected) in [(0, 0), (1, 7), (2, 9)] {
        let options = json!({ "tracer": "prestateTracer", "txIndex": format!("{index:#x}") });
        let call = json!({ "to": logger(), "input": B256::with_last_byte(1) });
        let found = world.ok("debug_traceCall", json!([call, "0x2", options])).await;
        let word = &found[logger().to_string().to_lowercase()]["storage"][B256::ZERO.to_string()];
        assert_eq!(*word, json!(B256::with_last_byte(expected)), "{index}");
    }
}

#[tokio::test]
async fn what_cannot_be_traced_says_why() {
    let (world, hashes) = world().await;
    let with = |options: Value| json!([hashes[0], options]);
    for (method, params, code, text) in [
        ("debug_traceTransaction", json!([B256::repeat_byte(1)]), -32000, "transaction not found"),
        ("debug_traceBlockByNumber", json!(["0x0"]), -32000, "genesis is not traceable"),
        ("debug_traceBlockByNumber", json!(["0x9"]), -32000, "not found"),
        ("debug_traceBlock", json!(["0xc0"]), -32602, "could not decode block"),
        (
            "debug_traceTransaction",
            with(json!({ "tracer": "stepTracer" })),
            -32602,
            "tracer stepTracer not found; there are callTracer, prestateTracer",
        ),
        (
            "debug_traceTransaction",
            with(json!({ "tracer": "{ step: function() {} }" })),
            -32602,
            "javascript tracers are not supported; there are callTracer",
        ),
        (
            "debug_traceTransaction",
            with(json!({ "tracer": "callTracer", "tracerConfig": 3 })),
            -32602,
            "tracerConfig is malformed",
        ),
        ("debug_traceTransaction", with(json!({ "timeout": "soon" })), -32602, "is not a duration"),
        (
            "trace_replayTransaction",
            json!([B256::repeat_byte(1), ["trace"]]),
            -32000,
            "transaction not found",
        ),
        (
            "trace_filter",
            json!([{ "fromBlock": "0x2", "toBlock": "0x1" }]),
            -32602,
            "above toBlock",
        ),
    ] {
        let (found, message) = world.error(method, params.clone()).await;
        assert_eq!(found, code, "{method} {params}: {message}");
        assert!(message.contains(text), "{method} {params}: {message}");
    }
    for (method, params) in
        [("trace_transaction", json!([B256::repeat_byte(1)])), ("trace_block", json!(["0x9"]))]
    {
        assert_eq!(world.ok(method, params).await, Value::Null, "{method}");
    }
}

#[tokio::test]
async fn a_trace_ends_when_its_time_or_memory_is_spent() {
    let world = World::with(|config| config.trace_bytes_max = 1 << 20).await;
    let target = Address::repeat_byte(0x79);
    // JUMPDEST PUSH0 JUMP
    let forever = json!({ (target.to_string()): { "code": "0x5b5f56" } });
    let call = json!({ "to": target, "gas": "0x2faf080" });
    let options = json!({ "tracer": "noopTracer", "timeout": "5ms", "stateOverrides": forever });
    let (code, message) = world.error("debug_traceCall", json!([call, "latest", options])).await;
    assert_eq!((code, message.contains("longer than 5 ms")), (-32005, true), "{message}");
    let options = json!({ "stateOverrides": forever });
    let (code, message) = world.error("debug_traceCall", json!([call, "latest", options])).await;
    assert_eq!((code, message.contains("larger than 1048576 bytes")), (-32005, true), "{message}");
    let types = json!(["vmTrace"]);
    let (code, _) = world.error("trace_call", json!([call, types, "latest", forever])).await;
    assert_eq!(code, -32005);
    // Without steps there is nothing to keep: it runs out of gas instead.
    let options = json!({ "tracer": "callTracer", "stateOverrides": forever, "timeout": "50s" });
    let frame = world.ok("debug_traceCall", json!([call, "latest", options])).await;
    assert_eq!(frame["error"], "out of gas");
}

#[tokio::test]
async fn pruned_history_is_4444_and_everything_above_is_traced() {
    let retention = Retention {
        history: Keep::Blocks(4),
        access_lists: Keep::Blocks(2),
        ..StoreOptions::devnet().retention
    };
    let options = StoreOptions { retention, ..StoreOptions::devnet() };
    let world = World::with_store(options, |_| ()).await;
    world.commit(vec![deploy(0)]);
    for nonce in 1..12 {
        world.commit(vec![call_logger(&alice(), nonce, nonce), transfer(nonce - 1, 1)]);
    }
    for height in 1..=12 {
        let block = format!("{height:#x}");
        let options = json!({ "tracer": "callTracer" });
        let answers = [
            ("debug_traceBlockByNumber", json!([block, options])),
            ("trace_block", json!([block])),
        ];
        for (method, params) in answers {
            // The state of the parent must be there, which is kept from 7 on.
            if height <= 7 {
                let failure = world.failure(method, params).await;
                assert_eq!(failure["code"], 4444, "{method} {height}");
                assert_eq!(failure["data"]["oldest"], "0x7");
            } else {
                world.ok(method, params).await;
            }
        }
        if height > 7 {
            // With a list and without one.
            let stored = world.store.block(height).unwrap().unwrap();
            let receipts = world.ok("eth_getBlockReceipts", json!([block])).await;
            for (index, transaction) in stored.block.transactions().iter().enumerate() {
                let params = json!([transaction.tx_hash(), { "tracer": "callTracer" }]);
                let frame = world.ok("debug_traceTransaction", params).await;
                assert_eq!(frame["gasUsed"], receipts[index]["gasUsed"], "{height} {index}");
            }
        }
    }
}

#[tokio::test]
async fn parity_traces_are_flat_and_found_by_address_and_filter() {
    let (world, hashes) = world().await;
    let traces = world.ok("trace_transaction", json!([hashes[2]])).await;
    let traces = traces.as_array().unwrap();
    assert_eq!(traces.len(), 3);
    let root = &traces[0];
    assert_eq!(root["action"]["callType"], "call");
    assert_eq!(root["action"]["from"], json!(bob().address()));
    assert_eq!(root["action"]["value"], "0x5");
    assert_eq!(root["subtraces"], 2);
    assert_eq!(
        json!([root["blockNumber"], root["transactionPosition"], root["transactionHash"]]),
        json!([2, 2, hashes[2]])
    );
    assert_eq!(traces[1]["result"]["output"], B256::with_last_byte(9).to_string());
    assert_eq!(traces[2]["action"]["callType"], "staticcall");
    assert_eq!(traces[2]["error"], "Mutable Call In Static Context");
    assert_eq!(world.ok("trace_get", json!([hashes[2], ["0x1"]])).await, traces[2]);
    assert_eq!(world.ok("trace_get", json!([hashes[2], []])).await, *root);
    assert_eq!(world.ok("trace_get", json!([hashes[2], ["0x7"]])).await, Value::Null);

    let block = world.ok("trace_block", json!(["0x2"])).await;
    assert_eq!(block.as_array().unwrap().len(), 6);
    let count = async |filter: Value| {
        let found = world.ok("trace_filter", json!([filter])).await;
        found.as_array().unwrap().len()
    };
    let range = |mut filter: Value| {
        filter["fromBlock"] = json!("0x0");
        filter["toBlock"] = json!("latest");
        filter
    };
    assert_eq!(count(range(json!({}))).await, 8);
    assert_eq!(
        count(range(json!({ "toAddress": [logger()] }))).await,
        5,
        "one creation, four calls"
    );
    let both = json!({ "fromAddress": [forwarder()], "toAddress": [alice().address()] });
    assert_eq!(count(range(both)).await, 3, "two calls from one, one transfer to the other");
    let both =
        json!({ "fromAddress": [forwarder()], "toAddress": [logger()], "mode": "intersection" });
    assert_eq!(count(range(both)).await, 2);
    assert_eq!(count(range(json!({ "after": 3, "count": 4 }))).await, 4);
    assert_eq!(count(range(json!({ "after": 6 }))).await, 2);
}

#[tokio::test]
async fn replays_have_state_diffs_and_steps() {
    let (world, hashes) = world().await;
    let kinds = json!(["trace", "vmTrace", "stateDiff"]);
    let found = world.ok("trace_replayTransaction", json!([hashes[1], kinds])).await;
    let diff = &found["stateDiff"][format!("{:#x}", logger())];
    let slot = &diff["storage"][B256::ZERO.to_string()]["*"];
    assert_eq!(*slot, json!({ "from": B256::with_last_byte(7), "to": B256::with_last_byte(9) }));
    assert_eq!(json!([diff["balance"], diff["nonce"], diff["code"]]), json!(["=", "=", "="]));
    let nonce = &found["stateDiff"][format!("{:#x}", bob().address())]["nonce"]["*"];
    assert_eq!(*nonce, json!({ "from": "0x0", "to": "0x1" }));
    let ops = found["vmTrace"]["ops"].as_array().unwrap();
    assert_eq!(ops.len(), 14);
    assert_eq!(ops[4]["ex"]["store"], json!({ "key": "0x0", "val": "0x9" }));
    assert_eq!(found["output"], B256::with_last_byte(9).to_string());
    let created = world.ok("trace_replayBlockTransactions", json!(["0x1", ["stateDiff"]])).await;
    let diff = &created[0]["stateDiff"][format!("{:#x}", logger())];
    assert_eq!(diff["nonce"]["+"], "0x1");
    assert!(created[0]["vmTrace"].is_null());
}

#[tokio::test]
async fn calls_and_raw_transactions_are_traced_without_being_sent() {
    let (world, _) = world().await;
    let kinds = json!(["stateDiff"]);
    let call = |word: u8| json!([{ "to": logger(), "input": B256::with_last_byte(word) }, kinds]);
    let slot = |found: &Value| {
        found["stateDiff"][format!("{:#x}", logger())]["storage"][B256::ZERO.to_string()]["*"]
            .clone()
    };
    let word = |from: u8, to: u8| json!({ "from": B256::with_last_byte(from), "to": B256::with_last_byte(to) });
    let calls = json!([[call(3), call(4)], "latest"]);
    let found = world.ok("trace_callMany", calls).await;
    assert_eq!([slot(&found[0]), slot(&found[1])], [word(9, 3), word(3, 4)]);
    let one = call(6);
    let found = world.ok("trace_call", json!([one[0], kinds, "latest"])).await;
    assert_eq!(slot(&found), word(9, 6));
    let next = call_logger(&alice(), 3, 8);
    let found = world.ok("trace_rawTransaction", json!([raw(&next), kinds])).await;
    assert_eq!(slot(&found), word(9, 8));
    let late = call_logger(&alice(), 9, 8);
    let (code, message) = world.error("trace_rawTransaction", json!([raw(&late), kinds])).await;
    assert_eq!((code, message.contains("nonce")), (-32000, true), "{message}");
    assert_eq!(
        world.ok("eth_getTransactionCount", json!([alice().address(), "latest"])).await,
        "0x3"
    );
}

#[tokio::test]
async fn a_filter_finds_what_looking_at_every_trace_finds() {
    let (world, _) = world().await;
    let fees = Address::repeat_byte(0xfe);
    let to_fees = sign(dynamic(3, TxKind::Call(fees), 1, Default::default()), &bob());
    world.commit(vec![]);
    world.commit(vec![to_fees]);
    world.commit(vec![transfer(4, 1), call_logger(&alice(), 2 + 1, 1)]);
    let range = json!({ "fromBlock": "0x0", "toBlock": "latest" });
    let all = world.ok("trace_filter", json!([range])).await;
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 11);
    let people = [alice().address(), bob().address(), logger(), forwarder(), fees];
    let of = |trace: &Value, who: Address| {
        let is = |value: &Value| value.as_str().is_some_and(|text| text.parse() == Ok(who));
        let to = [&trace["action"]["to"], &trace["result"]["address"]];
        (is(&trace["action"]["from"]), to.into_iter().any(is))
    };
    for from in people {
        for to in people {
            for mode in ["union", "intersection"] {
                let mut filter = range.clone();
                filter["fromAddress"] = json!([from]);
                filter["toAddress"] = json!([to]);
                filter["mode"] = json!(mode);
                let expected: Vec<_> = (all.iter())
                    .filter(|trace| {
                        let (from, to) = (of(trace, from).0, of(trace, to).1);
                        if mode == "union" { from || to } else { from && to }
                    })
                    .collect();
                let found = world.ok("trace_filter", json!([filter])).await;
                assert_eq!(found, json!(expected), "{mode} {from} {to}");
            }
        }
    }
    let limited = World::with(|config| config.trace_blocks_max = 2).await;
    limited.commit(vec![deploy(0)]);
    for nonce in 0..4 {
        limited.commit(vec![transfer(nonce, 1)]);
    }
    let failure = limited.failure("trace_filter", json!([range])).await;
    assert_eq!(
        json!([failure["code"], failure["data"]["from"], failure["data"]["to"]]),
        json!([-32005, "0x0", "0x2"])
    );
    let mut narrow = range;
    narrow["toAddress"] = json!([logger()]);
    narrow["mode"] = json!("intersection");
    assert_eq!(limited.ok("trace_filter", json!([narrow])).await.as_array().unwrap().len(), 1);
}
