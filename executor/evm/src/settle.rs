//! Settling: everything of a block that is decided in order, by one owner.

use crate::access_list::encoded_size_bound;
use crate::effects::Effects;
use crate::error::ExecutionError;
use crate::executor::Skipped;
use crate::machine::Output;
use crate::receipts::ReceiptWorks;
use crate::value::{Delta, Value};
use crate::vm::BlockVm;
use alloy_consensus::{Receipt as PlainReceipt, Transaction as _, TxReceipt as _, TxType};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Log};
use revm::bytecode::Bytecode;
use std::sync::Arc;
use weft_stm::{CellId, Field, Observed, Settle, Settled, Verdict, Write};
use weft_types::limits::{BLOCK_TRANSACTIONS_MAX, BODY_BYTES_MAX, TRANSACTION_BYTES_MAX};
use weft_types::ordered_trie::GROUP_ITEMS;
use weft_types::{Receipt, RecoveredTransaction};

/// Bytes of a body kept free for framing and for the system calls' part of the access list.
const BODY_RESERVE_BYTES: usize = 256 * 1024;

/// Bytes of framing around one transaction in a body.
const FRAMING_BYTES: usize = 8;

/// What to do about a transaction that must not be in the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Building: leave it out and note why.
    Skip,
    /// Verifying: the block is invalid.
    Reject,
}

/// What a receipt is made of. Its bloom is computed when the block is done.
pub(crate) struct Outcome {
    kind: TxType,
    success: bool,
    cumulative_gas_used: u64,
    logs: Vec<Log>,
}

impl Outcome {
    /// Of a transaction with so much gas used up to its end.
    pub(crate) fn new(
        kind: TxType,
        success: bool,
        cumulative_gas_used: u64,
        logs: Vec<Log>,
    ) -> Self {
        Self { kind, success, cumulative_gas_used, logs }
    }

    /// What it logged.
    pub(crate) fn logs(&self) -> &[Log] {
        &self.logs
    }
}

/// Who got into the block so far: the rules that depend on all transactions before.
pub(crate) struct Admission<'b> {
    candidates: &'b [Arc<RecoveredTransaction>],
    policy: Policy,
    gas_limit: u64,
    body_bytes: usize,
    pub(crate) gas_used: u64,
    /// What the receipts are made of, one for each included transaction that was not handed on.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) skipped: Vec<Skipped>,
    /// Indices of the included candidates.
    pub(crate) included: Vec<u32>,
    /// Set when the run was stopped.
    pub(crate) failure: Option<ExecutionError>,
}

/// Accounts, slots and changes of one transaction, as they count for the size of the access list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) accesses: usize,
    pub(crate) changes: usize,
}

impl<'b> Admission<'b> {
    pub(crate) fn new(
        candidates: &'b [Arc<RecoveredTransaction>],
        policy: Policy,
        gas_limit: u64,
    ) -> Self {
        Self {
            candidates,
            policy,
            gas_limit,
            body_bytes: BODY_RESERVE_BYTES,
            gas_used: 0,
            outcomes: Vec::with_capacity(candidates.len()),
            skipped: Vec::new(),
            included: Vec::with_capacity(candidates.len()),
            failure: None,
        }
    }

    /// All logs so far, where no outcome is handed on.
    pub(crate) fn logs(&self) -> impl Iterator<Item = &Log> {
        self.outcomes.iter().flat_map(|outcome| &outcome.logs)
    }

    /// A verdict on a transaction that must not be in the block.
    pub(crate) fn refuse(&mut self, index: u32, reason: String, invalid: bool) -> Verdict {
        match self.policy {
            Policy::Reject => {
                self.failure = Some(ExecutionError::Invalid { index: Some(index), reason });
                Verdict::Stop
            }
            Policy::Skip => {
                let transaction = &self.candidates[index as usize];
                self.skipped.push(Skipped {
                    hash: *transaction.tx_hash(),
                    sender: transaction.signer(),
                    reason,
                    invalid,
                });
                Verdict::Skip
            }
        }
    }

    /// Whether the block has room: by gas *limit*, as the protocol says, not by gas used (hazard 53); when building, by
    /// bytes and count as well, so that a body is never larger than a peer accepts.
    fn room(&self, index: u32, effects: &Effects, extent: Extent) -> Result<usize, String> {
        let transaction = &self.candidates[index as usize];
        let remaining = self.gas_limit - self.gas_used;
        if transaction.gas_limit() > remaining {
            let limit = transaction.gas_limit();
            return Err(format!("gas limit {limit} exceeds the block's remaining gas {remaining}"));
        }
        if self.policy == Policy::Reject {
            return Ok(0);
        }
        let size = transaction.inner().encode_2718_len();
        if size > TRANSACTION_BYTES_MAX {
            return Err(format!("size {size} exceeds the limit {TRANSACTION_BYTES_MAX}"));
        }
        if self.included.len() == BLOCK_TRANSACTIONS_MAX {
            return Err(format!("block already holds {BLOCK_TRANSACTIONS_MAX} transactions"));
        }
        let code_bytes = effects.codes.iter().map(|(_, code)| code.len()).sum();
        let bytes = size + FRAMING_BYTES + encoded_size_bound(extent, code_bytes);
        let remaining = BODY_BYTES_MAX - self.body_bytes;
        if bytes > remaining {
            return Err(format!("up to {bytes} body bytes exceed the remaining {remaining}"));
        }
        Ok(bytes)
    }

