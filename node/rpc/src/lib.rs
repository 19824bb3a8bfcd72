//! Speaks Ethereum JSON-RPC and WebSocket, and serves the records.
//!
//! # Flow
//! A request passes the guard (host, origin, HTTP method), then the rules of calls (batch size),
//! then its method. Methods that touch the disk or run the EVM work on blocking threads, in lanes
//! with a bounded number of threads and a bounded queue. After each commit the node sends a
//! [`HeadEvent`]; subscriptions forward it.
//!
//! # Terms
//! - *head*: the newest committed block of the store. `latest`, `safe` and `finalized` all name it.
//! - *pending*: the state of the head in the environment of the block that will follow it.
//!
//! # Invariants
//! - Everything that an answer says is decided, executed and durable, and moves at one point: the
//!   store's head. A receipt is readable before anybody hears of its block.
//! - Every limit is in [`RpcConfig`] or a constant with a name, and its error says what works.
//! - An unknown method answers -32601 and nothing else; clients choose their way by it.
//!
//! # It is not
//! A place for rules about transactions or blocks: `weft-pool` admits, `weft-evm` executes,
//! `weft-store` keeps.
//!
//! ```
//! let config = weft_rpc::RpcConfig::new("127.0.0.1:8545".parse().unwrap());
//! assert_eq!(config.batch_max, 100);
//! ```

mod accounts;
mod backend;
mod catalogue;
mod config;
mod connection;
mod console;
mod context;
mod convert;
mod derived;
mod error;
mod ethereum;
mod guard;
mod listener;
mod methods;
mod middleware;
mod names;
mod node;
mod openrpc;
mod page;
mod params;
mod records;
mod server;
mod submission;

pub use accounts::UnlockedAccounts;
pub use backend::{
    Devnet, HEADS_CAPACITY, HeadEvent, RpcBackend, StateRoots, SyncStatus, consensus_channel,
    heads_channel,
};
pub use config::RpcConfig;
pub use console::ConsoleSink;
pub use derived::DerivedRecords;
pub use error::RpcError;
pub use listener::NAMESPACES;
pub use names::Names;
pub use node::{
    CONSENSUS_EVENTS_CAPACITY, ConsensusEvent, ConsensusState, ConsensusStep, NodeInfo, NodeView,
    Offline, PeerInfo, VoteKind, VotesSeen,
};
pub use openrpc::reference;
pub use page::{record_of_page, standalone_page};
pub use server::{RpcServer, serve};
pub use weft_record::names::{Artifact, Registry};
