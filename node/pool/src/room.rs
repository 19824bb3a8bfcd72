//! Whom a full pool gives up for a newcomer.
//!
//! Only the end of a queue is ever given up: taking from the middle would strand what is behind it.
//! Nothing is given up for a newcomer that would then not fit after all.

use crate::error::PoolError;
use crate::queue::{Queue, TailKey};
use alloy_primitives::{Address, B256};
use std::collections::{BTreeMap, BTreeSet};

/// How much must leave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Transactions.
    pub(crate) count: usize,
    /// Bytes.
    pub(crate) bytes: usize,
}

impl Room {
    pub(crate) const fn is_enough(self) -> bool {
        self.count == 0 && self.bytes == 0
    }
}

/// Plans what to give up for a newcomer (whether it is ready, its effective tip, its sender), the
/// worst first. Each victim is strictly worse than the newcomer and belongs to somebody else.
pub(crate) fn victims(
    queues: &BTreeMap<Address, Queue>,
    tails: &BTreeSet<TailKey>,
    newcomer: (bool, i128, Address),
    mut room: Room,
    base_fee: u64,
) -> Result<Vec<B256>, PoolError> {
    let (ready, tip, sender) = newcomer;
    let mut ends = tails.iter().filter(|(.., owner)| *owner != sender).copied().peekable();
    // Ends that come into view when the end behind them is given up.
    let mut uncovered: BTreeSet<TailKey> = BTreeSet::new();
    let mut taken: BTreeMap<Address, usize> = BTreeMap::new();
    let mut planned = Vec::new();
    while !room.is_enough() {
        let from_index = match (ends.peek(), uncovered.first()) {
            (Some(end), Some(inner)) => end < inner,
            (end, _) => end.is_some(),
        };
        let worst = if from_index { ends.next() } else { uncovered.pop_first() };
        let worst = worst.filter(|(r, t, ..)| (*r, *t) < (ready, tip));
        let Some((.., owner)) = worst else { return Err(PoolError::Full { tip }) };
        let depth = taken.entry(owner).or_insert(0);
        let queue = &queues[&owner];
        let (_, entry) = queue.nth_last(*depth, base_fee).expect("its key was in view");
        planned.push(entry.hash);
        room.count = room.count.saturating_sub(1);
        room.bytes = room.bytes.saturating_sub(entry.size);
        *depth += 1;
        uncovered.extend(queue.nth_last(*depth, base_fee).map(|(key, _)| key));
    }
    Ok(planned)
}
