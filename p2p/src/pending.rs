//! What waits for the node's answer: messages for their verdict, requests for their response.
//!
//! Both tables are bounded and both forget by time, so a node that never answers costs a fixed
//! amount of memory. Decides from the times it is given and does no I/O.

use crate::limits::{INBOUND_REQUESTS_MAX, VERDICTS_MAX};
use crate::message::RequestKind;
use crate::topic::{MessageToken, Topic};
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A message that waits for its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unjudged {
    pub(crate) topic: Topic,
    pub(crate) id: MessageId,
    pub(crate) from: PeerId,
    deadline: Instant,
}

/// Messages that wait for their verdict. Transactions have a table of their own, so that a flood
/// of them pushes out no vote.
#[derive(Debug)]
pub(crate) struct Verdicts {
    timeout: Duration,
    sequence: u64,
    transactions: BTreeMap<u64, Unjudged>,
    others: BTreeMap<u64, Unjudged>,
}

impl Verdicts {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, sequence: 0, transactions: BTreeMap::new(), others: BTreeMap::new() }
    }

    fn table(&mut self, topic: Topic) -> &mut BTreeMap<u64, Unjudged> {
        match topic {
            Topic::Transactions => &mut self.transactions,
            _ => &mut self.others,
        }
    }

    /// Remembers a message; also returns the oldest one when it had to give way.
    pub(crate) fn insert(
        &mut self,
        topic: Topic,
        id: MessageId,
        from: PeerId,
        now: Instant,
    ) -> (MessageToken, Option<Unjudged>) {
        let sequence = self.sequence;
        self.sequence += 1;
        let deadline = now + self.timeout;
        let table = self.table(topic);
        table.insert(sequence, Unjudged { topic, id, from, deadline });
        let oldest = if table.len() > VERDICTS_MAX { table.pop_first() } else { None };
        (MessageToken { topic, sequence }, oldest.map(|(_, message)| message))
    }

    /// Takes the message of a token; `None` when it was answered or forgotten before.
    pub(crate) fn take(&mut self, token: MessageToken) -> Option<Unjudged> {
        self.table(token.topic).remove(&token.sequence)
    }

    /// Takes the messages whose time is over.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Unjudged> {
        let mut expired = Vec::new();
        for table in [&mut self.transactions, &mut self.others] {
            while let Some(first) = table.first_entry() {
                if first.get().deadline > now {
                    break;
                }
                expired.push(first.remove());
            }
        }
        expired
    }
}

/// Joins a peer's request to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestToken {
    pub(crate) kind: RequestKind,
    pub(crate) sequence: u64,
}

impl RequestToken {
    /// Kind of the request; the response must be of the same.
    pub const fn kind(&self) -> RequestKind {
        self.kind
    }
}

/// Requests of peers that wait for an answer, each with its channel `C`.
#[derive(Debug)]
pub(crate) struct Unanswered<C> {
    sequence: u64,
    waiting: BTreeMap<u64, (C, Instant)>,
}

impl<C> Unanswered<C> {
    pub(crate) fn new() -> Self {
        Self { sequence: 0, waiting: BTreeMap::new() }
    }

    /// Remembers a request until `deadline`.
    ///
    /// # Errors
    /// Gives the channel back when too many wait.
    pub(crate) fn insert(
        &mut self,
        kind: RequestKind,
        channel: C,
        deadline: Instant,
    ) -> Result<RequestToken, C> {
        if self.waiting.len() >= INBOUND_REQUESTS_MAX {
            return Err(channel);
        }
        let sequence = self.sequence;
        self.sequence += 1;
        self.waiting.insert(sequence, (channel, deadline));
        Ok(RequestToken { kind, sequence })
    }

    /// Takes the channel of a token; `None` when it was answered or forgotten before.
    pub(crate) fn take(&mut self, token: RequestToken) -> Option<C> {
        self.waiting.remove(&token.sequence).map(|(channel, _)| channel)
    }

    /// Forgets the requests whose time is over; returns how many.
    pub(crate) fn expire(&mut self, now: Instant) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|_, (_, deadline)| *deadline > now);
        before - self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MessageId {
        MessageId::new(&number.to_le_bytes())
    }

    #[test]
    fn a_token_is_good_once() {
        let now = Instant::now();
        let mut verdicts = Verdicts::new(Duration::from_secs(1));
        let peer = PeerId::random();
        let (token, _) = verdicts.insert(Topic::Parts, id(1), peer, now);
        assert_eq!(verdicts.take(token).unwrap().id, id(1));
        assert_eq!(verdicts.take(token), None);
    }

    #[test]
    fn messages_expire_in_the_order_they_came() {
        let now = Instant::now();
        let mut verdicts = Verdicts::new(Duration::from_secs(1));
        let peer = PeerId::random();
        for number in 0..3 {
            verdicts.insert(Topic::Consensus, id(number), peer, now + Duration::from_secs(number));
        }
        assert!(verdicts.expired(now).is_empty());
        let expired = verdicts.expired(now + Duration::from_secs(2));
        assert_eq!(expired.iter().map(|m| m.id.clone()).collect::<Vec<_>>(), [id(0), id(1)]);
    }

    #[test]
    fn a_flood_of_transactions_pushes_out_its_own_oldest_and_no_vote() {
        let now = Instant::now();
        let mut verdicts = Verdicts::new(Duration::from_secs(1));
        let peer = PeerId::random();
        let (vote, _) = verdicts.insert(Topic::Consensus, id(u64::MAX), peer, now);
        let flood = VERDICTS_MAX as u64 + 5;
        let pushed_out: Vec<_> = (0..flood)
            .filter_map(|n| verdicts.insert(Topic::Transactions, id(n), peer, now).1)
            .map(|message| message.id)
            .collect();
        assert_eq!(pushed_out, (0..5).map(id).collect::<Vec<_>>());
        assert!(verdicts.take(vote).is_some());
    }

    #[test]
    fn requests_are_bounded_and_forgotten_with_time() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut unanswered = Unanswered::new();
        for number in 0..INBOUND_REQUESTS_MAX {
            assert!(unanswered.insert(RequestKind::Status, number, later).is_ok());
        }
        assert_eq!(unanswered.insert(RequestKind::Status, 99, later), Err(99));
        assert_eq!(unanswered.expire(now), 0);
        assert_eq!(unanswered.expire(later), INBOUND_REQUESTS_MAX);
        let token = unanswered.insert(RequestKind::Parts, 5, later).unwrap();
        assert_eq!((unanswered.take(token), unanswered.take(token)), (Some(5), None));
    }
}
