//! The libp2p behaviours of a node and their settings.

use crate::codec::FrameCodec;
use crate::config::NetworkConfig;
use crate::error::NetworkError;
use crate::ip_limits;
use crate::limits::{
    GOSSIP_CONTROL_BYTES_MAX, GOSSIP_ENVELOPE_BYTES_MAX, GOSSIP_FRAME_BYTES_MAX,
    GOSSIP_IDONTWANT_BYTES_MIN, GOSSIP_PEER_QUEUE_MESSAGES_MAX, GOSSIP_SCORE_MIN, NetworkLimits,
    REQUEST_STREAMS_MAX, STREAMS_MAX,
};
use crate::message::RequestKind;
use crate::topic::{Topic, Topics, genesis_label};
use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{
    self, IdentityTransform, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds,
    TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, identify, noise, ping, tcp, yamux};
use std::time::Duration;

/// Gossip with our subscription filter.
pub(crate) type Gossip = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;
/// One kind of request.
pub(crate) type Requests = request_response::Behaviour<FrameCodec>;

/// Everything that runs on a connection. Those that can deny one come first, so that a denied
/// connection reaches none of the others.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) bans: allow_block_list::Behaviour<BlockedPeers>,
    pub(crate) ip_limits: ip_limits::Behaviour,
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) gossip: Gossip,
    pub(crate) status: Requests,
    pub(crate) blocks: Requests,
    pub(crate) parts: Requests,
    pub(crate) transactions: Requests,
}

impl Behaviour {
    pub(crate) fn requests(&mut self, kind: RequestKind) -> &mut Requests {
        match kind {
            RequestKind::Status => &mut self.status,
            RequestKind::Blocks => &mut self.blocks,
            RequestKind::Parts => &mut self.parts,
            RequestKind::Transactions => &mut self.transactions,
        }
    }
}

/// What a node of this chain says in identify.
pub(crate) fn protocol_version(genesis_label: &str) -> String {
    format!("/weft/{genesis_label}/1")
}

/// Builds the swarm; nothing is listened on or dialled yet.
///
/// # Errors
/// [`NetworkError::Setting`] when a part refuses its settings.
pub(crate) fn swarm(config: &NetworkConfig) -> Result<Swarm<Behaviour>, NetworkError> {
    let behaviour = behaviour(config)?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(STREAMS_MAX);
    let swarm = SwarmBuilder::with_existing_identity(config.keypair.clone())
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, move || yamux)
        .map_err(|error| setting("keypair", error))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| setting("behaviour", error))?
        // Whether a connection is still good is what ping says; a quiet one is not closed.
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::MAX))
        .build();
    Ok(swarm)
}

fn behaviour(config: &NetworkConfig) -> Result<Behaviour, NetworkError> {
    let limits = &config.limits;
    let label = genesis_label(&config.genesis_hash);
    let identify = identify::Config::new(protocol_version(&label), config.keypair.public())
        .with_agent_version(concat!("weft/", env!("CARGO_PKG_VERSION")).to_owned())
        .with_cache_size(0);
    let ping = ping::Config::new()
        .with_interval(Duration::from_millis(limits.ping_ms))
        .with_timeout(Duration::from_millis(limits.ping_ms));
    Ok(Behaviour {
        bans: allow_block_list::Behaviour::default(),
        ip_limits: ip_limits::Behaviour::new(limits.connections_per_ip_max, config.devnet),
        limits: connection_limits::Behaviour::new(connection_limits(limits)),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        gossip: gossip(config, &Topics::new(&label))?,
        status: requests(RequestKind::Status, &label, limits),
        blocks: requests(RequestKind::Blocks, &label, limits),
        parts: requests(RequestKind::Parts, &label, limits),
        transactions: requests(RequestKind::Transactions, &label, limits),
    })
}

