//! Gossip: publishing, handing out messages, performing verdicts.

use super::Service;
use crate::event::Event;
use crate::peers::Offence;
use crate::pending::Unjudged;
use crate::stats::count;
use crate::topic::{MessageToken, Topic, Verdict};
use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId, PublishError};
use std::time::Instant;

impl Service {
    pub(super) fn publish(&mut self, topic: Topic, data: Vec<u8>) {
        let hash = self.topics.hash(topic);
        let counters = &self.shared.counters;
        match self.swarm.behaviour_mut().gossip.publish(hash, data) {
            Ok(_) => count(&counters.published),
            Err(PublishError::Duplicate) => {}
            Err(PublishError::NoPeersSubscribedToTopic) => count(&counters.published_to_nobody),
            Err(error) => {
                count(&counters.publish_failed);
                tracing::warn!(%topic, %error, "message was not published");
            }
        }
    }

    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_message(propagation_source, message_id, message);
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                if let Some(topic) = self.topics.find(&topic)
                    && self.mark_up(peer_id).is_some()
                {
                    self.emit(Event::Subscribed { peer: peer_id, topic });
                }
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                tracing::debug!(%peer_id, "peer does not gossip");
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                tracing::debug!(%peer_id, ?failed_messages, "peer is slow to take messages");
            }
            gossipsub::Event::Unsubscribed { .. } => {}
        }
    }

    fn on_message(&mut self, from: PeerId, id: MessageId, message: gossipsub::Message) {
        let now = Instant::now();
        let topic = self.topics.find(&message.topic);
        let (Some(topic), Some(peer)) = (topic, self.mark_up(from)) else {
            self.report(&id, &from, MessageAcceptance::Ignore);
            return;
        };
        let within_budget = peer.may_send(topic, now);
        let counters = &self.shared.counters;
        count(&counters.received[topic.index()]);
        if !within_budget {
            count(&counters.throttled);
            count(&counters.ignored);
            self.report(&id, &from, MessageAcceptance::Ignore);
            // A busy node may well send many transactions, but never as many of the others.
            if topic != Topic::Transactions {
                self.blame(from, Offence::Flood);
            }
            return;
        }
        let (token, pushed_out) = self.verdicts.insert(topic, id, from, now);
        if let Some(oldest) = pushed_out {
            self.forget(&oldest);
        }
        self.emit(Event::Message { topic, from, data: message.data, token });
    }

    pub(super) fn judge(&mut self, token: MessageToken, verdict: Verdict) {
        let Some(message) = self.verdicts.take(token) else { return };
        let counters = &self.shared.counters;
        let (counter, acceptance) = match verdict {
            Verdict::Accept => (&counters.accepted, MessageAcceptance::Accept),
            Verdict::Ignore => (&counters.ignored, MessageAcceptance::Ignore),
            Verdict::Reject => (&counters.rejected, MessageAcceptance::Reject),
        };
        count(counter);
        self.report(&message.id, &message.from, acceptance);
        if verdict == Verdict::Reject {
            tracing::debug!(from = %message.from, topic = %message.topic, "message rejected");
            self.blame(message.from, Offence::InvalidMessage);
        }
    }

    /// Ignores a message that a full lane dropped.
    pub(super) fn ignore(&mut self, token: MessageToken) {
        self.judge(token, Verdict::Ignore);
    }

    /// Ignores the messages that the node did not judge in time.
    pub(super) fn forget_unjudged(&mut self, now: Instant) {
        for message in self.verdicts.expired(now) {
            self.forget(&message);
        }
    }

    fn forget(&mut self, message: &Unjudged) {
        count(&self.shared.counters.unjudged);
        count(&self.shared.counters.ignored);
        self.report(&message.id, &message.from, MessageAcceptance::Ignore);
    }

    fn report(&mut self, id: &MessageId, from: &PeerId, acceptance: MessageAcceptance) {
        // False when gossipsub has forgotten the message; then there is nothing to forward.
        self.swarm.behaviour_mut().gossip.report_message_validation_result(id, from, acceptance);
    }
}
