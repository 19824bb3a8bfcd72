//! `eth_simulateV1`: blocks that could follow, one call after the other, on a state that may be changed before.
//!
//! Source: execution-apis, `eth_simulateV1`. A simulated block has no state root: this chain's is a hash over
//! the whole state, so the field is zero, and the block hash follows from that.

use super::replay::budget;
use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Args;
use alloy_eips::BlockId;
use alloy_rpc_types_eth::simulate::{SimBlock, SimulatePayload};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest};
use blocks::Simulator;
use serde_json::Value;
use weft_trace::World;
use weft_types::Header;

mod blocks;
mod calls;
mod many;

/// Most blocks of one simulation, those that fill gaps included.
const BLOCKS_MAX: u64 = 256;
/// Seconds between simulated blocks when the caller does not say.
const BLOCK_SECONDS: u64 = 12;

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_simulateV1", 2, Work::Trace, simulate);
    blocking(module, "eth_callMany", 3, Work::Trace, many::call_many);
    blocking(module, "eth_createAccessList", 4, Work::Trace, many::create_access_list);
}

/// An error with a code of its own.
fn coded(code: i32, reason: impl Into<String>) -> Failure {
    Failure::Coded { code, reason: reason.into() }
}

fn simulate(context: &Context, args: &mut Args<'_>) -> Result<Vec<Value>, Failure> {
    let payload: SimulatePayload = args.required("payload")?;
    let id: Option<BlockId> = args.optional("block")?;
    if payload.block_state_calls.is_empty() {
        return Err(coded(-32602, "empty input"));
    }
    if payload.block_state_calls.len() as u64 > BLOCKS_MAX {
        return Err(coded(-38026, "too many blocks"));
    }
    let at = context.find(id.unwrap_or_default())?;
    let at = at.ok_or_else(|| coded(-32000, "header not found"))?;
    // The block that the simulated ones follow: the head for "pending" as well.
    let base = context.block(at.height)?.block;
    let blocks = in_order(base.header(), payload.block_state_calls)?;
    let state = context.state(&at)?;
    let mut simulator = Simulator {
        context,
        validation: payload.validation,
        transfers: payload.trace_transfers,
        full: payload.return_full_transactions,
        gas_left: context.config.gas_cap,
        budget: budget(context, None)?,
        world: World::new(&*state),
        base: at.height,
        parent: base.header().clone(),
        parent_hash: base.hash(),
    };
    blocks.into_iter().map(|block| simulator.block(block)).collect()
}

/// Gives every block its number and time, and adds the ones that are missing in between.
fn in_order(base: &Header, given: Vec<SimBlock>) -> Result<Vec<SimBlock>, Failure> {
    let (mut number, mut time) = (base.number, base.timestamp);
    let mut blocks = Vec::with_capacity(given.len());
    for mut block in given {
        let mut overrides = block.block_overrides.take().unwrap_or_default();
        let next = match overrides.number {
            None => number + 1,
            Some(wanted) => u64::try_from(wanted)
                .map_err(|_| coded(-38020, format!("block number {wanted} is too large")))?,
        };
        if next <= number {
            let reason = format!("block numbers must be in order: {next} <= {number}");
            return Err(coded(-38020, reason));
        }
        if next - base.number > BLOCKS_MAX {
            return Err(coded(-38026, "too many blocks"));
        }
        while number + 1 < next {
            (number, time) = (number + 1, time.saturating_add(BLOCK_SECONDS));
            blocks.push(placed(SimBlock::<TransactionRequest>::default(), number, time));
        }
        let then = overrides.time.unwrap_or(time.saturating_add(BLOCK_SECONDS));
        if then <= time {
            let reason = format!("block timestamps must be in order: {then} <= {time}");
            return Err(coded(-38021, reason));
        }
        (number, time) = (next, then);
        overrides.number = None;
        block.block_overrides = Some(overrides);
        blocks.push(placed(block, number, time));
    }
    Ok(blocks)
}

fn placed(mut block: SimBlock, number: u64, time: u64) -> SimBlock {
    let overrides = block.block_overrides.take().unwrap_or_default();
    let number = Some(alloy_primitives::U256::from(number));
    block.block_overrides = Some(BlockOverrides { number, time: Some(time), ..overrides });
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    fn base() -> Header {
        Header { number: 10, timestamp: 100, ..Header::default() }
    }

    fn at(number: Option<u64>, time: Option<u64>) -> SimBlock {
        let number = number.map(U256::from);
        SimBlock {
            block_overrides: Some(BlockOverrides { number, time, ..BlockOverrides::default() }),
            ..SimBlock::default()
        }
    }

    #[test]
    fn gaps_are_filled_and_times_go_on() {
        let blocks =
            in_order(&base(), vec![at(None, None), at(Some(14), None), at(None, Some(200))]);
        let places: Vec<_> = blocks
            .unwrap()
            .into_iter()
            .map(|block| block.block_overrides.unwrap())
            .map(|overrides| (overrides.number.unwrap().to::<u64>(), overrides.time.unwrap()))
            .collect();
        assert_eq!(places, [(11, 112), (12, 124), (13, 136), (14, 148), (15, 200)]);
    }

    #[test]
    fn disorder_and_excess_have_the_codes_of_the_specification() {
        let code = |blocks| in_order(&base(), blocks).unwrap_err().code();
        assert_eq!(code(vec![at(Some(10), None)]), -38020);
        assert_eq!(code(vec![at(Some(12), None), at(Some(12), None)]), -38020);
        assert_eq!(code(vec![at(None, Some(100))]), -38021);
        assert_eq!(code(vec![at(Some(13), Some(110))]), -38021, "the gap takes 24 seconds");
        assert_eq!(code(vec![at(Some(267), None)]), -38026);
        assert_eq!(in_order(&base(), vec![at(Some(266), None)]).unwrap().len(), 256);
    }
}
