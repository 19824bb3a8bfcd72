//! Every size, count and time that bounds what a peer can make this node do.
//!
//! Constants are what both ends of a connection must agree on; [`NetworkLimits`] holds what one
//! node may choose for itself.

use weft_types::limits::{BODY_BYTES_MAX, PART_BYTES, PARTS_MAX};

/// Largest signed vote or proposal on [`Topic::Consensus`](crate::Topic::Consensus), in bytes.
pub const CONSENSUS_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Largest message on [`Topic::Liveness`](crate::Topic::Liveness), in bytes: a certificate of the
/// largest validator set.
pub const LIVENESS_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Largest message on [`Topic::Parts`](crate::Topic::Parts), in bytes: one part with its path.
pub const PARTS_MESSAGE_BYTES_MAX: usize = PART_BYTES + 4 * 1024;
/// Largest message on [`Topic::Transactions`](crate::Topic::Transactions), in bytes: a batch, or
/// one transaction of the largest size with its framing.
pub const TRANSACTIONS_MESSAGE_BYTES_MAX: usize = 132 * 1024;
/// Largest message on [`Topic::Status`](crate::Topic::Status), in bytes.
pub const STATUS_MESSAGE_BYTES_MAX: usize = 512;

/// What gossipsub adds to a payload inside one message (topic name, tags, lengths), in bytes.
///
/// The receiver compares the *encoded* message with the topic's limit and the sender only the
/// payload, so the limit given to gossipsub is the payload's plus this.
pub(crate) const GOSSIP_ENVELOPE_BYTES_MAX: usize = 128;
/// Largest frame that gossipsub reads, in bytes.
///
/// Its decoder compares the whole read buffer with this limit, and the buffer may hold the start
/// of the next frame; the room above the largest message keeps an honest stream from being cut.
pub(crate) const GOSSIP_FRAME_BYTES_MAX: usize = 256 * 1024;
/// Largest sum of control messages in one gossipsub frame, in bytes.
pub(crate) const GOSSIP_CONTROL_BYTES_MAX: usize = 16 * 1024;
/// Messages from this size on are announced with IDONTWANT, in bytes.
pub(crate) const GOSSIP_IDONTWANT_BYTES_MIN: usize = 1000;
/// Messages that wait for one peer's connection; beyond it new ones are not sent to that peer.
pub(crate) const GOSSIP_PEER_QUEUE_MESSAGES_MAX: usize = 1024;

/// Most blocks that one request may ask for.
pub const BLOCKS_PER_REQUEST_MAX: u32 = 64;
/// Most transaction hashes that one request may name.
pub const TRANSACTIONS_PER_REQUEST_MAX: usize = 256;
/// Largest bitmap of parts already held, in bytes.
pub const PARTS_HAVE_BYTES_MAX: usize = PARTS_MAX.div_ceil(8);

/// Largest status request or response, in bytes.
pub const STATUS_FRAME_BYTES_MAX: usize = 1024;
/// Largest block request, in bytes.
pub const BLOCKS_REQUEST_BYTES_MAX: usize = 64;
/// Largest block response, in bytes: one block of the largest size with its certificate, or as
/// many smaller ones as fit.
pub const BLOCKS_RESPONSE_BYTES_MAX: usize = BODY_BYTES_MAX + 1024 * 1024;
/// Largest part request, in bytes.
pub const PARTS_REQUEST_BYTES_MAX: usize = 256;
/// Largest part response, in bytes.
pub const PARTS_RESPONSE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest transaction request, in bytes.
pub const TRANSACTIONS_REQUEST_BYTES_MAX: usize = 8 * 1024 + 256;
/// Largest transaction response, in bytes.
pub const TRANSACTIONS_RESPONSE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Requests of one protocol that may be in progress on one connection, both directions together.
pub(crate) const REQUEST_STREAMS_MAX: usize = 32;
/// Requests of ours that may wait for their response.
pub(crate) const OUTBOUND_REQUESTS_MAX: usize = 256;
/// Requests of peers that may wait for this node's answer; further ones are refused.
pub(crate) const INBOUND_REQUESTS_MAX: usize = 64;
/// Substreams of one connection.
pub(crate) const STREAMS_MAX: usize = 256;

