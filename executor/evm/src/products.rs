//! What is made of a block once its transactions are settled: access list, net change, access record.
//!
//! The engine leaves every value that every location took, so nothing has to be kept up while transactions settle. Each
//! product is computed by all workers, cell by cell or transaction by transaction, and sorted by name: the numbers of the
//! engine's cells depend on the schedule.

use crate::access_list::Entry;
use crate::base::{Base, fields_of};
use crate::ledger::Below;
use crate::oracle::code_size;
use crate::place::{FIELDS, Place, SLOT};
use crate::settle::Trace;
use crate::system::Accesses;
use crate::value::{Observation, Value};
use crate::vm::BlockVm;
use alloy_eip7928::AccountChanges;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::Encodable;
use rayon::prelude::*;
use std::collections::BTreeMap;
use weft_stm::{CellId, Field, Observed, Versions};
use weft_types::{
    Account, AccountDiff, Location, ReadAccess, SlotDiff, StateDiff, StateError, TransactionAccess,
    TxIndex, WriteAccess, Writer,
};

/// The versions that a block leaves, as values below whatever comes after the transactions.
pub(crate) struct Settled<'s, 'b> {
    pub(crate) versions: &'s Versions<'b, BlockVm<'b>>,
}

impl Below for Settled<'_, '_> {
    fn written(&self, location: &Location) -> Option<Value> {
        let (place, field) = Place::of(location);
        let cell = self.versions.find(&place)?;
        match self.versions.last(cell, field) {
            Some((_, value)) => value,
            // Not by a transaction, but perhaps before them.
            None => Some(self.versions.base(cell).value(field)),
        }
    }
}

/// Everything that the products are made of.
pub(crate) struct Ingredients<'s, 'b> {
    pub(crate) base: &'s Base<'b>,
    pub(crate) versions: &'s Versions<'b, BlockVm<'b>>,
    /// Indices of the candidates that are in the block.
    pub(crate) included: &'s [u32],
    /// Cells that transactions accessed, with repetition.
    pub(crate) accessed: &'s [CellId],
    /// What the block accessed and changed before its transactions.
    pub(crate) before: (Accesses, HashMap<Location, Value>),
    /// What it accessed and changed after them.
    pub(crate) after: (Accesses, HashMap<Location, Value>),
    /// Code set in the block.
    pub(crate) codes: BTreeMap<B256, Bytes>,
    /// An empty account may exist: the rule before EIP-161.
    pub(crate) empty_exists: bool,
}

/// An account or slot of the block, and where the engine has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    address: Address,
    /// `None` for the account itself, which so comes before its slots.
    slot: Option<U256>,
    cell: Option<CellId>,
}

/// Where the values of one account or slot are.
#[derive(Clone, Copy, Default)]
struct Whereabouts {
    /// Where the engine has it.
    cell: Option<CellId>,
    /// What comes before or after the transactions may have changed it.
    phases: bool,
}

impl Whereabouts {
    /// Of the items of one place.
    fn of(same: &[Item]) -> Self {
        let cell = same.iter().find_map(|item| item.cell);
        Self { cell, phases: same.iter().any(|item| item.cell.is_none()) }
    }
}

/// Accounts whose part of the access list is encoded together.
const ACCOUNTS_A_PART: usize = 256;

/// Which accounts and slots a product is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Changed,
    AccessedOrChanged,
}

impl Ingredients<'_, '_> {
    /// The accounts and slots, ascending; one that both a transaction and a phase of the block touched may come twice.
    fn items(&self, about: About) -> Vec<Item> {
        let mut wanted = vec![false; self.versions.end()];
        if about == About::AccessedOrChanged {
            self.accessed.iter().for_each(|cell| wanted[cell.number()] = true);
        }
        let cells: Vec<(CellId, bool)> =
            self.versions.cells().map(|cell| (cell, wanted[cell.number()])).collect();
        let mut items: Vec<Item> = each(&cells, |(cell, wanted)| {
            let fields: &[Field] = match self.versions.key(*cell) {
                Place::Account(_) => &FIELDS,
                Place::Slot(..) => &[SLOT],
            };
            let changed = || fields.iter().any(|field| self.versions.is_written(*cell, *field));
            (*wanted || changed()).then(|| item(self.versions.key(*cell), Some(*cell)))
        })
        .into_iter()
        .flatten()
        .collect();
        for (accesses, changes) in [&self.before, &self.after] {
            if about == About::AccessedOrChanged {
                for (address, slots) in accesses {
                    items.push(item(&Place::Account(*address), None));
                    items
                        .extend(slots.iter().map(|slot| item(&Place::Slot(*address, *slot), None)));
                }
            }
            items.extend(changes.keys().map(|location| item(&Place::of(location).0, None)));
        }
        if rayon::current_thread_index().is_some() {
            items.par_sort_unstable();
        } else {
            items.sort_unstable();
        }
        items
    }

