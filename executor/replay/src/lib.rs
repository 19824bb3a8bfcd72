//! Judges the executor by foreign Ethereum blocks: real ones and test suites.
//!
//! # Flow
//! A [`Load`] is one block with the state below it: read from the answers of an archive node ([`blocks`]) or made
//! ([`loads`]). [`replay`] executes it in every way that the executor has, compares what it gives with the header and with
//! the oracle, and measures it against a [`plain`] loop of revm; [`schedule`] says what perfect workers would reach. The
//! [`judge`] takes test suites instead: it decodes each block as a node would, holds it against the rules of its fork, and
//! expects of the executor exactly what the suite says.
//!
//! # Terms
//! - *Plain loop*: revm as anybody would use it, one transaction after the other; the denominator of every speed-up.
//! - *Perfect schedule*: what workers reach that know all dependencies and lose no time.
//!
//! # Invariants
//! - What is executed is what the chain had: hashes, roots and senders are recomputed, never believed.
//! - A difference names the block, the way it was executed, and the field.
//! - No made load depends on anything but its name.
//!
//! # It is not
//! A part of a node: nothing below `node/weft` uses it, and nothing here decides what a Weft chain accepts.
//!
//! # Example
//! ```
//! use weft_replay::loads::Kind;
//! use weft_replay::plain::PlainLoop;
//!
//! let load = Kind::find("small-5").expect("it is in the table").make();
//! let run = PlainLoop::default();
//! let run = run.run(&load.input(), &*load.state, false)?;
//! assert_eq!(run.gas.len(), 5);
//! # Ok::<(), weft_replay::plain::PlainError>(())
//! ```

pub mod blocks;
pub mod difference;
pub mod fixture;
pub mod foreign;
mod header_rules;
pub mod judge;
pub mod load;
pub mod loads;
pub mod plain;
pub mod replay;
pub mod schedule;

pub use load::Load;
