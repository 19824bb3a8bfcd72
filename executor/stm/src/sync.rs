//! The one place that names locks, atomics, maps and threads.
//!
//! Everything in this crate that threads share is built from these names, so that a model checker can take their place
//! without touching the code that it checks.

use foldhash::fast::RandomState;

pub(crate) use boxcar::Vec as Arena;
pub(crate) use crossbeam_utils::CachePadded;
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(crate) use rayon::{Scope, ThreadPool, ThreadPoolBuilder};
pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// A map that many threads change at once, split into shards that lock for themselves.
///
/// The hasher is keyed at random in every process: who chooses locations cannot choose collisions, and since full
/// locations are compared a collision costs time, never correctness. Nothing may depend on the iteration order.
pub(crate) type ShardedMap<K, V> = dashmap::DashMap<K, V, RandomState>;

/// A map of one owner, with a hasher keyed in the same way.
pub(crate) type OwnedMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// An empty map with room for `capacity` keys and a number of shards that keeps workers out of each other's way.
pub(crate) fn sharded_map<K: Eq + std::hash::Hash, V>(capacity: usize) -> ShardedMap<K, V> {
    const SHARDS: usize = 128;
    dashmap::DashMap::with_capacity_and_hasher_and_shard_amount(
        capacity,
        RandomState::default(),
        SHARDS,
    )
}
