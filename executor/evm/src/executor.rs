//! Building and verifying blocks.

use crate::base::{Base, CodeCache};
use crate::effects::Wanted;
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::ledger::Ledger;
use crate::listed::Shelf;
use crate::points;
use crate::rules::Rules;
use crate::settle::{Admission, Policy, Settler};
use crate::system::Phase;
use crate::vm::BlockVm;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::keccak256;
use std::sync::Arc;
use std::time::Duration;
use weft_stm::virtual_time::Costs;
use weft_stm::{Options, Pool};
use weft_types::block::transactions_root;
use weft_types::header::{equal, equal_option};
use weft_types::{ChainParams, Command, Header, RecoveredTransaction, StateDiff, StateReader};

mod in_order;
mod products;
mod results;
mod routing;
mod speculative;
mod with_list;

pub use products::{Products, RecordLevel};
pub use results::{Executed, Skipped};
use routing::Routing;
pub(crate) use with_list::flawed;

/// Executes blocks, on worker threads that live as long as it does.
#[derive(Debug)]
pub struct Executor {
    pool: Pool,
    options: Options,
    routing: Routing,
    codes: CodeCache,
    shelf: Shelf,
    /// Draws the schedule of every block.
    seed: Option<u64>,
    /// How much it records of a chain's blocks.
    level: RecordLevel,
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
    /// Commands of a development chain, which come before the transactions.
    pub commands: &'a [Command],
    /// The rules that it is under.
    pub rules: &'a Rules,
}

/// The virtual time that a block takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Makespan {
    /// From the first step to the last, in the unit of the costs.
    pub total: u64,
    /// Time that all workers together spent executing.
    pub busy: u64,
    /// Executions, those that were discarded included.
    pub executions: u64,
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

