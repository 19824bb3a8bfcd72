//! How long what belongs to past blocks is kept, and from which block on it still is.

use crate::StoreError;
use crate::columns::Column;
use borsh::{BorshDeserialize, BorshSerialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fewest blocks that a limited history keeps: readers of a recent head must never lose it.
pub const HISTORY_BLOCKS_MIN: u64 = 128;

/// How many blocks back something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// For ever.
    All,
    /// For at least so many blocks below the head.
    Blocks(u64),
}

/// What is kept of past blocks. Headers, bodies, certificates and the index of transactions are kept
/// for ever: other nodes sync from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// States of the past: balances, nonces, slots.
    pub history: Keep,
    /// Receipts, with the logs in them.
    pub receipts: Keep,
    /// The indices that find logs, worth nothing without the receipts, and the blocks of an address.
    pub logs: Keep,
    /// Block access lists (EIP-7928).
    pub access_lists: Keep,
    /// Access records and run profiles.
    pub records: Keep,
    /// Most bytes that these may take before the disk compresses them, if that is fewer blocks; `None` for any number.
    /// Without meaning where they are kept for ever. The newest block's are kept however large they are.
    pub records_bytes: Option<u64>,
}

/// What [`Retention`] names, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// States of the past.
    History,
    /// Receipts.
    Receipts,
    /// The indices of logs and of addresses.
    Logs,
    /// Block access lists.
    AccessLists,
    /// Access records and run profiles.
    Records,
}

impl Retention {
    /// Everything for ever.
    pub const ARCHIVE: Self = Self {
        history: Keep::All,
        receipts: Keep::All,
        logs: Keep::All,
        access_lists: Keep::All,
        records: Keep::All,
        records_bytes: None,
    };

    /// How long one of them is kept.
    #[must_use]
    pub const fn of(&self, kept: Kept) -> Keep {
        match kept {
            Kept::History => self.history,
            Kept::Receipts => self.receipts,
            Kept::Logs => self.logs,
            Kept::AccessLists => self.access_lists,
            Kept::Records => self.records,
        }
    }
}

impl Keep {
    /// Lowest height kept when the head is at `head`.
    #[must_use]
    pub const fn oldest(self, head: u64) -> u64 {
        match self {
            Self::All => 0,
            Self::Blocks(blocks) => head.saturating_sub(blocks),
        }
    }

    /// Blocks by which the oldest height moves at once: what is dropped is dropped in few steps.
    pub(crate) fn step(self) -> u64 {
        match self {
            Self::All => u64::MAX,
            Self::Blocks(blocks) => (blocks / 10).clamp(1, 1000),
        }
    }
}

impl Kept {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::History, Self::Receipts, Self::Logs, Self::AccessLists, Self::Records];

    /// What a person calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Receipts => "receipts",
            Self::Logs => "logs",
            Self::AccessLists => "access lists",
            Self::Records => "records",
        }
    }

    /// Where it lies.
    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Self::History => &[Column::AccountHistory, Column::StorageHistory],
            Self::Receipts => &[Column::Receipts],
            Self::Logs => &[Column::LogIndex, Column::AddressIndex],
            Self::AccessLists => &[Column::AccessLists],
            Self::Records => &[Column::AccessRecords, Column::Profiles],
        }
    }

    /// Whether entries lie under the height of their block alone, so that a range of keys is a range
    /// of blocks. The others end with the height and are dropped when table files are merged.
    pub(crate) const fn is_by_height(self) -> bool {
        matches!(self, Self::Receipts | Self::AccessLists | Self::Records)
    }
}

/// Lowest heights that can be read, as `meta.oldest` says. Height 0 is never dropped from what lies
/// under heights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Oldest {
    heights: [u64; 5],
}

impl Oldest {
    /// Lowest height at which this can be read.
    #[must_use]
    pub const fn of(&self, kept: Kept) -> u64 {
        self.heights[kept as usize]
    }

    pub(crate) const fn set(&mut self, kept: Kept, height: u64) {
        self.heights[kept as usize] = height;
    }

