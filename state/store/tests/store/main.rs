//! The store against a plain model in memory, against other threads, and against kill -9.

mod cache;
mod chain;
mod concurrent;
mod crash;
mod damage;
mod dropped;
mod found;
mod listed;
mod lists;
mod maintenance;
mod model;
mod records;
mod refuse;
mod snapshots;
mod stream;
mod sync;
mod tree;
