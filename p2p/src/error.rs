//! What can go wrong, sorted by what the caller does about it.

use crate::message::RequestKind;
use crate::topic::Topic;
use libp2p::{Multiaddr, PeerId};
use std::path::PathBuf;

/// The network could not be started or used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Another program listens on the address: choose another port or stop it.
    #[error("listen address {address} is already in use")]
    ListenInUse {
        /// The address asked for.
        address: Multiaddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address asked for.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// A setting is out of range.
    #[error("network setting {setting} is invalid: {reason}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Why.
        reason: String,
    },
    /// A peer cannot be dialled at this address.
    #[error("peer {address} cannot be added: {reason}")]
    Peer {
        /// The address asked for.
        address: Multiaddr,
        /// Why.
        reason: &'static str,
    },
    /// A message is larger than its topic allows; nothing was sent.
    #[error("message on {topic} has {size_bytes} bytes, limit {size_bytes_max}")]
    MessageTooLarge {
        /// The topic.
        topic: Topic,
        /// Size found, in bytes.
        size_bytes: usize,
        /// The limit, in bytes.
        size_bytes_max: usize,
    },
    /// The network was shut down.
    #[error("the network is stopped")]
    Stopped,
}

/// The key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error("node key {path}: cannot {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("node key {path}: mode {mode:o} lets others read it, expected 600")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a key.
    #[error("node key {path}: expected 64 hex digits, {found}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found instead; never the contents.
        found: String,
    },
}

/// A request got no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no connection with the peer.
    #[error("peer {peer} is not connected")]
    NotConnected {
        /// The peer asked.
        peer: PeerId,
    },
    /// Too many requests are waiting for their answer; try again later.
    #[error("{waiting} requests are waiting, limit {limit}")]
    Busy {
        /// Requests waiting.
        waiting: usize,
        /// The limit.
        limit: usize,
    },
    /// The request breaks its own limits; it was not sent.
    #[error("request is invalid: {0}")]
    Invalid(#[from] MessageError),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection closed before the answer came.
    #[error("connection closed before the answer")]
    Closed,
    /// The stream failed while the connection stayed.
    #[error("stream failed: {reason}")]
    Stream {
        /// What was reported.
        reason: String,
    },
    /// The peer does not speak the protocol.
    #[error("peer does not serve {kind:?} requests")]
    Unsupported {
        /// The kind of request.
        kind: RequestKind,
    },
    /// The peer closed the stream without an answer: it is busy or will not serve this.
    #[error("peer refused the request")]
    Refused,
    /// The answer was too large or could not be decoded; the peer has been blamed.
    #[error("answer is invalid: {reason}")]
    BadResponse {
        /// What was wrong.
        reason: String,
    },
    /// The network was shut down.
    #[error("the network is stopped")]
    Stopped,
}

/// A request or a response breaks a limit or its encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The frame is longer than its protocol allows.
    #[error("frame has {size_bytes} bytes, limit {size_bytes_max}")]
    FrameTooLarge {
        /// Announced or actual size, in bytes.
        size_bytes: usize,
        /// The limit, in bytes.
        size_bytes_max: usize,
    },
    /// A count is out of range.
    #[error("{field} is {found}, limit {limit}")]
    Count {
        /// What is counted.
        field: &'static str,
        /// Value found.
        found: usize,
        /// Largest allowed.
        limit: usize,
    },
    /// The frame ends before the value does.
    #[error("frame ends inside {field}")]
    Short {
        /// What was being read.
        field: &'static str,
    },
    /// Bytes remain after the value.
    #[error("{bytes} bytes remain after the value")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A message of one kind was written to the stream of another.
    #[error("message is of another kind than its protocol {kind:?}")]
    Kind {
        /// The kind of the protocol.
        kind: RequestKind,
    },
}