impl Executor {
    /// An executor with so many workers; 0 takes one a core. When the operating system refuses the threads, it works on
    /// the caller's thread alone: slower, with the same results.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        points::install();
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if workers == 0 { cores() } else { workers };
        let pool = Pool::new(workers)
            .unwrap_or_else(|_| Pool::new(1).expect("one worker needs no new thread"));
        Self {
            pool,
            options: Options::default(),
            routing: Routing::default(),
            codes: CodeCache::default(),
            shelf: Shelf::default(),
            seed: None,
            level: RecordLevel::Full,
        }
    }

    /// Makes only what a node needs that keeps records at this level, when it builds and verifies blocks.
    #[must_use]
    pub const fn with_record(mut self, level: RecordLevel) -> Self {
        self.level = level;
        self
    }

    /// How much it records of the blocks that it builds and verifies.
    #[must_use]
    pub const fn record_level(&self) -> RecordLevel {
        self.level
    }

    /// What is made of a chain's blocks.
    const fn products(&self) -> Products {
        Products::of_node(self.level)
    }

    /// Lets all workers take part, also where the machine has fewer cores, and in blocks of any size. It is slower; tests
    /// find more schedules with it.
    #[must_use]
    pub fn oversubscribed(mut self) -> Self {
        self.pool = self.pool.oversubscribed();
        self.with_min_parallel_transactions(0)
    }

    /// Executes every block under a schedule drawn from `seed`: the same block, seed and number of workers give the same
    /// steps in the same order. For tests: only one worker moves at a time.
    #[must_use]
    pub fn with_drawn_schedule(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The time that a block would take on so many workers if executions cost what `costs` says and everything else
    /// nothing, re-executions included. Deterministic; see [`weft_stm::virtual_time`].
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn makespan(
        &self,
        block: &BlockInput<'_>,
        state: &Arc<dyn StateReader>,
        workers: usize,
        costs: &dyn Costs,
    ) -> Result<Makespan, ExecutionError> {
        let environment = Environment::new(block.header, block.rules);
        let base = Base::new(&**state, block.header, &self.codes);
        let mut before = Phase::new(&environment, block, Ledger::new(&base));
        before.before_transactions()?;
        base.set_before_transactions(before.ledger.values().clone());
        let vm = BlockVm::new(&base, &environment, block.transactions, Wanted::NOTHING, None);
        let admission = Admission::new(block.transactions, Policy::Reject, block.header.gas_limit);
        let mut settler = Settler::new(admission, None, false);
        let options = Options { workers, incarnations: false, ..self.options };
        let result = weft_stm::virtual_time::makespan(&vm, &mut settler, &options, costs);
        if let Some(failure) = settler.admission.failure.take() {
            return Err(failure);
        }
        let found = result?;
        Ok(Makespan { total: found.total, busy: found.busy, executions: found.report.executions })
    }

    /// Sets below how many transactions a block runs sequentially. The result does not depend on it.
    #[must_use]
    pub fn with_min_parallel_transactions(mut self, transactions: u32) -> Self {
        self.routing = Routing::by_count(transactions);
        self
    }

    /// Wakes the workers, because a block comes within `time` (100 ms at most); they look out for it until then. To wake them
    /// when it is there costs as much as to execute a small one.
    pub fn warm(&self, time: Duration) {
        self.pool.warm(time);
    }

    /// Runs `work` where rayon's parallel iterators use the workers, which look out for a block for a moment afterwards: for
    /// what has to be done with its transactions before they are executed.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
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
        self.build_after(header, &[], candidates, state, params)
    }

    /// [`build`](Self::build) with commands before the candidates.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_after(
        &self,
        header: &Header,
        commands: &[Command],
        candidates: &[Arc<RecoveredTransaction>],
        state: &Arc<dyn StateReader>,
        params: &ChainParams,
    ) -> Result<Executed, ExecutionError> {
        let rules = Rules::weft(params);
        let block = BlockInput { commands, ..BlockInput::of_chain(header, candidates, &rules) };
        self.execute(&block, state, Mode::Build, self.products())
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
        self.verify_after(header, &[], (transactions, access_list), state, params)
    }

    /// [`verify`](Self::verify) for a block with commands before its transactions. That the header names them is not
    /// compared here.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_after(
        &self,
        header: &Header,
        commands: &[Command],
        (transactions, access_list): (&[Arc<RecoveredTransaction>], Option<&[u8]>),
        state: &Arc<dyn StateReader>,
        params: &ChainParams,
    ) -> Result<Executed, ExecutionError> {
        if let Some(list) = access_list {
            expect_hash(header, list)?;
        }
        let rules = Rules::weft(params);
        let block = BlockInput { commands, ..BlockInput::of_chain(header, transactions, &rules) };
        let mode = access_list.map_or(Mode::Verify, Mode::WithList);
        let executed = self.execute(&block, state, mode, self.products())?;
        compare(header, &executed)?;
        Ok(executed)
    }

    /// As [`verify`](Self::verify). As soon as the access list is decoded, `beside` is given the net change that the block
    /// makes if the list is right, while the block is executed: so that a state root can be computed meanwhile. `true` says
    /// that it was given the net change that execution then gave; else what it was given is worth nothing.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_beside(
        &self,
        header: &Header,
        commands: &[Command],
        (transactions, access_list): (&[Arc<RecoveredTransaction>], &[u8]),
        state: &Arc<dyn StateReader>,
        params: &ChainParams,
        beside: &(dyn Fn(&StateDiff) + Sync),
    ) -> Result<(Executed, bool), ExecutionError> {
        expect_hash(header, access_list)?;
        let rules = Rules::weft(params);
        let block = BlockInput { commands, ..BlockInput::of_chain(header, transactions, &rules) };
        let (list, products) = (access_list, self.products());
        let (executed, foreseen) =
            self.execute_with_list(&block, &**state, list, products, Some(beside))?;
        compare(header, &executed)?;
        Ok((executed, foreseen))
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
        self.sequential_after(header, &[], transactions, state, params)
    }

    /// [`sequential`](Self::sequential) with commands before the transactions.
    ///
    /// # Errors
    /// As [`sequential`](Self::sequential).
    pub fn sequential_after(
        &self,
        header: &Header,
        commands: &[Command],
        transactions: &[Arc<RecoveredTransaction>],
        state: &Arc<dyn StateReader>,
        params: &ChainParams,
    ) -> Result<Executed, ExecutionError> {
        let rules = Rules::weft(params);
        let block = BlockInput { commands, ..BlockInput::of_chain(header, transactions, &rules) };
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
        match mode {
            Mode::Oracle => self.execute_in_order(block, &**state, products),
            Mode::WithList(list) => {
                self.execute_with_list(block, &**state, list, products, None).map(|(of, _)| of)
            }
            Mode::Build => self.execute_speculatively(block, &**state, Policy::Skip, products),
            Mode::Verify => self.execute_speculatively(block, &**state, Policy::Reject, products),
        }
    }
}

impl<'a> BlockInput<'a> {
    /// A block of a Weft chain: no ommers, no withdrawals.
    fn of_chain(
        header: &'a Header,
        transactions: &'a [Arc<RecoveredTransaction>],
        rules: &'a Rules,
    ) -> Self {
        Self { header, transactions, ommers: &[], withdrawals: &[], commands: &[], rules }
    }

    fn pick(&self, included: &[u32]) -> Vec<Arc<RecoveredTransaction>> {
        included.iter().map(|index| Arc::clone(&self.transactions[*index as usize])).collect()
    }
}

/// Compares a list with the header.
fn expect_hash(header: &Header, list: &[u8]) -> Result<(), ExecutionError> {
    let (found, expected) = (Some(keccak256(list)), header.block_access_list_hash);
    if found == expected {
        return Ok(());
    }
    let reason = format!("access list hashes to {found:?}, the header says {expected:?}");
    Err(ExecutionError::Invalid { index: None, reason })
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
