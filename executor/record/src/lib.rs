//! Says what a block's access record means: who waited for whom, where, and what would help.
//!
//! # Flow
//! A [`Block`] borrows what the chain keeps of a block: transactions, receipts, access record and access list. From it come
//! the [`graph`] of dependencies with its heaviest path, the [`conflict`]s location by location, [`hotspot`]s over many
//! blocks, and [`advice`]. [`names`] puts words in the place of addresses, selectors and slots; [`trace`] is the run of the
//! block on this node for trace viewers.
//!
//! # Terms
//! - *Waiting*: a transaction waits at a location when it read there what another transaction of the block wrote.
//! - *Serialised gas* of a place: gas of the transactions that waited there, each counted once.
//! - *Path*: the heaviest chain of transactions that wait for each other, by gas. No number of cores runs the block in less.
//!
//! # Invariants
//! - Everything but [`trace`] is a function of what all nodes agree on: the same on every node, whatever its workers.
//! - Nothing is decided by a floating-point number; ratios are pairs of integers.
//! - Work is bounded: by the block for analysis, by [`names::HASHES_MAX`] for names.
//!
//! # It is not
//! An observer of execution: what it says of slots is derived from the record and the transactions alone, and a name that
//! follows from a guess about a contract's layout says so.
//!
//! ```
//! use weft_record::graph;
//! use weft_types::AccessRecord;
//! assert_eq!(graph::heaviest_path(&AccessRecord::default(), |_| true).gas, 0);
//! ```

pub mod advice;
mod block;
pub mod conflict;
pub mod graph;
pub mod hotspot;
pub mod json;
pub mod names;
#[cfg(test)]
mod tests;
pub mod trace;

pub use block::{Block, ContractKind, Function};
