//! The server over real sockets, on a real store with real blocks.

mod blocks;
mod calls;
mod client;
mod logs;
mod market;
mod proof;
mod pruned;
mod records;
mod send;
mod state;
mod subscriptions;
mod transport;
mod world;