    /// The heights after a head at `head`, if any of them is due to move. `exact` moves them also by
    /// less than a step. None ever moves down.
    pub(crate) fn advanced(self, retention: &Retention, head: u64, exact: bool) -> Option<Self> {
        let mut next = self;
        for kept in Kept::ALL {
            let keep = retention.of(kept);
            let (now, then) = (self.of(kept), keep.oldest(head));
            let step = if exact { 1 } else { keep.step() };
            if then >= now.saturating_add(step) {
                next.set(kept, then);
            }
        }
        (next != self).then_some(next)
    }
}

/// The oldest heights as readers and the merging of table files see them.
#[derive(Debug, Default)]
pub(crate) struct Horizon {
    /// Lowest readable height by [`Kept`]. Written before anything below is dropped, read by readers
    /// *after* they have read: who sees that something was dropped, sees here that it may be. Truth.
    readable: [AtomicU64; 5],
    /// Entries of blocks below may vanish when table files are merged. Written after `meta.oldest`
    /// is on disk. Shared with the filters of the column families.
    dropped: [Arc<AtomicU64>; 5],
}

impl Horizon {
    /// Readers refuse what is older from now on.
    pub(crate) fn announce(&self, oldest: &Oldest) {
        for kept in Kept::ALL {
            self.readable[kept as usize].store(oldest.of(kept), Ordering::Release);
        }
    }

    /// What is older may vanish from now on.
    pub(crate) fn release(&self, oldest: &Oldest) {
        for kept in Kept::ALL {
            // The entry of block n holds what was before n: a state at height n does not need it.
            let below = oldest.of(kept).saturating_add(u64::from(kept == Kept::History));
            let below = if oldest.of(kept) == 0 { 0 } else { below };
            self.dropped[kept as usize].store(below, Ordering::Release);
        }
    }

    pub(crate) fn oldest(&self) -> Oldest {
        let mut oldest = Oldest::default();
        for kept in Kept::ALL {
            oldest.set(kept, self.readable[kept as usize].load(Ordering::Acquire));
        }
        oldest
    }

    /// The bound below which a column family may forget entries that end with a height.
    pub(crate) fn bound(&self, kept: Kept) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped[kept as usize])
    }

    /// Refuses a height that may be dropped already; to be asked after reading.
    pub(crate) fn require(&self, kept: Kept, height: u64) -> Result<(), StoreError> {
        let oldest = self.readable[kept as usize].load(Ordering::Acquire);
        if height < oldest && !(height == 0 && kept.is_by_height()) {
            return Err(StoreError::Pruned { what: kept.name(), height, oldest });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_move_in_steps_and_never_down() {
        let retention = Retention { history: Keep::Blocks(200), ..Retention::ARCHIVE };
        let start = Oldest::default();
        assert_eq!(start.advanced(&retention, 219, false), None);
        let moved = start.advanced(&retention, 220, false).expect("a step of 20 is due");
        assert_eq!(moved.of(Kept::History), 20);
        assert_eq!(moved.of(Kept::Receipts), 0);
        assert_eq!(moved.advanced(&retention, 221, false), None);
        assert_eq!(moved.advanced(&retention, 221, true).map(|o| o.of(Kept::History)), Some(21));
        assert_eq!(moved.advanced(&Retention::ARCHIVE, 9999, true), None);
    }

    #[test]
    fn the_entry_of_the_oldest_block_itself_is_not_needed() {
        let horizon = Horizon::default();
        horizon.release(&Oldest::default());
        assert_eq!(horizon.bound(Kept::History).load(Ordering::Acquire), 0);
        let mut oldest = Oldest::default();
        oldest.set(Kept::History, 20);
        oldest.set(Kept::Logs, 20);
        horizon.release(&oldest);
        assert_eq!(horizon.bound(Kept::History).load(Ordering::Acquire), 21);
        assert_eq!(horizon.bound(Kept::Logs).load(Ordering::Acquire), 20);
        horizon.announce(&oldest);
        assert!(horizon.require(Kept::History, 20).is_ok());
        assert!(horizon.require(Kept::History, 19).is_err());
    }
}
