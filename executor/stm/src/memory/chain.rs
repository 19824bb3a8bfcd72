//! The writes to one cell, field by field, and its readers.

use smallvec::SmallVec;

use crate::vm::{Field, Vm, Write};

use super::{CellId, Stale};

/// What a cell's lock protects.
pub(super) struct Inner<T, D> {
    /// One for each field that was ever written; most cells see writes to one or two.
    pub(super) chains: SmallVec<[Chain<T, D>; 2]>,
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
pub(super) struct Chain<T, D> {
    field: Field,
    /// Ascending by index, at most one each.
    entries: Entries<T, D>,
}

/// Most fields are written once.
enum Entries<T, D> {
    One(Entry<T, D>),
    Many(Box<Many<T, D>>),
}

/// Entries, and values between them.
struct Many<T, D> {
    entries: Vec<Entry<T, D>>,
    /// Values after long runs of deltas, ascending by the index of the entry after which they stand. Cut back by every
    /// change at or below.
    folds: Vec<(u32, T)>,
}

/// One write.
pub(super) struct Entry<T, D> {
    index: u32,
    incarnation: u32,
    write: Write<T, D>,
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

impl<T, D> Default for Inner<T, D> {
    fn default() -> Self {
        Self { chains: SmallVec::new(), readers: SmallVec::new() }
    }
}

impl<T: Clone + PartialEq, D: Clone + PartialEq> Inner<T, D> {
    /// Where the chain of `field` is.
    pub(super) fn position(&self, field: Field) -> Option<usize> {
        self.chains.iter().position(|chain| chain.field == field)
    }

    pub(super) fn chain(&self, field: Field) -> Option<&Chain<T, D>> {
        self.chains.iter().find(|chain| chain.field == field)
    }

    /// Inserts or replaces a write, and says whether readers above may now see another value.
    pub(super) fn put(
        &mut self,
        field: Field,
        (index, incarnation): (u32, u32),
        write: &Write<T, D>,
        estimate: bool,
    ) -> bool {
        let write = write.clone();
        let entry = Entry { index, incarnation, write, estimate, seen: !estimate };
        match self.position(field) {
            Some(at) => self.chains[at].put(entry),
            None => {
                self.chains.push(Chain { field, entries: Entries::One(entry) });
                !estimate
            }
        }
    }

    /// Adds a write above all others, of which none will change any more, and keeps the value after several deltas.
    pub(super) fn append<V: Vm<Value = T, Delta = D> + ?Sized>(
        &mut self,
        vm: &V,
        field: Field,
        version: (u32, u32),
        write: &Write<T, D>,
        base: impl FnOnce() -> T,
    ) {
        self.put(field, version, write, false);
        if matches!(write, Write::Add(_))
            && let Some(at) = self.position(field)
        {
            self.chains[at].keep_last(vm, base);
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
            Ok(at) if which(chain.entries.as_slice()[at].incarnation) => {
                chain.many().entries.remove(at);
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
            chain.entries.as_mut_slice()[at].estimate = true;
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
        let mut entries = self.chains.iter().flat_map(|chain| chain.entries.as_slice());
        entries.all(|entry| {
            !entry.estimate
                && settled.get(entry.index as usize) == Some(&(entry.incarnation, false))
        })
    }
}

impl<T, D> Entries<T, D> {
    fn as_slice(&self) -> &[Entry<T, D>] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(many) => &many.entries,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Entry<T, D>] {
        match self {
            Self::One(entry) => std::slice::from_mut(entry),
            Self::Many(many) => &mut many.entries,
        }
    }

    fn folds(&self) -> &[(u32, T)] {
        match self {
            Self::One(_) => &[],
            Self::Many(many) => &many.folds,
        }
    }
}

impl<T: Clone + PartialEq, D: Clone + PartialEq> Chain<T, D> {
    /// The field that it is of.
    pub(super) fn field(&self) -> Field {
        self.field
    }

    /// The entries as many, so that their number can change.
    fn many(&mut self) -> &mut Many<T, D> {
        if let Entries::One(_) = self.entries {
            let many = Box::new(Many { entries: Vec::new(), folds: Vec::new() });
            let before = std::mem::replace(&mut self.entries, Entries::Many(many));
            if let (Entries::One(entry), Entries::Many(many)) = (before, &mut self.entries) {
                many.entries.push(entry);
            }
        }
        match &mut self.entries {
            Entries::Many(many) => many,
            Entries::One(_) => unreachable!("just replaced"),
        }
    }

    fn find(&self, index: u32) -> Result<usize, usize> {
        let entries = self.entries.as_slice();
        // Most writes are the newest.
        match entries.last() {
            None => Err(0),
            Some(last) if last.index < index => Err(entries.len()),
            Some(_) => entries.binary_search_by_key(&index, |entry| entry.index),
        }
    }

    /// Entries of transactions below `index`.
    fn below(&self, index: u32) -> usize {
        let entries = self.entries.as_slice();
        match entries.last() {
            Some(last) if last.index < index => entries.len(),
            _ => entries.partition_point(|entry| entry.index < index),
        }
    }

