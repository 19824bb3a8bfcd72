//! Building and verifying blocks.

use crate::access_list::Recorder;
use crate::base::{Base, CodeCache};
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::ledger::Ledger;
use crate::profile::profile_of;
use crate::rules::Rules;
use crate::settle::{Outcome, Policy, Settler};
use crate::system;
use crate::vm::BlockVm;
use alloy_eips::eip4895::Withdrawal;
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
    /// EIP-7685 requests that the block makes, each with its type in front, ascending by type.
    pub requests: Vec<Bytes>,
    /// EIP-7685 hash of the requests.
    pub requests_hash: B256,
    /// RLP of the block access list (EIP-7928).
    pub access_list: Bytes,
    /// keccak256 of `access_list`.
    pub access_list_hash: B256,
    /// Who read and wrote what; equal on every node.
    pub access_record: AccessRecord,
    /// Accounts whose storage before the block is gone (self-destruct before Cancun), ascending: apply this before `diff`,
    /// whose slots are those written afterwards.
    pub wiped: Vec<Address>,
    /// The net change to the parent state.
    pub diff: StateDiff,
    /// How this run went; local.
    pub profile: RunProfile,
}

/// One block to execute. Header fields that are results of execution (roots, bloom, gas used) are not looked at.
#[derive(Clone, Copy, Debug)]
pub struct BlockInput<'a> {
    /// The block's environment.
    pub header: &'a Header,
    /// The transactions, or candidates, in order.
    pub transactions: &'a [Arc<RecoveredTransaction>],
    /// Headers of the ommers, for the block rewards before the Merge.
    pub ommers: &'a [Header],
    /// Withdrawals (EIP-4895).
    pub withdrawals: &'a [Withdrawal],
    /// The rules that it is under.
    pub rules: &'a Rules,
}

/// How to execute a block. The results of all modes are equal, where the block is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode<'a> {
    /// In parallel; transactions that are invalid or find no room are left out.
    Build,
    /// In parallel; one that is invalid makes the block invalid.
    Verify,
    /// With a block access list (RLP): no speculation; a list that is not what execution gives makes the block invalid.
    WithList(&'a [u8]),
    /// One after the other, by code of its own: what the other modes are held against.
    Oracle,
}

/// What to compute besides receipts and the net change. What is left out is empty in [`Executed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    /// `access_list` and `access_list_hash`.
    pub access_list: bool,
    /// `access_record`.
    pub access_record: bool,
    /// `receipts_root` and `logs_bloom`.
    pub receipts_root: bool,
    /// `profile.incarnations`; without it the profile has counts only.
    pub incarnations: bool,
}

impl Products {
    /// Everything that a node keeps of a block.
    pub const ALL: Self =
        Self { access_list: true, access_record: true, receipts_root: true, incarnations: true };

    /// Receipts and the net change alone.
    pub const NONE: Self =
        Self { access_list: false, access_record: false, receipts_root: false, incarnations: false };
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
        candidates: &[Arc<RecoveredTransaction>],
        state: &Arc<dyn StateReader>,
        params: &ChainParams,
    ) -> Result<Executed, ExecutionError> {
        let rules = Rules::weft(params);
        let block = BlockInput::of_chain(header, candidates, &rules);
        self.execute(&block, state, Mode::Build, Products::ALL)
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
        let rules = Rules::weft(params);
        let block = BlockInput::of_chain(header, transactions, &rules);
        let mode = access_list.map_or(Mode::Verify, Mode::WithList);
        let executed = self.execute(&block, state, mode, Products::ALL)?;
        compare(header, &executed)?;
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
        let rules = Rules::weft(params);
        let block = BlockInput::of_chain(header, transactions, &rules);
        self.execute(&block, state, Mode::Oracle, Products::ALL)
    }

    /// Executes a block on the state of its parent, `state`, and compares nothing with the header.
    ///
    /// # Errors
    /// [`ExecutionError`]; see [`ExecutionError::is_verdict`] for whether the block is invalid.
    pub fn execute(
        &self,
        block: &BlockInput<'_>,
        state: &Arc<dyn StateReader>,
        mode: Mode<'_>,
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let _ = products;
        let (header, candidates) = (block.header, block.transactions);
        let (policy, sequential) = match mode {
            Mode::Build => (Policy::Skip, false),
            Mode::Verify | Mode::WithList(_) => (Policy::Reject, false),
            Mode::Oracle => (Policy::Reject, true),
        };
        let environment = Environment::new(header, block.rules);
        let base = Base::new(&**state, header, &self.codes);
        let mut ledger = Ledger::new(&base);
        let mut recorder = Recorder::default();
        system::before_transactions(&base, &environment, header, &mut ledger, &mut recorder)?;
        base.set_before_transactions(ledger.values().clone());

        let vm = BlockVm::new(&base, &environment, candidates);
        let mut settler =
            Settler::new(&base, candidates, policy, header.gas_limit, (ledger, recorder));
        let report = if sequential {
            run_sequential(&vm, &mut settler)
        } else {
            run(&self.pool, &vm, &mut settler, &self.options)
        };
        if let Some(failure) = settler.failure.take() {
            return Err(failure);
        }
        let report = report?;
        let profile = profile_of(&report, &settler.included);

        let index = settler.included.len() as u64 + 1;
        let requests = system::after_transactions(
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
        if let Mode::WithList(list) = mode
            && list != access_list.as_ref()
        {
            let reason = "access list differs from the one that execution gives".to_owned();
            return Err(ExecutionError::Invalid { index: None, reason });
        }
        Ok(Executed {
            transactions: included.iter().map(|i| Arc::clone(&candidates[*i as usize])).collect(),
            skipped,
            gas_used,
            logs_bloom,
            receipts_root,
            receipts,
            requests_hash: system::requests_hash(&requests),
            requests: requests.into_iter().map(Bytes::from).collect(),
            access_list_hash,
            access_list,
            access_record: record,
            wiped: Vec::new(),
            diff: diff?,
            profile,
        })
    }
}

impl<'a> BlockInput<'a> {
    /// A block of a Weft chain: no ommers, no withdrawals.
    fn of_chain(
        header: &'a Header,
        transactions: &'a [Arc<RecoveredTransaction>],
        rules: &'a Rules,
    ) -> Self {
        Self { header, transactions, ommers: &[], withdrawals: &[], rules }
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
