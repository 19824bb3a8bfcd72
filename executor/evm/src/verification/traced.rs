//! Executing transactions on the list by the machine of the speculative run, which says what each depends on.

use super::{Done, Ended, not_listed, out_of_range};
use crate::base::Base;
use crate::effects::Wanted;
use crate::environment::Environment;
use crate::error::Failure;
use crate::listed::{Listed, ListedAccount, ListedSlot, Standing, Tally};
use crate::machine::{Machine, Output};
use crate::place::{LIFE, Place};
use crate::tracker::{Changed, Fact, Loaded, LoadedSlot, Source};
use crate::value::{Change, Observation, Value};
use alloy_primitives::{Address, U256};
use revm::context::TxEnv;
use revm::primitives::hardfork::SpecId;
use weft_stm::{CellId, Field, Stop};
use weft_types::{Location, ReadAccess, TransactionAccess, TxIndex, WriteAccess, Writer};

/// Executes transaction after transaction of one block, on one thread.
pub(super) struct TracedMachine<'v> {
    machine: Machine<'v, ListSource<'v>>,
    /// Between two transactions; its buffers are used again.
    source: Option<ListSource<'v>>,
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
        Self { machine, source: None, listed, clears, tally: Tally::default() }
    }

    /// Executes transaction `index` and holds it against the list; with what it read and wrote.
    pub(super) fn execute(
        &mut self,
        transaction: TxEnv,
        index: u32,
    ) -> (Ended, Option<TransactionAccess>) {
        let mut source = std::mem::take(&mut self.source).unwrap_or_else(|| self.new_source());
        source.begin(index + 1);
        let (mut source, result) = self.machine.execute(source, transaction, index);
        let ended = self.judge(&mut source, result);
        self.source = Some(source);
        ended
    }

    fn new_source(&self) -> ListSource<'v> {
        ListSource {
            listed: self.listed,
            at: 0,
            clears: self.clears,
            accounts: Vec::new(),
            slots: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            tally: Tally::default(),
            ended: None,
        }
    }

    fn judge(
        &mut self,
        source: &mut ListSource<'v>,
        result: Result<Output, Stop<Failure>>,
    ) -> (Ended, Option<TransactionAccess>) {
        self.tally += source.tally;
        if let Some(ended) = source.ended.take() {
            return (ended, None);
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
        let done = Done {
            gas_used: effects.gas_used,
            success: effects.success,
            logs: std::mem::take(&mut effects.logs),
            writes: source.writes.len(),
        };
        self.tally.writes += done.writes;
        (Ended::Agrees(done), Some(source.trace(effects.gas_used)))
    }
}

/// The list as one transaction reads it, and as what it does is held against it.
struct ListSource<'v> {
    listed: &'v Listed<'v>,
    /// Access index of the transaction.
    at: u32,
    /// See [`TracedMachine`].
    clears: bool,
    /// Accounts that it has loaded, each as it stood; the number of its cell is its place here.
    accounts: Vec<(ListedAccount<'v>, Standing)>,
    /// Slots that it has loaded; the number of its cell is its place here.
    slots: Vec<ListedSlot<'v>>,
    /// What it depended on, and for "at least" on how much; in the order of the machine.
    reads: Vec<(Location, Option<U256>, Option<Writer>)>,
    writes: Vec<WriteAccess>,
    tally: Tally,
    /// Why there is no result: the list is wrong, or cannot say what happens.
    ended: Option<Ended>,
}

impl<'v> ListSource<'v> {
    fn begin(&mut self, at: u32) {
        self.at = at;
        self.accounts.clear();
        self.slots.clear();
        self.reads.clear();
        self.writes.clear();
        self.tally = Tally::default();
        self.ended = None;
    }

    /// Ends the execution.
    fn end(&mut self, ended: Ended) -> Stop<Failure> {
        // The first reason stays.
        self.ended.get_or_insert(ended);
        Stop::Fatal(Failure::Machine { reason: "the list does not agree".to_owned() })
    }

    /// Ends the execution: the list lacks what it has to read.
    fn lacks(&mut self, place: &Place) -> Stop<Failure> {
        self.end(Ended::Differs(not_listed(place)))
    }

    /// The account of a place, with how it stood: loaded, or looked for now.
    fn account_of(
        &self,
        cell: Option<CellId>,
        address: &Address,
    ) -> Option<(ListedAccount<'v>, Standing)> {
        if let Some(cell) = cell {
            return self.accounts.get(cell.number()).copied();
        }
        let account = self.listed.account(address)?;
        Some((account, account.before(self.at)))
    }

