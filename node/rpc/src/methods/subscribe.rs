//! `eth_subscribe`: one event per committed block, in order, none skipped.
//!
//! A consumer that cannot keep up is not served with gaps: its subscription ends with a last
//! notification whose `error` says why, and it can subscribe again and read what it missed.

use super::{Module, logs};
use crate::HeadEvent;
use crate::convert;
use crate::error::Failure;
use crate::params::Args;
use alloy_rpc_types_eth::Filter;
use jsonrpsee::core::SubscriptionError;
use jsonrpsee::server::{PendingSubscriptionSink, SubscriptionSink};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How long one event may wait for a reader that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// What a subscriber wants to hear.
#[derive(Debug)]
enum Topic {
    NewHeads,
    Logs(Box<Filter>),
}

pub(super) fn register(module: &mut Module) {
    module
        .register_subscription(
            "eth_subscribe",
            "eth_subscription",
            "eth_unsubscribe",
            |params, pending, context, _| {
                // Before the answer goes out: the first block after it must not be missed.
                let heads = context.backend.heads.subscribe();
                subscription(params, pending, heads)
            },
        )
        .expect("every method is registered once");
}

async fn subscription(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    heads: Receiver<Arc<HeadEvent>>,
) -> Result<(), SubscriptionError> {
    let topic = match topic(&params) {
        Ok(topic) => topic,
        Err(failure) => {
            pending.reject(ErrorObjectOwned::from(failure)).await;
            return Ok(());
        }
    };
    let Ok(sink) = pending.accept().await else { return Ok(()) };
    match forward(&topic, &sink, heads).await {
        Ok(()) => Ok(()),
        Err(reason) => {
            tracing::debug!(%reason, "subscription closed");
            Err(closing(&reason))
        }
    }
}

fn topic(params: &Params<'_>) -> Result<Topic, Failure> {
    let mut args = Args::new(params, 2)?;
    let name: String = args.required("subscription")?;
    match name.as_str() {
        "newHeads" => Ok(Topic::NewHeads),
        "logs" => {
            let filter: Filter = args.optional("filter")?.unwrap_or_default();
            logs::check(&filter)?;
            Ok(Topic::Logs(Box::new(filter)))
        }
        other => Err(Failure::Argument {
            index: 0,
            name: "subscription",
            reason: format!("expected newHeads or logs, found {other:?}"),
        }),
    }
}

/// Sends every event until the subscriber leaves; an error says why it had to be closed.
async fn forward(
    topic: &Topic,
    sink: &SubscriptionSink,
    mut heads: Receiver<Arc<HeadEvent>>,
) -> Result<(), String> {
    loop {
        let event = tokio::select! {
            () = sink.closed() => return Ok(()),
            event = heads.recv() => event,
        };
        let event = match event {
            Ok(event) => event,
            Err(RecvError::Lagged(missed)) => {
                return Err(format!(
                    "subscriber is too slow: {missed} blocks were not read in time"
                ));
            }
            Err(RecvError::Closed) => return Err("the node is stopping".to_owned()),
        };
        for message in messages(topic, &event)? {
            let sent = sink.send_timeout(message, SEND_TIMEOUT).await;
            if sent.is_err() {
                if sink.is_closed() {
                    return Ok(());
                }
                let seconds = SEND_TIMEOUT.as_secs();
                return Err(format!("subscriber is too slow: no event was read for {seconds} s"));
            }
        }
    }
}

fn messages(topic: &Topic, event: &HeadEvent) -> Result<Vec<Box<RawValue>>, String> {
    match topic {
        Topic::NewHeads => Ok(vec![encode(&convert::header(&event.block))?]),
        Topic::Logs(filter) => {
            let logs = logs::of_block(filter, &event.block, &event.receipts);
            logs.iter().map(encode).collect()
        }
    }
}

fn encode(value: &impl Serialize) -> Result<Box<RawValue>, String> {
    to_raw_value(value).map_err(|error| format!("event cannot be encoded: {error}"))
}

fn closing(reason: &str) -> SubscriptionError {
    let object = json!({ "code": -32005, "message": reason });
    match to_raw_value(&object) {
        Ok(object) => SubscriptionError::from_json(object),
        Err(_) => SubscriptionError::from(reason),
    }
}
