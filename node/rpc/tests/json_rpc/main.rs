//! The server over real sockets, on a real store with real blocks.

mod blocks;
mod calls;
mod cheats;
mod client;
mod decoding;
mod documentation;
mod listeners;
mod logs;
mod market;
mod node;
mod ots;
mod proof;
mod pruned;
mod reads;
mod record_analysis;
mod record_levels;
mod records;
mod schema;
mod send;
mod simulate;
mod state;
mod subscriptions;
mod trace;
mod transport;
mod world;