    /// Inserts or replaces an entry, and says whether readers above may now see another value.
    fn put(&mut self, new: Entry<T, D>) -> bool {
        let index = new.index;
        match self.find(index) {
            Err(at) => {
                let visible = !new.estimate;
                self.forget_folds(index);
                self.many().entries.insert(at, new);
                visible
            }
            Ok(at) => {
                let old = &mut self.entries.as_mut_slice()[at];
                debug_assert!(
                    old.incarnation < new.incarnation,
                    "a location is written once by an execution"
                );
                let mut visible = false;
                if new.estimate {
                    // The old value stays for comparison: it is the one that readers have seen.
                    old.incarnation = new.incarnation;
                    old.estimate = true;
                } else {
                    visible = !(old.seen && old.write == new.write);
                    *old = new;
                }
                self.forget_folds(index);
                visible
            }
        }
    }

    /// Forgets the values kept after `index` and above, because something changes there.
    fn forget_folds(&mut self, index: u32) {
        if let Entries::Many(many) = &mut self.entries {
            while many.folds.last().is_some_and(|(after, _)| *after >= index) {
                many.folds.pop();
            }
        }
    }

    /// Where folding starts for a reader of the first `below` entries: the position of the first delta to add, and the
    /// value before it (`None` for the base).
    fn start(&self, below: usize) -> Result<(usize, Option<&T>), Miss> {
        let (entries, folds) = (self.entries.as_slice(), self.entries.folds());
        let kept = folds.partition_point(|(after, _)| {
            below.checked_sub(1).is_some_and(|last| *after <= entries[last].index)
        });
        let kept = kept.checked_sub(1).map(|at| &folds[at]);
        for at in (0..below).rev() {
            let entry = &entries[at];
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
    pub(super) fn resolve<V: Vm<Value = T, Delta = D> + ?Sized>(
        &self,
        vm: &V,
        index: u32,
        base: impl FnOnce() -> T,
    ) -> Result<T, Miss> {
        let below = self.below(index);
        let (first, value) = self.start(below)?;
        self.fold(vm, first..below, value.cloned().unwrap_or_else(base))
    }

    /// As [`resolve`](Self::resolve); keeps the sum of a long fold.
    pub(super) fn read<V: Vm<Value = T, Delta = D> + ?Sized>(
        &mut self,
        vm: &V,
        index: u32,
        base: impl FnOnce() -> T,
    ) -> Result<T, Miss> {
        let below = self.below(index);
        let (first, value) = self.start(below)?;
        let value = self.fold(vm, first..below, value.cloned().unwrap_or_else(base))?;
        if below - first > FOLD_KEPT {
            let after = self.entries.as_slice()[below - 1].index;
            let folds = &mut self.many().folds;
            let at = folds.partition_point(|(other, _)| *other < after);
            folds.insert(at, (after, value.clone()));
        }
        Ok(value)
    }

    /// Keeps the value after the last entry, a delta, as the only one: whoever comes next reads at the end.
    fn keep_last<V: Vm<Value = T, Delta = D> + ?Sized>(
        &mut self,
        vm: &V,
        base: impl FnOnce() -> T,
    ) {
        let [.., before, Entry { index, write: Write::Add(delta), .. }] = self.entries.as_slice()
        else {
            return;
        };
        let (index, known) = (*index, self.entries.folds().last());
        let value = match known.filter(|(after, _)| *after == before.index) {
            Some((_, value)) => vm.apply(value, delta),
            None => self.resolve(vm, u32::MAX, base).ok(),
        };
        // A delta that does not fit has no value; who reads it says so.
        if let Some(value) = value {
            let folds = &mut self.many().folds;
            folds.clear();
            folds.push((index, value));
        }
    }

    fn fold<V: Vm<Value = T, Delta = D> + ?Sized>(
        &self,
        vm: &V,
        range: std::ops::Range<usize>,
        mut value: T,
    ) -> Result<T, Miss> {
        for entry in &self.entries.as_slice()[range] {
            if let Write::Add(delta) = &entry.write {
                let changed = vm.apply(&value, delta);
                value = changed.ok_or(Miss::OutOfRange { writer: entry.index })?;
            }
        }
        Ok(value)
    }

    /// The best guess where [`resolve`](Self::resolve) has no answer: estimates count as what they were, and deltas that do
    /// not fit are left out.
    pub(super) fn estimate<V: Vm<Value = T, Delta = D> + ?Sized>(
        &self,
        vm: &V,
        index: u32,
        base: T,
    ) -> T {
        let below = &self.entries.as_slice()[..self.below(index)];
        let is_set = |entry: &Entry<T, D>| matches!(entry.write, Write::Set(_));
        let first = below.iter().rposition(is_set).unwrap_or(0);
        below[first..].iter().fold(base, |value, entry| match &entry.write {
            Write::Set(set) => set.clone(),
            Write::Add(delta) => vm.apply(&value, delta).unwrap_or(value),
        })
    }

    /// The last transaction below `index` that wrote here.
    pub(super) fn writer_below(&self, index: u32) -> Option<u32> {
        self.below(index).checked_sub(1).map(|at| self.entries.as_slice()[at].index)
    }

    /// The first transaction above `index` that sets the value; the highest index if there is none.
    fn next_set_above(&self, index: u32) -> u32 {
        let entries = self.entries.as_slice();
        let above = entries.partition_point(|entry| entry.index <= index);
        entries[above..]
            .iter()
            .find(|entry| matches!(entry.write, Write::Set(_)))
            .map_or(u32::MAX, |entry| entry.index)
    }

    /// All writes, ascending.
    pub(super) fn writes(&self) -> impl Iterator<Item = (u32, &Write<T, D>)> {
        self.entries.as_slice().iter().map(|entry| (entry.index, &entry.write))
    }
}
