//! The pool behind its lock: queues, indices, and the rules that keep them together.

use crate::announcements::Feed;
use crate::entry::Entry;
use crate::error::PoolError;
use crate::limits::PoolLimits;
use crate::order;
use crate::queue::{Queue, TailKey};
use crate::recent::Recent;
use crate::room::{Room, victims};
use alloy_primitives::map::{B256Map, B256Set};
use alloy_primitives::{Address, B256, U256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use weft_types::RecoveredTransaction;

/// Longest remembered reason of a drop, in bytes.
const REASON_BYTES_MAX: usize = 256;

/// What admission did to the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Hash of the admitted transaction.
    pub hash: B256,
    /// The transaction as the pool holds it, to pass it on without copying it.
    pub transaction: Arc<RecoveredTransaction>,
    /// Whether it can go into the next block; otherwise it waits.
    pub ready: bool,
    /// The transaction with the same sender and nonce that it replaced.
    pub replaced: Option<B256>,
    /// Transactions that were given up to make room.
    pub evicted: Vec<B256>,
}

/// A transaction that left the pool without being included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drop {
    pub(crate) reason: String,
    /// Number of the newest head that the pool knew then.
    pub(crate) at: u64,
}

/// Everything that the lock guards. Each method leaves all fields in agreement.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) limits: PoolLimits,
    /// The transactions. Never holds an empty queue.
    pub(crate) queues: BTreeMap<Address, Queue>,
    /// Sender and nonce of every transaction held.
    pub(crate) by_hash: B256Map<(Address, u64)>,
    /// Number of the newest head seen.
    height: u64,
    /// Seconds that the pool was told; see [`crate::Pool::expire`].
    now_s: u64,
    /// Base fee of the block after it.
    pub(crate) base_fee: u64,
    /// Sum of the sizes of all entries, in bytes.
    pub(crate) bytes: usize,
    /// Sum of the ready entries of all queues.
    pub(crate) ready: usize,
    sequence: u64,
    /// Ends of all queues in the order of giving up; `None` until the pool is full for the first
    /// time at this base fee, so that a pool with room does not pay for it.
    tails: Option<BTreeSet<TailKey>>,
    /// Senders of what is not held any more.
    pub(crate) senders: Recent<Address>,
    pub(crate) drops: Recent<Drop>,
    pub(crate) feed: Feed,
}

