//! The writes to one cell, field by field, and its readers.

use smallvec::SmallVec;

use crate::vm::{Field, Vm, Write};

use super::{CellId, Stale};

/// What a cell's lock protects.
pub(super) struct Inner<V: Vm + ?Sized> {
    /// One for each field that was ever written; most cells see writes to one or two.
    pub(super) chains: SmallVec<[Chain<V>; 2]>,
    /// Transactions that once observed a field of this cell, ascending, once each.
    readers: SmallVec<[Reader; 2]>,
}

/// A transaction, and the fields that it observed as bits.
#[derive(Clone, Copy)]
struct Reader {
    index: u32,
    fields: u8,
}

/// All writes to one field.
pub(super) struct Chain<V: Vm + ?Sized> {
    field: Field,
    /// Ascending by index, at most one each.
    entries: SmallVec<[Entry<V>; 1]>,
    /// Values after long runs of deltas, ascending by the index of the entry after which they stand. Cut back by every
    /// change at or below.
    folds: Vec<(u32, V::Value)>,
}

/// One write.
struct Entry<V: Vm + ?Sized> {
    index: u32,
    incarnation: u32,
    write: Write<V>,
    /// The incarnation that wrote this was aborted and the next one is expected to write here again. The value is kept so
    /// that writing the same one again disturbs nobody.
    estimate: bool,
    /// Whether `write` was ever more than an estimate, so that somebody may have read it.
    seen: bool,
}

/// Why a field has no value yet for some transaction.
pub(super) enum Miss {
    /// The value depends on an estimate of `writer`.
    Estimate { writer: u32 },
    /// The delta of `writer` does not fit the value below it: one of the two is about to change.
    OutOfRange { writer: u32 },
}

/// Deltas that are folded before the sum is kept. Without this a balance that everybody changes and reads costs each reader
/// a fold over all writes of the block.
const FOLD_KEPT: usize = 16;

impl<V: Vm + ?Sized> Default for Inner<V> {
    fn default() -> Self {
        Self { chains: SmallVec::new(), readers: SmallVec::new() }
    }
}

impl<V: Vm + ?Sized> Inner<V> {
    /// Where the chain of `field` is.
    pub(super) fn position(&self, field: Field) -> Option<usize> {
        self.chains.iter().position(|chain| chain.field == field)
    }

    pub(super) fn chain(&self, field: Field) -> Option<&Chain<V>> {
        self.chains.iter().find(|chain| chain.field == field)
    }

    /// Inserts or replaces a write, and says whether readers above may now see another value.
    pub(super) fn put(
        &mut self,
        field: Field,
        (index, incarnation): (u32, u32),
        write: &Write<V>,
        estimate: bool,
    ) -> bool {
        let at = self.position(field).unwrap_or_else(|| {
            self.chains.push(Chain { field, entries: SmallVec::new(), folds: Vec::new() });
            self.chains.len() - 1
        });
        let write = write.clone();
        self.chains[at].put(Entry { index, incarnation, write, estimate, seen: !estimate })
    }

    /// Adds a write above all others, of which none will change any more, and keeps the value after it.
    pub(super) fn append(
        &mut self,
        vm: &V,
        field: Field,
        version: (u32, u32),
        write: &Write<V>,
        base: impl FnOnce() -> V::Value,
    ) {
        let after = match write {
            Write::Set(_) => None,
            Write::Add(delta) => {
                let before = match self.chain(field) {
                    Some(chain) => chain.resolve(vm, u32::MAX, base).ok(),
                    None => Some(base()),
                };
                before.and_then(|before| vm.apply(&before, delta))
            }
        };
        self.put(field, version, write, false);
        if let (Some(after), Some(at)) = (after, self.position(field)) {
            let folds = &mut self.chains[at].folds;
            folds.clear();
            folds.push((version.0, after));
        }
    }

