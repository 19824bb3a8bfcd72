//! The baseline: a plain loop of revm over a cache, as anybody would write it.
//!
//! It executes and commits, nothing else: no receipts, no access list, no net change. Every speed-up is quoted against it.
//! Nothing of `weft-evm` runs in it but the types of its input.

mod environment;

use alloy_consensus::{Eip658Value, Receipt as Body, TxReceipt, Typed2718};
use alloy_eips::{eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS};
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bytes, U256};
use environment::{block_environment, chain_environment, transaction_environment};
use revm::bytecode::Bytecode;
use revm::database::{CacheDB, DBErrorMarker, DatabaseRef};
use revm::handler::MainnetContext;
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{Context, ExecuteCommitEvm, MainBuilder, MainContext, MainnetEvm, SystemCallCommitEvm};
use std::cell::RefCell;
use std::time::Instant;
use weft_evm::BlockInput;
use weft_types::{Account, Receipt, StateError, StateReader};

/// The state could not answer.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(transparent)]
pub struct Unanswered(#[from] StateError);

impl DBErrorMarker for Unanswered {}

/// The loop could not execute a block.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("plain loop: {place}: {reason}")]
pub struct PlainError {
    /// Where in the block.
    pub place: String,
    /// What revm said.
    pub reason: String,
}

/// The loop, with the code that it has analysed so far: an executor keeps analysed code between blocks, and so does this.
#[derive(Debug, Default)]
pub struct PlainLoop {
    codes: RefCell<HashMap<B256, Bytecode>>,
}

/// What one pass over a block gave.
#[derive(Debug)]
pub struct PlainRun<'a> {
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// Gas used by each transaction.
    pub gas: Vec<u64>,
    /// Nanoseconds of each transaction, when asked for; else empty.
    pub nanoseconds: Vec<u64>,
    /// The state after the transactions; kept so that dropping it is not part of the measured time.
    pub database: CacheDB<PlainState<'a>>,
}

/// A [`StateReader`] as revm reads it.
pub struct PlainState<'a> {
    state: &'a dyn StateReader,
    codes: &'a RefCell<HashMap<B256, Bytecode>>,
    number: u64,
    parent_hash: B256,
}

impl PlainLoop {
    /// Executes the transactions of a block, and the system calls before them. `timed` measures each transaction, which
    /// costs some 50 nanoseconds each.
    ///
    /// # Errors
    /// [`PlainError`] when the state does not answer or a transaction is invalid.
    pub fn run<'a>(
        &'a self,
        block: &BlockInput<'_>,
        state: &'a dyn StateReader,
        timed: bool,
    ) -> Result<PlainRun<'a>, PlainError> {
        let mut gas = Vec::with_capacity(block.transactions.len());
        let mut nanoseconds = Vec::with_capacity(if timed { block.transactions.len() } else { 0 });
        let mut machine = self.machine(block, state)?;
        let mut last = Instant::now();
        for (index, transaction) in block.transactions.iter().enumerate() {
            let result = machine
                .transact_commit(transaction_environment(transaction))
                .map_err(|error| failed(&format!("transaction {index}"), &error))?;
            gas.push(result.tx_gas_used());
            if timed {
                let now = Instant::now();
                nanoseconds.push(now.duration_since(last).as_nanos() as u64);
                last = now;
            }
        }
        let database = machine.ctx.journaled_state.database;
        Ok(PlainRun { gas_used: gas.iter().sum(), gas, nanoseconds, database })
    }

    /// The receipts of a block, for comparing the loop itself with headers. Receipts before Byzantium carry a state root,
    /// which this does not compute: they get a status, and their root means nothing.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn receipts(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
    ) -> Result<Vec<Receipt>, PlainError> {
        let mut receipts = Vec::with_capacity(block.transactions.len());
        let mut cumulative_gas_used = 0;
        let mut machine = self.machine(block, state)?;
        for (index, transaction) in block.transactions.iter().enumerate() {
            let result = machine
                .transact_commit(transaction_environment(transaction))
                .map_err(|error| failed(&format!("transaction {index}"), &error))?;
            cumulative_gas_used += result.tx_gas_used();
            let status = Eip658Value::Eip658(result.is_success());
            let body = Body { status, cumulative_gas_used, logs: result.into_logs() };
            receipts.push(envelope(transaction.ty(), body));
        }
        Ok(receipts)
    }

    /// One machine for the whole block, after the system calls before its transactions.
    fn machine<'a>(
        &'a self,
        block: &BlockInput<'_>,
        state: &'a dyn StateReader,
    ) -> Result<MainnetEvm<MainnetContext<CacheDB<PlainState<'a>>>>, PlainError> {
        let (number, parent_hash) = (block.header.number, block.header.parent_hash);
        let database = PlainState { state, codes: &self.codes, number, parent_hash };
        let mut machine = Context::mainnet()
            .with_db(CacheDB::new(database))
            .with_cfg(chain_environment(block.rules))
            .with_block(block_environment(block.header, block.rules))
            .build_mainnet();
        for (contract, input) in system_calls(block) {
            let account =
                state.account(&contract).map_err(|error| failed("system call", &error))?;
            if account.is_some_and(|account| account.has_code()) {
                let input = Bytes::copy_from_slice(input.as_slice());
                machine
                    .system_call_commit(contract, input)
                    .map_err(|error| failed("system call", &error))?;
            }
        }
        Ok(machine)
    }
}

