//! `weft_*`: the parallel execution record, the certificate, and what the chain is.

use super::bounded::{self, Patience};
use super::node::validators;
use super::{Module, blocking};
use crate::RpcConfig;
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_primitives::{Bytes, hex};
use loaded::Loaded;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use weft_record::json as present;
use weft_record::names::{Namer, Registry};
use weft_store::Kept;
use weft_types::SealedBlock;

mod analysis;
mod derive;
mod file;
mod loaded;
mod names;
mod simulate;
mod stats;
mod transaction;

pub(super) fn register(module: &mut Module) {
    recorded(module, "weft_getBlockRecord", 2, block_record);
    blocking(module, "weft_getCertificate", 1, Work::Read, certificate);
    blocking(module, "weft_chainInfo", 0, Work::Read, |context, _| chain_info(context));
    analysis::register(module);
    file::register(module);
    names::register(module);
    simulate::register(module);
    stats::register(module);
    transaction::register(module);
}

/// Registers a method that reads records: in a lane of its own, since one that is not stored takes an execution.
fn recorded(
    module: &mut Module,
    name: &'static str,
    parameters: usize,
    handler: bounded::Handler<Value>,
) {
    let limit = |config: &RpcConfig| config.record_timeout_ms;
    bounded::bounded_in(module, (name, parameters), Work::Record, limit, handler);
}

/// Parts of the record that can be left out or added.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RecordOptions {
    reads: bool,
    incarnations: bool,
    /// Names of functions and accounts.
    names: bool,
    /// Arrays with one entry a transaction, dependency and incarnation, in the place of objects.
    columns: bool,
}

impl Default for RecordOptions {
    fn default() -> Self {
        Self { reads: true, incarnations: true, names: false, columns: false }
    }
}

fn block_record(
    context: &Context,
    args: &mut Args<'_>,
    patience: &Patience,
) -> Result<Value, Failure> {
    let found = loaded::one(context, args, patience)?;
    let options: RecordOptions = args.optional("options")?.unwrap_or_default();
    let Some(loaded) = found else { return Ok(Value::Null) };
    let registry = context.records.registry();
    Ok(json!({
        "number": loaded.number,
        "hash": loaded.hash,
        "timestamp": loaded.timestamp,
        "deterministic": deterministic(&loaded, &options, &registry)?,
        "local": local(&loaded, &options, &registry),
    }))
}

/// What a subscriber to records asks for beside the summary.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct EventOptions {
    transactions: bool,
    reads: bool,
    incarnations: bool,
}

/// The record of a committed block as an event: the summary, and the parts that were asked for. The
/// halves are `null` when the node has no record of the block, or cannot derive it in time.
pub(super) fn event(
    context: &Context,
    block: &SealedBlock,
    options: EventOptions,
) -> Result<Value, Failure> {
    let EventOptions { transactions, reads, incarnations } = options;
    let (header, height) = (block.header(), block.height().0);
    let parts = RecordOptions { reads, incarnations, ..RecordOptions::default() };
    let registry = context.records.registry();
    let patience = Patience::of(Duration::from_millis(context.config.record_timeout_ms));
    let loaded = match Loaded::read(context, height, &patience) {
        Err(Failure::Limit { .. }) => None,
        loaded => loaded?,
    };
    let (record, run) = match loaded {
        None => (Value::Null, Value::Null),
        Some(loaded) => {
            let record = match transactions {
                true => deterministic(&loaded, &parts, &registry)?,
                false => present::summary(&loaded.recorded()),
            };
            (record, local(&loaded, &parts, &registry))
        }
    };
    Ok(json!({
        "number": height,
        "hash": block.hash(),
        "timestamp": header.timestamp,
        "transactions": block.transactions().len(),
        "gasUsed": header.gas_used,
        "gasLimit": header.gas_limit,
        "deterministic": record,
        "local": run,
    }))
}

