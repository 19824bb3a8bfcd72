//! Building and verifying blocks.

use crate::access_list::Recorder;
use crate::base::{Base, CodeCache};
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::ledger::Ledger;
use crate::profile::profile_of;
use crate::settle::{Outcome, Policy, Settler};
use crate::system;
use crate::vm::BlockVm;
use alloy_primitives::{Address, B256, Bloom, Bytes, keccak256};
use std::sync::Arc;
use weft_stm::{Options, Pool, run, run_sequential};
use weft_types::block::transactions_root;
use weft_types::header::{equal, equal_option};
use weft_types::receipt::{logs_bloom, receipts_root};
use weft_types::{
    AccessRecord, Block, ChainParams, Header, Receipt, RecoveredTransaction, RunProfile,
    SealedBlock, StateDiff, StateReader, Transaction,
};

/// Blocks with fewer transactions run sequentially: waking workers costs more than it gains.
const MIN_PARALLEL_TRANSACTIONS: u32 = 8;

/// Executes blocks, on worker threads that live as long as it does.
#[derive(Debug)]
pub struct Executor {
    pool: Pool,
    options: Options,
    codes: CodeCache,
}

/// A candidate that did not become part of the block being built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Hash of the transaction.
    pub hash: B256,
    /// Its sender.
    pub sender: Address,
    /// Why it was left out.
    pub reason: String,
    /// It is invalid on this state; otherwise it only did not fit into this block.
    pub invalid: bool,
}

/// Everything that executing a block gives, besides the state root.
#[derive(Clone, Debug, PartialEq)]
pub struct Executed {
    /// The transactions in the block, in order.
    pub transactions: Vec<Arc<RecoveredTransaction>>,
    /// Candidates left out, in candidate order. Empty unless the block was built.
    pub skipped: Vec<Skipped>,
    /// One receipt a transaction.
    pub receipts: Vec<Receipt>,
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// Union of the receipts' blooms.
    pub logs_bloom: Bloom,
    /// Merkle-Patricia root over the receipts.
    pub receipts_root: B256,
    /// EIP-7685 hash of the requests that the block makes.
    pub requests_hash: B256,
    /// RLP of the block access list (EIP-7928).
    pub access_list: Bytes,
    /// keccak256 of `access_list`.
    pub access_list_hash: B256,
    /// Who read and wrote what; equal on every node.
    pub access_record: AccessRecord,
    /// The net change to the parent state.
    pub diff: StateDiff,
    /// How this run went; local.
    pub profile: RunProfile,
}

/// How to run the transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schedule {
    Parallel,
    Sequential,
}

