//! The block access list (EIP-7928) of a block, decoded.

use super::block::{hash as block_hash, number as block_number};
use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::error::Failure;
use alloy_eip7928::{AccountChanges, BlockAccessIndex};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rlp::Decodable;
use serde::Serialize;

/// What happened to one account. Indices: 0 is before the transactions, 1 to n are the
/// transactions, n + 1 is after them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    address: Address,
    storage_changes: Vec<Slot>,
    storage_reads: Vec<B256>,
    balance_changes: Vec<Change<U256>>,
    nonce_changes: Vec<Change<U64>>,
    code_changes: Vec<CodeChange>,
}

#[derive(Serialize)]
struct Slot {
    key: B256,
    changes: Vec<Change<B256>>,
}

#[derive(Serialize)]
struct Change<T> {
    index: U64,
    value: T,
}

#[derive(Serialize)]
struct CodeChange {
    index: U64,
    code: Bytes,
}

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_getBlockAccessList", 1, Work::Read, |context, args| {
        raw(context, args.required("block")?)?.map(|raw| decode(&raw)).transpose()
    });
    blocking(module, "eth_getBlockAccessListByBlockHash", 1, Work::Read, |context, args| {
        raw(context, block_hash(args)?)?.map(|raw| decode(&raw)).transpose()
    });
    blocking(module, "eth_getBlockAccessListByBlockNumber", 1, Work::Read, |context, args| {
        raw(context, block_number(args)?)?.map(|raw| decode(&raw)).transpose()
    });
    blocking(module, "debug_getRawBlockAccessList", 1, Work::Read, |context, args| {
        let id: BlockId = args.required("block")?;
        let height = context.at(id)?.height;
        match raw(context, id)? {
            Some(list) => Ok(list),
            // Nothing happens in genesis: an empty list.
            None if height == 0 => Ok(Bytes::from_static(&[alloy_rlp::EMPTY_LIST_CODE])),
            None => {
                let reason = format!("block access list of block {height} is not kept");
                Err(Failure::Refused { reason })
            }
        }
    });
    blocking(module, "eth_getBlockAccessListRaw", 1, Work::Read, |context, args| {
        raw(context, args.required("block")?)
    });
}

/// RLP of the list; `None` for an unknown or pending block, and for one that was kept without it.
fn raw(context: &Context, id: BlockId) -> Result<Option<Bytes>, Failure> {
    match context.find(id)? {
        Some(at) if !at.pending => {
            let list = context.backend.store.access_list(at.height)?;
            Ok(list.filter(|list| !list.is_empty()))
        }
        _ => Ok(None),
    }
}

fn decode(raw: &[u8]) -> Result<Vec<Account>, Failure> {
    let accounts = Vec::<AccountChanges>::decode(&mut &raw[..]).map_err(Failure::internal)?;
    Ok(accounts.into_iter().map(account).collect())
}

fn account(changes: AccountChanges) -> Account {
    let slot = |slot: alloy_eip7928::SlotChanges| Slot {
        key: B256::from(slot.slot),
        changes: (slot.changes.into_iter())
            .map(|c| Change { index: index(c.block_access_index), value: B256::from(c.new_value) })
            .collect(),
    };
    Account {
        address: changes.address,
        storage_changes: changes.storage_changes.into_iter().map(slot).collect(),
        storage_reads: changes.storage_reads.into_iter().map(B256::from).collect(),
        balance_changes: (changes.balance_changes.into_iter())
            .map(|c| Change { index: index(c.block_access_index), value: c.post_balance })
            .collect(),
        nonce_changes: (changes.nonce_changes.into_iter())
            .map(|c| Change { index: index(c.block_access_index), value: U64::from(c.new_nonce) })
            .collect(),
        code_changes: (changes.code_changes.into_iter())
            .map(|c| CodeChange { index: index(c.block_access_index), code: c.new_code })
            .collect(),
    }
}

fn index(index: BlockAccessIndex) -> U64 {
    U64::from(index.0)
}
