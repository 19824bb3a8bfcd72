//! Decoded accounts and slots.

use super::outline::{ACCOUNTS_A_PIECE, Cut, LARGE_BYTES, Outline, SLOTS_A_PIECE};
use super::reader::Reader;
use super::{Flaw, Span};
use crate::base::{Base, decode};
use crate::error::Failure;
use crate::place::Fields;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Accounts and slots that were decoded together, with all that is written to them, in few arrays.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) accounts: Vec<AccountCell>,
    /// Numbers of the slots, account by account: those that are written, then those that are only read.
    pub(super) keys: Vec<U256>,
    /// One for each of `keys`.
    pub(super) slots: Vec<SlotCell>,
    /// Balances and values of slots, each from an access index on.
    pub(super) words: Vec<(u32, U256)>,
    pub(super) nonces: Vec<(u32, u64)>,
    pub(super) codes: Vec<(u32, B256)>,
    /// Bytes of `codes`, without those of no code.
    pub(super) bytes: Vec<(B256, Bytes)>,
    /// Why the piece ends early.
    pub(super) trouble: Option<Trouble>,
}

/// Bytes of arrays that a shelf keeps.
const SHELF_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Emptied pieces, whose memory the next list uses again: to get it from the operating system anew for each block costs as
/// much as to decode the list.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    pieces: Vec<Piece>,
    size_bytes: usize,
}

impl Shelf {
    /// An empty piece.
    pub(super) fn take(&self) -> Piece {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(piece) = kept.pieces.pop() else { return Piece::default() };
        kept.size_bytes -= piece.size_bytes();
        piece
    }

    /// Takes the memory of pieces back.
    pub(super) fn put(&self, pieces: impl Iterator<Item = Piece>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for mut piece in pieces {
            piece.clear();
            let size_bytes = kept.size_bytes + piece.size_bytes();
            if size_bytes > SHELF_BYTES_MAX {
                return;
            }
            kept.size_bytes = size_bytes;
            kept.pieces.push(piece);
        }
    }
}

impl Piece {
    fn clear(&mut self) {
        let Self { accounts, keys, slots, words, nonces, codes, bytes, trouble } = self;
        accounts.clear();
        keys.clear();
        slots.clear();
        words.clear();
        nonces.clear();
        codes.clear();
        bytes.clear();
        *trouble = None;
    }

    /// Memory of the arrays, full or not.
    fn size_bytes(&self) -> usize {
        fn of<T>(array: &Vec<T>) -> usize {
            array.capacity() * size_of::<T>()
        }
        let Self { accounts, keys, slots, words, nonces, codes, bytes, trouble: _ } = self;
        let cells = of(accounts) + of(keys) + of(slots);
        size_of::<Self>() + cells + of(words) + of(nonces) + of(codes) + of(bytes)
    }
}

/// Why a piece could not be made.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The list is wrong.
    Flawed(Flaw),
    /// The state could not be read.
    Failed(Failure),
}

/// One listed account.
#[derive(Debug)]
pub(super) struct AccountCell {
    pub(super) address: Address,
    pub(super) seen: Seen,
    /// In the parent state.
    pub(super) before: Fields,
    pub(super) written: Span,
    pub(super) read: Span,
    pub(super) balances: Span,
    pub(super) nonces: Span,
    pub(super) codes: Span,
}

/// One listed slot.
#[derive(Debug)]
pub(super) struct SlotCell {
    /// In the parent state.
    pub(super) before: U256,
    pub(super) writes: Span,
    pub(super) seen: Seen,
}

/// Whether some execution has accessed a cell: written by whoever does, first; the truth when all have ended.
#[derive(Debug, Default)]
pub(super) struct Seen(AtomicBool);

impl Seen {
    /// Notes an access; whether it is the first.
    pub(super) fn note(&self) -> bool {
        // Most are accessed more than once, and a line that is only read stays with every core.
        !self.0.load(Ordering::Relaxed) && !self.0.swap(true, Ordering::Relaxed)
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl From<Flaw> for Trouble {
    fn from(flaw: Flaw) -> Self {
        Self::Flawed(flaw)
    }
}

/// What decoding needs besides the bytes.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'d> {
    pub(super) list: &'d [u8],
    pub(super) outline: &'d Outline,
    pub(super) base: &'d Base<'d>,
    /// The access index of what comes after the transactions.
    pub(super) last_index: u32,
    pub(super) shelf: &'d Shelf,
}

impl Decoder<'_> {
    /// Decodes so many accounts from place `first` on.
    pub(super) fn accounts(&self, first: usize) -> Piece {
        let starts = &self.outline.starts;
        let places = first..(first + ACCOUNTS_A_PIECE).min(starts.len() - 1);
        let mut piece = self.shelf.take();
        piece.accounts.reserve_exact(places.len());
        for place in places {
            let item = &self.list[starts[place] as usize..starts[place + 1] as usize];
            if let Err(trouble) = self.account(place as u32, Reader::new(item), &mut piece) {
                piece.trouble = Some(trouble);
                break;
            }
        }
        piece
    }

    /// Decodes slots of a large account.
    pub(super) fn cut(&self, cut: &Cut) -> Piece {
        let mut piece = self.shelf.take();
        if let Err(trouble) = self.cut_into(cut, &mut piece) {
            piece.trouble = Some(trouble);
        }
        piece
    }

