//! What is told for each block: once, in order, none skipped.

use super::{Ended, EventOptions, Gone, Subscriber};
use crate::HeadEvent;
use crate::context::{Context, Work};
use crate::convert;
use crate::error::Failure;
use crate::methods::{encode, logs, record};
use alloy_primitives::B256;
use alloy_rpc_types_eth::Filter;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use weft_store::StoredBlock;

/// Blocks that a subscriber may be behind and is still served from the store.
const BEHIND_MAX: u64 = 1024;

/// What a subscriber wants to hear of a block.
#[derive(Clone, Debug)]
pub(super) enum View {
    /// Its header.
    Heads,
    /// The logs that match.
    Logs(Box<Filter>),
    /// The receipts, or those of certain transactions.
    Receipts(Option<BTreeSet<B256>>),
    /// Its execution record.
    Records(EventOptions),
}

/// Tells of every block from `next` on until the subscriber leaves.
pub(super) async fn follow(
    view: View,
    subscriber: &Subscriber,
    context: &Arc<Context>,
    mut heads: Receiver<Arc<HeadEvent>>,
    mut next: u64,
) -> Ended {
    let view = Arc::new(view);
    if let View::Receipts(Some(hashes)) = &*view {
        // Those that are included already would never be heard of.
        let included = included(context, hashes.clone(), next).await?;
        if !included.get().starts_with("[]") && tell(subscriber, vec![included]).await?.is_err() {
            return Ok(());
        }
    }
    loop {
        let event = tokio::select! {
            () = subscriber.sink.closed() => return Ok(()),
            event = heads.recv() => event,
        };
        let event = match event {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return Err("the node is stopping".to_owned()),
        };
        let newest = event.as_ref().map_or_else(
            || context.backend.store.head().block.height().0,
            |event| event.block.height().0,
        );
        if newest.saturating_sub(next) >= BEHIND_MAX {
            return Err(format!(
                "subscriber is too slow: {} blocks behind, limit {BEHIND_MAX}; subscribe again and read from block {next} on",
                newest - next + 1
            ));
        }
        while next <= newest {
            let event = event.as_ref().filter(|event| event.block.height().0 == next);
            let messages = messages(&view, context, next, event).await?;
            if tell(subscriber, messages).await?.is_err() {
                return Ok(());
            }
            next += 1;
        }
    }
}

async fn tell(
    subscriber: &Subscriber,
    messages: Vec<Box<RawValue>>,
) -> Result<Result<(), Gone>, String> {
    for message in messages {
        if subscriber.send_raw(message).await?.is_err() {
            return Ok(Err(Gone));
        }
    }
    Ok(Ok(()))
}

/// The events of one block, made on a blocking thread where they can be large. What is not in the
/// event of the block comes from the store.
async fn messages(
    view: &Arc<View>,
    context: &Arc<Context>,
    height: u64,
    event: Option<&Arc<HeadEvent>>,
) -> Result<Vec<Box<RawValue>>, String> {
    if let Some(event) = event {
        match &**view {
            View::Heads => {
                let header = encode(&convert::header(&event.block));
                return Ok(vec![header.map_err(|failure| failure.to_string())?]);
            }
            View::Logs(filter) if !filter.matches_bloom(event.block.header().logs_bloom) => {
                return Ok(Vec::new());
            }
            _ => {}
        }
    }
    let lane = if matches!(**view, View::Records(_)) { Work::Record } else { Work::Read };
    let (view, worker, event) = (Arc::clone(view), Arc::clone(context), event.cloned());
    let read = move || read(&view, &worker, height, event.as_deref());
    // A full lane is no reason to leave a gap: the subscription waits for its turn.
    let made = context.run_patiently(lane, read).await;
    made.and_then(|made| made).map_err(|failure| failure.to_string())
}

fn read(
    view: &View,
    context: &Context,
    height: u64,
    event: Option<&HeadEvent>,
) -> Result<Vec<Box<RawValue>>, Failure> {
    match (view, event) {
        (View::Heads, _) => Ok(vec![encode(&convert::header(&context.block(height)?.block))?]),
        (View::Logs(filter), Some(event)) => {
            logs::of_block(filter, &event.block, &event.receipts).iter().map(encode).collect()
        }
        (View::Logs(filter), None) => {
            let block = context.block(height)?.block;
            let receipts = context.receipts(height)?;
            logs::of_block(filter, &block, &receipts).iter().map(encode).collect()
        }
        (View::Receipts(wanted), _) => {
            let stored = context.block(height)?;
            let any = stored.block.transactions().iter().any(|transaction| {
                wanted.as_ref().is_none_or(|wanted| wanted.contains(transaction.tx_hash()))
            });
            if !any {
                return Ok(Vec::new());
            }
            Ok(vec![receipts(context, &stored, wanted.as_ref())?])
        }
        (View::Records(options), _) => {
            let block = context.block(height)?.block;
            Ok(vec![encode(&record::event(context, &block, *options)?)?])
        }
    }
}

fn receipts(
    context: &Context,
    stored: &StoredBlock,
    wanted: Option<&BTreeSet<B256>>,
) -> Result<Box<RawValue>, Failure> {
    let mut receipts = convert::receipts(stored, context.receipts(stored.block.height().0)?)?;
    if let Some(wanted) = wanted {
        let mut transactions = stored.block.transactions().iter();
        receipts.retain(|_| transactions.next().is_some_and(|tx| wanted.contains(tx.tx_hash())));
    }
    encode(&receipts)
}

/// Receipts of those transactions that were included before `next`.
async fn included(
    context: &Arc<Context>,
    hashes: BTreeSet<B256>,
    next: u64,
) -> Result<Box<RawValue>, String> {
    let worker = Arc::clone(context);
    let read = move || {
        let mut found = Vec::new();
        for hash in hashes {
            let place = worker.backend.store.transaction_location(&hash)?;
            if place.is_some_and(|(height, _)| height < next) {
                found.extend(crate::methods::transaction::receipt(&worker, hash)?);
            }
        }
        encode(&found)
    };
    let made = context.run_patiently(Work::Read, read).await;
    made.and_then(|made| made).map_err(|failure: Failure| failure.to_string())
}