/// The half that is equal on every node.
fn deterministic(
    loaded: &Loaded,
    options: &RecordOptions,
    registry: &Registry,
) -> Result<Value, Failure> {
    let record = &loaded.access;
    let recorded = loaded.recorded();
    let mut half = present::summary(&recorded);
    if options.columns {
        half["columns"] = present::columns(&recorded, registry);
        return Ok(half);
    }
    half["edges"] = json!(record.edges());
    let mut transactions = present::transactions(&recorded, options.names.then_some(registry));
    for (transaction, access) in transactions.iter_mut().zip(&record.transactions) {
        let reads = if options.reads { &access.reads[..] } else { &[] };
        transaction["gasUsed"] = json!(access.gas_used);
        transaction["reads"] = serde_json::to_value(reads).map_err(Failure::internal)?;
        transaction["writes"] = serde_json::to_value(&access.writes).map_err(Failure::internal)?;
    }
    half["transactions"] = Value::Array(transactions);
    Ok(half)
}

/// The half that only this node saw.
fn local(loaded: &Loaded, options: &RecordOptions, registry: &Registry) -> Value {
    let Some(profile) = &loaded.profile else { return Value::Null };
    let mut half = present::run_summary(profile);
    if options.incarnations && options.columns {
        let mut namer = Namer::new(registry, loaded.block());
        half["columns"] = present::run_columns(profile, &mut namer);
    } else if options.incarnations {
        half["incarnations"] = json!(profile.incarnations);
    }
    half
}

/// The certificate with everything that is needed to verify it: who signed which bytes.
fn certificate(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let height: Quantity = args.required("height")?;
    let backend = &context.backend;
    if height.0 > backend.store.head().block.height().0 {
        return Err(Failure::UnknownBlock);
    }
    let Some(certificate) = backend.store.certificate(height.0)? else { return Ok(Value::Null) };
    let Some(genesis) = backend.store.header(0)? else {
        return Err(Failure::internal("genesis header is not in the store"));
    };
    let genesis_hash = genesis.hash_slow();
    let validators = &*backend.validators;
    let signatures: Vec<Value> = certificate
        .signer_indices()
        .into_iter()
        .zip(&certificate.signatures)
        .filter_map(|(index, signature)| {
            let validator = validators.as_slice().get(index)?;
            let signed = certificate.vote_of(validators, index)?.sign_bytes(&genesis_hash);
            Some(json!({
                "index": index,
                "name": validator.name,
                "address": validator.address(),
                "publicKey": hex::encode_prefixed(validator.public_key),
                "power": validator.power,
                "signedBytes": Bytes::from(signed),
                "signature": hex::encode_prefixed(signature),
            }))
        })
        .collect();
    Ok(json!({
        "height": certificate.height,
        "round": certificate.round,
        "block": certificate.block,
        "signers": hex::encode_prefixed(&certificate.signers),
        "signatures": signatures,
        "totalPower": validators.total_power(),
    }))
}

fn chain_info(context: &Context) -> Result<Value, Failure> {
    let (backend, config) = (&context.backend, &context.config);
    let head = backend.store.head();
    let Some(genesis) = backend.store.header(0)? else {
        return Err(Failure::internal("genesis header is not in the store"));
    };
    let oldest = backend.store.oldest();
    Ok(json!({
        "chainId": backend.params.chain_id,
        "genesisHash": genesis.hash_slow(),
        "head": { "number": head.block.height(), "hash": head.block.hash() },
        "finality": "instant: latest, safe and finalized are the same block; blocks are never removed",
        "stateCommitment": "blake3",
        "devnet": config.devnet,
        "recordLevel": config.record_level.name(),
        "public": config.public,
        "oldest": {
            "state": oldest.of(Kept::History),
            "receipts": oldest.of(Kept::Receipts),
            "logs": oldest.of(Kept::Logs),
            "accessLists": oldest.of(Kept::AccessLists),
            "records": derive::oldest(context),
        },
        "params": backend.params,
        "validators": validators(&backend.validators),
        "limits": {
            "gasCap": config.gas_cap,
            "logsBlocks": config.logs_blocks_max,
            "logsResults": config.logs_results_max,
            "batch": config.batch_max,
            "requestBytes": config.request_bytes_max,
            "responseBytes": config.response_bytes_max,
        },
    }))
}