impl Inner {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        Self {
            queues: BTreeMap::new(),
            by_hash: B256Map::default(),
            height: 0,
            now_s: 0,
            base_fee: 0,
            bytes: 0,
            ready: 0,
            sequence: 0,
            tails: None,
            senders: Recent::new(limits.senders_remembered),
            drops: Recent::new(limits.drops_remembered),
            feed: Feed::new(limits.announcements_max),
            limits,
        }
    }

    /// The pool's clock, in seconds.
    pub(crate) const fn now_s(&self) -> u64 {
        self.now_s
    }

    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(crate) fn entry(&self, hash: &B256) -> Option<(&Queue, &Entry)> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        let queue = self.queues.get(sender)?;
        Some((queue, queue.get(*nonce)?))
    }

    /// Takes note of a head. Returns false when a newer one is known, and with it newer accounts.
    pub(crate) fn observe(&mut self, height: u64, next_base_fee: u64) -> bool {
        if height < self.height {
            return false;
        }
        self.height = height;
        if next_base_fee != self.base_fee {
            self.base_fee = next_base_fee;
            self.tails = None;
            self.ready = 0;
            for queue in self.queues.values_mut() {
                queue.refresh(next_base_fee);
                self.ready += queue.ready();
                queue.take_fresh().into_iter().for_each(|hash| self.feed.push(hash));
            }
        }
        true
    }

    /// Files a transaction whose sender has this nonce and balance at the head.
    pub(crate) fn insert(
        &mut self,
        entry: Entry,
        nonce: u64,
        balance: U256,
    ) -> Result<Admitted, PoolError> {
        let (hash, sender) = (entry.hash, entry.sender);
        let transaction = Arc::clone(&entry.transaction);
        if self.by_hash.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown { hash });
        }
        // A newer head than the one that admission saw may be known here.
        if self.queues.contains_key(&sender) {
            self.set_account(sender, nonce, balance, &B256Set::default());
        }
        let fresh = Queue::new(nonce, balance);
        let queue = self.queues.get(&sender).unwrap_or(&fresh);
        let old = queue.get(entry.nonce);
        if let Some(old) = old {
            check_bump(old, &entry, self.limits.price_bump_percent)?;
        }
        let mut evict = Vec::new();
        if old.is_none() && queue.len() >= self.limits.per_sender {
            let own = queue.nth_last(0, self.base_fee).map(|(_, last)| last);
            let last = own.filter(|last| last.nonce > entry.nonce).ok_or_else(|| {
                let (count, limit) = (queue.len(), self.limits.per_sender);
                PoolError::AccountLimit { sender, count, limit }
            })?;
            evict.push((last.hash, "account limit exceeded: a lower nonce took its place"));
        }
        let room = self.room_needed(&entry, old, evict.first().map(|(hash, _)| *hash));
        let tip = entry.effective_tip(self.base_fee);
        if !room.is_enough() {
            let ready = queue.would_be_ready(&entry, self.base_fee);
            self.index_tails();
            let tails = self.tails.as_ref().expect("built on the line above");
            let newcomer = (ready, tip, sender);
            let found = victims(&self.queues, tails, newcomer, room, self.base_fee)?;
            let why = "txpool is full and a transaction with a higher tip took its place";
            evict.extend(found.into_iter().map(|hash| (hash, why)));
        }
        for (victim, reason) in &evict {
            self.drop_with(victim, reason);
        }
        let replaced = self.file(entry, nonce, balance);
        if let Some(replaced) = replaced {
            self.remember_drop(replaced, "replaced by a transaction with the same nonce");
        }
        self.drops.remove(&hash);
        let evicted = evict.into_iter().map(|(hash, _)| hash).collect();
        let ready = self.is_ready(&hash);
        Ok(Admitted { hash, transaction, ready, replaced, evicted })
    }

    /// Puts an entry into its queue and all indices; returns the hash of the one it replaces.
    fn file(&mut self, entry: Entry, nonce: u64, balance: U256) -> Option<B256> {
        let (hash, sender, base_fee) = (entry.hash, entry.sender, self.base_fee);
        self.queues.entry(sender).or_insert_with(|| Queue::new(nonce, balance));
        self.by_hash.insert(hash, (sender, entry.nonce));
        self.bytes += entry.size;
        let old = self.edit(sender, |queue| queue.insert(entry, base_fee)).flatten()?;
        self.forget(&old);
        Some(old.hash)
    }

    /// How much must go so that the entry fits.
    fn room_needed(&self, entry: &Entry, old: Option<&Entry>, evict: Option<B256>) -> Room {
        let evicted = evict.and_then(|hash| self.entry(&hash)).map(|(_, entry)| entry);
        let leaving = usize::from(old.is_some()) + usize::from(evicted.is_some());
        let leaving_bytes = old.map_or(0, |e| e.size) + evicted.map_or(0, |e| e.size);
        let count = self.by_hash.len() + 1 - leaving;
        let bytes = self.bytes + entry.size - leaving_bytes;
        Room {
            count: count.saturating_sub(self.limits.transactions),
            bytes: bytes.saturating_sub(self.limits.bytes_max),
        }
    }

    pub(crate) fn is_ready(&self, hash: &B256) -> bool {
        self.entry(hash).is_some_and(|(queue, entry)| queue.is_ready(entry.nonce))
    }

    /// Takes over a sender's account at a new head and drops what can no longer be included, with
    /// a reason for what is not in `included`.
    pub(crate) fn set_account(
        &mut self,
        sender: Address,
        nonce: u64,
        balance: U256,
        included: &B256Set,
    ) {
        let base_fee = self.base_fee;
        let gone = self.edit(sender, |queue| queue.set_account(nonce, balance, base_fee));
        for entry in gone.unwrap_or_default() {
            self.forget(&entry);
            if included.contains(&entry.hash) {
                continue;
            }
            let reason = format!("nonce too low: next nonce {nonce}, tx nonce {}", entry.nonce);
            self.remember_drop(entry.hash, &reason);
        }
    }

    /// Drops a transaction and remembers why.
    pub(crate) fn drop_with(&mut self, hash: &B256, reason: &str) -> bool {
        let removed = self.remove(hash);
        if removed {
            self.remember_drop(*hash, reason);
        }
        removed
    }

    /// Removes a transaction, without a reason.
    pub(crate) fn remove(&mut self, hash: &B256) -> bool {
        let Some((sender, nonce)) = self.by_hash.get(hash).copied() else { return false };
        let base_fee = self.base_fee;
        let entry = self.edit(sender, |queue| queue.remove(nonce, base_fee)).flatten();
        if let Some(entry) = &entry {
            self.forget(entry);
        }
        entry.is_some()
    }

    /// Drops what has waited for longer than its lifetime. The clock never goes back.
    pub(crate) fn expire(&mut self, now_s: u64) -> usize {
        self.now_s = self.now_s.max(now_s);
        let (now_s, lifetime_s, base_fee) = (self.now_s, self.limits.lifetime_s, self.base_fee);
        let senders: Vec<Address> = self.queues.keys().copied().collect();
        let mut count = 0;
        for sender in senders {
            let Some(queue) = self.queues.get(&sender) else { continue };
            let waits = queue.waiting(base_fee);
            let gone = self.edit(sender, |queue| queue.expire(now_s, lifetime_s, base_fee));
            for entry in gone.unwrap_or_default() {
                count += 1;
                self.forget(&entry);
                let reason = format!("waited in vain for {} s: {waits}", now_s - entry.since);
                self.remember_drop(entry.hash, &reason);
            }
        }
        count
    }

    /// Place of a ready transaction in the order of [`order::best`] at the next base fee.
    pub(crate) fn position(&self, hash: &B256) -> Option<usize> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        order::position(&self.queues, sender, *nonce, self.base_fee)
    }

    fn forget(&mut self, entry: &Entry) {
        self.by_hash.remove(&entry.hash);
        self.senders.insert(entry.hash, entry.sender);
        self.bytes -= entry.size;
    }

    fn remember_drop(&mut self, hash: B256, reason: &str) {
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let dropped = Drop { reason: reason[..end].to_owned(), at: self.height };
        self.drops.insert(hash, dropped);
    }

    /// Changes one queue and keeps the number of ready entries and the order of ends in step.
    fn edit<R>(&mut self, sender: Address, change: impl FnOnce(&mut Queue) -> R) -> Option<R> {
        let base_fee = self.base_fee;
        let queue = self.queues.get_mut(&sender)?;
        let ready_before = queue.ready();
        if let (Some(tails), Some((key, _))) = (&mut self.tails, queue.nth_last(0, base_fee)) {
            tails.remove(&key);
        }
        let result = change(queue);
        queue.take_fresh().into_iter().for_each(|hash| self.feed.push(hash));
        if let (Some(tails), Some((key, _))) = (&mut self.tails, queue.nth_last(0, base_fee)) {
            tails.insert(key);
        }
        self.ready = self.ready + queue.ready() - ready_before;
        if queue.len() == 0 {
            self.queues.remove(&sender);
        }
        Some(result)
    }

    fn index_tails(&mut self) {
        if self.tails.is_none() {
            let ends = self.queues.values().filter_map(|q| q.nth_last(0, self.base_fee));
            self.tails = Some(ends.map(|(key, _)| key).collect());
        }
    }
}

/// Both fee fields must rise by the bump, and rise at all, as in geth.
fn check_bump(old: &Entry, new: &Entry, percent: u128) -> Result<(), PoolError> {
    let least = |fee: u128| {
        let bumped = fee.saturating_mul(100 + percent).div_ceil(100);
        bumped.max(fee.saturating_add(1))
    };
    let (max_fee_min, tip_min) = (least(old.max_fee()), least(old.tip()));
    let (max_fee, tip) = (new.max_fee(), new.tip());
    if max_fee >= max_fee_min && tip >= tip_min {
        return Ok(());
    }
    Err(PoolError::ReplacementUnderpriced { max_fee_min, tip_min, max_fee, tip })
}
