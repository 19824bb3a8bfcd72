//! Executing transactions on the list by the machine of the speculative run, which says what each depends on.

use super::{Done, Ended, not_listed, out_of_range};
use crate::base::Base;
use crate::effects::Wanted;
use crate::environment::Environment;
use crate::error::Failure;
use crate::listed::{Flaw, Listed, Tally};
use crate::machine::{Machine, Output};
use crate::place::{LIFE, Place};
use crate::tracker::{Changed, Fact, Loaded, LoadedSlot, Source};
use crate::value::{Change, Observation, Value};
use alloy_primitives::{Address, U256};
use revm::context::TxEnv;
use revm::primitives::hardfork::SpecId;
use weft_stm::{Field, Stop};
use weft_types::{Location, ReadAccess, TransactionAccess, TxIndex, WriteAccess, Writer};

/// Executes transaction after transaction of one block, on one thread.
pub(super) struct TracedMachine<'v> {
    machine: Machine<'v, ListSource<'v>>,
    listed: &'v Listed<'v>,
    /// What becomes empty is gone (EIP-161).
    clears: bool,
    /// What all transactions so far found in the list.
    pub(super) tally: Tally,
}

impl<'v> TracedMachine<'v> {
    pub(super) fn new(
        listed: &'v Listed<'v>,
        base: &'v Base<'v>,
        environment: &Environment,
    ) -> Self {
        let wanted = Wanted { facts: true, loose: true, ..Wanted::NOTHING };
        let machine = Machine::new(base, environment, wanted);
        let clears = environment.cfg.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        Self { machine, listed, clears, tally: Tally::default() }
    }

    /// Executes transaction `index` and holds it against the list; with what it read and wrote.
    pub(super) fn execute(
        &mut self,
        transaction: TxEnv,
        index: u32,
    ) -> (Ended, Option<TransactionAccess>) {
        let source = ListSource {
            listed: self.listed,
            at: index + 1,
            clears: self.clears,
            changes: Vec::new(),
            reads: Vec::new(),
            tally: Tally::default(),
            flaw: None,
        };
        let (mut source, result) = self.machine.execute(source, transaction, index);
        self.tally += source.tally;
        if let Some(reason) = source.flaw.take() {
            return (Ended::Differs(reason), None);
        }
        let mut effects = match result {
            Ok(Output::Executed(effects)) => effects,
            Ok(Output::Invalid { reason }) => return (Ended::Differs(reason), None),
            Err(Stop::Fatal(failure)) => return (Ended::Failed(failure), None),
            Err(Stop::Blocked(_)) => {
                let reason = "a read waits although all values are known".to_owned();
                return (Ended::Failed(Failure::Machine { reason }), None);
            }
        };
        for place in &effects.loose {
            if !self.listed.access(place, &mut self.tally) {
                return (Ended::Differs(not_listed(place)), None);
            }
        }
        if let Err(ended) = self.compare(&source.changes, index + 1) {
            return (ended, None);
        }
        self.tally.writes += source.changes.len();
        let done = Done {
            gas_used: effects.gas_used,
            success: effects.success,
            logs: std::mem::take(&mut effects.logs),
            writes: source.changes.len(),
        };
        (Ended::Agrees(done), Some(source.trace(effects.gas_used)))
    }

    /// Whether the changes at access index `at` are among those that are listed there.
    fn compare(&mut self, changes: &[Changed], at: u32) -> Result<(), Ended> {
        for changed in changes {
            let Changed { place, field, change, .. } = changed;
            if *field == LIFE && matches!(place, Place::Account(_)) {
                // Also of what was left empty before EIP-161: a list does not say that it vanishes.
                return Err(Ended::Inexpressible);
            }
            if !self.listed.access(place, &mut self.tally) {
                return Err(Ended::Differs(not_listed(place)));
            }
            let after = match change {
                Change::Set(value) => Some(*value),
                Change::Add(delta) => {
                    let before = self.listed.value(place, *field, at);
                    before.and_then(|before| delta.apply(&before))
                }
            };
            let Some(after) = after else { return Err(Ended::Differs(out_of_range(place))) };
            let listed = self.listed.at(place, *field, at);
            if listed != Some(after) {
                let location = place.location(*field);
                return Err(Ended::Differs(format!(
                    "{location:?} is {after:?} after access index {at}, listed is {listed:?}"
                )));
            }
        }
        Ok(())
    }
}

