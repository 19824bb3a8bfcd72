//! Builds the block access list (EIP-7928) while transactions settle.
//!
//! What enters: every account and slot that the machine's journal holds when an execution ends. The journal keeps what
//! reverted frames touched, and takes an item in only once the gas for reaching it was paid, which is the rule of the EIP.
//! A change enters at index `i` when the value after `i` differs from the value before `i`.

use crate::settle::Extent;
use crate::value::Value;
use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, Bytes, U256};
use std::collections::BTreeMap;
use weft_types::Location;

/// What enters the list, as far as the block is settled. Settling only writes it down; accounts and slots are brought
/// together when the block is done, away from the workers that wait for the settled prefix.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    accesses: Vec<Vec<(Address, Vec<U256>)>>,
    changes: Vec<LocationChange>,
}

/// One location holds `after` from `index` on.
#[derive(Debug)]
struct LocationChange {
    index: u64,
    location: Location,
    after: Value,
    code: Bytes,
}

/// What the block does to one account and its slots.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Slots accessed; those without changes are reads.
    slots: BTreeMap<U256, Vec<StorageChange>>,
    balances: Vec<BalanceChange>,
    nonces: Vec<NonceChange>,
    codes: Vec<CodeChange>,
}

impl Recorder {
    /// Takes in the accounts and slots that an execution accessed.
    pub(crate) fn access(&mut self, accesses: Vec<(Address, Vec<U256>)>) {
        self.accesses.push(accesses);
    }

    /// Takes in that a location holds `after` from `index` on. Indices must ascend, and each location changes at most once
    /// at an index. `code` answers for the bytes of a code hash.
    pub(crate) fn change(&mut self, index: u64, location: Location, after: Value, code: Bytes) {
        self.changes.push(LocationChange { index, location, after, code });
    }

    /// The finished list, in the order that the EIP demands.
    pub(crate) fn finish(self) -> Vec<AccountChanges> {
        let mut entries: AddressMap<Entry> = AddressMap::default();
        entries.reserve(self.accesses.len());
        for (address, slots) in self.accesses.into_iter().flatten() {
            let entry = entries.entry(address).or_default();
            for slot in slots {
                entry.access(slot);
            }
        }
        for change in self.changes {
            let LocationChange { index, location, after, code } = change;
            let slot = match location {
                Location::Storage { slot, .. } => Some(slot),
                _ => None,
            };
            entries.entry(*location.address()).or_default().change(index, slot, after, code);
        }
        let mut accounts: Vec<(Address, Entry)> = entries.into_iter().collect();
        accounts.sort_unstable_by_key(|(address, _)| *address);
        accounts.into_iter().map(|(address, entry)| entry.finish(address)).collect()
    }
}

impl Entry {
    /// A slot was accessed.
    pub(crate) fn access(&mut self, slot: U256) {
        self.slots.entry(slot).or_default();
    }

    /// A slot, or else the field that `after` is of, holds `after` from `index` on. Indices must ascend. `code` are the
    /// bytes of code.
    pub(crate) fn change(&mut self, index: u64, slot: Option<U256>, after: Value, code: Bytes) {
        let index = BlockAccessIndex::new(index);
        match (slot, after) {
            (Some(slot), value) => {
                let change = StorageChange::new(index, value.number());
                self.slots.entry(slot).or_default().push(change);
            }
            (None, Value::Balance(balance)) => {
                self.balances.push(BalanceChange::new(index, balance));
            }
            (None, Value::Nonce(nonce)) => self.nonces.push(NonceChange::new(index, nonce)),
            (None, Value::Code(_)) => self.codes.push(CodeChange::new(index, code)),
            (None, Value::Slot { .. } | Value::Life(_)) => {}
        }
    }

    /// The finished entry.
    pub(crate) fn finish(self, address: Address) -> AccountChanges {
        let mut changes = AccountChanges::new(address);
        for (slot, writes) in self.slots {
            if writes.is_empty() {
                changes.storage_reads.push(slot);
            } else {
                changes.storage_changes.push(SlotChanges::new(slot, writes));
            }
        }
        changes.balance_changes = self.balances;
        changes.nonce_changes = self.nonces;
        changes.code_changes = self.codes;
        changes
    }
}

/// An upper bound of the bytes that an execution adds to the encoded list.
pub(crate) fn encoded_size_bound(extent: Extent, code_bytes: usize) -> usize {
    // An address with its headers, or a slot, which is shorter; the beneficiary; and a change of a 32-byte value with its
    // index.
    const ACCESS: usize = 21 + 6 * 4;
    const CHANGE: usize = 33 + 9 + 4;
    (extent.accesses + 1) * ACCESS + extent.changes * CHANGE + code_bytes
}
