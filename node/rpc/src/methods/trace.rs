//! Parity's `trace_*`: the calls of transactions as a flat list, their steps, and what they changed.

use super::account::block_argument;
use super::call::call_request;
use super::debug::call_header;
use super::replay::{Replay, budget, rules};
use super::{Module, blocking};
use crate::context::{At, Context, Work};
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_eips::BlockId;
use alloy_primitives::map::HashSet;
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::state::StateOverride;
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest};
use alloy_rpc_types_trace::parity::{
    LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType,
};
use weft_evm::Environment;
use weft_trace::{Budget, Checks, World, parity};
use weft_types::transaction::decode_transaction;
use weft_types::{Header, RecoveredTransaction};

mod filter;

/// Most calls that one `trace_callMany` runs.
const CALLS_MAX: usize = 1000;

pub(super) fn register(module: &mut Module) {
    blocking(module, "trace_block", 1, Work::Trace, block);
    blocking(module, "trace_transaction", 1, Work::Trace, |context, args| {
        transaction(context, args.required("hash")?)
    });
    blocking(module, "trace_get", 2, Work::Trace, get);
    blocking(module, "trace_filter", 1, Work::Trace, filter::filter);
    blocking(module, "trace_call", 5, Work::Trace, call);
    blocking(module, "trace_callMany", 2, Work::Trace, call_many);
    blocking(module, "trace_rawTransaction", 3, Work::Trace, raw_transaction);
    blocking(module, "trace_replayTransaction", 2, Work::Trace, replay_transaction);
    blocking(module, "trace_replayBlockTransactions", 2, Work::Trace, replay_block);
}

fn block(
    context: &Context,
    args: &mut Args<'_>,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, Failure> {
    let Some(at) = context.find(args.required::<BlockId>("block")?)? else { return Ok(None) };
    if at.pending || at.height == 0 {
        // Nothing of the next block has run yet, and nothing ran in the first one.
        return Ok(Some(Vec::new()));
    }
    let mut budget = budget(context, None)?;
    block_traces(&Replay::of(context, at.height)?, &mut budget).map(Some)
}

/// The calls of all transactions of a block.
pub(super) fn block_traces(
    replay: &Replay,
    budget: &mut Budget,
) -> Result<Vec<LocalizedTransactionTrace>, Failure> {
    let mut world = replay.beginning()?;
    let mut traces = Vec::new();
    for (index, transaction) in replay.transactions.iter().enumerate() {
        budget.check()?;
        let transaction = Environment::transaction(transaction);
        let (environment, info) = (&replay.environment, replay.info(index));
        traces.extend(parity::call_traces(&mut world, environment, transaction, info, budget)?);
    }
    Ok(traces)
}

