//! `eth_pendingTransactions`: what the pool would put into the next blocks.

use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::convert;
use crate::error::Failure;
use serde_json::Value;

/// Most transactions of one answer; `txpool_content` has no such limit.
const TRANSACTIONS_MAX: usize = 1_000;

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_pendingTransactions", 0, Work::Read, |context, _| pending(context));
}

/// The best transactions of the pool that could be included, in the order of inclusion. The node
/// holds no keys of users, so there is nothing to tell its own ones from others by.
fn pending(context: &Context) -> Result<Vec<Value>, Failure> {
    let head = context.backend.store.head();
    let base_fee = context.next_header(&head).base_fee_per_gas;
    let best = context.backend.pool.best(base_fee.unwrap_or(0), u64::MAX);
    let shown = best.iter().take(TRANSACTIONS_MAX);
    shown.map(|transaction| convert::complete(convert::pending_transaction(transaction))).collect()
}
