//! When to dial which persistent peer; decides from the times it is given and does no I/O.

use crate::address;
use crate::limits::NetworkLimits;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::time::{Duration, Instant};

/// Most persistent peers.
const TARGETS_MAX: usize = 256;

/// One persistent peer.
#[derive(Debug)]
struct Target {
    address: Multiaddr,
    /// Known from the address or learned from the first connection.
    peer: Option<PeerId>,
    /// Delay before the next dial; doubles with each, starts again once the peer is up.
    delay: Duration,
    delay_max: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Dialing { connection: ConnectionId },
    Connected,
}

/// Keeps the persistent peers connected.
#[derive(Debug)]
pub(crate) struct Dialer {
    targets: Vec<Target>,
    delay_min: Duration,
}

/// A dial that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Which target.
    pub(crate) target: usize,
    /// Where.
    pub(crate) address: Multiaddr,
    /// Who is expected there, if known.
    pub(crate) peer: Option<PeerId>,
}

impl Dialer {
    /// All targets are due at once.
    pub(crate) fn new(addresses: &[Multiaddr], limits: &NetworkLimits, now: Instant) -> Self {
        let state = State::Waiting { until: now };
        let targets = addresses.iter().map(|address| Target::new(address.clone(), limits, state));
        Self { targets: targets.collect(), delay_min: Duration::from_millis(limits.redial_ms_min) }
    }

    /// Adds a target, due at once unless it is connected already. False when there is no room.
    pub(crate) fn add(
        &mut self,
        address: Multiaddr,
        connected: bool,
        limits: &NetworkLimits,
        now: Instant,
    ) -> bool {
        if self.targets.len() >= TARGETS_MAX {
            return false;
        }
        let state = if connected { State::Connected } else { State::Waiting { until: now } };
        self.targets.push(Target::new(address, limits, state));
        true
    }

    /// Forgets a peer.
    pub(crate) fn remove(&mut self, peer: &PeerId) {
        self.targets.retain(|target| target.peer.as_ref() != Some(peer));
    }

    /// The peers whose ids are known.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.targets.iter().filter_map(|target| target.peer)
    }

    /// Whether this peer is a persistent one.
    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.targets.iter().any(|target| target.peer.as_ref() == Some(peer))
    }

    /// When the next dial is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let waiting = self.targets.iter().filter_map(|target| match target.state {
            State::Waiting { until } => Some(until),
            _ => None,
        });
        waiting.min()
    }

    /// The dials that are due. Each must be answered with [`Self::started`] or [`Self::failed`].
    pub(crate) fn due(&self, now: Instant) -> Vec<Due> {
        let due =
            self.targets.iter().enumerate().filter(
                |(_, target)| matches!(target.state, State::Waiting { until } if until <= now),
            );
        due.map(|(index, target)| Due {
            target: index,
            address: target.address.clone(),
            peer: target.peer,
        })
        .collect()
    }

    /// The dial to a target began.
    pub(crate) fn started(&mut self, target: usize, connection: ConnectionId) {
        self.targets[target].state = State::Dialing { connection };
    }

    /// The dial to a target could not begin, or must wait.
    pub(crate) fn postponed(&mut self, target: usize, now: Instant) {
        let target = &mut self.targets[target];
        target.wait(now);
    }

    /// A dial failed; nothing happens when it is none of ours.
    pub(crate) fn failed(&mut self, connection: ConnectionId, now: Instant) {
        for target in &mut self.targets {
            if target.state == (State::Dialing { connection }) {
                target.wait(now);
            }
        }
    }

    /// The address leads to this node itself: it is never dialled again.
    pub(crate) fn is_self(&mut self, connection: ConnectionId) {
        self.targets.retain(|target| target.state != State::Dialing { connection });
    }

    /// A connection was established, by whichever end.
    pub(crate) fn connected(&mut self, connection: ConnectionId, peer: PeerId) {
        for target in &mut self.targets {
            if target.state == (State::Dialing { connection }) {
                target.peer = Some(peer);
            }
            if target.peer == Some(peer) {
                target.state = State::Connected;
            }
        }
    }

    /// The peer showed that it is of this chain: the next loss starts at the shortest delay.
    pub(crate) fn up(&mut self, peer: &PeerId) {
        let delay = self.delay_min;
        self.of(peer).for_each(|target| target.delay = delay);
    }

    /// The last connection with the peer closed.
    pub(crate) fn closed(&mut self, peer: &PeerId, now: Instant) {
        self.of(peer).for_each(|target| target.wait(now));
    }

    fn of(&mut self, peer: &PeerId) -> impl Iterator<Item = &mut Target> {
        self.targets.iter_mut().filter(move |target| target.peer.as_ref() == Some(peer))
    }
}

