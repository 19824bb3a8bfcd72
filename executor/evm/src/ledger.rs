//! The settled values of a block: what everything settled so far has made of the parent state.

use crate::base::Base;
use crate::error::Failure;
use crate::tracker::Source;
use crate::value::{Change, Value};
use alloy_primitives::map::HashMap;
use alloy_primitives::{B256, Bytes};
use std::collections::BTreeMap;
use weft_stm::Stop;
use weft_types::{Account, AccountDiff, Location, SlotDiff, StateDiff, StateError};

/// Parent state and the changes on top of it. Owned by whoever settles.
pub(crate) struct Ledger<'b> {
    base: &'b Base<'b>,
    /// Every location that was changed, even if it was changed back.
    values: HashMap<Location, Value>,
    /// Bytes of all code set on the way.
    codes: BTreeMap<B256, Bytes>,
}

impl<'b> Ledger<'b> {
    pub(crate) fn new(base: &'b Base<'b>) -> Self {
        Self { base, values: HashMap::default(), codes: BTreeMap::new() }
    }

    /// Makes room for so many more changed locations.
    pub(crate) fn reserve(&mut self, locations: usize) {
        self.values.reserve(locations);
    }

    /// The value of a location now.
    pub(crate) fn value(&self, location: &Location) -> Result<Value, StateError> {
        match self.values.get(location) {
            Some(value) => Ok(*value),
            None => self.base.parent_value(location),
        }
    }

    /// Everything changed so far.
    pub(crate) fn values(&self) -> &HashMap<Location, Value> {
        &self.values
    }

    /// Applies a change and returns the values before and after it.
    pub(crate) fn apply(
        &mut self,
        location: &Location,
        change: &Change,
    ) -> Result<(Value, Value), Failure> {
        let before = self.value(location)?;
        let after = change.apply(&before).ok_or_else(|| Failure::Machine {
            reason: format!("{location:?} holds {before:?} and cannot take {change:?}"),
        })?;
        self.values.insert(*location, after);
        Ok((before, after))
    }

    /// Keeps the bytes of code that was set.
    pub(crate) fn add_code(&mut self, hash: B256, bytes: Bytes) {
        self.codes.entry(hash).or_insert(bytes);
    }

    /// The bytes of code set in this block.
    pub(crate) fn code(&self, hash: &B256) -> Option<&Bytes> {
        self.codes.get(hash)
    }

    /// The net change against the parent state.
    pub(crate) fn into_diff(self) -> Result<StateDiff, StateError> {
        let mut values: Vec<(Location, Value)> =
            self.values.iter().map(|(location, value)| (*location, *value)).collect();
        values.sort_unstable_by_key(|(location, _)| (*location.address(), *location));
        let mut diff = StateDiff::default();
        let mut used = BTreeMap::new();
        for values in values.chunk_by(|(a, _), (b, _)| a.address() == b.address()) {
            let address = *values[0].0.address();
            let before = self.base.account(&address)?;
            let after = self.account_after(before, values)?;
            let slots = self.slot_diffs(values)?;
            if before == after && slots.is_empty() {
                continue;
            }
            let code = after.and_then(|account| self.codes.get_key_value(&account.code_hash));
            if let Some((hash, bytes)) = code {
                used.insert(*hash, bytes.clone());
            }
            diff.accounts.push(AccountDiff { address, before, after, slots });
        }
        diff.code = used.into_iter().collect();
        Ok(diff)
    }

    /// The slots among `values` that differ from the parent state.
    fn slot_diffs(&self, values: &[(Location, Value)]) -> Result<Vec<SlotDiff>, StateError> {
        let mut slots = Vec::new();
        for (location, after) in values {
            let Location::Storage { slot, .. } = location else { continue };
            let (before, after) = (self.base.parent_value(location)?.number(), after.number());
            if before != after {
                slots.push(SlotDiff { slot: *slot, before, after });
            }
        }
        Ok(slots)
    }

    /// An account with its changed fields; `None` when nothing of it remains (EIP-161).
    fn account_after(
        &self,
        before: Option<Account>,
        fields: &[(Location, Value)],
    ) -> Result<Option<Account>, StateError> {
        let mut account = before.unwrap_or_default();
        for (_, value) in fields {
            match value {
                Value::Balance(balance) => account.balance = *balance,
                Value::Nonce(nonce) => account.nonce = *nonce,
                Value::Code(hash) => {
                    account.code_hash = *hash;
                    account.code_size = match self.codes.get(hash) {
                        Some(code) => code.len() as u32,
                        None => self.base.code(hash)?.len() as u32,
                    };
                }
                Value::Slot(_) => {}
            }
        }
        Ok(Some(account).filter(|account| !account.is_empty()))
    }
}

/// Reads of a system call: settled values, nothing to wait for.
impl Source for &Ledger<'_> {
    fn read(&mut self, location: &Location) -> Result<Value, Stop<Failure>> {
        self.value(location).map_err(|error| Stop::Fatal(Failure::State(error)))
    }

    fn read_written(&mut self, location: &Location) -> Result<Option<Value>, Stop<Failure>> {
        Ok(self.values.get(location).copied())
    }

    fn settled(&self) -> bool {
        true
    }
}
