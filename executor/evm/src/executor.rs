//! Building and verifying blocks.

use crate::base::{Base, CodeCache};
use crate::effects::Wanted;
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::ledger::{Below, Ledger};
use crate::listed::{Listed, describe};
use crate::oracle::{Oracle, net_change};
use crate::products::{Ingredients, Settled, each};
use crate::profile::profile_of;
use crate::rules::Rules;
use crate::settle::{Admission, Outcome, Policy, Settler, Trace};
use crate::system::{self, Phase};
use crate::value::Value;
use crate::verification::{ListedValues, Verdict, Verification};
use crate::vm::BlockVm;
use alloy_eip7928::AccountChanges;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, Bloom, Bytes, keccak256};
use rayon::prelude::*;
use revm::primitives::hardfork::SpecId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use weft_stm::virtual_time::{Costs, run_interleaved};
use weft_stm::{Options, Pool, run, run_sequential};
use weft_types::block::transactions_root;
use weft_types::header::{equal, equal_option};
use weft_types::receipt::{logs_bloom, receipts_root};
use weft_types::{
    AccessRecord, Block, ChainParams, Header, Location, Receipt, RecoveredTransaction, RunMode,
    RunProfile, SealedBlock, StateDiff, StateReader, Transaction,
};

/// Blocks with fewer transactions have their products made on the calling thread.
const PARALLEL_PRODUCTS_MIN: usize = 32;

/// Blocks with fewer transactions run sequentially: waking workers costs more than it gains.
const MIN_PARALLEL_TRANSACTIONS: u32 = 8;

/// Executes blocks, on worker threads that live as long as it does.
#[derive(Debug)]
pub struct Executor {
    pool: Pool,
    options: Options,
    codes: CodeCache,
    /// Draws the schedule of every block.
    seed: Option<u64>,
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

/// What to compute besides verdict, gas used and requests. What is left out is empty in [`Executed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    /// `receipts`, with their blooms; implied by `receipts_root`.
    pub receipts: bool,
    /// `access_list` and `access_list_hash`.
    pub access_list: bool,
    /// `access_record`.
    pub access_record: bool,
    /// `receipts_root` and `logs_bloom`.
    pub receipts_root: bool,
    /// `diff` and `wiped`.
    pub diff: bool,
    /// `profile.incarnations`; without it the profile has counts only.
    pub incarnations: bool,
}

impl Products {
    /// Everything that a node keeps of a block.
    pub const ALL: Self = Self {
        receipts: true,
        access_list: true,
        access_record: true,
        receipts_root: true,
        diff: true,
        incarnations: true,
    };

    /// None of it: what a plain loop of the machine gives.
    pub const NONE: Self = Self {
        receipts: false,
        access_list: false,
        access_record: false,
        receipts_root: false,
        diff: false,
        incarnations: false,
    };
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
        Self { pool, options, codes: CodeCache::default(), seed: None }
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
        let vm = BlockVm::new(&base, &environment, block.transactions, Wanted::NOTHING);
        let admission = Admission::new(block.transactions, Policy::Reject, block.header.gas_limit);
        let mut settler = Settler::new(admission, false);
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

    /// The net change that a block makes if its access list is right: known before anything is executed, so that a state
    /// root can be computed at the same time. Worth nothing until [`verify`](Self::verify) has accepted the list.
    ///
    /// # Errors
    /// A verdict when the list is malformed; operational failures.
    pub fn foresee(
        &self,
        header: &Header,
        transactions: usize,
        access_list: &[u8],
        state: &Arc<dyn StateReader>,
    ) -> Result<StateDiff, ExecutionError> {
        let mut rest = access_list;
        let decoded: Vec<AccountChanges> = alloy_rlp::Decodable::decode(&mut rest)
            .map_err(|error| flawed(format!("it cannot be decoded: {error}")))?;
        let listed = Listed::new(&decoded, transactions).map_err(flawed)?;
        let base = Base::new(&**state, header, &self.codes);
        Ok(listed.net_change(&base)?)
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
        match mode {
            Mode::Oracle => self.execute_in_order(block, &**state, products),
            Mode::WithList(list) => self.execute_with_list(block, &**state, list, products),
            Mode::Build => self.execute_speculatively(block, &**state, Policy::Skip, products),
            Mode::Verify => self.execute_speculatively(block, &**state, Policy::Reject, products),
        }
    }

