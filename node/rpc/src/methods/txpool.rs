//! What waits in the pool.

use super::{Module, quick};
use alloy_primitives::U64;
use serde_json::json;

pub(super) fn register(module: &mut Module) {
    quick(module, "txpool_status", 0, |context, _| {
        let status = context.backend.pool.status();
        Ok(json!({
            "pending": U64::from(status.ready as u64),
            "queued": U64::from(status.queued as u64),
        }))
    });
}
