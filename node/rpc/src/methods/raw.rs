//! Headers, blocks, transactions, receipts and access lists as bytes: `debug_getRaw*`.

use super::block::{hash as block_hash, number as block_number};
use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::{Args, Hash, Quantity};
use alloy_eips::BlockId;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes};
use serde_json::Value;
use weft_types::ForeignBody;
use weft_types::transaction::encode_transaction;

pub(super) fn register(module: &mut Module) {
    blocking(module, "debug_getRawHeader", 1, Work::Read, header);
    blocking(module, "debug_getRawBlock", 1, Work::Read, block);
    blocking(module, "debug_getRawReceipts", 1, Work::Read, receipts);
    blocking(module, "debug_getRawTransaction", 1, Work::Read, |context, args| {
        // As in geth: no bytes for a hash that nobody knows.
        Ok(by_hash(context, args.required::<Hash>("hash")?.0)?.unwrap_or_default())
    });
    // Blocks that were refused are not kept: their proposer's signature is not on them.
    blocking(module, "debug_getBadBlocks", 0, Work::Read, |_, _| Ok(Vec::<Value>::new()));
    blocking(module, "eth_getRawTransactionByHash", 1, Work::Read, |context, args| {
        by_hash(context, args.required::<Hash>("hash")?.0)
    });
    blocking(module, "eth_getRawTransactionByBlockHashAndIndex", 2, Work::Read, |context, args| {
        let id = block_hash(args)?;
        by_place(context, id, args.required("index")?)
    });
    blocking(
        module,
        "eth_getRawTransactionByBlockNumberAndIndex",
        2,
        Work::Read,
        |context, args| {
            let id = block_number(args)?;
            by_place(context, id, args.required("index")?)
        },
    );
}

/// The committed block that the first parameter names, by number, tag or hash.
fn named(context: &Context, args: &mut Args<'_>) -> Result<u64, Failure> {
    let at = context.at(args.required::<BlockId>("block")?)?;
    if at.pending {
        let reason = "the pending block has no bytes yet: ask for latest".to_owned();
        return Err(Failure::Parameters { reason });
    }
    Ok(at.height)
}

fn header(context: &Context, args: &mut Args<'_>) -> Result<Bytes, Failure> {
    let height = named(context, args)?;
    Ok(alloy_rlp::encode(context.block(height)?.block.header()).into())
}

/// A block in Ethereum's layout: header, transactions, ommers, and withdrawals where there are any.
fn block(context: &Context, args: &mut Args<'_>) -> Result<Bytes, Failure> {
    let stored = context.block(named(context, args)?)?;
    let body = stored.foreign.unwrap_or_else(empty_body);
    Ok(body.encode_block(stored.block.header(), stored.block.transactions()).into())
}

/// What our own blocks have besides transactions: no ommers and no withdrawals.
pub(super) fn empty_body() -> ForeignBody {
    ForeignBody { ommers: Vec::new(), withdrawals: Some(Vec::new().into()) }
}

fn receipts(context: &Context, args: &mut Args<'_>) -> Result<Vec<Bytes>, Failure> {
    let receipts = context.receipts(named(context, args)?)?;
    Ok(receipts.iter().map(|receipt| receipt.encoded_2718().into()).collect())
}

/// The transaction as it was sent, from a block or from the pool.
fn by_hash(context: &Context, hash: B256) -> Result<Option<Bytes>, Failure> {
    // The pool first: a transaction leaves it only after its block is readable.
    let pooled = context.backend.pool.get(&hash);
    if let Some((height, index)) = context.backend.store.transaction_location(&hash)? {
        let stored = context.block(height)?;
        return Ok(stored.block.transactions().get(index.0 as usize).map(encode_transaction));
    }
    Ok(pooled.map(|transaction| encode_transaction(transaction.inner())))
}

fn by_place(context: &Context, id: BlockId, index: Quantity) -> Result<Option<Bytes>, Failure> {
    let Some(at) = context.find(id)?.filter(|at| !at.pending) else { return Ok(None) };
    let stored = context.block(at.height)?;
    let found = usize::try_from(index.0).ok();
    let found = found.and_then(|index| stored.block.transactions().get(index));
    Ok(found.map(encode_transaction))
}
