//! Simulated calls: `eth_call` and `eth_estimateGas`.
//!
//! As in geth, a call pays for nothing that it does not name: without fee fields the gas price and the base fee are zero;
//! nonce, sender code (EIP-3607) and the gas cap of EIP-7825 are not judged; the value must be covered by the balance.

use crate::base::{Base, CodeCache};
use crate::environment::Environment;
use crate::error::{CallError, Failure};
use crate::ledger::Ledger;
use crate::points;
use crate::rules::Rules;
use crate::tracker::Tracker;
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256};
use handler::CallHandler;
use revm::MainContext;
use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction};
use revm::context::{ContextTr, TxEnv};
use revm::context_interface::either::Either;
use revm::handler::{Handler, MainBuilder};
use weft_stm::Stop;
use weft_types::{Header, StateReader};

mod handler;

pub use handler::{check_call, prepare_caller};

/// Gas of a transaction without data, and of the plain transfer.
const TRANSFER_GAS: u64 = 21_000;

/// What to simulate. Absent fields take geth's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Sender; no signature is needed.
    pub from: Address,
    /// Recipient; `None` creates a contract.
    pub to: Option<Address>,
    /// Gas limit; the cap when absent.
    pub gas: Option<u64>,
    /// Price of legacy transactions, in wei.
    pub gas_price: Option<u128>,
    /// EIP-1559 `maxFeePerGas`, in wei.
    pub max_fee_per_gas: Option<u128>,
    /// EIP-1559 `maxPriorityFeePerGas`, in wei.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Value to transfer, in wei.
    pub value: U256,
    /// Calldata, or the initcode of a creation.
    pub input: Bytes,
    /// Nonce of the sender, which decides the address of a creation; the account's when absent. Never judged.
    pub nonce: Option<u64>,
    /// EIP-2930 access list.
    pub access_list: AccessList,
    /// EIP-7702 authorizations.
    pub authorization_list: Vec<SignedAuthorization>,
    /// EIP-4844 versioned hashes; only under rules with blobs.
    pub blob_hashes: Vec<B256>,
    /// EIP-4844 `maxFeePerBlobGas`, in wei.
    pub max_fee_per_blob_gas: Option<u128>,
}

impl CallRequest {
    /// The request as a transaction of the block with this header, and the environment to run it in: what it does not name
    /// costs nothing, nonce and gas cap of transactions are not judged. Its gas limit is left at zero.
    ///
    /// # Errors
    /// [`CallError::Invalid`] when the request contradicts itself; [`CallError::State`].
    pub fn environment(
        &self,
        header: &Header,
        state: &dyn StateReader,
        rules: &Rules,
    ) -> Result<(Environment, TxEnv), CallError> {
        let mut environment = Environment::new(header, rules);
        environment.cfg.tx_gas_limit_cap = Some(u64::MAX);
        environment.cfg.disable_nonce_check = true;
        let dynamic = self.max_fee_per_gas.is_some() || self.max_priority_fee_per_gas.is_some();
        if dynamic && self.gas_price.is_some() {
            let reason = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
            return Err(invalid(reason));
        }
        let tip = self.max_priority_fee_per_gas.unwrap_or_default();
        let fee = self.max_fee_per_gas.or(self.gas_price).unwrap_or(tip);
        if dynamic && tip > fee {
            return Err(invalid(format!(
                "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}"
            )));
        }
        if fee == 0 {
            environment.block.basefee = 0;
        } else if fee < u128::from(environment.block.basefee) {
            let base_fee = environment.block.basefee;
            return Err(invalid(format!(
                "max fee per gas less than block base fee: maxFeePerGas: {fee}, baseFee: {base_fee}"
            )));
        }
        let tx_type = match () {
            () if !self.blob_hashes.is_empty() => 3,
            () if !self.authorization_list.is_empty() => 4,
            () if dynamic => 2,
            () if !self.access_list.is_empty() => 1,
            () => 0,
        };
        if tx_type == 4 && self.to.is_none() {
            return Err(invalid("EIP-7702 transaction cannot be used to create contract"));
        }
        let nonce = match self.nonce {
            Some(nonce) => nonce,
            None => state.account(&self.from)?.unwrap_or_default().nonce,
        };
        let transaction = TxEnv {
            tx_type,
            caller: self.from,
            gas_limit: 0,
            gas_price: fee,
            kind: self.to.map_or(TxKind::Create, TxKind::Call),
            value: self.value,
            data: self.input.clone(),
            nonce,
            chain_id: Some(rules.chain_id),
            access_list: self.access_list.clone(),
            gas_priority_fee: dynamic.then_some(tip),
            blob_hashes: self.blob_hashes.clone(),
            max_fee_per_blob_gas: self.max_fee_per_blob_gas.unwrap_or_default(),
            authorization_list: self.authorization_list.iter().cloned().map(Either::Left).collect(),
        };
        Ok((environment, transaction))
    }
}

