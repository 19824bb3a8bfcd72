//! `eth_getLogs`: the index says which blocks may match; only their receipts are read.

use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::convert;
use crate::error::Failure;
use alloy_eips::BlockId;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use weft_store::LogQuery;
use weft_types::{Receipt, SealedBlock};

/// Most addresses, and most topics at one position, of one filter.
const ALTERNATIVES_MAX: usize = 1000;

/// Encoded size of the logs of more than one block at which a search stops, in bytes.
const RESULT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Encoded size of a log without its data, in bytes.
const LOG_BYTES: usize = 900;

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_getLogs", 1, Work::Call, |context, args| {
        let filter: Filter = args.required("filter")?;
        check(&filter)?;
        let (from, to) = match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let height = context.at(BlockId::from(hash))?.height;
                (height, height)
            }
            FilterBlockOption::Range { to_block, .. } => {
                let head = context.backend.store.head().block.height().0;
                if to_block.and_then(|to| to.as_number()).is_some_and(|to| to > head) {
                    // Whoever asks for blocks that do not exist yet would take the answer for theirs.
                    let reason = "block range extends beyond current head block".to_owned();
                    return Err(Failure::Parameters { reason });
                }
                range(context, &filter)?
            }
        };
        search(context, &filter, from, to)
    });
}

/// Refuses filters that are too large to match quickly.
pub(super) fn check(filter: &Filter) -> Result<(), Failure> {
    let widest = filter.topics.iter().map(|topic| topic.len()).max().unwrap_or(0);
    let widest = widest.max(filter.address.len());
    if widest > ALTERNATIVES_MAX {
        let reason =
            format!("filter has {widest} alternatives at one place, limit {ALTERNATIVES_MAX}");
        return Err(Failure::Limit { reason });
    }
    Ok(())
}

/// First and last height of a filter with a range. A range that ends above the head ends at it.
pub(super) fn range(context: &Context, filter: &Filter) -> Result<(u64, u64), Failure> {
    let head = context.backend.store.head().block.height().0;
    let (from, to) = filter.block_option.as_range();
    let number = |tag: Option<&alloy_eips::BlockNumberOrTag>| {
        tag.map_or(Ok(head), |tag| match tag.as_number() {
            Some(number) => Ok(number),
            None => context.at(BlockId::Number(*tag)).map(|at| at.height),
        })
    };
    let (from, to) = (number(from)?, number(to)?);
    if from > to {
        let reason = format!("invalid block range params: from {from} is above to {to}");
        return Err(Failure::Parameters { reason });
    }
    if from > head {
        return Err(Failure::UnknownBlock);
    }
    Ok((from, to.min(head)))
}

/// Logs of the blocks `from` to `to`, which must not be above the head.
///
/// # Errors
/// [`Failure::LogsRange`] with a smaller range that starts at `from` and succeeds: whoever follows
/// it makes progress. A single block always succeeds.
pub(super) fn search(
    context: &Context,
    filter: &Filter,
    from: u64,
    to: u64,
) -> Result<Vec<Log>, Failure> {
    let blocks_max = context.config.logs_blocks_max.max(1);
    if to - from >= blocks_max {
        let reason = format!("block range of {} exceeds the limit of {blocks_max}", to - from + 1);
        // What is suggested must succeed: the blocks may be few enough and the logs too many.
        let to = match search(context, filter, from, from + blocks_max - 1) {
            Err(Failure::LogsRange { to, .. }) => to,
            found => found.map(|_| from + blocks_max - 1)?,
        };
        return Err(Failure::LogsRange { reason, from, to });
    }
    let results_max = context.config.logs_results_max;
    let mut found: Vec<Log> = Vec::new();
    let mut bytes = 0usize;
    for height in context.backend.store.heights_with_logs(&query(filter), from, to)? {
        let block = context.block(height)?.block;
        let logs = of_block(filter, &block, &context.receipts(height)?);
        bytes += logs.iter().map(|log| LOG_BYTES + 2 * log.inner.data.data.len()).sum::<usize>();
        found.extend(logs);
        if from < to && (found.len() > results_max || bytes > RESULT_BYTES_MAX) {
            let reason = format!(
                "query exceeds the limit of {results_max} logs or {RESULT_BYTES_MAX} bytes"
            );
            return Err(Failure::LogsRange {
                reason,
                from,
                to: from.max(height.saturating_sub(1)),
            });
        }
    }
    Ok(found)
}

/// What the index is asked.
fn query(filter: &Filter) -> LogQuery {
    let topics = |place: usize| filter.topics[place].iter().copied().collect();
    LogQuery {
        addresses: filter.address.iter().copied().collect(),
        topics: std::array::from_fn(topics),
    }
}

/// Logs of one block that match the filter's addresses and topics.
pub(super) fn of_block(filter: &Filter, block: &SealedBlock, receipts: &[Receipt]) -> Vec<Log> {
    if !filter.matches_bloom(block.header().logs_bloom) {
        return Vec::new();
    }
    convert::matching_logs(block, receipts, |log| {
        filter.matches_address(log.address) && filter.matches_topics(log.topics())
    })
}
