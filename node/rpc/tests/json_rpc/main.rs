//! The server over real sockets, on a real store with real blocks.

mod blocks;
mod calls;
mod client;
mod logs;
mod proof;
mod pruned;
mod reads;
mod records;
mod schema;
mod send;
mod state;
mod subscriptions;
mod transport;
mod world;
