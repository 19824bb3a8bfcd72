//! Sizes, durability and retention of one store.

use crate::{Faults, Retention};

/// How a store uses memory and disk. Not part of what is stored: may differ at every opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether a commit waits until the disk has the block. Without it a power loss may cost the
    /// last blocks, never a part of one.
    pub sync: bool,
    /// Block cache shared by all column families, in bytes.
    pub cache_bytes: usize,
    /// Memory for writes that are not yet in table files, over all column families, in bytes.
    pub write_buffer_bytes: usize,
    /// Most table files held open; -1 for all.
    pub open_files_max: i32,
    /// Threads for flushing and compaction.
    pub background_jobs: i32,
    /// Memory for accounts, slots and codes of the head that are read often, in bytes.
    pub state_cache_bytes: usize,
    /// Threads that read ahead of the executor; 0 reads nothing ahead.
    pub read_threads: usize,
    /// Memory for the tree of the head, in bytes; the trees of the blocks before it may take half as
    /// much again. The tree works with none at all, and is slower then.
    pub tree_memory_bytes: u64,
    /// Leaves from which on the tree is kept in a file, so that opening need not read the whole
    /// state. A smaller one is built anew, and so verified, at each opening.
    pub tree_file_leaves_min: u64,
    /// How long what belongs to past blocks is kept.
    pub retention: Retention,
    /// Writes that fail on purpose, in tests.
    pub faults: Faults,
}

/// Most threads that read ahead.
const READ_THREADS_MAX: usize = 128;
/// Threads for each core: they mostly wait for the disk.
const READ_THREADS_PER_CORE: usize = 8;

/// Threads that read ahead on this machine, when nobody says how many.
#[must_use]
pub fn default_read_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores * READ_THREADS_PER_CORE).min(READ_THREADS_MAX)
}

impl StoreOptions {
    /// Several nodes in one process or on one laptop.
    #[must_use]
    pub fn devnet() -> Self {
        Self {
            sync: true,
            cache_bytes: 8 << 20,
            write_buffer_bytes: 8 << 20,
            open_files_max: 256,
            background_jobs: 2,
            state_cache_bytes: 16 << 20,
            read_threads: 2,
            tree_memory_bytes: 64 << 20,
            tree_file_leaves_min: 1 << 20,
            retention: Retention::ARCHIVE,
            faults: Faults::default(),
        }
    }

    /// One node on its own machine.
    #[must_use]
    pub fn node() -> Self {
        Self {
            sync: true,
            cache_bytes: 256 << 20,
            write_buffer_bytes: 256 << 20,
            open_files_max: 4096,
            background_jobs: 4,
            state_cache_bytes: 256 << 20,
            read_threads: default_read_threads(),
            tree_memory_bytes: 1 << 30,
            tree_file_leaves_min: 1 << 20,
            retention: Retention::ARCHIVE,
            faults: Faults::default(),
        }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::node()
    }
}
