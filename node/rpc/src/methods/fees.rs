//! What gas costs: computed from the blocks, never a constant.

use super::{Module, blocking, quick};
use crate::context::{Context, Work};
use crate::convert::gas_used;
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_consensus::Transaction as _;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{U64, U128, U256};
use alloy_rpc_types_eth::FeeHistory;
use weft_types::header::next_base_fee;
use weft_types::{Receipt, Transaction};

/// Most blocks of one `eth_feeHistory`.
const HISTORY_BLOCKS_MAX: u64 = 1024;
/// Most percentiles of one `eth_feeHistory`.
const PERCENTILES_MAX: usize = 100;
/// Blocks that the suggested tip looks at.
const TIP_BLOCKS: u64 = 20;
/// Cheapest transactions of each of them that count.
const TIPS_PER_BLOCK: usize = 3;
/// Place of the suggestion among the tips found, in percent.
const TIP_PERCENTILE: usize = 60;
/// Suggested tip while no recent block has a transaction: 0.1 gwei.
const TIP_WITHOUT_SAMPLES: u128 = 100_000_000;
/// Lowest suggestion, in wei: a tip of nothing cannot be ordered before others.
const TIP_MIN: u128 = 1;

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_gasPrice", 0, Work::Read, |context, _| {
        let base_fee = next_base_fee(context.backend.store.head().block.header());
        Ok(U256::from(base_fee) + U256::from(suggested_tip(context)?))
    });
    blocking(module, "eth_maxPriorityFeePerGas", 0, Work::Read, |context, _| {
        Ok(U128::from(suggested_tip(context)?))
    });
    quick(module, "eth_baseFee", 0, |context, _| {
        Ok(U64::from(next_base_fee(context.backend.store.head().block.header())))
    });
    quick(module, "eth_blobBaseFee", 0, |context, _| {
        let head = context.backend.store.head();
        Ok(U128::from(context.next_blob_base_fee(head.block.header())))
    });
    blocking(module, "eth_feeHistory", 3, Work::Call, fee_history);
}

/// The tip that 60 % of the cheapest transactions of the recent blocks did not exceed, in wei.
pub(super) fn suggested_tip(context: &Context) -> Result<u128, Failure> {
    let head = context.backend.store.head();
    if let Some((hash, tip)) = *context.tip.lock()
        && hash == head.block.hash()
    {
        return Ok(tip);
    }
    let newest = head.block.height().0;
    let mut samples = Vec::new();
    for height in newest.saturating_sub(TIP_BLOCKS - 1)..=newest {
        let Some(stored) = context.backend.store.block(height)? else { continue };
        let block = stored.block;
        let base_fee = block.header().base_fee_per_gas.unwrap_or(0);
        let mut tips = tips(block.transactions(), base_fee);
        tips.sort_unstable();
        samples.extend(tips.into_iter().take(TIPS_PER_BLOCK));
    }
    samples.sort_unstable();
    let place = (samples.len().saturating_sub(1)) * TIP_PERCENTILE / 100;
    let tip = samples.get(place).map_or(TIP_WITHOUT_SAMPLES, |tip| (*tip).max(TIP_MIN));
    *context.tip.lock() = Some((head.block.hash(), tip));
    Ok(tip)
}

/// What each transaction paid the proposer per gas, in wei.
fn tips(transactions: &[Transaction], base_fee: u64) -> Vec<u128> {
    let tip = |tx: &Transaction| tx.effective_tip_per_gas(base_fee).unwrap_or(0);
    transactions.iter().map(tip).collect()
}

