//! The database that a transaction's machine reads from: answers come from a [`Source`], and what was asked is kept.

use crate::base::Base;
use crate::error::Failure;
use crate::place::{Fields, LIFE, Place};
use crate::value::{Change, Observation, Value};
use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, U256};
use revm::Database;
use revm::bytecode::Bytecode;
use revm::context_interface::DBErrorMarker;
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use weft_stm::{Blocked, CellId, Field, Stop};
use weft_types::StateError;

mod accounts;
pub(crate) use accounts::Accounts;

/// Where the values of locations come from.
pub(crate) trait Source {
    /// An account just before the execution.
    fn account(&mut self, base: &Base<'_>, address: Address) -> Result<Loaded, Stop<Failure>>;

    /// A slot just before the execution, as it was written.
    fn slot(
        &mut self,
        base: &Base<'_>,
        address: Address,
        slot: U256,
    ) -> Result<LoadedSlot, Stop<Failure>>;

    /// Whether every answer is final, so that nothing remains to be expected from lower transactions.
    fn settled(&self) -> bool;

    /// Whether somebody asks what the execution depends on.
    fn wants_facts(&self) -> bool {
        false
    }

    /// Takes note of a fact that the execution depends on.
    fn depend(&mut self, place: &Place, fact: Fact) {
        let _ = (place, fact);
    }

    /// Takes note of a changed location. Each is named once, and those of one place follow each other.
    fn change(&mut self, changed: Changed) -> Result<(), Stop<Failure>>;
}

/// One changed location.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    /// Where the engine keeps it; `None` where the execution did not load it, or for a source without an engine.
    pub(crate) cell: Option<CellId>,
    pub(crate) place: Place,
    pub(crate) field: Field,
    pub(crate) change: Change,
}

/// An account as a source gives it.
pub(crate) struct Loaded {
    pub(crate) fields: Fields,
    /// Before the block's transactions it existed and was empty.
    pub(crate) relic: bool,
    /// Before the block's transactions its balance was so large that credits do not commute.
    pub(crate) rich: bool,
    /// Where the engine keeps it, if it does.
    pub(crate) cell: Option<CellId>,
    /// Which states of the fields these are.
    pub(crate) seen: [u32; 4],
    /// Set when the balance is a guess; see [`weft_stm::Read::pending`].
    pub(crate) pending: Option<Blocked>,
}

impl Loaded {
    /// An account that no engine keeps, which was `base` before the block's transactions.
    pub(crate) fn plain(fields: Fields, base: &Fields) -> Self {
        let (relic, rich) = (base.is_relic(), base.is_rich());
        Self { fields, relic, rich, cell: None, seen: [0; 4], pending: None }
    }
}

/// A slot as a source gives it.
pub(crate) struct LoadedSlot {
    pub(crate) value: Value,
    pub(crate) cell: Option<CellId>,
    pub(crate) seen: u32,
}

/// Marks a read that was not answered; the reason waits in [`Tracker::stop`].
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a read was not answered")]
pub(crate) struct Unanswered;

impl DBErrorMarker for Unanswered {}

/// Reads for one execution after the other, and remembers what each has read.
pub(crate) struct Tracker<'b, S> {
    base: &'b Base<'b>,
    spec: SpecId,
    /// Of the current execution.
    pub(crate) source: Option<S>,
    /// The sender and the nonce that its transaction carries; `None` in a system call.
    sender: Option<(Address, u64)>,
    pub(crate) accounts: Accounts,
    pub(crate) slots: Vec<TrackedSlot>,
    /// The transaction created an account, or tried to.
    pub(crate) creates: bool,
    /// Fee for the beneficiary, not yet part of any balance.
    pub(crate) fee: U256,
    /// The beneficiary is so rich that a fee must look at its balance.
    pub(crate) fee_sees: bool,
    /// An account with code may send.
    pub(crate) senders_with_code: bool,
    /// Why the last read was not answered.
    pub(crate) stop: Option<Stop<Failure>>,
    /// Code that this machine has run before.
    codes: B256Map<Bytecode>,
}

/// One account that an execution loaded or asked about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracked {
    /// What it held before the transaction. Default until `loaded`.
    pub(crate) before: Fields,
    /// Whether the machine has read it.
    pub(crate) loaded: bool,
    /// See [`Loaded::relic`].
    pub(crate) relic: bool,
    /// See [`Loaded::rich`].
    pub(crate) rich: bool,
    pub(crate) cell: Option<CellId>,
    pub(crate) seen: [u32; 4],
    /// The balance is a guess.
    pub(crate) pending: Option<Blocked>,
    /// The nonce is one that lower transactions are expected to bring about.
    pub(crate) nonce_assumed: bool,
    /// The nonce was seen.
    pub(crate) nonce: bool,
    /// The balance was seen.
    pub(crate) balance: bool,
    /// Whether it is empty was seen.
    pub(crate) emptiness: bool,
    /// Least balance before the transaction with which all its payments succeed.
    pub(crate) least: U256,
}

