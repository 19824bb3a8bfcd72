//! How an execution reads, and how it says what it saw.

use std::fmt::{self, Debug};

use crate::memory::{Memory, Obstacle};
use crate::sync::{AtomicBool, Ordering, OwnedMap};
use crate::vm::{Stop, Vm};

/// The values that one incarnation sees: the block up to, and without, its own transaction.
pub struct View<'a, V: Vm + ?Sized> {
    vm: &'a V,
    source: Source<'a, V>,
    index: u32,
    incarnation: u32,
    settled: bool,
    observations: Vec<Observed<V>>,
}

/// Where the answers come from.
enum Source<'a, V: Vm + ?Sized> {
    /// Multi-version memory, shared with all workers; the flag says that the run has ended.
    Shared(&'a Memory<V>, &'a AtomicBool),
    /// The settled values of a sequential run.
    Settled(&'a OwnedMap<V::Location, V::Value>),
}

/// One entry of a read set: a fact about a location that a result depends on.
pub struct Observed<V: Vm + ?Sized> {
    /// The location read.
    pub location: V::Location,
    /// What was seen there.
    pub observation: V::Observation,
    /// Whether the machine did not see it but expects lower transactions to make it true; see [`View::assume`].
    pub assumed: bool,
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

impl<'a, V: Vm + ?Sized> View<'a, V> {
    /// A view of the shared memory for one incarnation. `settled` says that all lower transactions are settled.
    pub(crate) fn shared(
        vm: &'a V,
        memory: &'a Memory<V>,
        ended: &'a AtomicBool,
        (index, incarnation): (u32, u32),
        settled: bool,
    ) -> Self {
        let source = Source::Shared(memory, ended);
        Self { vm, source, index, incarnation, settled, observations: Vec::new() }
    }

    /// A view of the values of a sequential run.
    pub(crate) fn sequential(
        vm: &'a V,
        values: &'a OwnedMap<V::Location, V::Value>,
        index: u32,
        incarnation: u32,
    ) -> Self {
        let source = Source::Settled(values);
        Self { vm, source, index, incarnation, settled: true, observations: Vec::new() }
    }

    /// The value of `location` just before this transaction.
    ///
    /// Reading alone is no dependency: whatever the result depends on must be [observed](View::observe).
    ///
    /// # Errors
    /// [`Stop::Blocked`] when a lower transaction is about to write the location again, [`Stop::Fatal`] when the base
    /// cannot be read. Both end the execution and are passed through.
    pub fn read(&mut self, location: &V::Location) -> Result<V::Value, Stop<V::Fatal>> {
        match self.read_written(location)? {
            Some(value) => Ok(value),
            None => {
                let value = self.vm.base(location).map_err(Stop::Fatal)?;
                if let Source::Shared(memory, _) = self.source {
                    memory.keep_base(location, &value);
                }
                Ok(value)
            }
        }
    }

    /// As [`read`](View::read), but `None` where the value is the one from before the block, which the machine may know
    /// from elsewhere: one look at its snapshot can then answer for several locations.
    ///
    /// # Errors
    /// As [`read`](View::read).
    pub fn read_written(
        &mut self,
        location: &V::Location,
    ) -> Result<Option<V::Value>, Stop<V::Fatal>> {
        match self.source {
            Source::Settled(values) => Ok(values.get(location).cloned()),
            Source::Shared(memory, _) => {
                memory.read(self.vm, location, self.index).map_err(|obstacle| match obstacle {
                    Obstacle::Estimate { writer } => {
                        Stop::Blocked(Blocked { on: writer, until: Until::Executed })
                    }
                    Obstacle::OutOfRange { writer } => {
                        Stop::Blocked(Blocked { on: writer, until: Until::Settled })
                    }
                    Obstacle::Fatal(fatal) => Stop::Fatal(fatal),
                })
            }
        }
    }

    /// Records that the result depends on `observation` being true of `location`.
    ///
    /// It is checked again when a lower transaction writes the location, and always before this transaction settles.
    pub fn observe(&mut self, location: V::Location, observation: V::Observation) {
        self.observations.push(Observed { location, observation, assumed: false });
    }

    /// As [`observe`](View::observe), for a fact that is not true yet but will be made true by lower transactions (the
    /// nonce of a sender whose earlier transaction is still under way). It is checked only before this transaction settles.
    ///
    /// Where [`settled`](View::settled) is true nothing remains to be expected: read and observe instead.
    pub fn assume(&mut self, location: V::Location, observation: V::Observation) {
        self.observations.push(Observed { location, observation, assumed: true });
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
        match self.source {
            // Relaxed: a hint, nothing is read on the strength of it.
            Source::Shared(_, ended) => ended.load(Ordering::Relaxed),
            Source::Settled(_) => false,
        }
    }

    /// The read set of the execution.
    pub(crate) fn into_observations(self) -> Vec<Observed<V>> {
        self.observations
    }
}

impl<V: Vm + ?Sized> Clone for Observed<V> {
    fn clone(&self) -> Self {
        Self {
            location: self.location.clone(),
            observation: self.observation.clone(),
            assumed: self.assumed,
        }
    }
}

impl<V: Vm + ?Sized> Debug for Observed<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("location", &self.location)
            .field("observation", &self.observation)
            .field("assumed", &self.assumed)
            .finish()
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
