//! A received block access list (EIP-7928), as transactions read from it and as what they do is held against it.
//!
//! With the list every transaction has its exact values before: the last listed write below its access index, or the state
//! before the block. That is sound by induction: if what the transactions below `i` did is what the list says, the values of
//! `i` are right, and then what `i` does can be compared with what the list says of `i`. So nothing is rebuilt: each
//! produced write must be listed at its index with its value, each listed write must be produced, each access must be
//! listed, and each listed access must happen.

use crate::base::Base;
use crate::error::Failure;
use crate::place::{BALANCE, CODE, Cell, FIELDS, Fields, NONCE, Place, SLOT};
use crate::value::Value;
use alloy_eip7928::AccountChanges;
use alloy_primitives::map::{DefaultHashBuilder, HashMap};
use alloy_primitives::{B256, Bytes, keccak256};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use weft_stm::Field;
use weft_types::{Account, AccountDiff, SlotDiff, StateDiff, StateError};

/// The list, indexed.
pub(crate) struct Listed {
    index: HashMap<Place, u32>,
    /// Accounts, each followed by its slots, ascending.
    cells: Vec<ListedCell>,
    /// How many writes there are at each access index.
    writes_at: Vec<u32>,
    /// Code that the list sets.
    pub(crate) codes: BTreeMap<B256, Bytes>,
}

/// One listed account or slot.
pub(crate) struct ListedCell {
    place: Place,
    /// Before the block; read by whoever needs it first.
    base: OnceLock<Cell>,
    /// Values from an access index on, ascending. An account has one for each field, a slot only the first.
    writes: [Vec<(u32, Value)>; 3],
    /// Some execution has accessed it.
    seen: AtomicBool,
}

/// What is wrong with a list, as a sentence.
pub(crate) type Flaw = String;

impl Listed {
    /// Indexes a list for a block of so many transactions.
    ///
    /// # Errors
    /// What is wrong with the list by itself: order, repetition, an index above the block's.
    pub(crate) fn new(list: &[AccountChanges], transactions: usize) -> Result<Self, Flaw> {
        let accounts_and_slots =
            list.iter().map(|a| 1 + a.storage_changes.len() + a.storage_reads.len()).sum();
        let mut listed = Self {
            index: HashMap::with_capacity_and_hasher(
                accounts_and_slots,
                DefaultHashBuilder::default(),
            ),
            cells: Vec::with_capacity(accounts_and_slots),
            writes_at: vec![0; transactions + 2],
            codes: BTreeMap::new(),
        };
        let mut last = None;
        for account in list {
            if last.is_some_and(|last| last >= account.address) {
                return Err(format!("{} is out of order", account.address));
            }
            last = Some(account.address);
            listed.account(account)?;
        }
        Ok(listed)
    }

    fn account(&mut self, account: &AccountChanges) -> Result<(), Flaw> {
        let address = account.address;
        let mut writes: [Vec<(u32, Value)>; 3] = Default::default();
        for change in &account.balance_changes {
            let value = Value::Balance(change.post_balance);
            self.write(&mut writes[usize::from(BALANCE)], change.block_access_index.get(), value)?;
        }
        for change in &account.nonce_changes {
            let value = Value::Nonce(change.new_nonce);
            self.write(&mut writes[usize::from(NONCE)], change.block_access_index.get(), value)?;
        }
        for change in &account.code_changes {
            let hash = keccak256(&change.new_code);
            if !change.new_code.is_empty() {
                self.codes.insert(hash, change.new_code.clone());
            }
            let value = Value::Code(hash);
            self.write(&mut writes[usize::from(CODE)], change.block_access_index.get(), value)?;
        }
        self.add(Place::Account(address), writes);
        let mut last = None;
        for slot in &account.storage_changes {
            if last.is_some_and(|last| last >= slot.slot) || slot.changes.is_empty() {
                return Err(format!("slot {} of {address} is out of order or empty", slot.slot));
            }
            last = Some(slot.slot);
            let mut writes = Vec::with_capacity(slot.changes.len());
            for change in &slot.changes {
                let value = Value::Slot { value: change.new_value, epoch: 0 };
                self.write(&mut writes, change.block_access_index.get(), value)?;
            }
            self.add(Place::Slot(address, slot.slot), [writes, Vec::new(), Vec::new()]);
        }
        let mut last = None;
        for slot in &account.storage_reads {
            if last.is_some_and(|last| last >= *slot)
                || self.index.contains_key(&Place::Slot(address, *slot))
            {
                return Err(format!("slot {slot} of {address} is out of order or repeated"));
            }
            last = Some(*slot);
            self.add(Place::Slot(address, *slot), Default::default());
        }
        Ok(())
    }

