//! Connections: who may stay, who is dialled, who is banned.

use super::Service;
use crate::event::Event;
use crate::handle::Connected;
use crate::limits::{EXPLICIT_PEERS_MAX, GOSSIP_SCORE_MIN};
use crate::peers::{Offence, Peer};
use crate::stats::count;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, identify, ping};
use std::time::{Duration, Instant};

/// Characters of a peer's protocol version that are logged and reported.
const FOUND_VERSION_CHARS_MAX: usize = 64;

impl Service {
    pub(super) fn on_connected(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        tracing::debug!(%peer, %connection, "connection established");
        self.dialer.connected(connection, peer);
        // Of two connections at once the first is shown.
        self.shared.connections.lock().entry(peer).or_insert_with(|| Connected {
            address: endpoint.get_remote_address().clone(),
            outbound: endpoint.is_dialer(),
            since: Instant::now(),
        });
        let record = self.peers.entry(peer).or_insert_with(|| Peer::new(Instant::now()));
        if record.explicit {
            return;
        }
        // Explicit peering must be mutual, else one end refuses to graft and the other waits for
        // lazy gossip. Nodes connect only to their persistent peers, so a node that connected to
        // us treats us as explicit, and we do the same for as many as we can afford.
        record.explicit = true;
        let explicit = self.peers.values().filter(|peer| peer.explicit).count();
        if explicit > EXPLICIT_PEERS_MAX && !self.dialer.contains(&peer) {
            self.peers.entry(peer).and_modify(|record| record.explicit = false);
            return;
        }
        self.swarm.behaviour_mut().gossip.add_explicit_peer(&peer);
    }

    pub(super) fn on_disconnected(&mut self, peer: PeerId) {
        self.swarm.behaviour_mut().gossip.remove_explicit_peer(&peer);
        self.dialer.closed(&peer, Instant::now());
        self.shared.connections.lock().remove(&peer);
        let was_up = self.peers.remove(&peer).is_some_and(|record| record.up);
        if was_up {
            tracing::info!(%peer, "peer down");
            self.shared.peers.lock().remove(&peer);
            self.emit(Event::PeerDown { peer });
        }
    }

    /// The peer used a name that only nodes of this chain know. Returns its record, if it is
    /// still connected.
    pub(super) fn mark_up(&mut self, peer: PeerId) -> Option<&mut Peer> {
        if !self.peers.get(&peer)?.up {
            tracing::info!(%peer, "peer up");
            self.dialer.up(&peer);
            self.shared.peers.lock().insert(peer);
            self.emit(Event::PeerUp { peer });
        }
        let record = self.peers.get_mut(&peer)?;
        record.up = true;
        Some(record)
    }

    pub(super) fn on_identify(&mut self, event: identify::Event) {
        match event {
            identify::Event::Received { peer_id, info, .. } => {
                if info.protocol_version == self.protocol_version {
                    self.mark_up(peer_id);
                } else {
                    self.send_away(peer_id, &info.protocol_version);
                }
            }
            identify::Event::Error { peer_id, error, .. } => {
                tracing::debug!(%peer_id, %error, "identify failed");
            }
            identify::Event::Sent { .. } | identify::Event::Pushed { .. } => {}
        }
    }

    /// Disconnects a peer of another chain and keeps it away for a while.
    fn send_away(&mut self, peer: PeerId, version: &str) {
        let expected = self.protocol_version.clone();
        let found: String =
            version.chars().take(FOUND_VERSION_CHARS_MAX).flat_map(char::escape_debug).collect();
        tracing::warn!(%peer, expected, found, "peer is of another chain, disconnecting");
        self.keep_away(peer, self.limits.wrong_genesis_ban_ms);
        self.emit(Event::WrongGenesis { peer, expected, found });
    }

    pub(super) fn on_ping(&mut self, event: ping::Event) {
        if let Err(error) = event.result {
            tracing::debug!(peer = %event.peer, %error, "ping failed, closing the connection");
            self.swarm.close_connection(event.connection);
        }
    }

