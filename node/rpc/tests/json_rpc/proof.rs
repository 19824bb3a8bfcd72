//! Proofs over the wire, verified with nothing but the header's root.

use crate::world::{World, alice, bob, logger};
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};
use weft_commitment::{Proof, ProvenAccount};
use weft_store::{Keep, Retention, StoreOptions};

async fn ask(world: &World, address: Address, slots: &[u64], block: &str) -> (Value, Proof) {
    let slots: Vec<B256> = slots.iter().map(|slot| B256::from(U256::from(*slot))).collect();
    let answer = world.ok("weft_getProof", json!([address, slots, block])).await;
    let nodes: Vec<Bytes> = serde_json::from_value(answer["proof"].clone()).unwrap();
    (answer, Proof { nodes })
}

/// What the proof shows under the root of the header that the node serves by another method.
async fn verified(world: &World, address: Address, slots: &[u64], block: &str) -> ProvenAccount {
    let (answer, proof) = ask(world, address, slots, block).await;
    let header = world.ok("eth_getBlockByNumber", json!([block, false])).await;
    assert_eq!(answer["stateRoot"], header["stateRoot"]);
    assert_eq!(answer["blockHash"], header["hash"]);
    let root: B256 = serde_json::from_value(header["stateRoot"].clone()).unwrap();
    let slots: Vec<U256> = slots.iter().map(|slot| U256::from(*slot)).collect();
    proof.verify_account(root, &address, &slots).unwrap()
}

#[tokio::test]
async fn accounts_and_slots_are_proven_at_every_block() {
    let world = World::three_blocks().await;
    for (block, nonce, value) in [("0x0", 0, 0), ("0x1", 1, 0), ("0x2", 2, 9), ("latest", 2, 9)] {
        let shown = verified(&world, bob().address(), &[], block).await;
        let account = shown.account.unwrap();
        assert_eq!(account.nonce, nonce, "{block}");
        let balance = world.ok("eth_getBalance", json!([bob().address(), block])).await;
        assert_eq!(json!(account.balance), balance, "{block}");
        let shown = verified(&world, logger(), &[0, 1], block).await;
        assert_eq!(shown.account.is_some(), block != "0x0");
        assert_eq!(shown.slots, [value, 0].map(U256::from), "{block}");
    }
    let shown = verified(&world, Address::repeat_byte(0x77), &[5], "latest").await;
    assert_eq!((shown.account, shown.slots), (None, vec![U256::ZERO]));
}

#[tokio::test]
async fn the_answer_says_what_the_proof_shows() {
    let world = World::three_blocks().await;
    let (answer, proof) = ask(&world, logger(), &[0], "latest").await;
    assert_eq!(answer["blockNumber"], "0x3");
    assert_eq!(answer["account"]["nonce"], "0x1");
    assert_eq!(answer["account"]["delegation"], Value::Null);
    let code = world.ok("eth_getCode", json!([logger()])).await;
    let code: Bytes = serde_json::from_value(code).unwrap();
    assert_eq!(answer["account"]["codeHash"], json!(alloy_primitives::keccak256(&code)));
    assert_eq!(answer["account"]["codeSize"], format!("{:#x}", code.len()));
    let nine = B256::from(U256::from(9));
    assert_eq!(answer["slots"], json!([{ "slot": B256::ZERO, "value": nine }]));
    // Every bit of it counts.
    let root: B256 = serde_json::from_value(answer["stateRoot"].clone()).unwrap();
    for (place, node) in proof.nodes.iter().enumerate() {
        for bit in 0..node.len() * 8 {
            let mut wrong = proof.clone();
            let mut bytes = node.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            wrong.nodes[place] = bytes.into();
            assert!(wrong.verify_account(root, &logger(), &[U256::ZERO]).is_err(), "bit {bit}");
        }
    }
}

#[tokio::test]
async fn only_the_last_128_blocks_are_proven() {
    let world = World::three_blocks().await;
    for _ in 3..130 {
        world.commit(vec![]);
    }
    assert_eq!(verified(&world, bob().address(), &[], "0x2").await.account.unwrap().nonce, 2);
    let params = json!([bob().address(), [], "0x1"]);
    let (code, message) = world.error("weft_getProof", params).await;
    assert_eq!(code, -32000);
    assert_eq!(message, "no proof window at height 1: states can be proven from height 2 to 130");
    let unknown = world.error("weft_getProof", json!([bob().address(), [], "0x83"])).await;
    assert_eq!(unknown, (-32001, "unknown block".to_owned()));
}

#[tokio::test]
async fn limits_and_missing_history_are_named() {
    let history = Retention { history: Keep::Blocks(2), ..Retention::ARCHIVE };
    let options = StoreOptions { retention: history, ..StoreOptions::devnet() };
    let world = World::with_store(options, |_| ()).await;
    for _ in 0..9 {
        world.commit(vec![]);
    }
    let pruned = world.error("weft_getProof", json!([alice().address(), [], "0x1"])).await;
    assert_eq!(pruned.0, 4444, "{}", pruned.1);
    let many = vec![B256::ZERO; 1025];
    let (code, message) = world.error("weft_getProof", json!([alice().address(), many])).await;
    assert_eq!(code, -32005);
    assert!(message.contains("1025 slots in one proof, at most 1024"), "{message}");
    assert_eq!(world.error("weft_getProof", json!([])).await.0, -32602);
}
