//! One simulated block after the other.

use super::super::overrides::override_header;
use super::super::replay::rules;
use crate::context::Context;
use crate::convert::{self, Place};
use crate::error::Failure;
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS};
use alloy_consensus::{Receipt as PlainReceipt, ReceiptEnvelope, TxReceipt as _};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, Bloom, Bytes, Log};
use alloy_rpc_types_eth::simulate::{SimBlock, SimCallResult, SimulateError};
use serde_json::{Value, json};
use weft_evm::Environment;
use weft_store::StoredBlock;
use weft_trace::{Budget, ExecutionResult, TRANSFER_EMITTER, World, halt_message};
use weft_types::block::transactions_root;
use weft_types::header::next_base_fee;
use weft_types::receipt::{logs_bloom, receipts_root};
use weft_types::{Block, ForeignBody, Header, Receipt, Transaction};

/// Simulates blocks, each on what the ones before have left.
pub(super) struct Simulator<'c, 's> {
    pub(super) context: &'c Context,
    /// Judge fees and nonces as the protocol does.
    pub(super) validation: bool,
    /// Show transfers of value as logs.
    pub(super) transfers: bool,
    /// Answer with transaction objects.
    pub(super) full: bool,
    /// Gas that the calls of all blocks together may still use.
    pub(super) gas_left: u64,
    pub(super) budget: Budget,
    pub(super) world: World<'s>,
    /// Height of the block that the simulated ones follow.
    pub(super) base: u64,
    pub(super) parent: Header,
    pub(super) parent_hash: B256,
}

/// A call that was simulated.
pub(super) struct Done {
    pub(super) transaction: Transaction,
    pub(super) sender: Address,
    pub(super) result: ExecutionResult,
}

impl Simulator<'_, '_> {
    /// The answer for one block.
    pub(super) fn block(&mut self, block: SimBlock) -> Result<Value, Failure> {
        self.budget.check()?;
        let overrides = block.block_overrides.unwrap_or_default();
        let mut header = self.header();
        override_header(&mut header, &overrides)?;
        let reward = self.context.shape_simulated(&self.parent, &mut header);
        for (number, hash) in overrides.block_hash.unwrap_or_default() {
            self.world.set_block_hash(number, hash);
        }
        let rules = rules(self.context, &header);
        let accounts = block.state_overrides.unwrap_or_default();
        self.world.restore_precompiles();
        self.world.override_all(&accounts, rules.spec)?;
        let environment = Environment::new(&header, &rules);
        self.world.begin_block(&environment, &header, &rules)?;
        let mut done = Vec::with_capacity(block.calls.len());
        for call in block.calls {
            self.budget.check()?;
            let one = self.call(&header, &rules, call)?;
            header.gas_used += one.result.tx_gas_used();
            done.push(one);
        }
        if !reward.is_zero() {
            self.world.credit(header.beneficiary, reward)?;
        }
        self.finish(header, done)
    }

    /// The header of the next block before overrides: fee recipient and gas limit go on, the rest is empty.
    fn header(&self) -> Header {
        let base_fee = if self.validation { next_base_fee(&self.parent) } else { 0 };
        Header {
            parent_hash: self.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: self.parent.beneficiary,
            gas_limit: self.parent.gas_limit,
            base_fee_per_gas: Some(base_fee),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }

    /// Seals the block, so that the next one can follow it, and shapes the answer.
    fn finish(&mut self, mut header: Header, done: Vec<Done>) -> Result<Value, Failure> {
        let receipts = receipts(&done);
        let transactions: Vec<Transaction> =
            done.iter().map(|one| one.transaction.clone()).collect();
        header.receipts_root = receipts_root(&receipts);
        header.transactions_root = transactions_root(&transactions);
        header.logs_bloom = if receipts.is_empty() { Bloom::ZERO } else { logs_bloom(&receipts) };
        if let Some(roots) = &self.context.backend.state_roots {
            let (wiped, changes) = self.world.net_change()?;
            header.state_root = roots.after(self.base, &wiped, &changes).unwrap_or_default();
        }
        let block = Block { header, transactions, commands: Vec::new() }.seal();
        self.world.set_block_hash(block.height().0, block.hash());
        (self.parent, self.parent_hash) = (block.header().clone(), block.hash());
        let senders = done.iter().map(|one| one.sender).collect();
        let foreign = self.context.backend.forks.is_ethereum().then(|| ForeignBody {
            ommers: Vec::new(),
            withdrawals: block.header().withdrawals_root.map(|_| Vec::new().into()),
        });
        let stored = StoredBlock { block, senders, foreign };
        let mut calls = Vec::with_capacity(done.len());
        let mut log_index = 0;
        for (index, one) in done.into_iter().enumerate() {
            let place = Place::new(&stored.block, index);
            calls.push(call_result(one, place, &mut log_index));
        }
        let block = convert::block(&stored, self.full)?;
        let mut answer = serde_json::to_value(block).map_err(Failure::internal)?;
        answer["calls"] = json!(calls);
        Ok(answer)
    }
}

/// What the receipts would be. Logs that only show transfers are not in them.
fn receipts(done: &[Done]) -> Vec<Receipt> {
    let mut cumulative_gas_used = 0;
    let mut receipts = Vec::with_capacity(done.len());
    for one in done {
        cumulative_gas_used += one.result.tx_gas_used();
        let logs = logs_of(&one.result);
        let logs = logs.iter().filter(|log| log.address != TRANSFER_EMITTER).cloned().collect();
        let status = one.result.is_success().into();
        let receipt = PlainReceipt { status, cumulative_gas_used, logs }.into_with_bloom();
        receipts.push(ReceiptEnvelope::from_typed(one.transaction.tx_type(), receipt));
    }
    receipts
}

fn logs_of(result: &ExecutionResult) -> &[Log] {
    match result {
        ExecutionResult::Success { logs, .. } => logs,
        ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => &[],
    }
}

fn call_result(one: Done, place: Place, log_index: &mut u64) -> SimCallResult {
    let hash = *one.transaction.tx_hash();
    let mut logs = Vec::new();
    for log in logs_of(&one.result) {
        logs.push(convert::log(log.clone(), place, hash, *log_index));
        *log_index += 1;
    }
    let gas = *one.result.gas();
    let error = match &one.result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { output, .. } => Some(SimulateError {
            code: SimulateError::EXECUTION_REVERTED_CODE,
            message: crate::error::revert_message(output),
            data: Some(output.clone()),
        }),
        ExecutionResult::Halt { reason, .. } => Some(SimulateError {
            code: SimulateError::VM_EXECUTION_ERROR_CODE,
            message: halt_message(reason),
            data: None,
        }),
    };
    let return_data = match &one.result {
        ExecutionResult::Success { output, .. } => output.data().clone(),
        ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => Bytes::new(),
    };
    SimCallResult {
        return_data,
        logs,
        gas_used: gas.tx_gas_used(),
        max_used_gas: Some(gas.total_gas_spent().max(gas.floor_gas())),
        status: one.result.is_success(),
        error,
    }
}
