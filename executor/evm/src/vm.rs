//! The block as the engine sees it: transactions, a base, and how to execute.

use crate::base::Base;
use crate::effects::Wanted;
use crate::environment::{Authorities, Environment, transaction_environment};
use crate::error::Failure;
use crate::machine::{Machine, Output};
use crate::place::{BALANCE, Cell, Place, SLOT};
use crate::receipts::ReceiptWorks;
use crate::tracker::{Changed, Fact, Loaded, LoadedSlot, Source};
use crate::value::{Change, Delta, Observation, Value};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, U256};
use std::sync::Arc;
use weft_stm::{CellId, Execution, Field, Put, Stop, View, Vm, Write};
use weft_types::{Location, RecoveredTransaction};

/// One block of transactions for the engine.
pub(crate) struct BlockVm<'b> {
    pub(crate) base: &'b Base<'b>,
    pub(crate) environment: &'b Environment,
    pub(crate) transactions: &'b [Arc<RecoveredTransaction>],
    pub(crate) wanted: Wanted,
    /// Receipts in the making, behind the settled prefix.
    receipts: Option<&'b ReceiptWorks>,
    authorities: Authorities,
}

impl<'b> BlockVm<'b> {
    pub(crate) fn new(
        base: &'b Base<'b>,
        environment: &'b Environment,
        transactions: &'b [Arc<RecoveredTransaction>],
        wanted: Wanted,
        receipts: Option<&'b ReceiptWorks>,
    ) -> Self {
        let authorities = Authorities::of(transactions);
        Self { base, environment, transactions, wanted, receipts, authorities }
    }
}

/// What a worker keeps: a machine over views of the run.
pub(crate) struct Worker<'r, 'b> {
    machine: Machine<'r, EngineSource<'r, 'b>>,
    /// The cell of the block's beneficiary, which every transaction pays.
    beneficiary: Option<CellId>,
}

/// A view of the engine, and what the execution writes through it.
pub(crate) struct EngineSource<'r, 'b> {
    view: View<'r, BlockVm<'b>>,
    writes: Vec<Put<BlockVm<'b>>>,
    beneficiary: Option<CellId>,
    /// The facts are wanted even if they are beyond doubt.
    traced: bool,
}

impl<'b> Vm for BlockVm<'b> {
    type Key = Place;
    type Base = Cell;
    type Value = Value;
    type Delta = Delta;
    type Observation = Observation;
    type Output = Output;
    type Fatal = Failure;
    type Location = Location;
    type Worker<'r>
        = Worker<'r, 'b>
    where
        'b: 'r;

    fn transactions(&self) -> u32 {
        u32::try_from(self.transactions.len()).expect("a block has fewer than 2^32 transactions")
    }

    fn cells(&self) -> usize {
        let gas: u64 = self.transactions.iter().map(|transaction| transaction.gas_limit()).sum();
        let gas = gas.min(self.environment.block.gas_limit);
        usize::try_from(gas / CELL_GAS).unwrap_or(usize::MAX)
    }

    fn worker<'r>(&'r self) -> Worker<'r, 'b> {
        Worker {
            machine: Machine::new(self.base, self.environment, self.wanted),
            beneficiary: None,
        }
    }

    fn has_chores(&self) -> bool {
        self.receipts.is_some_and(ReceiptWorks::has_work)
    }

    fn chore(&self) -> bool {
        self.receipts.is_some_and(ReceiptWorks::work)
    }

    fn base(&self, key: &Place) -> Result<Cell, Failure> {
        Ok(self.base.cell(key)?)
    }

    fn field(&self, base: &Cell, field: Field) -> Value {
        base.value(field)
    }

    fn location(&self, key: &Place, field: Field) -> Location {
        key.location(field)
    }

    fn apply(&self, value: &Value, delta: &Delta) -> Option<Value> {
        delta.apply(value)
    }

    fn holds(&self, observation: &Observation, value: &Value) -> bool {
        observation.holds(value)
    }

    fn execute<'r>(
        &'r self,
        worker: &mut Worker<'r, 'b>,
        view: &mut View<'r, Self>,
    ) -> Result<Execution<Self>, Stop<Failure>> {
        let index = view.index();
        let recovered = &self.transactions[index as usize];
        let transaction = transaction_environment(recovered, self.authorities.get(index));
        let source = EngineSource {
            view: view.take(),
            writes: Vec::with_capacity(WRITES_EXPECTED),
            beneficiary: worker.beneficiary,
            traced: self.wanted.facts,
        };
        let (source, result) = worker.machine.execute(source, transaction, index);
        worker.beneficiary = source.beneficiary;
        *view = source.view;
        let mut output = result?;
        if let Output::Executed(effects) = &mut output {
            for place in std::mem::take(&mut effects.loose) {
                effects.cells.push(view.cell(&place)?);
            }
        }
        Ok(Execution { writes: source.writes, output })
    }
}

