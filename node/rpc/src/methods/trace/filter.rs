//! `trace_filter`: the calls of a range of blocks from or to some addresses.

use super::super::replay::{Replay, budget};
use super::block_traces;
use crate::context::Context;
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::Address;
use alloy_rpc_types_trace::filter::{TraceFilter, TraceFilterMode};
use alloy_rpc_types_trace::parity::LocalizedTransactionTrace;
use serde::Deserialize;
use std::collections::BTreeSet;
use weft_store::{Kept, TOUCHING_MAX, Touch};

/// Most traces that one answer has.
const RESULTS_MAX: usize = 10_000;

/// Most blocks of a range; of these, few enough must be worth running.
const RANGE_MAX: u64 = 100_000;

/// What callers send.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Query {
    from_block: Option<BlockNumberOrTag>,
    to_block: Option<BlockNumberOrTag>,
    from_address: Option<Vec<Address>>,
    to_address: Option<Vec<Address>>,
    mode: Option<TraceFilterMode>,
    after: Option<Quantity>,
    count: Option<Quantity>,
}

/// Without `fromBlock` and `toBlock`: the newest block. `mode` without a value is `union`, as the documentation of the
/// method has it.
pub(super) fn filter(
    context: &Context,
    args: &mut Args<'_>,
) -> Result<Vec<LocalizedTransactionTrace>, Failure> {
    let query: Query = args.required("filter")?;
    let height = |tag: Option<BlockNumberOrTag>| {
        context.at(BlockId::Number(tag.unwrap_or_default())).map(|at| at.height)
    };
    let (from, to) = (height(query.from_block)?, height(query.to_block)?);
    if from > to {
        let reason = format!("fromBlock {from:#x} is above toBlock {to:#x}");
        return Err(Failure::Parameters { reason });
    }
    if to - from >= RANGE_MAX {
        let reason =
            format!("too many blocks: expected at most {RANGE_MAX}, found {}", to - from + 1);
        return Err(Failure::LogsRange { reason, from, to: from + RANGE_MAX - 1 });
    }
    let addresses = TraceFilter::default()
        .from_address(query.from_address.unwrap_or_default())
        .to_address(query.to_address.unwrap_or_default())
        .mode(query.mode.unwrap_or(TraceFilterMode::Union));
    let matcher = addresses.matcher();
    let after = usize::try_from(query.after.map_or(0, |after| after.0)).unwrap_or(usize::MAX);
    let asked = query.count.map(|count| usize::try_from(count.0).unwrap_or(usize::MAX));
    let count = asked.unwrap_or(RESULTS_MAX).min(RESULTS_MAX);
    let mut budget = budget(context, None)?;
    let (mut seen, mut found) = (0usize, Vec::new());
    for height in worth_running(context, &addresses, from, to)? {
        if found.len() >= count {
            break;
        }
        let narrow = |failure: Failure| match failure {
            Failure::Limit { reason } if height > from => {
                Failure::LogsRange { reason, from, to: height - 1 }
            }
            other => other,
        };
        budget.check().map_err(|spent| narrow(spent.into()))?;
        let replay = Replay::of(context, height)?;
        for trace in block_traces(&replay, &mut budget).map_err(narrow)? {
            if !matcher.matches(&trace.trace) {
                continue;
            }
            seen += 1;
            if seen <= after {
                continue;
            }
            if found.len() >= count {
                if asked.is_none_or(|asked| asked > RESULTS_MAX) {
                    let reason = format!("more than {RESULTS_MAX} traces; use after and count");
                    return Err(Failure::Limit { reason });
                }
                break;
            }
            found.push(trace);
        }
    }
    Ok(found)
}

/// The blocks of the range that can have traces that fit, as far as headers and the index of addresses tell.
///
/// # Errors
/// [`Failure::LogsRange`] when there are too many of them.
fn worth_running(
    context: &Context,
    query: &TraceFilter,
    from: u64,
    to: u64,
) -> Result<Vec<u64>, Failure> {
    let touching = touching(context, query, from, to)?;
    let named = |address: &Address| {
        query.from_address.contains(address) || query.to_address.contains(address)
    };
    let most = context.config.trace_blocks_max;
    let mut heights = Vec::new();
    for height in from.max(1)..=to {
        let Some(header) = context.backend.store.header(height)? else { continue };
        if header.transactions_root == EMPTY_ROOT_HASH {
            continue;
        }
        // Without a list the index knows only whom transactions name, and it never knows that a fee recipient was called.
        let indexed = header.block_access_list_hash.is_some() && !named(&header.beneficiary);
        if indexed && touching.as_ref().is_some_and(|heights| !heights.contains(&height)) {
            continue;
        }
        if heights.len() as u64 >= most {
            let reason = format!("more than {most} blocks would have to be run again");
            return Err(Failure::LogsRange { reason, from, to: height - 1 });
        }
        heights.push(height);
    }
    Ok(heights)
}

/// The blocks that touch an address that each fitting trace must name; `None` when the index cannot tell.
fn touching(
    context: &Context,
    query: &TraceFilter,
    from: u64,
    to: u64,
) -> Result<Option<BTreeSet<u64>>, Failure> {
    let (senders, targets) = (&query.from_address, &query.to_address);
    let addresses: Vec<&Address> = match query.mode {
        TraceFilterMode::Intersection if !senders.is_empty() => senders.iter().collect(),
        _ => senders.iter().chain(targets).collect(),
    };
    let by_itself = [
        BEACON_ROOTS_ADDRESS,
        HISTORY_STORAGE_ADDRESS,
        WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    ];
    let store = &context.backend.store;
    let untold = addresses.is_empty()
        || addresses.iter().any(|address| by_itself.contains(address))
        || store.oldest().of(Kept::Logs) > from.max(1);
    if untold {
        return Ok(None);
    }
    let mut heights = BTreeSet::new();
    for address in addresses {
        let found = store.touching_from(Touch::Any, address, from, TOUCHING_MAX)?;
        let cut_off = found.len() == TOUCHING_MAX && found.last().is_some_and(|last| *last < to);
        if cut_off {
            return Ok(None);
        }
        heights.extend(found);
    }
    Ok(Some(heights))
}
