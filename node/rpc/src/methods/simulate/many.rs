//! `eth_callMany` and `eth_createAccessList`.

use super::super::account::block_argument;
use super::super::call::call_request;
use super::super::debug::call_header;
use super::super::overrides::override_header;
use super::super::replay::{budget, rules, state_within};
use crate::context::Context;
use crate::error::{Failure, revert_message};
use crate::params::Args;
use alloy_primitives::U256;
use alloy_rpc_types_eth::state::StateOverride;
use alloy_rpc_types_eth::{
    AccessListResult, BlockOverrides, Bundle, EthCallResponse, StateContext, TransactionRequest,
};
use weft_trace::{Checks, ExecutionResult, World, access_list, halt_message};

/// Most calls of one request.
const CALLS_MAX: usize = 1000;

/// Bundles of calls, each bundle in a block of its own, each call on what the ones before have left.
pub(super) fn call_many(
    context: &Context,
    args: &mut Args<'_>,
) -> Result<Vec<Vec<EthCallResponse>>, Failure> {
    let bundles: Vec<Bundle> = args.required("bundles")?;
    let calls: usize = bundles.iter().map(|bundle| bundle.transactions.len()).sum();
    if calls > CALLS_MAX {
        let reason = format!("too many calls: expected at most {CALLS_MAX}, found {calls}");
        return Err(Failure::Limit { reason });
    }
    let place: StateContext = args.optional("stateContext")?.unwrap_or_default();
    let accounts: StateOverride = args.optional("stateOverrides")?.unwrap_or_default();
    let at = context.at(place.block_number.unwrap_or_default())?;
    let state = state_within(context, &at, place.transaction_index.unwrap_or_default().index())?;
    let mut world = World::new(&*state);
    let mut header = context.header(&at)?;
    world.override_all(&accounts, rules(context, &header).spec)?;
    let mut budget = budget(context, None)?;
    let mut answers = Vec::with_capacity(bundles.len());
    for bundle in bundles {
        if let Some(overrides) = &bundle.block_override {
            override_header(&mut header, overrides)?;
        }
        let mut of_bundle = Vec::with_capacity(bundle.transactions.len());
        for request in bundle.transactions {
            budget.check()?;
            let request = call_request(context, request)?;
            let rules = rules(context, &header);
            let (environment, call) =
                world.call(&request, &header, &rules, context.config.gas_cap)?;
            let result = world.advance(&environment, call, Checks::Call, &mut budget)?;
            of_bundle.push(response(&result));
        }
        answers.push(of_bundle);
        header.number += 1;
        header.timestamp += 1;
    }
    Ok(answers)
}

fn response(result: &ExecutionResult) -> EthCallResponse {
    match result {
        ExecutionResult::Success { output, .. } => {
            EthCallResponse { value: Some(output.data().clone()), error: None }
        }
        failed => EthCallResponse { value: None, error: failure(failed) },
    }
}

/// Why a call failed, if it did.
fn failure(result: &ExecutionResult) -> Option<String> {
    match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { output, .. } => Some(revert_message(output)),
        ExecutionResult::Halt { reason, .. } => Some(halt_message(reason)),
    }
}

/// The access list (EIP-2930) that names what a transaction touches besides what is warm anyway, and its gas with it.
pub(super) fn create_access_list(
    context: &Context,
    args: &mut Args<'_>,
) -> Result<AccessListResult, Failure> {
    let request: TransactionRequest = args.required("transaction")?;
    let at = block_argument(context, args)?;
    let accounts: StateOverride = args.optional("stateOverrides")?.unwrap_or_default();
    let overrides: Option<BlockOverrides> = args.optional("blockOverrides")?;
    let state = context.state(&at)?;
    let mut world = World::new(&*state);
    let header = call_header(context, &at, overrides, &mut world)?;
    let rules = rules(context, &header);
    world.override_all(&accounts, rules.spec)?;
    let request = call_request(context, request)?;
    let (environment, call) = world.call(&request, &header, &rules, context.config.gas_cap)?;
    let mut budget = budget(context, None)?;
    let (access_list, result) = access_list(&mut world, &environment, call, &mut budget)?;
    let gas_used = U256::from(result.tx_gas_used());
    Ok(AccessListResult { access_list, gas_used, error: failure(&result) })
}
