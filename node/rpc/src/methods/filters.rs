//! Filters that callers poll: what is new since the last time.

use super::{Module, blocking, logs, quick};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Args;
use crate::server::random_id;
use alloy_primitives::B256;
use alloy_rpc_types_eth::{Filter, FilterChanges, Log};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A filter that nobody polls for this long is forgotten.
const IDLE_MAX: Duration = Duration::from_secs(5 * 60);

/// Blocks that one poll reports at most; the next one goes on from there.
const BLOCKS_MAX: u64 = 1024;

/// Addresses and topics of all filters together.
const ALTERNATIVES_MAX: usize = 500_000;
/// Most pending transactions of one answer; the next poll has those that follow.
const PENDING_MAX: usize = 10_000;

/// The filters of all callers. Ids are unpredictable, so that nobody reads another's filter.
pub(crate) struct Filters {
    most: usize,
    entries: Mutex<HashMap<String, Entry>>,
}

struct Entry {
    kind: Kind,
    /// First height, or first announcement of the pool, that was not reported yet.
    next: u64,
    polled: Instant,
}

#[derive(Clone)]
enum Kind {
    Blocks,
    /// Transactions of the pool that became ready.
    Pending,
    Logs(Box<Filter>),
}

impl Kind {
    /// Addresses and topics.
    fn alternatives(&self) -> usize {
        match self {
            Self::Blocks | Self::Pending => 0,
            Self::Logs(filter) => {
                filter.address.len() + filter.topics.iter().map(|topic| topic.len()).sum::<usize>()
            }
        }
    }
}

impl Filters {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, entries: Mutex::new(HashMap::new()) }
    }

    fn insert(&self, kind: Kind, next: u64) -> Result<String, Failure> {
        let now = Instant::now();
        let mut entries = self.entries.lock();
        let is_full = |entries: &HashMap<String, Entry>| {
            let all = entries.values().map(|entry| entry.kind.alternatives()).sum::<usize>();
            entries.len() >= self.most || all + kind.alternatives() > ALTERNATIVES_MAX
        };
        if is_full(&entries) {
            entries.retain(|_, entry| now.duration_since(entry.polled) < IDLE_MAX);
        }
        if is_full(&entries) {
            let reason = format!(
                "{} filters are installed, limit {} and {ALTERNATIVES_MAX} addresses and topics: uninstall what is not needed, or subscribe over a WebSocket",
                entries.len(),
                self.most
            );
            return Err(Failure::Limit { reason });
        }
        let id = random_id();
        entries.insert(id.clone(), Entry { kind, next, polled: now });
        Ok(id)
    }

    /// What the filter looks for and the first height not yet reported.
    fn poll(&self, id: &str) -> Result<(Kind, u64), Failure> {
        let now = Instant::now();
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(id).ok_or(Failure::FilterNotFound)?;
        if now.duration_since(entry.polled) >= IDLE_MAX {
            entries.remove(id);
            return Err(Failure::FilterNotFound);
        }
        entry.polled = now;
        Ok((entry.kind.clone(), entry.next))
    }

    /// Marks everything below `next` as reported. Fails when somebody else did so meanwhile: one
    /// of two simultaneous polls must not repeat what the other one reports.
    fn advance(&self, id: &str, from: u64, next: u64) -> Result<(), Failure> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(id).ok_or(Failure::FilterNotFound)?;
        if entry.next != from {
            let reason = "the filter is being polled by another request".to_owned();
            return Err(Failure::Refused { reason });
        }
        entry.next = next;
        Ok(())
    }
}

pub(super) fn register(module: &mut Module) {
    quick(module, "eth_newBlockFilter", 0, |context, _| {
        context.filters.insert(Kind::Blocks, next_height(context))
    });
    quick(module, "eth_newPendingTransactionFilter", 0, |context, _| {
        context.filters.insert(Kind::Pending, context.backend.pool.announcements_end())
    });
    quick(module, "eth_newFilter", 1, |context, args| {
        let filter: Filter = args.required("filter")?;
        logs::check(&filter)?;
        if filter.block_option.is_block_hash() {
            let reason = "a filter by blockHash never changes; use eth_getLogs".to_owned();
            return Err(Failure::Parameters { reason });
        }
        context.filters.insert(Kind::Logs(Box::new(filter)), next_height(context))
    });
    quick(module, "eth_uninstallFilter", 1, |context, args| {
        let id: String = args.required("filterId")?;
        Ok(context.filters.entries.lock().remove(&id).is_some())
    });
    blocking(module, "eth_getFilterChanges", 1, Work::Call, changes);
    blocking(module, "eth_getFilterLogs", 1, Work::Call, all_logs);
}