    pub(super) fn dial_due(&mut self) {
        let now = Instant::now();
        for due in self.dialer.due(now) {
            if due.peer.is_some_and(|peer| self.conduct.is_banned(&peer)) {
                self.dialer.postponed(due.target, now);
                continue;
            }
            // A port of its own for each dial: from the listening port, a second connection to
            // the same peer would collide with the first one's remains.
            let options = match due.peer {
                Some(peer) => DialOpts::peer_id(peer)
                    .addresses(vec![due.address.clone()])
                    .allocate_new_port()
                    .build(),
                None => DialOpts::unknown_peer_id()
                    .address(due.address.clone())
                    .allocate_new_port()
                    .build(),
            };
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => self.dialer.started(due.target, connection),
                Err(error) => {
                    tracing::debug!(address = %due.address, %error, "cannot dial");
                    self.dialer.postponed(due.target, now);
                }
            }
        }
    }

    pub(super) fn on_dial_failed(&mut self, connection: ConnectionId, error: &DialError) {
        match error {
            DialError::LocalPeerId { address } => {
                tracing::info!(%address, "persistent peer is this node itself");
                self.dialer.is_self(connection);
            }
            DialError::WrongPeerId { obtained, address } => {
                tracing::warn!(%obtained, %address, "another peer answers at this address");
                self.dialer.failed(connection, Instant::now());
            }
            error => {
                tracing::debug!(%error, "dial failed");
                self.dialer.failed(connection, Instant::now());
            }
        }
    }

    pub(super) fn add_peer(&mut self, address: Multiaddr, peer: PeerId) {
        if self.dialer.contains(&peer) {
            return;
        }
        let connected = self.peers.contains_key(&peer);
        if !self.dialer.add(address, connected, &self.limits, Instant::now()) {
            tracing::warn!(%peer, "too many persistent peers: this one is not added");
            self.shared.persistent.lock().remove(&peer);
        }
    }

    pub(super) fn remove_peer(&mut self, peer: PeerId) {
        self.dialer.remove(&peer);
        // An error means that it is not connected.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// Counts an offence, and bans the peer when it was one too many.
    pub(super) fn blame(&mut self, peer: PeerId, offence: Offence) {
        if self.conduct.is_banned(&peer) {
            return;
        }
        count(&self.shared.counters.offences);
        tracing::debug!(%peer, %offence, "offence");
        if self.conduct.blame(peer, offence, Instant::now()) {
            self.ban(peer, offence);
        }
    }

    fn ban(&mut self, peer: PeerId, offence: Offence) {
        let ban_ms = self.limits.ban_ms;
        tracing::warn!(%peer, %offence, ban_ms, "peer banned");
        count(&self.shared.counters.bans);
        self.keep_away(peer, ban_ms);
        self.emit(Event::PeerBanned { peer, offence, ban_ms });
    }

    fn keep_away(&mut self, peer: PeerId, length_ms: u64) {
        let length = Duration::from_millis(length_ms);
        let ended = self.conduct.ban(peer, length, Instant::now());
        let bans = &mut self.swarm.behaviour_mut().bans;
        bans.block_peer(peer);
        if let Some(ended) = ended {
            bans.unblock_peer(ended);
        }
    }

    /// Ends bans, disconnects peers that never said who they are, and bans those whose gossip
    /// score is too low.
    pub(super) fn review_peers(&mut self, now: Instant) {
        for peer in self.conduct.tick(now) {
            tracing::info!(%peer, "ban ended");
            self.swarm.behaviour_mut().bans.unblock_peer(peer);
        }
        let handshake = Duration::from_millis(self.limits.handshake_timeout_ms);
        let silent =
            self.peers.iter().filter(|(_, peer)| !peer.up && peer.since + handshake <= now);
        for peer in silent.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            tracing::debug!(%peer, "peer did not say who it is in time");
            // An error means that it has just disconnected.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let gossip = &self.swarm.behaviour().gossip;
        let is_low =
            |peer: &&PeerId| gossip.peer_score(peer).is_some_and(|score| score <= GOSSIP_SCORE_MIN);
        for peer in self.peers.keys().filter(is_low).copied().collect::<Vec<_>>() {
            self.blame(peer, Offence::GossipScore);
        }
    }
}
