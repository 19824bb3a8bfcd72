//! `weft_*`: the parallel execution record, the certificate, and what the chain is.

use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_eips::BlockId;
use alloy_primitives::{Bytes, hex};
use serde::Deserialize;
use serde_json::{Value, json};
use weft_store::Kept;
use weft_types::{AccessRecord, RunProfile};

/// Worker counts for which the record says how fast the block could have been.
const WORKERS: [u32; 4] = [2, 4, 8, 16];

pub(super) fn register(module: &mut Module) {
    blocking(module, "weft_getBlockRecord", 2, Work::Call, block_record);
    blocking(module, "weft_getCertificate", 1, Work::Read, certificate);
    blocking(module, "weft_chainInfo", 0, Work::Read, |context, _| chain_info(context));
}

/// Parts of the record that can be left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RecordOptions {
    reads: bool,
    incarnations: bool,
}

impl Default for RecordOptions {
    fn default() -> Self {
        Self { reads: true, incarnations: true }
    }
}

fn block_record(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let id: BlockId = args.required("block")?;
    let options: RecordOptions = args.optional("options")?.unwrap_or_default();
    let Some(at) = context.find(id)? else { return Ok(Value::Null) };
    if at.pending {
        return Ok(Value::Null);
    }
    let Some(record) = context.backend.store.access_record(at.height)? else {
        return Ok(Value::Null);
    };
    let profile = context.backend.store.profile(at.height)?;
    let hash = context.header(&at)?.hash_slow();
    Ok(json!({
        "number": at.height,
        "hash": hash,
        "deterministic": deterministic(record, &options)?,
        "local": local(profile, &options)?,
    }))
}

/// The half that is equal on every node.
fn deterministic(record: AccessRecord, options: &RecordOptions) -> Result<Value, Failure> {
    let (critical_path_gas, critical_path) = record.critical_path();
    let mut best = serde_json::Map::new();
    for workers in WORKERS {
        best.insert(workers.to_string(), json!(record.best_speedup(Some(workers))));
    }
    best.insert("unlimited".to_owned(), json!(record.best_speedup(None)));
    let mut half = json!({
        "workGas": record.work_gas(),
        "criticalPathGas": critical_path_gas,
        "criticalPath": critical_path,
        "dependentTransactions": record.dependent_transactions(),
        "bestSpeedup": best,
        "edges": record.edges(),
    });
    let mut transactions = record.transactions;
    if !options.reads {
        transactions.iter_mut().for_each(|transaction| transaction.reads.clear());
    }
    half["transactions"] = serde_json::to_value(transactions).map_err(Failure::internal)?;
    Ok(half)
}

/// The half that only this node saw.
fn local(profile: Option<RunProfile>, options: &RecordOptions) -> Result<Value, Failure> {
    let Some(mut profile) = profile else { return Ok(Value::Null) };
    let (speedup, reexecutions) = (profile.speedup(), profile.reexecutions());
    if !options.incarnations {
        profile.incarnations.clear();
    }
    let mut half = serde_json::to_value(profile).map_err(Failure::internal)?;
    half["speedup"] = json!({ "value": speedup, "estimated": true });
    half["reexecutions"] = json!(reexecutions);
    Ok(half)
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
    let validators: Vec<Value> = (backend.validators.as_slice().iter())
        .map(|validator| {
            json!({
                "name": validator.name,
                "address": validator.address(),
                "publicKey": hex::encode_prefixed(validator.public_key),
                "power": validator.power,
            })
        })
        .collect();
    let oldest = backend.store.oldest();
    Ok(json!({
        "chainId": backend.params.chain_id,
        "genesisHash": genesis.hash_slow(),
        "head": { "number": head.block.height(), "hash": head.block.hash() },
        "finality": "instant: latest, safe and finalized are the same block; blocks are never removed",
        "stateCommitment": "blake3",
        "devnet": config.devnet,
        "oldest": {
            "state": oldest.of(Kept::History),
            "receipts": oldest.of(Kept::Receipts),
            "logs": oldest.of(Kept::Logs),
            "accessLists": oldest.of(Kept::AccessLists),
            "records": oldest.of(Kept::Records),
        },
        "params": backend.params,
        "validators": validators,
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