/// What a simulated call gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// How it ended.
    pub status: CallStatus,
    /// What it returned; the reason of a revert.
    pub output: Bytes,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// Logs in order; none unless it succeeded.
    pub logs: Vec<Log>,
}

/// How a simulated call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// It succeeded.
    Success,
    /// The contract reverted.
    Reverted,
    /// An exceptional halt.
    Halted {
        /// Why.
        reason: String,
        /// Whether more gas could help.
        out_of_gas: bool,
    },
}

/// Simulates a call on top of `state`, in the environment that `header` gives.
///
/// `gas_cap` bounds the gas, whatever the request asks for.
///
/// # Errors
/// [`CallError::Invalid`] when the request contradicts itself or the sender cannot pay what it names;
/// [`CallError::State`]. A revert is an outcome, not an error.
pub fn call(
    request: &CallRequest,
    header: &Header,
    state: &dyn StateReader,
    rules: &Rules,
    gas_cap: u64,
) -> Result<CallOutcome, CallError> {
    let gas = request.gas.unwrap_or(gas_cap).min(gas_cap);
    Simulation::new(request, header, state, rules)?.run(gas)
}

/// The least gas limit with which the call succeeds (within 1.5 %, as in geth).
///
/// # Errors
/// [`CallError::Reverted`] or [`CallError::Halted`] when it fails even with `gas_cap`; [`CallError::Invalid`];
/// [`CallError::State`].
pub fn estimate_gas(
    request: &CallRequest,
    header: &Header,
    state: &dyn StateReader,
    rules: &Rules,
    gas_cap: u64,
) -> Result<u64, CallError> {
    let simulation = Simulation::new(request, header, state, rules)?;
    let mut high = request.gas.filter(|gas| *gas >= TRANSFER_GAS).unwrap_or(header.gas_limit);
    high = high.min(gas_cap).min(weft_types::limits::TRANSACTION_GAS_MAX);
    if let Some(affordable) = simulation.affordable_gas()? {
        high = high.min(affordable);
    }
    if simulation.is_plain_transfer()?
        && high >= TRANSFER_GAS
        && simulation.run(TRANSFER_GAS)?.status == CallStatus::Success
    {
        return Ok(TRANSFER_GAS);
    }
    let first = match simulation.run(high) {
        Ok(outcome) => outcome,
        Err(CallError::Invalid { reason }) if high < TRANSFER_GAS => {
            return Err(CallError::Invalid {
                reason: format!("gas required exceeds allowance ({high}): {reason}"),
            });
        }
        Err(error) => return Err(error),
    };
    match first.status {
        CallStatus::Success => {}
        CallStatus::Reverted => return Err(CallError::Reverted { output: first.output }),
        CallStatus::Halted { out_of_gas: true, .. } => {
            return Err(CallError::Halted {
                reason: format!("gas required exceeds allowance ({high})"),
            });
        }
        CallStatus::Halted { reason, .. } => return Err(CallError::Halted { reason }),
    }
    // The gas used after refunds is never enough less one; 63/64 of the rest may have been kept back, and the stipend.
    let mut low = first.gas_used.saturating_sub(1);
    let optimistic = (first.gas_used + 2_300) / 63 * 64 + 64;
    if optimistic < high {
        if simulation.succeeds(optimistic)? {
            high = optimistic;
        } else {
            low = optimistic;
        }
    }
    while low + 1 < high {
        if (high - low) * 1000 < high * 15 {
            break;
        }
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2).max(low + 1));
        if simulation.succeeds(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

/// One request, ready to be run with any gas limit.
struct Simulation<'r> {
    request: &'r CallRequest,
    state: &'r dyn StateReader,
    header: &'r Header,
    environment: Environment,
    transaction: TxEnv,
}

impl<'r> Simulation<'r> {
    fn new(
        request: &'r CallRequest,
        header: &'r Header,
        state: &'r dyn StateReader,
        rules: &Rules,
    ) -> Result<Self, CallError> {
        points::install();
        let (environment, transaction) = request.environment(header, state, rules)?;
        Ok(Self { request, state, header, environment, transaction })
    }