    /// Block-STM.
    fn execute_speculatively(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
        policy: Policy,
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let empty_exists = !block.rules.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        let environment = Environment::new(block.header, block.rules);
        let base = Base::new(state, block.header, &self.codes);
        let mut before = Phase::new(&environment, block, Ledger::new(&base));
        before.before_transactions()?;
        base.set_before_transactions(before.ledger.values().clone());

        let wanted = Wanted {
            facts: products.access_record,
            cells: products.access_list,
            ..Wanted::NOTHING
        };
        let vm = BlockVm::new(&base, &environment, block.transactions, wanted);
        let admission = Admission::new(block.transactions, policy, block.header.gas_limit);
        let mut settler = Settler::new(admission, products.access_record);
        let options = Options { incarnations: products.incarnations, ..self.options };
        let result = match self.seed {
            None => run(&self.pool, &vm, &mut settler, &options),
            Some(seed) => {
                let options = Options { workers: self.pool.workers(), ..options };
                run_interleaved(&vm, &mut settler, &options, seed).result
            }
        };
        if let Some(failure) = settler.admission.failure.take() {
            return Err(failure);
        }
        let (report, versions) = result?;
        let Settler { admission, accessed, traces, codes, .. } = settler;
        let profile = profile_of(&report, &admission.included);

        let settled = Settled { versions: &versions };
        let mut after = Phase::new(&environment, block, Ledger::above(&base, &settled));
        let requests = after.after_transactions(admission.logs())?;
        let mut all_codes: BTreeMap<B256, Bytes> =
            codes.into_iter().map(|(hash, code)| (hash, code.original_bytes())).collect();
        let Phase { ledger, accesses, .. } = before;
        let (values, codes) = ledger.into_parts();
        all_codes.extend(codes);
        let before = (accesses, values);
        let Phase { ledger, accesses, .. } = after;
        let (values, codes) = ledger.into_parts();
        all_codes.extend(codes);
        let Admission { included, outcomes, skipped, gas_used, .. } = admission;
        let ingredients = Ingredients {
            base: &base,
            versions: &versions,
            included: &included,
            accessed: &accessed,
            before,
            after: (accesses, values),
            codes: all_codes,
            empty_exists,
        };
        let made = self.make_products(&ingredients, outcomes, &traces, products)?;
        Ok(Executed {
            transactions: block.pick(&included),
            skipped,
            gas_used,
            requests_hash: system::requests_hash(&requests),
            requests,
            profile,
            ..made
        })
    }

    /// With a list: no speculation. Where the list cannot say what the block does, speculation and a comparison.
    fn execute_with_list(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
        list: &[u8],
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let mut rest = list;
        let decoded: Vec<AccountChanges> = alloy_rlp::Decodable::decode(&mut rest)
            .map_err(|error| flawed(format!("it cannot be decoded: {error}")))?;
        let listed = Listed::new(&decoded, block.transactions.len()).map_err(flawed)?;
        let environment = Environment::new(block.header, block.rules);
        let base = Base::new(state, block.header, &self.codes);
        let mut before = Phase::new(&environment, block, Ledger::new(&base));
        before.before_transactions()?;
        base.set_before_transactions(before.ledger.values().clone());
        let verification = Verification {
            base: &base,
            environment: &environment,
            transactions: block.transactions,
            listed: &listed,
            traced: products.access_record,
            timed: products.incarnations,
        };
        verification.check_phase(0, &before.accesses, &before.ledger)?.map_err(flawed)?;
        let started = Instant::now();
        let (checked, incarnations) = match verification.run(&self.pool)? {
            Verdict::Agrees(checked, incarnations) => (checked, incarnations),
            Verdict::Differs(index, reason) => {
                return Err(ExecutionError::Invalid { index: Some(index), reason });
            }
            Verdict::Inexpressible => {
                return self.execute_and_compare(block, state, list, products);
            }
        };
        let wall = started.elapsed();
        let mut admission =
            Admission::new(block.transactions, Policy::Reject, block.header.gas_limit);
        let record = verification.admit(checked, &mut admission);
        if let Some(failure) = admission.failure.take() {
            return Err(failure);
        }
        let requests = self.check_rest(block, &verification, &admission)?;
        let net = || if products.diff { listed.net_change(&base) } else { Ok(Default::default()) };
        // The same values in another encoding would be another list.
        let canonical = || rest.is_empty() && alloy_rlp::encode(&decoded) == list;
        let gas_used = admission.gas_used;
        let outcomes = admission.outcomes;
        let receipts = || Receipts::of(outcomes, products);
        let small = block.transactions.len() < PARALLEL_PRODUCTS_MIN;
        let work = || {
            if rayon::current_thread_index().is_none() {
                return ((canonical(), net()), receipts());
            }
            rayon::join(|| rayon::join(canonical, net), receipts)
        };
        let ((canonical, diff), receipts) = if small { work() } else { self.pool.install(work) };
        if !canonical {
            return Err(flawed("it is not in its canonical encoding".to_owned()));
        }
        let Receipts { receipts, logs_bloom, receipts_root } = receipts;
        let mut executed = Executed {
            transactions: block.transactions.to_vec(),
            receipts,
            gas_used,
            logs_bloom,
            receipts_root,
            requests_hash: system::requests_hash(&requests),
            requests,
            access_record: AccessRecord { transactions: record },
            diff: diff?,
            profile: RunProfile {
                mode: RunMode::AccessList,
                workers: self.pool.workers_for(block.transactions.len()) as u32,
                wall_us: wall.as_micros() as u64,
                incarnations,
                ..RunProfile::empty()
            },
            ..Executed::nothing()
        };
        if products.access_list {
            executed.access_list_hash = keccak256(list);
            executed.access_list = Bytes::copy_from_slice(list);
        }
        Ok(executed)
    }

