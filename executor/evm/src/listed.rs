//! A received block access list (EIP-7928), as transactions read from it and as what they do is held against it.
//!
//! With the list every transaction has its exact values before: the last listed write below its access index, or the state
//! before the block. That is sound by induction: if what the transactions below `i` did is what the list says, the values of
//! `i` are right, and then what `i` does can be compared with what the list says of `i`. So nothing is rebuilt: each
//! produced write must be listed at its index with its value, each access must be listed; and as many writes and accessed
//! items as the list has must have been found in it, so that there is nothing listed which does not happen.
//!
//! A walk over headers cuts the list into pieces, which are decoded by whoever needs or comes to them first. Accounts and
//! slots are found by halving, as they are in order: no keyed hash is needed against keys that somebody chose.

mod net_change;
mod outline;
mod piece;
mod reader;
#[cfg(test)]
mod tests;

use crate::base::Base;
use crate::error::ExecutionError;
use crate::executor::flawed;
use crate::place::{BALANCE, CODE, Fields, NONCE, Place};
use crate::value::Value;
use alloy_primitives::{Address, B256, U256};
use outline::{ACCOUNTS_A_PIECE, Outline, SLOTS_A_PIECE, head_of_address, head_of_slot};
pub(crate) use piece::Shelf;
use piece::{AccountCell, Decoder, Piece, SlotCell, Trouble};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use weft_stm::Field;

/// What is wrong with a list, as a sentence.
pub(crate) type Flaw = String;

/// The list, over the state of the parent.
pub(crate) struct Listed<'l> {
    list: &'l [u8],
    outline: Outline,
    base: &'l Base<'l>,
    /// The access index of what comes after the transactions.
    last_index: u32,
    /// Accounts, then the slots of large accounts.
    pieces: Vec<OnceLock<Piece>>,
    /// The next piece to decode, counted from the end.
    next: AtomicUsize,
    /// Where memory comes from and goes to.
    shelf: &'l Shelf,
}

/// What somebody found in a list. The sum of all must be all that is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Accounts and slots that were accessed for the first time.
    pub(crate) cells: usize,
    /// Writes that are as listed.
    pub(crate) writes: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.cells += other.cells;
        self.writes += other.writes;
    }
}

/// A part of an array of a piece; or all slots of one kind of a large account.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    length: u32,
}

/// A listed account.
#[derive(Clone, Copy)]
pub(crate) struct ListedAccount<'l> {
    piece: &'l Piece,
    cell: &'l AccountCell,
}

/// A listed slot.
#[derive(Clone, Copy)]
pub(crate) struct ListedSlot<'l> {
    piece: &'l Piece,
    cell: &'l SlotCell,
}

/// An account just before whoever runs at some access index.
#[derive(Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) fields: Fields,
    /// How many listed balances, nonces and codes are below.
    below: [u32; 3],
}

impl Standing {
    /// The same since EIP-161, where what has become empty is gone. Only a command of a development chain leaves an account
    /// so between transactions.
    pub(crate) fn cleared(mut self, account: &ListedAccount<'_>) -> Self {
        if self.fields.is_empty() && !account.parent().is_empty() {
            self.fields.life.exists = false;
        }
        self
    }
}

impl Span {
    const LARGE: u32 = u32::MAX;

    fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, length: (end - start) as u32 }
    }

    fn large(run: u32) -> Self {
        Self { start: run, length: Self::LARGE }
    }

    fn is_empty(self) -> bool {
        self.length == 0
    }

    fn of<T>(self, all: &[T]) -> &[T] {
        &all[self.start as usize..(self.start + self.length) as usize]
    }
}

impl<'l> Listed<'l> {
    /// Looks at a list for a block of so many transactions; nothing is decoded yet.
    ///
    /// # Errors
    /// What is wrong with the list as far as it was looked at.
    pub(crate) fn new(
        list: &'l [u8],
        transactions: usize,
        base: &'l Base<'l>,
        shelf: &'l Shelf,
    ) -> Result<Self, Flaw> {
        let outline = Outline::of(list)?;
        let count = outline.accounts.len().div_ceil(ACCOUNTS_A_PIECE) + outline.cuts.len();
        let mut pieces = Vec::with_capacity(count);
        pieces.resize_with(count, OnceLock::new);
        let last_index = u32::try_from(transactions + 1).expect("a block's indices have 32 bits");
        Ok(Self { list, outline, base, last_index, pieces, next: AtomicUsize::new(0), shelf })
    }

    fn account_pieces(&self) -> usize {
        self.pieces.len() - self.outline.cuts.len()
    }

