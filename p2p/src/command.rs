//! What the node tells the network to do.

use crate::error::RequestError;
use crate::lane::Lane;
use crate::limits::{BULK_COMMANDS_BYTES_MAX, BULK_COMMANDS_MAX, EVENT_BYTES};
use crate::message::{Request, Response};
use crate::peers::Offence;
use crate::pending::RequestToken;
use crate::topic::{MessageToken, Topic, Verdict};
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

/// Something to do. Sent with [`Handle::send`](crate::Handle::send).
#[derive(Debug)]
pub enum Command {
    /// Gossips a message. Nobody subscribed and a message published before are no errors: the
    /// first is normal at the start, the second is done already. It does not come back as an
    /// event.
    Publish {
        /// The topic.
        topic: Topic,
        /// The payload, within the topic's size.
        data: Vec<u8>,
    },
    /// Says what a received message is worth. Of no effect when its time is over.
    Validated {
        /// Token of the message.
        message: MessageToken,
        /// The verdict; `Reject` also blames the sender.
        verdict: Verdict,
    },
    /// Asks a connected peer.
    Request {
        /// The peer.
        peer: PeerId,
        /// What to ask.
        request: Request,
        /// Gets the answer or the failure exactly once, unless the network stops.
        reply: oneshot::Sender<Result<Response, RequestError>>,
    },
    /// Answers a peer's request. Of no effect when its time is over. A response of another kind
    /// or over its limits is not sent; the request counts as refused.
    Respond {
        /// Token of the request.
        token: RequestToken,
        /// The answer.
        response: Response,
    },
    /// Refuses a peer's request at once, instead of letting it time out.
    Refuse {
        /// Token of the request.
        token: RequestToken,
    },
    /// Blames a peer.
    Report {
        /// The peer.
        peer: PeerId,
        /// What it did.
        offence: Offence,
    },
    /// Keeps a connection with one more peer. Sent by [`Handle::add_peer`](crate::Handle::add_peer).
    AddPeer {
        /// Where, ending in its id.
        address: Multiaddr,
        /// Its id.
        peer: PeerId,
    },
    /// Disconnects a peer and dials it no more.
    RemovePeer {
        /// The peer.
        peer: PeerId,
    },
}

impl Command {
    /// Whether the command may wait behind all others and be dropped when too many wait:
    /// transactions and verdicts on them. A dropped verdict counts as `Ignore`.
    pub(crate) fn is_bulk(&self) -> bool {
        match self {
            Self::Publish { topic, .. } => *topic == Topic::Transactions,
            Self::Validated { message, .. } => message.topic() == Topic::Transactions,
            _ => false,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Publish { data, .. } => data.len() + EVENT_BYTES,
            _ => EVENT_BYTES,
        }
    }
}

/// Bulk commands that wait; when full, the oldest gives way.
#[derive(Debug)]
pub(crate) struct BulkQueue {
    lane: Mutex<Lane<Command>>,
    ready: Notify,
}

impl BulkQueue {
    pub(crate) fn new() -> Self {
        let lane = Lane::new(BULK_COMMANDS_MAX, BULK_COMMANDS_BYTES_MAX);
        Self { lane: Mutex::new(lane), ready: Notify::new() }
    }

    /// Adds a command; returns how many were dropped for it.
    pub(crate) fn push(&self, command: Command) -> usize {
        let bytes = command.bytes();
        let dropped = self.lane.lock().push_over_oldest(command, bytes).len();
        self.ready.notify_one();
        dropped
    }

    /// Waits for the next command. Safe to cancel.
    pub(crate) async fn next(&self) -> Command {
        loop {
            let command = self.lane.lock().pop();
            match command {
                Some(command) => return command,
                None => self.ready.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_transactions_is_bounded_and_is_not_urgent() {
        let publish = |topic| Command::Publish { topic, data: vec![0; 1000] };
        assert!(publish(Topic::Transactions).is_bulk());
        assert!(!publish(Topic::Consensus).is_bulk());
        let queue = BulkQueue::new();
        let pushes = BULK_COMMANDS_MAX + 10;
        let dropped: usize = (0..pushes).map(|_| queue.push(publish(Topic::Transactions))).sum();
        assert_eq!(dropped, 10);
        assert!(matches!(queue.next().await, Command::Publish { .. }));
    }
}
