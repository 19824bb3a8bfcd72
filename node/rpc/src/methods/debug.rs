//! Geth's `debug_trace*`: what transactions did, instruction by instruction or call by call.

use super::account::block_argument;
use super::block::{hash as block_hash, number as block_number};
use super::call::call_request;
use super::overrides::override_header;
use super::replay::{Replay, budget, rules, state_within};
use super::{Module, blocking};
use crate::context::{At, Context, Work};
use crate::error::Failure;
use crate::params::Args;
use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::{BlockOverrides, Bundle, StateContext, TransactionRequest};
use alloy_rpc_types_trace::geth::{
    GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace, TraceResult,
};
use weft_trace::{Budget, Checks, GethTracer, TransactionContext, World};
use weft_types::Header;

pub(super) fn register(module: &mut Module) {
    blocking(module, "debug_traceTransaction", 2, Work::Trace, transaction);
    blocking(module, "debug_traceBlockByNumber", 2, Work::Trace, |context, args| {
        let id = block_number(args)?;
        block(context, id, args)
    });
    blocking(module, "debug_traceBlockByHash", 2, Work::Trace, |context, args| {
        let id = block_hash(args)?;
        block(context, id, args)
    });
    blocking(module, "debug_traceBlock", 2, Work::Trace, |context, args| {
        let rlp: Bytes = args.required("block")?;
        whole(context, &Replay::decode(context, &rlp)?, options(args)?)
    });
    blocking(module, "debug_traceCall", 3, Work::Trace, call);
    blocking(module, "debug_traceCallMany", 3, Work::Trace, call_many);
}

fn options(args: &mut Args<'_>) -> Result<GethDebugTracingOptions, Failure> {
    Ok(args.optional("options")?.unwrap_or_default())
}

fn transaction(context: &Context, args: &mut Args<'_>) -> Result<GethTrace, Failure> {
    let hash: B256 = args.required("hash")?;
    let options = options(args)?;
    let Some((height, index)) = context.backend.store.transaction_location(&hash)? else {
        return Err(Failure::Refused { reason: "transaction not found".to_owned() });
    };
    let (mut budget, replay) =
        (budget(context, options.timeout.as_deref())?, Replay::of(context, height)?);
    let mut tracer = GethTracer::new(options)?;
    let index = index.0 as usize;
    let listed = replay.listed(index)?;
    let mut world = replay.world(listed.as_ref(), index, &mut budget)?;
    one(&replay, index, &mut tracer, &mut world, &mut budget)
}

/// Traces a transaction of a block in the world before it.
fn one(
    replay: &Replay,
    index: usize,
    tracer: &mut GethTracer,
    world: &mut World<'_>,
    budget: &mut Budget,
) -> Result<GethTrace, Failure> {
    let (environment, place) = (&replay.environment, replay.place(index));
    let transaction = replay.transaction(index)?;
    let (trace, _) =
        tracer.trace(world, environment, transaction, Checks::Protocol, place, budget)?;
    Ok(trace)
}

fn block(context: &Context, id: BlockId, args: &mut Args<'_>) -> Result<Vec<TraceResult>, Failure> {
    let options = options(args)?;
    let not_found = || {
        let name = match id {
            BlockId::Hash(hash) => format!("block {:#x}", hash.block_hash),
            BlockId::Number(number) => format!("block {number}"),
        };
        Failure::Refused { reason: format!("{name} not found") }
    };
    let at = context.find(id)?.ok_or_else(not_found)?;
    if at.pending {
        let reason = "the pending block has not been run yet; trace latest, or use debug_traceCall";
        return Err(Failure::Refused { reason: reason.to_owned() });
    }
    whole(context, &Replay::of(context, at.height)?, options)
}

