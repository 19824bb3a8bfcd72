//! Carries bounded, attributed messages between peers over libp2p.
//!
//! # Flow
//! [`start`] listens and spawns one task that owns one libp2p swarm (TCP, noise, yamux). The node
//! sends a [`Command`] through the [`Handle`] and reads an [`Event`] from [`Events`].
//!
//! - *Gossip.* A received message comes as [`Event::Message`] with a token. The node judges it and
//!   answers [`Command::Validated`]; only an accepted message is forwarded.
//! - *Requests.* [`Handle::request`] asks one peer; a peer's question comes as [`Event::Request`]
//!   and is answered with [`Command::Respond`].
//! - *Connections.* Persistent peers are dialled until they are connected, and again when lost.
//!
//! # Terms
//! - **Topic**: what a gossiped message is about; each has its largest size.
//! - **Verdict**: `Accept` forwards, `Ignore` does not, `Reject` also blames the sender.
//! - **Up**: a peer is connected and used a name that carries this chain's genesis hash.
//! - **Offence**: something a peer could have known to be wrong. Enough of them and it is banned.
//! - **Explicit peer**: is sent every message directly, whatever gossip's mesh looks like.
//!
//! # Invariants
//! - Every queue, table and frame has a bound (see [`limits`]) and a stated policy when full.
//! - Nothing is allocated for a length or count that a peer announced before it was compared with
//!   its limit.
//! - Nothing from a peer is forwarded before the node accepted it.
//! - Nodes of different chains share no topic or protocol name.
//! - Transactions wait behind everything else, in both directions.
//!
//! # It is not
//! A judge of contents: payloads are bytes here, and what they are worth the node says. It does
//! not discover peers, resolve names, or keep an address book.
//!
//! # Example
//! ```
//! use weft_p2p::{Command, Event, NetworkConfig, Topic, Verdict, start};
//! # use libp2p::identity::Keypair;
//! # use weft_types::B256;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), weft_p2p::NetworkError> {
//! let listen: libp2p::Multiaddr = "/ip4/127.0.0.1/tcp/0".parse().expect("it is an address");
//! let config = |peers| NetworkConfig {
//!     persistent_peers: peers,
//!     devnet: true,
//!     ..NetworkConfig::new(Keypair::generate_ed25519(), listen.clone(), B256::ZERO)
//! };
//! let (one, _one_events) = start(config(vec![])).await?;
//! let (two, mut events) = start(config(one.dial_address().into_iter().collect())).await?;
//!
//! // Publish until the other end has subscribed and the message arrives.
//! for nonce in 0u8.. {
//!     one.send(Command::Publish { topic: Topic::Liveness, data: vec![nonce] }).await?;
//!     if let Ok(Some(Event::Message { token, data, .. })) =
//!         tokio::time::timeout(std::time::Duration::from_millis(20), events.recv()).await
//!     {
//!         assert!(data.len() == 1);
//!         two.send(Command::Validated { message: token, verdict: Verdict::Accept }).await?;
//!         break;
//!     }
//! }
//! one.shutdown().await;
//! two.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod address;
mod behaviour;
mod codec;
mod command;
pub mod config;
mod dialer;
pub mod error;
mod event;
mod handle;
pub mod identity;
mod ip_limits;
mod lane;
pub mod limits;
pub mod message;
mod peers;
mod pending;
mod service;
mod stats;
mod topic;

pub use command::Command;
pub use config::NetworkConfig;
pub use error::{IdentityError, MessageError, NetworkError, RequestError};
pub use event::{Event, Events};
pub use handle::{Handle, PeerDetails, start};
/// The types of libp2p that this crate's interface uses.
pub use libp2p::{Multiaddr, PeerId, identity::Keypair};
pub use limits::NetworkLimits;
pub use message::{Request, RequestKind, Response, StatusMessage};
pub use peers::Offence;
pub use pending::RequestToken;
pub use stats::NetworkStats;
pub use topic::{MessageToken, Topic, Verdict};
