use crate::world::{World, alice, logger};
use alloy_primitives::hex;
use serde_json::json;

#[tokio::test]
async fn a_record_says_who_waited_for_whom() {
    let world = World::three_blocks().await;
    let record = world.ok("weft_getBlockRecord", json!(["0x2"])).await;
    assert_eq!(record["number"], 2);
    let half = &record["deterministic"];
    let block = world.store.header(2).unwrap().unwrap();
    assert_eq!(half["workGas"], block.gas_used);
    assert_eq!(half["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(half["criticalPath"], json!([0, 1]), "both write slot 0 of the logger");
    assert_eq!(half["criticalPathGas"], block.gas_used);
    assert_eq!(half["dependentTransactions"], 1);
    let edges = half["edges"].as_array().unwrap();
    assert!(edges.iter().any(|edge| edge["kind"] == "storage" && edge["to"] == 1), "{edges:?}");
    for workers in ["2", "4", "8", "16", "unlimited"] {
        assert_eq!(half["bestSpeedup"][workers], 1.0, "{workers}");
    }
    assert!(
        record["local"]["workers"].is_number() && record["local"]["speedup"]["estimated"] == true
    );
    let short = json!(["0x2", { "reads": false, "incarnations": false }]);
    let short = world.ok("weft_getBlockRecord", short).await;
    assert_eq!(short["deterministic"]["transactions"][0]["reads"], json!([]));
    assert_eq!(short["local"]["incarnations"], json!([]));
    assert!(world.ok("weft_getBlockRecord", json!(["0x9"])).await.is_null());
    assert_eq!(world.error("weft_getBlockRecord", json!(["0x2", { "x": 1 }])).await.0, -32602);
}

#[tokio::test]
async fn a_certificate_can_be_verified_from_the_answer_alone() {
    let world = World::three_blocks().await;
    let certificate = world.ok("weft_getCertificate", json!(["0x2"])).await;
    assert_eq!(
        certificate["block"],
        world.store.block(2).unwrap().unwrap().block.hash().to_string()
    );
    assert_eq!(certificate["totalPower"], 1);
    let signer = &certificate["signatures"][0];
    let bytes = |name: &str| hex::decode(signer[name].as_str().unwrap()).unwrap();
    assert_eq!(signer["name"], "one");
    assert!(weft_types::vote::verify_signature(
        &bytes("publicKey").try_into().unwrap(),
        &bytes("signedBytes"),
        &bytes("signature").try_into().unwrap(),
    ));
    assert!(world.ok("weft_getCertificate", json!([0])).await.is_null(), "genesis needs none");
    assert_eq!(world.error("weft_getCertificate", json!([4])).await.0, -32001);
}

#[tokio::test]
async fn the_chain_describes_itself() {
    let world = World::three_blocks().await;
    let info = world.ok("weft_chainInfo", json!([])).await;
    assert_eq!(info["chainId"], 31_337);
    assert_eq!(info["head"]["number"], 3);
    assert_eq!(info["stateCommitment"], "blake3");
    assert_eq!(info["validators"][0]["name"], "one");
    assert_eq!(info["params"]["blockIntervalMs"], 50);
    let genesis = world.ok("eth_getBlockByNumber", json!(["0x0", false])).await;
    assert_eq!(info["genesisHash"], genesis["hash"]);
}

#[tokio::test]
async fn an_access_list_is_decoded_with_its_indices() {
    let world = World::three_blocks().await;
    let list = world.ok("eth_getBlockAccessList", json!(["0x2"])).await;
    let entry = |address: String| {
        let found = list.as_array().unwrap().iter().find(|entry| entry["address"] == address);
        found.unwrap_or_else(|| panic!("{address} is missing"))
    };
    let contract = entry(logger().to_string().to_lowercase());
    let slot = format!("{:#066x}", 0);
    assert_eq!(contract["storageChanges"][0]["key"], slot);
    let value = |value: u8| format!("{value:#066x}");
    assert_eq!(
        contract["storageChanges"][0]["changes"],
        json!([{ "index": "0x1", "value": value(7) }, { "index": "0x2", "value": value(9) }])
    );
    let sender = entry(alice().address().to_string().to_lowercase());
    assert_eq!(sender["nonceChanges"], json!([{ "index": "0x1", "value": "0x2" }]));
    let raw = world.ok("eth_getBlockAccessListRaw", json!(["0x2"])).await;
    let raw = hex::decode(raw.as_str().unwrap()).unwrap();
    let header = world.store.header(2).unwrap().unwrap();
    assert_eq!(Some(alloy_primitives::keccak256(raw)), header.block_access_list_hash);
    assert!(world.ok("eth_getBlockAccessList", json!(["0x9"])).await.is_null());
}
