//! Block-STM over any VM: the parallel result equals the sequential one.
//!
//! A block is a list of transactions whose result is defined by running them one after the other. This crate runs them on
//! many threads at once and hands the results, in block order, to a settler that cannot tell the difference. It knows no
//! EVM, no chain and no database: what a transaction is, a [`Vm`] says.
//!
//! # Flow
//!
//! 1. [`run`] starts one long task on each worker of a [`Pool`]. A free worker takes the lowest ready transaction.
//! 2. The machine executes it through a [`View`], which reads from multi-version memory: the last write below the
//!    transaction, deltas folded in, or the value from before the block. A read that meets the *estimate* of an aborted
//!    write parks the transaction on its writer.
//! 3. The execution's observations are registered with the locations, and its writes are published. Whoever has observed
//!    one of these locations from above is validated there and then, by value; if the observation does not hold any more the
//!    incarnation is aborted, its writes become estimates, and it is ready again.
//! 4. Whoever finishes an execution tries to take the settle role. Its owner goes up the block: if everything below is
//!    settled, and all observations hold on the settled values, the transaction is handed to [`Settle::settle`], and its
//!    writes are folded into the settled values (or, if skipped, removed).
//! 5. The run ends when all are settled, when the settler says stop, or when a failure is certain. While the block is mostly
//!    a chain it is left to one worker, for longer each time this is found again. If a transaction needs too many
//!    incarnations, the calling thread finishes the block in order, on the settled values and in the same memory.
//! 6. What the settled transactions wrote stays readable: [`Versions`] shows every value of every location.
//!
//! # Terms
//!
//! **Incarnation**: the n-th execution of one transaction, from 0. **Version**: transaction index and incarnation.
//! **Observation**: what a read saw, no stronger than the result needs (equal, at least). **Delta**: a write that changes a
//! value without knowing it, so that two of them do not conflict. **Estimate**: mark of a write that is expected again.
//! **Settle**: to fix a prefix of the block. **Skip**: to settle a transaction as if it were not in the block.
//!
//! # Invariants
//!
//! - *The truth is one check*: a transaction settles only if everything it observed holds on the values that the settled
//!   transactions left. Estimates, parking, validation by writers and the order of dispatch are hints; they decide how much
//!   work is wasted, never a result. Each module says which of its fields is which.
//! - Readers and validation resolve a location with the same function.
//! - A failure or a panic is believed only if it happens with everything below settled. Before that it is one more guess.
//! - Someone can always make progress: the lowest unsettled transaction has nothing below it to wait for.
//! - No speculative write outlives a run. No result depends on the hasher's seed, on a clock, or on the number of workers.
//!
//! # Hazards
//!
//! What went wrong in engines of this kind, and what answers it here:
//!
//! | hazard | answer |
//! |---|---|
//! | a reader and the validator disagree, the transaction runs for ever | one `resolve` for both; executions are bounded |
//! | a write that is removed, or made again, goes unnoticed | both count as changes; and the check before settling |
//! | estimates or aborted writes are left behind | the run asserts that no speculative write remains |
//! | status and incarnation are read torn | one lock holds both, with the result |
//! | a transaction is woken twice, or before its writer has left estimates | one parent each; marked before the lock is free |
//! | the end is guessed from counters, and an update is lost | the run ends when the settled prefix is the block |
//! | a speculative error becomes a verdict | failures wait, like results, for the check before settling |
//! | a panic leaves the others waiting | caught around each execution, and around each worker |
//! | a value is taken from the moving frontier | the base is immutable; folding changes no higher read |
//! | a hash collision joins two locations | full locations are compared; the seed is random |
//! | deltas pass through a negative sum | folded in block order; one that does not fit blocks its reader |
//! | the fee recipient makes a chain of all transactions | fees are deltas, and observe nothing |
//! | waiting workers burn all cores | a short bounded spin, then sleep |
//!
//! # Models
//!
//! Everything that threads share comes from one module, so that the code of this crate runs, itself, under three schedulers
//! beside that of the operating system:
//!
//! - [`virtual_time`]: the engine, one step at a time, in an order drawn from a seed. Part of the ordinary tests
//!   (`tests/interleavings.rs`), fast enough for thousands of interleavings a second.
//! - `--cfg shuttle`: the engine with its sleeping and waking, where every lock and every atomic is a step
//!   (`src/models/whole_engine.rs`).
//! - `--cfg loom`: scheduler, settle role, and the memory's change counts under every order that the memory model allows,
//!   up to a bound of preemptions (`src/models/lock_free.rs`).
//!
//! `scripts/models` runs the latter two, in target directories of their own; a failure prints how to replay it.
//!
//! # It is not
//!
//! Not a scheduler of known dependencies: a block whose accesses are listed needs no speculation, and no part of this.
//! Not durable: nothing is written anywhere. Not fair in time: [`Report`] is for people, and never the same twice.
//!
//! # Example
//!
//! See [`toy`] for a block that runs, and [`Vm`] for what a machine promises.
//!
//! **Source**: Gelashvili et al., *Block-STM: Scaling Blockchain Execution by Turning Ordering Curse to a Performance
//! Blessing*, PPoPP 2023. Algorithm 1 is the loop of a worker, Algorithm 2 the multi-version memory, Algorithm 3 the
//! validation, Algorithm 4 the scheduler; the modules name what they change.

#![cfg_attr(any(loom, shuttle), allow(dead_code, unused_imports))]

mod engine;
mod error;
mod in_order;
mod memory;
#[cfg(all(test, any(loom, shuttle)))]
mod models;
mod pace;
#[cfg(not(any(loom, shuttle)))]
mod pool;
mod report;
mod role;
mod scheduler;
mod seed;
mod sequential;
mod settle;
mod sync;
pub mod toy;
mod versions;
mod view;
#[cfg(not(any(loom, shuttle)))]
pub mod virtual_time;
mod vm;

#[cfg(not(any(loom, shuttle)))]
pub use engine::run;
pub use engine::{Options, Run};
#[cfg(not(any(loom, shuttle)))]
pub use error::PoolError;
pub use error::RunError;
pub use memory::CellId;
#[cfg(not(any(loom, shuttle)))]
pub use pool::Pool;
pub use report::{Fallback, Incarnation, Outcome, Reason, Report};
pub use sequential::run_sequential;
pub use settle::{Settle, Settled, Verdict};
pub use versions::{Version, Versions};
pub use view::{Blocked, Fields, Observed, Read, View};
pub use vm::{Execution, FIELDS_MAX, Field, Put, Stop, Vm, Write};
