//! What block access lists (EIP-7928) say that changed.

use crate::columns::Column;
use crate::database::Database;
use crate::leaves::code_stems;
use crate::{StoreError, layout};
use alloy_eip7928::AccountChanges;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use std::collections::{BTreeMap, BTreeSet};
use weft_commitment::{LeafChange, code_leaves, leaves_of};
use weft_types::{AccountDiff, SlotDiff, StateDiff, StateError, StateReader};

/// Most accounts and slots that are taken from lists at once.
const TOUCHED_MAX: usize = 1 << 20;

/// Accounts and their slots.
type Places = BTreeMap<Address, BTreeSet<U256>>;

/// What some blocks may have changed.
#[derive(Default)]
struct Touched {
    places: Places,
    codes: BTreeSet<B256>,
}

/// Two states and what lies between them.
pub(crate) struct Span<'a> {
    pub(crate) database: &'a Database,
    pub(crate) from: (u64, &'a dyn StateReader),
    pub(crate) to: (u64, &'a dyn StateReader),
}

/// The net change that a list describes, on the state before its block (EIP-8347: the last value of
/// each place counts, an account without nonce, balance and code is none).
pub(crate) fn net_change(list: &[u8], before: &dyn StateReader) -> Result<StateDiff, String> {
    let read = |error: StateError| error.to_string();
    let mut diff = StateDiff::default();
    let mut codes: BTreeMap<B256, Bytes> = BTreeMap::new();
    let list = decode(list)?;
    if !list.is_sorted_by(|a, b| a.address < b.address) {
        return Err("its accounts do not ascend".into());
    }
    for changes in list {
        let address = changes.address;
        let old = before.account(&address).map_err(read)?;
        let mut new = old.unwrap_or_default();
        if let Some(last) = changes.balance_changes.last() {
            new.balance = last.post_balance;
        }
        if let Some(last) = changes.nonce_changes.last() {
            new.nonce = last.new_nonce;
        }
        if let Some(last) = changes.code_changes.last() {
            new.code_hash = keccak256(&last.new_code);
            new.code_size = u32::try_from(last.new_code.len()).map_err(|e| e.to_string())?;
            codes.insert(new.code_hash, last.new_code.clone());
        }
        let mut slots = BTreeMap::new();
        for slot in &changes.storage_changes {
            let Some(last) = slot.changes.last() else { continue };
            let value = before.storage(&address, &slot.slot).map_err(read)?;
            slots.insert(slot.slot, (value, last.new_value));
        }
        let slots = slots.into_iter().filter(|(_, (before, after))| before != after);
        let slots: Vec<SlotDiff> =
            slots.map(|(slot, (before, after))| SlotDiff { slot, before, after }).collect();
        let after = Some(new).filter(|account| !account.is_empty());
        if old != after || !slots.is_empty() {
            diff.accounts.push(AccountDiff { address, before: old, after, slots });
        }
    }
    codes.remove(&KECCAK256_EMPTY);
    diff.code = codes.into_iter().collect();
    Ok(diff)
}

/// A list from its RLP.
pub(crate) fn decode(list: &[u8]) -> Result<Vec<AccountChanges>, String> {
    let mut rest = list;
    let list = Vec::<AccountChanges>::decode(&mut rest).map_err(|error| error.to_string())?;
    if rest.is_empty() { Ok(list) } else { Err(format!("{} bytes too many", rest.len())) }
}

impl Span<'_> {
    /// The leaves that differ between both states, whichever is the later one.
    ///
    /// # Errors
    /// [`StoreError::NoList`] when a list in between is not kept, or there is too much in them.
    pub(crate) fn changes(&self) -> Result<Vec<LeafChange>, StoreError> {
        let touched = self.touched()?;
        let mut changes = leaves_of(&self.diff(&touched.places)?);
        for hash in &touched.codes {
            self.code(hash, &mut changes)?;
        }
        changes.sort_unstable_by_key(|change| change.key);
        // A code that an account has from now on was there already.
        changes.dedup_by_key(|change| change.key);
        Ok(changes)
    }

    fn touched(&self) -> Result<Touched, StoreError> {
        let (low, high) = (self.from.0.min(self.to.0), self.from.0.max(self.to.0));
        let mut touched = Touched::default();
        let mut count = 0usize;
        for height in low + 1..=high {
            let refuse = |reason: String| StoreError::NoList { height, reason };
            let list = self.database.get(Column::AccessLists, &height.to_be_bytes())?;
            let list = list.ok_or_else(|| refuse("it is not kept".into()))?;
            for account in decode(&list).map_err(refuse)? {
                let slots = account.storage_changes.iter().map(|changes| changes.slot);
                let codes = account.code_changes.iter().map(|change| keccak256(&change.new_code));
                touched.codes.extend(codes);
                let own = touched.places.entry(account.address).or_default();
                let before = own.len();
                own.extend(slots);
                count += 1 + own.len() - before;
            }
            if count > TOUCHED_MAX {
                return Err(refuse(format!("more than {TOUCHED_MAX} places changed since then")));
            }
        }
        Ok(touched)
    }

    fn diff(&self, touched: &Places) -> Result<StateDiff, StoreError> {
        let (from, to) = (self.from.1, self.to.1);
        let mut diff = StateDiff::default();
        let mut codes: BTreeMap<B256, Bytes> = BTreeMap::new();
        for (address, slots) in touched {
            let (before, after) = (from.account(address)?, to.account(address)?);
            let mut changed = Vec::new();
            for slot in slots {
                let (before, after) = (from.storage(address, slot)?, to.storage(address, slot)?);
                if before != after {
                    changed.push(SlotDiff { slot: *slot, before, after });
                }
            }
            for account in [&before, &after].into_iter().flatten().filter(|a| a.has_code()) {
                codes.insert(account.code_hash, to.code(&account.code_hash)?);
            }
            if before != after || !changed.is_empty() {
                diff.accounts.push(AccountDiff {
                    address: *address,
                    before,
                    after,
                    slots: changed,
                });
            }
        }
        diff.code = codes.into_iter().collect();
        Ok(diff)
    }

    /// Adds the chunks of a code that only the later state has, or removes them, going backwards. A
    /// code stays when no account has it any more, so only the block that introduced it tells.
    fn code(&self, hash: &B256, changes: &mut Vec<LeafChange>) -> Result<(), StoreError> {
        let earlier = self.from.0.min(self.to.0);
        let Some(code) = self.database.get(Column::Code, hash.as_slice())? else { return Ok(()) };
        for (stem, _) in code_stems(hash, &code) {
            let decode = layout::decode_code_stem;
            let found = self.database.get_as(Column::CodeStems, stem.as_slice(), decode)?;
            if found.is_some_and(|(_, introduced)| introduced > earlier) {
                let leaves = code_leaves(hash, &code).into_iter();
                let below = leaves.filter(|(key, _)| key.as_slice()[1..33] == *stem);
                changes.extend(below.map(|(key, value)| LeafChange {
                    key,
                    value: (self.to.0 > self.from.0).then_some(value),
                }));
            }
        }
        Ok(())
    }
}
