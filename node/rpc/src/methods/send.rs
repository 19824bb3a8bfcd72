//! `eth_sendRawTransaction`, and its synchronous form (EIP-7966).

use super::transaction::receipt;
use super::{Module, blocking, encode};
use crate::HeadEvent;
use crate::context::{Context, Work};
use crate::convert::RpcReceipt;
use crate::error::Failure;
use crate::params::{Args, Quantity};
use crate::submission::{Sent, submit};
use alloy_primitives::{B256, Bytes};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, timeout_at};
use weft_pool::{PoolError, Standing};
use weft_types::transaction::decode_transaction;

/// A caller may wait this many times as long as the default.
const TIMEOUT_FACTOR_MAX: u64 = 10;

/// How the synchronous form goes on after sending.
enum Outcome {
    Sent(Sent),
    /// It is in a block already.
    Included(Box<RpcReceipt>),
}

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_sendRawTransaction", 1, Work::Submit, |context, args| {
        let raw: Bytes = args.required("transaction")?;
        send(context, raw).map(|sent| sent.hash)
    });
    module
        .register_async_method("eth_sendRawTransactionSync", |params, context, _| async move {
            let answer = send_sync(&params, &context).await;
            answer.map_err(ErrorObjectOwned::from)
        })
        .expect("every method is registered once");
}

/// One transaction.
fn send(context: &Context, raw: Bytes) -> Result<Sent, Failure> {
    let mut results = submit(context, vec![Ok(raw)]);
    results.pop().unwrap_or_else(|| Err(Failure::internal("a submission has no result")))
}

/// [`send`] for who waits for the receipt: what is held already is waited for too, and what is
/// included already has its receipt. So the call can be repeated after a timeout.
fn send_again(context: &Context, raw: &Bytes) -> Result<Outcome, Failure> {
    match send(context, raw.clone()) {
        Err(Failure::Pool(PoolError::AlreadyKnown { hash })) => {
            let ready = context.backend.pool.standing(&hash) == Some(Standing::Ready);
            Ok(Outcome::Sent(Sent { hash, ready }))
        }
        Err(Failure::Pool(error @ PoolError::NonceTooLow { .. })) => {
            let hash = *decode_transaction(raw)?.tx_hash();
            let receipt = receipt(context, hash)?.ok_or(Failure::Pool(error))?;
            Ok(Outcome::Included(Box::new(receipt)))
        }
        sent => sent.map(Outcome::Sent),
    }
}

/// Why a transaction in the pool cannot run; `None` when it can, or is not there any more.
fn waits_for(context: &Context, hash: &B256) -> Option<String> {
    match context.backend.pool.standing(hash) {
        Some(Standing::Queued(waiting)) => Some(waiting.to_string()),
        _ => None,
    }
}

/// Milliseconds to wait: as asked, unless that is nothing or more than this node allows (EIP-7966).
fn timeout_ms(context: &Context, asked: Option<Quantity>) -> u64 {
    let default_ms = context.config.sync_timeout_ms;
    let most_ms = default_ms.saturating_mul(TIMEOUT_FACTOR_MAX);
    asked.map(|asked| asked.0).filter(|ms| (1..=most_ms).contains(ms)).unwrap_or(default_ms)
}

/// [`send_again`], and then the receipt.
async fn send_sync(
    params: &Params<'static>,
    context: &Arc<Context>,
) -> Result<Box<RawValue>, Failure> {
    let mut args = Args::new(params, 2)?;
    let raw: Bytes = args.required("transaction")?;
    let asked: Option<Quantity> = args.optional("timeout")?;
    let timeout_ms = timeout_ms(context, asked);
    let deadline = Instant::now() + Duration::from_millis(timeout_ms);
    // Before the transaction is admitted: the block that includes it must not be missed.
    let mut heads = context.backend.heads.subscribe();
    let worker = Arc::clone(context);
    let sent = match context.run(Work::Submit, move || send_again(&worker, &raw)).await?? {
        Outcome::Included(receipt) => return encode(&receipt),
        Outcome::Sent(sent) => sent,
    };
    if !sent.ready
        && let Some(reason) = waits_for(context, &sent.hash)
    {
        return Err(Failure::SyncQueued { hash: sent.hash, reason });
    }
    loop {
        if let Some(receipt) = receipt_of(context, sent.hash).await? {
            return encode(&receipt);
        }
        match timeout_at(deadline, included(&mut heads, sent.hash)).await {
            Ok(true) => {}
            Ok(false) | Err(_) => {
                return Err(Failure::SyncTimeout { hash: sent.hash, timeout_ms });
            }
        }
    }
}

async fn receipt_of(context: &Arc<Context>, hash: B256) -> Result<Option<RpcReceipt>, Failure> {
    let worker = Arc::clone(context);
    context.run(Work::Read, move || receipt(&worker, hash)).await?
}

/// Waits for a block that includes the transaction, or that was missed and may include it; false
/// when the node stops.
pub(super) async fn included(heads: &mut Receiver<Arc<HeadEvent>>, hash: B256) -> bool {
    loop {
        match heads.recv().await {
            Ok(event) => {
                if event.block.transactions().iter().any(|tx| *tx.tx_hash() == hash) {
                    return true;
                }
            }
            Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}
