//! What the engine asks of a virtual machine.

use std::error::Error;
use std::fmt::{self, Debug};
use std::hash::Hash;

use crate::view::{Blocked, View};

/// A virtual machine and one block of transactions for it.
///
/// The engine calls it from many threads at once, may execute a transaction several times, and may execute it on values
/// that no sequential run would ever show. A machine therefore keeps three promises:
///
/// 1. **Deterministic**: what `execute` returns is a function of the transaction and of what it observed. If every
///    observation of an execution holds on some values, an execution on those values returns the same result.
/// 2. **Honest**: everything that a result depends on is handed to [`View::observe`] (or [`View::assume`]). A location may
///    answer differently when it is read twice by one speculative execution; each answer that is used must be observed.
/// 3. **Without side effects**: an execution may be discarded at any time.
pub trait Vm: Sync {
    /// What a read or write names. The full name, not a hash of it: two locations that compare equal are one location.
    type Location: Clone + Eq + Ord + Hash + Debug + Send + Sync;
    /// What a location holds.
    type Value: Clone + PartialEq + Debug + Send + Sync;
    /// A commutative change of a value, for writes that need not know the value (a fee credited to its recipient).
    type Delta: Clone + Debug + Send + Sync;
    /// What a read saw, as weak as the result allows: equal to `v`, at least `x`, empty. Weaker observations survive more
    /// writes of lower transactions.
    type Observation: Clone + Debug + Send + Sync;
    /// The result of one transaction, whatever the settler needs to judge it.
    type Output: Send + Sync;
    /// An operational failure, such as a database that cannot be read. Never the verdict on a transaction.
    type Fatal: Error + Send + Sync + 'static;
    /// Buffers that one worker uses again for every transaction it executes. Thrown away after a panic.
    type Worker: Send;

    /// Transactions in this block; their indices are `0..transactions()`.
    fn transactions(&self) -> u32;

    /// Buffers for one more worker.
    fn worker(&self) -> Self::Worker;

    /// The value of `location` before the block, from an immutable snapshot.
    ///
    /// # Errors
    /// When the snapshot cannot be read. The engine passes the failure to the execution that asked, and it counts only if
    /// it happens again once all lower transactions are settled.
    fn base(&self, location: &Self::Location) -> Result<Self::Value, Self::Fatal>;

    /// `value` changed by `delta`, or `None` when the result is out of range. Must not panic.
    fn apply(&self, value: &Self::Value, delta: &Self::Delta) -> Option<Self::Value>;

    /// Whether `observation` is true of `value`. Must not panic.
    fn holds(&self, observation: &Self::Observation, value: &Self::Value) -> bool;

    /// Executes transaction `index`, reading through `view`, and returns its writes and its output.
    ///
    /// A transaction that is invalid is an *output* (the settler judges it), not an error.
    ///
    /// # Errors
    /// [`Stop::Blocked`] when a read said so, passed through unchanged; [`Stop::Fatal`] for operational failures.
    fn execute(
        &self,
        worker: &mut Self::Worker,
        index: u32,
        view: &mut View<'_, Self>,
    ) -> Result<Execution<Self>, Stop<Self::Fatal>>;
}

/// What one incarnation produced.
pub struct Execution<V: Vm + ?Sized> {
    /// The write set; each location at most once. The order is kept for the settler and means nothing to the engine.
    pub writes: Vec<(V::Location, Write<V>)>,
    /// The result, handed to the settler unread.
    pub output: V::Output,
}

/// One write of one transaction.
pub enum Write<V: Vm + ?Sized> {
    /// The location now holds this value.
    Set(V::Value),
    /// The location changes by this much, whatever it holds.
    Add(V::Delta),
}

/// Why an execution ended without a result.
#[derive(Debug)]
pub enum Stop<F> {
    /// A read met a write that is about to be replaced. Comes from [`View::read`] and is passed through.
    Blocked(Blocked),
    /// An operational failure.
    Fatal(F),
}

impl<V: Vm + ?Sized> Clone for Write<V> {
    fn clone(&self) -> Self {
        match self {
            Write::Set(value) => Write::Set(value.clone()),
            Write::Add(delta) => Write::Add(delta.clone()),
        }
    }
}

impl<V: Vm + ?Sized> Debug for Write<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::Set(value) => f.debug_tuple("Set").field(value).finish(),
            Write::Add(delta) => f.debug_tuple("Add").field(delta).finish(),
        }
    }
}

impl<V: Vm + ?Sized> Debug for Execution<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").field("writes", &self.writes).finish_non_exhaustive()
    }
}