impl Executor {
    /// An executor with so many workers; 0 takes one a core. When the operating system refuses the threads, it works on
    /// the caller's thread alone: slower, with the same results.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if workers == 0 { cores() } else { workers };
        let pool = Pool::new(workers)
            .unwrap_or_else(|_| Pool::new(1).expect("one worker needs no new thread"));
        let options =
            Options { min_parallel_transactions: MIN_PARALLEL_TRANSACTIONS, ..Options::default() };
        Self { pool, options, codes: CodeCache::default() }
    }

    /// Sets below how many transactions a block runs sequentially. The result does not depend on it.
    #[must_use]
    pub fn with_min_parallel_transactions(mut self, transactions: u32) -> Self {
        self.options.min_parallel_transactions = transactions;
        self
    }

    /// Builds a block from candidates, in their order, leaving out those that are invalid or find no room.
    ///
    /// `header` is the block's environment ([`weft_types::header::next_header`]); candidates of one sender must come in
    /// nonce order, else the later ones are left out.
    ///
    /// # Errors
    /// Operational failures; a verdict only if the chain lacks a system contract that every block needs.
    pub fn build(
        &self,
        header: &Header,
        candidates: Vec<Arc<RecoveredTransaction>>,
        state: &Arc<dyn StateReader>,
        params: &ChainParams,
    ) -> Result<Executed, ExecutionError> {
        self.execute(header, &candidates, &**state, params, Policy::Skip, Schedule::Parallel)
    }

    /// Executes a proposed block and compares everything but the state root with its header.
    ///
    /// A supplied access list must hash to the header's and be, byte for byte, the one that execution gives.
    ///
    /// # Errors
    /// [`ExecutionError`]; see [`ExecutionError::is_verdict`] for whether the proposer is to blame.
    pub fn verify(
        &self,
        header: &Header,
        transactions: &[Arc<RecoveredTransaction>],
        access_list: Option<&[u8]>,
        state: &Arc<dyn StateReader>,
        params: &ChainParams,
    ) -> Result<Executed, ExecutionError> {
        if let Some(list) = access_list {
            let found = Some(keccak256(list));
            if found != header.block_access_list_hash {
                let expected = header.block_access_list_hash;
                let reason =
                    format!("access list hashes to {found:?}, the header says {expected:?}");
                return Err(ExecutionError::Invalid { index: None, reason });
            }
        }
        let executed = self.execute(
            header,
            transactions,
            &**state,
            params,
            Policy::Reject,
            Schedule::Parallel,
        )?;
        compare(header, &executed)?;
        if access_list.is_some_and(|list| list != executed.access_list.as_ref()) {
            let reason = "access list differs from the one that execution gives".to_owned();
            return Err(ExecutionError::Invalid { index: None, reason });
        }
        Ok(executed)
    }

    /// Executes transactions one after the other under the rules of [`verify`](Self::verify), without comparing anything
    /// with the header: the oracle that the parallel run is held against.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), without those about header fields.
    pub fn sequential(
        &self,
        header: &Header,
        transactions: &[Arc<RecoveredTransaction>],
        state: &Arc<dyn StateReader>,
        params: &ChainParams,
    ) -> Result<Executed, ExecutionError> {
        self.execute(header, transactions, &**state, params, Policy::Reject, Schedule::Sequential)
    }

    fn execute(
        &self,
        header: &Header,
        candidates: &[Arc<RecoveredTransaction>],
        state: &dyn StateReader,
        params: &ChainParams,
        policy: Policy,
        schedule: Schedule,
    ) -> Result<Executed, ExecutionError> {
        let environment = Environment::new(header, params);
        let base = Base::new(state, header, &self.codes);
        let mut ledger = Ledger::new(&base);
        let mut recorder = Recorder::default();
        system::before_transactions(&base, &environment, header, &mut ledger, &mut recorder)?;
        base.set_before_transactions(ledger.values().clone());

        let vm = BlockVm::new(&base, &environment, candidates);
        let mut settler =
            Settler::new(&base, candidates, policy, header.gas_limit, (ledger, recorder));
        let report = match schedule {
            Schedule::Parallel => run(&self.pool, &vm, &mut settler, &self.options),
            Schedule::Sequential => run_sequential(&vm, &mut settler),
        };
        if let Some(failure) = settler.failure.take() {
            return Err(failure);
        }
        let report = report?;
        let profile = profile_of(&report, &settler.included);

        let index = settler.included.len() as u64 + 1;
        let requests_hash = system::after_transactions(
            &base,
            &environment,
            index,
            &mut settler.ledger,
            &mut settler.recorder,
        )?;
        let Settler { ledger, recorder, gas_used, receipts, record, skipped, included, .. } =
            settler;
        let list = || {
            let list = recorder.encode();
            (keccak256(&list), list)
        };
        let outcome = || {
            let receipts: Vec<Receipt> = receipts.into_iter().map(Outcome::into_receipt).collect();
            let summary = (logs_bloom(&receipts), receipts_root(&receipts));
            (receipts, summary, ledger.into_diff())
        };
        // Neither needs the other, and nobody waits for the settled prefix any more.
        let whole = report.sequential.is_some_and(|fallback| fallback.from == 0);
        let ((access_list_hash, access_list), (receipts, (logs_bloom, receipts_root), diff)) =
            if whole { (list(), outcome()) } else { self.pool.join(list, outcome) };
        Ok(Executed {
            transactions: included.iter().map(|i| Arc::clone(&candidates[*i as usize])).collect(),
            skipped,
            gas_used,
            logs_bloom,
            receipts_root,
            receipts,
            requests_hash,
            access_list_hash,
            access_list,
            access_record: record,
            diff: diff?,
            profile,
        })
    }
}

impl Executed {
    /// The block: `header` (its environment) completed by what execution gave and by the state root.
    #[must_use]
    pub fn seal(&self, header: Header, state_root: B256) -> SealedBlock {
        let transactions = self.plain_transactions();
        let header = Header {
            state_root,
            transactions_root: transactions_root(&transactions),
            receipts_root: self.receipts_root,
            logs_bloom: self.logs_bloom,
            gas_used: self.gas_used,
            requests_hash: Some(self.requests_hash),
            block_access_list_hash: Some(self.access_list_hash),
            ..header
        };
        Block { header, transactions }.seal()
    }

    /// The transactions without their senders.
    #[must_use]
    pub fn plain_transactions(&self) -> Vec<Transaction> {
        self.transactions.iter().map(|transaction| transaction.inner().clone()).collect()
    }
}

/// Compares what execution gave with the header.
fn compare(header: &Header, executed: &Executed) -> Result<(), ExecutionError> {
    let root = transactions_root(&executed.plain_transactions());
    equal("transactionsRoot", &root, &header.transactions_root)?;
    equal("gasUsed", &executed.gas_used, &header.gas_used)?;
    equal("logsBloom", &executed.logs_bloom, &header.logs_bloom)?;
    equal("receiptsRoot", &executed.receipts_root, &header.receipts_root)?;
    equal_option("requestsHash", Some(executed.requests_hash), header.requests_hash)?;
    let hash = Some(executed.access_list_hash);
    equal_option("blockAccessListHash", hash, header.block_access_list_hash)?;
    Ok(())
}
