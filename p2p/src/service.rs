//! The task that owns the swarm.

mod connections;
mod gossip;
mod requests;

use crate::behaviour::{self, Behaviour, BehaviourEvent};
use crate::command::{BulkQueue, Command};
use crate::config::NetworkConfig;
use crate::dialer::Dialer;
use crate::error::{NetworkError, RequestError};
use crate::event::{Event, EventQueue};
use crate::handle::Shared;
use crate::limits::{COMMANDS_PER_TURN_MAX, NetworkLimits};
use crate::message::{RequestKind, Response};
use crate::peers::{Conduct, Peer};
use crate::pending::{Unanswered, Verdicts};
use crate::stats::count;
use crate::topic::{Topics, genesis_label};
use futures::StreamExt;
use libp2p::request_response::{OutboundRequestId, ResponseChannel};
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

/// How often what is over is forgotten: verdicts, requests, bans, handshakes.
const TICK: Duration = Duration::from_millis(500);

/// Where a response of a peer goes.
type Reply = oneshot::Sender<Result<Response, RequestError>>;

/// The service's ends of the channels that lead to it.
pub(crate) struct Inbox {
    pub(crate) urgent: mpsc::Receiver<Command>,
    pub(crate) bulk: Arc<BulkQueue>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Owns the swarm and everything that is known about peers.
pub(crate) struct Service {
    swarm: Swarm<Behaviour>,
    topics: Topics,
    protocol_version: String,
    limits: NetworkLimits,
    dialer: Dialer,
    /// Peers with a connection.
    peers: HashMap<PeerId, Peer>,
    conduct: Conduct,
    verdicts: Verdicts,
    /// Requests of peers that the node has not answered.
    unanswered: Unanswered<ResponseChannel<Response>>,
    /// Requests of the node that peers have not answered.
    asked: HashMap<(RequestKind, OutboundRequestId), Reply>,
    events: Arc<EventQueue>,
    shared: Arc<Shared>,
}

impl Service {
    /// Builds the swarm; nothing is listened on or dialled yet.
    ///
    /// # Errors
    /// [`NetworkError::Setting`] when a part refuses its settings.
    pub(crate) fn new(
        config: &NetworkConfig,
        events: Arc<EventQueue>,
        shared: Arc<Shared>,
    ) -> Result<Self, NetworkError> {
        let label = genesis_label(&config.genesis_hash);
        let limits = config.limits.clone();
        let dialer = Dialer::new(&config.persistent_peers, &limits, Instant::now());
        shared.persistent.lock().extend(dialer.peers());
        Ok(Self {
            swarm: behaviour::swarm(config)?,
            topics: Topics::new(&label),
            protocol_version: behaviour::protocol_version(&label),
            dialer,
            peers: HashMap::new(),
            conduct: Conduct::default(),
            verdicts: Verdicts::new(Duration::from_millis(limits.validation_timeout_ms)),
            unanswered: Unanswered::new(),
            asked: HashMap::new(),
            limits,
            events,
            shared,
        })
    }

    /// Listens and waits until the real address is known.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) async fn listen(&mut self, address: &Multiaddr) -> Result<(), String> {
        self.swarm.listen_on(address.clone()).map_err(|error| error.to_string())?;
        while self.shared.listening.lock().is_empty() {
            match self.swarm.select_next_some().await {
                SwarmEvent::ListenerClosed { reason: Err(error), .. }
                | SwarmEvent::ListenerError { error, .. } => return Err(error.to_string()),
                event => self.on_swarm(event),
            }
        }
        Ok(())
    }

    /// Runs until told to stop, or until nobody holds the other ends.
    pub(crate) async fn run(mut self, mut inbox: Inbox) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.events.is_abandoned() {
            // Urgent commands go first, but only so many before the swarm gets its turn.
            for _ in 0..COMMANDS_PER_TURN_MAX {
                let Ok(command) = inbox.urgent.try_recv() else { break };
                self.perform(command);
            }
            let redial = self.dialer.next();
            let redial_at = redial.unwrap_or_else(Instant::now).into();
            // The branches are tried in random order, so none starves another.
            tokio::select! {
                _ = inbox.stop.changed() => break,
                () = self.events.abandon.notified() => {}
                command = inbox.urgent.recv() => match command {
                    Some(command) => self.perform(command),
                    None => break,
                },
                command = inbox.bulk.next() => self.perform(command),
                event = self.swarm.select_next_some() => self.on_swarm(event),
                () = tokio::time::sleep_until(redial_at), if redial.is_some() => self.dial_due(),
                _ = tick.tick() => self.tick(),
            }
        }
        self.events.finish();
    }

    fn perform(&mut self, command: Command) {
        match command {
            Command::Publish { topic, data } => self.publish(topic, data),
            Command::Validated { message, verdict } => self.judge(message, verdict),
            Command::Request { peer, request, reply } => self.ask(peer, request, reply),
            Command::Respond { token, response } => self.respond(token, response),
            Command::Refuse { token } => self.refuse(token),
            Command::Report { peer, offence } => self.blame(peer, offence),
            Command::AddPeer { address, peer } => self.add_peer(address, peer),
            Command::RemovePeer { peer } => self.remove_peer(peer),
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established, cause, .. } => {
                tracing::debug!(%peer_id, num_established, ?cause, "connection closed");
                if num_established == 0 {
                    self.on_disconnected(peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(%send_back_addr, %error, "inbound connection failed");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening for peers");
                self.shared.listening.lock().push(address.clone());
                self.emit(Event::Listening { address });
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.shared.listening.lock().retain(|known| *known != address);
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "listener closed");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "listener failed to accept a connection");
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Ping(event) => self.on_ping(event),
            BehaviourEvent::Status(event) => self.on_request(RequestKind::Status, event),
            BehaviourEvent::Blocks(event) => self.on_request(RequestKind::Blocks, event),
            BehaviourEvent::Parts(event) => self.on_request(RequestKind::Parts, event),
            BehaviourEvent::Transactions(event) => {
                self.on_request(RequestKind::Transactions, event);
            }
            BehaviourEvent::Bans(never)
            | BehaviourEvent::IpLimits(never)
            | BehaviourEvent::Limits(never) => match never {},
        }
    }

    /// Hands an event to the node; what a full lane drops is ignored or refused.
    fn emit(&mut self, event: Event) {
        for dropped in self.events.push(event) {
            match dropped {
                Event::Message { topic, token, .. } => {
                    count(&self.shared.counters.dropped[topic.index()]);
                    self.ignore(token);
                }
                Event::Request { token, .. } => self.refuse(token),
                other => {
                    count(&self.shared.counters.peer_events_dropped);
                    tracing::warn!(event = ?other, "event about a peer dropped: nobody reads them");
                }
            }
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.forget_unjudged(now);
        for _ in 0..self.unanswered.expire(now) {
            count(&self.shared.counters.requests_refused);
        }
        self.review_peers(now);
    }
}
