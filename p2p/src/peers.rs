//! Who is connected, what each peer has done wrong, and how much it may still ask for.
//!
//! Decides from the times it is given and does no I/O.

use crate::limits::{
    BLOCKS_PER_REQUEST_MAX, OFFENCE_POINTS_FORGOTTEN_PER_SECOND, OFFENCE_POINTS_MAX,
    REMEMBERED_PEERS_MAX,
};
use crate::message::{Request, RequestKind};
use crate::topic::Topic;
use libp2p::PeerId;
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

/// Something that a peer did wrong and could have known to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// A message was rejected: its signature, shape or contents are wrong.
    InvalidMessage,
    /// A request or response was too large or could not be decoded.
    BadFrame,
    /// A response did not answer what was asked.
    BadResponse,
    /// More messages than an honest node sends.
    Flood,
    /// gossipsub's own score fell too low.
    GossipScore,
    /// A proof of bad intent: one is enough.
    Proven,
}

impl Offence {
    /// Misbehaviour points; [`OFFENCE_POINTS_MAX`] of them ban a peer.
    pub const fn points(self) -> u32 {
        match self {
            Self::Flood => 1,
            Self::InvalidMessage | Self::BadFrame | Self::BadResponse => 20,
            Self::GossipScore | Self::Proven => OFFENCE_POINTS_MAX,
        }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidMessage => "invalid message",
            Self::BadFrame => "bad frame",
            Self::BadResponse => "bad response",
            Self::Flood => "flood",
            Self::GossipScore => "gossip score too low",
            Self::Proven => "proven misbehaviour",
        })
    }
}

/// A bucket that fills with time: `burst` at most, `per_second` more each second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    burst: u64,
    per_second: u64,
    /// Thousandths of a unit.
    level: u64,
    updated: Instant,
}

impl Budget {
    pub(crate) fn new(burst: u64, per_second: u64, now: Instant) -> Self {
        Self { burst, per_second, level: burst * 1000, updated: now }
    }

    /// Takes `cost` units if they are there.
    pub(crate) fn take(&mut self, cost: u64, now: Instant) -> bool {
        let elapsed_ms = now.saturating_duration_since(self.updated).as_millis() as u64;
        if elapsed_ms > 0 {
            let gained = elapsed_ms.saturating_mul(self.per_second);
            self.level = self.level.saturating_add(gained).min(self.burst * 1000);
            self.updated = now;
        }
        let cost = cost * 1000;
        let enough = self.level >= cost;
        if enough {
            self.level -= cost;
        }
        enough
    }
}

/// A connected peer.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Since when there has been a connection.
    pub(crate) since: Instant,
    /// Whether it has shown that it is of this chain.
    pub(crate) up: bool,
    /// Whether it is sent every message directly.
    pub(crate) explicit: bool,
    transactions: Budget,
    messages: Budget,
    requests: [Budget; 4],
}

impl Peer {
    pub(crate) fn new(now: Instant) -> Self {
        let blocks = u64::from(BLOCKS_PER_REQUEST_MAX);
        Self {
            since: now,
            up: false,
            explicit: false,
            transactions: Budget::new(20_000, 5_000, now),
            messages: Budget::new(10_000, 2_000, now),
            requests: [
                Budget::new(20, 2, now),
                Budget::new(16 * blocks, 2 * blocks, now),
                Budget::new(128, 16, now),
                Budget::new(64, 16, now),
            ],
        }
    }

    /// Takes one message on a topic from the peer's budget. Transactions have their own, so
    /// that a burst of them costs no vote.
    pub(crate) fn may_send(&mut self, topic: Topic, now: Instant) -> bool {
        match topic {
            Topic::Transactions => self.transactions.take(1, now),
            _ => self.messages.take(1, now),
        }
    }

    /// Takes one request from the peer's budget; blocks cost by their number.
    pub(crate) fn may_ask(&mut self, request: &Request, now: Instant) -> bool {
        let cost = match request {
            Request::Blocks { count, .. } => u64::from(*count),
            _ => 1,
        };
        let place = match request.kind() {
            RequestKind::Status => 0,
            RequestKind::Blocks => 1,
            RequestKind::Parts => 2,
            RequestKind::Transactions => 3,
        };
        self.requests[place].take(cost, now)
    }
}

#[derive(Clone, Copy, Debug)]
struct Points {
    points: u32,
    updated: Instant,
}

