//! Multi-version memory: for each location its settled value, the unsettled writes above it, and who has read it.
//!
//! Source: Block-STM (Gelashvili et al., PPoPP 2023), Algorithm 2 (`MVMemory`). What differs: writes may be deltas, which a
//! read folds up; the settled prefix is folded into one value, so that a chain holds only what is still speculative; and a
//! chain remembers its readers, so that a write wakes exactly those whom it concerns instead of a wave of validations.
//!
//! What is truth and what is a hint:
//!
//! - **Truth**: `settled`, the value after all settled transactions. Only the settler changes it, in block order.
//! - **Hint**: everything else. An entry that is wrong, or a reader that is missing, costs an execution, never a result,
//!   because each read set is checked once more against settled values before its transaction settles.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::sync::{OwnedMap, ShardedMap, sharded_map};
use crate::view::Observed;
use crate::vm::{Vm, Write};

/// The values of one block while it executes.
pub(crate) struct Memory<V: Vm + ?Sized> {
    /// Keyed by the full location. A shard's lock is a leaf: nothing else is locked, and the snapshot is not read, under it.
    chains: ShardedMap<V::Location, Chain<V>>,
}

/// All versions of one location.
struct Chain<V: Vm + ?Sized> {
    /// The value after the settled prefix; `None` until somebody needs the value from before the block.
    settled: Option<V::Value>,
    /// The last settled transaction that wrote here.
    settled_by: Option<u32>,
    /// Writes of unsettled transactions, sorted by index, at most one each.
    entries: VecDeque<Entry<V>>,
    /// Indices of transactions that once observed this location, sorted, without repetition.
    readers: Vec<u32>,
}

/// One unsettled write.
struct Entry<V: Vm + ?Sized> {
    index: u32,
    incarnation: u32,
    write: Write<V>,
    /// The incarnation that wrote this was aborted and the next one is expected to write here again. The value is kept so
    /// that writing the same one again disturbs nobody.
    estimate: bool,
    /// Whether `write` was ever more than an estimate, so that somebody may have read it.
    seen: bool,
    /// The value after this write, where a long fold left it. Cleared by every change at or below it that readers may see.
    after: Option<V::Value>,
}

/// Deltas that are folded before the sum is kept. Without this a balance that everybody changes and reads costs each reader
/// a fold over all that is not settled, which is long when the worker with the lowest transaction has lost its core.
const FOLD_KEPT: usize = 16;

/// Locations of its own that a transaction is expected to bring; a plain transfer has five. Saves growing under the lock.
const LOCATIONS_EXPECTED: usize = 5;

/// Why a location has no value yet for some transaction.
#[derive(Debug)]
pub(crate) enum Obstacle<F> {
    /// The value depends on an estimate of `writer`.
    Estimate { writer: u32 },
    /// The delta of `writer` does not fit the value below it: one of the two is about to change.
    OutOfRange { writer: u32 },
    /// The snapshot cannot be read.
    Fatal(F),
}

/// Whether an observation still holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It does.
    Holds,
    /// It does not, and `writer` was the last below the reader to write there.
    Broken { writer: Option<u32> },
}

/// Why [`resolve`] has no answer.
enum Miss {
    /// Nobody below wrote here, and the base is not known.
    NoWrite,
    /// Deltas were written below, and the base is not known.
    NoBase,
    Estimate {
        writer: u32,
    },
    OutOfRange {
        writer: u32,
    },
}

/// A transaction whose read set a write may have changed, and where.
pub(crate) type Stale<L> = (u32, L);

