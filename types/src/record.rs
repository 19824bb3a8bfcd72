//! The parallel execution record of one block: who depended on whom, and how fast the block could
//! have been.
//!
//! Everything here is a pure function of the [`AccessRecord`]; the local [`RunProfile`] is carried
//! beside it and never mixed in.

use crate::{AccessRecord, Location, RunProfile, TxIndex, Writer};
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// Why one transaction had to wait for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EdgeKind {
    /// It read a storage slot that the other wrote.
    Storage,
    /// It read a balance that the other changed.
    Balance,
    /// It needed a nonce that the other changed (same sender, or a creation).
    Nonce,
    /// It used code or a delegation that the other set.
    Code,
    /// It read storage of an account that the other destroyed.
    StorageEpoch,
}

/// A true dependency: `to` read at `location` what `from` wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// The writer, always the lower index.
    pub from: TxIndex,
    /// The reader.
    pub to: TxIndex,
    /// Kind of the location.
    pub kind: EdgeKind,
    /// Where they met.
    pub location: Location,
}

/// The record of one block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockRecord {
    /// Number of the block.
    pub number: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Reads and writes: equal on every node.
    pub access: AccessRecord,
    /// What this node observed; `None` when it did not execute the block itself or no longer keeps
    /// the observation.
    pub profile: Option<RunProfile>,
}

impl From<&Location> for EdgeKind {
    fn from(location: &Location) -> Self {
        match location {
            Location::Balance { .. } => Self::Balance,
            Location::Nonce { .. } => Self::Nonce,
            Location::Code { .. } => Self::Code,
            Location::Storage { .. } => Self::Storage,
            Location::StorageEpoch { .. } => Self::StorageEpoch,
        }
    }
}

impl AccessRecord {
    /// True dependencies, ordered by reader, then by location.
    #[must_use]
    pub fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (index, transaction) in self.transactions.iter().enumerate() {
            for read in &transaction.reads {
                if let Writer::Transaction(from) = read.from {
                    edges.push(Edge {
                        from,
                        to: TxIndex(index as u32),
                        kind: EdgeKind::from(&read.location),
                        location: read.location,
                    });
                }
            }
        }
        edges
    }

    /// Sum of all gas used.
    #[must_use]
    pub fn work_gas(&self) -> u64 {
        self.transactions.iter().map(|t| t.gas_used).sum()
    }

    /// Transactions that read what another one of the block wrote.
    #[must_use]
    pub fn dependent_transactions(&self) -> usize {
        let depends = |read: &crate::ReadAccess| read.from != Writer::Base;
        self.transactions.iter().filter(|t| t.reads.iter().any(depends)).count()
    }

    /// The heaviest chain of dependent transactions by gas: its gas, and its members in order.
    /// Among equally heavy chains the one whose members have the lowest indices wins.
    #[must_use]
    pub fn critical_path(&self) -> (u64, Vec<TxIndex>) {
        let mut finish: Vec<(u64, Option<usize>)> = Vec::with_capacity(self.transactions.len());
        for transaction in &self.transactions {
            let mut best: (u64, Option<usize>) = (0, None);
            for read in &transaction.reads {
                if let Writer::Transaction(TxIndex(from)) = read.from {
                    let from = from as usize;
                    let gas = finish[from].0;
                    if gas > best.0 || (gas == best.0 && best.1.is_some_and(|b| from < b)) {
                        best = (gas, Some(from));
                    }
                }
            }
            finish.push((best.0 + transaction.gas_used, best.1));
        }
        let mut last: Option<usize> = None;
        for (index, (gas, _)) in finish.iter().enumerate() {
            if last.is_none_or(|l| *gas > finish[l].0) {
                last = Some(index);
            }
        }
        let gas = last.map_or(0, |l| finish[l].0);
        let mut path = Vec::new();
        while let Some(index) = last {
            path.push(TxIndex(index as u32));
            last = finish[index].1;
        }
        path.reverse();
        (gas, path)
    }

    /// Upper bound of the speed-up in gas, with this many workers (`None`: unlimited):
    /// `work / max(critical path, work / workers)`. 1 for a block without gas.
    #[must_use]
    pub fn best_speedup(&self, workers: Option<u32>) -> f64 {
        let work = self.work_gas() as f64;
        let (path, _) = self.critical_path();
        if path == 0 {
            return 1.0;
        }
        let bound = workers.map_or(0.0, |w| work / f64::from(w.max(1)));
        work / (path as f64).max(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReadAccess, TransactionAccess};
    use alloy_primitives::{Address, U256};

    fn record(dependencies: &[&[u32]], gas: &[u64]) -> AccessRecord {
        let slot = |i: u32| Location::Storage { address: Address::ZERO, slot: U256::from(i) };
        let transactions = dependencies
            .iter()
            .zip(gas)
            .map(|(from, gas)| TransactionAccess {
                gas_used: *gas,
                reads: from
                    .iter()
                    .map(|i| ReadAccess {
                        location: slot(*i),
                        from: Writer::Transaction(TxIndex(*i)),
                    })
                    .collect(),
                writes: vec![],
            })
            .collect();
        AccessRecord { transactions }
    }

    #[test]
    fn independent_transactions_have_a_path_of_one() {
        let r = record(&[&[], &[], &[], &[]], &[10, 10, 10, 10]);
        assert_eq!(r.critical_path(), (10, vec![TxIndex(0)]));
        assert_eq!(r.best_speedup(None), 4.0);
        assert_eq!(r.best_speedup(Some(2)), 2.0);
        assert_eq!(r.dependent_transactions(), 0);
    }

    #[test]
    fn a_diamond_takes_its_heavier_side() {
        let r = record(&[&[], &[0], &[0], &[1, 2]], &[10, 5, 20, 10]);
        assert_eq!(r.critical_path(), (40, vec![TxIndex(0), TxIndex(2), TxIndex(3)]));
        assert_eq!(r.edges().len(), 4);
        assert_eq!(r.dependent_transactions(), 3);
    }

    #[test]
    fn a_chain_cannot_be_sped_up() {
        let r = record(&[&[], &[0], &[1]], &[7, 7, 7]);
        assert_eq!(r.best_speedup(Some(16)), 1.0);
        assert_eq!(AccessRecord::default().best_speedup(None), 1.0);
    }
}