fn whole(
    context: &Context,
    replay: &Replay,
    options: GethDebugTracingOptions,
) -> Result<Vec<TraceResult>, Failure> {
    let mut budget = budget(context, options.timeout.as_deref())?;
    let mut tracer = GethTracer::new(options)?;
    let mut world = replay.beginning()?;
    let mut traces = Vec::with_capacity(replay.transactions.len());
    for (index, transaction) in replay.transactions.iter().enumerate() {
        budget.check()?;
        let result = one(replay, index, &mut tracer, &mut world, &mut budget)?;
        traces.push(TraceResult::Success { result, tx_hash: Some(*transaction.tx_hash()) });
    }
    Ok(traces)
}

fn call(context: &Context, args: &mut Args<'_>) -> Result<GethTrace, Failure> {
    let request: TransactionRequest = args.required("transaction")?;
    let at = block_argument(context, args)?;
    let options: GethDebugTracingCallOptions = args.optional("options")?.unwrap_or_default();
    let tracing = options.tracing_options;
    let mut budget = budget(context, tracing.timeout.as_deref())?;
    let mut tracer = GethTracer::new(tracing)?;
    let index = options.tx_index.map(|index| usize::try_from(index).unwrap_or(usize::MAX));
    let state = state_within(context, &at, index)?;
    let mut world = World::new(&*state);
    let header = call_header(context, &at, options.block_overrides, &mut world)?;
    if let Some(overrides) = &options.state_overrides {
        world.override_all(overrides, rules(context, &header).spec)?;
    }
    simulated(context, &mut world, &header, request, &mut tracer, &mut budget)
}

/// The header whose environment calls run in, and the hashes that its overrides name.
pub(super) fn call_header(
    context: &Context,
    at: &At,
    overrides: Option<BlockOverrides>,
    world: &mut World<'_>,
) -> Result<Header, Failure> {
    let mut header = context.header(at)?;
    if let Some(overrides) = overrides {
        override_header(&mut header, &overrides)?;
        for (number, hash) in overrides.block_hash.unwrap_or_default() {
            world.set_block_hash(number, hash);
        }
    }
    Ok(header)
}

/// Traces a call, and keeps what it does for the next one.
fn simulated(
    context: &Context,
    world: &mut World<'_>,
    header: &Header,
    request: TransactionRequest,
    tracer: &mut GethTracer,
    budget: &mut Budget,
) -> Result<GethTrace, Failure> {
    let request = call_request(context, request)?;
    let rules = rules(context, header);
    let (environment, call) = world.call(&request, header, &rules, context.config.gas_cap)?;
    let place = TransactionContext::default();
    let (trace, _) = tracer.trace(world, &environment, call, Checks::Call, place, budget)?;
    Ok(trace)
}

fn call_many(context: &Context, args: &mut Args<'_>) -> Result<Vec<Vec<GethTrace>>, Failure> {
    let bundles: Vec<Bundle> = args.required("bundles")?;
    let place: StateContext = args.optional("stateContext")?.unwrap_or_default();
    let options: GethDebugTracingCallOptions = args.optional("options")?.unwrap_or_default();
    let tracing = options.tracing_options;
    let mut budget = budget(context, tracing.timeout.as_deref())?;
    let mut tracer = GethTracer::new(tracing)?;
    let at = context.at(place.block_number.unwrap_or_default())?;
    let index = place.transaction_index.unwrap_or_default().index();
    let state = state_within(context, &at, index)?;
    let mut world = World::new(&*state);
    let mut header = call_header(context, &at, options.block_overrides, &mut world)?;
    if let Some(overrides) = &options.state_overrides {
        world.override_all(overrides, rules(context, &header).spec)?;
    }
    let mut traces = Vec::new();
    for bundle in bundles {
        if let Some(overrides) = &bundle.block_override {
            override_header(&mut header, overrides)?;
        }
        let mut of_bundle = Vec::new();
        for request in bundle.transactions {
            budget.check()?;
            let trace = simulated(context, &mut world, &header, request, &mut tracer, &mut budget)?;
            of_bundle.push(trace);
        }
        traces.push(of_bundle);
        // Each bundle is a block of its own.
        header.number += 1;
        header.timestamp += 1;
    }
    Ok(traces)
}