    fn write(
        &mut self,
        writes: &mut Vec<(u32, Value)>,
        index: u64,
        value: Value,
    ) -> Result<(), Flaw> {
        let Some(count) = usize::try_from(index).ok().and_then(|at| self.writes_at.get_mut(at))
        else {
            return Err(format!("access index {index} is above the block's last"));
        };
        let index = u32::try_from(index).expect("below the number of transactions");
        if writes.last().is_some_and(|(last, _)| *last >= index) {
            return Err(format!("access index {index} is out of order"));
        }
        *count += 1;
        writes.push((index, value));
        Ok(())
    }

    fn add(&mut self, place: Place, writes: [Vec<(u32, Value)>; 3]) {
        let at = u32::try_from(self.cells.len()).expect("a list has fewer than 2^32 entries");
        self.index.insert(place, at);
        let seen = AtomicBool::new(false);
        self.cells.push(ListedCell { place, base: OnceLock::new(), writes, seen });
    }

    /// The cell of an account or slot, now accessed; `None` if it is not listed.
    pub(crate) fn access(&self, place: &Place) -> Option<&ListedCell> {
        let cell = &self.cells[*self.index.get(place)? as usize];
        // Most are accessed more than once, and a line that is only read stays with every core.
        if !cell.seen.load(Ordering::Relaxed) {
            cell.seen.store(true, Ordering::Relaxed);
        }
        Some(cell)
    }

    /// The cell of an account or slot.
    pub(crate) fn find(&self, place: &Place) -> Option<&ListedCell> {
        Some(&self.cells[*self.index.get(place)? as usize])
    }

    /// How many writes are listed at an access index.
    pub(crate) fn writes_at(&self, index: usize) -> usize {
        self.writes_at[index] as usize
    }

    /// The first listed account or slot that nobody has accessed.
    pub(crate) fn unseen(&self) -> Option<&Place> {
        let mut cells = self.cells.iter();
        cells.find(|cell| !cell.seen.load(Ordering::Relaxed)).map(|cell| &cell.place)
    }

    /// The net change against the parent state, if the list is right.
    pub(crate) fn net_change(&self, base: &Base<'_>) -> Result<StateDiff, StateError> {
        let address_of = |cell: &ListedCell| match cell.place {
            Place::Account(address) | Place::Slot(address, _) => address,
        };
        let mut diff = StateDiff::default();
        let mut used = BTreeMap::new();
        for cells in self.cells.chunk_by(|a, b| address_of(a) == address_of(b)) {
            let Some(account) = account_diff(base, cells, &self.codes)? else { continue };
            let code = account.after.and_then(|after| self.codes.get_key_value(&after.code_hash));
            if let Some((hash, bytes)) = code {
                used.insert(*hash, bytes.clone());
            }
            diff.accounts.push(account);
        }
        diff.code = used.into_iter().collect();
        Ok(diff)
    }
}

/// What the cells of one account, itself first, change.
fn account_diff(
    base: &Base<'_>,
    cells: &[ListedCell],
    codes: &BTreeMap<B256, Bytes>,
) -> Result<Option<AccountDiff>, StateError> {
    let (own, slots) = cells.split_first().expect("groups are not empty");
    let Place::Account(address) = own.place else { return Ok(None) };
    let mut diffs = Vec::new();
    for cell in slots {
        let (Place::Slot(_, slot), Some((_, last))) = (cell.place, cell.writes[0].last()) else {
            continue;
        };
        let before = base.parent_slot(&address, &slot)?;
        let after = last.number();
        if before != after {
            diffs.push(SlotDiff { slot, before, after });
        }
    }
    diffs.sort_unstable_by_key(|diff| diff.slot);
    if diffs.is_empty() && own.writes.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let before = base.account(&address)?;
    let parent = base.parent_fields(&address)?;
    let mut fields = parent;
    own.writes.iter().filter_map(|writes| writes.last()).for_each(|(_, value)| fields.set(value));
    let after = if fields == parent {
        before
    } else {
        let code_size = crate::oracle::code_size(base, codes, &fields.code_hash, before.as_ref())?;
        let Fields { balance, nonce, code_hash, .. } = fields;
        Some(Account { nonce, balance, code_hash, code_size }).filter(|_| !fields.is_empty())
    };
    if before == after && diffs.is_empty() {
        return Ok(None);
    }
    Ok(Some(AccountDiff { address, before, after, slots: diffs }))
}

impl ListedCell {
    /// The cell before the block's transactions.
    pub(crate) fn base(&self, base: &Base<'_>) -> Result<&Cell, Failure> {
        if let Some(cell) = self.base.get() {
            return Ok(cell);
        }
        let cell = base.cell(&self.place)?;
        Ok(self.base.get_or_init(|| cell))
    }

