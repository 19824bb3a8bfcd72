//! The oracle: one transaction after the other, with books of its own.
//!
//! Values, access list, access record and net change are kept up transaction by transaction, where the other modes derive
//! them from the engine's versions when the block is done. In common are the machine with its observations, admission, and
//! what a block does besides its transactions; tests hold those against plain loops of revm.

use crate::access_list::Recorder;
use crate::base::Base;
use crate::effects::Effects;
use crate::error::Failure;
use crate::ledger::Ledger;
use crate::machine::Output;
use crate::place::Place;
use crate::settle::{Admission, Extent};
use crate::system::Accesses;
use crate::value::{Change, Value};
use crate::vm::{BlockVm, change_of};
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, U256};
use std::collections::BTreeMap;
use weft_stm::{Settle, Settled, Verdict};
use weft_types::{
    AccessRecord, Account, AccountDiff, Location, ReadAccess, SlotDiff, StateDiff, StateError,
    TransactionAccess, TxIndex, WriteAccess, Writer,
};

/// The settled prefix of a block that the oracle executes.
pub(crate) struct Oracle<'b> {
    base: &'b Base<'b>,
    pub(crate) admission: Admission<'b>,
    pub(crate) recorder: Recorder,
    pub(crate) record: AccessRecord,
    /// Every location that was changed, even if it was changed back.
    pub(crate) values: HashMap<Location, Value>,
    pub(crate) codes: BTreeMap<B256, Bytes>,
    last_writer: HashMap<Location, TxIndex>,
}

impl<'b> Oracle<'b> {
    pub(crate) fn new(base: &'b Base<'b>, admission: Admission<'b>) -> Self {
        Self {
            base,
            admission,
            recorder: Recorder::default(),
            record: AccessRecord::default(),
            values: HashMap::default(),
            codes: BTreeMap::new(),
            last_writer: HashMap::default(),
        }
    }

    fn value(&self, location: &Location) -> Result<Value, StateError> {
        match self.values.get(location) {
            Some(value) => Ok(*value),
            None => self.base.parent_value(location),
        }
    }

    /// Takes in a phase of the block besides its transactions: what it accessed and changed, at access index `index`.
    pub(crate) fn take_phase(
        &mut self,
        index: u64,
        accesses: Accesses,
        ledger: Ledger<'_>,
    ) -> Result<(), StateError> {
        self.recorder.access(accesses);
        let changes = ledger.changes()?;
        let (values, codes) = ledger.into_parts();
        self.codes.extend(codes);
        for (location, value) in changes {
            let code = self.code_bytes(&value);
            self.recorder.change(index, location, value, code);
        }
        self.values.extend(values);
        Ok(())
    }

    /// The bytes that belong to a code value set in this block.
    fn code_bytes(&self, value: &Value) -> Bytes {
        match value {
            Value::Code(hash) => self.codes.get(hash).cloned().unwrap_or_default(),
            _ => Bytes::new(),
        }
    }

    fn include(&mut self, effects: Effects, changes: &[(Location, Change)]) -> Result<(), Failure> {
        let place = TxIndex(self.record.transactions.len() as u32);
        let mut access = TransactionAccess { gas_used: effects.gas_used, ..Default::default() };
        access.reads = self.reads(&effects.reads)?;
        self.recorder.access(effects.accesses);
        for (hash, code) in &effects.codes {
            self.codes.entry(*hash).or_insert_with(|| code.original_bytes());
        }
        for (location, change) in changes {
            let before = self.value(location)?;
            let after = change.apply(&before).ok_or_else(|| Failure::Machine {
                reason: format!("{location:?} holds {before:?} and cannot take {change:?}"),
            })?;
            self.values.insert(*location, after);
            let code = self.code_bytes(&after);
            self.recorder.change(u64::from(place.0) + 1, *location, after, code);
            self.last_writer.insert(*location, place);
            let commutative = matches!(change, Change::Add(_));
            access.writes.push(WriteAccess { location: *location, commutative });
        }
        self.record.transactions.push(access);
        Ok(())
    }

    /// The reads of the access record. "At least so much" is a dependency only where the value before the block was less.
    fn reads(&self, reads: &[(Location, Option<U256>)]) -> Result<Vec<ReadAccess>, Failure> {
        let mut out = Vec::with_capacity(reads.len());
        for (location, least) in reads {
            if let Some(least) = least
                && self.base.value(location)?.number() >= *least
            {
                continue;
            }
            let from = self
                .last_writer
                .get(location)
                .map_or(Writer::Base, |index| Writer::Transaction(*index));
            out.push(ReadAccess { location: *location, from });
        }
        Ok(out)
    }
}

