//! Signing for callers: with the keys of a devnet's funded accounts, and, for impersonated senders, without any.

use super::call::call_request;
use super::fees::oracle::suggested_tip;
use super::send::included;
use super::{Module, blocking, encode, quick};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Args;
use alloy_consensus::{SignableTransaction, TypedTransaction};
use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use weft_pool::Origin;
use weft_types::impersonation::impersonated_signature;
use weft_types::limits::TRANSACTION_GAS_MAX;
use weft_types::transaction::encode_transaction;
use weft_types::{RecoveredTransaction, Settings, Transaction};

/// How long `weft_fundAddress` waits for its transfer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What it gives when the caller does not say, in wei: one ether.
const GIFT: u64 = 1_000_000_000_000_000_000;

pub(super) fn register(module: &mut Module) {
    quick(module, "eth_accounts", 0, |context, _| Ok(context.backend.devnet.accounts.addresses()));
    blocking(module, "eth_sendTransaction", 1, Work::Call, |context, args| {
        let request: TransactionRequest = args.required("transaction")?;
        submit(context, signed(context, request)?)
    });
    blocking(module, "eth_signTransaction", 1, Work::Call, |context, args| {
        let request: TransactionRequest = args.required("transaction")?;
        let from = request.from.unwrap_or_default();
        if !context.backend.devnet.accounts.has(from) {
            return Err(locked(from));
        }
        Ok(encode_transaction(signed(context, request)?.inner()))
    });
    quick(module, "eth_sign", 2, |context, args| {
        let (address, message) = (args.required("address")?, args.required("data")?);
        sign_message(context, address, &message)
    });
    quick(module, "personal_sign", 3, |context, args| {
        let (message, address) = (args.required("data")?, args.required("address")?);
        sign_message(context, address, &message)
    });
    for name in ["eth_signTypedData_v4", "eth_signTypedData"] {
        blocking(module, name, 2, Work::Call, sign_typed_data);
    }
    module
        .register_async_method("weft_fundAddress", |params, context, _| async move {
            fund(&params, &context).await.map_err(ErrorObjectOwned::from)
        })
        .expect("every method is registered once");
}

fn locked(address: Address) -> Failure {
    let reason = format!(
        "unknown account {address}: this node holds keys of a devnet's funded accounts only; sign with your own key and \
         use eth_sendRawTransaction"
    );
    Failure::Refused { reason }
}

fn sign_message(context: &Context, address: Address, message: &Bytes) -> Result<Bytes, Failure> {
    let signature = context.backend.devnet.accounts.sign_message(address, message);
    Ok(signature.ok_or_else(|| locked(address))?.as_bytes().into())
}

/// As an object, or as text that holds one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Typed {
    Text(String),
    Object(Box<TypedData>),
}

fn sign_typed_data(context: &Context, args: &mut Args<'_>) -> Result<Bytes, Failure> {
    let address = args.required("address")?;
    let malformed = |reason: String| Failure::Argument { index: 1, name: "typedData", reason };
    let data = match args.required("typedData")? {
        Typed::Object(data) => *data,
        Typed::Text(text) => {
            serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?
        }
    };
    let hash = data.eip712_signing_hash().map_err(|error| malformed(error.to_string()))?;
    let signature = context.backend.devnet.accounts.sign_hash(address, &hash);
    Ok(signature.ok_or_else(|| locked(address))?.as_bytes().into())
}

/// The transaction that a request describes, signed or, for an impersonated sender, named.
fn signed(context: &Context, request: TransactionRequest) -> Result<RecoveredTransaction, Failure> {
    let accounts = &context.backend.devnet.accounts;
    let from = match request.from {
        Some(from) => from,
        None => *accounts.addresses().first().ok_or_else(|| locked(Address::ZERO))?,
    };
    if !accounts.has(from) && !is_impersonated(context, from)? {
        return Err(locked(from));
    }
    let transaction = filled(context, TransactionRequest { from: Some(from), ..request })?;
    let hash = transaction.signature_hash();
    let signature = accounts.sign_hash(from, &hash);
    let signature = signature.unwrap_or_else(|| impersonated_signature(from));
    let signed: Transaction = transaction.into_signed(signature).into();
    Ok(RecoveredTransaction::new_unchecked(signed, from))
}

fn is_impersonated(context: &Context, from: Address) -> Result<bool, Failure> {
    let (params, head) = (&context.backend.params, context.backend.store.head());
    if !params.devnet_cheats {
        return Ok(false);
    }
    Ok(Settings::read(params, &*head.state)?.impersonates(from, &*head.state)?)
}

