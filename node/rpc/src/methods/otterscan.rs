//! `ots_*`: what the Otterscan block explorer asks for (API level 8), and `erigon_getHeaderByNumber`, which it calls first.

use super::account::block_argument;
use super::block::{hash as block_hash, number as block_number};
use super::replay::{Replay, budget};
use super::{Module, blocking, quick};
use crate::context::{At, Context, Work};
use crate::convert::{self, RpcReceipt, RpcTransaction};
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth as rpc;
use alloy_rpc_types_trace::geth::{CallFrame, GethDebugTracingOptions};
use alloy_rpc_types_trace::otterscan::{
    BlockDetails, InternalIssuance, InternalOperation, OtsBlock, OtsBlockTransactions, OtsReceipt,
    OtsTransactionReceipt, TraceEntry,
};
use weft_trace::{Checks, GethTracer, internal_operations};

mod search;

/// The version of Otterscan's interface that this is.
const API_LEVEL: u64 = 8;

pub(super) fn register(module: &mut Module) {
    quick(module, "ots_getApiLevel", 0, |_, _| Ok(API_LEVEL));
    blocking(module, "erigon_getHeaderByNumber", 1, Work::Read, |context, args| {
        let at = context.find(block_number(args)?)?;
        at.map(|at| Ok(convert::header(&context.block(at.height)?.block))).transpose()
    });
    blocking(module, "ots_hasCode", 2, Work::Read, |context, args| {
        let address: Address = args.required("address")?;
        let at = block_argument(context, args)?;
        let account = context.state(&at)?.account(&address)?;
        Ok(account.is_some_and(|account| account.has_code()))
    });
    blocking(module, "ots_getBlockDetails", 1, Work::Read, |context, args| {
        let id = block_number(args)?;
        details(context, id)
    });
    blocking(module, "ots_getBlockDetailsByHash", 1, Work::Read, |context, args| {
        let id = block_hash(args)?;
        details(context, id)
    });
    blocking(module, "ots_getBlockTransactions", 3, Work::Read, transactions);
    blocking(module, "ots_getInternalOperations", 1, Work::Trace, operations);
    blocking(module, "ots_traceTransaction", 1, Work::Trace, trace);
    blocking(module, "ots_getTransactionError", 1, Work::Trace, error);
    blocking(module, "ots_searchTransactionsBefore", 3, Work::Call, search::before);
    blocking(module, "ots_searchTransactionsAfter", 3, Work::Call, search::after);
    blocking(module, "ots_getTransactionBySenderAndNonce", 2, Work::Read, search::by_nonce);
    blocking(module, "ots_getContractCreator", 1, Work::Trace, search::creator);
}

/// The block that is named, which must be committed.
fn committed(context: &Context, id: BlockId) -> Result<Option<At>, Failure> {
    Ok(context.find(id)?.filter(|at| !at.pending))
}

fn details(context: &Context, id: BlockId) -> Result<Option<BlockDetails<rpc::Header>>, Failure> {
    let Some(at) = committed(context, id)? else { return Ok(None) };
    let stored = context.block(at.height)?;
    let receipts = convert::receipts(&stored, context.receipts(at.height)?)?;
    let fee = |receipt: &RpcReceipt| {
        U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price)
    };
    let total_fees = receipts.iter().map(fee).fold(U256::ZERO, U256::saturating_add);
    // Nobody is paid for a block but by its transactions.
    let issuance = InternalIssuance::default();
    Ok(Some(BlockDetails::new(convert::block(&stored, false)?, issuance, total_fees)))
}

/// Transactions of a block in pages; page 0 has the last ones.
fn transactions(
    context: &Context,
    args: &mut Args<'_>,
) -> Result<Option<OtsBlockTransactions<RpcTransaction, rpc::Header>>, Failure> {
    let id = block_number(args)?;
    let (page, size): (Quantity, Quantity) = (args.required("page")?, args.required("pageSize")?);
    let Some(at) = committed(context, id)? else { return Ok(None) };
    let stored = context.block(at.height)?;
    let mut receipts = convert::receipts(&stored, context.receipts(at.height)?)?;
    let mut block = OtsBlock::from(convert::block(&stored, true)?);
    let all = receipts.len() as u64;
    let end = all.saturating_sub(page.0.saturating_mul(size.0));
    let start = end.saturating_sub(size.0);
    let (start, end) = (start as usize, end as usize);
    if let rpc::BlockTransactions::Full(transactions) = &mut block.block.transactions {
        *transactions = transactions.drain(start..end).collect();
    }
    let time = stored.block.header().timestamp;
    let receipts = receipts.drain(start..end).map(|receipt| short_receipt(receipt, time));
    Ok(Some(OtsBlockTransactions { receipts: receipts.collect(), fullblock: block }))
}

