//! Multi-version memory: for each cell its value before the block, the writes of the block's transactions, and who has
//! read it.
//!
//! Source: Block-STM (Gelashvili et al., PPoPP 2023), Algorithm 2 (`MVMemory`). What differs: writes may be deltas, which a
//! read folds up; locations that belong together share a cell, so that one lookup and one lock answer for all of them; and
//! a cell remembers its readers, so that a write wakes exactly those whom it concerns instead of a wave of validations.
//!
//! What is truth and what is a hint:
//!
//! - **Truth**: the base of a cell, the entries of settled transactions, and the change count of a field: it rises with
//!   every change that a reader may notice, under the same lock. Equal counts at two moments mean equal values.
//! - **Hint**: entries of transactions that are not settled, and readers. One that is wrong or missing costs an execution,
//!   never a result, because each read set is checked once more before its transaction settles.

use std::sync::Arc;

use crate::sync::{Ahead, AtomicU32, Mutex, MutexGuard, Ordering};
use crate::view::{Blocked, Observed, Read, Until};
use crate::vm::{FIELDS_MAX, Field, Put, Vm, Write, WriteOf};

mod chain;
mod index;
mod spare;

use chain::{Chain, Inner, Miss};
use index::{Index, link, newest};
pub(crate) use spare::Spare;
use spare::Storage;

/// Number of a cell in one run, given out in the order in which cells are first asked for: it depends on the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub(crate) u32);

impl CellId {
    /// An id for a machine that runs without the engine, on cells of its own. No memory of the engine knows it.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The number, for tables beside the engine's own.
    #[must_use]
    pub fn number(self) -> usize {
        self.0 as usize
    }
}

/// The values of one block while it executes.
pub(crate) struct Memory<V: Vm + ?Sized> {
    /// `None` only while it is dropped.
    storage: Option<Box<StorageOf<V>>>,
    /// Where the storage goes afterwards.
    home: Option<Arc<Spare>>,
}

/// All versions of the fields of one cell.
struct Cell<K, B, T, D> {
    key: K,
    /// The next cell of the same bucket.
    next: AtomicU32,
    /// One for each field: how often the value that readers see has changed. Written under the lock.
    changes: [AtomicU32; FIELDS_MAX],
    /// From the snapshot; immutable.
    base: B,
    /// A leaf: nothing else is locked, and no snapshot read, under it.
    inner: Mutex<Inner<T, D>>,
}

/// The cells of a machine.
type CellOf<V> = Cell<<V as Vm>::Key, <V as Vm>::Base, <V as Vm>::Value, <V as Vm>::Delta>;

/// The storage of a machine.
type StorageOf<V> = Storage<<V as Vm>::Key, <V as Vm>::Base, <V as Vm>::Value, <V as Vm>::Delta>;

/// The chains of a machine.
type ChainOf<V> = Chain<<V as Vm>::Value, <V as Vm>::Delta>;

/// Whether an observation still holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It does, and did so at this change count.
    Holds { seen: u32 },
    /// It does not, and `writer` was the last below the reader to write there.
    Broken { writer: Option<u32> },
}

/// Change count of a read that was never made.
const NEVER: u32 = u32::MAX;

/// A transaction whose read set a write may have changed, and where.
pub(crate) type Stale = (u32, CellId, Field);

/// A cell whose lock is held, as one transaction sees it.
pub struct Reading<'c, V: Vm + ?Sized> {
    vm: &'c V,
    cell: &'c CellOf<V>,
    inner: MutexGuard<'c, Inner<V::Value, V::Delta>>,
    index: u32,
}

impl<V: Vm + ?Sized> Drop for Memory<V> {
    fn drop(&mut self) {
        if let (Some(storage), Some(home)) = (self.storage.take(), self.home.take()) {
            home.keep(storage);
        }
    }
}

impl<V: Vm + ?Sized> Memory<V> {
    /// Empty memory for about so many cells.
    #[cfg(any(test, not(loom)))]
    pub(crate) fn new(cells: usize) -> Self {
        Self { storage: Some(Box::new(Storage::new(cells))), home: None }
    }

    /// Empty memory for about so many cells, in storage that comes from `home` and goes back there.
    pub(crate) fn from_spare(home: &Arc<Spare>, cells: usize) -> Self {
        Self { storage: Some(home.take(cells)), home: Some(Arc::clone(home)) }
    }

    fn storage(&self) -> &StorageOf<V> {
        self.storage.as_ref().expect("there until it is dropped")
    }