/// The value that transaction `index` sees: the last `Set` below it, or the settled value, and the deltas in between folded
/// in block order. Readers and validation both use this function, so they cannot disagree (hazard 17). Also says how many
/// deltas were folded.
fn resolve<'c, V: Vm + ?Sized>(
    vm: &V,
    chain: &'c Chain<V>,
    index: u32,
) -> Result<(Cow<'c, V::Value>, usize), Miss> {
    let below = chain.entries.partition_point(|entry| entry.index < index);
    let mut first = below;
    let mut value = None;
    while first > 0 {
        let entry = &chain.entries[first - 1];
        if entry.estimate {
            return Err(Miss::Estimate { writer: entry.index });
        }
        value = match &entry.write {
            Write::Set(set) => Some(set),
            Write::Add(_) => entry.after.as_ref(),
        };
        if value.is_some() {
            break;
        }
        first -= 1;
    }
    let mut value = Cow::Borrowed(value.or(chain.settled.as_ref()).ok_or(if first == below {
        Miss::NoWrite
    } else {
        Miss::NoBase
    })?);
    for entry in chain.entries.range(first..below) {
        if let Write::Add(delta) = &entry.write {
            let changed =
                vm.apply(&value, delta).ok_or(Miss::OutOfRange { writer: entry.index })?;
            value = Cow::Owned(changed);
        }
    }
    Ok((value, below - first))
}

impl<V: Vm + ?Sized> Memory<V> {
    /// Empty memory for a block of so many transactions.
    pub(crate) fn new(transactions: u32) -> Self {
        Self { chains: sharded_map(LOCATIONS_EXPECTED * transactions as usize) }
    }

    /// The value of `location` that transaction `index` sees; `None` when it is the one from before the block and nobody
    /// has brought that one here.
    pub(crate) fn read(
        &self,
        vm: &V,
        location: &V::Location,
        index: u32,
    ) -> Result<Option<V::Value>, Obstacle<V::Fatal>> {
        loop {
            let found = self.chains.get(location).map(|chain| {
                resolve(vm, &chain, index).map(|(value, folded)| (value.into_owned(), folded))
            });
            match found {
                Some(Ok((value, folded))) => {
                    if folded > FOLD_KEPT {
                        self.keep_fold(vm, location, index);
                    }
                    return Ok(Some(value));
                }
                Some(Err(Miss::Estimate { writer })) => return Err(Obstacle::Estimate { writer }),
                Some(Err(Miss::OutOfRange { writer })) => {
                    return Err(Obstacle::OutOfRange { writer });
                }
                None | Some(Err(Miss::NoWrite)) => return Ok(None),
                Some(Err(Miss::NoBase)) => {}
            }
            self.load_base(vm, location).map_err(Obstacle::Fatal)?;
        }
    }

    /// Keeps what transaction `index` reads with the entry below it.
    fn keep_fold(&self, vm: &V, location: &V::Location, index: u32) {
        if let Some(mut chain) = self.chains.get_mut(location) {
            let value = resolve(vm, &chain, index).ok().map(|(value, _)| value.into_owned());
            let below = chain.entries.partition_point(|entry| entry.index < index);
            if let Some(last) = below.checked_sub(1) {
                chain.entries[last].after = value;
            }
        }
    }

    /// Whether `observed` is true of what transaction `index` sees now. With `register`, also remembers the transaction as
    /// a reader, in the same step: a write either happens before and is seen here, or happens after and finds the reader.
    ///
    /// A location without a value breaks the observation: its writer is about to change it.
    pub(crate) fn check(
        &self,
        vm: &V,
        observed: &Observed<V>,
        index: u32,
        register: bool,
    ) -> Result<Finding, V::Fatal> {
        let judge = |chain: &Chain<V>| match resolve(vm, chain, index) {
            Ok((value, _)) if vm.holds(&observed.observation, &value) => Ok(Finding::Holds),
            Ok(_) => Ok(Finding::Broken { writer: chain.writer_below(index) }),
            Err(Miss::Estimate { writer } | Miss::OutOfRange { writer }) => {
                Ok(Finding::Broken { writer: Some(writer) })
            }
            Err(miss @ (Miss::NoWrite | Miss::NoBase)) => Err(miss),
        };
        loop {
            let finding = if register {
                let mut chain = match self.chains.get_mut(&observed.location) {
                    Some(chain) => chain,
                    None => self.chains.entry(observed.location.clone()).or_default(),
                };
                // Also before the base is looked at: whoever writes from now on finds the reader.
                chain.register(index);
                judge(&chain)
            } else {
                self.chains
                    .get(&observed.location)
                    .map_or(Err(Miss::NoWrite), |chain| judge(&chain))
            };
            match finding {
                Ok(finding) => return Ok(finding),
                Err(Miss::NoWrite) => {
                    let holds = vm.holds(&observed.observation, &vm.base(&observed.location)?);
                    return Ok(if holds {
                        Finding::Holds
                    } else {
                        Finding::Broken { writer: None }
                    });
                }
                Err(_) => self.load_base(vm, &observed.location)?,
            }
        }
    }

