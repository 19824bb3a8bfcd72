//! Settling: everything of a block that is decided in order, by one owner.

use crate::access_list::{Recorder, encoded_size_bound};
use crate::base::Base;
use crate::effects::Effects;
use crate::error::{ExecutionError, Failure};
use crate::executor::Skipped;
use crate::ledger::Ledger;
use crate::machine::Output;
use crate::system::code_bytes;
use crate::value::Change;
use crate::vm::{BlockVm, change_of};
use alloy_consensus::{Receipt as PlainReceipt, Transaction as _, TxReceipt as _, TxType};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::map::{DefaultHashBuilder, HashMap};
use std::sync::Arc;
use weft_stm::{Settle, Settled, Verdict, Write};
use weft_types::limits::{BLOCK_TRANSACTIONS_MAX, BODY_BYTES_MAX, TRANSACTION_BYTES_MAX};
use weft_types::{
    AccessRecord, Location, ReadAccess, Receipt, RecoveredTransaction, TransactionAccess, TxIndex,
    WriteAccess, Writer,
};

/// Bytes of a body kept free for framing and for the system calls' part of the access list.
const BODY_RESERVE_BYTES: usize = 256 * 1024;

/// Locations of its own that a transaction is expected to change; a plain transfer has three.
const CHANGES_EXPECTED: usize = 4;

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
    logs: Vec<alloy_primitives::Log>,
}

/// The settled prefix of a block.
pub(crate) struct Settler<'b> {
    base: &'b Base<'b>,
    candidates: &'b [Arc<RecoveredTransaction>],
    policy: Policy,
    gas_limit: u64,
    body_bytes: usize,
    pub(crate) ledger: Ledger<'b>,
    pub(crate) recorder: Recorder,
    pub(crate) gas_used: u64,
    /// What the receipts are made of, one for each included transaction.
    pub(crate) receipts: Vec<Outcome>,
    pub(crate) record: AccessRecord,
    pub(crate) skipped: Vec<Skipped>,
    /// Indices of the included candidates.
    pub(crate) included: Vec<u32>,
    /// Set when the run was stopped.
    pub(crate) failure: Option<ExecutionError>,
    last_writer: HashMap<Location, TxIndex>,
}

impl<'b> Settler<'b> {
    pub(crate) fn new(
        base: &'b Base<'b>,
        candidates: &'b [Arc<RecoveredTransaction>],
        policy: Policy,
        gas_limit: u64,
        (mut ledger, recorder): (Ledger<'b>, Recorder),
    ) -> Self {
        ledger.reserve(CHANGES_EXPECTED * candidates.len());
        Self {
            base,
            candidates,
            policy,
            gas_limit,
            body_bytes: BODY_RESERVE_BYTES,
            ledger,
            recorder,
            gas_used: 0,
            receipts: Vec::with_capacity(candidates.len()),
            record: AccessRecord::default(),
            skipped: Vec::new(),
            included: Vec::with_capacity(candidates.len()),
            failure: None,
            last_writer: HashMap::with_capacity_and_hasher(
                CHANGES_EXPECTED * candidates.len(),
                DefaultHashBuilder::default(),
            ),
        }
    }

    /// A verdict on a transaction that must not be in the block.
    fn refuse(&mut self, index: u32, reason: String, invalid: bool) -> Verdict {
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
    fn admit(&self, index: u32, effects: &Effects, changes: usize) -> Result<usize, String> {
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
        let bytes =
            size + FRAMING_BYTES + encoded_size_bound(&effects.accesses, changes, code_bytes);
        let remaining = BODY_BYTES_MAX - self.body_bytes;
        if bytes > remaining {
            return Err(format!("up to {bytes} body bytes exceed the remaining {remaining}"));
        }
        Ok(bytes)
    }

    fn include(
        &mut self,
        index: u32,
        effects: Effects,
        writes: &[(Location, Write<BlockVm<'b>>)],
    ) -> Result<(), Failure> {
        let place = TxIndex(u32::try_from(self.included.len()).expect("fewer than candidates"));
        let mut access = TransactionAccess { gas_used: effects.gas_used, ..Default::default() };
        access.reads = self.reads(&effects.reads)?;
        self.recorder.access(effects.accesses);
        for (hash, code) in &effects.codes {
            self.ledger.add_code(*hash, code.original_bytes());
        }
        for (location, write) in writes {
            let change = change_of(write);
            let (_, after) = self.ledger.apply(location, &change)?;
            let code = code_bytes(&self.ledger, &after);
            self.recorder.change(u64::from(place.0) + 1, *location, after, code);
            self.last_writer.insert(*location, place);
            let commutative = matches!(change, Change::Add(_));
            access.writes.push(WriteAccess { location: *location, commutative });
        }
        self.record.transactions.push(access);
        self.gas_used += effects.gas_used;
        let kind = self.candidates[index as usize].tx_type();
        self.receipts.push(Outcome {
            kind,
            success: effects.success,
            cumulative_gas_used: self.gas_used,
            logs: effects.logs,
        });
        self.included.push(index);
        Ok(())
    }

    /// The reads of the access record. "At least so much" is a dependency only where the value before the block was less.
    fn reads(
        &self,
        reads: &[(Location, Option<alloy_primitives::U256>)],
    ) -> Result<Vec<ReadAccess>, Failure> {
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

impl<'b> Settle<BlockVm<'b>> for Settler<'b> {
    fn settle(&mut self, index: u32, settled: Settled<'_, BlockVm<'b>>) -> Verdict {
        let effects = match settled.output {
            Output::Invalid { reason } => return self.refuse(index, reason, true),
            Output::Executed(effects) => effects,
        };
        let bytes = match self.admit(index, &effects, settled.writes.len()) {
            Ok(bytes) => bytes,
            Err(reason) => return self.refuse(index, reason, false),
        };
        if let Err(failure) = self.include(index, *effects, settled.writes) {
            self.failure = Some(failure.into());
            return Verdict::Stop;
        }
        self.body_bytes += bytes;
        Verdict::Include
    }
}

impl Outcome {
    /// The receipt, with its bloom, in the envelope of its type.
    pub(crate) fn into_receipt(self) -> Receipt {
        let Self { kind, success, cumulative_gas_used, logs } = self;
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
