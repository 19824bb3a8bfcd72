//! Single transactions and their receipts.

use super::block::{candidates, hash as block_hash, number as block_number};
use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::convert::{self, RpcReceipt, RpcTransaction};
use crate::error::Failure;
use crate::params::Quantity;
use alloy_eips::BlockId;
use alloy_primitives::B256;
use weft_types::header::next_base_fee;

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_getTransactionByHash", 1, Work::Read, |context, args| {
        by_hash(context, args.required("hash")?)?.map(convert::complete).transpose()
    });
    blocking(module, "eth_getTransactionReceipt", 1, Work::Read, |context, args| {
        receipt(context, args.required("hash")?)
    });
    blocking(module, "eth_getTransactionByBlockHashAndIndex", 2, Work::Read, |context, args| {
        let id = block_hash(args)?;
        by_place(context, id, args.required("index")?)?.map(convert::complete).transpose()
    });
    blocking(module, "eth_getTransactionByBlockNumberAndIndex", 2, Work::Read, |context, args| {
        let id = block_number(args)?;
        by_place(context, id, args.required("index")?)?.map(convert::complete).transpose()
    });
}

/// Included transactions with their place, those of the pool without; otherwise `null`.
pub(super) fn by_hash(context: &Context, hash: B256) -> Result<Option<RpcTransaction>, Failure> {
    // The pool first: a transaction leaves it only after its block is readable.
    let pooled = context.backend.pool.get(&hash);
    if let Some((height, index)) = context.backend.store.transaction_location(&hash)? {
        return convert::transaction(&context.block(height)?, index.0 as usize).map(Some);
    }
    let base_fee = next_base_fee(context.backend.store.head().block.header());
    Ok(pooled.map(|transaction| convert::pending_transaction(&transaction, Some(base_fee))))
}

/// The receipt of an included transaction.
pub(super) fn receipt(context: &Context, hash: B256) -> Result<Option<RpcReceipt>, Failure> {
    let Some((height, index)) = context.backend.store.transaction_location(&hash)? else {
        return Ok(None);
    };
    let stored = context.block(height)?;
    let mut receipts = convert::receipts(&stored, context.receipts(height)?)?;
    context.put_blob_costs(&stored, &mut receipts);
    Ok(receipts.into_iter().nth(index.0 as usize))
}

fn by_place(
    context: &Context,
    id: BlockId,
    index: Quantity,
) -> Result<Option<RpcTransaction>, Failure> {
    let Some(at) = context.find(id)? else { return Ok(None) };
    if at.pending {
        let header = context.next_header(&at.head);
        let base_fee = header.base_fee_per_gas;
        let candidates = candidates(context, &header);
        let found = usize::try_from(index.0).ok().and_then(|index| candidates.get(index));
        return Ok(found.map(|transaction| convert::pending_transaction(transaction, base_fee)));
    }
    let stored = context.block(at.height)?;
    match usize::try_from(index.0) {
        Ok(index) if index < stored.block.transactions().len() => {
            convert::transaction(&stored, index).map(Some)
        }
        _ => Ok(None),
    }
}
