//! Builds the block access list (EIP-7928) while transactions settle.
//!
//! What enters: every account and slot that the machine's journal holds when an execution ends. The journal keeps what
//! reverted frames touched, and takes an item in only once the gas for reaching it was paid, which is the rule of the EIP.
//! A change enters at index `i` when the value after `i` differs from the value before `i`.

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
    index: BlockAccessIndex,
    location: Location,
    after: Value,
    code: Bytes,
}

#[derive(Debug, Default)]
struct Entry {
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
        let index = BlockAccessIndex::new(index);
        self.changes.push(LocationChange { index, location, after, code });
    }

    /// The finished list, in the order that the EIP demands, as RLP.
    pub(crate) fn encode(self) -> Bytes {
        let mut entries: AddressMap<Entry> = AddressMap::default();
        entries.reserve(self.accesses.len());
        for (address, slots) in self.accesses.into_iter().flatten() {
            let entry = entries.entry(address).or_default();
            for slot in slots {
                entry.slots.entry(slot).or_default();
            }
        }
        for change in self.changes {
            entries.entry(*change.location.address()).or_default().change(change);
        }
        let mut accounts: Vec<(Address, Entry)> = entries.into_iter().collect();
        accounts.sort_unstable_by_key(|(address, _)| *address);
        let list: Vec<AccountChanges> =
            accounts.into_iter().map(|(address, entry)| entry.finish(address)).collect();
        alloy_rlp::encode(&list).into()
    }
}

impl Entry {
    fn change(&mut self, change: LocationChange) {
        let LocationChange { index, location, after, code } = change;
        match (location, after) {
            (Location::Storage { slot, .. }, value) => {
                let change = StorageChange::new(index, value.number());
                self.slots.entry(slot).or_default().push(change);
            }
            (_, Value::Balance(balance)) => self.balances.push(BalanceChange::new(index, balance)),
            (_, Value::Nonce(nonce)) => self.nonces.push(NonceChange::new(index, nonce)),
            (_, Value::Code(_)) => self.codes.push(CodeChange::new(index, code)),
            (_, Value::Slot(_)) => {}
        }
    }

    fn finish(self, address: Address) -> AccountChanges {
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
pub(crate) fn encoded_size_bound(
    accesses: &[(Address, Vec<U256>)],
    changes: usize,
    code_bytes: usize,
) -> usize {
    // Address with its headers, slot, and a change of a 32-byte value with its index.
    const ACCOUNT: usize = 21 + 6 * 4;
    const SLOT: usize = 33 + 2 * 4;
    const CHANGE: usize = 33 + 9 + 4;
    let slots: usize = accesses.iter().map(|(_, slots)| slots.len()).sum();
    accesses.len() * ACCOUNT + slots * SLOT + changes * CHANGE + code_bytes
}
