//! Blocks, headers, and what hangs on a block as a whole.

use super::{Module, blocking};
use crate::context::{At, Context, Work};
use crate::convert::{self, RpcReceipt};
use crate::error::Failure;
use crate::params::Args;
use alloy_consensus::Transaction as _;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U64};
use serde_json::{Value, json};
use std::sync::Arc;
use weft_types::{Header, RecoveredTransaction};

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_getBlockByNumber", 2, Work::Read, by_number);
    blocking(module, "eth_getBlockByHash", 2, Work::Read, by_hash);
    blocking(module, "eth_getHeaderByNumber", 1, Work::Read, header_by_number);
    blocking(module, "eth_getHeaderByHash", 1, Work::Read, header_by_hash);
    blocking(module, "eth_getBlockReceipts", 1, Work::Read, receipts);
    blocking(module, "eth_getBlockTransactionCountByNumber", 1, Work::Read, |context, args| {
        count(context, number(args)?)
    });
    blocking(module, "eth_getBlockTransactionCountByHash", 1, Work::Read, |context, args| {
        count(context, hash(args)?)
    });
}

/// The first parameter as a block number or tag.
pub(super) fn number(args: &mut Args<'_>) -> Result<BlockId, Failure> {
    Ok(BlockId::Number(args.required::<BlockNumberOrTag>("block")?))
}

/// The first parameter as a block hash.
pub(super) fn hash(args: &mut Args<'_>) -> Result<BlockId, Failure> {
    Ok(BlockId::from(args.required::<B256>("blockHash")?))
}

fn by_number(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let id = number(args)?;
    let full = args.optional("fullTransactions")?.unwrap_or(false);
    let Some(at) = context.find(id)? else { return Ok(Value::Null) };
    if at.pending {
        return pending_block(context, &at, full);
    }
    block_object(context, &at, full)
}

fn by_hash(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let id = hash(args)?;
    let full = args.optional("fullTransactions")?.unwrap_or(false);
    let Some(at) = context.find(id)? else { return Ok(Value::Null) };
    block_object(context, &at, full)
}

fn block_object(context: &Context, at: &At, full: bool) -> Result<Value, Failure> {
    let block = convert::block(&context.block(at.height)?, full)?;
    serde_json::to_value(block).map_err(Failure::internal)
}

/// The block that would be proposed now: what is not known before it is built is `null` or zero.
fn pending_block(context: &Context, at: &At, full: bool) -> Result<Value, Failure> {
    let header = context.next_header(&at.head);
    let mut transactions = Vec::new();
    for transaction in candidates(context, &header) {
        transactions.push(if full {
            let base_fee = header.base_fee_per_gas;
            convert::complete(convert::pending_transaction(&transaction, base_fee))?
        } else {
            json!(transaction.tx_hash())
        });
    }
    let mut block = pending_header(&header)?;
    block["transactions"] = Value::Array(transactions);
    block["uncles"] = json!([]);
    block["withdrawals"] = json!([]);
    Ok(block)
}

/// Transactions of the pool that would go into the next block, in order.
///
/// None on a public listener: they say what others are about to do.
pub(super) fn candidates(context: &Context, header: &Header) -> Vec<Arc<RecoveredTransaction>> {
    if context.served.is_public() {
        return Vec::new();
    }
    let mut best =
        context.backend.pool.best(header.base_fee_per_gas.unwrap_or(0), header.gas_limit);
    let mut gas = 0u64;
    let fits = |transaction: &&Arc<RecoveredTransaction>| {
        gas = gas.saturating_add(transaction.gas_limit());
        gas <= header.gas_limit
    };
    let count = best.iter().take_while(fits).count();
    best.truncate(count);
    best
}

fn pending_header(header: &Header) -> Result<Value, Failure> {
    let mut object = serde_json::to_value(header).map_err(Failure::internal)?;
    for unknown in ["hash", "nonce", "logsBloom", "miner"] {
        object[unknown] = Value::Null;
    }
    for root in ["stateRoot", "receiptsRoot", "transactionsRoot"] {
        object[root] = json!(B256::ZERO);
    }
    object["size"] = json!(U64::ZERO);
    Ok(object)
}

fn header_by_number(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    header_object(context, number(args)?)
}

fn header_by_hash(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    header_object(context, hash(args)?)
}

fn header_object(context: &Context, id: BlockId) -> Result<Value, Failure> {
    let Some(at) = context.find(id)? else { return Ok(Value::Null) };
    if at.pending {
        return pending_header(&context.next_header(&at.head));
    }
    let stored = context.block(at.height)?;
    let header = convert::header_of(&stored.block, stored.foreign.as_ref());
    serde_json::to_value(header).map_err(Failure::internal)
}

fn receipts(context: &Context, args: &mut Args<'_>) -> Result<Option<Vec<RpcReceipt>>, Failure> {
    let Some(at) = context.find(args.required::<BlockId>("block")?)? else { return Ok(None) };
    if at.pending {
        // Nothing of the next block has run yet.
        return Ok(None);
    }
    let stored = context.block(at.height)?;
    let mut receipts = convert::receipts(&stored, context.receipts(at.height)?)?;
    context.put_blob_costs(&stored, &mut receipts);
    Ok(Some(receipts))
}

/// Number of the block's transactions; `null` for an unknown block.
fn count(context: &Context, id: BlockId) -> Result<Option<U64>, Failure> {
    let Some(at) = context.find(id)? else { return Ok(None) };
    let transactions = if at.pending {
        candidates(context, &context.next_header(&at.head)).len()
    } else {
        context.block(at.height)?.block.transactions().len()
    };
    Ok(Some(U64::from(transactions as u64)))
}