/// The calls before the transactions: beacon root (EIP-4788), parent hash (EIP-2935).
fn system_calls(block: &BlockInput<'_>) -> impl Iterator<Item = (Address, B256)> {
    let (rules, header) = (block.rules, block.header);
    let calls = [
        (SpecId::CANCUN, BEACON_ROOTS_ADDRESS, header.parent_beacon_block_root.unwrap_or_default()),
        (SpecId::PRAGUE, HISTORY_STORAGE_ADDRESS, header.parent_hash),
    ];
    let (enabled, spec) = (rules.system_calls, rules.spec);
    let due = move |(from, _, _): &(SpecId, Address, B256)| enabled && spec.is_enabled_in(*from);
    calls.into_iter().filter(due).map(|(_, contract, input)| (contract, input))
}

fn failed(place: &str, error: &dyn std::fmt::Display) -> PlainError {
    PlainError { place: place.to_owned(), reason: error.to_string() }
}

/// A receipt in the envelope of its transaction's type.
fn envelope(ty: u8, body: Body<alloy_primitives::Log>) -> Receipt {
    let body = body.into_with_bloom();
    match ty {
        1 => Receipt::Eip2930(body),
        2 => Receipt::Eip1559(body),
        3 => Receipt::Eip4844(body),
        4 => Receipt::Eip7702(body),
        _ => Receipt::Legacy(body),
    }
}

impl DatabaseRef for PlainState<'_> {
    type Error = Unanswered;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Unanswered> {
        let account = self.state.account(&address)?;
        Ok(account.map(|Account { nonce, balance, code_hash, .. }| AccountInfo {
            balance,
            nonce,
            code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Unanswered> {
        if let Some(code) = self.codes.borrow().get(&hash) {
            return Ok(code.clone());
        }
        let code = Bytecode::new_raw(self.state.code(&hash)?);
        self.codes.borrow_mut().insert(hash, code.clone());
        Ok(code)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Unanswered> {
        Ok(self.state.storage(&address, &slot)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Unanswered> {
        if number.checked_add(1) == Some(self.number) {
            return Ok(self.parent_hash);
        }
        Ok(self.state.block_hash(number)?.unwrap_or_default())
    }
}

impl std::fmt::Debug for PlainState<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainState").field("number", &self.number).finish_non_exhaustive()
    }
}
