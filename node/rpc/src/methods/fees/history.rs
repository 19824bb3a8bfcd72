//! What blocks tell of prices, kept for the blocks that are asked for again and again.

use crate::context::Context;
use crate::convert::gas_used;
use crate::error::Failure;
use alloy_consensus::Transaction as _;
use alloy_primitives::B256;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_types::{Receipt, Transaction};

/// Most blocks kept: as many as one `eth_feeHistory` may ask for.
const BLOCKS_MAX: usize = 1024;
/// Most distinct tips kept, of all blocks together: 16 MiB of them.
const TIPS_MAX: usize = 512 * 1024;

/// Prices of one block.
#[derive(Debug)]
pub(crate) struct BlockFees {
    hash: B256,
    /// Base fee in wei.
    pub(super) base_fee: u64,
    /// Blob base fee, and that of the block after it, in wei (EIP-4844).
    pub(super) blob_base_fees: [u128; 2],
    /// Share of the blob gas that was used.
    pub(super) blob_gas_used_ratio: f64,
    pub(super) gas_used: u64,
    pub(super) gas_limit: u64,
    /// What proposers earned per gas, in wei, and for how much gas; the lowest first, each once.
    pub(super) tips: Vec<(u128, u64)>,
}

impl BlockFees {
    /// Tips at the percentiles of the block's gas, cheapest first; zeros for a block without gas.
    pub(super) fn rewards(&self, percentiles: &[f64]) -> Vec<u128> {
        let total: u64 = self.tips.iter().map(|(_, gas)| gas).sum();
        let mut rewards = Vec::with_capacity(percentiles.len());
        let (mut index, mut gas) = (0, self.tips.first().map_or(0, |(_, gas)| *gas));
        for percentile in percentiles {
            let threshold = (total as f64 * percentile / 100.0) as u64;
            while gas < threshold && index + 1 < self.tips.len() {
                index += 1;
                gas += self.tips[index].1;
            }
            rewards.push(self.tips.get(index).map_or(0, |(tip, _)| *tip));
        }
        rewards
    }

    /// Share of the gas limit that was used.
    pub(super) fn gas_used_ratio(&self) -> f64 {
        self.gas_used as f64 / self.gas_limit.max(1) as f64
    }
}

/// Tips with their gas, the lowest first and equal ones together.
fn tips(transactions: &[Transaction], receipts: &[Receipt], base_fee: u64) -> Vec<(u128, u64)> {
    let tip = |tx: &Transaction| tx.effective_tip_per_gas(base_fee).unwrap_or(0);
    let mut paid: Vec<(u128, u64)> = transactions.iter().map(tip).zip(gas_used(receipts)).collect();
    paid.sort_unstable();
    paid.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    paid
}

/// The newest blocks that were asked for, within a budget. A hint: each is compared with the hash
/// that the chain has at its height.
#[derive(Debug, Default)]
pub(crate) struct FeeBlocks {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    blocks: BTreeMap<u64, Arc<BlockFees>>,
    tips: usize,
}

impl Kept {
    fn insert(&mut self, height: u64, block: Arc<BlockFees>) {
        self.tips += block.tips.len();
        if let Some(old) = self.blocks.insert(height, block) {
            self.tips -= old.tips.len();
        }
        while self.blocks.len() > BLOCKS_MAX || self.tips > TIPS_MAX {
            let Some((_, lowest)) = self.blocks.pop_first() else { break };
            self.tips -= lowest.tips.len();
        }
    }
}

