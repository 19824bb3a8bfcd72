//! What a development chain says of itself.

use super::settings;
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::methods::{Module, blocking};
use crate::params::Args;
use alloy_primitives::{U64, U128};
use serde_json::{Value, json};

pub(super) fn register(module: &mut Module) {
    for name in ["anvil_metadata", "hardhat_metadata"] {
        blocking(module, name, 0, Work::Read, metadata);
    }
    blocking(module, "anvil_nodeInfo", 0, Work::Read, node_info);
    for name in ["anvil_getAutomine", "hardhat_getAutomine"] {
        blocking(module, name, 0, Work::Read, |context, args| {
            development(context, args)?;
            Ok(!settings(context)?.manual)
        });
    }
    blocking(module, "anvil_getIntervalMining", 0, Work::Read, |context, args| {
        development(context, args)?;
        let default = context.backend.params.empty_block_interval_ms;
        let ms = settings(context)?.interval_ms.unwrap_or(default);
        Ok((ms > 0).then(|| ms.div_ceil(1000)))
    });
}

/// Tools tell development chains from others by whether these methods answer.
fn development(context: &Context, _: &mut Args<'_>) -> Result<(), Failure> {
    if context.backend.devnet.submit_command.is_some() {
        return Ok(());
    }
    let reason =
        "this is not a development chain: its genesis does not say devnetCheats".to_owned();
    Err(Failure::Unsupported { reason })
}

fn node_info(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    development(context, args)?;
    let head = context.backend.store.head();
    let next = context.next_header(&head);
    let base_fee = next.base_fee_per_gas.unwrap_or_default();
    let price = u128::from(base_fee) + crate::methods::fees::oracle::suggested_tip(context)?;
    Ok(json!({
        "currentBlockNumber": U64::from(head.block.height().0),
        "currentBlockTimestamp": U64::from(head.block.header().timestamp),
        "currentBlockHash": head.block.hash(),
        "hardFork": "osaka",
        "transactionOrder": "fees",
        "environment": {
            "baseFee": U128::from(base_fee),
            "chainId": U64::from(context.backend.params.chain_id),
            "gasLimit": U64::from(next.gas_limit),
            "gasPrice": U128::from(price),
        },
        "forkConfig": { "forkUrl": null, "forkBlockNumber": null, "forkRetryBackoff": null },
    }))
}

fn metadata(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    development(context, args)?;
    let head = context.backend.store.head();
    let genesis = context.backend.store.hash_of(0)?;
    Ok(json!({
        "clientVersion": crate::methods::web3::client_version(),
        "chainId": context.backend.params.chain_id,
        "instanceId": genesis,
        "latestBlockNumber": head.block.height().0,
        "latestBlockHash": head.block.hash(),
        "forkedNetwork": null,
        "snapshots": {},
    }))
}
