//! `eth_call` and `eth_estimateGas`: what a transaction would do, without sending it.

use super::Module;
use super::account::block_argument;
use super::bounded::{Bounded, Patience, bounded};
use super::overrides::{BlockFields, Overlay, override_header};
use super::replay::print_console;
use crate::context::Context;
use crate::error::Failure;
use crate::params::Args;
use alloy_primitives::{Bytes, TxKind, U64};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_eth::state::StateOverride;
use std::sync::Arc;
use weft_evm::{CallRequest, CallStatus};
use weft_types::{Header, StateReader};

pub(super) fn register(module: &mut Module) {
    bounded(module, "eth_call", 4, call);
    bounded(module, "eth_estimateGas", 4, estimate);
}

/// A request with the world that it runs in.
struct Simulation {
    request: CallRequest,
    header: Header,
    state: Bounded,
}

fn call(context: &Context, args: &mut Args<'_>, patience: &Patience) -> Result<Bytes, Failure> {
    let Simulation { request, header, state } = simulation(context, args, patience)?;
    print_console(context, &request, &header, &state);
    let rules = context.rules(&header);
    let outcome = weft_evm::call(&request, &header, &state, &rules, context.config.gas_cap)?;
    match outcome.status {
        CallStatus::Success => Ok(outcome.output),
        CallStatus::Reverted => Err(Failure::Reverted { output: outcome.output }),
        CallStatus::Halted { reason, .. } => Err(Failure::Refused { reason }),
    }
}

/// The nonce is not judged: a wallet estimates the transaction after the next one too.
fn estimate(context: &Context, args: &mut Args<'_>, patience: &Patience) -> Result<U64, Failure> {
    let Simulation { mut request, header, state } = simulation(context, args, patience)?;
    request.nonce = None;
    print_console(context, &request, &header, &state);
    let rules = context.rules(&header);
    let gas = weft_evm::estimate_gas(&request, &header, &state, &rules, context.config.gas_cap)?;
    Ok(U64::from(gas))
}

fn simulation(
    context: &Context,
    args: &mut Args<'_>,
    patience: &Patience,
) -> Result<Simulation, Failure> {
    let request = call_request(context, args.required("transaction")?)?;
    let at = block_argument(context, args)?;
    let accounts: StateOverride = args.optional("stateOverrides")?.unwrap_or_default();
    let BlockFields(block) = args.optional("blockOverrides")?.unwrap_or_default();
    let mut header = context.header(&at)?;
    let mut state: Arc<dyn StateReader> = context.state(&at)?;
    if !accounts.is_empty() || block.block_hash.is_some() {
        state = Arc::new(Overlay::new(state, accounts, &block)?);
    }
    override_header(&mut header, &block)?;
    Ok(Simulation { request, header, state: Bounded::new(state, patience) })
}

/// What a request asks to simulate.
///
/// # Errors
/// [`Failure::Argument`] for one that contradicts itself or the chain.
pub(super) fn call_request(
    context: &Context,
    request: TransactionRequest,
) -> Result<CallRequest, Failure> {
    let refuse = |reason: String| Failure::Argument { index: 0, name: "transaction", reason };
    let want = context.backend.params.chain_id;
    if let Some(have) = request.chain_id
        && have != want
    {
        return Err(refuse(format!("chainId does not match: have {have}, want {want}")));
    }
    let blobs = request.blob_versioned_hashes.is_some() || request.max_fee_per_blob_gas.is_some();
    if blobs && !context.backend.forks.is_ethereum() {
        return Err(refuse("blob transactions are not supported on this chain".to_owned()));
    }
    if request.gas_price.is_some()
        && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        let reason = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
        return Err(refuse(reason.to_owned()));
    }
    let input = request.input.try_into_unique_input().map_err(|_| {
        refuse("both data and input are set and not equal; use input only".to_owned())
    })?;
    Ok(CallRequest {
        from: request.from.unwrap_or_default(),
        to: match request.to {
            Some(TxKind::Call(to)) => Some(to),
            Some(TxKind::Create) | None => None,
        },
        gas: request.gas,
        gas_price: request.gas_price,
        max_fee_per_gas: request.max_fee_per_gas,
        max_priority_fee_per_gas: request.max_priority_fee_per_gas,
        value: request.value.unwrap_or_default(),
        input: input.unwrap_or_default(),
        nonce: request.nonce,
        access_list: request.access_list.unwrap_or_default(),
        authorization_list: request.authorization_list.unwrap_or_default(),
        blob_hashes: request.blob_versioned_hashes.unwrap_or_default(),
        max_fee_per_blob_gas: request.max_fee_per_blob_gas,
    })
}
