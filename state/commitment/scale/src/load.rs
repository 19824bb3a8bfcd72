//! The same keys and changes for everybody.

use alloy_primitives::B256;

/// Keys that one block changes.
pub(crate) const CHANGES: usize = 20_000;
/// Blocks that are measured.
pub(crate) const BLOCKS: usize = 40;

/// A state and blocks that change it.
pub(crate) struct Load {
    pub(crate) keys: u64,
}

impl Load {
    pub(crate) fn new(keys: u64) -> Self {
        Self { keys }
    }

    /// All keys with their first values, in no order.
    pub(crate) fn state(&self) -> impl Iterator<Item = (B256, B256)> {
        (0..self.keys).map(|number| (key(number), value(number, 0)))
    }

    /// The changes of one block: each key once, in no order.
    pub(crate) fn block(&self, block: usize) -> Vec<(B256, B256)> {
        // A step that is coprime to the number of keys visits each key once.
        let step = 7_919 * 104_729 % self.keys | 1;
        let start = block as u64 * 1_299_709;
        let number = |i: u64| (start + i * step) % self.keys;
        (0..CHANGES as u64).map(|i| (key(number(i)), value(number(i), block as u64 + 1))).collect()
    }
}

fn key(number: u64) -> B256 {
    B256::from(*blake3::hash(&number.to_be_bytes()).as_bytes())
}

fn value(number: u64, version: u64) -> B256 {
    let mut value = [1u8; 32];
    value[..8].copy_from_slice(&number.to_be_bytes());
    value[8..16].copy_from_slice(&version.to_be_bytes());
    B256::from(value)
}
