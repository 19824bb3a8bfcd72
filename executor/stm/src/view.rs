//! How an execution reads, and how it says what it saw.

use std::cell::RefCell;
use std::fmt::{self, Debug};

use crate::memory::{CellId, Memory, Reading};
use crate::pace::{Pace, Step};
use crate::sequential::Plain;
use crate::sync::{Ahead, AtomicBool, Ordering};
use crate::vm::{FIELDS_MAX, Field, Stop, Vm};

/// The values that one incarnation sees: the block up to, and without, its own transaction.
pub struct View<'r, V: Vm + ?Sized> {
    vm: &'r V,
    source: Source<'r, V>,
    index: u32,
    incarnation: u32,
    settled: bool,
    observations: Vec<Observed<V>>,
}

/// Where the answers come from.
enum Source<'r, V: Vm + ?Sized> {
    /// Multi-version memory, shared with all workers.
    Shared(Shared<'r, V>),
    /// The settled values of the oracle.
    Plain(&'r RefCell<Plain<V>>),
}

/// What a worker of the engine shares with the others.
pub(crate) struct Shared<'r, V: Vm + ?Sized> {
    pub(crate) memory: &'r Memory<V>,
    /// The run has ended.
    pub(crate) ended: &'r AtomicBool,
    /// Numbers of cells to come.
    pub(crate) ahead: &'r RefCell<Ahead>,
    /// Who decides when a step is taken, and the number of the worker.
    pub(crate) pace: Option<(&'r dyn Pace, u32)>,
}

/// The answer to one read.
pub struct Read<V: Vm + ?Sized> {
    /// The value.
    pub value: V::Value,
    /// Which state of the location this is, for [`View::observe`].
    pub seen: u32,
    /// Set when the value is a guess, because the named transaction is about to write the location: what to end the
    /// execution with if its result depends on the value.
    pub pending: Option<Blocked>,
}

/// One entry of a read set: a fact about a location that a result depends on.
pub struct Observed<V: Vm + ?Sized> {
    /// The cell.
    pub cell: CellId,
    /// The field.
    pub field: Field,
    /// Which state of the location it was true of.
    pub(crate) seen: u32,
    /// Whether the machine did not see it but expects lower transactions to make it true; see [`View::assume`].
    pub assumed: bool,
    /// What was seen there.
    pub observation: V::Observation,
}

/// A read could not be answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The lower transaction that the reader has to wait for.
    pub(crate) on: u32,
    /// What to wait for.
    pub(crate) until: Until,
}

/// What ends a wait on a lower transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// It finishes the incarnation that will replace its estimate.
    Executed,
    /// It settles, or at least finishes another incarnation: its delta does not fit the value below it.
    Settled,
}

impl Blocked {
    /// Index of the transaction that is waited for.
    #[must_use]
    pub fn on(&self) -> u32 {
        self.on
    }
}

impl<'r, V: Vm + ?Sized> View<'r, V> {
    /// A view of the shared memory for one incarnation. `settled` says that all lower transactions are settled.
    pub(crate) fn shared(
        vm: &'r V,
        shared: Shared<'r, V>,
        (index, incarnation): (u32, u32),
        settled: bool,
    ) -> Self {
        let source = Source::Shared(shared);
        Self { vm, source, index, incarnation, settled, observations: Vec::new() }
    }

    /// A view of the oracle's values.
    pub(crate) fn plain(vm: &'r V, values: &'r RefCell<Plain<V>>, index: u32) -> Self {
        let source = Source::Plain(values);
        Self { vm, source, index, incarnation: 0, settled: true, observations: Vec::new() }
    }

    /// The cell of `key`. The lookup is what costs: a machine keeps the id for as long as it executes the transaction.
    ///
    /// # Errors
    /// [`Stop::Fatal`] when the snapshot cannot be read. Ends the execution and is passed through.
    pub fn cell(&mut self, key: &V::Key) -> Result<CellId, Stop<V::Fatal>> {
        match &self.source {
            Source::Shared(shared) => {
                shared.memory.cell(self.vm, &mut shared.ahead.borrow_mut(), key)
            }
            Source::Plain(values) => values.borrow_mut().cell(self.vm, key),
        }
        .map_err(Stop::Fatal)
    }

    /// What the snapshot gave for the cell, and its key.
    pub fn with_base<T>(&self, cell: CellId, look: impl FnOnce(&V::Key, &V::Base) -> T) -> T {
        match &self.source {
            Source::Shared(shared) => look(shared.memory.key(cell), shared.memory.base(cell)),
            Source::Plain(values) => {
                let values = values.borrow();
                look(values.key(cell), values.base(cell))
            }
        }
    }

    /// The value of one location just before this transaction.
    ///
    /// Reading alone is no dependency: whatever the result depends on must be [observed](View::observe).
    ///
    /// # Errors
    /// [`Stop::Blocked`] when a lower transaction is about to write the location again. Ends the execution and is passed
    /// through.
    pub fn read(&mut self, cell: CellId, field: Field) -> Result<Read<V>, Stop<V::Fatal>> {
        self.read_cell(cell, |fields| fields.value(field).map_err(Stop::Blocked))
    }