    fn cut_into(&self, cut: &Cut, piece: &mut Piece) -> Result<(), Trouble> {
        let bytes = &self.list[cut.bytes.start as usize..cut.bytes.end as usize];
        let mut slots = Reader::new(bytes);
        let mut last = None;
        if cut.follows {
            last = Some(if cut.written { slots.list()?.number()? } else { slots.number()? });
        }
        piece.keys.reserve_exact(SLOTS_A_PIECE);
        piece.slots.reserve_exact(SLOTS_A_PIECE);
        self.slots(cut.address, cut.written, slots, last, piece)
    }

    fn account(&self, place: u32, mut item: Reader<'_>, piece: &mut Piece) -> Result<(), Trouble> {
        let mut fields = item.list()?;
        let address = Address::from_slice(fields.bytes()?);
        let before = self.base.parent_fields(&address);
        let before = before.map_err(|error| Trouble::Failed(Failure::State(error)))?;
        let written = self.run(place, address, true, &mut fields, piece)?;
        let read = self.run(place, address, false, &mut fields, piece)?;
        let balances = {
            let start = piece.words.len();
            self.words(fields.list()?, piece)?;
            Span::new(start, piece.words.len())
        };
        let start = piece.nonces.len();
        let mut changes = fields.list()?;
        while !changes.is_empty() {
            let mut change = changes.list()?;
            let index = self.index(&mut change, piece.nonces[start..].last().map(|last| last.0))?;
            piece.nonces.push((index, change.short_number()?));
            change.end()?;
        }
        let nonces = Span::new(start, piece.nonces.len());
        let start = piece.codes.len();
        let mut changes = fields.list()?;
        while !changes.is_empty() {
            let mut change = changes.list()?;
            let index = self.index(&mut change, piece.codes[start..].last().map(|last| last.0))?;
            piece.codes.push((index, self.code(change.bytes()?, &mut piece.bytes)?));
            change.end()?;
        }
        let codes = Span::new(start, piece.codes.len());
        fields.end()?;
        let seen = Seen::default();
        let account = AccountCell { address, seen, before, written, read, balances, nonces, codes };
        piece.accounts.push(account);
        Ok(())
    }

    /// The slots of one kind: decoded, unless they are many and cut.
    fn run(
        &self,
        place: u32,
        address: Address,
        written: bool,
        fields: &mut Reader<'_>,
        piece: &mut Piece,
    ) -> Result<Span, Trouble> {
        let slots = fields.list()?;
        if slots.len() > LARGE_BYTES
            && let Some(run) = self.outline.run(place, written)
        {
            return Ok(Span::large(run));
        }
        let start = piece.keys.len();
        self.slots(address, written, slots, None, piece)?;
        Ok(Span::new(start, piece.keys.len()))
    }

    fn slots(
        &self,
        address: Address,
        written: bool,
        mut slots: Reader<'_>,
        mut last: Option<U256>,
        piece: &mut Piece,
    ) -> Result<(), Trouble> {
        while !slots.is_empty() {
            let mut writes = Span::default();
            let key = if written {
                let mut item = slots.list()?;
                let key = item.number()?;
                let start = piece.words.len();
                self.words(item.list()?, piece)?;
                writes = Span::new(start, piece.words.len());
                item.end()?;
                key
            } else {
                slots.number()?
            };
            if last.is_some_and(|last| last >= key) || (written && writes.is_empty()) {
                let flaw = format!("slot {key} of {address} is out of order or empty");
                return Err(Trouble::Flawed(flaw));
            }
            last = Some(key);
            let before = self.base.parent_slot(&address, &key);
            let before = before.map_err(|error| Trouble::Failed(Failure::State(error)))?;
            piece.keys.push(key);
            piece.slots.push(SlotCell { before, writes, seen: Seen::default() });
        }
        Ok(())
    }

    /// Balances, or values of one slot.
    fn words(&self, mut changes: Reader<'_>, piece: &mut Piece) -> Result<(), Trouble> {
        let mut last = None;
        while !changes.is_empty() {
            let mut change = changes.list()?;
            let index = self.index(&mut change, last)?;
            last = Some(index);
            piece.words.push((index, change.number()?));
            change.end()?;
        }
        Ok(())
    }

    fn index(&self, change: &mut Reader<'_>, last: Option<u32>) -> Result<u32, Flaw> {
        let index = change.short_number()?;
        match u32::try_from(index) {
            Ok(index) if index <= self.last_index => {
                if last.is_some_and(|last| last >= index) {
                    return Err(format!("access index {index} is out of order"));
                }
                Ok(index)
            }
            _ => Err(format!("access index {index} is above the block's last")),
        }
    }

    /// Takes in code; its hash.
    fn code(&self, bytes: &[u8], kept: &mut Vec<(B256, Bytes)>) -> Result<B256, Flaw> {
        let hash = keccak256(bytes);
        if !bytes.is_empty() {
            let bytes = Bytes::copy_from_slice(bytes);
            let code = decode(&hash, bytes.clone()).map_err(|error| error.to_string())?;
            self.base.produce(&[(hash, code)]);
            kept.push((hash, bytes));
        }
        Ok(hash)
    }
}
