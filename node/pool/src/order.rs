//! In which order a proposer should try the ready transactions.

use crate::entry::Entry;
use crate::queue::{Queue, Runnable};
use alloy_primitives::Address;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use weft_types::RecoveredTransaction;
use weft_types::limits::{BLOCK_TRANSACTIONS_MAX, BODY_BYTES_MAX};

/// Gas limits handed out, in block gas limits: most transactions use less than their limit.
const GAS_LIMITS_HANDED_OUT: u64 = 2;
/// Bytes handed out: the other half of a body is for the block access list.
const BYTES_HANDED_OUT: usize = BODY_BYTES_MAX / 2;

/// Highest place that [`position`] tells, and most senders among whom it looks: it is asked for by
/// callers and holds the pool's lock meanwhile.
const POSITION_MAX: usize = 10_000;
const POSITION_SENDERS_MAX: usize = 10_000;

/// The next transaction of one sender, and what follows it.
struct Front<'a> {
    tip: i128,
    entry: &'a Entry,
    rest: Runnable<'a>,
}

impl Front<'_> {
    const fn rank(&self) -> (i128, Reverse<u64>) {
        (self.tip, Reverse(self.entry.sequence))
    }
}

impl PartialEq for Front<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Front<'_> {}

impl PartialOrd for Front<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Front<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

fn front(mut rest: Runnable<'_>, base_fee: u64) -> Option<Front<'_>> {
    let entry = rest.next()?;
    Some(Front { tip: entry.effective_tip(base_fee), entry, rest })
}

/// See [`crate::Pool::best`].
pub(crate) fn best(
    queues: &BTreeMap<Address, Queue>,
    base_fee: u64,
    gas_limit: u64,
) -> Vec<Arc<RecoveredTransaction>> {
    let mut gas_left = gas_limit.saturating_mul(GAS_LIMITS_HANDED_OUT);
    let mut bytes_left = BYTES_HANDED_OUT;
    let fronts = queues.values().filter_map(|queue| front(queue.runnable(base_fee), base_fee));
    let mut heap: BinaryHeap<Front<'_>> = fronts.collect();
    let mut out = Vec::new();
    while let Some(Front { entry, rest, .. }) = heap.pop() {
        let gas = gas_left.checked_sub(entry.gas_limit);
        let bytes = bytes_left.checked_sub(entry.size);
        let (Some(gas), Some(bytes)) = (gas, bytes) else { break };
        if out.len() == BLOCK_TRANSACTIONS_MAX {
            break;
        }
        (gas_left, bytes_left) = (gas, bytes);
        out.push(Arc::clone(&entry.transaction));
        heap.extend(front(rest, base_fee));
    }
    out
}

/// Place of a sender's ready transaction in the order of [`best`], from 0, without limits; `None`
/// when it is not ready, or when it is too far back to count.
///
/// A transaction comes when nothing is left that ranks above the worst of its sender's up to it. So
/// those come before it whose own worst ranks higher, and its sender's earlier ones. No heap is
/// needed to count them.
pub(crate) fn position(
    queues: &BTreeMap<Address, Queue>,
    sender: &Address,
    nonce: u64,
    base_fee: u64,
) -> Option<usize> {
    let rank = |entry: &Entry| (entry.effective_tip(base_fee), Reverse(entry.sequence));
    if queues.len() > POSITION_SENDERS_MAX {
        return None;
    }
    let own = queues.get(sender).filter(|queue| queue.is_ready(nonce))?;
    let worst = own.entries().take_while(|entry| entry.nonce <= nonce).map(rank).min()?;
    let earlier = own.entries().take_while(|entry| entry.nonce < nonce).count();
    let others = queues.iter().filter(|(other, _)| *other != sender);
    let mut place = earlier;
    for (_, queue) in others {
        // Ranks are unique, and the worst of a prefix only sinks.
        let before = queue.entries().take(queue.ready()).take_while(|entry| rank(entry) > worst);
        place += before.take(POSITION_MAX + 1).count();
        if place > POSITION_MAX {
            return None;
        }
    }
    Some(place)
}

/// Ready entries that pass a test, in order of arrival.
pub(crate) fn arrivals(
    queues: &BTreeMap<Address, Queue>,
    test: impl Fn(&Entry) -> bool,
) -> Vec<&Entry> {
    let ready = queues.values().flat_map(|queue| queue.entries().take(queue.ready()));
    let mut entries: Vec<&Entry> = ready.filter(|entry| test(entry)).collect();
    entries.sort_unstable_by_key(|entry| entry.sequence);
    entries
}
