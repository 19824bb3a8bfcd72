//! `eth_subscribe` and `weft_subscribe`.
//!
//! # Invariants
//! - What is told for each block is told once for each, in order, none skipped: a subscriber that
//!   fell behind is served from the store until it has caught up.
//! - A subscription never just falls silent: one that cannot go on ends with a last notification
//!   whose `error` says why.

mod blocks;
mod live;

use super::{Module, logs, record};
use crate::connection::Connection;
use crate::context::Context;
use crate::error::Failure;
use crate::params::Args;
use alloy_primitives::B256;
use alloy_rpc_types_eth::Filter;
use http::Extensions;
use jsonrpsee::core::SubscriptionError;
use jsonrpsee::server::{PendingSubscriptionSink, SubscriptionSink};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use record::EventOptions;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long one event may wait for a reader that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Most transactions whose receipts one subscription may ask for.
const HASHES_MAX: usize = 200;

/// What a subscriber wants to hear.
#[derive(Debug)]
enum Topic {
    /// Something about each block.
    Blocks(blocks::View),
    /// Transactions that became ready; whole ones or their hashes.
    Pending { full: bool },
    /// Whether the node is behind.
    Syncing,
    /// What happens in the consensus.
    Consensus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ReceiptOptions {
    transaction_hashes: Option<BTreeSet<B256>>,
}

/// Reads the parameters of a subscription.
type Parse = fn(&Context, &Params<'_>) -> Result<Topic, Failure>;

pub(super) fn register(module: &mut Module) {
    one(module, "eth_subscribe", "eth_subscription", "eth_unsubscribe", eth_topic);
    one(module, "weft_subscribe", "weft_subscription", "weft_unsubscribe", weft_topic);
}

fn one(
    module: &mut Module,
    name: &'static str,
    event: &'static str,
    end: &'static str,
    parse: Parse,
) {
    module
        .register_subscription(name, event, end, move |params, pending, context, extensions| {
            subscription(parse, params, pending, context, extensions)
        })
        .expect("every method is registered once");
}

async fn subscription(
    parse: Parse,
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    context: Arc<Context>,
    extensions: Extensions,
) -> Result<(), SubscriptionError> {
    let topic = match parse(&context, &params) {
        Ok(topic) => topic,
        Err(failure) => {
            pending.reject(ErrorObjectOwned::from(failure)).await;
            return Ok(());
        }
    };
    // Before the answer goes out: what comes right after it must not be missed.
    let feed = live::Feed::open(topic, &context);
    let Ok(sink) = pending.accept().await else { return Ok(()) };
    let subscriber = Subscriber { sink, connection: extensions.get().cloned() };
    let ended = match feed {
        live::Feed::Blocks { view, heads, next } => {
            blocks::follow(view, &subscriber, &context, heads, next).await
        }
        live::Feed::Pending { full, next, changed } => {
            live::pending(full, &subscriber, &context, next, changed).await
        }
        live::Feed::Syncing { heads } => live::syncing(&subscriber, &context, heads).await,
        live::Feed::Consensus { events } => live::consensus(&subscriber, events).await,
    };
    match ended {
        Ok(()) => Ok(()),
        Err(reason) => {
            tracing::debug!(%reason, "subscription closed");
            Err(closing(&reason))
        }
    }
}

fn eth_topic(context: &Context, params: &Params<'_>) -> Result<Topic, Failure> {
    let mut args = Args::new(params, 2)?;
    let name: String = args.required("subscription")?;
    let topic = match name.as_str() {
        "newHeads" => Topic::Blocks(blocks::View::Heads),
        "logs" => {
            let filter: Filter = args.optional("filter")?.unwrap_or_default();
            logs::check(&filter)?;
            Topic::Blocks(blocks::View::Logs(Box::new(filter)))
        }
        "transactionReceipts" => {
            let options: ReceiptOptions = args.optional("options")?.unwrap_or_default();
            let hashes = options.transaction_hashes.filter(|hashes| !hashes.is_empty());
            let count = hashes.as_ref().map_or(0, BTreeSet::len);
            if count > HASHES_MAX {
                let reason = format!("{count} transaction hashes, limit {HASHES_MAX}");
                return Err(Failure::Limit { reason });
            }
            Topic::Blocks(blocks::View::Receipts(hashes))
        }
        "newPendingTransactions" if context.served.is_public() => {
            let reason =
                "newPendingTransactions is not served on this listener: it is a public listener";
            return Err(Failure::Unsupported { reason: reason.to_owned() });
        }
        "newPendingTransactions" => {
            Topic::Pending { full: args.optional("fullTransactions")?.unwrap_or(false) }
        }
        "syncing" => Topic::Syncing,
        other => {
            let known = "newHeads, logs, newPendingTransactions, syncing or transactionReceipts";
            return Err(unknown(known, other));
        }
    };
    Ok(topic)
}

fn weft_topic(_: &Context, params: &Params<'_>) -> Result<Topic, Failure> {
    let mut args = Args::new(params, 2)?;
    let name: String = args.required("subscription")?;
    match name.as_str() {
        "records" => {
            let options: EventOptions = args.optional("options")?.unwrap_or_default();
            Ok(Topic::Blocks(blocks::View::Records(options)))
        }
        "consensus" => Ok(Topic::Consensus),
        other => Err(unknown("records or consensus", other)),
    }
}

fn unknown(known: &str, found: &str) -> Failure {
    let found: String = found.chars().take(64).collect();
    let reason = format!("expected {known}, found {found:?}");
    Failure::Argument { index: 0, name: "subscription", reason }
}

/// The other end of a subscription.
struct Subscriber {
    sink: SubscriptionSink,
    connection: Option<Arc<Connection>>,
}

/// The subscriber has gone; nobody is to be told.
struct Gone;

/// Why a subscription ends: `Ok` when its subscriber has left.
type Ended = Result<(), String>;

impl Subscriber {
    /// Sends one event; waits for a reader that is slow, but not for ever.
    async fn send(&self, event: &impl Serialize) -> Result<Result<(), Gone>, String> {
        let event =
            to_raw_value(event).map_err(|error| format!("event cannot be encoded: {error}"))?;
        self.send_raw(event).await
    }

    async fn send_raw(&self, event: Box<RawValue>) -> Result<Result<(), Gone>, String> {
        if let Some(connection) = &self.connection
            && !connection.announce(event.get().len(), 0)
        {
            return Err("subscriber is too slow: too many bytes of events were not read".to_owned());
        }
        if self.sink.send_timeout(event, SEND_TIMEOUT).await.is_ok() {
            return Ok(Ok(()));
        }
        if self.sink.is_closed() {
            return Ok(Err(Gone));
        }
        let seconds = SEND_TIMEOUT.as_secs();
        Err(format!("subscriber is too slow: no event was read for {seconds} s"))
    }
}

fn closing(reason: &str) -> SubscriptionError {
    let object = json!({ "code": -32005, "message": reason });
    match to_raw_value(&object) {
        Ok(object) => SubscriptionError::from_json(object),
        Err(_) => SubscriptionError::from(reason),
    }
}
