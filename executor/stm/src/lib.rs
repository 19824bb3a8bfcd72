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
//!    A worker that has nothing to execute does what the machine has to do besides ([`Vm::chore`]): something is made of
//!    what has settled while the block goes on.
//! 5. The run ends when all are settled, when the settler says stop, or when a failure is certain. Where nearly all workers
//!    are wasted, as on a chain, most of them stay away for a while. A transaction that was executed too often waits until
//!    all below it is settled. Blocks that are too small run in order, in the same memory.
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
//! What went wrong in engines of this kind, by the numbers of the project's list, what answers it here, and the test that
//! fails without the answer:
//!
//! | | hazard | answer | test |
//! |---|---|---|---|
//! | 6 | a second write goes unnoticed because it has the version of the first | what readers compare is a count that rises with every change, not a version | `memory::tests::equal_change_counts_mean_equal_values_for_every_reader` |
//! | 8 | a wait for a predecessor that never comes right (a gap in the nonces, missing funds) | assumptions are checked before settling; executions are bounded | `hazard_08_a_nonce_gap_or_an_unfunded_sender_at_any_place_ends_within_the_bound` |
//! | 1-6 | the fee recipient makes a chain of all transactions | fees are deltas, and observe nothing | `fees_as_deltas_cause_no_execution_twice`, `a_reader_of_deltas_sees_their_exact_sum` |
//! | 13 | deltas pass through a negative sum | folded in block order; one that does not fit blocks its reader | `deltas_fold_in_block_order_through_a_value_that_is_never_negative` |
//! | 17 | a reader and the validator disagree, the transaction runs for ever | one `resolve` for both; executions are bounded | `hazard_17_whatever_is_read_is_valid_until_something_changes` |
//! | 31 | a write that is removed, or made again, goes unnoticed | both count as changes; and the check before settling | `every_change_below_a_reader_reports_it_and_no_other` |
//! | 32 | estimates, or writes of an aborted incarnation, are left behind | every run asserts that what it leaves was written by the incarnations that settled | `hazard_32_memory_counts_as_settled_only_with_the_settled_incarnations_and_no_estimate` |
//! | 33 | status and incarnation are read torn | one lock holds both, with the result | `models::whole_engine` |
//! | 34 | an order weaker than needed, harmless on one kind of processor only | each weak order names its pair | `models::lock_free` |
//! | 35 | a transaction is woken twice, or before its writer has left estimates | one parent each; estimates are marked before the lock is free | `a_reader_that_meets_an_estimate_waits_for_its_writer`, `tests/interleavings.rs` |
//! | 36 | the end is guessed from counters, and an update is lost | the run ends when the settled prefix is the block | `models::lock_free::whoever_has_the_role_sees_every_request_and_what_the_owner_before_did` |
//! | 37 | a validated transaction settles although a lower one changed since | the check before settling, with everything below settled | `tests/interleavings.rs`, `the_check_without_a_lock_sees_every_write_that_settled_before` |
//! | 38 | a pooled buffer has two owners | buffers are owned, by a worker or by a slot | the compiler |
//! | 39 | reads of one incarnation contradict each other | each answer that is used is observed; contradictions cannot all hold | `hazard_39_answers_that_contradict_each_other_are_read_again` |
//! | 40 | a value is taken from the moving frontier | the base is immutable and asked for once; settling moves nothing | `hazard_40_the_base_does_not_move_under_its_readers` |
//! | 41 | a hash collision joins two locations, or slows all of them | full keys are compared; the seed is random | `hazard_41_keys_that_collide_in_every_hash_stay_apart` |
//! | 42 | the order of a map decides a result | writes and observations keep the order of the machine; there is no iteration over the map | `tests/equivalence.rs` compares both, in order |
//! | 43 | a speculative error becomes a verdict | failures wait, like results, for the check before settling | `a_speculative_failure_is_no_verdict`, `a_speculative_failure_that_observed_nothing_is_tried_again` |
//! | 44 | a panic leaves the others waiting | caught around each execution, and around each worker | `hazard_44_a_panic_at_any_task_ends_the_run_or_is_tried_again`, `a_settler_that_panics_surfaces_and_nobody_hangs` |
//! | 45 | a cancelled run leaves workers behind | a run returns when all its workers have | `no_thread_outlives_its_pool_however_the_run_ended` |
//! | 46 | a run on wrong values costs much more than the right one | a run that has ended cancels; executions are bounded | `stop_ends_the_run_at_once_and_cancels_what_still_executes`, `a_transaction_over_its_incarnations_runs_once_more_when_all_below_is_settled` |
//! | 47 | a failed read where the block never reads poisons it | as 43 | `a_snapshot_that_fails_where_the_block_never_reads_does_not_matter` |
//! | 48 | a machine that panicked is used again | it is thrown away | `hazard_48_a_machine_that_panicked_is_thrown_away` |
//! | 50 | the guard against endless repetition is an error | the transaction waits for all below it; its next execution is its last | `a_transaction_over_its_incarnations_runs_once_more_when_all_below_is_settled` |
//! | 51-53 | counters that the block shares are taken in parallel | they belong to the settler, which sees one transaction after the other | `tests/equivalence.rs` |
//! | 52 | an invalid transaction in the middle | the settler skips it or stops there, on the settled prefix | `skipped_writes_vanish_and_their_readers_run_again`, `tests/equivalence.rs` |
//! | B9 | waiting workers burn all cores | a short bounded spin, then sleep; nobody looks out for longer than asked | `a_pool_without_work_uses_no_processor_time`, `never_more_threads_look_out_than_cores_are_free` |
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