    /// Reads several fields of a cell at once: `look` is called with the cell, which nobody changes meanwhile.
    pub fn read_cell<T>(&mut self, cell: CellId, look: impl FnOnce(&mut Fields<'_, V>) -> T) -> T {
        match &self.source {
            Source::Shared(shared) => {
                if let Some((pace, worker)) = shared.pace {
                    pace.step(worker, Step::Read { index: self.index });
                }
                look(&mut Fields::Shared(shared.memory.reading(self.vm, cell, self.index)))
            }
            Source::Plain(values) => look(&mut Fields::Plain(self.vm, &values.borrow(), cell)),
        }
    }

    /// Records that the result depends on `observation` being true of a location; `seen` is that of the [`Read`].
    ///
    /// It is checked again when a lower transaction writes the location, and always before this transaction settles.
    pub fn observe(&mut self, cell: CellId, field: Field, seen: u32, observation: V::Observation) {
        self.observations.push(Observed { cell, field, seen, assumed: false, observation });
    }

    /// As [`observe`](View::observe), for a fact that is not true yet but will be made true by lower transactions (the
    /// nonce of a sender whose earlier transaction is still under way). It is checked only before this transaction settles.
    ///
    /// Where [`settled`](View::settled) is true nothing remains to be expected: read and observe instead.
    pub fn assume(&mut self, cell: CellId, field: Field, observation: V::Observation) {
        self.observations.push(Observed { cell, field, seen: 0, assumed: true, observation });
    }

    /// Moves the view out, so that a machine can own it while it executes. What is left in its place sees the same values
    /// and has observed nothing; put the original back before the execution ends.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let Self { vm, source, index, incarnation, settled, observations } = self;
        let source = match source {
            Source::Shared(shared) => Source::Shared(Shared { ..*shared }),
            Source::Plain(values) => Source::Plain(values),
        };
        Self {
            vm,
            source,
            index: *index,
            incarnation: *incarnation,
            settled: *settled,
            observations: std::mem::take(observations),
        }
    }

    /// Makes room for so many observations.
    pub fn reserve(&mut self, observations: usize) {
        self.observations.reserve_exact(observations);
    }

    /// Index of the transaction being executed.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// How often the transaction was executed before, in this run. Local: nothing that is agreed on may depend on it.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Whether all lower transactions are settled, so that every read is final and this execution is no speculation.
    /// It may decide *how* a result is found, never *which*.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.settled
    }

    /// Whether the run has ended, so that nobody needs the result of this execution. A machine with long loops asks
    /// now and then and returns anything.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        match &self.source {
            // Relaxed: a hint, nothing is read on the strength of it.
            Source::Shared(shared) => shared.ended.load(Ordering::Relaxed),
            Source::Plain(_) => false,
        }
    }

    /// The read set of the execution.
    pub(crate) fn into_observations(self) -> Vec<Observed<V>> {
        self.observations
    }
}

/// The fields of one cell, as one transaction sees them.
pub enum Fields<'c, V: Vm + ?Sized> {
    #[doc(hidden)]
    Shared(Reading<'c, V>),
    #[doc(hidden)]
    Plain(&'c V, &'c Plain<V>, CellId),
}

impl<V: Vm + ?Sized> Fields<'_, V> {
    /// The value of a field.
    ///
    /// # Errors
    /// [`Blocked`] when a lower transaction is about to write the field again.
    pub fn value(&mut self, field: Field) -> Result<Read<V>, Blocked> {
        match self {
            Self::Shared(reading) => reading.value(field),
            Self::Plain(vm, values, cell) => {
                Ok(Read { value: values.value(*vm, *cell, field), seen: 0, pending: None })
            }
        }
    }

    /// The value of a field, or a guess where a lower transaction is about to write it again; see [`Read::pending`].
    pub fn guess(&mut self, field: Field) -> Read<V> {
        match self {
            Self::Shared(reading) => reading.guess(field),
            Self::Plain(vm, values, cell) => {
                Read { value: values.value(*vm, *cell, field), seen: 0, pending: None }
            }
        }
    }
}

impl<V: Vm + ?Sized> Fields<'_, V>
where
    V::Base: Clone,
{
    /// The cell as it was before the block.
    #[must_use]
    pub fn base(&self) -> V::Base {
        match self {
            Self::Shared(reading) => reading.base().clone(),
            Self::Plain(_, values, cell) => values.base(*cell).clone(),
        }
    }
}

impl<V: Vm + ?Sized> Fields<'_, V> {
    /// Shows the fields that transactions of the block have written to, each with its value, or with a guess; see
    /// [`Read::pending`]. The others are as before the block.
    pub fn written(&mut self, mut visit: impl FnMut(Field, Read<V>)) {
        match self {
            Self::Shared(reading) => reading.written(visit),
            Self::Plain(_, values, cell) => {
                for (field, value) in values.written(*cell) {
                    visit(field, Read { value, seen: 0, pending: None });
                }
            }
        }
    }

    /// The states of all fields, for [`View::observe`].
    #[must_use]
    pub fn seen(&self) -> [u32; FIELDS_MAX] {
        match self {
            Self::Shared(reading) => reading.seen(),
            Self::Plain(..) => [0; FIELDS_MAX],
        }
    }
}

impl<V: Vm + ?Sized> Debug for Fields<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields").finish_non_exhaustive()
    }
}

impl<V: Vm + ?Sized> Clone for Observed<V> {
    fn clone(&self) -> Self {
        Self { observation: self.observation.clone(), ..*self }
    }
}

impl<V: Vm + ?Sized> Debug for Observed<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("cell", &self.cell)
            .field("field", &self.field)
            .field("observation", &self.observation)
            .field("assumed", &self.assumed)
            .finish()
    }
}

impl<V: Vm + ?Sized> Debug for Read<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read")
            .field("value", &self.value)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

impl<V: Vm + ?Sized> Debug for View<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("index", &self.index)
            .field("incarnation", &self.incarnation)
            .field("settled", &self.settled)
            .field("observations", &self.observations)
            .finish_non_exhaustive()
    }
}