    /// The cell of `key`; the first one to ask brings its base.
    pub(crate) fn cell(&self, vm: &V, ahead: &mut Ahead, key: &V::Key) -> Result<CellId, V::Fatal> {
        let bucket = self.storage().index.bucket(key);
        let mut head = newest(bucket);
        if let Some(id) = self.find_between(head, index::END, key) {
            return Ok(id);
        }
        let base = vm.base(key)?;
        let at = self.storage().cells.push(
            ahead,
            Cell {
                key: key.clone(),
                next: AtomicU32::new(head),
                changes: Default::default(),
                base,
                inner: Mutex::new(Inner::default()),
            },
        );
        let own = u32::try_from(at).expect("fewer than 2^32 elements");
        while let Err(newer) = link(bucket, head, own) {
            // Somebody else was here. If it was for the same key, theirs is the cell: the snapshot is immutable, so both have
            // the same base. Ours is never linked, which shows by its being next to itself.
            if let Some(id) = self.find_between(newer, head, key) {
                self.get(CellId(own)).next.store(own, Ordering::Relaxed);
                return Ok(id);
            }
            self.get(CellId(own)).next.store(newer, Ordering::Relaxed);
            head = newer;
        }
        Ok(CellId(own))
    }

    /// The cell of `key`, if somebody has asked for it.
    pub(crate) fn find(&self, key: &V::Key) -> Option<CellId> {
        self.find_between(newest(self.storage().index.bucket(key)), index::END, key)
    }

    /// Looks through the cells of a bucket from `first` on, down to `last` (exclusive).
    fn find_between(&self, first: u32, last: u32, key: &V::Key) -> Option<CellId> {
        let mut at = first;
        while at != last && at != index::END {
            let cell = self.get(CellId(at));
            if cell.key == *key {
                return Some(CellId(at));
            }
            // Relaxed: written before the cell was linked.
            at = cell.next.load(Ordering::Relaxed);
        }
        None
    }

    fn get(&self, id: CellId) -> &CellOf<V> {
        self.storage().cells.get(id.number()).expect("cell ids come from this memory")
    }

    /// A number above those of all cells.
    pub(crate) fn end(&self) -> usize {
        self.storage().cells.end()
    }

    /// Whether there is a cell with this number, once nobody makes any more.
    pub(crate) fn is_cell(&self, id: CellId) -> bool {
        let cell = self.storage().cells.get(id.number());
        cell.is_some_and(|cell| cell.next.load(Ordering::Relaxed) != id.0)
    }

    /// The key of a cell.
    pub(crate) fn key(&self, id: CellId) -> &V::Key {
        &self.get(id).key
    }

    /// The base of a cell.
    pub(crate) fn base(&self, id: CellId) -> &V::Base {
        &self.get(id).base
    }

    /// Locks a cell for the reads of transaction `index`.
    pub(crate) fn reading<'c>(&'c self, vm: &'c V, id: CellId, index: u32) -> Reading<'c, V> {
        let cell = self.get(id);
        Reading { vm, cell, inner: cell.inner.lock(), index }
    }

    /// Whether `observed` is true of what transaction `index` sees now. A location without a value breaks the observation:
    /// its writer is about to change it.
    pub(crate) fn check(&self, vm: &V, observed: &Observed<V>, index: u32) -> Finding {
        let cell = self.get(observed.cell);
        // Acquire pairs with the Release in `bump`. No change since the read: what was seen is what is there.
        let changes = cell.changes[usize::from(observed.field)].load(Ordering::Acquire);
        if changes == observed.seen && !observed.assumed {
            return Finding::Holds { seen: changes };
        }
        Self::judge(vm, cell, &cell.inner.lock(), observed, index)
    }

    /// The same under the lock.
    fn judge(
        vm: &V,
        cell: &CellOf<V>,
        inner: &Inner<V::Value, V::Delta>,
        observed: &Observed<V>,
        index: u32,
    ) -> Finding {
        let seen = cell.changes[usize::from(observed.field)].load(Ordering::Relaxed);
        if seen == observed.seen && !observed.assumed {
            return Finding::Holds { seen };
        }
        let chain = inner.chain(observed.field);
        match resolve(vm, cell, chain, observed.field, index) {
            Ok(value) if vm.holds(&observed.observation, &value) => Finding::Holds { seen },
            Ok(_) => Finding::Broken { writer: chain.and_then(|chain| chain.writer_below(index)) },
            Err(Miss::Estimate { writer } | Miss::OutOfRange { writer }) => {
                Finding::Broken { writer: Some(writer) }
            }
        }
    }

