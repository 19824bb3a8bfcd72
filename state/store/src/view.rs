//! The state after one block, for as long as anybody wants to read it.

use crate::cache::StateCache;
use crate::columns::Column;
use crate::database::Database;
use crate::prefetch::{Job, Queue};
use crate::retention::Kept;
use crate::{StoreError, layout};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use std::sync::Arc;
use weft_commitment::AccountKey;
use weft_types::{Account, StateError, StateReader, Touched, TouchedList};

/// What all readers of one store share.
pub(crate) struct Source {
    pub(crate) database: Arc<Database>,
    pub(crate) cache: StateCache,
    /// Work for the threads that read ahead.
    pub(crate) queue: Arc<Queue>,
}

/// The state after the block at `height`. It holds no RocksDB snapshot and stays correct while later
/// blocks are committed beside it.
///
/// While no later block has begun to be written, the cache may answer. Else a read takes the current
/// value first and looks for later changes second:
/// 1. no block above `height` had begun to be written when the current value was read: it is the
///    answer;
/// 2. else the history has an entry above `height`: the lowest one holds the answer;
/// 3. else nothing above `height` had changed the key, not even after step 1: the current value is
///    the answer.
///
/// Each block's new values and history entries become visible at once, so no order of these steps
/// and a commit gives a mixture. The opposite order would be wrong. Whether the history still reaches
/// back to `height` is asked last: what was dropped meanwhile may have been missed.
#[derive(Clone)]
pub(crate) struct StateView {
    source: Arc<Source>,
    height: u64,
}

/// An answer, and whether it is the current value because no later block has begun to be written.
struct Found<T> {
    value: T,
    current: bool,
}

impl StateView {
    pub(crate) const fn new(source: Arc<Source>, height: u64) -> Self {
        Self { source, height }
    }

    fn database(&self) -> &Database {
        &self.source.database
    }

    /// What the cache says, unless it may have been said of a later height.
    fn cached<T>(&self, get: impl FnOnce(&StateCache) -> Option<T>) -> Option<T> {
        if !self.database().is_untouched_above(self.height) {
            return None;
        }
        let found = get(&self.source.cache);
        if found.is_none() {
            self.source.cache.missed();
        }
        found.filter(|_| self.database().is_untouched_above(self.height))
    }

