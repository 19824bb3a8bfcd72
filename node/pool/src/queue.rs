//! The transactions of one sender, in nonce order.

use crate::entry::Entry;
use crate::pool::SenderContent;
use alloy_primitives::{Address, B256, U256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::sync::Arc;

/// What a transaction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A transaction with this nonce is missing.
    Nonce {
        /// The lowest missing nonce.
        missing: u64,
    },
    /// The base fee must fall.
    Fee {
        /// Nonce of the transaction that holds up this one, or of this one.
        nonce: u64,
        /// Its fee cap in wei.
        max_fee: u128,
        /// Base fee of the next block in wei.
        base_fee: u64,
    },
    /// The sender cannot pay for all its transactions up to this nonce in the worst case.
    Funds {
        /// Nonce of the transaction that holds up this one, or of this one.
        nonce: u64,
        /// Balance in wei.
        have: U256,
        /// Sum of the worst-case costs up to that nonce, in wei.
        want: U256,
    },
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nonce { missing } => write!(f, "nonce {missing} is missing"),
            Self::Fee { nonce, max_fee, base_fee } => write!(
                f,
                "max fee per gas less than block base fee: nonce: {nonce}, maxFeePerGas: {max_fee}, baseFee: {base_fee}"
            ),
            Self::Funds { nonce, have, want } => {
                write!(f, "insufficient funds up to nonce {nonce}: have {have} want {want}")
            }
        }
    }
}

/// Order in which the ends of the queues are given up: the smallest first.
///
/// Waiting before ready, then the lower effective tip, then the later arrival.
pub(crate) type TailKey = (bool, i128, Reverse<u64>, Address);

/// The transactions of one sender. No nonce in it is below the sender's nonce at the head.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Next nonce of the sender at the head.
    nonce: u64,
    /// Balance of the sender at the head.
    balance: U256,
    entries: BTreeMap<u64, Entry>,
    /// Number of entries, from the first, that can go into the next block.
    ready: usize,
    /// Sum of their worst-case costs.
    ready_cost: U256,
    /// Hashes of entries that became ready for the first time since [`Queue::take_fresh`].
    fresh: Vec<B256>,
}

impl Queue {
    pub(crate) const fn new(nonce: u64, balance: U256) -> Self {
        Self {
            nonce,
            balance,
            entries: BTreeMap::new(),
            ready: 0,
            ready_cost: U256::ZERO,
            fresh: Vec::new(),
        }
    }

    /// Nonce and balance of the sender at the head.
    pub(crate) const fn account(&self) -> (u64, U256) {
        (self.nonce, self.balance)
    }

    /// The transactions, ready and waiting apart.
    pub(crate) fn content(&self) -> SenderContent {
        let mut all = self.entries.values().map(|entry| Arc::clone(&entry.transaction));
        SenderContent { ready: all.by_ref().take(self.ready).collect(), queued: all.collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) const fn ready(&self) -> usize {
        self.ready
    }

    pub(crate) fn is_ready(&self, nonce: u64) -> bool {
        nonce.checked_sub(self.nonce).is_some_and(|index| index < self.ready as u64)
    }

    pub(crate) fn get(&self, nonce: u64) -> Option<&Entry> {
        self.entries.get(&nonce)
    }

    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.values()
    }

    /// The entry that is `depth` places before the end, with its place in the order of giving up.
    pub(crate) fn nth_last(&self, depth: usize, base_fee: u64) -> Option<(TailKey, &Entry)> {
        let entry = self.entries.values().rev().nth(depth)?;
        let ready = self.entries.len() - depth <= self.ready;
        let tip = entry.effective_tip(base_fee);
        Some(((ready, tip, Reverse(entry.sequence), entry.sender), entry))
    }

    /// Files an entry, and returns the one it replaces.
    pub(crate) fn insert(&mut self, entry: Entry, base_fee: u64) -> Option<Entry> {
        let old = self.entries.insert(entry.nonce, entry);
        if old.is_some() {
            self.refresh(base_fee);
        } else {
            self.extend(base_fee);
        }
        old
    }

    pub(crate) fn remove(&mut self, nonce: u64, base_fee: u64) -> Option<Entry> {
        let old = self.entries.remove(&nonce)?;
        self.refresh(base_fee);
        Some(old)
    }

    /// Takes over the sender's nonce and balance at a new head. Returns what can never be included
    /// any more.
    pub(crate) fn set_account(&mut self, nonce: u64, balance: U256, base_fee: u64) -> Vec<Entry> {
        // What every further transaction of a sender finds between two blocks.
        if (nonce, balance) == (self.nonce, self.balance) {
            return Vec::new();
        }
        let keep = self.entries.split_off(&nonce);
        let gone = std::mem::replace(&mut self.entries, keep);
        (self.nonce, self.balance) = (nonce, balance);
        self.refresh(base_fee);
        gone.into_values().collect()
    }

