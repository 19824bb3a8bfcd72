//! Failures of the disk, made on purpose.

use std::sync::atomic::{AtomicU64, Ordering};

/// Which write of a store is to fail, counted from 1 since it was opened. For tests of what runs
/// above the store; the default fails none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The write that fails before anything has reached the disk.
    pub write: Option<u64>,
    /// The write that reaches the operating system, and whose sync fails: whether it survives a power
    /// loss is unknown.
    pub sync: Option<u64>,
}

/// What becomes of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Works,
    WriteFails,
    SyncFails,
}

/// Counts the writes.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    faults: Faults,
    /// Writes so far. Written and read by the one writer.
    writes: AtomicU64,
}

impl Disk {
    pub(crate) const fn new(faults: Faults) -> Self {
        Self { faults, writes: AtomicU64::new(0) }
    }

    /// What becomes of the next write.
    pub(crate) fn next(&self) -> Fate {
        let write = self.writes.fetch_add(1, Ordering::AcqRel) + 1;
        if self.faults.write == Some(write) {
            Fate::WriteFails
        } else if self.faults.sync == Some(write) {
            Fate::SyncFails
        } else {
            Fate::Works
        }
    }
}
