//! The names as the node uses them.

use std::hash::Hash;

use foldhash::fast::RandomState;

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(crate) use rayon::{Scope, ThreadPool, ThreadPoolBuilder};
pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Looks that a worker without work takes before it sleeps.
pub(crate) const SPINS: u32 = 200;

/// A map that many threads fill at once, split into shards that lock for themselves. Entries stay.
///
/// The hasher is keyed at random in every process: who chooses locations cannot choose collisions, and since full
/// locations are compared a collision costs time, never correctness. There is no iteration, so nothing can depend on its
/// order.
pub(crate) struct SharedMap<K, V> {
    shards: dashmap::DashMap<K, V, RandomState>,
}

impl<K: Eq + Hash, V: Copy> SharedMap<K, V> {
    /// An empty map with room for `capacity` keys and a number of shards that keeps workers out of each other's way.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        // Each shard has its own table: a small block is not to make a hundred of them.
        let amount = (capacity / 16).next_power_of_two().clamp(8, 128);
        let hasher = RandomState::default();
        let shards =
            dashmap::DashMap::with_capacity_and_hasher_and_shard_amount(capacity, hasher, amount);
        Self { shards }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.shards.get(key).map(|value| *value)
    }

    /// The value of a key; the first one to ask makes it, with the shard locked.
    pub(crate) fn get_or_insert_with(&self, key: K, make: impl FnOnce() -> V) -> V {
        *self.shards.entry(key).or_insert_with(make)
    }
}

/// Calls `task(0), ..., task(threads - 1)` at once, number 0 on the calling thread, and returns when all have.
pub(crate) fn on_threads(threads: u32, task: impl Fn(u32) + Sync) {
    let task = &task;
    std::thread::scope(|scope| {
        for thread in 1..threads {
            scope.spawn(move || task(thread));
        }
        task(0);
    });
}
