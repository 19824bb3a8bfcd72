//! Whatever callers send, they get an error that names their fault: never a panic, never -32603.

use crate::client::{http, request};
use crate::world::{World, alice, logger};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Values near those that the methods expect, and far from them.
fn value() -> impl Strategy<Value = Value> {
    let near = prop::sample::select(vec![
        json!("latest"),
        json!("pending"),
        json!("earliest"),
        json!("0x0"),
        json!("0x2"),
        json!("0x"),
        json!("0xffffffffffffffffffffffffffffffffffffffffff"),
        json!(18_446_744_073_709_551_615u64),
        json!(-1),
        json!(1.5e300),
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!(alice().address()),
        json!(logger()),
        json!(format!("0x{}", "11".repeat(32))),
        json!({ "from": alice().address(), "to": logger(), "data": "0x01", "gas": "0xffffff" }),
        json!({ "to": logger(), "gasPrice": "0x1", "maxFeePerGas": "0x1" }),
        json!({ "fromBlock": "0x0", "toBlock": "latest", "topics": [null, [], ["0x"]] }),
        json!({ "fromBlock": "latest", "toBlock": "earliest" }),
        json!({ "blockHash": format!("0x{}", "11".repeat(32)) }),
        json!({ "blockNumber": "0x1", "blockHash": "0x1" }),
        json!({ logger().to_string(): { "code": "0x60", "nonce": "0xffffffffffffffff" } }),
        json!({ "number": "0x0", "time": "0xffffffffffffffff", "gasLimit": "0x0", "baseFeePerGas": "0xffffffffffffffffffffffff" }),
        json!("newHeads"),
        json!("logs"),
        json!("\u{0}\u{fffd}\u{1f980}"),
    ]);
    let leaf = prop_oneof![
        6 => near,
        1 => any::<u64>().prop_map(|number| json!(number)),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => ".{0,40}".prop_map(|text| json!(text)),
        1 => prop::collection::vec(any::<u8>(), 0..80)
            .prop_map(|bytes| json!(alloy_primitives::hex::encode_prefixed(bytes))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-zA-Z]{1,12}", inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

#[tokio::test]
async fn no_parameters_make_a_method_fail_internally() {
    let world = World::three_blocks().await;
    let document = world.ok("rpc.discover", json!([])).await;
    let names: Vec<String> = (document["methods"].as_array().unwrap().iter())
        .map(|method| method["name"].as_str().unwrap().to_owned())
        // It waits for a block that nobody makes.
        .filter(|name| name != "eth_sendRawTransactionSync")
        .collect();
    let mut runner = TestRunner::deterministic();
    let rounds: usize =
        std::env::var("WEFT_DECODING_ROUNDS").map_or(40, |rounds| rounds.parse().unwrap());
    let params = prop::collection::vec(value(), 0..5);
    for round in 0..rounds {
        let mut calls = Vec::new();
        for name in &names {
            let params = params.new_tree(&mut runner).unwrap().current();
            calls.push(request(calls.len() as u64, name, json!(params)));
        }
        for batch in calls.chunks(100) {
            let body = format!("[{}]", batch.join(","));
            let answer =
                http(world.server.local_addr(), "POST", &[crate::client::JSON], body.as_bytes())
                    .await;
            let answers: Value = serde_json::from_str(&answer.body).unwrap();
            for answer in answers.as_array().unwrap() {
                let call = &calls[answer["id"].as_u64().unwrap() as usize];
                assert_ne!(answer["error"]["code"], -32603, "round {round}: {call}: {answer}");
                assert_ne!(answer["error"]["code"], -32601, "round {round}: {call}: {answer}");
                assert_ne!(answer["error"]["message"], "", "round {round}: {call}");
            }
        }
    }
    assert_eq!(world.ok("eth_blockNumber", json!([])).await, "0x3");
}
