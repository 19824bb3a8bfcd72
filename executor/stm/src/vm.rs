//! What the engine asks of a virtual machine.

use std::error::Error;
use std::fmt::{self, Debug};
use std::hash::Hash;

use crate::memory::CellId;
use crate::view::{Blocked, View};

/// Number of one field of a cell, below [`FIELDS_MAX`].
pub type Field = u8;

/// Most fields that a cell can have.
pub const FIELDS_MAX: usize = 4;

/// A virtual machine and one block of transactions for it.
///
/// What transactions read and write is named in two steps. A *cell* is a group of values that are usually needed together
/// and come from the snapshot in one piece (an account); it is found by its [`Key`](Vm::Key). A *location* is one *field*
/// of a cell (the balance of the account). Reads, writes and conflicts are about locations.
///
/// The engine calls the machine from many threads at once, may execute a transaction several times, and may execute it on
/// values that no sequential run would ever show. A machine therefore keeps four promises:
///
/// 1. **Deterministic**: what `execute` returns is a function of the transaction and of what it observed. If every
///    observation of an execution holds on some values, an execution on those values returns the same result.
/// 2. **Honest**: everything that a result depends on is handed to [`View::observe`] (or [`View::assume`]). A location may
///    answer differently when it is read twice by one speculative execution; each answer that is used must be observed.
/// 3. **Within range**: where all observations of an execution hold, each delta that it writes can be applied.
/// 4. **Without side effects**: an execution may be discarded at any time.
pub trait Vm: Sync {
    /// Names a cell. The full name, not a hash of it: two keys that compare equal are one cell.
    type Key: Clone + Eq + Ord + Hash + Debug + Send + Sync + 'static;
    /// A cell before the block.
    type Base: Send + Sync + 'static;
    /// What a field holds.
    type Value: Clone + PartialEq + Debug + Send + Sync + 'static;
    /// A commutative change of a value, for writes that need not know the value (a fee credited to its recipient).
    type Delta: Clone + PartialEq + Debug + Send + Sync + 'static;
    /// What a read saw, as weak as the result allows: equal to `v`, at least `x`, empty. Weaker observations survive more
    /// writes of lower transactions.
    type Observation: Clone + Debug + Send + Sync;
    /// The result of one transaction, whatever the settler needs to judge it.
    type Output: Send + Sync;
    /// An operational failure, such as a database that cannot be read. Never the verdict on a transaction.
    type Fatal: Error + Send + Sync + 'static;
    /// A location, as people are told about it.
    type Location: Clone + Debug + PartialEq + Send + Sync;
    /// Machine and buffers that one worker uses for every transaction it executes. Thrown away after a panic.
    type Worker<'r>
    where
        Self: 'r;

    /// Transactions in this block; their indices are `0..transactions()`.
    fn transactions(&self) -> u32;

    /// About how many cells the block will touch: a hint, for the size of the index.
    fn cells(&self) -> usize {
        2 * self.transactions() as usize
    }

    /// A machine for one more worker.
    fn worker<'r>(&'r self) -> Self::Worker<'r>;

    /// The cell of `key` before the block, from an immutable snapshot.
    ///
    /// # Errors
    /// When the snapshot cannot be read. The engine passes the failure to the execution that asked, and it counts only if
    /// it happens again once all lower transactions are settled.
    fn base(&self, key: &Self::Key) -> Result<Self::Base, Self::Fatal>;

    /// The value of one field before the block.
    fn field(&self, base: &Self::Base, field: Field) -> Self::Value;

    /// The name of a location.
    fn location(&self, key: &Self::Key, field: Field) -> Self::Location;

    /// `value` changed by `delta`, or `None` when the result is out of range. Must not panic.
    fn apply(&self, value: &Self::Value, delta: &Self::Delta) -> Option<Self::Value>;

    /// Whether `observation` is true of `value`. Must not panic.
    fn holds(&self, observation: &Self::Observation, value: &Self::Value) -> bool;

    /// Whether work waits that has nothing to do with executing: such as what is made of settled results while the block
    /// goes on. A hint.
    fn has_chores(&self) -> bool {
        false
    }

    /// Does one piece of that work, for a worker that has nothing to execute. `false` if there is none.
    fn chore(&self) -> bool {
        false
    }

    /// Executes transaction [`View::index`], reading through `view`, and returns its writes and its output.
    ///
    /// A transaction that is invalid is an *output* (the settler judges it), not an error.
    ///
    /// # Errors
    /// [`Stop::Blocked`] when a read said so, passed through unchanged; [`Stop::Fatal`] for operational failures.
    fn execute<'r>(
        &'r self,
        worker: &mut Self::Worker<'r>,
        view: &mut View<'r, Self>,
    ) -> Result<Execution<Self>, Stop<Self::Fatal>>;
}

/// What one incarnation produced.
pub struct Execution<V: Vm + ?Sized> {
    /// The write set; each location at most once. The order is kept for the settler and means nothing to the engine, which
    /// is faster when writes to one cell are neighbours.
    pub writes: Vec<Put<V>>,
    /// The result, handed to the settler unread.
    pub output: V::Output,
}

/// One write of one transaction.
pub struct Put<V: Vm + ?Sized> {
    /// The cell, from [`View::cell`] of the same run.
    pub cell: CellId,
    /// The field.
    pub field: Field,
    /// The change.
    pub write: Write<V::Value, V::Delta>,
}

/// How a write changes a location that holds a `T`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write<T, D> {
    /// It now holds this value.
    Set(T),
    /// It changes by this much, whatever it holds.
    Add(D),
}

/// The writes of a machine.
pub(crate) type WriteOf<V> = Write<<V as Vm>::Value, <V as Vm>::Delta>;

/// Why an execution ended without a result.
#[derive(Debug)]
pub enum Stop<F> {
    /// A read met a write that is about to be replaced. Comes from a read and is passed through.
    Blocked(Blocked),
    /// An operational failure.
    Fatal(F),
}

impl<V: Vm + ?Sized> Debug for Put<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put")
            .field("cell", &self.cell)
            .field("field", &self.field)
            .field("write", &self.write)
            .finish()
    }
}

impl<V: Vm + ?Sized> Debug for Execution<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").field("writes", &self.writes).finish_non_exhaustive()
    }
}