    /// Gas that the sender's balance pays for at the price the request names; `None` when it names none.
    fn affordable_gas(&self) -> Result<Option<u64>, CallError> {
        if self.transaction.gas_price == 0 {
            return Ok(None);
        }
        let balance = self.state.account(&self.request.from)?.unwrap_or_default().balance;
        let Some(available) = balance.checked_sub(self.request.value) else {
            return Err(invalid("insufficient funds for transfer"));
        };
        let gas = available / U256::from(self.transaction.gas_price);
        Ok(Some(u64::try_from(gas).unwrap_or(u64::MAX)))
    }

    fn is_plain_transfer(&self) -> Result<bool, CallError> {
        let Some(to) = self.request.to else { return Ok(false) };
        Ok(self.request.input.is_empty()
            && self.request.access_list.is_empty()
            && self.request.authorization_list.is_empty()
            && !self.state.account(&to)?.unwrap_or_default().has_code())
    }

    fn succeeds(&self, gas: u64) -> Result<bool, CallError> {
        match self.run(gas) {
            Ok(outcome) => Ok(outcome.status == CallStatus::Success),
            // Below the intrinsic gas or the calldata floor.
            Err(CallError::Invalid { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn run(&self, gas: u64) -> Result<CallOutcome, CallError> {
        let codes = CodeCache::default();
        let base = Base::new(self.state, self.header, &codes);
        let ledger = Ledger::new(&base);
        let mut tracker = Tracker::new(&base, self.environment.cfg.spec);
        tracker.begin(ledger.view(), None);
        let mut machine = revm::Context::mainnet()
            .with_cfg(self.environment.cfg.clone())
            .with_block(self.environment.block.clone())
            .with_db(tracker)
            .build_mainnet();
        machine.ctx.tx = TxEnv { gas_limit: gas, ..self.transaction.clone() };
        let result = CallHandler::default().run(&mut machine);
        match result {
            Ok(result) => Ok(outcome_of(result)),
            Err(EVMError::Transaction(reason)) => Err(invalid(explain(&reason))),
            Err(error) => match machine.ctx.db_mut().stop.take() {
                Some(Stop::Fatal(Failure::State(error))) => Err(error.into()),
                _ => Err(invalid(error.to_string())),
            },
        }
    }
}

fn invalid(reason: impl Into<String>) -> CallError {
    CallError::Invalid { reason: reason.into() }
}

/// Why a transaction is invalid, in the words that wallets expect to read.
#[must_use]
pub fn explain(reason: &InvalidTransaction) -> String {
    match reason {
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: have {balance} want {fee}")
        }
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}")
        }
        InvalidTransaction::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        other => other.to_string(),
    }
}

/// Why an execution halted, in the words of geth, which tools look for.
#[must_use]
pub fn explain_halt(reason: &HaltReason) -> String {
    let text = match reason {
        HaltReason::OutOfGas(_) => "out of gas",
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => "invalid opcode",
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID",
        HaltReason::InvalidJump => "invalid jump destination",
        HaltReason::StackUnderflow => "stack underflow",
        HaltReason::StackOverflow => "stack limit reached 1024",
        HaltReason::OutOfOffset => "return data out of bounds",
        HaltReason::CreateCollision => "contract address collision",
        HaltReason::NonceOverflow => "nonce uint64 overflow",
        HaltReason::CreateContractSizeLimit => "max code size exceeded",
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded",
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection"
        }
        HaltReason::OutOfFunds => "insufficient balance for transfer",
        HaltReason::CallTooDeep => "max call depth exceeded",
        other => return other.to_string(),
    };
    text.to_owned()
}

fn outcome_of(result: ExecutionResult) -> CallOutcome {
    let gas_used = result.tx_gas_used();
    match result {
        ExecutionResult::Success { output, logs, .. } => {
            CallOutcome { status: CallStatus::Success, output: output.into_data(), gas_used, logs }
        }
        ExecutionResult::Revert { output, .. } => {
            CallOutcome { status: CallStatus::Reverted, output, gas_used, logs: Vec::new() }
        }
        ExecutionResult::Halt { reason, .. } => CallOutcome {
            status: CallStatus::Halted {
                reason: explain_halt(&reason),
                out_of_gas: matches!(reason, HaltReason::OutOfGas(_)),
            },
            output: Bytes::new(),
            gas_used,
            logs: Vec::new(),
        },
    }
}
