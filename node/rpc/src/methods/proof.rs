//! `weft_getProof`: an account and its slots, with the nodes that lead to them from the state root.

use super::account::block_argument;
use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Args;
use alloy_primitives::{Address, B256, U64, U256};
use alloy_serde::JsonStorageKey;
use serde_json::{Value, json};

/// Most slots of one answer.
const SLOTS_MAX: usize = 1024;

pub(super) fn register(module: &mut Module) {
    blocking(module, "weft_getProof", 3, Work::Call, proof);
}

/// The answer says nothing that its own proof does not show: it is made of what the verifier gives.
fn proof(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let address: Address = args.required("address")?;
    let slots: Vec<JsonStorageKey> = args.optional("slots")?.unwrap_or_default();
    if slots.len() > SLOTS_MAX {
        let found = slots.len();
        let reason = format!("{found} slots in one proof, at most {SLOTS_MAX}: ask several times");
        return Err(Failure::Limit { reason });
    }
    let slots: Vec<U256> = slots.iter().map(|slot| U256::from_be_bytes(slot.as_b256().0)).collect();
    let at = block_argument(context, args)?;
    let tree = if at.height == at.head.block.height().0 {
        at.head.tree.clone()
    } else {
        context.backend.store.tree_at(at.height)?
    };
    let root = tree.root();
    let proof = tree.prove_account(&address, &slots)?;
    let shown = proof.verify_account(root, &address, &slots).map_err(Failure::internal)?;
    let account = shown.account.map(|account| {
        json!({
            "nonce": U64::from(account.nonce),
            "balance": account.balance,
            "codeHash": account.code_hash,
            "codeSize": U64::from(account.code_size),
            "delegation": shown.delegation,
        })
    });
    let slots = slots.iter().zip(&shown.slots);
    let slots: Vec<Value> = slots
        .map(|(slot, value)| json!({ "slot": B256::from(*slot), "value": B256::from(*value) }))
        .collect();
    Ok(json!({
        "address": address,
        "blockNumber": U64::from(at.height),
        "blockHash": context.backend.store.hash_of(at.height)?,
        "stateRoot": root,
        "account": account,
        "slots": slots,
        "proof": proof.nodes,
    }))
}