    /// Removes the write of transaction `index` to `field` if its incarnation is one of `which`.
    pub(super) fn take(
        &mut self,
        field: Field,
        index: u32,
        which: impl FnOnce(u32) -> bool,
    ) -> bool {
        let Some(at) = self.position(field) else { return false };
        let chain = &mut self.chains[at];
        match chain.find(index) {
            Ok(at) if which(chain.entries[at].incarnation) => {
                chain.entries.remove(at);
                chain.forget_folds(index);
                true
            }
            _ => false,
        }
    }

    /// Turns the write of transaction `index` to `field` into an estimate.
    pub(super) fn mark_estimate(&mut self, field: Field, index: u32) {
        let Some(at) = self.position(field) else { return };
        let chain = &mut self.chains[at];
        if let Ok(at) = chain.find(index) {
            chain.entries[at].estimate = true;
            chain.forget_folds(index);
        }
    }

    /// Remembers transaction `index` as a reader of `field`.
    pub(super) fn register(&mut self, index: u32, field: Field) {
        let fields = 1 << field;
        // Readers come nearly in order.
        let after = self.readers.iter().rposition(|reader| reader.index <= index);
        match after {
            Some(at) if self.readers[at].index == index => self.readers[at].fields |= fields,
            Some(at) => self.readers.insert(at + 1, Reader { index, fields }),
            None => self.readers.insert(0, Reader { index, fields }),
        }
    }

    /// Adds the readers that see what transaction `index` writes to a field: those above it, up to the next `Set`, whose
    /// own transaction still reads below itself.
    pub(super) fn readers_of(
        &self,
        index: u32,
        (cell, field): (CellId, Field),
        stale: &mut Vec<Stale>,
    ) {
        let first = self.readers.partition_point(|reader| reader.index <= index);
        if first == self.readers.len() {
            return;
        }
        let last = self.chain(field).map_or(u32::MAX, |chain| chain.next_set_above(index));
        let readers = self.readers[first..].iter().take_while(|reader| reader.index <= last);
        let concerned = readers.filter(|reader| reader.fields & (1 << field) != 0);
        stale.extend(concerned.map(|reader| (reader.index, cell, field)));
    }

    /// Whether all writes are those of the incarnations that `settled` names, and none is an estimate.
    pub(super) fn is_settled(&self, settled: &[(u32, bool)]) -> bool {
        let mut entries = self.chains.iter().flat_map(|chain| &chain.entries);
        entries.all(|entry| {
            !entry.estimate
                && settled.get(entry.index as usize) == Some(&(entry.incarnation, false))
        })
    }
}

impl<V: Vm + ?Sized> Chain<V> {
    /// The field that it is of.
    pub(super) fn field(&self) -> Field {
        self.field
    }

    fn find(&self, index: u32) -> Result<usize, usize> {
        // Most writes are the newest.
        match self.entries.last() {
            None => Err(0),
            Some(last) if last.index < index => Err(self.entries.len()),
            Some(_) => self.entries.binary_search_by_key(&index, |entry| entry.index),
        }
    }

    /// Entries of transactions below `index`.
    fn below(&self, index: u32) -> usize {
        match self.entries.last() {
            Some(last) if last.index < index => self.entries.len(),
            _ => self.entries.partition_point(|entry| entry.index < index),
        }
    }

    /// Inserts or replaces an entry, and says whether readers above may now see another value.
    fn put(&mut self, new: Entry<V>) -> bool {
        match self.find(new.index) {
            Err(at) => {
                let visible = !new.estimate;
                self.forget_folds(new.index);
                self.entries.insert(at, new);
                visible
            }
            Ok(at) => {
                let old = &mut self.entries[at];
                debug_assert!(
                    old.incarnation < new.incarnation,
                    "a location is written once by an execution"
                );
                if new.estimate {
                    // The old value stays for comparison: it is the one that readers have seen.
                    old.incarnation = new.incarnation;
                    old.estimate = true;
                    self.forget_folds(new.index);
                    return false;
                }
                let same = old.seen && old.write == new.write;
                let index = new.index;
                *old = new;
                self.forget_folds(index);
                !same
            }
        }
    }

