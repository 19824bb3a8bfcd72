//! One simulated call: what is judged of it, and the transaction that it would be.

use super::super::call::call_request;
use super::blocks::{Done, Simulator};
use super::coded;
use crate::error::Failure;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_primitives::{Signature, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use weft_evm::{CallRequest, Environment, Rules};
use weft_trace::{Checks, NoOpInspector, StepSize, TraceError, Transfers};
use weft_types::{Header, Transaction};

impl Simulator<'_, '_> {
    /// Runs a call in the block with this header, and keeps what it does.
    ///
    /// # Errors
    /// [`Failure::Coded`] with the codes of `eth_simulateV1` when the call cannot be a transaction of the block.
    pub(super) fn call(
        &mut self,
        header: &Header,
        rules: &Rules,
        request: TransactionRequest,
    ) -> Result<Done, Failure> {
        let mut request = call_request(self.context, request)?;
        let block_left = header.gas_limit.saturating_sub(header.gas_used);
        let gas = match request.gas {
            None => block_left,
            Some(gas) if gas <= block_left => gas,
            Some(gas) => {
                let wanted = header.gas_used.saturating_add(gas);
                let limit = header.gas_limit;
                return Err(coded(-38015, format!("block gas limit reached: {wanted} >= {limit}")));
            }
        };
        let gas = gas.min(self.gas_left);
        let judged = self.judge(header, &mut request, gas);
        judged.map_err(|failure| wrapped(failure, gas))?;
        // Fees were judged above, as far as they are.
        let free = Header { base_fee_per_gas: Some(0), ..header.clone() };
        let (mut environment, mut call) =
            self.world.call(&request, &free, rules, gas).map_err(Failure::from)?;
        environment.block.basefee = header.base_fee_per_gas.unwrap_or_default();
        call.gas_limit = gas;
        let result = self.run(&environment, call);
        let result = result.map_err(|error| wrapped(from_machine(error), gas))?;
        self.gas_left = self.gas_left.saturating_sub(result.tx_gas_used());
        let transaction = unsigned(&request, rules.chain_id, gas);
        Ok(Done { transaction, sender: request.from, result })
    }

    fn run(
        &mut self,
        environment: &Environment,
        call: weft_trace::TxEnv,
    ) -> Result<weft_trace::ExecutionResult, TraceError> {
        let (world, budget, checks) = (&mut self.world, &mut self.budget, Checks::Call);
        let done = if self.transfers {
            let watch = (Transfers::default(), StepSize::NONE);
            world.run(environment, call, checks, watch, budget)?
        } else {
            world.run(environment, call, checks, (NoOpInspector, StepSize::NONE), budget)?
        };
        world.commit(done.state);
        Ok(done.result)
    }

    /// Judges nonce, fees and funds, and fills in the nonce.
    fn judge(&self, header: &Header, request: &mut CallRequest, gas: u64) -> Result<(), Failure> {
        let sender = request.from;
        let account = self.world.account(sender)?.unwrap_or_default();
        let nonce = *request.nonce.get_or_insert(account.nonce);
        if self.validation {
            let state = account.nonce;
            let text = |what: &str| {
                format!("nonce too {what}: address {sender}, tx: {nonce} state: {state}")
            };
            if nonce < state {
                return Err(coded(-38010, text("low")));
            }
            if nonce > state {
                return Err(coded(-38011, text("high")));
            }
            if nonce == u64::MAX {
                let reason = format!("nonce has max value: address {sender}, nonce: {nonce}");
                return Err(coded(-32603, reason));
            }
        }
        let tip = request.max_priority_fee_per_gas.unwrap_or_default();
        let price = request.gas_price.or(request.max_fee_per_gas).unwrap_or(tip);
        if tip > price {
            let reason = format!(
                "max priority fee per gas higher than max fee per gas: address {sender}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {price}"
            );
            return Err(coded(-32602, reason));
        }
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        if (self.validation || price > 0) && price < u128::from(base_fee) {
            let reason = format!(
                "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {price}, baseFee: {base_fee}"
            );
            return Err(coded(-38012, reason));
        }
        let want = U256::from(gas).saturating_mul(U256::from(price)).saturating_add(request.value);
        let have = account.balance;
        if have < want {
            let reason = format!(
                "insufficient funds for gas * price + value: address {sender} have {have} want {want}"
            );
            return Err(coded(-38014, reason));
        }
        Ok(())
    }
}

/// Names what was supplied, as geth does.
fn wrapped(failure: Failure, gas: u64) -> Failure {
    match failure {
        Failure::Coded { code, reason } => {
            coded(code, format!("err: {reason} (supplied gas {gas})"))
        }
        other => other,
    }
}

fn from_machine(error: TraceError) -> Failure {
    let TraceError::Invalid { reason } = error else { return error.into() };
    let gas = ["intrinsic gas too low", "insufficient gas for floor data gas cost"];
    let code = match reason {
        _ if gas.iter().any(|prefix| reason.starts_with(prefix)) => -38013,
        _ if reason.starts_with("max initcode size exceeded") => -38025,
        _ => -32603,
    };
    coded(code, reason)
}

/// The transaction that a call would be, with an empty signature.
fn unsigned(request: &CallRequest, chain_id: u64, gas_limit: u64) -> Transaction {
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    let nonce = request.nonce.unwrap_or_default();
    let (value, input) = (request.value, request.input.clone());
    let to = request.to.map_or(TxKind::Create, TxKind::Call);
    let access_list = request.access_list.clone();
    let max_priority_fee_per_gas = request.max_priority_fee_per_gas.unwrap_or_default();
    let max_fee_per_gas = request.max_fee_per_gas.unwrap_or(max_priority_fee_per_gas);
    if let (false, Some(to)) = (request.authorization_list.is_empty(), request.to) {
        let authorization_list = request.authorization_list.clone();
        let tx = TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value,
            access_list,
            authorization_list,
            input,
        };
        return tx.into_signed(signature).into();
    }
    match request.gas_price {
        None => {
            let tx = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to,
                value,
                access_list,
                input,
            };
            tx.into_signed(signature).into()
        }
        Some(gas_price) if access_list.is_empty() => {
            let tx = TxLegacy { chain_id: None, nonce, gas_price, gas_limit, to, value, input };
            tx.into_signed(signature).into()
        }
        Some(gas_price) => {
            let tx =
                TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
            tx.into_signed(signature).into()
        }
    }
}