    /// Checks the observations of transaction `index` and remembers it as a reader, in the same step for each cell: a write
    /// either happens before and is seen here, or happens after and finds the reader. Returns the place of the first
    /// observation that does not hold, and the last writer there.
    pub(crate) fn register(
        &self,
        vm: &V,
        index: u32,
        observations: &mut [Observed<V>],
    ) -> Option<(usize, Option<u32>)> {
        let mut at = 0;
        while at < observations.len() {
            let id = observations[at].cell;
            let end = at + observations[at..].iter().take_while(|next| next.cell == id).count();
            let cell = self.get(id);
            let mut inner = cell.inner.lock();
            for (place, observed) in observations[at..end].iter_mut().enumerate() {
                if observed.assumed {
                    continue;
                }
                inner.register(index, observed.field);
                match Self::judge(vm, cell, &inner, observed, index) {
                    Finding::Holds { seen } => observed.seen = seen,
                    Finding::Broken { writer } => return Some((at + place, writer)),
                }
            }
            at = end;
        }
        None
    }

    /// Replaces what transaction `index` wrote before (`previous`) by `writes` of `incarnation`, and adds to `stale` whoever
    /// may have seen something else. As `estimate` the writes are only places to wait at.
    pub(crate) fn publish(
        &self,
        (index, incarnation): (u32, u32),
        writes: &[Put<V>],
        previous: &[Put<V>],
        estimate: bool,
        stale: &mut Vec<Stale>,
    ) {
        let mut at = 0;
        while at < writes.len() {
            let id = writes[at].cell;
            let cell = self.get(id);
            let mut inner = cell.inner.lock();
            while let Some(Put { field, write, .. }) = writes.get(at).filter(|put| put.cell == id) {
                if inner.put(*field, (index, incarnation), write, estimate) {
                    cell.bump(*field);
                    inner.readers_of(index, (id, *field), stale);
                }
                at += 1;
            }
        }
        // Locations that this incarnation did not write again (hazard 31: a removal changes what readers see, too).
        for Put { cell: id, field, .. } in previous {
            let cell = self.get(*id);
            let mut inner = cell.inner.lock();
            if inner.take(*field, index, |entry| entry != incarnation) {
                cell.bump(*field);
                inner.readers_of(index, (*id, *field), stale);
            }
        }
    }

    /// Publishes the writes of a transaction that is settled as soon as it is written: nobody else is at work.
    pub(crate) fn append(&self, vm: &V, version: (u32, u32), writes: &[Put<V>]) {
        for Put { cell: id, field, write } in writes {
            let cell = self.get(*id);
            cell.inner.lock().append(vm, *field, version, write, || vm.field(&cell.base, *field));
            cell.bump(*field);
        }
    }

    /// Turns the writes of an aborted incarnation into estimates, so that higher readers wait instead of reading them.
    pub(crate) fn mark_estimates(&self, index: u32, writes: &[Put<V>]) {
        for Put { cell: id, field, .. } in writes {
            self.get(*id).inner.lock().mark_estimate(*field, index);
        }
    }

    /// Removes the writes of a skipped transaction and adds to `stale` whoever may have read them.
    pub(crate) fn discard(&self, index: u32, writes: &[Put<V>], stale: &mut Vec<Stale>) {
        for Put { cell: id, field, .. } in writes {
            let cell = self.get(*id);
            let mut inner = cell.inner.lock();
            if inner.take(*field, index, |_| true) {
                cell.bump(*field);
                inner.readers_of(index, (*id, *field), stale);
            }
        }
    }