    /// What comes after the transactions, held against the list; and whether everything listed has been accessed.
    fn check_rest(
        &self,
        block: &BlockInput<'_>,
        verification: &Verification<'_, '_>,
        admission: &Admission<'_>,
    ) -> Result<Vec<Bytes>, ExecutionError> {
        let (base, listed) = (verification.base, verification.listed);
        let at = block.transactions.len() + 1;
        let index = u32::try_from(at).expect("access indices have 32 bits");
        let values = ListedValues { listed, base, at: index };
        let ledger = Ledger::above(base, &values);
        let mut after = Phase::new(verification.environment, block, ledger);
        let requests = after.after_transactions(admission.logs())?;
        verification.check_phase(at, &after.accesses, &after.ledger)?.map_err(flawed)?;
        match listed.unseen() {
            Some(place) => Err(flawed(format!("{} is listed and not accessed", describe(place)))),
            None => Ok(requests),
        }
    }

    /// Speculation, and a comparison of the list with the one that it gives.
    fn execute_and_compare(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
        list: &[u8],
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let with_list = Products { access_list: true, ..products };
        let mut executed = self.execute_speculatively(block, state, Policy::Reject, with_list)?;
        if list != executed.access_list.as_ref() {
            return Err(flawed("it differs from the one that execution gives".to_owned()));
        }
        executed.keep(products);
        Ok(executed)
    }

    /// Makes of a settled block what is asked for.
    fn make_products(
        &self,
        ingredients: &Ingredients<'_, '_>,
        outcomes: Vec<Outcome>,
        traces: &[Trace<'_>],
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let gas_used: Vec<u64> = outcomes.iter().map(|outcome| outcome.gas_used).collect();
        let list = || -> Result<(B256, Bytes), ExecutionError> {
            if !products.access_list {
                return Ok(Default::default());
            }
            let list = Bytes::from(alloy_rlp::encode(ingredients.access_list()?));
            Ok((keccak256(&list), list))
        };
        let record = || {
            let places: Vec<usize> = (0..traces.len()).collect();
            let access = |place: &usize| {
                ingredients.transaction_access(*place, gas_used[*place], &traces[*place])
            };
            AccessRecord { transactions: each(&places, access) }
        };
        let net = || if products.diff { ingredients.net_change() } else { Ok(Default::default()) };
        let receipts = || Receipts::of(outcomes, products);
        let work = || {
            if rayon::current_thread_index().is_none() {
                return (list(), (record(), (net(), receipts())));
            }
            rayon::join(list, || rayon::join(record, || rayon::join(net, receipts)))
        };
        // A small block is not worth the call.
        let nothing = Products { incarnations: false, ..products } == Products::NONE;
        let small = gas_used.len() < PARALLEL_PRODUCTS_MIN || nothing;
        let (list, (access_record, (net, receipts))) =
            if small { work() } else { self.pool.install(work) };
        let ((access_list_hash, access_list), (diff, wiped)) = (list?, net?);
        let Receipts { receipts, logs_bloom, receipts_root } = receipts;
        Ok(Executed {
            receipts,
            logs_bloom,
            receipts_root,
            access_list_hash,
            access_list,
            access_record,
            wiped,
            diff,
            ..Executed::nothing()
        })
    }

    /// The oracle.
    fn execute_in_order(
        &self,
        block: &BlockInput<'_>,
        state: &dyn StateReader,
        products: Products,
    ) -> Result<Executed, ExecutionError> {
        let empty_exists = !block.rules.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        let environment = Environment::new(block.header, block.rules);
        let base = Base::new(state, block.header, &self.codes);
        let mut before = Phase::new(&environment, block, Ledger::new(&base));
        before.before_transactions()?;
        base.set_before_transactions(before.ledger.values().clone());

        let wanted = Wanted { facts: true, reads: true, accesses: true, ..Wanted::NOTHING };
        let vm = BlockVm::new(&base, &environment, block.transactions, wanted);
        let admission = Admission::new(block.transactions, Policy::Reject, block.header.gas_limit);
        let mut oracle = Oracle::new(&base, admission);
        let Phase { ledger, accesses, .. } = before;
        oracle.take_phase(0, accesses, ledger)?;
        let result = run_sequential(&vm, &mut oracle);
        if let Some(failure) = oracle.admission.failure.take() {
            return Err(failure);
        }
        let profile = profile_of(&result?, &oracle.admission.included);

        let values = oracle.values.clone();
        let below = OracleValues(&values);
        let mut after = Phase::new(&environment, block, Ledger::above(&base, &below));
        let requests = after.after_transactions(oracle.admission.logs())?;
        let index = oracle.admission.included.len() as u64 + 1;
        let Phase { ledger, accesses, .. } = after;
        oracle.take_phase(index, accesses, ledger)?;

        let Oracle { admission, recorder, record, values, codes, .. } = oracle;
        let (diff, wiped) = net_change(&base, &values, &codes, empty_exists)?;
        let access_list = Bytes::from(alloy_rlp::encode(recorder.finish()));
        let Receipts { receipts, logs_bloom, receipts_root } =
            Receipts::make(admission.outcomes, true);
        let mut executed = Executed {
            transactions: block.pick(&admission.included),
            skipped: admission.skipped,
            receipts,
            gas_used: admission.gas_used,
            logs_bloom,
            receipts_root,
            requests_hash: system::requests_hash(&requests),
            requests,
            access_list_hash: keccak256(&access_list),
            access_list,
            access_record: record,
            wiped,
            diff,
            profile,
        };
        executed.keep(products);
        Ok(executed)
    }
}

/// The oracle's values, below what comes after the transactions.
struct OracleValues<'o>(&'o HashMap<Location, Value>);