/// Consensus, liveness and status messages that may wait for the reader; further ones are ignored.
pub(crate) const CONSENSUS_EVENTS_MAX: usize = 4096;
/// Bytes of those, in bytes.
pub(crate) const CONSENSUS_EVENTS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Proposal parts that may wait for the reader; further ones are ignored and can be pulled later.
pub(crate) const PARTS_EVENTS_MAX: usize = 1024;
/// Bytes of those, in bytes: four blocks of the largest size.
pub(crate) const PARTS_EVENTS_BYTES_MAX: usize = 4 * (BODY_BYTES_MAX + 1024 * 1024);
/// Transaction messages that may wait for the reader; the oldest gives way.
pub(crate) const TRANSACTION_EVENTS_MAX: usize = 16 * 1024;
/// Bytes of those, in bytes.
pub(crate) const TRANSACTION_EVENTS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Events about peers that may wait for the reader; further ones are dropped and counted, and
/// [`Handle::peers`](crate::Handle::peers) stays true.
pub(crate) const PEER_EVENTS_MAX: usize = 4096;
/// What one event costs beside its payload, in bytes.
pub(crate) const EVENT_BYTES: usize = 128;

/// Commands that may wait for the service before [`Handle::send`](crate::Handle::send) waits.
pub(crate) const COMMANDS_MAX: usize = 1024;
/// Transaction batches and verdicts that may wait to be sent; the oldest gives way.
pub(crate) const BULK_COMMANDS_MAX: usize = 16 * 1024;
/// Bytes of those, in bytes.
pub(crate) const BULK_COMMANDS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Commands performed before the swarm gets a turn.
pub(crate) const COMMANDS_PER_TURN_MAX: usize = 64;

/// Messages of one class (transactions, everything else) whose verdict may be outstanding.
pub(crate) const VERDICTS_MAX: usize = 16 * 1024;

/// Peers that are sent every message directly, beside the persistent ones.
pub(crate) const EXPLICIT_PEERS_MAX: usize = 32;
/// Disconnected peers whose misbehaviour is remembered, and peers that may be banned at a time.
pub(crate) const REMEMBERED_PEERS_MAX: usize = 4096;
/// Misbehaviour points at which a peer is banned.
pub const OFFENCE_POINTS_MAX: u32 = 100;
/// Misbehaviour points forgotten per second.
pub(crate) const OFFENCE_POINTS_FORGOTTEN_PER_SECOND: u32 = 1;
/// Gossip score at or below which a peer is banned.
pub(crate) const GOSSIP_SCORE_MIN: f64 = -1600.0;

/// What one node chooses for itself. All times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Connections in total.
    pub connections_max: u32,
    /// Connections that others opened.
    pub connections_inbound_max: u32,
    /// Connections that this node opened.
    pub connections_outbound_max: u32,
    /// Connections with one peer: two, because both ends may dial at once.
    pub connections_per_peer_max: u32,
    /// Connections being set up, for each direction.
    pub connections_pending_max: u32,
    /// Inbound connections from one IPv4 address or one IPv6 /64.
    pub connections_per_ip_max: u32,
    /// First delay before a persistent peer is dialled again.
    pub redial_ms_min: u64,
    /// Largest such delay; it doubles with every failure.
    pub redial_ms_max: u64,
    /// Largest such delay for a loopback address.
    pub redial_loopback_ms_max: u64,
    /// Time within which a connected peer must show that it is of this chain.
    pub handshake_timeout_ms: u64,
    /// Time between pings.
    pub ping_ms: u64,
    /// Gossip heartbeat.
    pub heartbeat_ms: u64,
    /// Time for a verdict on a message; without one it is ignored.
    pub validation_timeout_ms: u64,
    /// Time for a status, block or transaction request.
    pub request_timeout_ms: u64,
    /// Time for a request of proposal parts.
    pub parts_request_timeout_ms: u64,
    /// How long a misbehaving peer stays away.
    pub ban_ms: u64,
    /// How long a peer of another chain stays away.
    pub wrong_genesis_ban_ms: u64,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            connections_max: 80,
            connections_inbound_max: 60,
            connections_outbound_max: 30,
            connections_per_peer_max: 2,
            connections_pending_max: 32,
            connections_per_ip_max: 5,
            redial_ms_min: 250,
            redial_ms_max: 30_000,
            redial_loopback_ms_max: 1_000,
            handshake_timeout_ms: 10_000,
            ping_ms: 15_000,
            heartbeat_ms: 700,
            validation_timeout_ms: 3_000,
            request_timeout_ms: 10_000,
            parts_request_timeout_ms: 2_000,
            ban_ms: 600_000,
            wrong_genesis_ban_ms: 30_000,
        }
    }
}
