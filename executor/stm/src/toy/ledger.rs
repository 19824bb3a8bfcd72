//! A settler that writes everything down.

use std::collections::BTreeMap;

use crate::settle::{Settle, Settled, Verdict};
use crate::versions::Versions;
use crate::vm::{Vm, Write};

use super::{Output, Register, Toy};

/// Every value that a register took, in block order, with the transaction that brought it.
pub type Histories = BTreeMap<Register, Vec<(u32, u64)>>;

/// All that a run showed to its settler, and the values it leaves behind. Two runs of a block are equal when their ledgers
/// are: outputs, order, writes, read sets and final values.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    /// The settled transactions, in the order in which they came.
    pub entries: Vec<Entry>,
    /// All values of the registers that were written.
    pub histories: Histories,
    initial: Toy,
}

/// One settled transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Index of the transaction.
    pub index: u32,
    /// What it returned.
    pub output: Output,
    /// Observations and writes that the engine knows of.
    pub known: (usize, usize),
}

impl Ledger {
    /// An empty ledger for this block.
    #[must_use]
    pub fn new(block: &Toy) -> Self {
        let initial = Toy { programs: Vec::new(), ..block.clone() };
        Self { entries: Vec::new(), histories: Histories::new(), initial }
    }

    /// Value of a register after the block.
    #[must_use]
    pub fn value(&self, register: Register) -> u64 {
        let last = self.histories.get(&register).and_then(|history| history.last());
        last.map_or_else(|| self.initial.initial(register), |(_, value)| *value)
    }
}

/// The same from what a run left behind.
///
/// # Panics
/// When a delta did not fit, which a run that ended well does not leave behind.
#[must_use]
pub fn histories(versions: &Versions<'_, Toy>) -> Histories {
    let mut histories = Histories::new();
    for cell in versions.cells() {
        for field in [0, 1] {
            let register = 2 * versions.key(cell) + u64::from(field);
            versions.each(cell, field, |(index, value)| {
                let value = *value.expect("a settled delta fits");
                histories.entry(register).or_default().push((index, value));
            });
        }
    }
    histories
}

impl Settle<Toy> for Ledger {
    fn settle(&mut self, index: u32, settled: Settled<'_, Toy>) -> Verdict {
        let Settled { output, writes, observations, .. } = settled;
        let verdict = output.verdict;
        if verdict == Verdict::Include {
            for (register, write) in &output.writes {
                let value = match write {
                    Write::Set(value) => *value,
                    Write::Add(delta) => self
                        .initial
                        .apply(&self.value(*register), delta)
                        .expect("the engine settles no delta that does not fit"),
                };
                self.histories.entry(*register).or_default().push((index, value));
            }
        }
        self.entries.push(Entry { index, output, known: (observations.len(), writes.len()) });
        verdict
    }
}