    fn piece(&self, number: usize) -> &Piece {
        self.pieces[number].get_or_init(|| {
            let Self { list, outline, base, shelf, .. } = self;
            let decoder = Decoder { list, outline, base, last_index: self.last_index, shelf };
            match number.checked_sub(self.account_pieces()) {
                Some(cut) => decoder.cut(&outline.cuts[cut]),
                None => decoder.accounts(number * ACCOUNTS_A_PIECE),
            }
        })
    }

    /// Decodes pieces until all are decoded or in the works. All workers call this.
    pub(crate) fn decode(&self) {
        loop {
            let claimed = self.next.fetch_add(1, Ordering::Relaxed);
            // The slots of large accounts, which come last, take longest.
            let Some(number) = self.pieces.len().checked_sub(claimed + 1) else { return };
            self.piece(number);
        }
    }

    /// Whether the list is well-formed and its base could be read. Waits for pieces that others have in the works.
    pub(crate) fn check(&self) -> Result<(), ExecutionError> {
        for number in 0..self.pieces.len() {
            match &self.piece(number).trouble {
                None => {}
                Some(Trouble::Flawed(flaw)) => return Err(flawed(flaw.clone())),
                Some(Trouble::Failed(failure)) => return Err(failure.clone().into()),
            }
        }
        Ok(())
    }

    /// All that is in the list.
    pub(crate) fn total(&self) -> Tally {
        let mut total = Tally::default();
        for number in 0..self.pieces.len() {
            let piece = self.piece(number);
            total.cells += piece.accounts.len() + piece.slots.len();
            total.writes += piece.words.len() + piece.nonces.len() + piece.codes.len();
        }
        total
    }

    /// How many writes are listed at each access index.
    pub(crate) fn writes_by_index(&self) -> Vec<usize> {
        let mut counts = vec![0; self.last_index as usize + 1];
        for number in 0..self.pieces.len() {
            let piece = self.piece(number);
            piece.words.iter().for_each(|(index, _)| counts[*index as usize] += 1);
            piece.nonces.iter().for_each(|(index, _)| counts[*index as usize] += 1);
            piece.codes.iter().for_each(|(index, _)| counts[*index as usize] += 1);
        }
        counts
    }

