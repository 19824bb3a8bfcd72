//! The database that a transaction's machine reads from: answers come from a [`Source`], and what was asked is kept.

use crate::base::Base;
use crate::error::Failure;
use crate::value::{Observation, Value};
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use revm::Database;
use revm::bytecode::Bytecode;
use revm::context_interface::DBErrorMarker;
use revm::state::AccountInfo;
use weft_stm::Stop;
use weft_types::{Location, StateError};

/// Where the values of locations come from.
pub(crate) trait Source {
    /// The value of `location` just before the execution.
    fn read(&mut self, location: &Location) -> Result<Value, Stop<Failure>>;

    /// The same, but `None` where it is the value from before the first transaction.
    fn read_written(&mut self, location: &Location) -> Result<Option<Value>, Stop<Failure>>;

    /// Whether every answer is final, so that nothing remains to be expected from lower transactions.
    fn settled(&self) -> bool;
}

/// Marks a read that was not answered; the reason waits in [`Tracker::stop`].
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a read was not answered")]
pub(crate) struct Unanswered;

impl DBErrorMarker for Unanswered {}

/// Reads for one execution, and remembers them.
pub(crate) struct Tracker<'s, S> {
    source: &'s mut S,
    base: &'s Base<'s>,
    /// The sender and the nonce that its transaction carries; `None` in a system call.
    sender: Option<(Address, u64)>,
    pub(crate) accounts: AddressMap<Tracked>,
    pub(crate) slots: Vec<(Location, Value)>,
    /// The transaction created an account, or tried to.
    pub(crate) creates: bool,
    /// Fee for the beneficiary, not yet part of any balance.
    pub(crate) fee: U256,
    /// Why the last read was not answered.
    pub(crate) stop: Option<Stop<Failure>>,
}

/// One account that an execution loaded or asked about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracked {
    /// What it held before the transaction. Default until `loaded`.
    pub(crate) before: Before,
    /// Whether the machine has read it.
    pub(crate) loaded: bool,
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

/// The fields of an account before the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) code_hash: B256,
}

impl Default for Before {
    fn default() -> Self {
        Self { balance: U256::ZERO, nonce: 0, code_hash: KECCAK256_EMPTY }
    }
}

/// One fact that an execution depends on.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) location: Location,
    pub(crate) observation: Observation,
    /// It was not seen but is expected of lower transactions.
    pub(crate) assumed: bool,
}

impl<'s, S: Source> Tracker<'s, S> {
    pub(crate) fn new(
        source: &'s mut S,
        base: &'s Base<'s>,
        sender: Option<(Address, u64)>,
    ) -> Self {
        Self {
            source,
            base,
            sender,
            accounts: AddressMap::default(),
            slots: Vec::new(),
            creates: false,
            fee: U256::ZERO,
            stop: None,
        }
    }

    /// The notes about an account.
    pub(crate) fn note(&mut self, address: Address) -> &mut Tracked {
        self.accounts.entry(address).or_default()
    }

    fn read(&mut self, location: &Location) -> Result<Value, Unanswered> {
        self.source.read(location).map_err(|stop| {
            self.stop = Some(stop);
            Unanswered
        })
    }

    fn read_written(&mut self, location: &Location) -> Result<Option<Value>, Unanswered> {
        self.source.read_written(location).map_err(|stop| {
            self.stop = Some(stop);
            Unanswered
        })
    }

    fn answer<T>(&mut self, answer: Result<T, StateError>) -> Result<T, Unanswered> {
        answer.map_err(|error| {
            self.stop = Some(Stop::Fatal(Failure::State(error)));
            Unanswered
        })
    }

    fn load(&mut self, address: Address) -> Result<Before, Unanswered> {
        // One look at the base answers for all fields that the block has not written.
        let base = self.base.before(&address);
        let Before { mut balance, mut nonce, mut code_hash } = self.answer(base)?;
        if let Some(written) = self.read_written(&Location::Balance { address })? {
            balance = written.balance();
        }
        if let Some(Value::Nonce(written)) = self.read_written(&Location::Nonce { address })? {
            nonce = written;
        }
        if let Some(Value::Code(written)) = self.read_written(&Location::Code { address })? {
            code_hash = written;
        }
        let mut nonce_assumed = false;
        // An earlier transaction of this sender is still under way: go on as if it had been executed (hazard 7).
        if let Some((sender, expected)) = self.sender
            && sender == address
            && nonce < expected
            && !self.source.settled()
        {
            nonce = expected;
            nonce_assumed = true;
        }
        let before = Before { balance, nonce, code_hash };
        let tracked = self.note(address);
        tracked.before = before;
        tracked.loaded = true;
        tracked.nonce_assumed = nonce_assumed;
        Ok(before)
    }
}

impl<S: Source> Database for Tracker<'_, S> {
    type Error = Unanswered;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Unanswered> {
        let before = self.load(address)?;
        if before == Before::default() {
            return Ok(None);
        }
        let Before { balance, nonce, code_hash } = before;
        Ok(Some(AccountInfo { balance, nonce, code_hash, code: None, ..Default::default() }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Unanswered> {
        let code = self.base.code(&code_hash);
        self.answer(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Unanswered> {
        let location = Location::Storage { address, slot };
        let value = self.read(&location)?;
        self.slots.push((location, value));
        Ok(value.number())
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Unanswered> {
        let hash = self.base.block_hash(number);
        self.answer(hash)
    }
}
