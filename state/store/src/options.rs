//! Sizes and durability of one store.

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
}

impl StoreOptions {
    /// Several nodes in one process or on one laptop.
    #[must_use]
    pub const fn devnet() -> Self {
        Self {
            sync: true,
            cache_bytes: 8 << 20,
            write_buffer_bytes: 8 << 20,
            open_files_max: 256,
            background_jobs: 2,
        }
    }

    /// One node on its own machine.
    #[must_use]
    pub const fn node() -> Self {
        Self {
            sync: true,
            cache_bytes: 256 << 20,
            write_buffer_bytes: 256 << 20,
            open_files_max: 4096,
            background_jobs: 4,
        }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::node()
    }
}
