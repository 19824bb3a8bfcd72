//! The tip that is worth suggesting.
//!
//! # The rule
//! Tips matter only where blocks are full. So each of the last 20 blocks says what would have got
//! a transaction into it:
//! - one with room left (less than nine tenths of its gas used) took anybody: it says 0.1 gwei, or its
//!   lowest tip where that was less;
//! - a full one says its three lowest tips.
//!
//! The suggestion is what six tenths of these do not exceed (a block with room counts as three). When
//! the pool holds more than fits into the next block, it is besides at least one wei more than the
//! tip of the last transaction that fits. It is at least 1 wei and at most 500 gwei.
//!
//! Who follows the suggestion does not push it up: in blocks with room it never rises above 0.1 gwei,
//! whatever was paid there.

use super::history::BlockFees;
use crate::context::Context;
use crate::error::Failure;
use alloy_consensus::Transaction as _;
use weft_store::Head;

/// Blocks that are looked at.
const BLOCKS: u64 = 20;
/// Tips of a full block that count, and weight of one with room.
const TIPS_PER_BLOCK: usize = 3;
/// Place of the suggestion among what the blocks say, in percent.
const PERCENTILE: usize = 60;
/// What a block with room says: 0.1 gwei.
const TIP_WITH_ROOM: u128 = 100_000_000;
/// Lowest suggestion, in wei: a tip of nothing cannot be ordered before others.
const TIP_MIN: u128 = 1;
/// Highest suggestion, in wei (geth's).
const TIP_MAX: u128 = 500_000_000_000;

/// The suggested tip in wei. Computed once for each head.
pub(in crate::methods) fn suggested_tip(context: &Context) -> Result<u128, Failure> {
    let head = context.backend.store.head();
    if let Some((hash, tip)) = *context.tip.lock()
        && hash == head.block.hash()
    {
        return Ok(tip);
    }
    let newest = head.block.height().0;
    let oldest = newest.saturating_sub(BLOCKS - 1);
    let blocks = (oldest..=newest).map(|height| context.fees.get(context, height));
    // A block that is gone says nothing.
    let blocks: Vec<_> = blocks.filter_map(Result::ok).collect();
    let past = of_blocks(blocks.iter().map(AsRef::as_ref));
    let tip = past.max(of_pool(context, &head)).clamp(TIP_MIN, TIP_MAX);
    *context.tip.lock() = Some((head.block.hash(), tip));
    Ok(tip)
}

/// What the past says.
fn of_blocks<'a>(blocks: impl Iterator<Item = &'a BlockFees>) -> u128 {
    let mut said = Vec::new();
    for block in blocks {
        let lowest = block.tips.iter().map(|(tip, _)| *tip);
        let is_full = u128::from(block.gas_used) * 10 >= u128::from(block.gas_limit) * 9;
        if is_full {
            said.extend(lowest.take(TIPS_PER_BLOCK));
        } else {
            let tip = lowest.take(1).fold(TIP_WITH_ROOM, u128::min);
            said.extend([tip; TIPS_PER_BLOCK]);
        }
    }
    said.sort_unstable();
    let place = said.len().saturating_sub(1) * PERCENTILE / 100;
    said.get(place).copied().unwrap_or(TIP_WITH_ROOM)
}

/// What gets a transaction into the next block when the pool holds more than fits.
fn of_pool(context: &Context, head: &Head) -> u128 {
    let base_fee = context.next_base_fee(head.block.header());
    let gas_limit = context.next_header(head).gas_limit;
    let (mut gas, mut marginal) = (0u64, None);
    // Of plain transfers no more are handed out than fit, and it is the first that does not that counts.
    for transaction in context.backend.pool.best(base_fee, gas_limit.saturating_mul(2)) {
        gas = gas.saturating_add(transaction.gas_limit());
        if gas > gas_limit {
            return marginal.map_or(0, |tip: u128| tip.saturating_add(1));
        }
        marginal = transaction.effective_tip_per_gas(base_fee);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(gas_used: u64, tips: &[u128]) -> BlockFees {
        BlockFees::of(gas_used, 100, tips.iter().map(|tip| (*tip, 1)).collect())
    }

    fn suggestion(blocks: &[BlockFees]) -> u128 {
        of_blocks(blocks.iter())
    }

    #[test]
    fn blocks_with_room_suggest_little_whatever_was_paid_in_them() {
        assert_eq!(suggestion(&[]), TIP_WITH_ROOM);
        assert_eq!(suggestion(&[block(0, &[])]), TIP_WITH_ROOM);
        let generous = block(89, &[5_000_000_000]);
        assert_eq!(suggestion(&[generous]), TIP_WITH_ROOM);
        assert_eq!(suggestion(&[block(10, &[7, 9])]), 7, "somebody got in for less");
    }

    #[test]
    fn full_blocks_suggest_what_their_cheapest_paid() {
        let full = [50, 60, 70, 1_000];
        assert_eq!(suggestion(&[block(90, &full)]), 60);
        // Two with room and two full ones: six of ten answers are those of the full ones.
        let mixed = [block(0, &[1]), block(0, &[1]), block(100, &full), block(100, &full)];
        assert_eq!(suggestion(&mixed), 50);
        let calm = [block(0, &[1]), block(0, &[1]), block(0, &[1]), block(100, &full)];
        assert_eq!(suggestion(&calm), 1, "one full block is no congestion");
    }
}