fn fee_history(context: &Context, args: &mut Args<'_>) -> Result<FeeHistory, Failure> {
    let count: Quantity = args.required("blockCount")?;
    let newest: BlockNumberOrTag = args.required("newestBlock")?;
    let percentiles: Vec<f64> = args.optional("rewardPercentiles")?.unwrap_or_default();
    check_percentiles(&percentiles)?;
    let at = context.at(BlockId::Number(newest))?;
    let count = count.0.min(HISTORY_BLOCKS_MAX).min(at.height + 1);
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let oldest = at.height + 1 - count;
    let mut history = FeeHistory {
        oldest_block: oldest,
        reward: (!percentiles.is_empty()).then(Vec::new),
        ..FeeHistory::default()
    };
    for height in oldest..=at.height {
        let header = context.backend.store.header(height)?;
        let header = header.ok_or_else(|| Failure::internal(format!("no header {height}")))?;
        let base_fee = header.base_fee_per_gas.unwrap_or(0);
        history.base_fee_per_gas.push(u128::from(base_fee));
        history.base_fee_per_blob_gas.push(context.blob_base_fee(&header));
        history.blob_gas_used_ratio.push(context.blob_gas_used_ratio(&header));
        history.gas_used_ratio.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
        if let Some(rewards) = &mut history.reward {
            let block = context.block(height)?.block;
            let receipts = context.receipts(height)?;
            rewards.push(rewards_at(block.transactions(), &receipts, base_fee, &percentiles));
        }
        if height == at.height {
            // The fee of the next block is fixed by this one, whether that block exists or not.
            history.base_fee_per_gas.push(u128::from(next_base_fee(&header)));
            history.base_fee_per_blob_gas.push(context.next_blob_base_fee(&header));
        }
    }
    Ok(history)
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), Failure> {
    let refuse = |reason: String| Failure::Argument { index: 2, name: "rewardPercentiles", reason };
    if percentiles.len() > PERCENTILES_MAX {
        let found = percentiles.len();
        return Err(refuse(format!("expected at most {PERCENTILES_MAX} values, found {found}")));
    }
    if let Some(bad) = percentiles.iter().find(|p| !(0.0..=100.0).contains(*p)) {
        return Err(refuse(format!("expected values from 0 to 100, found {bad}")));
    }
    if percentiles.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(refuse("expected ascending values".to_owned()));
    }
    Ok(())
}

/// Tips at the percentiles of the block's gas, cheapest first; zeros for a block without gas.
fn rewards_at(
    transactions: &[Transaction],
    receipts: &[Receipt],
    base_fee: u64,
    percentiles: &[f64],
) -> Vec<u128> {
    let mut paid: Vec<(u128, u64)> =
        tips(transactions, base_fee).into_iter().zip(gas_used(receipts)).collect();
    paid.sort_unstable();
    let total: u64 = paid.iter().map(|(_, gas)| gas).sum();
    let mut rewards = Vec::with_capacity(percentiles.len());
    let (mut index, mut gas) = (0, paid.first().map_or(0, |(_, gas)| *gas));
    for percentile in percentiles {
        let threshold = (total as f64 * percentile / 100.0) as u64;
        while gas < threshold && index + 1 < paid.len() {
            index += 1;
            gas += paid[index].1;
        }
        rewards.push(paid.get(index).map_or(0, |(tip, _)| *tip));
    }
    rewards
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{
        Eip658Value, Receipt as Plain, ReceiptEnvelope, SignableTransaction, TxEip1559,
    };
    use alloy_primitives::Signature;

    fn block(paid: &[(u128, u64)]) -> (Vec<Transaction>, Vec<Receipt>) {
        let mut cumulative = 0;
        paid.iter()
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
            .unzip()
    }

    #[test]
    fn rewards_are_weighted_by_gas() {
        let (transactions, receipts) = block(&[(30, 10), (10, 80), (20, 10)]);
        let percentiles = [0.0, 50.0, 80.0, 85.0, 95.0, 100.0];
        let rewards = rewards_at(&transactions, &receipts, 7, &percentiles);
        assert_eq!(rewards, [10, 10, 10, 20, 30, 30]);
        assert_eq!(rewards_at(&[], &[], 7, &percentiles), [0; 6]);
    }

    #[test]
    fn percentiles_must_ascend_within_a_hundred() {
        assert!(check_percentiles(&[0.0, 50.0, 50.0, 100.0]).is_ok());
        for bad in [vec![50.0, 10.0], vec![-1.0], vec![100.5], vec![f64::NAN], vec![1.0; 101]] {
            assert_eq!(check_percentiles(&bad).unwrap_err().code(), -32602, "{bad:?}");
        }
    }
}