    /// The first delta of `writes`, the settled writes of transaction `index`, that cannot be applied.
    pub(crate) fn misfit<'w>(
        &self,
        vm: &V,
        index: u32,
        writes: &'w [Put<V>],
    ) -> Option<&'w Put<V>> {
        writes.iter().find(|put| {
            let Write::Add(delta) = &put.write else { return false };
            let cell = self.get(put.cell);
            let mut inner = cell.inner.lock();
            let base = || vm.field(&cell.base, put.field);
            // Keeps the sum on the way: many deltas in a row would be added up again for each of them.
            let before = match inner.position(put.field) {
                Some(at) => inner.chains[at].read(vm, index, base),
                None => Ok(base()),
            };
            match before {
                Ok(value) => vm.apply(&value, delta).is_none(),
                Err(_) => true,
            }
        })
    }

    /// Whether all writes are those of the incarnations that `settled` names, and none is an estimate (hazard 32).
    /// `settled[i]` is the incarnation of transaction `i` that settled, and whether it was skipped.
    pub(crate) fn is_settled(&self, settled: &[(u32, bool)]) -> bool {
        self.storage().cells.iter().all(|cell| cell.inner.lock().is_settled(settled))
    }

    /// The settled writes to one field, ascending, as pairs of index and write; and all that the closure makes of it.
    pub(crate) fn writes<T>(
        &self,
        id: CellId,
        field: Field,
        visit: impl FnOnce(&mut dyn Iterator<Item = (u32, &WriteOf<V>)>) -> T,
    ) -> T {
        let inner = self.get(id).inner.lock();
        visit(&mut inner.chain(field).into_iter().flat_map(Chain::writes))
    }

    /// The last transaction below `index` that wrote to the field.
    pub(crate) fn writer_below(&self, id: CellId, field: Field, index: u32) -> Option<u32> {
        self.get(id).inner.lock().chain(field)?.writer_below(index)
    }
}

impl<K, B, T, D> Cell<K, B, T, D> {
    /// Notes that readers of the field may see something else. Only under the lock.
    fn bump(&self, field: Field) {
        // Release pairs with the Acquire in `check`.
        self.changes[usize::from(field)].fetch_add(1, Ordering::Release);
    }
}

/// What transaction `index` reads from one of the cell's chains. Only under the cell's lock.
fn read<V: Vm + ?Sized>(vm: &V, cell: &CellOf<V>, chain: &mut ChainOf<V>, index: u32) -> Read<V> {
    let field = chain.field();
    let seen = cell.changes[usize::from(field)].load(Ordering::Relaxed);
    match chain.read(vm, index, || vm.field(&cell.base, field)) {
        Ok(value) => Read { value, seen, pending: None },
        Err(miss) => {
            let value = chain.estimate(vm, index, vm.field(&cell.base, field));
            let (on, until) = match miss {
                Miss::Estimate { writer } => (writer, Until::Executed),
                Miss::OutOfRange { writer } => (writer, Until::Settled),
            };
            Read { value, seen: NEVER, pending: Some(Blocked { on, until }) }
        }
    }
}

/// The value that transaction `index` sees. Readers and validation both use this function, so they cannot disagree
/// (hazard 17).
fn resolve<V: Vm + ?Sized>(
    vm: &V,
    cell: &CellOf<V>,
    chain: Option<&ChainOf<V>>,
    field: Field,
    index: u32,
) -> Result<V::Value, Miss> {
    match chain {
        Some(chain) => chain.resolve(vm, index, || vm.field(&cell.base, field)),
        None => Ok(vm.field(&cell.base, field)),
    }
}

impl<V: Vm + ?Sized> Reading<'_, V> {
    /// The base of the cell.
    pub(crate) fn base(&self) -> &V::Base {
        &self.cell.base
    }

    /// The change counts.
    pub(crate) fn seen(&self) -> [u32; FIELDS_MAX] {
        self.cell.changes.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// The value of a field.
    ///
    /// # Errors
    /// [`Blocked`] when a lower transaction is about to write the field again.
    pub fn value(&mut self, field: Field) -> Result<Read<V>, Blocked> {
        let read = self.guess(field);
        match read.pending {
            Some(blocked) => Err(blocked),
            None => Ok(read),
        }
    }

    /// Shows the fields that somebody has written to, each with its value, or a guess as [`guess`](Self::guess) gives it.
    pub(crate) fn written(&mut self, mut visit: impl FnMut(Field, Read<V>)) {
        let Self { vm, cell, inner, index } = self;
        for chain in &mut inner.chains {
            let field = chain.field();
            visit(field, read(*vm, cell, chain, *index));
        }
    }

    /// The value of a field, or where a lower transaction is about to write it again, the one that it wrote before: good
    /// enough where the result will probably not depend on it. If it does, [`Read::pending`] says whom to wait for.
    pub fn guess(&mut self, field: Field) -> Read<V> {
        match self.inner.position(field) {
            Some(at) => read(self.vm, self.cell, &mut self.inner.chains[at], self.index),
            None => Read {
                value: self.vm.field(&self.cell.base, field),
                seen: self.cell.changes[usize::from(field)].load(Ordering::Relaxed),
                pending: None,
            },
        }
    }
}

#[cfg(test)]
mod tests;