impl FeeBlocks {
    /// Prices of the committed block at `height`, which must not be above the head.
    pub(super) fn get(&self, context: &Context, height: u64) -> Result<Arc<BlockFees>, Failure> {
        let kept = self.kept.lock().blocks.get(&height).cloned();
        if let Some(kept) = kept
            && context.backend.store.hash_of(height)? == Some(kept.hash)
        {
            return Ok(kept);
        }
        let block = context.block(height)?.block;
        let receipts = context.receipts(height)?;
        let header = block.header();
        let base_fee = header.base_fee_per_gas.unwrap_or(0);
        let fees = Arc::new(BlockFees {
            hash: block.hash(),
            base_fee,
            blob_base_fees: [context.blob_base_fee(header), context.next_blob_base_fee(header)],
            blob_gas_used_ratio: context.blob_gas_used_ratio(header),
            gas_used: header.gas_used,
            gas_limit: header.gas_limit,
            tips: tips(block.transactions(), &receipts, base_fee),
        });
        self.kept.lock().insert(height, Arc::clone(&fees));
        Ok(fees)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{
        Eip658Value, Receipt as Plain, ReceiptEnvelope, SignableTransaction, TxEip1559,
    };
    use alloy_primitives::{Signature, U256};

    fn block(paid: &[(u128, u64)]) -> BlockFees {
        let mut cumulative = 0;
        let (transactions, receipts): (Vec<Transaction>, Vec<Receipt>) = paid
            .iter()
            .map(|(tip, gas)| {
                let tx = TxEip1559 {
                    max_fee_per_gas: 1_000,
                    max_priority_fee_per_gas: *tip,
                    ..TxEip1559::default()
                };
                cumulative += gas;
                let receipt = Plain {
                    status: Eip658Value::Eip658(true),
                    cumulative_gas_used: cumulative,
                    logs: Vec::new(),
                };
                let signature = Signature::new(U256::from(1), U256::from(1), false);
                let transaction = tx.into_signed(signature).into();
                (transaction, ReceiptEnvelope::Eip1559(receipt.with_bloom()))
            })
            .unzip();
        BlockFees {
            hash: B256::ZERO,
            base_fee: 7,
            blob_base_fees: [1; 2],
            blob_gas_used_ratio: 0.0,
            gas_used: cumulative,
            gas_limit: 200,
            tips: tips(&transactions, &receipts, 7),
        }
    }

    impl BlockFees {
        /// A block with these tips and gas of which nothing else matters.
        pub(in crate::methods::fees) fn of(
            gas_used: u64,
            gas_limit: u64,
            tips: Vec<(u128, u64)>,
        ) -> Self {
            Self { gas_used, gas_limit, tips, ..block(&[]) }
        }
    }

    #[test]
    fn rewards_are_weighted_by_gas() {
        let percentiles = [0.0, 50.0, 80.0, 85.0, 95.0, 100.0];
        let mixed = block(&[(30, 10), (10, 80), (20, 10)]);
        assert_eq!(mixed.rewards(&percentiles), [10, 10, 10, 20, 30, 30]);
        assert!((mixed.gas_used_ratio() - 0.5).abs() < f64::EPSILON);
        let split = block(&[(30, 10), (10, 30), (20, 10), (10, 50)]);
        assert_eq!(split.tips, mixed.tips, "equal tips are one");
        assert_eq!(block(&[]).rewards(&percentiles), [0; 6]);
        let capped = block(&[(5_000, 10)]);
        assert_eq!(capped.rewards(&[50.0]), [993], "the fee cap leaves no more");
    }

    #[test]
    fn the_memory_of_blocks_is_bounded_by_number_and_by_tips() {
        let many = |tips| {
            let tips = (0..tips).map(|tip| (tip, 1)).collect();
            Arc::new(BlockFees { tips, ..block(&[]) })
        };
        let mut kept = Kept::default();
        (0..2_000).for_each(|height| kept.insert(height, many(1)));
        assert_eq!((kept.blocks.len(), kept.tips), (BLOCKS_MAX, BLOCKS_MAX));
        assert!(kept.blocks.contains_key(&1_999) && !kept.blocks.contains_key(&0));
        (3_000..3_100).for_each(|height| kept.insert(height, many(10_000)));
        assert!(kept.tips <= TIPS_MAX && kept.blocks.len() == 52, "{}", kept.blocks.len());
        kept.insert(3_099, many(1));
        assert_eq!(kept.tips, 51 * 10_000 + 1, "a block in the place of another");
    }
}
