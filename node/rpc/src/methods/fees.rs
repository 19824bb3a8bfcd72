//! What gas costs: computed from the blocks and the pool, never a constant.

pub(crate) mod history;
pub(super) mod oracle;

use super::{Module, blocking, quick};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{U64, U128, U256};
use alloy_rpc_types_eth::FeeHistory;
use oracle::suggested_tip;
use weft_store::Kept;

/// Most blocks of one `eth_feeHistory`.
const HISTORY_BLOCKS_MAX: u64 = 1024;
/// Most percentiles of one `eth_feeHistory`.
const PERCENTILES_MAX: usize = 100;

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_gasPrice", 0, Work::Read, |context, _| {
        let base_fee = context.next_base_fee(context.backend.store.head().block.header());
        Ok(U256::from(base_fee) + U256::from(suggested_tip(context)?))
    });
    blocking(module, "eth_maxPriorityFeePerGas", 0, Work::Read, |context, _| {
        Ok(U128::from(suggested_tip(context)?))
    });
    quick(module, "eth_baseFee", 0, |context, _| {
        Ok(U64::from(context.next_base_fee(context.backend.store.head().block.header())))
    });
    quick(module, "eth_blobBaseFee", 0, |context, _| {
        let head = context.backend.store.head();
        Ok(U128::from(context.next_blob_base_fee(head.block.header())))
    });
    blocking(module, "eth_feeHistory", 3, Work::Call, fee_history);
}

/// Fewer blocks than asked for when there are no more, or when older ones are not kept.
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
    let kept = context.backend.store.oldest().of(Kept::Receipts);
    let oldest = (at.height + 1 - count).max(kept.min(at.height));
    let mut history = FeeHistory {
        oldest_block: oldest,
        reward: (!percentiles.is_empty()).then(Vec::new),
        ..FeeHistory::default()
    };
    for height in oldest..=at.height {
        let block = context.fees.get(context, height)?;
        history.base_fee_per_gas.push(u128::from(block.base_fee));
        history.base_fee_per_blob_gas.push(block.blob_base_fees[0]);
        history.gas_used_ratio.push(block.gas_used_ratio());
        history.blob_gas_used_ratio.push(block.blob_gas_used_ratio);
        if let Some(rewards) = &mut history.reward {
            rewards.push(block.rewards(&percentiles));
        }
        if height == at.height {
            // The fee of the next block is fixed, whether that block exists or not.
            history.base_fee_per_gas.push(u128::from(base_fee_after(context, height)?));
            history.base_fee_per_blob_gas.push(block.blob_base_fees[1]);
        }
    }
    Ok(history)
}

/// Base fee of the block after the one at `height`, which must not be above the head.
fn base_fee_after(context: &Context, height: u64) -> Result<u64, Failure> {
    let head = context.backend.store.head();
    if height >= head.block.height().0 {
        return Ok(context.next_base_fee(head.block.header()));
    }
    let header = context.backend.store.header(height + 1)?;
    Ok(header.and_then(|header| header.base_fee_per_gas).unwrap_or(0))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_must_ascend_within_a_hundred() {
        assert!(check_percentiles(&[0.0, 50.0, 50.0, 100.0]).is_ok());
        for bad in [vec![50.0, 10.0], vec![-1.0], vec![100.5], vec![f64::NAN], vec![1.0; 101]] {
            assert_eq!(check_percentiles(&bad).unwrap_err().code(), -32602, "{bad:?}");
        }
    }
}
