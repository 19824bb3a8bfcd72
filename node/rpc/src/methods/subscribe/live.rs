//! What is told as it happens: it cannot be read again, so whoever misses some of it is told so
//! and closed.

use super::blocks::View;
use super::{Ended, Subscriber, Topic};
use crate::context::{Context, Work};
use crate::convert;
use crate::error::Failure;
use crate::methods::chain::sync_object;
use crate::methods::transaction::by_hash;
use crate::{ConsensusEvent, HeadEvent, SyncStatus};
use alloy_primitives::B256;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::watch;

/// How often the state of the synchronisation is looked at between blocks.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// Announcements of the pool that are read at once.
const ANNOUNCEMENTS_MAX: usize = 256;

/// What a subscription reads. Only the feed of its topic is taken: one that nobody reads would keep
/// what it holds alive.
pub(super) enum Feed {
    Blocks {
        view: View,
        heads: Receiver<Arc<HeadEvent>>,
        /// First block that the subscriber has not heard of.
        next: u64,
    },
    Pending {
        full: bool,
        /// First announcement of the pool that the subscriber has not heard of.
        next: u64,
        changed: watch::Receiver<()>,
    },
    Syncing {
        heads: Receiver<Arc<HeadEvent>>,
    },
    Consensus {
        events: Receiver<Arc<ConsensusEvent>>,
    },
}

impl Feed {
    pub(super) fn open(topic: Topic, context: &Context) -> Self {
        let backend = &context.backend;
        match topic {
            Topic::Blocks(view) => {
                // The feed first: what is committed between the two is told, not missed.
                let heads = backend.heads.subscribe();
                let next = backend.store.head().block.height().0 + 1;
                Self::Blocks { view, heads, next }
            }
            Topic::Pending { full } => {
                let changed = backend.pool_changed.subscribe();
                Self::Pending { full, next: backend.pool.announcements_end(), changed }
            }
            Topic::Syncing => Self::Syncing { heads: backend.heads.subscribe() },
            Topic::Consensus => Self::Consensus { events: backend.consensus.subscribe() },
        }
    }
}

/// The next event; an error when some were missed or none will come.
async fn next<T: Clone>(
    subscriber: &Subscriber,
    feed: &mut Receiver<T>,
    what: &str,
) -> Result<Option<T>, String> {
    let event = tokio::select! {
        () = subscriber.sink.closed() => return Ok(None),
        event = feed.recv() => event,
    };
    match event {
        Ok(event) => Ok(Some(event)),
        Err(RecvError::Lagged(missed)) => {
            Err(format!("subscriber is too slow: {missed} {what} were not read in time"))
        }
        Err(RecvError::Closed) => Err("the node is stopping".to_owned()),
    }
}

/// Transactions that became ready, each once and in that order; `next` is the first announcement to
/// tell. A full object is as it is when it is told: in a block, perhaps.
pub(super) async fn pending(
    full: bool,
    subscriber: &Subscriber,
    context: &Arc<Context>,
    mut next: u64,
    mut changed: watch::Receiver<()>,
) -> Ended {
    loop {
        changed.mark_unchanged();
        let news = context.backend.pool.announcements(next, ANNOUNCEMENTS_MAX);
        if news.missed > 0 {
            let missed = news.missed;
            return Err(format!(
                "subscriber is too slow: {missed} transactions were not read in time"
            ));
        }
        next = news.next;
        let quiet = news.hashes.is_empty();
        for told in described(full, context, news.hashes).await? {
            if subscriber.send(&told).await?.is_err() {
                return Ok(());
            }
        }
        if !quiet {
            continue;
        }
        tokio::select! {
            () = subscriber.sink.closed() => return Ok(()),
            changed = changed.changed() => changed.map_err(|_| "the node is stopping".to_owned())?,
        }
    }
}

/// What is told of each transaction: its hash or the object. One that was dropped meanwhile is left out.
async fn described(
    full: bool,
    context: &Arc<Context>,
    hashes: Vec<B256>,
) -> Result<Vec<Value>, String> {
    if !full {
        return Ok(hashes.into_iter().map(|hash| json!(hash)).collect());
    }
    let worker = Arc::clone(context);
    let objects = move || -> Result<Vec<Value>, Failure> {
        let found = hashes.into_iter().filter_map(|hash| by_hash(&worker, hash).transpose());
        found.map(|object| convert::complete(object?)).collect()
    };
    let objects = context.run_patiently(Work::Read, objects).await;
    objects.and_then(|objects| objects).map_err(|failure| failure.to_string())
}

/// Events of the consensus, numbered from 0 for each subscription.
pub(super) async fn consensus(
    subscriber: &Subscriber,
    mut feed: Receiver<Arc<ConsensusEvent>>,
) -> Ended {
    let mut sequence = 0u64;
    while let Some(event) = next(subscriber, &mut feed, "events").await? {
        let mut object = serde_json::to_value(&*event).map_err(|error| error.to_string())?;
        object["sequence"] = json!(sequence);
        if subscriber.send(&object).await?.is_err() {
            break;
        }
        sequence += 1;
    }
    Ok(())
}

/// The state of the synchronisation at once, and then each change of it, at most once a second.
pub(super) async fn syncing(
    subscriber: &Subscriber,
    context: &Context,
    mut heads: Receiver<Arc<HeadEvent>>,
) -> Ended {
    let mut told: Option<Option<SyncStatus>> = None;
    let mut clock = tokio::time::interval(SYNC_INTERVAL);
    loop {
        let now = (context.backend.sync_status)();
        if told != Some(now) {
            if subscriber.send(&sync_event(now)).await?.is_err() {
                return Ok(());
            }
            told = Some(now);
        }
        // A block ends the waiting only when the state itself, not its progress, may have changed.
        loop {
            tokio::select! {
                () = subscriber.sink.closed() => return Ok(()),
                _ = clock.tick() => break,
                event = heads.recv() => match event {
                    Err(RecvError::Closed) => return Err("the node is stopping".to_owned()),
                    _ if (context.backend.sync_status)().is_some() != now.is_some() => break,
                    _ => {}
                },
            }
        }
    }
}

fn sync_event(status: Option<SyncStatus>) -> Value {
    match status {
        None => Value::Bool(false),
        Some(status) => json!({ "syncing": true, "status": sync_object(status) }),
    }
}