    /// A listed account.
    pub(crate) fn account(&self, address: &Address) -> Option<ListedAccount<'_>> {
        let mut places = self.outline.accounts.alike(head_of_address(address.as_slice()));
        let at = |place: usize| self.account_at(place);
        while places.len() > 2 {
            let middle = places.start + places.len() / 2;
            if at(middle)?.cell.address <= *address {
                places.start = middle;
            } else {
                places.end = middle;
            }
        }
        for place in places {
            let account = at(place)?;
            if account.cell.address == *address {
                return Some(account);
            }
        }
        None
    }

    /// `None` where its piece ends early.
    fn account_at(&self, place: usize) -> Option<ListedAccount<'_>> {
        let piece = self.piece(place / ACCOUNTS_A_PIECE);
        let cell = piece.accounts.get(place % ACCOUNTS_A_PIECE)?;
        Some(ListedAccount { piece, cell })
    }

    /// A listed slot of a listed account.
    pub(crate) fn slot<'s>(
        &'s self,
        account: &ListedAccount<'s>,
        slot: &U256,
    ) -> Option<ListedSlot<'s>> {
        let of = |span| self.slot_in(account.piece, span, slot);
        of(account.cell.written).or_else(|| of(account.cell.read))
    }

    fn slot_in<'s>(&'s self, piece: &'s Piece, span: Span, slot: &U256) -> Option<ListedSlot<'s>> {
        if span.length == Span::LARGE {
            return self.slot_of_run(span.start, slot);
        }
        let keys = span.of(&piece.keys);
        let at = if keys.len() <= 8 {
            keys.iter().position(|key| key == slot)?
        } else {
            keys.binary_search(slot).ok()?
        };
        Some(ListedSlot { piece, cell: &piece.slots[span.start as usize + at] })
    }

    fn slot_of_run(&self, run: u32, slot: &U256) -> Option<ListedSlot<'_>> {
        let run = &self.outline.runs[run as usize];
        let first = self.account_pieces() + run.first_cut as usize;
        let at = |place: usize| {
            let piece = self.piece(first + place / SLOTS_A_PIECE);
            Some((piece, piece.keys.get(place % SLOTS_A_PIECE)?))
        };
        let mut places = run.slots.alike(head_of_slot(slot));
        while places.len() > 2 {
            let middle = places.start + places.len() / 2;
            if at(middle)?.1 <= slot {
                places.start = middle;
            } else {
                places.end = middle;
            }
        }
        for place in places {
            let (piece, key) = at(place)?;
            if key == slot {
                return Some(ListedSlot { piece, cell: &piece.slots[place % SLOTS_A_PIECE] });
            }
        }
        None
    }

    /// Notes the access to an account, or to a slot. `false` if it is not listed.
    pub(crate) fn access(&self, place: &Place, tally: &mut Tally) -> bool {
        let (Place::Account(address) | Place::Slot(address, _)) = place;
        let Some(account) = self.account(address) else { return false };
        let Place::Slot(_, slot) = place else {
            account.access(tally);
            return true;
        };
        let slot = self.slot(&account, slot);
        slot.inspect(|slot| slot.access(tally)).is_some()
    }

    /// The value of a field just before access index `index`, if it is listed.
    pub(crate) fn value(&self, place: &Place, field: Field, index: u32) -> Option<Value> {
        match place {
            Place::Account(address) => {
                Some(self.account(address)?.before(index).fields.value(field))
            }
            Place::Slot(address, slot) => {
                let value = self.slot(&self.account(address)?, slot)?.before(index);
                Some(Value::Slot { value, epoch: 0 })
            }
        }
    }

    /// The listed value of a field from exactly this access index on.
    pub(crate) fn at(&self, place: &Place, field: Field, index: u32) -> Option<Value> {
        match place {
            Place::Account(address) => {
                let account = self.account(address)?;
                account.at(field, index, &account.before(index))
            }
            Place::Slot(address, slot) => {
                let value = self.slot(&self.account(address)?, slot)?.at(index)?;
                Some(Value::Slot { value, epoch: 0 })
            }
        }
    }

    /// The first listed account or slot that nobody has accessed.
    pub(crate) fn unseen(&self) -> Option<Place> {
        for place in 0..self.outline.accounts.len() {
            let account = self.account_at(place)?;
            let address = account.cell.address;
            if !account.cell.seen.get() {
                return Some(Place::Account(address));
            }
            for (key, slot) in self.slots(&account) {
                if !slot.cell.seen.get() {
                    return Some(Place::Slot(address, *key));
                }
            }
        }
        None
    }

    /// Whether the list names slots of an account.
    pub(crate) fn has_slots(&self, account: &ListedAccount<'_>) -> bool {
        self.slots(account).next().is_some()
    }

    /// All slots of an account: those that are written, then those that are only read, each ascending.
    fn slots<'s>(
        &'s self,
        account: &ListedAccount<'s>,
    ) -> impl Iterator<Item = (&'s U256, ListedSlot<'s>)> {
        let piece = account.piece;
        [account.cell.written, account.cell.read].into_iter().flat_map(move |span| {
            let (places, first) = if span.length == Span::LARGE {
                let run = &self.outline.runs[span.start as usize];
                let first = self.account_pieces() + run.first_cut as usize;
                (0..run.slots.len(), Some(first))
            } else {
                (span.start as usize..(span.start + span.length) as usize, None)
            };
            places.filter_map(move |place| {
                let (piece, place) = match first {
                    Some(first) => {
                        (self.piece(first + place / SLOTS_A_PIECE), place % SLOTS_A_PIECE)
                    }
                    None => (piece, place),
                };
                Some((piece.keys.get(place)?, ListedSlot { piece, cell: &piece.slots[place] }))
            })
        })
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let pieces = std::mem::take(&mut self.pieces);
        self.shelf.put(pieces.into_iter().filter_map(OnceLock::into_inner));
    }
}

impl<'l> ListedAccount<'l> {
    /// Notes an access.
    pub(crate) fn access(&self, tally: &mut Tally) {
        tally.cells += usize::from(self.cell.seen.note());
    }