    /// Counts the ready entries anew.
    pub(crate) fn refresh(&mut self, base_fee: u64) {
        (self.ready, self.ready_cost) = (0, U256::ZERO);
        self.extend(base_fee);
    }

    /// Goes on counting where the last count stopped.
    fn extend(&mut self, base_fee: u64) {
        let mut run = self.runnable_from(self.ready, self.ready_cost, base_fee);
        let added = run.by_ref().count();
        let spent = run.spent;
        let first = self.nonce.saturating_add(self.ready as u64);
        for (_, entry) in self.entries.range_mut(first..).take(added) {
            if !entry.announced {
                entry.announced = true;
                self.fresh.push(entry.hash);
            }
        }
        self.ready += added;
        self.ready_cost = spent;
    }

    /// What became ready for the first time since the last call, in nonce order.
    pub(crate) fn take_fresh(&mut self) -> Vec<B256> {
        std::mem::take(&mut self.fresh)
    }

    /// Takes out what has waited for `lifetime_s` seconds. The time that an entry was ready does
    /// not count: nothing that can be included grows old.
    pub(crate) fn expire(&mut self, now_s: u64, lifetime_s: u64, base_fee: u64) -> Vec<Entry> {
        let ready = self.ready;
        self.entries.values_mut().take(ready).for_each(|entry| entry.since = now_s);
        let is_old = |entry: &&Entry| now_s.saturating_sub(entry.since) >= lifetime_s;
        let old: Vec<u64> =
            self.entries.values().skip(ready).filter(is_old).map(|entry| entry.nonce).collect();
        let gone = old.iter().filter_map(|nonce| self.entries.remove(nonce)).collect();
        if !old.is_empty() {
            self.refresh(base_fee);
        }
        gone
    }

    /// Entries that can go into a block with this base fee, in nonce order: without a gap, with a
    /// sufficient fee cap, and covered by the balance in the worst case of all of them.
    pub(crate) fn runnable(&self, base_fee: u64) -> Runnable<'_> {
        self.runnable_from(0, U256::ZERO, base_fee)
    }

    fn runnable_from(&self, skip: usize, spent: U256, base_fee: u64) -> Runnable<'_> {
        let next = self.nonce.saturating_add(skip as u64);
        Runnable {
            entries: self.entries.range(next..),
            next,
            spent,
            balance: self.balance,
            base_fee,
        }
    }

    /// Whether a new transaction would be ready at once.
    pub(crate) fn would_be_ready(&self, entry: &Entry, base_fee: u64) -> bool {
        let index = entry.nonce.checked_sub(self.nonce);
        let reached = index.is_some_and(|index| index <= self.ready as u64);
        let before = self.entries.range(..entry.nonce).map(|(_, e)| e.cost);
        reached
            && entry.max_fee() >= u128::from(base_fee)
            && before.fold(entry.cost, U256::saturating_add) <= self.balance
    }

    /// What the first entry that is not ready waits for, and with it all behind it.
    pub(crate) fn waiting(&self, base_fee: u64) -> Waiting {
        let nonce = self.nonce.saturating_add(self.ready as u64);
        match self.entries.get(&nonce) {
            None => Waiting::Nonce { missing: nonce },
            Some(entry) if entry.max_fee() < u128::from(base_fee) => {
                Waiting::Fee { nonce, max_fee: entry.max_fee(), base_fee }
            }
            Some(entry) => {
                let want = self.ready_cost.saturating_add(entry.cost);
                Waiting::Funds { nonce, have: self.balance, want }
            }
        }
    }

    /// First nonce from the sender's nonce on (or `nonce`, if that is higher) that is not here.
    pub(crate) fn next_free_nonce(&self, nonce: u64) -> u64 {
        let mut next = nonce.max(self.nonce);
        for held in self.entries.range(next..).map(|(nonce, _)| *nonce) {
            if held != next {
                break;
            }
            next += 1;
        }
        next
    }
}

/// See [`Queue::runnable`].
#[derive(Debug)]
pub(crate) struct Runnable<'a> {
    entries: btree_map::Range<'a, u64, Entry>,
    next: u64,
    spent: U256,
    balance: U256,
    base_fee: u64,
}

impl<'a> Iterator for Runnable<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        let (nonce, entry) = self.entries.next()?;
        let spent = self.spent.saturating_add(entry.cost);
        let fits = *nonce == self.next
            && entry.max_fee() >= u128::from(self.base_fee)
            && spent <= self.balance;
        if !fits {
            self.entries = btree_map::Range::default();
            return None;
        }
        self.next += 1;
        self.spent = spent;
        Some(entry)
    }
}
