//! Whole-block tests: the parallel run, the sequential run and a plain revm loop must agree.

pub(crate) mod asm;
mod beneficiary;
mod calls;
mod commands;
pub(crate) mod dice;
mod hazards;
mod honesty;
mod lifecycle;
mod lists;
mod plain;
mod property;
pub(crate) mod puppet;
mod table;
mod verdicts;
pub(crate) mod world;