fn connection_limits(limits: &NetworkLimits) -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.connections_pending_max))
        .with_max_pending_outgoing(Some(limits.connections_pending_max))
        .with_max_established_incoming(Some(limits.connections_inbound_max))
        .with_max_established_outgoing(Some(limits.connections_outbound_max))
        .with_max_established(Some(limits.connections_max))
        .with_max_established_per_peer(Some(limits.connections_per_peer_max))
}

/// Time for one request of a kind, the same at both ends.
pub(crate) fn request_timeout(kind: RequestKind, limits: &NetworkLimits) -> Duration {
    Duration::from_millis(match kind {
        RequestKind::Parts => limits.parts_request_timeout_ms,
        RequestKind::Status | RequestKind::Blocks | RequestKind::Transactions => {
            limits.request_timeout_ms
        }
    })
}

fn requests(kind: RequestKind, label: &str, limits: &NetworkLimits) -> Requests {
    let protocol = StreamProtocol::try_from_owned(format!("/weft/{label}/{}/1", kind.name()))
        .expect("the name starts with a slash");
    let config = request_response::Config::default()
        .with_request_timeout(request_timeout(kind, limits))
        .with_max_concurrent_streams(REQUEST_STREAMS_MAX);
    Requests::with_codec(FrameCodec::new(kind), [(protocol, ProtocolSupport::Full)], config)
}

/// First 20 bytes of BLAKE3 over topic and payload: the same message has the same id at every
/// node, whoever sends it.
fn message_id(message: &gossipsub::Message) -> MessageId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(message.topic.as_str().as_bytes());
    hasher.update(&message.data);
    MessageId::new(&hasher.finalize().as_bytes()[..20])
}

fn gossip_config(config: &NetworkConfig, topics: &Topics) -> Result<gossipsub::Config, String> {
    let mut builder = gossipsub::ConfigBuilder::default();
    let (mesh, low, high, outbound) =
        if config.nodes_expected <= 20 { (4, 2, 8, 1) } else { (6, 4, 12, 2) };
    builder
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .heartbeat_interval(Duration::from_millis(config.limits.heartbeat_ms))
        .heartbeat_initial_delay(Duration::from_millis(200))
        .history_length(12)
        .history_gossip(3)
        .gossip_lazy(3)
        .mesh_n(mesh)
        .mesh_n_low(low)
        .mesh_n_high(high)
        .mesh_outbound_min(outbound)
        .opportunistic_graft_ticks(3)
        .opportunistic_graft_peers(2)
        .duplicate_cache_time(Duration::from_secs(120))
        .flood_publish(false)
        .idontwant_message_size_threshold(GOSSIP_IDONTWANT_BYTES_MIN)
        .idontwant_on_publish(true)
        .max_control_message_size(GOSSIP_CONTROL_BYTES_MAX)
        .connection_handler_queue_len(GOSSIP_PEER_QUEUE_MESSAGES_MAX)
        .max_transmit_size(GOSSIP_FRAME_BYTES_MAX);
    for topic in Topic::ALL {
        let encoded_bytes_max = topic.size_bytes_max() + GOSSIP_ENVELOPE_BYTES_MAX;
        builder.max_transmit_size_for_topic(encoded_bytes_max, topics.hash(topic));
    }
    builder.build().map_err(|error| error.to_string())
}

fn gossip(config: &NetworkConfig, topics: &Topics) -> Result<Gossip, NetworkError> {
    let settings =
        gossip_config(config, topics).map_err(|error| setting("gossip settings", error))?;
    let filter = WhitelistSubscriptionFilter(Topic::ALL.map(|topic| topics.hash(topic)).into());
    let anonymous = MessageAuthenticity::Anonymous;
    let mut gossip = Gossip::new_with_subscription_filter(anonymous, settings, filter)
        .map_err(|error| setting("gossip settings", error))?;
    gossip
        .with_peer_score(score(config, topics), thresholds())
        .map_err(|error| setting("gossip score", error))?;
    for topic in Topic::ALL {
        gossip
            .subscribe(topics.wire(topic))
            .map_err(|error| setting("topic", format!("{topic}: {error:?}")))?;
    }
    Ok(gossip)
}

