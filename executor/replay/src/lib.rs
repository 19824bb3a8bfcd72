//! Judges the executor by foreign Ethereum blocks: real ones and test suites.

pub mod blocks;
pub mod difference;
pub mod load;
pub mod loads;
pub mod plain;
pub mod replay;
pub mod schedule;

pub use load::Load;
