//! The state below the block, with what its transactions need more than once kept at hand.

use crate::tracker::Before;
use crate::value::Value;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::bytecode::Bytecode;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
use weft_types::{Account, Header, Location, StateError, StateReader};

/// Accounts are kept in this many maps, so that workers rarely meet at one lock.
const SHARDS: usize = 64;

/// Bytes of code that an executor keeps analysed between blocks.
const CODE_CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Analysed code by hash, shared by all blocks of an executor. Content-addressed, so it cannot be stale (hazard 30).
#[derive(Debug, Default)]
pub(crate) struct CodeCache {
    inner: RwLock<CodeCacheInner>,
}

#[derive(Debug, Default)]
struct CodeCacheInner {
    codes: HashMap<B256, Bytecode>,
    size_bytes: usize,
}

impl CodeCache {
    fn get(&self, hash: &B256) -> Option<Bytecode> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).codes.get(hash).cloned()
    }

    fn insert(&self, hash: B256, code: Bytecode) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if inner.size_bytes > CODE_CACHE_BYTES_MAX {
            inner.codes.clear();
            inner.size_bytes = 0;
        }
        inner.size_bytes += code.len();
        inner.codes.insert(hash, code);
    }
}

/// What the system calls before the transactions changed.
struct Overrides {
    values: HashMap<Location, Value>,
    /// Whether anything but storage is among them; it never is with the contracts of the EIPs.
    fields: bool,
}

/// The immutable state that a block's transactions fall through to: the parent's, and what the system calls before the
/// transactions changed.
pub(crate) struct Base<'b> {
    state: &'b dyn StateReader,
    number: u64,
    parent_hash: B256,
    /// Set once, after the system calls and before the first transaction.
    before_transactions: OnceLock<Overrides>,
    /// Accounts read so far, `None` inside for those that do not exist. The snapshot is immutable, so an entry stays true.
    accounts: Vec<Mutex<HashMap<Address, Option<Account>>>>,
    known: &'b CodeCache,
    /// Code that executions of this block produced, speculative ones included: a hash that nobody publishes is never asked
    /// for (hazard 26).
    produced: RwLock<HashMap<B256, Bytecode>>,
}

impl<'b> Base<'b> {
    pub(crate) fn new(state: &'b dyn StateReader, header: &Header, known: &'b CodeCache) -> Self {
        Self {
            state,
            number: header.number,
            parent_hash: header.parent_hash,
            before_transactions: OnceLock::new(),
            accounts: (0..SHARDS).map(|_| Mutex::default()).collect(),
            known,
            produced: RwLock::default(),
        }
    }

    /// Fixes what the system calls before the transactions changed.
    pub(crate) fn set_before_transactions(&self, values: HashMap<Location, Value>) {
        let fields = values.keys().any(|location| !matches!(location, Location::Storage { .. }));
        let first = self.before_transactions.set(Overrides { values, fields });
        debug_assert!(first.is_ok(), "the base is fixed once");
    }

    /// The account in the parent state; an empty one counts as none (EIP-161).
    pub(crate) fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        let shard = &self.accounts[usize::from(address[19]) % SHARDS];
        if let Some(account) = lock(shard).get(address) {
            return Ok(*account);
        }
        let account = self.state.account(address)?.filter(|account| !account.is_empty());
        lock(shard).insert(*address, account);
        Ok(account)
    }

    /// The value of a location in the parent state.
    pub(crate) fn parent_value(&self, location: &Location) -> Result<Value, StateError> {
        let account = |address| self.account(address).map(Option::unwrap_or_default);
        Ok(match location {
            Location::Balance { address } => Value::Balance(account(address)?.balance),
            Location::Nonce { address } => Value::Nonce(account(address)?.nonce),
            Location::Code { address } => Value::Code(account(address)?.code_hash),
            Location::Storage { address, slot } => Value::Slot(self.state.storage(address, slot)?),
            Location::StorageEpoch { .. } => Value::Slot(U256::ZERO),
        })
    }

    /// The value of a location before the first transaction.
    pub(crate) fn value(&self, location: &Location) -> Result<Value, StateError> {
        let storage = matches!(location, Location::Storage { .. });
        let overrides = self.before_transactions.get().filter(|given| given.fields || storage);
        match overrides.and_then(|given| given.values.get(location)) {
            Some(value) => Ok(*value),
            None => self.parent_value(location),
        }
    }

    /// Balance, nonce and code hash of an account before the first transaction.
    pub(crate) fn before(&self, address: &Address) -> Result<Before, StateError> {
        let Account { balance, nonce, code_hash, .. } = self.account(address)?.unwrap_or_default();
        let mut before = Before { balance, nonce, code_hash };
        if let Some(given) = self.before_transactions.get().filter(|given| given.fields) {
            let address = *address;
            if let Some(Value::Balance(value)) = given.values.get(&Location::Balance { address }) {
                before.balance = *value;
            }
            if let Some(Value::Nonce(value)) = given.values.get(&Location::Nonce { address }) {
                before.nonce = *value;
            }
            if let Some(Value::Code(value)) = given.values.get(&Location::Code { address }) {
                before.code_hash = *value;
            }
        }
        Ok(before)
    }

    /// Code by its hash, from this block or below.
    pub(crate) fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        if *hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.known.get(hash) {
            return Ok(code);
        }
        if let Some(code) = self.produced.read().unwrap_or_else(PoisonError::into_inner).get(hash) {
            return Ok(code.clone());
        }
        let code = decode(hash, self.state.code(hash)?)?;
        self.known.insert(*hash, code.clone());
        Ok(code)
    }

    /// Keeps code that an execution produced.
    pub(crate) fn produce(&self, codes: &[(B256, Bytecode)]) {
        if codes.is_empty() {
            return;
        }
        let mut produced = self.produced.write().unwrap_or_else(PoisonError::into_inner);
        for (hash, code) in codes {
            produced.entry(*hash).or_insert_with(|| code.clone());
        }
    }

    /// Hash of an ancestor, for `BLOCKHASH`; zero when the chain does not have it. The machine asks for the last 256 only.
    pub(crate) fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        if number.checked_add(1) == Some(self.number) {
            return Ok(self.parent_hash);
        }
        Ok(self.state.block_hash(number)?.unwrap_or_default())
    }
}

/// Analyses code from the state.
pub(crate) fn decode(hash: &B256, bytes: Bytes) -> Result<Bytecode, StateError> {
    Bytecode::new_raw_checked(bytes)
        .map_err(|error| StateError::Read { reason: format!("code {hash}: {error}") })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic elsewhere cannot leave the map half written: entries are inserted whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
