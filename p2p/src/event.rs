//! What the network tells the node, and the queue that it waits in.
//!
//! Each class of event has a lane of its own, read in this order:
//!
//! | lane | holds | when full |
//! |---|---|---|
//! | peers | connections, subscriptions, requests | dropped and counted; [`Handle::peers`](crate::Handle::peers) stays true, a request is refused |
//! | consensus | `Consensus`, `Liveness`, `Status` | the new message is ignored and counted |
//! | parts | `Parts` | the new message is ignored and counted; parts can be pulled later |
//! | transactions | `Transactions` | the oldest message is ignored and counted |
//!
//! So a flood of transactions delays no vote: a vote waits only for what is before it in its own
//! lane and for the events about peers.

use crate::lane::Lane;
use crate::limits::{
    CONSENSUS_EVENTS_BYTES_MAX, CONSENSUS_EVENTS_MAX, EVENT_BYTES, PARTS_EVENTS_BYTES_MAX,
    PARTS_EVENTS_MAX, PEER_EVENTS_MAX, TRANSACTION_EVENTS_BYTES_MAX, TRANSACTION_EVENTS_MAX,
};
use crate::message::Request;
use crate::peers::Offence;
use crate::pending::RequestToken;
use crate::topic::{MessageToken, Topic};
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Something that happened in the network.
#[derive(Debug)]
pub enum Event {
    /// The node listens on this address.
    Listening {
        /// The address, with the real port.
        address: Multiaddr,
    },
    /// A peer is connected and is of this chain. Comes before anything else from that peer.
    PeerUp {
        /// The peer.
        peer: PeerId,
    },
    /// The last connection with a peer that was up has closed.
    PeerDown {
        /// The peer.
        peer: PeerId,
    },
    /// A peer wants to receive a topic: what is published on it reaches that peer from now on.
    Subscribed {
        /// The peer.
        peer: PeerId,
        /// The topic.
        topic: Topic,
    },
    /// A peer is of another chain, or speaks another version; it was disconnected.
    /// At least one of the two ends reports it: the one that learns it first.
    WrongGenesis {
        /// The peer.
        peer: PeerId,
        /// What it should have said.
        expected: String,
        /// What it said, shortened.
        found: String,
    },
    /// A peer misbehaved and is kept away for a while.
    PeerBanned {
        /// The peer.
        peer: PeerId,
        /// The last thing it did.
        offence: Offence,
        /// For how long, in milliseconds.
        ban_ms: u64,
    },
    /// A gossiped message. It is forwarded only after
    /// [`Command::Validated`](crate::Command::Validated) with `Accept`.
    Message {
        /// Its topic.
        topic: Topic,
        /// The peer that sent it to us; not necessarily its author.
        from: PeerId,
        /// The payload, within the topic's size.
        data: Vec<u8>,
        /// Joins the verdict to the message.
        token: MessageToken,
    },
    /// A peer asks something. Answer with [`Command::Respond`](crate::Command::Respond).
    Request {
        /// The peer.
        from: PeerId,
        /// What it asks.
        request: Request,
        /// Joins the answer to the request.
        token: RequestToken,
    },
}

#[derive(Debug)]
struct Lanes {
    peers: Lane<Event>,
    consensus: Lane<Event>,
    parts: Lane<Event>,
    transactions: Lane<Event>,
}

/// The queue between the service (writer) and the node (reader).
#[derive(Debug)]
pub(crate) struct EventQueue {
    lanes: Mutex<Lanes>,
    /// Wakes the one reader.
    ready: Notify,
    /// The truth about the writer: set once, when no event can follow.
    finished: AtomicBool,
    /// The truth about the reader: set once, when it is gone.
    abandoned: AtomicBool,
    /// Wakes the service when the reader is gone.
    pub(crate) abandon: Notify,
}

impl EventQueue {
    pub(crate) fn new() -> Arc<Self> {
        let lanes = Lanes {
            peers: Lane::new(PEER_EVENTS_MAX, usize::MAX),
            consensus: Lane::new(CONSENSUS_EVENTS_MAX, CONSENSUS_EVENTS_BYTES_MAX),
            parts: Lane::new(PARTS_EVENTS_MAX, PARTS_EVENTS_BYTES_MAX),
            transactions: Lane::new(TRANSACTION_EVENTS_MAX, TRANSACTION_EVENTS_BYTES_MAX),
        };
        Arc::new(Self {
            lanes: Mutex::new(lanes),
            ready: Notify::new(),
            finished: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            abandon: Notify::new(),
        })
    }

