//! Counters of one network, for metrics and tests.

use crate::topic::Topic;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Written by the service and the handles, read by anyone. Each counter stands alone, so relaxed
/// order is enough.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) published: AtomicU64,
    pub(crate) published_to_nobody: AtomicU64,
    pub(crate) publish_failed: AtomicU64,
    pub(crate) received: [AtomicU64; 5],
    pub(crate) dropped: [AtomicU64; 5],
    pub(crate) throttled: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) ignored: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) unjudged: AtomicU64,
    pub(crate) commands_dropped: AtomicU64,
    pub(crate) peer_events_dropped: AtomicU64,
    pub(crate) requests_received: AtomicU64,
    pub(crate) requests_refused: AtomicU64,
    pub(crate) offences: AtomicU64,
    pub(crate) bans: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// What the counters say; all since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Peers that are up now.
    pub peers: u64,
    /// Messages published to at least one peer.
    pub published: u64,
    /// Messages published while nobody was subscribed.
    pub published_to_nobody: u64,
    /// Messages that no peer's queue had room for.
    pub publish_failed: u64,
    /// Messages received, by place in [`Topic::ALL`].
    pub received: [u64; 5],
    /// Messages that a full lane dropped, by place in [`Topic::ALL`].
    pub dropped: [u64; 5],
    /// Messages over their sender's budget.
    pub throttled: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// Messages ignored, for whatever reason.
    pub ignored: u64,
    /// Messages rejected.
    pub rejected: u64,
    /// Messages ignored because no verdict came in time.
    pub unjudged: u64,
    /// Transaction commands dropped from a full queue.
    pub commands_dropped: u64,
    /// Events about peers dropped from a full lane.
    pub peer_events_dropped: u64,
    /// Requests received.
    pub requests_received: u64,
    /// Requests refused or left unanswered.
    pub requests_refused: u64,
    /// Offences counted.
    pub offences: u64,
    /// Peers banned.
    pub bans: u64,
}

impl NetworkStats {
    /// Messages received on a topic.
    pub const fn received_on(&self, topic: Topic) -> u64 {
        self.received[topic.index()]
    }

    /// Messages on a topic that a full lane dropped.
    pub const fn dropped_on(&self, topic: Topic) -> u64 {
        self.dropped[topic.index()]
    }
}

impl Counters {
    pub(crate) fn snapshot(&self, peers: u64) -> NetworkStats {
        let of = |counter: &AtomicU64| counter.load(Relaxed);
        NetworkStats {
            peers,
            published: of(&self.published),
            published_to_nobody: of(&self.published_to_nobody),
            publish_failed: of(&self.publish_failed),
            received: std::array::from_fn(|place| of(&self.received[place])),
            dropped: std::array::from_fn(|place| of(&self.dropped[place])),
            throttled: of(&self.throttled),
            accepted: of(&self.accepted),
            ignored: of(&self.ignored),
            rejected: of(&self.rejected),
            unjudged: of(&self.unjudged),
            commands_dropped: of(&self.commands_dropped),
            peer_events_dropped: of(&self.peer_events_dropped),
            requests_received: of(&self.requests_received),
            requests_refused: of(&self.requests_refused),
            offences: of(&self.offences),
            bans: of(&self.bans),
        }
    }
}
