//! `weft_simulateBlock`: the record of a block that does not exist, so that a contract's parallelism can be tested.

use super::loaded::{Loaded, decode_list};
use super::{RecordOptions, deterministic, local};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::methods::overrides::Overlay;
use crate::methods::{Module, blocking};
use crate::params::Args;
use alloy_consensus::{SignableTransaction, Transaction as _, TxEip1559, TxEip7702};
use alloy_eips::BlockId;
use alloy_primitives::{Address, Signature, TxKind, U256};
use alloy_rpc_types_eth::state::StateOverride;
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_evm::{Executed, ExecutionError, Executor};
use weft_record::json as present;
use weft_types::{Header, RecoveredTransaction, StateReader, Transaction};

/// Transactions of one simulated block.
const TRANSACTIONS_MAX: usize = 1000;
/// Conflicts of an answer.
const CONFLICTS: usize = 25;
/// Gas limit of a transaction that does not say (EIP-7825's cap).
const GAS_LIMIT: u64 = 16_777_216;

pub(super) fn register(module: &mut Module) {
    blocking(module, "weft_simulateBlock", 2, Work::Call, simulate);
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Options {
    /// Workers; the machine's cores when absent.
    workers: Option<usize>,
    /// Accounts that differ from the head's.
    state_overrides: StateOverride,
    /// Do not lend senders what they lack: leave their transactions out.
    no_funding: bool,
    reads: bool,
    incarnations: bool,
}

fn simulate(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let requests: Vec<TransactionRequest> = args.required("transactions")?;
    let options: Options = args.optional("options")?.unwrap_or_default();
    if requests.is_empty() || requests.len() > TRANSACTIONS_MAX {
        let found = requests.len();
        let reason = format!("expected 1 to {TRANSACTIONS_MAX} transactions, found {found}");
        return Err(Failure::Limit { reason });
    }
    let at = context.at(BlockId::latest())?;
    let base = context.state(&at)?;
    let header = context.next_header(&at.head);
    let mut accounts = options.state_overrides.clone();
    let world = Overlay::new(Arc::clone(&base), accounts.clone(), &BlockOverrides::default())?;
    let transactions = recovered(context, requests, &header, &world)?;
    if !options.no_funding {
        lend(&transactions, &world, &mut accounts)?;
    }
    let overlay = Overlay::new(base, accounts, &BlockOverrides::default())?;
    let state: Arc<dyn StateReader> = Arc::new(overlay);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = options.workers.unwrap_or(cores).clamp(1, cores);
    let executed = Executor::new(workers)
        .build(&header, &transactions, &state, &context.backend.params)
        .map_err(refused)?;
    answer(context, &header, executed, &transactions, &options)
}

fn answer(
    context: &Context,
    header: &Header,
    executed: Executed,
    candidates: &[Arc<RecoveredTransaction>],
    options: &Options,
) -> Result<Value, Failure> {
    // Two requests may be equal in everything: they are told apart by their nonces, which are part of the hash.
    let place: BTreeMap<_, usize> =
        candidates.iter().enumerate().map(|(place, tx)| (*tx.tx_hash(), place)).collect();
    let skipped: Vec<Value> = (executed.skipped.iter())
        .map(|one| json!({ "request": place.get(&one.hash), "reason": one.reason }))
        .collect();
    let requests: Vec<_> = executed.transactions.iter().map(|tx| place.get(tx.tx_hash())).collect();
    let results: Vec<Value> = (executed.receipts.iter().zip(&executed.access_record.transactions))
        .zip(requests)
        .map(|((receipt, access), request)| {
            json!({
                "request": request, "status": u8::from(receipt.status()),
                "gasUsed": access.gas_used, "logs": receipt.logs().len(),
            })
        })
        .collect();
    let loaded = Loaded {
        number: header.number,
        hash: alloy_primitives::B256::ZERO,
        timestamp: header.timestamp,
        transactions: executed.plain_transactions(),
        senders: executed.transactions.iter().map(|tx| tx.signer()).collect(),
        list: decode_list(&executed.access_list)?,
        receipts: executed.receipts,
        access: Arc::new(executed.access_record),
        profile: Some(executed.profile),
    };
    let head = context.backend.store.head();
    context.records.names.recognise(&loaded.block(), &*head.state)?;
    let registry = context.records.registry();
    let record = RecordOptions {
        reads: options.reads,
        incarnations: options.incarnations,
        ..RecordOptions::default()
    };
    let recorded = loaded.recorded();
    let conflicts = present::conflicts(&recorded, &registry, CONFLICTS, |_| true);
    let conflicts: Vec<Value> = conflicts.into_iter().map(|(_, value)| value).collect();
    let advice = present::advice(&recorded, &registry);
    Ok(json!({
        "number": header.number,
        "transactions": results,
        "skipped": skipped,
        "deterministic": deterministic(&loaded, &record, &registry)?,
        "local": local(&loaded, &record, &registry),
        "conflicts": conflicts,
        "criticalPath": present::critical_path(&recorded, &registry),
        "advice": advice["advice"],
        "ifFollowed": advice["ifFollowed"],
    }))
}

/// The requests as transactions: what they leave out is filled in.
fn recovered(
    context: &Context,
    requests: Vec<TransactionRequest>,
    header: &Header,
    state: &dyn StateReader,
) -> Result<Vec<Arc<RecoveredTransaction>>, Failure> {
    let mut nonces: BTreeMap<Address, u64> = BTreeMap::new();
    let mut transactions = Vec::with_capacity(requests.len());
    for (place, request) in requests.into_iter().enumerate() {
        let from = request.from.unwrap_or_default();
        let next = match (request.nonce, nonces.get(&from)) {
            (Some(nonce), _) => nonce,
            (None, Some(next)) => *next,
            (None, None) => state.account(&from)?.map_or(0, |account| account.nonce),
        };
        nonces.insert(from, next.saturating_add(1));
        let transaction =
            typed(context, request, next, header).map_err(|reason| Failure::Argument {
                index: 0,
                name: "transactions",
                reason: format!("{place}: {reason}"),
            })?;
        transactions.push(Arc::new(RecoveredTransaction::new_unchecked(transaction, from)));
    }
    Ok(transactions)
}

fn typed(
    context: &Context,
    request: TransactionRequest,
    nonce: u64,
    header: &Header,
) -> Result<Transaction, String> {
    let chain_id = context.backend.params.chain_id;
    if request.blob_versioned_hashes.is_some() {
        return Err("blob transactions are not supported on this chain".to_owned());
    }
    let base_fee = u128::from(header.base_fee_per_gas.unwrap_or_default());
    let fee = request.max_fee_per_gas.or(request.gas_price).unwrap_or(base_fee);
    let tip = request.max_priority_fee_per_gas.unwrap_or_default().min(fee);
    let gas_limit = request.gas.unwrap_or(GAS_LIMIT).min(header.gas_limit);
    let to = request.to.unwrap_or(TxKind::Create);
    let value = request.value.unwrap_or_default();
    let access_list = request.access_list.unwrap_or_default();
    let input = request.input.try_into_unique_input();
    let input = input.map_err(|_| "both data and input are set and not equal".to_owned())?;
    let input = input.unwrap_or_default();
    // Nobody looks at the signature: senders are as the requests say.
    let signature = Signature::new(U256::from(1), U256::from(1), false);
    let Some(authorization_list) = request.authorization_list else {
        return Ok(TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: tip,
            to,
            value,
            access_list,
            input,
        }
        .into_signed(signature)
        .into());
    };
    let TxKind::Call(to) = to else {
        return Err("a transaction with an authorizationList needs a target".to_owned());
    };
    Ok(TxEip7702 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: tip,
        to,
        value,
        access_list,
        authorization_list,
        input,
    }
    .into_signed(signature)
    .into())
}

/// Lends every sender what it lacks to pay for its transactions: made-up users have nothing.
fn lend(
    transactions: &[Arc<RecoveredTransaction>],
    state: &dyn StateReader,
    accounts: &mut StateOverride,
) -> Result<(), Failure> {
    let mut needs: BTreeMap<Address, U256> = BTreeMap::new();
    for transaction in transactions {
        let fees = U256::from(transaction.max_fee_per_gas())
            .saturating_mul(U256::from(transaction.gas_limit()));
        let need = needs.entry(transaction.signer()).or_default();
        *need = need.saturating_add(fees).saturating_add(transaction.value());
    }
    for (sender, need) in needs {
        let has = state.account(&sender)?.unwrap_or_default().balance;
        if has < need {
            accounts.entry(sender).or_default().balance = Some(need);
        }
    }
    Ok(())
}

fn refused(error: ExecutionError) -> Failure {
    if error.is_verdict() {
        Failure::Refused { reason: error.to_string() }
    } else {
        Failure::internal(error)
    }
}