    /// The place in the block of candidate `index`.
    fn place(&self, index: u32) -> TxIndex {
        if self.included.get(index as usize) == Some(&index) {
            return TxIndex(index);
        }
        let place = self.included.binary_search(&index);
        TxIndex(u32::try_from(place.expect("only what is included has written")).expect("32 bits"))
    }

    /// Every value that a location took in the block, with its access index: 0 before the transactions, `i + 1` for
    /// transaction `i`, then one more. Only what differs from the value before it.
    fn history(&self, place: &Place, field: Field, at: Whereabouts) -> Vec<(u64, Value)> {
        let location = || place.location(field);
        let mut history = Vec::new();
        if at.phases
            && let Some(value) = self.before.1.get(&location())
        {
            history.push((0, *value));
        }
        if let Some(cell) = at.cell {
            self.versions.each(cell, field, |(index, value)| {
                let value = *value.expect("the engine settles no delta that does not fit");
                history.push((u64::from(self.place(index).0) + 1, value));
            });
        }
        if at.phases
            && let Some(value) = self.after.1.get(&location())
        {
            history.push((self.included.len() as u64 + 1, *value));
        }
        history
    }

    /// The history without the entries that change nothing.
    fn changes(
        &self,
        place: &Place,
        field: Field,
        at: Whereabouts,
    ) -> Result<Vec<(u64, Value)>, StateError> {
        let mut history = self.history(place, field, at);
        if history.is_empty() {
            return Ok(history);
        }
        let mut before = match at.cell.filter(|_| !at.phases) {
            Some(cell) => self.versions.base(cell).value(field),
            None => self.base.parent_value(&place.location(field))?,
        };
        history.retain(|(_, value)| std::mem::replace(&mut before, *value) != *value);
        Ok(history)
    }

    /// The block access list, encoded, in the order that EIP-7928 demands.
    pub(crate) fn access_list(&self) -> Result<Bytes, StateError> {
        let items = self.items(About::AccessedOrChanged);
        let groups: Vec<&[Item]> = items.chunk_by(|a, b| a.address == b.address).collect();
        let parts: Vec<&[&[Item]]> = groups.chunks(ACCOUNTS_A_PART).collect();
        let encoded: Vec<Vec<u8>> = each_of(1, &parts, |part| {
            let mut out = Vec::new();
            for items in *part {
                self.account_changes(items)?.encode(&mut out);
            }
            Ok(out)
        })
        .into_iter()
        .collect::<Result<_, StateError>>()?;
        let payload_length = encoded.iter().map(Vec::len).sum();
        let header = alloy_rlp::Header { list: true, payload_length };
        let mut list = Vec::with_capacity(header.length() + payload_length);
        header.encode(&mut list);
        encoded.iter().for_each(|part| list.extend_from_slice(part));
        Ok(list.into())
    }

    fn account_changes(&self, items: &[Item]) -> Result<AccountChanges, StateError> {
        let address = items[0].address;
        let mut entry = Entry::default();
        for same in items.chunk_by(|a, b| a.slot == b.slot) {
            let at = Whereabouts::of(same);
            let Some(slot) = same[0].slot else {
                let place = Place::Account(address);
                for field in FIELDS {
                    for (index, value) in self.changes(&place, field, at)? {
                        entry.change(index, None, value, self.code_bytes(&value));
                    }
                }
                continue;
            };
            entry.access(slot);
            for (index, value) in self.changes(&Place::Slot(address, slot), SLOT, at)? {
                entry.change(index, Some(slot), value, Bytes::new());
            }
        }
        Ok(entry.finish(address))
    }

    fn code_bytes(&self, value: &Value) -> Bytes {
        match value {
            Value::Code(hash) => self.codes.get(hash).cloned().unwrap_or_default(),
            _ => Bytes::new(),
        }
    }

    /// The net change against the parent state, and the accounts whose storage before the block is gone.
    pub(crate) fn net_change(&self) -> Result<(StateDiff, Vec<Address>), StateError> {
        let items = self.items(About::Changed);
        let groups: Vec<&[Item]> = items.chunk_by(|a, b| a.address == b.address).collect();
        let mut diff = StateDiff::default();
        let mut wiped = Vec::new();
        let mut used = BTreeMap::new();
        for account in each(&groups, |items| self.account_diff(items)) {
            let (account, gone) = account?;
            wiped.extend(gone);
            let Some(account) = account else { continue };
            let code = account.new_code().and_then(|hash| self.codes.get_key_value(&hash));
            if let Some((hash, bytes)) = code {
                used.insert(*hash, bytes.clone());
            }
            diff.accounts.push(account);
        }
        diff.code = used.into_iter().collect();
        Ok((diff, wiped))
    }