impl<'b> Settle<BlockVm<'b>> for Oracle<'b> {
    fn settle(&mut self, index: u32, settled: Settled<'_, BlockVm<'b>>) -> Verdict {
        let mut effects = match settled.output {
            Output::Invalid { reason } => return self.admission.refuse(index, reason, true),
            Output::Executed(effects) => effects,
        };
        // The machine names what it changed; the engine's numbers of cells mean nothing here.
        let mut changes: Vec<(Location, Change)> = effects
            .named
            .iter()
            .zip(settled.writes)
            .map(|(location, put)| (*location, change_of(&put.write)))
            .collect();
        changes.sort_unstable_by_key(|(location, _)| *location);
        let extent = Extent { accesses: 0, changes: changes.len() };
        if let Err(verdict) = self.admission.admit(index, &mut effects, extent) {
            return verdict;
        }
        match self.include(*effects, &changes) {
            Ok(()) => Verdict::Include,
            Err(failure) => {
                self.admission.failure = Some(failure.into());
                Verdict::Stop
            }
        }
    }
}

/// The net change of `values` against the parent state, and the accounts whose storage before the block is gone.
pub(crate) fn net_change(
    base: &Base<'_>,
    values: &HashMap<Location, Value>,
    codes: &BTreeMap<B256, Bytes>,
    empty_exists: bool,
) -> Result<(StateDiff, Vec<Address>), StateError> {
    let mut sorted: Vec<(Location, Value)> =
        values.iter().map(|(location, value)| (*location, *value)).collect();
    sorted.sort_unstable_by_key(|(location, _)| (*location.address(), *location));
    let mut diff = StateDiff::default();
    let mut wiped = Vec::new();
    let mut used = BTreeMap::new();
    for values in sorted.chunk_by(|(a, _), (b, _)| a.address() == b.address()) {
        let address = *values[0].0.address();
        let before = base.account(&address)?;
        let mut fields = base.parent_fields(&address)?;
        values.iter().for_each(|(_, value)| fields.set(value));
        let exists = !fields.is_empty() || (fields.life.exists && empty_exists);
        let untouched = before.is_some_and(|account| account.is_empty())
            && fields == base.parent_fields(&address)?;
        let account = Account {
            nonce: fields.nonce,
            balance: fields.balance,
            code_hash: fields.code_hash,
            code_size: code_size(base, codes, &fields.code_hash, before.as_ref())?,
        };
        let after = if untouched { before } else { Some(account).filter(|_| exists) };
        if fields.life.epoch > 0 {
            wiped.push(address);
        }
        let slots = slot_diffs(base, values, fields.life.epoch)?;
        if before == after && slots.is_empty() {
            continue;
        }
        let account = AccountDiff { address, before, after, slots };
        let code = account.new_code().and_then(|hash| codes.get_key_value(&hash));
        if let Some((hash, bytes)) = code {
            used.insert(*hash, bytes.clone());
        }
        diff.accounts.push(account);
    }
    diff.code = used.into_iter().collect();
    Ok((diff, wiped))
}

/// Length of the code with this hash.
pub(crate) fn code_size(
    base: &Base<'_>,
    codes: &BTreeMap<B256, Bytes>,
    hash: &B256,
    before: Option<&Account>,
) -> Result<u32, StateError> {
    if let Some(before) = before
        && before.code_hash == *hash
    {
        return Ok(before.code_size);
    }
    let length = match codes.get(hash) {
        Some(code) => code.len(),
        None => base.code(hash)?.original_bytes().len(),
    };
    Ok(u32::try_from(length).expect("code is far smaller than 4 GiB"))
}

/// The slots among `values` that differ from the parent state, or, in an account that was destroyed, from zero.
fn slot_diffs(
    base: &Base<'_>,
    values: &[(Location, Value)],
    epoch: u32,
) -> Result<Vec<SlotDiff>, StateError> {
    let mut slots = Vec::new();
    for (location, value) in values {
        let Place::Slot(address, slot) = Place::of(location).0 else { continue };
        let before = if epoch == 0 { base.parent_slot(&address, &slot)? } else { U256::ZERO };
        let after = value.slot_in(epoch);
        if before != after {
            slots.push(SlotDiff { slot, before, after });
        }
    }
    Ok(slots)
}