fn next_height(context: &Context) -> u64 {
    context.backend.store.head().block.height().0 + 1
}

fn changes(context: &Context, args: &mut Args<'_>) -> Result<FilterChanges, Failure> {
    let id: String = args.required("filterId")?;
    let (kind, from) = context.filters.poll(&id)?;
    let until = next_height(context);
    let (changes, next) = match kind {
        Kind::Blocks => {
            let until = until.min(from.saturating_add(BLOCKS_MAX));
            (FilterChanges::Hashes(block_hashes(context, from, until)?), until)
        }
        Kind::Pending => {
            let news = context.backend.pool.announcements(from, PENDING_MAX);
            if news.missed > 0 {
                context.filters.advance(&id, from, from + news.missed)?;
                let missed = news.missed;
                let reason = format!(
                    "{missed} pending transactions were not read in time; the filter goes on after them"
                );
                return Err(Failure::Limit { reason });
            }
            (FilterChanges::Hashes(news.hashes), news.next)
        }
        Kind::Logs(filter) => {
            let (logs, next) = new_logs(context, &filter, from, until)?;
            (FilterChanges::Logs(logs), next)
        }
    };
    context.filters.advance(&id, from, next)?;
    Ok(changes)
}

fn block_hashes(context: &Context, from: u64, until: u64) -> Result<Vec<B256>, Failure> {
    let header = |height| {
        let header = context.backend.store.header(height)?;
        header.ok_or_else(|| Failure::internal(format!("no header {height}")))
    };
    (from..until).map(|height| Ok(header(height)?.hash_slow())).collect()
}

/// The new logs below `until`, and the height that comes next: when they are too many for one
/// answer, it has those of the first blocks, and the next poll goes on from there.
fn new_logs(
    context: &Context,
    filter: &Filter,
    from: u64,
    until: u64,
) -> Result<(Vec<Log>, u64), Failure> {
    let first = from.max(filter.get_from_block().unwrap_or(0));
    let end = filter.get_to_block().map_or(until, |to| until.min(to.saturating_add(1)));
    if first >= end {
        return Ok((Vec::new(), until));
    }
    match logs::search(context, filter, first, end - 1) {
        Err(Failure::LogsRange { to, .. }) => {
            Ok((logs::search(context, filter, first, to)?, to + 1))
        }
        logs => Ok((logs?, until)),
    }
}

/// Everything that a log filter matches in its own range.
fn all_logs(context: &Context, args: &mut Args<'_>) -> Result<Vec<Log>, Failure> {
    let id: String = args.required("filterId")?;
    match context.filters.poll(&id)?.0 {
        Kind::Logs(filter) => {
            let (from, to) = logs::range(context, &filter)?;
            logs::search(context, &filter, from, to)
        }
        Kind::Blocks | Kind::Pending => Err(Failure::FilterNotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_refuses_and_an_idle_filter_makes_room() {
        let filters = Filters::new(1);
        let id = filters.insert(Kind::Blocks, 1).unwrap();
        assert_eq!(filters.insert(Kind::Blocks, 1).unwrap_err().code(), -32005);
        let long_ago = Instant::now().checked_sub(IDLE_MAX).unwrap();
        filters.entries.lock().get_mut(&id).unwrap().polled = long_ago;
        filters.insert(Kind::Blocks, 1).unwrap();
        assert!(matches!(filters.poll(&id), Err(Failure::FilterNotFound)));
    }

    #[test]
    fn of_two_simultaneous_polls_one_reports() {
        let filters = Filters::new(10);
        let id = filters.insert(Kind::Blocks, 5).unwrap();
        let (first, second) = (filters.poll(&id).unwrap().1, filters.poll(&id).unwrap().1);
        assert!(filters.advance(&id, first, 9).is_ok());
        assert!(filters.advance(&id, second, 9).is_err());
        assert_eq!(filters.poll(&id).unwrap().1, 9);
    }
}