/// A receipt without its logs.
fn short_receipt(receipt: RpcReceipt, timestamp: u64) -> OtsTransactionReceipt {
    let inner = OtsReceipt {
        status: receipt.inner.status(),
        cumulative_gas_used: receipt.inner.cumulative_gas_used(),
        logs: None,
        logs_bloom: None,
        r#type: receipt.inner.tx_type() as u8,
    };
    let receipt = rpc::TransactionReceipt {
        inner,
        transaction_hash: receipt.transaction_hash,
        transaction_index: receipt.transaction_index,
        block_hash: receipt.block_hash,
        block_number: receipt.block_number,
        gas_used: receipt.gas_used,
        effective_gas_price: receipt.effective_gas_price,
        blob_gas_used: receipt.blob_gas_used,
        blob_gas_price: receipt.blob_gas_price,
        from: receipt.from,
        to: receipt.to,
        contract_address: receipt.contract_address,
    };
    OtsTransactionReceipt { receipt, timestamp: Some(timestamp) }
}

/// Where a transaction is, for methods that run it again.
fn located(context: &Context, args: &mut Args<'_>) -> Result<(Replay, usize), Failure> {
    let hash: B256 = args.required("hash")?;
    let place = context.backend.store.transaction_location(&hash)?;
    let not_found = || Failure::Refused { reason: "transaction not found".to_owned() };
    let (height, index) = place.ok_or_else(not_found)?;
    Ok((Replay::of(context, height)?, index.0 as usize))
}

fn operations(context: &Context, args: &mut Args<'_>) -> Result<Vec<InternalOperation>, Failure> {
    let (replay, index) = located(context, args)?;
    let mut budget = budget(context, None)?;
    let listed = replay.listed(index)?;
    let mut world = replay.world(listed.as_ref(), index, &mut budget)?;
    let transaction = replay.transaction(index)?;
    Ok(internal_operations(&mut world, &replay.environment, transaction, &mut budget)?)
}

/// What a committed transaction returned when it reverted; empty when it did not.
fn error(context: &Context, args: &mut Args<'_>) -> Result<Bytes, Failure> {
    let (replay, index) = located(context, args)?;
    let mut budget = budget(context, None)?;
    let listed = replay.listed(index)?;
    let mut world = replay.world(listed.as_ref(), index, &mut budget)?;
    let transaction = replay.transaction(index)?;
    let result = world.advance(&replay.environment, transaction, Checks::Protocol, &mut budget)?;
    Ok(match result {
        weft_trace::ExecutionResult::Revert { output, .. } => output,
        _ => Bytes::new(),
    })
}

fn trace(context: &Context, args: &mut Args<'_>) -> Result<Vec<TraceEntry>, Failure> {
    let (replay, index) = located(context, args)?;
    let frame = call_frame(context, &replay, index)?;
    let mut entries = Vec::new();
    flatten(frame, 0, &mut entries);
    Ok(entries)
}

/// The calls of a transaction.
fn call_frame(context: &Context, replay: &Replay, index: usize) -> Result<CallFrame, Failure> {
    let mut budget = budget(context, None)?;
    let mut tracer = GethTracer::new(GethDebugTracingOptions::call_tracer(Default::default()))?;
    let listed = replay.listed(index)?;
    let mut world = replay.world(listed.as_ref(), index, &mut budget)?;
    let (environment, place) = (&replay.environment, replay.place(index));
    let (transaction, checks) = (replay.transaction(index)?, Checks::Protocol);
    let (trace, _) =
        tracer.trace(&mut world, environment, transaction, checks, place, &mut budget)?;
    trace.try_into_call_frame().map_err(Failure::internal)
}

/// Depth first; calls nest at most 1024 deep.
fn flatten(frame: CallFrame, depth: u32, entries: &mut Vec<TraceEntry>) {
    entries.push(TraceEntry {
        r#type: frame.typ,
        depth,
        from: frame.from,
        to: frame.to.unwrap_or_default(),
        value: frame.value,
        input: frame.input,
        output: frame.output.unwrap_or_default(),
    });
    for call in frame.calls {
        flatten(call, depth + 1, entries);
    }
}