/// One slot that an execution read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrackedSlot {
    pub(crate) address: Address,
    pub(crate) slot: U256,
    pub(crate) value: Value,
    pub(crate) cell: Option<CellId>,
    pub(crate) seen: u32,
}

/// One fact that an execution depends on.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) cell: Option<CellId>,
    pub(crate) field: Field,
    pub(crate) seen: u32,
    pub(crate) observation: Observation,
    /// It was not seen but is expected of lower transactions.
    pub(crate) assumed: bool,
}

impl<'b, S: Source> Tracker<'b, S> {
    pub(crate) fn new(base: &'b Base<'b>, spec: SpecId) -> Self {
        Self {
            base,
            spec,
            source: None,
            sender: None,
            accounts: Accounts::default(),
            slots: Vec::new(),
            creates: false,
            fee: U256::ZERO,
            fee_sees: false,
            senders_with_code: false,
            stop: None,
            codes: B256Map::default(),
        }
    }

    /// Begins an execution that reads from `source`.
    pub(crate) fn begin(&mut self, source: S, sender: Option<(Address, u64)>) {
        self.source = Some(source);
        self.sender = sender;
        self.accounts.clear();
        self.slots.clear();
        self.creates = false;
        self.fee = U256::ZERO;
        self.stop = None;
    }

    /// Ends the execution and gives the source back.
    pub(crate) fn end(&mut self) -> S {
        self.source.take().expect("an execution has begun")
    }

    pub(crate) fn source(&mut self) -> &mut S {
        self.source.as_mut().expect("an execution has begun")
    }

    pub(crate) fn base(&self) -> &'b Base<'b> {
        self.base
    }

    pub(crate) fn spec(&self) -> SpecId {
        self.spec
    }

    /// The notes about an account.
    pub(crate) fn note(&mut self, address: Address) -> &mut Tracked {
        self.accounts.note(address)
    }

    fn answer<T>(&mut self, answer: Result<T, Stop<Failure>>) -> Result<T, Unanswered> {
        answer.map_err(|stop| {
            self.stop = Some(stop);
            Unanswered
        })
    }

    fn answer_state<T>(&mut self, answer: Result<T, StateError>) -> Result<T, Unanswered> {
        self.answer(answer.map_err(|error| Stop::Fatal(Failure::State(error))))
    }

    fn load(&mut self, address: Address) -> Result<Fields, Unanswered> {
        let base = self.base;
        let loaded = self.source().account(base, address);
        let Loaded { mut fields, relic, rich, cell, seen, pending } = self.answer(loaded)?;
        let mut nonce_assumed = false;
        // An earlier transaction of this sender is still under way: go on as if it had been executed (hazard 7).
        if let Some((sender, expected)) = self.sender
            && sender == address
            && fields.nonce < expected
            && !self.source().settled()
        {
            fields.nonce = expected;
            nonce_assumed = true;
        }
        let tracked = self.note(address);
        tracked.before = fields;
        tracked.loaded = true;
        tracked.relic = relic;
        tracked.rich = rich;
        tracked.cell = cell;
        tracked.seen = seen;
        tracked.pending = pending;
        tracked.nonce_assumed = nonce_assumed;
        Ok(fields)
    }
}

impl Tracked {
    /// A fact about one field.
    pub(crate) fn fact(&self, field: Field, observation: Observation) -> Fact {
        Fact {
            cell: self.cell,
            field,
            seen: self.seen[usize::from(field)],
            observation,
            assumed: false,
        }
    }

    /// The fact that the field is what it is.
    pub(crate) fn exactly(&self, field: Field) -> Fact {
        self.fact(field, Observation::Exactly(self.before.value(field)))
    }

    /// The fact that its storage is the one that it is.
    pub(crate) fn life(&self) -> Fact {
        self.exactly(LIFE)
    }
}

impl<S: Source> Database for Tracker<'_, S> {
    type Error = Unanswered;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Unanswered> {
        let fields = self.load(address)?;
        if fields.is_empty() && !fields.life.exists {
            return Ok(None);
        }
        let Fields { balance, nonce, code_hash, .. } = fields;
        Ok(Some(AccountInfo { balance, nonce, code_hash, code: None, ..Default::default() }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Unanswered> {
        if let Some(code) = self.codes.get(&code_hash) {
            return Ok(code.clone());
        }
        let code = self.base.code(&code_hash);
        let code = self.answer_state(code)?;
        self.codes.insert(code_hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Unanswered> {
        let base = self.base;
        let loaded = self.source().slot(base, address, slot);
        let LoadedSlot { value, cell, seen } = self.answer(loaded)?;
        self.slots.push(TrackedSlot { address, slot, value, cell, seen });
        let epoch = self.accounts.get(&address).map_or(0, |tracked| tracked.before.life.epoch);
        Ok(value.slot_in(epoch))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Unanswered> {
        let hash = self.base.block_hash(number);
        self.answer_state(hash)
    }
}
