//! Several values of accounts at once.

use super::account::{block_argument, slot};
use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::convert::{self, RpcTransaction};
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_primitives::{Address, B256, Bytes, U64};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Most slots of one `eth_getStorageValues` (geth's limit).
const SLOTS_MAX: usize = 1024;

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_getStorageValues", 2, Work::Read, storage_values);
    blocking(module, "eth_getAccount", 2, Work::Read, account);
    blocking(module, "eth_getAccountInfo", 2, Work::Read, account_info);
    blocking(module, "eth_getTransactionBySenderAndNonce", 2, Work::Call, |context, args| {
        by_sender_and_nonce(context, args)?.map(convert::complete).transpose()
    });
}

/// The words of several slots of several accounts, in the order of the request.
fn storage_values(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let request: BTreeMap<Address, Vec<String>> = args.required("requests")?;
    let slots: usize = request.values().map(Vec::len).sum();
    if slots == 0 {
        return Err(Failure::Parameters { reason: "empty request".to_owned() });
    }
    if slots > SLOTS_MAX {
        let reason = format!("too many slots (max {SLOTS_MAX})");
        return Err(Failure::Parameters { reason });
    }
    let at = block_argument(context, args)?;
    let state = context.state(&at)?;
    let mut values = Map::new();
    for (address, keys) in &request {
        let mut words = Vec::with_capacity(keys.len());
        for key in keys {
            words.push(B256::from(state.storage(address, &slot(key)?)?));
        }
        values.insert(format!("{address:#x}"), json!(words));
    }
    Ok(Value::Object(values))
}

/// Balance, nonce and code hash. There is no storage root of one account: the tree of this chain is
/// one for all.
fn account(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let address: Address = args.required("address")?;
    let at = block_argument(context, args)?;
    let Some(account) = context.state(&at)?.account(&address)? else { return Ok(Value::Null) };
    Ok(json!({
        "balance": account.balance,
        "nonce": U64::from(account.nonce),
        "codeHash": account.code_hash,
    }))
}

/// Balance, nonce and code in one answer.
fn account_info(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let address: Address = args.required("address")?;
    let at = block_argument(context, args)?;
    let state = context.state(&at)?;
    let account = state.account(&address)?.unwrap_or_default();
    let code = if account.has_code() { state.code(&account.code_hash)? } else { Bytes::new() };
    Ok(json!({ "balance": account.balance, "nonce": U64::from(account.nonce), "code": code }))
}

/// The transaction with which a sender used a nonce, in the chain or in the pool. The block is found
/// by halving: a nonce only grows.
fn by_sender_and_nonce(
    context: &Context,
    args: &mut Args<'_>,
) -> Result<Option<RpcTransaction>, Failure> {
    let sender: Address = args.required("sender")?;
    let nonce = args.required::<Quantity>("nonce")?.0;
    let head = context.backend.store.head();
    let now = head.state.account(&sender)?.unwrap_or_default().nonce;
    if nonce >= now {
        let pooled = context.backend.pool.get_by_nonce(&sender, nonce);
        return Ok(pooled.map(|found| convert::pending_transaction(&found)));
    }
    let oldest = context.backend.store.oldest().of(weft_store::Kept::History);
    let nonce_at = |height: u64| -> Result<u64, Failure> {
        let state = context.backend.store.state_at(height)?;
        Ok(state.account(&sender)?.unwrap_or_default().nonce)
    };
    if nonce_at(oldest)? > nonce {
        // It was used in a block whose state is not kept, or (nonces of contracts) by no transaction.
        return match oldest {
            0 => Ok(None),
            height => Err(Failure::Pruned { what: "state", height: height - 1, oldest }),
        };
    }
    let (mut below, mut used) = (oldest, head.block.height().0);
    while used - below > 1 {
        let middle = below + (used - below) / 2;
        if nonce_at(middle)? > nonce {
            used = middle;
        } else {
            below = middle;
        }
    }
    let stored = context.block(used)?;
    let mut transactions = stored.block.transactions().iter().zip(&stored.senders);
    let place = transactions.position(|(transaction, from)| {
        *from == sender && alloy_consensus::Transaction::nonce(transaction) == nonce
    });
    place.map(|place| convert::transaction(&stored, place)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    #[test]
    fn slots_are_read_in_every_length_up_to_a_word() {
        assert_eq!(slot("0x0").unwrap(), U256::ZERO);
        assert_eq!(slot("0x00").unwrap(), U256::ZERO);
        assert_eq!(slot("0xff").unwrap(), U256::from(255));
        assert_eq!(slot("ff").unwrap(), U256::from(255), "as geth does");
        let long = slot(&format!("0x{}", "0".repeat(65))).unwrap_err();
        assert!(long.to_string().starts_with("storage key too long (want at most 32 bytes)"));
        let bad = slot("0xasdf").unwrap_err();
        assert_eq!(bad.to_string(), "invalid hex in storage key: \"0xasdf\"");
        assert_eq!(bad.code(), -32602);
    }
}