impl Points {
    fn at(self, now: Instant) -> u32 {
        let seconds = now.saturating_duration_since(self.updated).as_secs();
        let forgotten = seconds.saturating_mul(u64::from(OFFENCE_POINTS_FORGOTTEN_PER_SECOND));
        self.points.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

/// Remembers what peers did wrong, also over reconnections, and for how long they stay away.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    points: HashMap<PeerId, Points>,
    bans: HashMap<PeerId, Instant>,
}

impl Conduct {
    /// Counts an offence; `true` when the peer must be banned for it.
    pub(crate) fn blame(&mut self, peer: PeerId, offence: Offence, now: Instant) -> bool {
        if self.points.len() >= REMEMBERED_PEERS_MAX && !self.points.contains_key(&peer) {
            self.forget_least(now);
        }
        let before = self.points.get(&peer).map_or(0, |points| points.at(now));
        let points = before.saturating_add(offence.points());
        if points >= OFFENCE_POINTS_MAX {
            self.points.remove(&peer);
            return true;
        }
        self.points.insert(peer, Points { points, updated: now });
        false
    }

    /// Keeps a peer away for a while. Returns peers whose ban ends early, because no more can be
    /// remembered.
    pub(crate) fn ban(&mut self, peer: PeerId, length: Duration, now: Instant) -> Option<PeerId> {
        self.bans.insert(peer, now + length);
        if self.bans.len() <= REMEMBERED_PEERS_MAX {
            return None;
        }
        let first = self.bans.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer)?;
        self.bans.remove(&first);
        Some(first)
    }

    pub(crate) fn is_banned(&self, peer: &PeerId) -> bool {
        self.bans.contains_key(peer)
    }

    /// Forgets what is over; returns the peers whose ban ended.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<PeerId> {
        self.points.retain(|_, points| points.at(now) > 0);
        self.bans.extract_if(|_, until| *until <= now).map(|(peer, _)| peer).collect()
    }

    fn forget_least(&mut self, now: Instant) {
        let least = self.points.iter().min_by_key(|(_, points)| points.at(now));
        if let Some(peer) = least.map(|(peer, _)| *peer) {
            self.points.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_allows_its_burst_and_then_its_rate() {
        let now = Instant::now();
        let mut budget = Budget::new(3, 2, now);
        assert_eq!((0..5).filter(|_| budget.take(1, now)).count(), 3);
        assert!(!budget.take(1, now + Duration::from_millis(400)));
        assert!(budget.take(1, now + Duration::from_millis(500)));
        let later = now + Duration::from_secs(100);
        assert_eq!((0..5).filter(|_| budget.take(1, later)).count(), 3);
    }

    #[test]
    fn a_flood_of_transactions_leaves_the_budget_for_votes() {
        let now = Instant::now();
        let mut peer = Peer::new(now);
        while peer.may_send(Topic::Transactions, now) {}
        assert!(peer.may_send(Topic::Consensus, now));
    }

    #[test]
    fn blocks_cost_by_their_number() {
        let now = Instant::now();
        let mut peer = Peer::new(now);
        let request = Request::Blocks { from: 1, count: BLOCKS_PER_REQUEST_MAX };
        assert_eq!((0..100).filter(|_| peer.may_ask(&request, now)).count(), 16);
        assert!(peer.may_ask(&Request::Transactions(vec![]), now));
    }

    #[test]
    fn offences_add_up_to_a_ban_and_are_forgotten_with_time() {
        let now = Instant::now();
        let peer = PeerId::random();
        let mut conduct = Conduct::default();
        let blamed = (0..5).map(|_| conduct.blame(peer, Offence::InvalidMessage, now));
        assert_eq!(blamed.collect::<Vec<_>>(), [false, false, false, false, true]);

        for number in 0..50 {
            let now = now + Duration::from_secs(20 * number);
            assert!(!conduct.blame(peer, Offence::InvalidMessage, now), "slow offences add up");
        }
        assert!(conduct.blame(peer, Offence::Proven, now + Duration::from_secs(9000)));
    }

    #[test]
    fn a_ban_ends_after_its_time() {
        let now = Instant::now();
        let peer = PeerId::random();
        let mut conduct = Conduct::default();
        conduct.ban(peer, Duration::from_secs(10), now);
        assert!(conduct.tick(now + Duration::from_secs(9)).is_empty());
        assert!(conduct.is_banned(&peer));
        assert_eq!(conduct.tick(now + Duration::from_secs(10)), [peer]);
        assert!(!conduct.is_banned(&peer));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let now = Instant::now();
        let mut conduct = Conduct::default();
        let mut ended = 0;
        for _ in 0..REMEMBERED_PEERS_MAX + 10 {
            let peer = PeerId::random();
            conduct.blame(peer, Offence::BadFrame, now);
            ended += usize::from(conduct.ban(peer, Duration::from_secs(10), now).is_some());
        }
        assert_eq!(conduct.points.len(), REMEMBERED_PEERS_MAX);
        assert_eq!((conduct.bans.len(), ended), (REMEMBERED_PEERS_MAX, 10));
    }
}
