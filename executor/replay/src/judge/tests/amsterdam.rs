//! An empty block of Amsterdam: its list holds the slots that the system contracts read.

use super::judge_json;
use super::recipe::{Recipe, empty_block, empty_header, genesis, system_contracts};
use crate::judge::Stage;
use alloy_primitives::{B256, Bytes, keccak256};
use serde_json::{Value, json};

/// The list of the empty block: each of the two contracts reads its slots 0 to 3 and changes none.
fn list() -> Value {
    let account = |address| {
        json!({
            "address": address,
            "storageChanges": [],
            "storageReads": ["0x00", "0x01", "0x02", "0x03"],
            "balanceChanges": [],
            "nonceChanges": [],
            "codeChanges": [],
        })
    };
    system_contracts().into_keys().map(account).collect()
}

fn hash_of(list: &Value) -> B256 {
    let list: crate::fixture::FixtureList = serde_json::from_value(list.clone()).unwrap();
    keccak256(list.encode())
}

/// A chain of one block with this list, and its JSON.
fn chain(list: &Value) -> (Recipe, Value) {
    let pre = system_contracts();
    let mut genesis = genesis(&pre);
    genesis.header.block_access_list_hash = Some(B256::ZERO);
    genesis.header.slot_number = Some(0);
    let mut header = empty_header(&genesis.header, genesis.header.state_root, 875);
    header.block_access_list_hash = Some(hash_of(list));
    header.slot_number = Some(1);
    let blocks = vec![empty_block(header)];
    let recipe = Recipe { network: "Amsterdam", post: pre.clone(), pre, genesis, blocks };
    let mut json = recipe.to_json();
    json["blocks"][0]["blockAccessList"] = list.clone();
    (recipe, json)
}

#[test]
fn the_right_list_is_accepted() {
    assert_eq!(judge_json(&chain(&list()).1), Ok(Vec::new()));
}

#[test]
fn a_wrong_list_is_rejected_by_its_hash_alone() {
    let wrong: [fn(&mut Value); 4] = [
        |list| list[0]["storageReads"] = json!(["0x00", "0x01", "0x02"]),
        |list| list[0]["storageReads"] = json!(["0x00", "0x02", "0x01", "0x03"]),
        |list| drop(list.as_array_mut().unwrap().remove(0)),
        |list| {
            list[0]["balanceChanges"] =
                json!([{ "blockAccessIndex": "0x01", "postBalance": "0x01" }]);
        },
    ];
    for change in wrong {
        let mut list = list();
        change(&mut list);
        let (recipe, json) = chain(&list);
        let difference = judge_json(&json).expect_err("a wrong list was accepted");
        assert!(difference.found.contains("blockAccessListHash"), "{difference}");

        let rlp = Bytes::from(alloy_rlp::encode(&recipe.blocks[0]));
        let exception = Some("BlockException.INVALID_BLOCK_ACCESS_LIST");
        let last = recipe.genesis.header.hash_slow();
        let mut json = recipe.to_json_with(&[(rlp, exception)], last);
        json["blocks"][0]["rlp_decoded"] = json!({ "blockAccessList": list });
        let rejections = judge_json(&json).expect("it is expected to be rejected");
        assert_eq!(rejections[0].stage, Stage::Outcome);
        assert_eq!(rejections[0].fields, ["blockAccessListHash"]);
    }
}

#[test]
fn a_list_that_does_not_belong_to_the_header_is_a_fault_of_the_test() {
    let (_, mut json) = chain(&list());
    json["blocks"][0]["blockAccessList"] = json!([]);
    let difference = judge_json(&json).expect_err("the list is another");
    assert_eq!(difference.field, "block 1 of 1: list of the suite");
}