    /// Adds an event; returns those that a full lane dropped, possibly this one.
    pub(crate) fn push(&self, event: Event) -> Vec<Event> {
        let mut lanes = self.lanes.lock();
        let refused = |refused: Result<(), Event>| refused.err().into_iter().collect();
        let dropped = match &event {
            Event::Message { topic, data, .. } => {
                let bytes = data.len() + EVENT_BYTES;
                match topic {
                    Topic::Consensus | Topic::Liveness | Topic::Status => {
                        refused(lanes.consensus.push_or_refuse(event, bytes))
                    }
                    Topic::Parts => refused(lanes.parts.push_or_refuse(event, bytes)),
                    Topic::Transactions => lanes.transactions.push_over_oldest(event, bytes),
                }
            }
            _ => refused(lanes.peers.push_or_refuse(event, EVENT_BYTES)),
        };
        drop(lanes);
        self.ready.notify_one();
        dropped
    }

    fn pop(&self) -> Option<Event> {
        let mut lanes = self.lanes.lock();
        let event = lanes.peers.pop().or_else(|| lanes.consensus.pop());
        event.or_else(|| lanes.parts.pop()).or_else(|| lanes.transactions.pop())
    }

    /// No event follows.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
        self.ready.notify_one();
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}

/// The node's end of the event queue. Dropping it stops the network: messages that nobody judges
/// serve nobody.
#[derive(Debug)]
pub struct Events(pub(crate) Arc<EventQueue>);

impl Events {
    /// Waits for the next event, the most urgent lane first; `None` after the network stopped and
    /// everything was read. Safe to cancel.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            let finished = self.0.finished.load(Ordering::Acquire);
            if let Some(event) = self.0.pop() {
                return Some(event);
            }
            if finished {
                return None;
            }
            self.0.ready.notified().await;
        }
    }

    /// The next event, if there is one now.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.0.pop()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Release);
        self.0.abandon.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: Topic, sequence: u64, bytes: usize) -> Event {
        let token = MessageToken { topic, sequence };
        Event::Message { topic, from: PeerId::random(), data: vec![0; bytes], token }
    }

    fn sequence(event: &Event) -> u64 {
        match event {
            Event::Message { token, .. } => token.sequence,
            other => panic!("expected a message, found {other:?}"),
        }
    }

    #[test]
    fn a_vote_overtakes_every_waiting_transaction_and_part() {
        let queue = EventQueue::new();
        let mut events = Events(queue.clone());
        for number in 0..100 {
            assert!(queue.push(message(Topic::Transactions, number, 100)).is_empty());
            assert!(queue.push(message(Topic::Parts, 1000 + number, 100)).is_empty());
        }
        assert!(queue.push(message(Topic::Consensus, 7, 100)).is_empty());
        assert_eq!(sequence(&events.try_recv().unwrap()), 7);
        assert_eq!(sequence(&events.try_recv().unwrap()), 1000);
    }

    #[test]
    fn a_flood_of_transactions_drops_the_oldest_and_no_vote() {
        let queue = EventQueue::new();
        let mut events = Events(queue.clone());
        let flood = 3 * TRANSACTION_EVENTS_MAX as u64;
        let mut dropped = Vec::new();
        for number in 0..flood {
            dropped.extend(queue.push(message(Topic::Transactions, number, 10)));
            if number < CONSENSUS_EVENTS_MAX as u64 {
                assert!(queue.push(message(Topic::Consensus, number, 10)).is_empty());
            }
        }
        let expected = flood - TRANSACTION_EVENTS_MAX as u64;
        assert!(dropped.iter().map(sequence).eq(0..expected));
        for number in 0..CONSENSUS_EVENTS_MAX as u64 {
            assert_eq!(sequence(&events.try_recv().unwrap()), number);
        }
    }

    #[test]
    fn the_bytes_that_wait_are_bounded() {
        let queue = EventQueue::new();
        let size = Topic::Transactions.size_bytes_max();
        let pushes = 2 * TRANSACTION_EVENTS_BYTES_MAX / size;
        let dropped: usize = (0..pushes)
            .map(|n| queue.push(message(Topic::Transactions, n as u64, size)).len())
            .sum();
        assert!((pushes - dropped) * (size + EVENT_BYTES) <= TRANSACTION_EVENTS_BYTES_MAX);
        assert!(dropped < pushes);
    }

    #[test]
    fn a_full_lane_gives_a_new_vote_back() {
        let queue = EventQueue::new();
        for number in 0..CONSENSUS_EVENTS_MAX as u64 {
            assert!(queue.push(message(Topic::Liveness, number, 10)).is_empty());
        }
        let refused = queue.push(message(Topic::Consensus, 9, 10));
        assert_eq!(refused.iter().map(sequence).collect::<Vec<_>>(), [9]);
    }

    #[tokio::test]
    async fn what_waits_is_read_before_the_end() {
        let queue = EventQueue::new();
        let mut events = Events(queue.clone());
        queue.push(Event::PeerUp { peer: PeerId::random() });
        queue.finish();
        assert!(events.recv().await.is_some());
        assert!(events.recv().await.is_none());
    }
}
