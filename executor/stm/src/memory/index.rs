//! Finding cells by their keys, without a lock.
//!
//! Buckets of singly linked cells: a bucket holds the number of its newest cell, and each cell that of the next. Cells are
//! never unlinked, so whoever walks a bucket needs to wait for nobody, and takes nothing from the others' caches.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;

use crate::sync::{AtomicU32, BUCKETS_MAX, Ordering};

/// The end of a bucket.
pub(super) const END: u32 = u32::MAX;

/// Where the buckets begin.
///
/// The hasher is keyed at random in every process: who chooses locations cannot choose collisions, and since full keys are
/// compared a collision costs time, never correctness. Nobody goes through the buckets in their order, so nothing can
/// depend on it.
pub(super) struct Index {
    heads: Box<[AtomicU32]>,
    hasher: RandomState,
}

impl Index {
    /// An empty index with buckets for about so many cells. More than that make it slower, not wrong.
    pub(super) fn new(cells: usize) -> Self {
        let buckets = cells.next_power_of_two().min(BUCKETS_MAX);
        let heads = (0..buckets).map(|_| AtomicU32::new(END)).collect();
        Self { heads, hasher: RandomState::default() }
    }

    /// The bucket of a key: the number of its newest cell, or [`END`].
    pub(super) fn bucket<K: Hash>(&self, key: &K) -> &AtomicU32 {
        // The upper bits are the better ones of this hasher.
        let hash = self.hasher.hash_one(key) >> 32;
        &self.heads[usize::try_from(hash).expect("32 bits") & (self.heads.len() - 1)]
    }

    /// Empties all buckets, and has new ones if they are too few, or far too many, for so many cells.
    pub(super) fn clear(&mut self, cells: usize) {
        let buckets = cells.next_power_of_two().min(BUCKETS_MAX);
        if self.heads.len() < buckets || self.heads.len() / 8 > buckets {
            *self = Self::new(cells);
            return;
        }
        self.heads.iter_mut().for_each(|head| *head = AtomicU32::new(END));
    }
}

/// How a head is changed: pairs with the Acquire in [`newest`], so that whoever finds a cell finds it complete.
pub(super) fn link(bucket: &AtomicU32, newest: u32, cell: u32) -> Result<(), u32> {
    bucket.compare_exchange(newest, cell, Ordering::Release, Ordering::Acquire).map(drop)
}

/// The newest cell of a bucket.
pub(super) fn newest(bucket: &AtomicU32) -> u32 {
    bucket.load(Ordering::Acquire)
}