    pub(crate) fn address(&self) -> &'l Address {
        &self.cell.address
    }

    /// In the parent state.
    pub(crate) fn parent(&self) -> &'l Fields {
        &self.cell.before
    }

    /// Just before access index `index`.
    pub(crate) fn before(&self, index: u32) -> Standing {
        let (piece, cell) = (self.piece, self.cell);
        let mut fields = cell.before;
        let mut below = [0; 3];
        if !cell.balances.is_empty() {
            let writes = cell.balances.of(&piece.words);
            below[0] = count_below(writes, index) as u32;
            if let Some(last) = below[0].checked_sub(1) {
                fields.balance = writes[last as usize].1;
            }
        }
        if !cell.nonces.is_empty() {
            let writes = cell.nonces.of(&piece.nonces);
            below[1] = count_below(writes, index) as u32;
            if let Some(last) = below[1].checked_sub(1) {
                fields.nonce = writes[last as usize].1;
            }
        }
        if !cell.codes.is_empty() {
            let writes = cell.codes.of(&piece.codes);
            below[2] = count_below(writes, index) as u32;
            if let Some(last) = below[2].checked_sub(1) {
                fields.code_hash = writes[last as usize].1;
            }
        }
        Standing { fields, below }
    }

    /// The balance just before access index `index`, and the one that is listed from there on.
    pub(crate) fn balance_around(&self, index: u32) -> (U256, Option<U256>) {
        let writes = self.cell.balances.of(&self.piece.words);
        let below = count_below(writes, index);
        let before = below.checked_sub(1).map_or(self.cell.before.balance, |last| writes[last].1);
        (before, exactly(writes, below, index))
    }

    /// The balance that is listed from exactly `index` on, where the account stands so before it.
    pub(crate) fn balance_at(&self, index: u32, before: &Standing) -> Option<U256> {
        exactly(self.cell.balances.of(&self.piece.words), before.below[0] as usize, index)
    }

    /// The nonce that is listed from exactly `index` on.
    pub(crate) fn nonce_at(&self, index: u32, before: &Standing) -> Option<u64> {
        exactly(self.cell.nonces.of(&self.piece.nonces), before.below[1] as usize, index)
    }

    /// The hash of the code that is listed from exactly `index` on.
    pub(crate) fn code_at(&self, index: u32, before: &Standing) -> Option<B256> {
        exactly(self.cell.codes.of(&self.piece.codes), before.below[2] as usize, index)
    }

    /// The listed value of a field from exactly this access index on, where the account stands so before it.
    pub(crate) fn at(&self, field: Field, index: u32, before: &Standing) -> Option<Value> {
        match field {
            BALANCE => self.balance_at(index, before).map(Value::Balance),
            NONCE => self.nonce_at(index, before).map(Value::Nonce),
            CODE => self.code_at(index, before).map(Value::Code),
            _ => None,
        }
    }

    /// The access index of the last write below `index` to a field, if one is listed.
    pub(crate) fn writer_below(&self, field: Field, index: u32) -> Option<u32> {
        let (piece, cell) = (self.piece, self.cell);
        match field {
            BALANCE => last_below(cell.balances.of(&piece.words), index),
            NONCE => last_below(cell.nonces.of(&piece.nonces), index),
            CODE => last_below(cell.codes.of(&piece.codes), index),
            _ => None,
        }
    }
}

impl ListedSlot<'_> {
    /// Notes an access.
    pub(crate) fn access(&self, tally: &mut Tally) {
        tally.cells += usize::from(self.cell.seen.note());
    }

    /// The value just before access index `index`.
    pub(crate) fn before(&self, index: u32) -> U256 {
        let writes = self.cell.writes.of(&self.piece.words);
        let last = count_below(writes, index).checked_sub(1);
        last.map_or(self.cell.before, |last| writes[last].1)
    }

    /// The access index of the last write below `index`, if one is listed.
    pub(crate) fn writer_below(&self, index: u32) -> Option<u32> {
        last_below(self.cell.writes.of(&self.piece.words), index)
    }

    /// The value that is listed from exactly this access index on.
    pub(crate) fn at(&self, index: u32) -> Option<U256> {
        let writes = self.cell.writes.of(&self.piece.words);
        exactly(writes, count_below(writes, index), index)
    }
}

/// How many of the writes, whose access indices ascend, are below `index`.
fn count_below<T>(writes: &[(u32, T)], index: u32) -> usize {
    let (Some((first, _)), Some((last, _))) = (writes.first(), writes.last()) else { return 0 };
    if index <= *first {
        return 0;
    }
    if index > *last {
        return writes.len();
    }
    // Where every transaction writes, as to the beneficiary, the place follows from the indices.
    let most = ((index - first) as usize).min(writes.len() - 1);
    let least = writes.len().saturating_sub((last - index) as usize + 1).max(1);
    least + writes[least..most].partition_point(|(at, _)| *at < index)
}

/// The access index of the last of the writes that are below `index`.
fn last_below<T>(writes: &[(u32, T)], index: u32) -> Option<u32> {
    Some(writes[count_below(writes, index).checked_sub(1)?].0)
}

/// The value from exactly `index` on, if so many writes are below.
fn exactly<T: Copy>(writes: &[(u32, T)], below: usize, index: u32) -> Option<T> {
    writes.get(below).filter(|(at, _)| *at == index).map(|(_, value)| *value)
}

/// An address or slot, for people.
pub(crate) fn describe(place: &Place) -> String {
    match place {
        Place::Account(address) => format!("account {address}"),
        Place::Slot(address, slot) => format!("slot {slot} of {address}"),
    }
}