    /// Takes the transaction into the block if there is room; the verdict otherwise.
    pub(crate) fn admit(
        &mut self,
        index: u32,
        effects: &mut Effects,
        extent: Extent,
    ) -> Result<(), Verdict> {
        match self.room(index, effects, extent) {
            Ok(bytes) => self.body_bytes += bytes,
            Err(reason) => return Err(self.refuse(index, reason, false)),
        }
        self.gas_used += effects.gas_used;
        self.outcomes.push(Outcome {
            kind: self.candidates[index as usize].tx_type(),
            success: effects.success,
            cumulative_gas_used: self.gas_used,
            logs: std::mem::take(&mut effects.logs),
        });
        self.included.push(index);
        Ok(())
    }
}

/// The settled prefix of a block that the engine executes. It only writes down; what is made of it is made when the block
/// is done, by all workers.
pub(crate) struct Settler<'b> {
    pub(crate) admission: Admission<'b>,
    /// Where groups of outcomes go as soon as they are complete; `None` keeps them all.
    receipts: Option<&'b ReceiptWorks>,
    /// Groups that went there.
    handed_in: usize,
    /// Cells that transactions of the block accessed.
    pub(crate) accessed: Vec<CellId>,
    /// One for each included transaction, if the access record is wanted.
    pub(crate) traces: Vec<Trace<'b>>,
    pub(crate) codes: Vec<(B256, Bytecode)>,
    traced: bool,
}

/// What one transaction read and wrote: cell, field, and whether it only added.
pub(crate) struct Trace<'b> {
    pub(crate) gas_used: u64,
    pub(crate) reads: Vec<Observed<BlockVm<'b>>>,
    pub(crate) writes: Vec<(CellId, Field, bool)>,
}

impl<'b> Settler<'b> {
    pub(crate) fn new(
        admission: Admission<'b>,
        receipts: Option<&'b ReceiptWorks>,
        traced: bool,
    ) -> Self {
        let (accessed, traces, codes) = Default::default();
        Self { admission, receipts, handed_in: 0, accessed, traces, codes, traced }
    }

    /// Hands a complete group of outcomes on.
    fn hand_in(&mut self) {
        let outcomes = &mut self.admission.outcomes;
        if let Some(receipts) = self.receipts
            && outcomes.len() == GROUP_ITEMS
        {
            let group = std::mem::replace(outcomes, Vec::with_capacity(GROUP_ITEMS));
            receipts.hand_in(self.handed_in, group);
            self.handed_in += 1;
        }
    }
}

impl<'b> Settle<BlockVm<'b>> for Settler<'b> {
    fn settle(&mut self, index: u32, settled: Settled<'_, BlockVm<'b>>) -> Verdict {
        let mut effects = match settled.output {
            Output::Invalid { reason } => return self.admission.refuse(index, reason, true),
            Output::Executed(effects) => effects,
        };
        let extent = Extent { accesses: effects.cells.len(), changes: settled.writes.len() };
        if let Err(verdict) = self.admission.admit(index, &mut effects, extent) {
            return verdict;
        }
        self.hand_in();
        self.accessed.append(&mut effects.cells);
        self.codes.append(&mut effects.codes);
        if self.traced {
            let add = |write: &Write<Value, Delta>| matches!(write, Write::Add(_));
            let writes =
                settled.writes.iter().map(|put| (put.cell, put.field, add(&put.write))).collect();
            let gas_used = effects.gas_used;
            self.traces.push(Trace { gas_used, reads: settled.observations, writes });
        }
        Verdict::Include
    }
}

impl Outcome {
    /// The receipt, with its bloom, in the envelope of its type.
    pub(crate) fn into_receipt(self) -> Receipt {
        let Self { kind, success, cumulative_gas_used, logs, .. } = self;
        let receipt =
            PlainReceipt { status: success.into(), cumulative_gas_used, logs }.into_with_bloom();
        match kind {
            TxType::Legacy => Receipt::Legacy(receipt),
            TxType::Eip2930 => Receipt::Eip2930(receipt),
            TxType::Eip1559 => Receipt::Eip1559(receipt),
            TxType::Eip4844 => Receipt::Eip4844(receipt),
            TxType::Eip7702 => Receipt::Eip7702(receipt),
        }
    }
}
