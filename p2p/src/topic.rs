//! Topics, verdicts and the token that joins a message to its verdict.

use crate::limits::{
    CONSENSUS_MESSAGE_BYTES_MAX, LIVENESS_MESSAGE_BYTES_MAX, PARTS_MESSAGE_BYTES_MAX,
    STATUS_MESSAGE_BYTES_MAX, TRANSACTIONS_MESSAGE_BYTES_MAX,
};
use libp2p::gossipsub::{IdentTopic, TopicHash};
use std::fmt;
use weft_types::B256;

/// What a gossiped message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Signed votes and proposals.
    Consensus,
    /// Rebroadcast votes and certificates that help a lagging peer.
    Liveness,
    /// Proposal parts and their announcements.
    Parts,
    /// Batches of transactions.
    Transactions,
    /// Heads of peers; a receiver answers `Ignore`, so it travels one hop.
    Status,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 5] =
        [Self::Consensus, Self::Liveness, Self::Parts, Self::Transactions, Self::Status];

    /// Largest payload on this topic, in bytes.
    pub const fn size_bytes_max(self) -> usize {
        match self {
            Self::Consensus => CONSENSUS_MESSAGE_BYTES_MAX,
            Self::Liveness => LIVENESS_MESSAGE_BYTES_MAX,
            Self::Parts => PARTS_MESSAGE_BYTES_MAX,
            Self::Transactions => TRANSACTIONS_MESSAGE_BYTES_MAX,
            Self::Status => STATUS_MESSAGE_BYTES_MAX,
        }
    }

    /// Name in topic strings, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Liveness => "liveness",
            Self::Parts => "parts",
            Self::Transactions => "transactions",
            Self::Status => "status",
        }
    }

    /// Place in [`Topic::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the node found out about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right and new: forward it.
    Accept,
    /// Not useful (old, already known, pool full), nobody's fault: do not forward it.
    Ignore,
    /// Wrong in a way that its sender could have seen: do not forward it and blame the sender.
    Reject,
}

/// Joins a message to the verdict on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageToken {
    pub(crate) topic: Topic,
    pub(crate) sequence: u64,
}

impl MessageToken {
    /// Topic of the message.
    pub const fn topic(&self) -> Topic {
        self.topic
    }
}

/// First eight hex digits of the genesis hash: part of every protocol and topic name, so that
/// nodes of different chains share no name at all.
pub(crate) fn genesis_label(genesis_hash: &B256) -> String {
    hex::encode(&genesis_hash[..4])
}

/// The topics of one chain with their names on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Topics([IdentTopic; 5]);

impl Topics {
    pub(crate) fn new(genesis_label: &str) -> Self {
        Self(
            Topic::ALL
                .map(|topic| IdentTopic::new(format!("/weft/{genesis_label}/{}/1", topic.name()))),
        )
    }

    pub(crate) fn wire(&self, topic: Topic) -> &IdentTopic {
        &self.0[topic.index()]
    }

    pub(crate) fn hash(&self, topic: Topic) -> TopicHash {
        self.wire(topic).hash()
    }

    pub(crate) fn find(&self, hash: &TopicHash) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| self.wire(*topic).hash() == *hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_its_own_index_and_name() {
        let topics = Topics::new("00112233");
        for (place, topic) in Topic::ALL.into_iter().enumerate() {
            assert_eq!(topic.index(), place);
            assert_eq!(topics.find(&topics.hash(topic)), Some(topic));
        }
        assert_eq!(topics.find(&Topics::new("00112234").hash(Topic::Consensus)), None);
    }
}