    /// The listed writes to a field below access index `index`, the last of them.
    pub(crate) fn last_below(&self, field: Field, index: u32) -> Option<&(u32, Value)> {
        let writes = self.writes.get(usize::from(field))?;
        match writes.last() {
            Some(last) if last.0 < index => Some(last),
            _ => writes[..writes.partition_point(|(at, _)| *at < index)].last(),
        }
    }

    /// The listed value from exactly this access index on.
    pub(crate) fn at(&self, field: Field, index: u32) -> Option<&Value> {
        let writes = self.writes.get(usize::from(field))?;
        let at = writes.binary_search_by_key(&index, |(at, _)| *at).ok()?;
        Some(&writes[at].1)
    }

    /// The value of a field for whoever runs at access index `index`.
    pub(crate) fn value(
        &self,
        base: &Base<'_>,
        field: Field,
        index: u32,
    ) -> Result<Value, Failure> {
        match self.last_below(field, index) {
            Some((_, value)) => Ok(*value),
            None => Ok(self.base(base)?.value(field)),
        }
    }

    /// The fields of an account for whoever runs at access index `index`.
    pub(crate) fn fields(&self, base: &Base<'_>, index: u32) -> Result<Fields, Failure> {
        let Cell::Account(mut fields) = *self.base(base)? else { return Ok(Fields::default()) };
        for field in FIELDS {
            if let Some((_, value)) = self.last_below(field, index) {
                fields.set(value);
            }
        }
        Ok(fields)
    }

    /// The slot's value for whoever runs at access index `index`.
    pub(crate) fn slot(&self, base: &Base<'_>, index: u32) -> Result<Value, Failure> {
        self.value(base, SLOT, index)
    }
}

/// An address or slot, for people.
pub(crate) fn describe(place: &Place) -> String {
    match place {
        Place::Account(address) => format!("account {address}"),
        Place::Slot(address, slot) => format!("slot {slot} of {address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eip7928::{BalanceChange, BlockAccessIndex, SlotChanges, StorageChange};
    use alloy_primitives::{Address, U256};

    fn account(n: u8) -> AccountChanges {
        AccountChanges::new(Address::repeat_byte(n))
    }

    fn balance(index: u64) -> BalanceChange {
        BalanceChange::new(BlockAccessIndex::new(index), U256::from(index))
    }

    #[test]
    fn a_list_that_is_not_in_the_order_of_the_eip_is_refused() {
        let flawed = |list: &[AccountChanges]| Listed::new(list, 2).is_err();
        assert!(!flawed(&[account(1), account(2)]));
        assert!(flawed(&[account(2), account(1)]));
        assert!(flawed(&[account(1), account(1)]));

        let with = |indices: &[u64]| {
            let mut account = account(1);
            account.balance_changes = indices.iter().map(|index| balance(*index)).collect();
            [account]
        };
        assert!(!flawed(&with(&[0, 1, 3])));
        assert!(flawed(&with(&[1, 1])));
        assert!(flawed(&with(&[2, 1])));
        assert!(flawed(&with(&[4])), "two transactions end at access index 3");

        let slot = |slot: u64, changes: usize| {
            let change = StorageChange::new(BlockAccessIndex::new(1), U256::from(9));
            SlotChanges::new(U256::from(slot), vec![change; changes])
        };
        let with = |changes: &[SlotChanges], reads: &[u64]| {
            let mut account = account(1);
            account.storage_changes = changes.to_vec();
            account.storage_reads = reads.iter().map(|slot| U256::from(*slot)).collect();
            [account]
        };
        assert!(!flawed(&with(&[slot(1, 1), slot(3, 1)], &[2, 4])));
        assert!(flawed(&with(&[slot(3, 1), slot(1, 1)], &[])));
        assert!(flawed(&with(&[slot(1, 0)], &[])));
        assert!(flawed(&with(&[slot(1, 1)], &[1])));
        assert!(flawed(&with(&[], &[2, 2])));
    }

    #[test]
    fn a_value_is_that_of_the_last_write_below() {
        let mut changes = account(1);
        changes.balance_changes = vec![balance(1), balance(3)];
        let listed = Listed::new(&[changes], 5).unwrap();
        let cell = listed.find(&Place::Account(Address::repeat_byte(1))).unwrap();
        let seen: Vec<_> =
            (0..6).map(|index| cell.last_below(BALANCE, index).map(|(at, _)| *at)).collect();
        assert_eq!(seen, [None, None, Some(1), Some(1), Some(3), Some(3)]);
        assert_eq!((listed.writes_at(1), listed.writes_at(2)), (1, 0));
    }
}