/// The calls of a committed transaction; `None` for an unknown one.
pub(super) fn transaction(
    context: &Context,
    hash: B256,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, Failure> {
    let Some((height, index)) = context.backend.store.transaction_location(&hash)? else {
        return Ok(None);
    };
    let mut budget = budget(context, None)?;
    let (replay, index) = (Replay::of(context, height)?, index.0 as usize);
    let listed = replay.listed(index)?;
    let mut world = replay.world(listed.as_ref(), index, &mut budget)?;
    let transaction = replay.transaction(index)?;
    let (environment, info) = (&replay.environment, replay.info(index));
    Ok(Some(parity::call_traces(&mut world, environment, transaction, info, &mut budget)?))
}

/// The call with this trace address: `[]` is the first one, `["0x0"]` the first that it made.
fn get(
    context: &Context,
    args: &mut Args<'_>,
) -> Result<Option<LocalizedTransactionTrace>, Failure> {
    let hash = args.required("hash")?;
    let address: Vec<Quantity> = args.required("indices")?;
    let address: Vec<usize> =
        address.iter().map(|index| usize::try_from(index.0).unwrap_or(usize::MAX)).collect();
    let traces = transaction(context, hash)?.unwrap_or_default();
    Ok(traces.into_iter().find(|trace| trace.trace.trace_address == address))
}

fn call(context: &Context, args: &mut Args<'_>) -> Result<TraceResults, Failure> {
    let request: TransactionRequest = args.required("transaction")?;
    let kinds: HashSet<TraceType> = args.required("traceTypes")?;
    let at = block_argument(context, args)?;
    let accounts: StateOverride = args.optional("stateOverrides")?.unwrap_or_default();
    let overrides: Option<BlockOverrides> = args.optional("blockOverrides")?;
    let state = context.state(&at)?;
    let mut world = World::new(&*state);
    let header = call_header(context, &at, overrides, &mut world)?;
    world.override_all(&accounts, rules(context, &header).spec)?;
    let mut budget = budget(context, None)?;
    simulated(context, &mut world, &header, (request, kinds), &mut budget)
}

fn call_many(context: &Context, args: &mut Args<'_>) -> Result<Vec<TraceResults>, Failure> {
    let calls: Vec<(TransactionRequest, HashSet<TraceType>)> = args.required("calls")?;
    if calls.len() > CALLS_MAX {
        let reason = format!("too many calls: expected at most {CALLS_MAX}, found {}", calls.len());
        return Err(Failure::Limit { reason });
    }
    let at = block_argument(context, args)?;
    let (state, header) = (context.state(&at)?, context.header(&at)?);
    let mut world = World::new(&*state);
    let mut budget = budget(context, None)?;
    let mut results = Vec::with_capacity(calls.len());
    for call in calls {
        budget.check()?;
        results.push(simulated(context, &mut world, &header, call, &mut budget)?);
    }
    Ok(results)
}

/// Runs a call, and keeps what it does for the next one.
fn simulated(
    context: &Context,
    world: &mut World<'_>,
    header: &Header,
    (request, kinds): (TransactionRequest, HashSet<TraceType>),
    budget: &mut Budget,
) -> Result<TraceResults, Failure> {
    let request = call_request(context, request)?;
    let rules = rules(context, header);
    let (environment, call) = world.call(&request, header, &rules, context.config.gas_cap)?;
    let (results, _) =
        parity::trace_results(world, &environment, call, Checks::Call, &kinds, budget)?;
    Ok(results)
}

/// What a signed transaction would do if it were the first one of the next block.
fn raw_transaction(context: &Context, args: &mut Args<'_>) -> Result<TraceResults, Failure> {
    let raw: Bytes = args.required("data")?;
    let kinds: HashSet<TraceType> = args.required("traceTypes")?;
    let at: At = match args.optional::<BlockId>("block")? {
        Some(id) => context.at(id)?,
        None => context.at(BlockId::pending())?,
    };
    let transaction = decode_transaction(&raw)?;
    let signer = alloy_consensus::transaction::SignerRecoverable::recover_signer(&transaction)
        .map_err(|error| Failure::Parameters { reason: error.to_string() })?;
    let transaction = RecoveredTransaction::new_unchecked(transaction, signer);
    let (state, header) = (context.state(&at)?, context.header(&at)?);
    let environment = Environment::new(&header, &rules(context, &header));
    let mut budget = budget(context, None)?;
    let (results, _) = parity::trace_results(
        &mut World::new(&*state),
        &environment,
        Environment::transaction(&transaction),
        Checks::Protocol,
        &kinds,
        &mut budget,
    )?;
    Ok(results)
}

fn replay_transaction(context: &Context, args: &mut Args<'_>) -> Result<TraceResults, Failure> {
    let hash: B256 = args.required("hash")?;
    let kinds: HashSet<TraceType> = args.required("traceTypes")?;
    let Some((height, index)) = context.backend.store.transaction_location(&hash)? else {
        return Err(Failure::Refused { reason: "transaction not found".to_owned() });
    };
    let mut budget = budget(context, None)?;
    let (replay, index) = (Replay::of(context, height)?, index.0 as usize);
    let listed = replay.listed(index)?;
    let mut world = replay.world(listed.as_ref(), index, &mut budget)?;
    results(&replay, index, &mut world, &kinds, &mut budget)
}

fn results(
    replay: &Replay,
    index: usize,
    world: &mut World<'_>,
    kinds: &HashSet<TraceType>,
    budget: &mut Budget,
) -> Result<TraceResults, Failure> {
    let (environment, checks) = (&replay.environment, Checks::Protocol);
    let transaction = replay.transaction(index)?;
    let (results, _) =
        parity::trace_results(world, environment, transaction, checks, kinds, budget)?;
    Ok(results)
}

fn replay_block(
    context: &Context,
    args: &mut Args<'_>,
) -> Result<Option<Vec<TraceResultsWithTransactionHash>>, Failure> {
    let id: BlockId = args.required("block")?;
    let kinds: HashSet<TraceType> = args.required("traceTypes")?;
    let Some(at) = context.find(id)? else { return Ok(None) };
    if at.pending || at.height == 0 {
        return Ok(Some(Vec::new()));
    }
    let replay = Replay::of(context, at.height)?;
    let mut budget = budget(context, None)?;
    let mut world = replay.beginning()?;
    let mut all = Vec::with_capacity(replay.transactions.len());
    for (index, transaction) in replay.transactions.iter().enumerate() {
        budget.check()?;
        let full_trace = results(&replay, index, &mut world, &kinds, &mut budget)?;
        let transaction_hash = *transaction.tx_hash();
        all.push(TraceResultsWithTransactionHash { full_trace, transaction_hash });
    }
    Ok(Some(all))
}
