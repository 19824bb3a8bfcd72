//! Whole-block tests: the parallel run, the sequential run and a plain revm loop must agree.

pub(crate) mod asm;
mod beneficiary;
mod calls;
mod hazards;
mod plain;
mod property;
mod verdicts;
pub(crate) mod world;