    fn read<T>(
        &self,
        (current, history): (Column, Column),
        key: &[u8],
        decode: impl Fn(Column, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Found<T>, StoreError> {
        let database = self.database();
        let value = database.get(current, key)?;
        if database.is_untouched_above(self.height) {
            let value = decode(current, value.as_deref().unwrap_or_default())?;
            return Ok(Found { value, current: true });
        }
        let value = match database.before_next_change(history, key, self.height)? {
            Some(old) => decode(history, &old)?,
            None => decode(current, value.as_deref().unwrap_or_default())?,
        };
        database.horizon().require(Kept::History, self.height)?;
        Ok(Found { value, current: false })
    }

    fn fill(&self, put: impl FnOnce(&StateCache)) -> bool {
        self.source.cache.fill(self.database(), self.height, put)
    }

    /// Whether reading this ahead would gain nothing.
    pub(crate) fn has_cached(&self, place: &Touched) -> bool {
        let cache = &self.source.cache;
        match place {
            Touched::Account(address) => cache.account(address).is_some(),
            Touched::Slot(address, slot) => cache.slot(address, slot).is_some(),
        }
    }

    /// Puts accounts and their codes into the cache. What cannot be read is left to those who need
    /// it: they report the error.
    pub(crate) fn read_accounts_ahead(&self, accounts: &[Address]) {
        let mut keyed: Vec<(B256, Address)> =
            accounts.iter().map(|address| (*AccountKey::new(address).hash(), *address)).collect();
        keyed.sort_unstable();
        let keys: Vec<B256> = keyed.iter().map(|(key, _)| *key).collect();
        let Ok(values) = self.database().get_many(Column::Accounts, &keys) else { return };
        let mut found = Vec::with_capacity(keyed.len());
        for ((_, address), value) in keyed.iter().zip(values) {
            let value = value.as_deref().unwrap_or_default();
            let Ok(account) = layout::decode_account(Column::Accounts, value) else { return };
            found.push((*address, account.map(|(_, account)| account)));
        }
        let put = self.fill(|cache| {
            for (address, account) in &found {
                cache.put_account(*address, *account);
            }
        });
        if put {
            self.source.cache.prefetched(found.len());
            self.read_codes_ahead(found.iter().filter_map(|(_, account)| account.as_ref()));
        }
    }

    fn read_codes_ahead<'a>(&self, accounts: impl Iterator<Item = &'a Account>) {
        let cache = &self.source.cache;
        let mut hashes: Vec<B256> = accounts
            .filter(|account| account.has_code() && cache.code(&account.code_hash).is_none())
            .map(|account| account.code_hash)
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        let Ok(codes) = self.database().get_many(Column::Code, &hashes) else { return };
        for (hash, code) in hashes.iter().zip(codes) {
            if let Some(code) = code {
                cache.put_code(*hash, Bytes::copy_from_slice(&code));
                cache.prefetched(1);
            }
        }
    }

    /// Puts slots into the cache; see [`Self::read_accounts_ahead`].
    pub(crate) fn read_slots_ahead(&self, slots: &[(Address, U256)]) {
        let mut keyed: Vec<(Vec<u8>, (Address, U256))> = slots
            .iter()
            .map(|(address, slot)| {
                (layout::storage_key(&AccountKey::new(address), slot), (*address, *slot))
            })
            .collect();
        keyed.sort_unstable();
        let keys: Vec<&[u8]> = keyed.iter().map(|(key, _)| &key[..]).collect();
        let Ok(values) = self.database().get_many(Column::Storage, &keys) else { return };
        let mut found = Vec::with_capacity(keyed.len());
        for ((_, (address, slot)), value) in keyed.iter().zip(values) {
            let value = value.as_deref().unwrap_or_default();
            let Ok(value) = layout::decode_slot(Column::Storage, value) else { return };
            found.push((*address, *slot, value));
        }
        let put = self.fill(|cache| {
            for (address, slot, value) in &found {
                cache.put_slot(*address, *slot, *value);
            }
        });
        if put {
            self.source.cache.prefetched(found.len());
        }
    }
}

impl StateReader for StateView {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        if let Some(account) = self.cached(|cache| cache.account(address)) {
            return Ok(account);
        }
        let key = AccountKey::new(address);
        let columns = (Column::Accounts, Column::AccountHistory);
        let found = self.read(columns, key.hash().as_slice(), layout::decode_account)?;
        let account = found.value.map(|(_, account)| account);
        if found.current {
            self.fill(|cache| cache.put_account(*address, account));
        }
        Ok(account)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        if let Some(value) = self.cached(|cache| cache.slot(address, slot)) {
            return Ok(value);
        }
        let key = layout::storage_key(&AccountKey::new(address), slot);
        let columns = (Column::Storage, Column::StorageHistory);
        let found = self.read(columns, &key, layout::decode_slot)?;
        if found.current {
            self.fill(|cache| cache.put_slot(*address, *slot, found.value));
        }
        Ok(found.value)
    }

    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        if *hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        if let Some(code) = self.source.cache.code(hash) {
            return Ok(code);
        }
        let code = self.database().get(Column::Code, hash.as_slice())?;
        let code = code
            .map(|code| Bytes::copy_from_slice(&code))
            .ok_or(StateError::CodeMissing { hash: *hash })?;
        self.source.cache.put_code(*hash, code.clone());
        Ok(code)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        if number > self.height {
            return Ok(None);
        }
        let key = number.to_be_bytes();
        Ok(self.database().get_as(Column::Headers, &key, layout::decode_header_hash)?)
    }

    fn prefetch(&self, list: TouchedList) {
        if self.database().is_untouched_above(self.height) {
            self.source.queue.push(Job::Plan(self.clone(), list));
        }
    }
}
