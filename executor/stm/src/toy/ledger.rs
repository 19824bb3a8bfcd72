//! A settler that writes everything down.

use std::collections::BTreeMap;

use crate::settle::{Settle, Settled, Verdict};
use crate::vm::{Vm, Write};

use super::{Output, Register, Toy};

/// All that a run showed to its settler, and the values it leaves behind. Two runs of a block are equal when their ledgers
/// are: outputs, order, writes, read sets and final values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The settled transactions, in the order in which they came.
    pub entries: Vec<Entry>,
    /// Values of the registers that were written.
    pub values: BTreeMap<Register, u64>,
    initial: Toy,
}

/// One settled transaction. Writes and observations are in their debug form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Index of the transaction.
    pub index: u32,
    /// What it returned.
    pub output: Output,
    /// What it wrote.
    pub writes: String,
    /// What it depends on.
    pub observations: String,
}

impl Ledger {
    /// An empty ledger for this block.
    #[must_use]
    pub fn new(block: &Toy) -> Self {
        let initial = Toy { programs: Vec::new(), ..block.clone() };
        Self { entries: Vec::new(), values: BTreeMap::new(), initial }
    }

    /// Value of a register after the block.
    #[must_use]
    pub fn value(&self, register: Register) -> u64 {
        self.values.get(&register).copied().unwrap_or_else(|| self.initial.initial(register))
    }
}

impl Settle<Toy> for Ledger {
    fn settle(&mut self, index: u32, settled: Settled<'_, Toy>) -> Verdict {
        let Settled { output, writes, observations, .. } = settled;
        if output.verdict == Verdict::Include {
            for (register, write) in writes {
                let value = match write {
                    Write::Set(value) => *value,
                    Write::Add(delta) => self
                        .initial
                        .apply(&self.value(*register), delta)
                        .expect("the engine settles no delta that does not fit"),
                };
                self.values.insert(*register, value);
            }
        }
        self.entries.push(Entry {
            index,
            output,
            writes: format!("{writes:?}"),
            observations: format!("{observations:?}"),
        });
        output.verdict
    }
}