/// Only wrong messages and broken promises cost points. Delivery rates do not: topics are quiet
/// and sets are small. Slowness does not: an overloaded validator is not a hostile one.
fn score(config: &NetworkConfig, topics: &Topics) -> PeerScoreParams {
    let of_topic = |topic: Topic| {
        let weight = if topic == Topic::Transactions { -20.0 } else { -100.0 };
        TopicScoreParams {
            topic_weight: 1.0,
            time_in_mesh_weight: 0.0,
            first_message_deliveries_weight: 0.0,
            mesh_message_deliveries_weight: 0.0,
            mesh_failure_penalty_weight: 0.0,
            invalid_message_deliveries_weight: weight,
            invalid_message_deliveries_decay: 0.9,
            ..TopicScoreParams::default()
        }
    };
    PeerScoreParams {
        topics: Topic::ALL.map(|topic| (topics.hash(topic), of_topic(topic))).into(),
        ip_colocation_factor_weight: if config.devnet { 0.0 } else { -5.0 },
        ip_colocation_factor_threshold: 8.0,
        behaviour_penalty_weight: -10.0,
        behaviour_penalty_threshold: 6.0,
        slow_peer_weight: 0.0,
        // A score is frozen while its peer is away; it must be gone when a ban ends.
        retain_score: Duration::from_millis(config.limits.ban_ms / 2),
        ..PeerScoreParams::default()
    }
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -400.0,
        publish_threshold: -800.0,
        graylist_threshold: GOSSIP_SCORE_MIN,
        accept_px_threshold: 10.0,
        opportunistic_graft_threshold: 5.0,
    }
}

fn setting(setting: &'static str, reason: impl ToString) -> NetworkError {
    NetworkError::Setting { setting, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;
    use weft_types::B256;

    fn config(nodes_expected: usize) -> NetworkConfig {
        let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let keypair = Keypair::generate_ed25519();
        NetworkConfig { nodes_expected, ..NetworkConfig::new(keypair, listen, B256::ZERO) }
    }

    #[test]
    fn the_mesh_follows_the_size_of_the_network() {
        for (nodes, mesh) in [(4, (4, 2, 8)), (20, (4, 2, 8)), (21, (6, 4, 12))] {
            let built = gossip_config(&config(nodes), &Topics::new("0")).unwrap();
            assert_eq!((built.mesh_n(), built.mesh_n_low(), built.mesh_n_high()), mesh);
        }
    }

    #[test]
    fn a_frame_may_hold_the_largest_message_and_the_start_of_the_next() {
        let topics = Topics::new("00112233");
        let built = gossip_config(&config(4), &topics).unwrap();
        for topic in Topic::ALL {
            let limit = built.max_transmit_size_for_topic(&topics.hash(topic));
            assert_eq!(limit, topic.size_bytes_max() + GOSSIP_ENVELOPE_BYTES_MAX);
            assert!(limit + GOSSIP_CONTROL_BYTES_MAX + 16 * 1024 <= GOSSIP_FRAME_BYTES_MAX);
        }
    }

    #[test]
    fn message_ids_differ_by_topic_and_by_payload() {
        let topics = Topics::new("0");
        let id = |topic: Topic, data: &[u8]| {
            message_id(&gossipsub::Message {
                source: None,
                data: data.to_vec(),
                sequence_number: None,
                topic: topics.hash(topic),
            })
        };
        assert_eq!(id(Topic::Parts, b"a"), id(Topic::Parts, b"a"));
        assert_ne!(id(Topic::Parts, b"a"), id(Topic::Status, b"a"));
        assert_ne!(id(Topic::Parts, b"a"), id(Topic::Parts, b"b"));
        assert_eq!(id(Topic::Parts, b"a").0.len(), 20);
    }
}
