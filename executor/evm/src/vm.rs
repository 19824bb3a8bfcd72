//! The block as the engine sees it: transactions, a base, and how to execute.

use crate::base::Base;
use crate::effects::Facts;
use crate::environment::{Environment, transaction_environment};
use crate::error::Failure;
use crate::machine::{Output, execute};
use crate::tracker::{Fact, Source};
use crate::value::{Change, Delta, Observation, Value};
use revm::context::TxEnv;
use std::sync::{Arc, OnceLock};
use weft_stm::{Execution, Stop, View, Vm, Write};
use weft_types::{Location, RecoveredTransaction};

/// One block of transactions for the engine.
pub(crate) struct BlockVm<'b> {
    pub(crate) base: &'b Base<'b>,
    pub(crate) environment: &'b Environment,
    pub(crate) transactions: &'b [Arc<RecoveredTransaction>],
    /// The transactions in the machine's terms, made by whoever executes one first.
    prepared: Vec<OnceLock<TxEnv>>,
}

impl<'b> BlockVm<'b> {
    pub(crate) fn new(
        base: &'b Base<'b>,
        environment: &'b Environment,
        transactions: &'b [Arc<RecoveredTransaction>],
    ) -> Self {
        let prepared = transactions.iter().map(|_| OnceLock::new()).collect();
        Self { base, environment, transactions, prepared }
    }
}

impl Vm for BlockVm<'_> {
    type Location = Location;
    type Value = Value;
    type Delta = Delta;
    type Observation = Observation;
    type Output = Output;
    type Fatal = Failure;
    /// Buffers belong to threads, not to runs: see [`crate::machine`].
    type Worker = ();

    fn transactions(&self) -> u32 {
        u32::try_from(self.transactions.len()).expect("a block has fewer than 2^32 transactions")
    }

    fn worker(&self) {}

    fn base(&self, location: &Location) -> Result<Value, Failure> {
        Ok(self.base.value(location)?)
    }

    fn apply(&self, value: &Value, delta: &Delta) -> Option<Value> {
        delta.apply(value)
    }

    fn holds(&self, observation: &Observation, value: &Value) -> bool {
        observation.holds(value)
    }

    fn execute(
        &self,
        (): &mut (),
        index: u32,
        view: &mut View<'_, Self>,
    ) -> Result<Execution<Self>, Stop<Failure>> {
        let index = index as usize;
        let transaction =
            self.prepared[index].get_or_init(|| transaction_environment(&self.transactions[index]));
        let (Facts(facts), mut output) =
            execute(self.base, self.environment, transaction, &mut Viewed(view))?;
        for Fact { location, observation, assumed } in facts {
            if assumed {
                view.assume(location, observation);
            } else {
                view.observe(location, observation);
            }
        }
        let writes = match &mut output {
            Output::Invalid { .. } => Vec::new(),
            Output::Executed(effects) => {
                std::mem::take(&mut effects.changes).into_iter().map(write_of).collect()
            }
        };
        Ok(Execution { writes, output })
    }
}

fn write_of<'b>((location, change): (Location, Change)) -> (Location, Write<BlockVm<'b>>) {
    let write = match change {
        Change::Set(value) => Write::Set(value),
        Change::Add(delta) => Write::Add(delta),
    };
    (location, write)
}

/// A write as a change.
pub(crate) fn change_of(write: &Write<BlockVm<'_>>) -> Change {
    match write {
        Write::Set(value) => Change::Set(*value),
        Write::Add(delta) => Change::Add(*delta),
    }
}

/// The engine's view as a source of values.
struct Viewed<'v, 'a, 'b>(&'v mut View<'a, BlockVm<'b>>);

impl Source for Viewed<'_, '_, '_> {
    fn read(&mut self, location: &Location) -> Result<Value, Stop<Failure>> {
        self.0.read(location)
    }

    fn read_written(&mut self, location: &Location) -> Result<Option<Value>, Stop<Failure>> {
        self.0.read_written(location)
    }

    fn settled(&self) -> bool {
        self.0.settled()
    }
}
