//! The names as the node uses them.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(crate) use rayon::{Scope, ThreadPool, ThreadPoolBuilder};
pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Looks that a worker without work takes before it sleeps.
pub(crate) const SPINS: u32 = 200;

/// Most buckets of an index.
pub(crate) const BUCKETS_MAX: usize = 1 << 22;

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
