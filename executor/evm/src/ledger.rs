//! Values on top of others: what the block did besides its transactions, and for the oracle all it did.

use crate::base::Base;
use crate::error::Failure;
use crate::place::{FIELDS, Fields, Place, SLOT};
use crate::tracker::{Changed, Loaded, LoadedSlot, Source};
use crate::value::{Change, Value};
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, U256};
use std::collections::BTreeMap;
use weft_stm::Stop;
use weft_types::{Location, StateError};

/// Values that lie below a ledger.
pub(crate) trait Below {
    /// The value of a location, if it is not that of the parent state.
    fn written(&self, location: &Location) -> Option<Value>;
}

/// Values below, and changes on top of them.
pub(crate) struct Ledger<'b> {
    base: &'b Base<'b>,
    below: Option<&'b dyn Below>,
    /// Every location that was changed, even if it was changed back.
    values: HashMap<Location, Value>,
    /// Bytes of all code set on the way.
    codes: BTreeMap<B256, Bytes>,
}

impl<'b> Ledger<'b> {
    /// A ledger on the parent state.
    pub(crate) fn new(base: &'b Base<'b>) -> Self {
        Self { base, below: None, values: HashMap::default(), codes: BTreeMap::new() }
    }

    /// A ledger on `below`, which lies on the parent state.
    pub(crate) fn above(base: &'b Base<'b>, below: &'b dyn Below) -> Self {
        Self { below: Some(below), ..Self::new(base) }
    }

    pub(crate) fn base(&self) -> &'b Base<'b> {
        self.base
    }

    /// The value of a location now.
    pub(crate) fn value(&self, location: &Location) -> Result<Value, StateError> {
        match self.values.get(location) {
            Some(value) => Ok(*value),
            None => self.value_below(location),
        }
    }

    /// The value of a location below this ledger.
    pub(crate) fn value_below(&self, location: &Location) -> Result<Value, StateError> {
        match self.below.and_then(|below| below.written(location)) {
            Some(value) => Ok(value),
            None => self.base.parent_value(location),
        }
    }

    /// The fields of an account now.
    pub(crate) fn fields(&self, address: Address) -> Result<Fields, StateError> {
        let mut fields = self.base.parent_fields(&address)?;
        for field in FIELDS {
            let location = Place::Account(address).location(field);
            let written = self.values.get(&location).copied();
            let written = written.or_else(|| self.below.and_then(|below| below.written(&location)));
            if let Some(value) = written {
                fields.set(&value);
            }
        }
        Ok(fields)
    }

    /// Everything changed so far.
    pub(crate) fn values(&self) -> &HashMap<Location, Value> {
        &self.values
    }

    /// Everything changed that differs from what is below, ascending.
    pub(crate) fn changes(&self) -> Result<Vec<(Location, Value)>, StateError> {
        let mut changes = Vec::with_capacity(self.values.len());
        for (location, value) in &self.values {
            if self.value_below(location)? != *value {
                changes.push((*location, *value));
            }
        }
        changes.sort_unstable_by_key(|(location, _)| *location);
        Ok(changes)
    }

    /// Applies a change and returns the value after it.
    pub(crate) fn apply(&mut self, location: &Location, change: &Change) -> Result<Value, Failure> {
        let before = self.value(location)?;
        let after = change.apply(&before).ok_or_else(|| Failure::Machine {
            reason: format!("{location:?} holds {before:?} and cannot take {change:?}"),
        })?;
        self.values.insert(*location, after);
        Ok(after)
    }

    /// Keeps the bytes of code that was set.
    pub(crate) fn add_code(&mut self, hash: B256, bytes: Bytes) {
        self.codes.entry(hash).or_insert(bytes);
    }

    /// Takes the changes and the code.
    pub(crate) fn into_parts(self) -> (HashMap<Location, Value>, BTreeMap<B256, Bytes>) {
        (self.values, self.codes)
    }
}

/// A ledger as the source of a system call: settled values, nothing to wait for. What the call changes is noted beside it.
pub(crate) struct LedgerView<'l, 'b> {
    ledger: &'l Ledger<'b>,
    pub(crate) changes: Vec<Changed>,
}

impl<'b> Ledger<'b> {
    /// The ledger as a source.
    pub(crate) fn view(&self) -> LedgerView<'_, 'b> {
        LedgerView { ledger: self, changes: Vec::new() }
    }
}

impl Source for LedgerView<'_, '_> {
    fn account(&mut self, _: &Base<'_>, address: Address) -> Result<Loaded, Stop<Failure>> {
        let fields = self.ledger.fields(address).map_err(|error| Stop::Fatal(error.into()))?;
        Ok(Loaded::plain(fields, &fields))
    }

    fn slot(
        &mut self,
        _: &Base<'_>,
        address: Address,
        slot: U256,
    ) -> Result<LoadedSlot, Stop<Failure>> {
        let location = Place::Slot(address, slot).location(SLOT);
        let value = self.ledger.value(&location).map_err(|error| Stop::Fatal(error.into()))?;
        Ok(LoadedSlot { value, cell: None, seen: 0 })
    }

    fn settled(&self) -> bool {
        true
    }

    fn change(&mut self, changed: Changed) -> Result<(), Stop<Failure>> {
        self.changes.push(changed);
        Ok(())
    }
}