impl Target {
    fn new(address: Multiaddr, limits: &NetworkLimits, state: State) -> Self {
        let (address, peer) = address::split_peer(address);
        let loopback = address::is_loopback(&address);
        let delay_max = if loopback { limits.redial_loopback_ms_max } else { limits.redial_ms_max };
        Self {
            address,
            peer,
            delay: Duration::from_millis(limits.redial_ms_min),
            delay_max: Duration::from_millis(delay_max),
            state,
        }
    }

    fn wait(&mut self, now: Instant) {
        self.state = State::Waiting { until: now + self.delay };
        self.delay = (self.delay * 2).min(self.delay_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialer(address: &str, now: Instant) -> Dialer {
        Dialer::new(&[address.parse().unwrap()], &NetworkLimits::default(), now)
    }

    fn connection(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    /// Fails the dial again and again; returns the delays in milliseconds.
    fn delays(dialer: &mut Dialer, mut now: Instant, failures: usize) -> Vec<u64> {
        let mut delays = Vec::new();
        for number in 0..failures {
            assert_eq!(dialer.due(now).len(), 1);
            dialer.started(0, connection(number));
            assert!(dialer.due(now).is_empty() && dialer.next().is_none());
            dialer.failed(connection(number), now);
            let next = dialer.next().unwrap();
            delays.push((next - now).as_millis() as u64);
            now = next;
        }
        delays
    }

    #[test]
    fn delays_double_up_to_the_limit_and_loopback_has_a_lower_one() {
        let now = Instant::now();
        let far = delays(&mut dialer("/ip4/10.0.0.1/tcp/1", now), now, 9);
        assert_eq!(far, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        let near = delays(&mut dialer("/ip4/127.0.0.1/tcp/1", now), now, 4);
        assert_eq!(near, [250, 500, 1000, 1000]);
    }

    #[test]
    fn a_lost_peer_is_dialled_soon_when_it_was_up_and_later_when_it_never_was() {
        let now = Instant::now();
        let peer = PeerId::random();
        for (was_up, expected_ms) in [(true, 250), (false, 2000)] {
            let mut dialer = dialer("/ip4/10.0.0.1/tcp/1", now);
            let start = now + Duration::from_millis(delays(&mut dialer, now, 3).iter().sum());
            dialer.started(0, connection(10));
            dialer.connected(connection(10), peer);
            assert!(dialer.contains(&peer) && dialer.next().is_none());
            if was_up {
                dialer.up(&peer);
            }
            dialer.closed(&peer, start);
            assert_eq!(dialer.next(), Some(start + Duration::from_millis(expected_ms)));
        }
    }

    #[test]
    fn an_inbound_connection_of_a_known_peer_stops_the_dialling() {
        let now = Instant::now();
        let peer = PeerId::random();
        let mut dialer = dialer(&format!("/ip4/10.0.0.1/tcp/1/p2p/{peer}"), now);
        dialer.connected(connection(5), peer);
        assert!(dialer.due(now).is_empty());
    }

    #[test]
    fn peers_are_added_up_to_a_limit_and_removed_peers_are_not_dialled() {
        let now = Instant::now();
        let limits = NetworkLimits::default();
        let mut dialer = Dialer::new(&[], &limits, now);
        let address = |peer: &PeerId| format!("/ip4/10.0.0.1/tcp/1/p2p/{peer}").parse().unwrap();
        let (first, second) = (PeerId::random(), PeerId::random());
        assert!(dialer.add(address(&first), false, &limits, now));
        assert!(dialer.add(address(&second), true, &limits, now));
        assert_eq!(dialer.due(now).len(), 1, "the second is connected");
        dialer.remove(&first);
        assert!(dialer.due(now).is_empty() && !dialer.contains(&first));
        dialer.closed(&second, now);
        assert!(dialer.next().is_some(), "a lost one is dialled again");
        let added = (0..TARGETS_MAX)
            .filter(|_| dialer.add(address(&PeerId::random()), false, &limits, now));
        assert_eq!(added.count(), TARGETS_MAX - 1);
    }

    #[test]
    fn an_address_that_leads_home_is_forgotten() {
        let now = Instant::now();
        let mut dialer = dialer("/ip4/10.0.0.1/tcp/1", now);
        dialer.started(0, connection(1));
        dialer.is_self(connection(1));
        assert!(dialer.due(now + Duration::from_secs(100)).is_empty());
    }
}
