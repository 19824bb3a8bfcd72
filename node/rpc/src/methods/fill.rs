//! `eth_fillTransaction`: a request with everything that the caller left open, ready to be signed.
//!
//! What is filled: the chain id; the nonce after the sender's transactions in the pool; the type (4
//! with authorisations, 0 or 1 with a gas price, else 2); the tip by the oracle of
//! `eth_maxPriorityFeePerGas`; the fee cap as the tip and twice the next base fee, which outlasts six
//! full blocks; the gas as `eth_estimateGas` at `pending`.

use super::Module;
use super::account::account_at;
use super::bounded::{Bounded, Patience, bounded};
use super::call::call_request;
use super::fees::oracle::suggested_tip;
use crate::context::{At, Context};
use crate::convert::pending_transaction;
use crate::error::Failure;
use crate::params::Args;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::BlockId;
use alloy_primitives::{Signature, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use serde_json::{Value, json};
use weft_evm::CallRequest;
use weft_types::transaction::encode_transaction;
use weft_types::{RecoveredTransaction, Transaction};

pub(super) fn register(module: &mut Module) {
    bounded(module, "eth_fillTransaction", 1, fill);
}

/// Prices of a transaction, in wei.
enum Fees {
    Price(u128),
    Dynamic { max_fee: u128, tip: u128 },
}

/// `raw` is the transaction with an empty signature, as geth has it.
fn fill(context: &Context, args: &mut Args<'_>, patience: &Patience) -> Result<Value, Failure> {
    let request: TransactionRequest = args.required("transaction")?;
    let ty = transaction_type(&request)?;
    let mut call = call_request(context, request)?;
    let at = context.at(BlockId::pending())?;
    let fees = fees(context, &at, ty, &call)?;
    let nonce = match call.nonce {
        Some(nonce) => nonce,
        None => {
            let next = account_at(context, &at, &call.from)?.nonce;
            context.backend.pool.pending_nonce(&call.from, next)
        }
    };
    call.nonce = Some(nonce);
    let gas = match call.gas {
        Some(gas) => gas,
        None => estimate(context, &at, &call, patience)?,
    };
    let from = call.from;
    let unsigned = build(context.backend.params.chain_id, ty, call, nonce, gas, &fees);
    let raw = encode_transaction(&unsigned);
    let unsigned = RecoveredTransaction::new_unchecked(unsigned, from);
    let tx = pending_transaction(&unsigned);
    Ok(json!({ "raw": raw, "tx": tx }))
}

fn refuse(reason: impl Into<String>) -> Failure {
    Failure::Argument { index: 0, name: "transaction", reason: reason.into() }
}

/// The type that is named, or that follows from the fields.
fn transaction_type(request: &TransactionRequest) -> Result<u8, Failure> {
    let dynamic = request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
    let delegates = request.authorization_list.is_some();
    let follows = match () {
        () if delegates => 4,
        () if request.gas_price.is_none() => 2,
        () if request.access_list.is_some() => 1,
        () => 0,
    };
    let ty = request.transaction_type.unwrap_or(follows);
    let fits = match ty {
        0 => !dynamic && !delegates && request.access_list.is_none(),
        1 => !dynamic && !delegates,
        2 => request.gas_price.is_none() && !delegates,
        4 => request.gas_price.is_none(),
        3 => return Err(refuse("blob transactions are not supported on this chain")),
        other => return Err(refuse(format!("transaction type not supported: type {other}"))),
    };
    if fits { Ok(ty) } else { Err(refuse(format!("the fields do not fit type {ty}"))) }
}

fn fees(context: &Context, at: &At, ty: u8, call: &CallRequest) -> Result<Fees, Failure> {
    let base_fee = u128::from(context.next_base_fee(at.head.block.header()));
    if ty < 2 {
        return Ok(Fees::Price(match call.gas_price {
            Some(price) => price,
            None => base_fee + suggested_tip(context)?,
        }));
    }
    let tip = match (call.max_priority_fee_per_gas, call.max_fee_per_gas) {
        (Some(tip), _) => tip,
        (None, Some(max_fee)) => suggested_tip(context)?.min(max_fee),
        (None, None) => suggested_tip(context)?,
    };
    let max_fee = call.max_fee_per_gas.unwrap_or(tip.saturating_add(2 * base_fee));
    if max_fee < tip {
        let reason = format!("maxFeePerGas ({max_fee}) < maxPriorityFeePerGas ({tip})");
        return Err(refuse(reason));
    }
    Ok(Fees::Dynamic { max_fee, tip })
}

/// Without prices: what the sender can pay is told when it sends.
fn estimate(
    context: &Context,
    at: &At,
    call: &CallRequest,
    patience: &Patience,
) -> Result<u64, Failure> {
    let free = CallRequest {
        gas_price: None,
        max_fee_per_gas: None,
        max_priority_fee_per_gas: None,
        nonce: None,
        ..call.clone()
    };
    let (header, state) = (context.header(at)?, context.state(at)?);
    let state = Bounded::new(state, patience);
    let (rules, cap) = (context.rules(&header), context.config.gas_cap);
    Ok(weft_evm::estimate_gas(&free, &header, &state, &rules, cap)?)
}

fn build(
    chain_id: u64,
    ty: u8,
    call: CallRequest,
    nonce: u64,
    gas: u64,
    fees: &Fees,
) -> Transaction {
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    let to = call.to.map_or(TxKind::Create, TxKind::Call);
    let CallRequest { value, input, access_list, authorization_list, .. } = call;
    let (price, tip) = match fees {
        Fees::Price(price) => (*price, *price),
        Fees::Dynamic { max_fee, tip } => (*max_fee, *tip),
    };
    let (gas_limit, gas_price) = (gas, price);
    match ty {
        0 => TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input }
            .into_signed(signature)
            .into(),
        1 => TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }
            .into_signed(signature)
            .into(),
        4 => TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: price,
            max_priority_fee_per_gas: tip,
            // A creation is refused by the estimate, and by the pool.
            to: call.to.unwrap_or_default(),
            value,
            access_list,
            authorization_list,
            input,
        }
        .into_signed(signature)
        .into(),
        _ => TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: price,
            max_priority_fee_per_gas: tip,
            to,
            value,
            access_list,
            input,
        }
        .into_signed(signature)
        .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(request: Value) -> Result<u8, i32> {
        let request = serde_json::from_value(request).unwrap();
        transaction_type(&request).map_err(|failure| failure.code())
    }

    #[test]
    fn the_type_follows_from_the_fields_and_must_fit_them() {
        let list = json!([]);
        assert_eq!(ty(json!({})), Ok(2));
        assert_eq!(ty(json!({ "accessList": list })), Ok(2));
        assert_eq!(ty(json!({ "gasPrice": "0x1" })), Ok(0));
        assert_eq!(ty(json!({ "gasPrice": "0x1", "accessList": list })), Ok(1));
        assert_eq!(ty(json!({ "authorizationList": list })), Ok(4));
        assert_eq!(ty(json!({ "type": "0x0" })), Ok(0));
        assert_eq!(ty(json!({ "type": "0x1", "gasPrice": "0x1" })), Ok(1));
        for bad in [
            json!({ "type": "0x3" }),
            json!({ "type": "0x9" }),
            json!({ "type": "0x2", "gasPrice": "0x1" }),
            json!({ "type": "0x0", "maxFeePerGas": "0x1" }),
            json!({ "type": "0x0", "accessList": list }),
            json!({ "type": "0x1", "authorizationList": list }),
        ] {
            assert_eq!(ty(bad.clone()), Err(-32602), "{bad}");
        }
    }
}
