//! Accounts, slots and codes of the head that are read again and again, also by later blocks.

use crate::database::Database;
use alloy_primitives::{Address, B256, Bytes, U256};
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{UnitWeighter, Weighter};
use std::sync::atomic::{AtomicU64, Ordering};
use weft_types::{Account, StateDiff};

/// Memory of one cached account, with the cache's own bookkeeping, in bytes.
const ACCOUNT_BYTES: usize = 200;
/// Memory of one cached slot, with the cache's own bookkeeping, in bytes.
const SLOT_BYTES: usize = 160;
/// Memory of one cached code besides its bytes.
const CODE_EXTRA_BYTES: usize = 128;

/// Parts of the whole, in percent: slots get what accounts and codes leave.
const ACCOUNTS_PERCENT: usize = 30;
const CODES_PERCENT: usize = 10;

type Sharded<K, V, W = UnitWeighter> = Cache<K, V, W, RandomState, DefaultLifecycle<K, V>>;

#[derive(Clone)]
struct ByLength;

impl Weighter<B256, Bytes> for ByLength {
    fn weight(&self, _: &B256, code: &Bytes) -> u64 {
        (code.len() + CODE_EXTRA_BYTES) as u64
    }
}

/// Values of the state after the last block, bounded in memory; what does not exist is a value, too.
///
/// It never answers for another height: a reader at height h asks
/// [`Database::is_untouched_above`] after it has looked here, and each new value is put here after
/// that answer has become false. A reader that missed may put what it read only while no commit is
/// putting the new values, and only if none has begun: else it could put an old value over a new one.
pub(crate) struct StateCache {
    accounts: Sharded<Address, Option<Account>>,
    slots: Sharded<(Address, U256), U256>,
    codes: Sharded<B256, Bytes, ByLength>,
    /// Held shared while something read is put, alone while a commit puts its new values.
    filling: RwLock<()>,
    counts: Counts,
}

/// How the cache has served, since the store was opened. Hints.
#[derive(Debug, Default)]
struct Counts {
    misses: AtomicU64,
    prefetched: AtomicU64,
}

/// How the cache of hot state serves, since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Accounts held.
    pub accounts: u64,
    /// Slots held.
    pub slots: u64,
    /// Codes held.
    pub codes: u64,
    /// Reads at the head that had to ask the database.
    pub misses: u64,
    /// Values that were read ahead of those who need them.
    pub prefetched: u64,
}

impl StateCache {
    /// A cache of about so many bytes; 0 keeps nothing.
    pub(crate) fn new(bytes: usize) -> Self {
        let accounts = bytes * ACCOUNTS_PERCENT / 100;
        let codes = bytes * CODES_PERCENT / 100;
        let slots = bytes - accounts - codes;
        Self {
            accounts: sharded(accounts / ACCOUNT_BYTES),
            slots: sharded(slots / SLOT_BYTES),
            codes: Cache::with(
                codes / 8192,
                codes as u64,
                ByLength,
                RandomState::default(),
                DefaultLifecycle::default(),
            ),
            filling: RwLock::new(()),
            counts: Counts::default(),
        }
    }

    pub(crate) fn account(&self, address: &Address) -> Option<Option<Account>> {
        self.accounts.get(address)
    }

    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> Option<U256> {
        self.slots.get(&(*address, *slot))
    }

    /// Codes are named by their hash: they are right at every height.
    pub(crate) fn code(&self, hash: &B256) -> Option<Bytes> {
        self.codes.get(hash)
    }

    pub(crate) fn put_account(&self, address: Address, account: Option<Account>) {
        self.accounts.insert(address, account);
    }

    pub(crate) fn put_slot(&self, address: Address, slot: U256, value: U256) {
        self.slots.insert((address, slot), value);
    }

    pub(crate) fn put_code(&self, hash: B256, code: Bytes) {
        self.codes.insert(hash, code);
    }

    pub(crate) fn missed(&self) {
        self.counts.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Puts what was read at `height`, unless a later block has begun to be written. Never waits.
    /// Returns whether it was put.
    pub(crate) fn fill(&self, database: &Database, height: u64, put: impl FnOnce(&Self)) -> bool {
        let Some(_shared) = self.filling.try_read() else { return false };
        let fits = database.is_untouched_above(height);
        if fits {
            put(self);
        }
        fits
    }

    pub(crate) fn prefetched(&self, values: usize) {
        self.counts.prefetched.fetch_add(values as u64, Ordering::Relaxed);
    }

    /// Puts the new values of a block that is durable, before the head moves to it.
    pub(crate) fn promote(&self, diff: &StateDiff) {
        let _alone = self.filling.write();
        for change in &diff.accounts {
            if change.before != change.after {
                let after = change.after.filter(|account| !account.is_empty());
                self.put_account(change.address, after);
            }
            for slot in &change.slots {
                self.put_slot(change.address, slot.slot, slot.after);
            }
        }
        for (hash, code) in &diff.code {
            self.put_code(*hash, code.clone());
        }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            accounts: self.accounts.len() as u64,
            slots: self.slots.len() as u64,
            codes: self.codes.len() as u64,
            misses: self.counts.misses.load(Ordering::Relaxed),
            prefetched: self.counts.prefetched.load(Ordering::Relaxed),
        }
    }
}

fn sharded<K: Eq + std::hash::Hash, V: Clone>(entries: usize) -> Sharded<K, V> {
    Cache::with(
        entries,
        entries as u64,
        UnitWeighter,
        RandomState::default(),
        DefaultLifecycle::default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_its_bound_and_keeps_nothing_without_room() {
        let cache = StateCache::new(100 * 1024);
        for number in 0..50_000u64 {
            cache.put_account(Address::left_padding_from(&number.to_be_bytes()), None);
            cache.put_slot(Address::ZERO, U256::from(number), U256::from(1));
            cache.put_code(B256::from(U256::from(number)), Bytes::from(vec![0; 100]));
        }
        let stats = cache.stats();
        let bytes = stats.accounts * 200 + stats.slots * 160 + stats.codes * 228;
        // Each part of the cache rounds its share up to a whole entry.
        assert!(bytes <= 105 * 1024, "{stats:?}");
        assert!(stats.accounts > 50 && stats.slots > 100 && stats.codes > 10, "{stats:?}");
        let none = StateCache::new(0);
        none.put_account(Address::ZERO, None);
        assert_eq!(none.account(&Address::ZERO), None);
    }
}
