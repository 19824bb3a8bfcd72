//! What the chain is and where it stands.

use super::{Module, quick};
use crate::SyncStatus;
use alloy_primitives::U64;
use serde_json::{Value, json};

pub(super) fn register(module: &mut Module) {
    quick(module, "eth_chainId", 0, |context, _| Ok(U64::from(context.backend.params.chain_id)));
    quick(module, "eth_protocolVersion", 0, |_, _| Ok("0x1"));
    quick(module, "eth_blockNumber", 0, |context, _| {
        Ok(U64::from(context.backend.store.head().block.height().0))
    });
    quick(module, "eth_syncing", 0, |context, _| {
        Ok((context.backend.sync_status)().map_or(Value::Bool(false), sync_object))
    });
    quick(module, "eth_coinbase", 0, |context, _| {
        Ok(context.backend.store.head().block.header().beneficiary)
    });
}

/// A node that is behind, in geth's form.
pub(super) fn sync_object(status: SyncStatus) -> Value {
    json!({
        "startingBlock": U64::from(status.starting),
        "currentBlock": U64::from(status.current),
        "highestBlock": U64::from(status.highest),
    })
}