/// Completes a request as a wallet would: nonce, gas, fees.
fn filled(context: &Context, request: TransactionRequest) -> Result<TypedTransaction, Failure> {
    let call = call_request(context, request.clone())?;
    let backend = &context.backend;
    let head = backend.store.head();
    let header = context.next_header(&head);
    let from = request.from.unwrap_or_default();
    let state_nonce = head.state.account(&from)?.unwrap_or_default().nonce;
    let pending = backend.pool.pending_nonce(&from, state_nonce);
    if let Some(nonce) = request.nonce.filter(|nonce| *nonce > pending) {
        let devnet = context.config.devnet;
        return Err(Failure::NonceTooHigh { next: pending, nonce, devnet });
    }
    let gas = match request.gas {
        Some(gas) => gas,
        None => {
            let call = weft_evm::CallRequest { nonce: None, ..call };
            let rules = context.rules(&header);
            let cap = context.config.gas_cap;
            let exact = weft_evm::estimate_gas(&call, &header, &*head.state, &rules, cap)?;
            // The state may have changed a little until it is included.
            let spare = if exact > 21_000 { exact / 5 } else { 0 };
            (exact + spare).min(TRANSACTION_GAS_MAX).min(header.gas_limit)
        }
    };
    let base_fee = u128::from(header.base_fee_per_gas.unwrap_or_default());
    let mut request = TransactionRequest {
        nonce: request.nonce.or(Some(pending)),
        gas: Some(gas),
        chain_id: Some(backend.params.chain_id),
        value: request.value.or(Some(U256::ZERO)),
        input: TransactionInput::new(call_input(&request)),
        to: request.to.or(Some(alloy_primitives::TxKind::Create)),
        ..request
    };
    if request.gas_price.is_none() {
        let tip = match request.max_priority_fee_per_gas {
            Some(tip) => tip,
            None => suggested_tip(context)?,
        };
        let fee = request.max_fee_per_gas.unwrap_or(base_fee * 2 + tip);
        request.max_fee_per_gas = Some(fee);
        request.max_priority_fee_per_gas = Some(tip.min(fee));
    }
    let incomplete = |_| Failure::Argument {
        index: 0,
        name: "transaction",
        reason: "its fields do not make a transaction of one type".to_owned(),
    };
    request.build_typed_tx().map_err(incomplete)
}

fn call_input(request: &TransactionRequest) -> Bytes {
    request.input.input().cloned().unwrap_or_default()
}

/// Hands a transaction to the pool, and tells the node.
fn submit(context: &Context, transaction: RecoveredTransaction) -> Result<B256, Failure> {
    let backend = &context.backend;
    let head = backend.store.head();
    let pool = &backend.pool;
    let admitted = pool.admit(transaction, Origin::Rpc, &*head.state, head.block.header())?;
    backend.submitted(vec![admitted.transaction]);
    Ok(admitted.hash)
}

/// `[address, wei]`: a transfer from the last funded account, and its hash when it is included.
async fn fund(params: &Params<'static>, context: &Arc<Context>) -> Result<Box<RawValue>, Failure> {
    let mut args = Args::new(params, 2)?;
    let to: Address = args.required("address")?;
    let value = args.optional::<U256>("amount")?.unwrap_or(U256::from(GIFT));
    let mut heads = context.backend.heads.subscribe();
    let worker = Arc::clone(context);
    let give = move || {
        let from = worker.backend.devnet.accounts.addresses().pop();
        let from = from.ok_or_else(|| Failure::Unsupported {
            reason:
                "weft_fundAddress gives from a devnet's funded accounts, and this node has none"
                    .to_owned(),
        })?;
        let request = TransactionRequest {
            from: Some(from),
            to: Some(to.into()),
            value: Some(value),
            ..TransactionRequest::default()
        };
        let hash = submit(&worker, signed(&worker, request)?)?;
        Ok::<_, Failure>((hash, super::cheats::settings(&worker)?.manual))
    };
    let (hash, manual) = context.run(Work::Call, give).await??;
    // Where blocks are made by hand, it is for the caller to make one.
    if !manual {
        let wait = timeout_at(Instant::now() + PATIENCE, included(&mut heads, hash)).await;
        if !matches!(wait, Ok(true)) {
            let timeout_ms = PATIENCE.as_millis() as u64;
            return Err(Failure::SyncTimeout { hash, timeout_ms });
        }
    }
    encode(&Value::from(hash.to_string()))
}
