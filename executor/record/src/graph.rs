//! Dependencies of a block as a graph: depth, time by gas, and the heaviest path.

use crate::conflict::locations_between;
use weft_types::{AccessRecord, EdgeKind, Location, TxIndex, Writer};

/// A chain of transactions, each of which waits for the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Gas of all of them.
    pub gas: u64,
    /// The transactions, ascending.
    pub transactions: Vec<TxIndex>,
}

/// One transaction of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The transaction.
    pub index: TxIndex,
    /// Gas that it used.
    pub gas: u64,
    /// Where it waits for the step before it; empty for the first.
    pub via: Vec<(EdgeKind, Location)>,
}

/// The heaviest chain of transactions by gas, when only waiting at locations that `counts` accepts is counted. Among
/// equally heavy chains the one whose members have the lowest indices wins.
#[must_use]
pub fn heaviest_path(access: &AccessRecord, counts: impl Fn(&Location) -> bool) -> Path {
    let mut finish: Vec<(u64, Option<u32>)> = Vec::with_capacity(access.transactions.len());
    for transaction in &access.transactions {
        let mut best: (u64, Option<u32>) = (0, None);
        for read in &transaction.reads {
            let Writer::Transaction(TxIndex(from)) = read.from else { continue };
            if !counts(&read.location) {
                continue;
            }
            let gas = finish[from as usize].0;
            if gas > best.0 || (gas == best.0 && best.1.is_some_and(|known| from < known)) {
                best = (gas, Some(from));
            }
        }
        finish.push((best.0 + transaction.gas_used, best.1));
    }
    let mut last: Option<usize> = None;
    for (index, (gas, _)) in finish.iter().enumerate() {
        if last.is_none_or(|known| *gas > finish[known].0) {
            last = Some(index);
        }
    }
    let gas = last.map_or(0, |known| finish[known].0);
    let mut transactions = Vec::new();
    while let Some(index) = last {
        transactions.push(TxIndex(index as u32));
        last = finish[index].1.map(|from| from as usize);
    }
    transactions.reverse();
    Path { gas, transactions }
}

/// Longest chain of waiting that leads to each transaction: 0 for one that waits for none.
#[must_use]
pub fn depths(access: &AccessRecord) -> Vec<u32> {
    let mut depths: Vec<u32> = Vec::with_capacity(access.transactions.len());
    for transaction in &access.transactions {
        let writers = transaction.reads.iter().filter_map(|read| match read.from {
            Writer::Transaction(from) => Some(depths[from.0 as usize] + 1),
            Writer::Base => None,
        });
        let depth = writers.max().unwrap_or(0);
        depths.push(depth);
    }
    depths
}

/// When each transaction would start, in gas since the start of the block, if there were a core for each.
#[must_use]
pub fn starts(access: &AccessRecord) -> Vec<u64> {
    let mut starts: Vec<u64> = Vec::with_capacity(access.transactions.len());
    for transaction in &access.transactions {
        let writers = transaction.reads.iter().filter_map(|read| match read.from {
            Writer::Transaction(TxIndex(from)) => {
                Some(starts[from as usize] + access.transactions[from as usize].gas_used)
            }
            Writer::Base => None,
        });
        let start = writers.max().unwrap_or(0);
        starts.push(start);
    }
    starts
}

/// The critical path with what binds each of its transactions to the one before.
#[must_use]
pub fn critical_steps(access: &AccessRecord) -> Vec<Step> {
    let path = heaviest_path(access, |_| true).transactions;
    let mut before: Option<TxIndex> = None;
    let mut steps = Vec::with_capacity(path.len());
    for index in path {
        let via = before.map_or_else(Vec::new, |from| locations_between(access, from, index));
        let gas = access.transactions[index.0 as usize].gas_used;
        steps.push(Step { index, gas, via });
        before = Some(index);
    }
    steps
}
