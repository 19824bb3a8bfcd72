//! What the engine hands out in block order, and what it may be told in return.

use std::fmt::{self, Debug};

use crate::view::Observed;
use crate::vm::{Put, Vm};

/// The owner of the settled prefix: it judges each transaction once, in block order.
///
/// `settle` is called with indices `0, 1, 2, ...` without gaps, by one thread at a time (not always the same one), and only
/// with executions that equal those of a sequential run. Whatever is a shared counter in a block (gas used, log index,
/// admission against the gas limit) belongs here, never into an execution.
pub trait Settle<V: Vm> {
    /// Judges transaction `index`.
    fn settle(&mut self, index: u32, settled: Settled<'_, V>) -> Verdict;
}

/// A final execution.
pub struct Settled<'a, V: Vm> {
    /// The result, now the settler's.
    pub output: V::Output,
    /// The write set, in the order in which the machine gave it.
    pub writes: &'a [Put<V>],
    /// Everything the result depends on, in the order in which it was observed. All of it holds on the settled values. Now
    /// the settler's.
    pub observations: Vec<Observed<V>>,
    /// Which incarnation settled. **Local**: it depends on the schedule and must not enter anything that is agreed on.
    pub incarnation: u32,
}

/// What becomes of a settled execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its writes are part of the settled prefix.
    Include,
    /// Its writes are discarded, as if the transaction were not in the block. Higher transactions that read them run again.
    Skip,
    /// The run ends here. Nothing after this transaction settles, and the engine drops its writes: what it means for this
    /// transaction is the settler's own affair.
    Stop,
}

impl<V: Vm> Debug for Settled<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settled")
            .field("writes", &self.writes)
            .field("observations", &self.observations)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}
