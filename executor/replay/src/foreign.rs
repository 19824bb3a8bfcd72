//! Whole chains of Ethereum, from a genesis file in geth's format and the RLP of their blocks.
//!
//! An [`Importer`] takes one block after the other, judges its header by its parent's and by the
//! rules of its fork, executes it, and compares everything that the header says of the result, the
//! Merkle-Patricia state root included. What it does not do is look at the seal of a block before
//! the Merge (proof of work).
//!
//! The state lies in memory, so this is for test chains and small private networks.

mod genesis;
mod import;
mod reader;
#[cfg(test)]
mod tests;
mod work;

pub use genesis::{ForeignChain, GenesisFileError};
pub use import::{Imported, Importer};
pub use reader::{BLOCK_BYTES_MAX, BlockReader, ReadError};