impl Below for OracleValues<'_> {
    fn written(&self, location: &Location) -> Option<Value> {
        self.0.get(location).copied()
    }
}

/// The receipts of a block and what the header says of them.
#[derive(Default)]
struct Receipts {
    receipts: Vec<Receipt>,
    logs_bloom: Bloom,
    receipts_root: B256,
}

/// The verdict on a block whose list is wrong.
fn flawed(flaw: String) -> ExecutionError {
    ExecutionError::Invalid { index: None, reason: format!("access list: {flaw}") }
}

impl Receipts {
    /// What is asked for.
    fn of(outcomes: Vec<Outcome>, products: Products) -> Self {
        if products.receipts || products.receipts_root {
            Self::make(outcomes, products.receipts_root)
        } else {
            Self::default()
        }
    }

    fn make(outcomes: Vec<Outcome>, summary: bool) -> Self {
        let receipts: Vec<Receipt> = if rayon::current_thread_index().is_some() {
            outcomes.into_par_iter().with_min_len(64).map(Outcome::into_receipt).collect()
        } else {
            outcomes.into_iter().map(Outcome::into_receipt).collect()
        };
        let (logs_bloom, receipts_root) = if summary {
            (logs_bloom(&receipts), receipts_root(&receipts))
        } else {
            Default::default()
        };
        Self { receipts, logs_bloom, receipts_root }
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

    fn pick(&self, included: &[u32]) -> Vec<Arc<RecoveredTransaction>> {
        included.iter().map(|index| Arc::clone(&self.transactions[*index as usize])).collect()
    }
}

impl Executed {
    /// Of no block.
    fn nothing() -> Self {
        Self {
            transactions: Vec::new(),
            skipped: Vec::new(),
            receipts: Vec::new(),
            gas_used: 0,
            logs_bloom: Bloom::ZERO,
            receipts_root: B256::ZERO,
            requests: Vec::new(),
            requests_hash: B256::ZERO,
            access_list: Bytes::new(),
            access_list_hash: B256::ZERO,
            access_record: AccessRecord::default(),
            wiped: Vec::new(),
            diff: StateDiff::default(),
            profile: RunProfile::empty(),
        }
    }

    /// Empties what is not asked for.
    fn keep(&mut self, products: Products) {
        let nothing = Self::nothing();
        if !products.access_list {
            self.access_list = nothing.access_list;
            self.access_list_hash = nothing.access_list_hash;
        }
        if !products.access_record {
            self.access_record = nothing.access_record;
        }
        if !products.receipts && !products.receipts_root {
            self.receipts = nothing.receipts;
        }
        if !products.receipts_root {
            self.receipts_root = nothing.receipts_root;
            self.logs_bloom = nothing.logs_bloom;
        }
        if !products.diff {
            self.diff = nothing.diff;
            self.wiped = nothing.wiped;
        }
        if !products.incarnations {
            self.profile.incarnations = Vec::new();
        }
    }

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
