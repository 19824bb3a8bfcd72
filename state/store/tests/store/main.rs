//! The store against a plain model in memory, against other threads, and against kill -9.

mod cache;
mod chain;
mod concurrent;
mod crash;
mod damage;
mod lists;
mod maintenance;
mod model;
mod refuse;
mod stream;
mod sync;
mod tree;