/// The list as one transaction reads it.
struct ListSource<'v> {
    listed: &'v Listed<'v>,
    /// Access index of the transaction.
    at: u32,
    /// See [`TracedMachine`].
    clears: bool,
    changes: Vec<Changed>,
    /// Facts with the place that they are about, in the order of the machine.
    reads: Vec<(Place, Fact)>,
    tally: Tally,
    /// Why the list is wrong.
    flaw: Option<Flaw>,
}

impl ListSource<'_> {
    /// Ends the execution: the list lacks what it has to read.
    fn lacks(&mut self, place: &Place) -> Stop<Failure> {
        let reason = not_listed(place);
        self.flaw = Some(reason.clone());
        Stop::Fatal(Failure::Machine { reason })
    }

    /// What the transaction read, from whom, and wrote.
    fn trace(&self, gas_used: u64) -> TransactionAccess {
        let mut reads: Vec<(Location, Option<U256>, Place, Field)> = self
            .reads
            .iter()
            .map(|(place, fact)| {
                let least = match fact.observation {
                    Observation::Exactly(_) => None,
                    Observation::AtLeast(least) => Some(least),
                };
                (place.location(fact.field), least, *place, fact.field)
            })
            .collect();
        reads.sort_unstable_by_key(|(location, least, ..)| (*location, *least));
        reads.dedup_by_key(|(location, ..)| *location);
        let mut access = TransactionAccess { gas_used, ..Default::default() };
        for (location, least, place, field) in reads {
            // Index 1: after what the block did before its transactions.
            let Some(base) = self.listed.value(&place, field, 1) else { continue };
            // "At least so much" is a dependency only where the value before the block was less.
            if least.is_some_and(|least| base.number() >= least) {
                continue;
            }
            let from = match self.listed.writer_below(&place, field, self.at) {
                Some(at) if at > 0 => Writer::Transaction(TxIndex(at - 1)),
                _ => Writer::Base,
            };
            access.reads.push(ReadAccess { location, from });
        }
        access.writes = self
            .changes
            .iter()
            .map(|changed| WriteAccess {
                location: changed.place.location(changed.field),
                commutative: matches!(changed.change, Change::Add(_)),
            })
            .collect();
        access.writes.sort_unstable_by_key(|write| write.location);
        access
    }
}

impl Source for ListSource<'_> {
    fn account(&mut self, _: &Base<'_>, address: Address) -> Result<Loaded, Stop<Failure>> {
        let Some(account) = self.listed.account(&address) else {
            return Err(self.lacks(&Place::Account(address)));
        };
        account.access(&mut self.tally);
        let standing = |at| {
            let before = account.before(at);
            if self.clears { before.cleared(&account) } else { before }.fields
        };
        Ok(Loaded::plain(standing(self.at), &standing(1)))
    }

    fn slot(
        &mut self,
        _: &Base<'_>,
        address: Address,
        slot: U256,
    ) -> Result<LoadedSlot, Stop<Failure>> {
        let listed = self.listed;
        let found = listed.account(&address).and_then(|account| listed.slot(&account, &slot));
        let Some(found) = found else { return Err(self.lacks(&Place::Slot(address, slot))) };
        found.access(&mut self.tally);
        let value = Value::Slot { value: found.before(self.at), epoch: 0 };
        Ok(LoadedSlot { value, cell: None, seen: 0 })
    }

    fn settled(&self) -> bool {
        true
    }

    fn wants_facts(&self) -> bool {
        true
    }

    fn depend(&mut self, place: &Place, fact: Fact) {
        self.reads.push((*place, fact));
    }

    fn change(&mut self, changed: Changed) -> Result<(), Stop<Failure>> {
        self.changes.push(changed);
        Ok(())
    }
}