    /// Makes the value from before the block known to the chain of `location`. The snapshot is read without a lock; it is
    /// immutable, so whoever comes second brings the same value, and a settled write is never overwritten (hazard 40).
    fn load_base(&self, vm: &V, location: &V::Location) -> Result<(), V::Fatal> {
        self.keep_base(location, &vm.base(location)?);
        Ok(())
    }

    /// Keeps the value from before the block, which the snapshot gave for `location`.
    pub(crate) fn keep_base(&self, location: &V::Location, base: &V::Value) {
        let mut chain = self.chains.entry(location.clone()).or_default();
        if chain.settled.is_none() {
            chain.settled = Some(base.clone());
        }
    }

    /// Replaces what transaction `index` wrote before (`previous`) by `writes` of `incarnation`, and adds to `stale` whoever
    /// may have seen something else. As `estimate` the writes are only places to wait at.
    pub(crate) fn publish(
        &self,
        (index, incarnation): (u32, u32),
        writes: &[(V::Location, Write<V>)],
        previous: &[(V::Location, Write<V>)],
        estimate: bool,
        stale: &mut Vec<Stale<V::Location>>,
    ) {
        for (location, write) in writes {
            let entry = Entry {
                index,
                incarnation,
                write: write.clone(),
                estimate,
                seen: !estimate,
                after: None,
            };
            let mut chain = match self.chains.get_mut(location) {
                Some(chain) => chain,
                None => self.chains.entry(location.clone()).or_default(),
            };
            if chain.put(entry) {
                chain.readers_of(index, location, stale);
            }
        }
        // Locations that this incarnation did not write again (hazard 31: a removal changes what readers see, too).
        for (location, _) in previous {
            if let Some(mut chain) = self.chains.get_mut(location)
                && chain.take(index, |entry| entry.incarnation != incarnation).is_some()
            {
                chain.readers_of(index, location, stale);
            }
        }
    }

    /// Turns the writes of an aborted incarnation into estimates, so that higher readers wait instead of reading them.
    pub(crate) fn mark_estimates(&self, index: u32, writes: &[(V::Location, Write<V>)]) {
        for (location, _) in writes {
            if let Some(mut chain) = self.chains.get_mut(location)
                && let Some(at) = chain.position(index)
            {
                chain.entries[at].estimate = true;
                chain.forget_folds(at);
            }
        }
    }

    /// The first delta of `writes` that the settled value cannot take. Only for the transaction about to settle.
    pub(crate) fn misfit<'w>(
        &self,
        vm: &V,
        writes: &'w [(V::Location, Write<V>)],
    ) -> Result<Option<&'w V::Location>, V::Fatal> {
        for (location, write) in writes {
            let Write::Add(delta) = write else { continue };
            let fits = loop {
                let fits = self.chains.get(location).and_then(|chain| {
                    chain.settled.as_ref().map(|value| vm.apply(value, delta).is_some())
                });
                match fits {
                    Some(fits) => break fits,
                    None => self.load_base(vm, location)?,
                }
            };
            if !fits {
                return Ok(Some(location));
            }
        }
        Ok(None)
    }

    /// Folds the writes of the transaction that settles into the settled values. No reader above sees a difference.
    pub(crate) fn settle(&self, vm: &V, index: u32, writes: &[(V::Location, Write<V>)]) {
        for (location, write) in writes {
            let mut chain = self.chains.get_mut(location).expect("the write was published here");
            let entry = chain.take(index, |_| true);
            debug_assert!(
                entry.is_some_and(|entry| entry.index == index && !entry.estimate),
                "the settled write is the lowest, and no estimate"
            );
            let value = match write {
                Write::Set(value) => value.clone(),
                Write::Add(delta) => chain
                    .settled
                    .as_ref()
                    .and_then(|value| vm.apply(value, delta))
                    .expect("looked at by `misfit` before, and only the settler changes it"),
            };
            chain.settled = Some(value);
            chain.settled_by = Some(index);
        }
    }

    /// Removes the writes of a skipped transaction and adds to `stale` whoever may have read them.
    pub(crate) fn discard(
        &self,
        index: u32,
        writes: &[(V::Location, Write<V>)],
        stale: &mut Vec<Stale<V::Location>>,
    ) {
        for (location, _) in writes {
            if let Some(mut chain) = self.chains.get_mut(location)
                && chain.take(index, |_| true).is_some()
            {
                chain.readers_of(index, location, stale);
            }
        }
    }

    /// Whether nothing speculative is left: no write that is not settled, and so no estimate (hazard 32).
    pub(crate) fn is_settled(&self) -> bool {
        self.chains.iter().all(|chain| chain.entries.is_empty())
    }

    /// The settled values, for the sequential run that takes over. Speculative writes are dropped.
    pub(crate) fn into_settled_values(self) -> OwnedMap<V::Location, V::Value> {
        self.chains
            .into_iter()
            .filter_map(|(location, chain)| Some((location, chain.settled?)))
            .collect()
    }
}