    /// Forgets the values kept after `index` and above, because something changes there.
    fn forget_folds(&mut self, index: u32) {
        while self.folds.last().is_some_and(|(after, _)| *after >= index) {
            self.folds.pop();
        }
    }

    /// Where folding starts for a reader of the first `below` entries: the position of the first delta to add, and the
    /// value before it (`None` for the base).
    fn start(&self, below: usize) -> Result<(usize, Option<&V::Value>), Miss> {
        let kept = self.folds.partition_point(|(after, _)| {
            below.checked_sub(1).is_some_and(|last| *after <= self.entries[last].index)
        });
        let kept = kept.checked_sub(1).map(|at| &self.folds[at]);
        for at in (0..below).rev() {
            let entry = &self.entries[at];
            if let Some((after, value)) = kept
                && *after == entry.index
            {
                return Ok((at + 1, Some(value)));
            }
            if entry.estimate {
                return Err(Miss::Estimate { writer: entry.index });
            }
            if let Write::Set(value) = &entry.write {
                return Ok((at + 1, Some(value)));
            }
        }
        Ok((0, None))
    }

    /// The value that transaction `index` sees: the last `Set` below it, or the base, and the deltas in between folded in
    /// block order.
    pub(super) fn resolve(
        &self,
        vm: &V,
        index: u32,
        base: impl FnOnce() -> V::Value,
    ) -> Result<V::Value, Miss> {
        let below = self.below(index);
        let (first, value) = self.start(below)?;
        self.fold(vm, first..below, value.cloned().unwrap_or_else(base))
    }

    /// As [`resolve`](Self::resolve); keeps the sum of a long fold.
    pub(super) fn read(
        &mut self,
        vm: &V,
        index: u32,
        base: impl FnOnce() -> V::Value,
    ) -> Result<V::Value, Miss> {
        let below = self.below(index);
        let (first, value) = self.start(below)?;
        let value = self.fold(vm, first..below, value.cloned().unwrap_or_else(base))?;
        if below - first > FOLD_KEPT {
            let after = self.entries[below - 1].index;
            let at = self.folds.partition_point(|(other, _)| *other < after);
            self.folds.insert(at, (after, value.clone()));
        }
        Ok(value)
    }

    fn fold(
        &self,
        vm: &V,
        range: std::ops::Range<usize>,
        mut value: V::Value,
    ) -> Result<V::Value, Miss> {
        for entry in &self.entries[range] {
            if let Write::Add(delta) = &entry.write {
                let changed = vm.apply(&value, delta);
                value = changed.ok_or(Miss::OutOfRange { writer: entry.index })?;
            }
        }
        Ok(value)
    }

    /// The best guess where [`resolve`](Self::resolve) has no answer: estimates count as what they were, and deltas that do
    /// not fit are left out.
    pub(super) fn estimate(&self, vm: &V, index: u32, base: V::Value) -> V::Value {
        let below = self.below(index);
        let is_set = |entry: &Entry<V>| matches!(entry.write, Write::Set(_));
        let first = self.entries[..below].iter().rposition(is_set).unwrap_or(0);
        self.entries[first..below].iter().fold(base, |value, entry| match &entry.write {
            Write::Set(set) => set.clone(),
            Write::Add(delta) => vm.apply(&value, delta).unwrap_or(value),
        })
    }

    /// The last transaction below `index` that wrote here.
    pub(super) fn writer_below(&self, index: u32) -> Option<u32> {
        self.below(index).checked_sub(1).map(|at| self.entries[at].index)
    }

    /// The first transaction above `index` that sets the value; the highest index if there is none.
    fn next_set_above(&self, index: u32) -> u32 {
        let above = self.entries.partition_point(|entry| entry.index <= index);
        self.entries[above..]
            .iter()
            .find(|entry| matches!(entry.write, Write::Set(_)))
            .map_or(u32::MAX, |entry| entry.index)
    }

    /// All writes, ascending.
    pub(super) fn writes(&self) -> impl Iterator<Item = (u32, &Write<V>)> {
        self.entries.iter().map(|entry| (entry.index, &entry.write))
    }
}