/// Gas that is paid for each account or slot of a block, as a rule: much of it in swaps, little in transfers.
const CELL_GAS: u64 = 8192;

/// Writes of most transactions: a plain transfer has four.
const WRITES_EXPECTED: usize = 4;

/// A write as a change.
pub(crate) fn change_of(write: &Write<Value, Delta>) -> Change {
    match write {
        Write::Set(value) => Change::Set(*value),
        Write::Add(delta) => Change::Add(*delta),
    }
}

impl Source for EngineSource<'_, '_> {
    fn account(&mut self, _: &Base<'_>, address: Address) -> Result<Loaded, Stop<Failure>> {
        let cell = self.view.cell(&Place::Account(address))?;
        self.view.read_cell(cell, |fields| {
            let Cell::Account(before) = fields.base() else {
                unreachable!("accounts and slots have keys of their own")
            };
            let mut account =
                Loaded { cell: Some(cell), seen: fields.seen(), ..Loaded::plain(before, &before) };
            let mut stop = None;
            fields.written(|field, read| {
                account.fields.set(&read.value);
                match read.pending {
                    None => {}
                    // What is rarely seen is only guessed where it is about to be written again.
                    Some(blocked) if field == BALANCE => {
                        account.pending = Some(blocked);
                        account.seen[usize::from(field)] = read.seen;
                    }
                    Some(blocked) => stop = Some(Stop::Blocked(blocked)),
                }
            });
            stop.map_or(Ok(account), Err)
        })
    }

    fn slot(
        &mut self,
        _: &Base<'_>,
        address: Address,
        slot: U256,
    ) -> Result<LoadedSlot, Stop<Failure>> {
        let cell = self.view.cell(&Place::Slot(address, slot))?;
        let read = self.view.read(cell, SLOT)?;
        Ok(LoadedSlot { value: read.value, cell: Some(cell), seen: read.seen })
    }

    fn settled(&self) -> bool {
        self.view.settled()
    }

    fn wants_facts(&self) -> bool {
        self.traced || cfg!(debug_assertions) || !self.view.settled()
    }

    fn depend(&mut self, _: &Place, fact: Fact) {
        let cell = fact.cell.expect("everything read through a view has a cell");
        if fact.assumed {
            self.view.assume(cell, fact.field, fact.observation);
        } else {
            self.view.observe(cell, fact.field, fact.seen, fact.observation);
        }
    }

    fn change(&mut self, changed: Changed) -> Result<(), Stop<Failure>> {
        let Changed { cell, place, field, change } = changed;
        let cell = match (cell, place) {
            (Some(cell), _) => cell,
            // The only account that is changed without being loaded is the beneficiary.
            (None, Place::Account(_)) => match self.beneficiary {
                Some(cell) => cell,
                None => *self.beneficiary.insert(self.view.cell(&place)?),
            },
            (None, Place::Slot(..)) => self.view.cell(&place)?,
        };
        let write = match change {
            Change::Set(value) => Write::Set(value),
            Change::Add(delta) => Write::Add(delta),
        };
        self.writes.push(Put { cell, field, write });
        Ok(())
    }
}
