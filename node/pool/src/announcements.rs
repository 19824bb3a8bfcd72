//! The feed of transactions that became ready: what `newPendingTransactions` tells.
//!
//! A ring of hashes with a running number. The pool is synchronous, so nobody is called or waited
//! for: a reader keeps the number of the first announcement that it has not read, and asks for
//! those from there on. One that reads too seldom is told how many it missed.

use alloy_primitives::B256;
use std::collections::VecDeque;

/// What a reader of the feed gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcements {
    /// Hashes of transactions in the order in which they became ready for the first time.
    pub hashes: Vec<B256>,
    /// Where to go on reading.
    pub next: u64,
    /// Announcements that were forgotten before this reader came for them.
    pub missed: u64,
}

/// The last announcements.
#[derive(Debug)]
pub(crate) struct Feed {
    limit: usize,
    /// Number of the next announcement, from 0.
    end: u64,
    hashes: VecDeque<B256>,
}

impl Feed {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, end: 0, hashes: VecDeque::new() }
    }

    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn push(&mut self, hash: B256) {
        self.end += 1;
        self.hashes.push_back(hash);
        if self.hashes.len() > self.limit {
            self.hashes.pop_front();
        }
    }

    /// At most `limit` announcements from number `from` on. A number of the future reads nothing.
    pub(crate) fn read(&self, from: u64, limit: usize) -> Announcements {
        let oldest = self.end - self.hashes.len() as u64;
        let start = from.clamp(oldest, self.end);
        let skip = usize::try_from(start - oldest).unwrap_or(usize::MAX);
        let hashes: Vec<B256> = self.hashes.iter().skip(skip).take(limit).copied().collect();
        let next = start + hashes.len() as u64;
        Announcements { hashes, next, missed: oldest.saturating_sub(from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> B256 {
        B256::left_padding_from(&n.to_be_bytes())
    }

    #[test]
    fn a_reader_gets_everything_once_and_in_order() {
        let mut feed = Feed::new(10);
        assert_eq!(feed.read(0, 5), Announcements::default());
        (0..7).for_each(|n| feed.push(hash(n)));
        let first = feed.read(0, 5);
        assert_eq!(first.hashes, (0..5).map(hash).collect::<Vec<_>>());
        let second = feed.read(first.next, 5);
        assert_eq!((second.hashes, second.next), (vec![hash(5), hash(6)], 7));
        assert_eq!(feed.read(7, 5), Announcements { next: 7, ..Announcements::default() });
        assert_eq!(feed.read(u64::MAX, 5).next, 7, "a number of the future starts at the end");
    }

    #[test]
    fn a_slow_reader_is_told_what_it_missed() {
        let mut feed = Feed::new(3);
        (0..8).for_each(|n| feed.push(hash(n)));
        let read = feed.read(2, 100);
        assert_eq!((read.hashes, read.next, read.missed), (vec![hash(5), hash(6), hash(7)], 8, 3));
        let mut nothing = Feed::new(0);
        nothing.push(hash(1));
        assert_eq!((nothing.read(0, 9).missed, nothing.end()), (1, 1));
    }
}