impl<V: Vm + ?Sized> Default for Chain<V> {
    fn default() -> Self {
        Self { settled: None, settled_by: None, entries: VecDeque::new(), readers: Vec::new() }
    }
}

impl<V: Vm + ?Sized> Chain<V> {
    /// Where the entry of transaction `index` is.
    fn position(&self, index: u32) -> Option<usize> {
        self.entries.binary_search_by_key(&index, |entry| entry.index).ok()
    }

    /// Inserts or replaces an entry, and says whether readers above may now see another value.
    fn put(&mut self, new: Entry<V>) -> bool {
        match self.entries.binary_search_by_key(&new.index, |entry| entry.index) {
            Err(at) => {
                let visible = !new.estimate;
                if self.entries.is_empty() {
                    // Most locations have one writer.
                    self.entries.reserve_exact(1);
                }
                self.entries.insert(at, new);
                self.forget_folds(at);
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
                    return false;
                }
                let same = match (&old.write, &new.write) {
                    (Write::Set(old_value), Write::Set(new_value)) => {
                        old.seen && old_value == new_value
                    }
                    _ => false,
                };
                *old = new;
                self.forget_folds(at);
                !same
            }
        }
    }

    /// Removes the entry of transaction `index` if `which` says so.
    fn take(&mut self, index: u32, which: impl FnOnce(&Entry<V>) -> bool) -> Option<Entry<V>> {
        let at = self.position(index)?;
        if !which(&self.entries[at]) {
            return None;
        }
        self.forget_folds(at);
        self.entries.remove(at)
    }

    /// Forgets the values kept from position `at` on, because something changes there.
    fn forget_folds(&mut self, at: usize) {
        self.entries.range_mut(at..).for_each(|entry| entry.after = None);
    }

    /// Remembers transaction `index` as a reader.
    fn register(&mut self, index: u32) {
        if let Err(at) = self.readers.binary_search(&index) {
            self.readers.insert(at, index);
        }
    }

    /// Adds the readers that see what transaction `index` writes: those above it, up to the next `Set`, whose own
    /// transaction still reads below itself.
    fn readers_of(&self, index: u32, location: &V::Location, stale: &mut Vec<Stale<V::Location>>) {
        let above = self.entries.partition_point(|entry| entry.index <= index);
        let last = self
            .entries
            .range(above..)
            .find(|entry| matches!(entry.write, Write::Set(_)))
            .map_or(u32::MAX, |entry| entry.index);
        let first = self.readers.partition_point(|reader| *reader <= index);
        let readers = self.readers[first..].iter().take_while(|reader| **reader <= last);
        stale.extend(readers.map(|reader| (*reader, location.clone())));
    }

    /// The last transaction below `index` that wrote here.
    fn writer_below(&self, index: u32) -> Option<u32> {
        let below = self.entries.partition_point(|entry| entry.index < index);
        below.checked_sub(1).map(|at| self.entries[at].index).or(self.settled_by)
    }
}

#[cfg(test)]
mod tests;
