//! Access records that are not stored: derived when somebody asks, and kept for whoever asks next.

use crate::error::Failure;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use weft_evm::Executor;
use weft_types::{AccessRecord, ReadAccess, TransactionAccess, WriteAccess};

/// Memory for derived records, in bytes; the newest one is kept however large it is.
const BYTES_MAX: usize = 64 << 20;

/// Derives the access records of one chain, one at a time and on one thread: whoever asks, and however many do, it takes one
/// core at most from what the chain needs.
#[derive(Debug)]
pub struct DerivedRecords {
    executor: Executor,
    /// Held by whoever derives.
    turn: Mutex<()>,
    /// A cache: committed blocks never change.
    shelf: Mutex<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    records: BTreeMap<u64, Entry>,
    bytes: usize,
    bytes_max: usize,
    /// Rises with each use.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    record: Arc<AccessRecord>,
    bytes: usize,
    used: u64,
}

impl Default for DerivedRecords {
    fn default() -> Self {
        Self::new(BYTES_MAX)
    }
}

impl DerivedRecords {
    fn new(bytes_max: usize) -> Self {
        let shelf = Shelf { records: BTreeMap::new(), bytes: 0, bytes_max, clock: 0 };
        Self { executor: Executor::new(1), turn: Mutex::new(()), shelf: Mutex::new(shelf) }
    }

    /// The record of the block at a height; `None` when its turn did not come within `wait`. `derive` is called if nobody
    /// has derived it before, with the executor to use.
    ///
    /// # Errors
    /// What `derive` says; nothing is kept of it.
    pub(crate) fn of(
        &self,
        height: u64,
        wait: Duration,
        derive: impl FnOnce(&Executor) -> Result<AccessRecord, Failure>,
    ) -> Option<Result<Arc<AccessRecord>, Failure>> {
        if let Some(record) = self.shelf.lock().take(height) {
            return Some(Ok(record));
        }
        let _turn = self.turn.try_lock_for(wait)?;
        // Whoever had the turn before may have wanted the same.
        if let Some(record) = self.shelf.lock().take(height) {
            return Some(Ok(record));
        }
        Some(derive(&self.executor).map(|record| {
            let record = Arc::new(record);
            self.shelf.lock().put(height, Arc::clone(&record));
            record
        }))
    }
}

impl Shelf {
    fn take(&mut self, height: u64) -> Option<Arc<AccessRecord>> {
        self.clock += 1;
        let entry = self.records.get_mut(&height)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.record))
    }

    fn put(&mut self, height: u64, record: Arc<AccessRecord>) {
        self.clock += 1;
        let bytes = bytes(&record);
        self.bytes += bytes;
        let entry = Entry { record, bytes, used: self.clock };
        if let Some(before) = self.records.insert(height, entry) {
            self.bytes -= before.bytes;
        }
        while self.bytes > self.bytes_max && self.records.len() > 1 {
            let longest = self.records.iter().min_by_key(|(_, entry)| entry.used);
            let Some(height) = longest.map(|(height, _)| *height) else { break };
            if let Some(entry) = self.records.remove(&height) {
                self.bytes -= entry.bytes;
            }
        }
    }
}

/// Memory that a record takes.
fn bytes(record: &AccessRecord) -> usize {
    let of = |access: &TransactionAccess| {
        size_of::<TransactionAccess>()
            + access.reads.capacity() * size_of::<ReadAccess>()
            + access.writes.capacity() * size_of::<WriteAccess>()
    };
    size_of::<Entry>() + record.transactions.iter().map(of).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LONG: Duration = Duration::from_secs(60);

    fn record(transactions: usize) -> AccessRecord {
        let access = TransactionAccess { gas_used: 1, reads: vec![], writes: vec![] };
        AccessRecord { transactions: vec![access; transactions] }
    }

    #[test]
    fn many_who_ask_for_one_block_at_once_have_it_derived_once() {
        let (derived, calls) = (DerivedRecords::default(), AtomicUsize::new(0));
        let all_here = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    all_here.wait();
                    let found = derived.of(7, LONG, |_| {
                        calls.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(50));
                        Ok(record(3))
                    });
                    assert_eq!(found.unwrap().unwrap().transactions.len(), 3);
                });
            }
        });
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn one_is_derived_at_a_time_and_nobody_waits_longer_than_he_wants() {
        let derived = DerivedRecords::default();
        let outer = derived.of(1, LONG, |_| {
            assert!(derived.of(2, Duration::from_millis(10), |_| Ok(record(1))).is_none());
            Ok(record(1))
        });
        assert!(outer.unwrap().is_ok());
        assert!(derived.of(2, Duration::ZERO, |_| Ok(record(1))).unwrap().is_ok());
    }

    #[test]
    fn what_fails_is_tried_again() {
        let derived = DerivedRecords::default();
        let failed = derived.of(1, LONG, |_| Err(Failure::UnknownBlock)).unwrap();
        assert!(matches!(failed, Err(Failure::UnknownBlock)));
        assert_eq!(derived.of(1, LONG, |_| Ok(record(2))).unwrap().unwrap().transactions.len(), 2);
    }

    #[test]
    fn the_memory_is_bounded_and_what_was_not_used_longest_goes_first() {
        let room = 3 * bytes(&record(10));
        let derived = DerivedRecords::new(room);
        let put = |height, transactions| {
            derived.of(height, LONG, |_| Ok(record(transactions))).unwrap().unwrap();
        };
        let kept = || derived.shelf.lock().records.keys().copied().collect::<Vec<_>>();
        (1..=3).for_each(|height| put(height, 10));
        put(1, 10);
        put(4, 10);
        assert_eq!(kept(), [1, 3, 4], "2 was not used for the longest time");
        assert!(derived.shelf.lock().bytes <= room);
        put(5, 1_000);
        assert_eq!(kept(), [5], "larger than the room, and still the newest");
        put(6, 10);
        assert_eq!(kept(), [6]);
        assert_eq!(derived.shelf.lock().bytes, bytes(&record(10)));
    }
}
