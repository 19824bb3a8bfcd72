//! Judges the executor by foreign Ethereum blocks: real ones and test suites.

pub mod blocks;
pub mod difference;
pub mod fixture;
mod header_rules;
pub mod judge;
pub mod load;
pub mod loads;
pub mod plain;
pub mod replay;
pub mod schedule;
pub mod trie_root;

pub use load::Load;
