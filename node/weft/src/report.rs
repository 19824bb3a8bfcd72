//! What the devnet prints about each block.

use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use weft_types::{AccessRecord, Location, RunMode, RunProfile, SealedBlock};

/// Head of the table of blocks.
pub const TABLE_HEAD: &str = "block     txs   Mgas   exec ms  speed-up  best   re-exec  final ms";

/// Share of a block's transactions that must wait for one location before it is worth a word.
const WARM_PERCENT: usize = 10;

/// Share of a block's transactions that must wait for one location before it is called serial.
const SERIAL_PERCENT: usize = 50;

/// One block in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockReport {
    /// Number of the block.
    pub number: u64,
    /// Its hash.
    pub hash: alloy_primitives::B256,
    /// Transactions in it.
    pub transactions: usize,
    /// Gas used.
    pub gas_used: u64,
    /// Execution on this node, in microseconds.
    pub execution_us: u64,
    /// Estimated gain of parallel execution on this node; none for a block that ran sequentially.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speedup: Option<f64>,
    /// Bound of the speed-up on any number of cores, by gas.
    pub best_speedup: f64,
    /// Executions that were discarded.
    pub reexecutions: u64,
    /// From the start of the height to the durable block, in milliseconds.
    pub finality_ms: u64,
    /// The location that most transactions had to wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hottest: Option<Hottest>,
}

/// The location that made most transactions of a block wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hottest {
    /// The location.
    pub location: Location,
    /// What it is called.
    pub name: String,
    /// Transactions that read there what another one of the block had written.
    pub dependents: usize,
}

impl BlockReport {
    /// Sums a block up.
    #[must_use]
    pub fn new(
        block: &SealedBlock,
        access: &AccessRecord,
        profile: &RunProfile,
        finality: Duration,
    ) -> Self {
        let mut dependents: BTreeMap<Location, usize> = BTreeMap::new();
        for edge in access.edges() {
            *dependents.entry(edge.location).or_default() += 1;
        }
        // The first of equals: the map is ordered, so every node names the same one.
        let hottest = dependents
            .into_iter()
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
            .map(|(location, dependents)| Hottest {
                location,
                name: describe(&location),
                dependents,
            });
        Self {
            number: block.height().0,
            hash: block.hash(),
            transactions: block.transactions().len(),
            gas_used: block.header().gas_used,
            execution_us: profile.wall_us,
            speedup: profile.speedup().filter(|_| profile.mode != RunMode::Sequential),
            best_speedup: access.best_speedup(None),
            reexecutions: profile.reexecutions(),
            finality_ms: u64::try_from(finality.as_millis()).unwrap_or(u64::MAX),
            hottest,
        }
    }

    /// Whether so many transactions waited for one location that the row names it.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        let warm = |hot: &Hottest| hot.dependents * 100 >= self.transactions * WARM_PERCENT;
        self.transactions > 0 && self.hottest.as_ref().is_some_and(warm)
    }

    /// One row of the table.
    #[must_use]
    pub fn line(&self) -> String {
        let number = format!("#{}", self.number);
        let mgas = self.gas_used as f64 / 1e6;
        let exec = self.execution_us as f64 / 1e3;
        if self.transactions == 0 {
            return format!(
                "{number:<8} {:>4} {mgas:>6.2} {exec:>9.1} {:>9} {:>5} {:>9} {:>9}",
                0, "-", "-", "-", self.finality_ms
            );
        }
        let again = 100.0 * self.reexecutions as f64 / self.transactions as f64;
        let gain = self.speedup.map_or_else(|| "-".to_owned(), |gain| format!("{gain:.1}x"));
        let mut line = format!(
            "{number:<8} {:>4} {mgas:>6.2} {exec:>9.1} {gain:>9} {:>4.1}x {again:>8.1}% {:>9}",
            self.transactions, self.best_speedup, self.finality_ms
        );
        if let Some(hot) = self.hottest.as_ref().filter(|_| self.is_warm()) {
            let place = &hot.name;
            line += &if hot.dependents * 100 >= self.transactions * SERIAL_PERCENT {
                format!(
                    "   SERIAL: {place} made {} of {} txs wait",
                    hot.dependents, self.transactions
                )
            } else {
                format!("   hot: {place} ({} txs)", hot.dependents)
            };
        }
        line
    }
}

/// A location for people: kind, shortened address, slot.
#[must_use]
pub fn describe(location: &Location) -> String {
    let address = location.address().to_string();
    let short = format!("{}…{}", &address[..6], &address[38..]);
    match location {
        Location::Balance { .. } => format!("balance of {short}"),
        Location::Nonce { .. } => format!("nonce of {short}"),
        Location::Code { .. } => format!("code of {short}"),
        Location::StorageEpoch { .. } => format!("storage of {short}"),
        Location::Storage { slot, .. } => {
            let slot = format!("{slot:#x}");
            let slot = if slot.len() > 14 { format!("{}…", &slot[..12]) } else { slot };
            format!("slot {slot} of {short}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, U256};
    use weft_types::{Block, Header, ReadAccess, TransactionAccess, TxIndex, Writer};

    fn report(dependents: u32, transactions: u32) -> BlockReport {
        let location =
            Location::Storage { address: Address::repeat_byte(0xab), slot: U256::from(1) };
        let access = AccessRecord {
            transactions: (0..transactions)
                .map(|i| TransactionAccess {
                    gas_used: 50_000,
                    reads: (i > 0 && i <= dependents)
                        .then(|| ReadAccess { location, from: Writer::Transaction(TxIndex(i - 1)) })
                        .into_iter()
                        .collect(),
                    writes: vec![],
                })
                .collect(),
        };
        let header =
            Header { number: 14, gas_used: 50_000 * u64::from(transactions), ..Header::default() };
        let block = Block { header, transactions: vec![], commands: vec![] }.seal();
        let mut report =
            BlockReport::new(&block, &access, &RunProfile::empty(), Duration::from_millis(61));
        report.transactions = transactions as usize;
        report
    }

    #[test]
    fn a_chain_over_one_slot_is_called_serial() {
        let line = report(9, 10).line();
        let lower = line.to_lowercase();
        assert!(lower.contains("serial: slot 0x1 of 0xabab…abab made 9 of 10 txs wait"), "{line}");
        assert!(line.contains("1.0x"), "{line}");
    }

    #[test]
    fn a_warm_slot_is_only_named() {
        let line = report(2, 10).line();
        assert!(line.contains("hot: slot 0x1"), "{line}");
        assert!(!line.contains("SERIAL"), "{line}");
    }

    #[test]
    fn rows_stand_under_the_head_of_the_table() {
        let columns = |line: &str| line.chars().take(TABLE_HEAD.len()).count();
        assert_eq!(columns(&report(0, 0).line()), TABLE_HEAD.len());
        assert_eq!(report(0, 10).line().chars().count(), TABLE_HEAD.len());
    }
}
