//! The state below the block, with what its transactions need more than once kept at hand.

use crate::place::{Cell, FIELDS, Fields, Life, Place, SLOT};
use crate::value::Value;
use alloy_primitives::map::{DefaultHashBuilder, HashMap};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use dashmap::DashMap;
use revm::bytecode::Bytecode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};
use weft_types::{Account, Header, Location, StateError, StateReader};

/// Bytes of code that an executor keeps analysed between blocks.
const CODE_CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Analysed code by hash, shared by all blocks of an executor. Content-addressed, so it cannot be stale (hazard 30).
#[derive(Debug, Default)]
pub(crate) struct CodeCache {
    codes: DashMap<B256, Bytecode, DefaultHashBuilder>,
    /// Bytes of code in it. One that two threads insert at once counts twice, until the cache is emptied.
    size_bytes: AtomicUsize,
}

impl CodeCache {
    fn get(&self, hash: &B256) -> Option<Bytecode> {
        self.codes.get(hash).map(|code| code.clone())
    }

    fn insert(&self, hash: B256, code: Bytecode) {
        if self.size_bytes.load(Ordering::Relaxed) > CODE_CACHE_BYTES_MAX {
            self.codes.clear();
            self.size_bytes.store(0, Ordering::Relaxed);
        }
        self.size_bytes.fetch_add(code.len(), Ordering::Relaxed);
        self.codes.insert(hash, code);
    }
}

/// What the block did before its transactions.
struct Overrides {
    values: HashMap<Location, Value>,
    /// Whether anything but storage is among them; it never is with the contracts of the EIPs.
    fields: bool,
}

/// The immutable state that a block's transactions fall through to: the parent's, and what the block did before them.
pub(crate) struct Base<'b> {
    state: &'b dyn StateReader,
    number: u64,
    parent_hash: B256,
    /// Set once, after the system calls and before the first transaction.
    before_transactions: OnceLock<Overrides>,
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
            known,
            produced: RwLock::default(),
        }
    }

    /// Fixes what the block did before its transactions.
    pub(crate) fn set_before_transactions(&self, values: HashMap<Location, Value>) {
        let fields = values.keys().any(|location| !matches!(location, Location::Storage { .. }));
        let first = self.before_transactions.set(Overrides { values, fields });
        debug_assert!(first.is_ok(), "the base is fixed once");
    }

    /// The account in the parent state.
    pub(crate) fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        self.state.account(address)
    }

    /// The fields of an account in the parent state.
    pub(crate) fn parent_fields(&self, address: &Address) -> Result<Fields, StateError> {
        Ok(fields_of(self.state.account(address)?.as_ref()))
    }

    /// A slot in the parent state.
    pub(crate) fn parent_slot(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        self.state.storage(address, slot)
    }

    /// The value of a location in the parent state.
    pub(crate) fn parent_value(&self, location: &Location) -> Result<Value, StateError> {
        Ok(match Place::of(location) {
            (Place::Account(address), field) => self.parent_fields(&address)?.value(field),
            (Place::Slot(address, slot), _) => {
                Value::Slot { value: self.parent_slot(&address, &slot)?, epoch: 0 }
            }
        })
    }

    /// A cell before the first transaction.
    pub(crate) fn cell(&self, place: &Place) -> Result<Cell, StateError> {
        let given = self.before_transactions.get();
        match *place {
            Place::Account(address) => {
                let mut fields = self.parent_fields(&address)?;
                if let Some(given) = given.filter(|given| given.fields) {
                    for field in FIELDS {
                        if let Some(value) = given.values.get(&place.location(field)) {
                            fields.set(value);
                        }
                    }
                }
                Ok(Cell::Account(fields))
            }
            Place::Slot(address, slot) => {
                let given = given.and_then(|given| given.values.get(&place.location(SLOT)));
                Ok(Cell::Slot(match given {
                    Some(value) => value.number(),
                    None => self.parent_slot(&address, &slot)?,
                }))
            }
        }
    }

    /// The value of a location before the first transaction.
    pub(crate) fn value(&self, location: &Location) -> Result<Value, StateError> {
        let (place, field) = Place::of(location);
        Ok(self.cell(&place)?.value(field))
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

/// The fields of an account of the parent state.
pub(crate) fn fields_of(account: Option<&Account>) -> Fields {
    match account {
        Some(Account { balance, nonce, code_hash, .. }) => Fields {
            balance: *balance,
            nonce: *nonce,
            code_hash: *code_hash,
            life: Life { exists: true, epoch: 0 },
        },
        None => Fields::default(),
    }
}

/// Analyses code from the state.
pub(crate) fn decode(hash: &B256, bytes: Bytes) -> Result<Bytecode, StateError> {
    Bytecode::new_raw_checked(bytes)
        .map_err(|error| StateError::Read { reason: format!("code {hash}: {error}") })
}
