//! Where the engine may be held: the seam of the virtual scheduler.

/// Decides when a worker takes its next step. The engine asks before every step at which another worker could get in
/// between, and never while it holds a lock that another worker waits for.
pub(crate) trait Pace: Sync {
    /// Returns when `worker` may take `step`.
    fn step(&self, worker: u32, step: Step);

    /// Returns when `worker`, which found nothing to do, should look again. Only what follows a [`Step::Finish`],
    /// [`Step::Validate`] or [`Step::Settle`] of another worker, or its leaving, can have changed that.
    fn idle(&self, worker: u32);

    /// `worker` has left the run.
    fn leave(&self, worker: u32);
}

/// What a worker is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Look for a transaction to execute.
    Claim,
    /// Read a cell for this transaction.
    Read {
        /// The transaction.
        index: u32,
    },
    /// Publish what an execution wrote: the time of the execution has passed.
    Finish {
        /// The transaction.
        index: u32,
        /// Whether it ended at a read that had to wait.
        blocked: bool,
    },
    /// Validate a reader of something that was written.
    Validate,
    /// Settle the lowest transaction.
    Settle,
}
