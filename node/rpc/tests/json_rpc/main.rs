//! The server over real sockets, on a real store with real blocks.

mod blocks;
mod calls;
mod client;
mod decoding;
mod documentation;
mod listeners;
mod logs;
mod node;
mod proof;
mod pruned;
mod records;
mod send;
mod state;
mod subscriptions;
mod transport;
mod world;