    /// The slot of a place.
    fn slot_of(
        &self,
        cell: Option<CellId>,
        address: &Address,
        slot: &U256,
    ) -> Option<ListedSlot<'v>> {
        if let Some(cell) = cell {
            return self.slots.get(cell.number()).copied();
        }
        let listed = self.listed;
        listed.slot(&listed.account(address)?, slot)
    }

    /// The value before, and the one that is listed from this access index on; notes the access.
    fn around(
        &mut self,
        place: &Place,
        cell: Option<CellId>,
        field: Field,
    ) -> Option<(Value, Option<Value>)> {
        match place {
            Place::Account(address) => {
                let (account, before) = self.account_of(cell, address)?;
                account.access(&mut self.tally);
                Some((before.fields.value(field), account.at(field, self.at, &before)))
            }
            Place::Slot(address, slot) => {
                let slot = self.slot_of(cell, address, slot)?;
                slot.access(&mut self.tally);
                let value = |value| Value::Slot { value, epoch: 0 };
                Some((value(slot.before(self.at)), slot.at(self.at).map(value)))
            }
        }
    }

    /// The transaction, or what was before all, that wrote the value which this one saw; `None` where it saw "at least so
    /// much", and there was so much before the block: no dependency.
    fn writer(&self, place: &Place, fact: &Fact) -> Option<Writer> {
        let least = match fact.observation {
            Observation::Exactly(_) => None,
            Observation::AtLeast(least) => Some(least),
        };
        // Index 1: after what the block did before its transactions.
        let (base, last) = match place {
            Place::Account(address) => {
                let (account, _) = self.account_of(fact.cell, address)?;
                let base = || account.before(1).fields.value(fact.field).number();
                (least.map(|_| base()), account.writer_below(fact.field, self.at))
            }
            Place::Slot(address, slot) => {
                let slot = self.slot_of(fact.cell, address, slot)?;
                (least.map(|_| slot.before(1)), slot.writer_below(self.at))
            }
        };
        if let (Some(least), Some(base)) = (least, base)
            && base >= least
        {
            return None;
        }
        Some(match last {
            Some(at) if at > 0 => Writer::Transaction(TxIndex(at - 1)),
            _ => Writer::Base,
        })
    }

    /// What the transaction read, from whom, and wrote.
    fn trace(&mut self, gas_used: u64) -> TransactionAccess {
        self.reads.sort_unstable_by_key(|(location, least, _)| (*location, *least));
        self.reads.dedup_by_key(|(location, ..)| *location);
        let read = |(location, _, from): &(Location, Option<U256>, Option<Writer>)| {
            from.map(|from| ReadAccess { location: *location, from })
        };
        let reads = self.reads.iter().filter_map(read).collect();
        self.writes.sort_unstable_by_key(|write| write.location);
        TransactionAccess { gas_used, reads, writes: self.writes.clone() }
    }
}

impl Source for ListSource<'_> {
    fn account(&mut self, _: &Base<'_>, address: Address) -> Result<Loaded, Stop<Failure>> {
        let Some(account) = self.listed.account(&address) else {
            return Err(self.lacks(&Place::Account(address)));
        };
        account.access(&mut self.tally);
        let cell = Some(number_of(&self.accounts));
        let standing = |at| {
            let before = account.before(at);
            if self.clears { before.cleared(&account) } else { before }
        };
        let now = standing(self.at);
        self.accounts.push((account, now));
        Ok(Loaded { cell, ..Loaded::plain(now.fields, &standing(1).fields) })
    }

    fn slot(
        &mut self,
        _: &Base<'_>,
        address: Address,
        slot: U256,
    ) -> Result<LoadedSlot, Stop<Failure>> {
        let Some(found) = self.slot_of(None, &address, &slot) else {
            return Err(self.lacks(&Place::Slot(address, slot)));
        };
        found.access(&mut self.tally);
        let cell = Some(number_of(&self.slots));
        self.slots.push(found);
        let value = Value::Slot { value: found.before(self.at), epoch: 0 };
        Ok(LoadedSlot { value, cell, seen: 0 })
    }

    fn settled(&self) -> bool {
        true
    }

    fn wants_facts(&self) -> bool {
        true
    }

    fn depend(&mut self, place: &Place, fact: Fact) {
        let from = self.writer(place, &fact);
        let least = match fact.observation {
            Observation::Exactly(_) => None,
            Observation::AtLeast(least) => Some(least),
        };
        self.reads.push((place.location(fact.field), least, from));
    }

    fn change(&mut self, changed: Changed) -> Result<(), Stop<Failure>> {
        let Changed { cell, place, field, change } = changed;
        if field == LIFE && matches!(place, Place::Account(_)) {
            // Also of what was left empty before EIP-161: a list does not say that it vanishes.
            return Err(self.end(Ended::Inexpressible));
        }
        let Some((before, listed)) = self.around(&place, cell, field) else {
            return Err(self.lacks(&place));
        };
        let Some(after) = change.apply(&before) else {
            return Err(self.end(Ended::Differs(out_of_range(&place))));
        };
        let location = place.location(field);
        if listed != Some(after) {
            let at = self.at;
            return Err(self.end(Ended::Differs(format!(
                "{location:?} is {after:?} after access index {at}, listed is {listed:?}"
            ))));
        }
        let commutative = matches!(change, Change::Add(_));
        self.writes.push(WriteAccess { location, commutative });
        Ok(())
    }
}

/// The number of the next element, as that of a cell.
fn number_of<T>(list: &[T]) -> CellId {
    CellId::from_number(u32::try_from(list.len()).expect("no transaction has room for more"))
}