    /// The last value of a location, if the block wrote it.
    fn last(&self, place: &Place, field: Field, at: Whereabouts) -> Option<Value> {
        let during = || at.cell.and_then(|cell| self.versions.last(cell, field)?.1);
        if !at.phases {
            return during();
        }
        let location = place.location(field);
        let after = self.after.1.get(&location).copied();
        after.or_else(during).or_else(|| self.before.1.get(&location).copied())
    }

    fn account_diff(
        &self,
        items: &[Item],
    ) -> Result<(Option<AccountDiff>, Option<Address>), StateError> {
        let address = items[0].address;
        let before = self.base.account(&address)?;
        let parent = fields_of(before.as_ref());
        let mut fields = parent;
        let own = items.chunk_by(|a, b| a.slot == b.slot).find(|same| same[0].slot.is_none());
        let own = own.map(Whereabouts::of).unwrap_or_default();
        for field in FIELDS {
            if let Some(value) = self.last(&Place::Account(address), field, own) {
                fields.set(&value);
            }
        }
        let untouched = fields == parent;
        let exists = !fields.is_empty() || (fields.life.exists && self.empty_exists);
        let after = if untouched {
            before
        } else {
            let code_size = code_size(self.base, &self.codes, &fields.code_hash, before.as_ref())?;
            let account = Account {
                nonce: fields.nonce,
                balance: fields.balance,
                code_hash: fields.code_hash,
                code_size,
            };
            Some(account).filter(|_| exists)
        };
        let epoch = fields.life.epoch;
        let mut slots = Vec::new();
        for same in items.chunk_by(|a, b| a.slot == b.slot) {
            let Some(slot) = same[0].slot else { continue };
            let at = Whereabouts::of(same);
            let Some(last) = self.last(&Place::Slot(address, slot), SLOT, at) else { continue };
            let before =
                if epoch == 0 { self.base.parent_slot(&address, &slot)? } else { U256::ZERO };
            let after = last.slot_in(epoch);
            if before != after {
                slots.push(SlotDiff { slot, before, after });
            }
        }
        let changed = before != after || !slots.is_empty();
        let diff = changed.then_some(AccountDiff { address, before, after, slots });
        Ok((diff, (epoch > 0).then_some(address)))
    }

    /// What transaction `place` read, from whom, and wrote.
    pub(crate) fn transaction_access(&self, place: usize, trace: &Trace<'_>) -> TransactionAccess {
        let index = self.included[place];
        let mut reads: Vec<(Location, Option<U256>, CellId, Field)> =
            trace.reads.iter().map(|observed| self.read(observed)).collect();
        reads.sort_unstable_by_key(|(location, least, ..)| (*location, *least));
        reads.dedup_by_key(|(location, ..)| *location);
        let reads = reads
            .into_iter()
            .filter(|(_, least, cell, field)| match least {
                // "At least so much" is a dependency only where the value before the block was less.
                Some(least) => self.versions.base(*cell).value(*field).number() < *least,
                None => true,
            })
            .map(|(location, _, cell, field)| {
                let from = self
                    .versions
                    .writer_below(cell, field, index)
                    .map_or(Writer::Base, |writer| Writer::Transaction(self.place(writer)));
                ReadAccess { location, from }
            })
            .collect();
        let mut writes: Vec<WriteAccess> = trace
            .writes
            .iter()
            .map(|(cell, field, commutative)| WriteAccess {
                location: self.versions.key(*cell).location(*field),
                commutative: *commutative,
            })
            .collect();
        writes.sort_unstable_by_key(|write| write.location);
        TransactionAccess { gas_used: trace.gas_used, reads, writes }
    }

    fn read(&self, observed: &Observed<BlockVm<'_>>) -> (Location, Option<U256>, CellId, Field) {
        let location = self.versions.key(observed.cell).location(observed.field);
        let least = match observed.observation {
            Observation::Exactly(_) => None,
            Observation::AtLeast(least) => Some(least),
        };
        (location, least, observed.cell, observed.field)
    }
}

fn item(place: &Place, cell: Option<CellId>) -> Item {
    match *place {
        Place::Account(address) => Item { address, slot: None, cell },
        Place::Slot(address, slot) => Item { address, slot: Some(slot), cell },
    }
}

/// `make` of every element, on all threads of the pool that the caller runs on; on the calling thread outside of any.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    each_of(64, items, make)
}

/// The same, at least so many elements at a time.
pub(crate) fn each_of<T: Sync, R: Send>(
    piece: usize,
    items: &[T],
    make: impl Fn(&T) -> R + Sync + Send,
) -> Vec<R> {
    if rayon::current_thread_index().is_some() {
        items.par_iter().with_min_len(piece).map(make).collect()
    } else {
        items.iter().map(make).collect()
    }
}
