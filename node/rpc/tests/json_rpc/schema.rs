//! Every method of Ethereum's OpenRPC documents against a chain with transactions, judged by its
//! schema; where they lie beside the workspace: `../shared/conformance/rpc/schema`.

mod rules;

use crate::world::{World, alice, bob, hash, logger, raw, transfer};
use rules::Schemas;
use serde_json::{Value, json};
use std::path::Path;

/// Methods of the documents that this server does not answer here, and why.
const NOT_HERE: [(&str, &str); 7] = [
    ("eth_getProof", "our state is no Merkle-Patricia trie; weft_getProof"),
    ("testing_buildBlockV1", "blocks are made by the consensus alone"),
    ("eth_sendTransaction", "a node holds no keys of users"),
    ("eth_sign", "a node holds no keys of users"),
    ("eth_signTransaction", "a node holds no keys of users"),
    ("eth_getFilterChanges", "asked below, after a filter is made"),
    ("eth_getFilterLogs", "asked below, after a filter is made"),
];

/// Methods that a server may still lack; judged as soon as they answer.
const NOT_YET: [&str; 4] = [
    "eth_fillTransaction",
    "eth_newPendingTransactionFilter",
    "txpool_content",
    "txpool_contentFrom",
];

#[tokio::test]
async fn every_answer_is_of_the_schema_of_its_method() {
    let folder = Path::new("../../../shared/conformance/rpc/schema");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not here", folder.display());
        return;
    }
    let schemas = Schemas::read(folder);
    assert!(schemas.methods.len() > 50, "the documents are read");
    let world = World::three_blocks().await;
    // Bob's nonces 0 and 1 are in blocks 1 and 2.
    world.pool_one(transfer(2, 3));
    let mut faults = Vec::new();
    for (method, schema) in &schemas.methods {
        if NOT_HERE.iter().any(|(name, _)| name == method) {
            continue;
        }
        let calls = calls(&world, method).await;
        if calls.is_empty() {
            faults.push(format!("{method}: the test has no parameters for it"));
        }
        for params in calls {
            let answer = world.answer(method, params.clone()).await;
            match answer.get("result") {
                None if is_missing(method, &answer) => {}
                None => faults.push(format!("{method} {params}: {}", answer["error"])),
                Some(result) => {
                    let fault = schemas.fault(schema, result, "result");
                    faults.extend(fault.map(|fault| format!("{method} {params}: {fault}")));
                }
            }
        }
    }
    // The schema of eth_getTransactionByHash knows included transactions only.
    let pending = world.ok("eth_getTransactionByHash", json!([hash(&transfer(2, 3))])).await;
    let reference = json!({ "$ref": "#/components/schemas/PendingTransactionInfo" });
    faults.extend(schemas.fault(&reference, &pending, "pending"));
    for (maker, params) in [
        ("eth_newFilter", json!([{ "fromBlock": "0x1" }])),
        ("eth_newBlockFilter", json!([])),
        ("eth_newPendingTransactionFilter", json!([])),
    ] {
        let answer = world.answer(maker, params).await;
        let Some(filter) = answer.get("result") else {
            if !is_missing(maker, &answer) {
                faults.push(format!("{maker}: {}", answer["error"]));
            }
            continue;
        };
        world.commit(vec![]);
        for method in ["eth_getFilterChanges", "eth_getFilterLogs"] {
            if method == "eth_getFilterLogs" && maker != "eth_newFilter" {
                continue;
            }
            let (_, schema) = schemas.methods.iter().find(|(name, _)| name == method).unwrap();
            let result = world.ok(method, json!([filter])).await;
            faults
                .extend(schemas.fault(schema, &result, "result").map(|f| format!("{method}: {f}")));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Whether a method answers that it does not exist and is known not to.
fn is_missing(method: &str, answer: &Value) -> bool {
    answer["error"]["code"] == -32601 && NOT_YET.contains(&method)
}

/// Parameters that the method is called with.
async fn calls(world: &World, method: &str) -> Vec<Value> {
    let block = world.ok("eth_getBlockByNumber", json!(["0x2", false])).await;
    let (in_chain, block_hash) = (&block["transactions"][1], &block["hash"]);
    let deploy = world.ok("eth_getBlockByNumber", json!(["0x1", false])).await;
    let deploy = &deploy["transactions"][0];
    let (from, to) = (json!(alice().address()), json!(logger()));
    let nobody = json!("0x00000000000000000000000000000000000000aa");
    let no_hash = json!(format!("0x{}", "11".repeat(32)));
    let call = json!({ "from": from, "to": to, "input": format!("0x{}", "07".repeat(32)) });
    let send = json!({ "from": from, "to": nobody, "value": "0x1" });
    let pending = json!(hash(&transfer(2, 3)));
    match method {
        "debug_getBadBlocks"
        | "eth_accounts"
        | "eth_baseFee"
        | "eth_blobBaseFee"
        | "eth_blockNumber"
        | "eth_capabilities"
        | "eth_chainId"
        | "eth_coinbase"
        | "eth_config"
        | "eth_gasPrice"
        | "eth_maxPriorityFeePerGas"
        | "eth_newBlockFilter"
        | "eth_newPendingTransactionFilter"
        | "eth_syncing"
        | "net_version"
        | "txpool_content"
        | "txpool_status" => vec![json!([])],
        "debug_getRawBlock"
        | "debug_getRawHeader"
        | "debug_getRawReceipts"
        | "debug_getRawBlockAccessList" => vec![json!(["0x0"]), json!(["0x2"]), json!(["latest"])],
        "eth_getBlockAccessList" => {
            vec![json!(["0x1"]), json!(["0x2"]), json!([block_hash]), json!(["0xff"])]
        }
        "debug_getRawTransaction" => vec![json!([in_chain]), json!([pending])],
        "debug_traceBlockByHash" => vec![json!([block_hash])],
        "debug_traceBlockByNumber" => vec![json!(["0x2"]), json!(["0x3"])],
        "debug_traceTransaction" => vec![json!([in_chain]), json!([deploy])],
        "eth_call" => vec![json!([call, "latest"]), json!([call, "pending"])],
        "eth_estimateGas" => vec![json!([call, "latest"]), json!([send])],
        "eth_createAccessList" => vec![json!([call, "latest"]), json!([send, "latest"])],
        "eth_feeHistory" => {
            vec![json!(["0x3", "latest", [10, 50]]), json!(["0x2", "0x2", []])]
        }
        "eth_fillTransaction" => vec![json!([send])],
        "eth_getBalance" | "eth_getCode" | "eth_getTransactionCount" => vec![
            json!([from, "latest"]),
            json!([to, "0x2"]),
            json!([nobody, "pending"]),
            json!([from, { "blockHash": block_hash }]),
        ],
        "eth_getBlockByHash" => {
            vec![json!([block_hash, true]), json!([block_hash, false]), json!([no_hash, true])]
        }
        "eth_getBlockByNumber" => vec![
            json!(["0x0", true]),
            json!(["0x1", true]),
            json!(["latest", false]),
            json!(["0xff", false]),
        ],
        "eth_getBlockReceipts" => {
            vec![json!(["0x0"]), json!(["0x1"]), json!([block_hash]), json!(["0xff"])]
        }
        "eth_getBlockTransactionCountByHash" => vec![json!([block_hash]), json!([no_hash])],
        "eth_getBlockTransactionCountByNumber" => vec![json!(["0x2"]), json!(["0xff"])],
        "eth_getLogs" => vec![
            json!([{ "fromBlock": "0x0", "toBlock": "latest" }]),
            json!([{ "blockHash": block_hash, "address": to }]),
        ],
        "eth_newFilter" => vec![json!([{ "fromBlock": "0x1", "address": to }])],
        "eth_uninstallFilter" => vec![json!(["0x1"])],
        "eth_getStorageAt" => vec![json!([to, "0x0", "latest"])],
        "eth_getStorageValues" => vec![json!([{ logger().to_string(): ["0x0", "0x1"] }, "latest"])],
        "eth_getTransactionByBlockHashAndIndex" => {
            vec![json!([block_hash, "0x1"]), json!([block_hash, "0x9"])]
        }
        "eth_getTransactionByBlockNumberAndIndex" => {
            vec![json!(["0x1", "0x0"]), json!(["0x1", "0x1"]), json!(["0x2", "0x1"])]
        }
        "eth_getTransactionByHash" => {
            vec![json!([in_chain]), json!([deploy]), json!([no_hash])]
        }
        "eth_getTransactionReceipt" => vec![json!([in_chain]), json!([deploy]), json!([no_hash])],
        "eth_sendRawTransaction" => vec![json!([raw(&transfer(3, 1))])],
        "eth_simulateV1" => {
            let block = json!({ "calls": [call, send] });
            vec![json!([{ "blockStateCalls": [block] }, "latest"])]
        }
        "txpool_contentFrom" => vec![json!([bob().address()]), json!([nobody])],
        _ => vec![],
    }
}
