//! The independent oracle: a plain revm loop with revm's own database, instructions, handler and access-list builder, under
//! any fork.

use super::world::{ETHER, World, assert_same};
use crate::{Executed, Executor, MemoryState, Mode};
use alloy_consensus::{Transaction as _, Typed2718};
use alloy_eip7928::{AccountChanges, BlockAccessIndex};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use revm::bytecode::Bytecode;
use revm::context::either::Either;
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::database::{State, WrapDatabaseRef};
use revm::handler::{MainnetContext, MainnetEvm};
use revm::primitives::hardfork::SpecId;
use revm::state::bal::Bal;
use revm::state::{Account, AccountInfo, EvmState, TransactionId};
use revm::{
    Context, Database as _, DatabaseCommit, DatabaseRef, ExecuteEvm, MainBuilder, MainContext,
    SystemCallEvm,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_types::{RecoveredTransaction, StateReader};

struct Reader(MemoryState);

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct ReaderError(#[from] weft_types::StateError);

impl revm::context_interface::DBErrorMarker for ReaderError {}

impl DatabaseRef for Reader {
    type Error = ReaderError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ReaderError> {
        Ok(self.0.account(&address)?.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, ReaderError> {
        Ok(Bytecode::new_raw(self.0.code(&hash)?))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, ReaderError> {
        Ok(self.0.storage(&address, &slot)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, ReaderError> {
        Ok(self.0.block_hash(number)?.unwrap_or_default())
    }
}

/// revm's own cache over the state.
type Cache = State<WrapDatabaseRef<Reader>>;

/// What the plain loop made of a block.
pub(crate) struct Plain {
    /// Places of the candidates that are not valid or find no room.
    pub(crate) refused: Vec<usize>,
    /// Status, cumulative gas and logs of the others.
    receipts: Vec<(bool, u64, Vec<Log>)>,
    list: Vec<AccountChanges>,
    state: Cache,
}

/// The loop under way.
struct Loop<'w> {
    world: &'w World,
    evm: MainnetEvm<MainnetContext<Cache>>,
    list: Bal,
}

impl Loop<'_> {
    fn commit(&mut self, index: u64, state: EvmState) {
        for (address, account) in &state {
            self.list.update_account(BlockAccessIndex::new(index), *address, account);
        }
        self.evm.ctx.journaled_state.database.commit(state);
    }

    fn system_call(&mut self, index: u64, from: SpecId, contract: Address, input: Bytes) {
        let rules = &self.world.rules;
        if rules.system_calls && rules.spec.is_enabled_in(from) {
            let done = self.evm.system_call(contract, input).unwrap();
            self.commit(index, done.state);
        }
    }

    /// Adds what no transaction pays.
    fn credit(&mut self, index: u64, address: Address, amount: U256) {
        let cache = &mut self.evm.ctx.journaled_state.database;
        let mut account = match cache.basic(address).unwrap() {
            Some(info) => Account::from(info),
            None => Account::new_not_existing(TransactionId::ZERO),
        };
        account.info.balance += amount;
        account.mark_touch();
        self.commit(index, EvmState::from_iter([(address, account)]));
    }
}

/// What the block pays without a transaction: rewards (the yellow paper, section 11.3) and withdrawals. Revm's builder of
/// access lists takes one change of an account at an index, so they are summed up.
fn credits(world: &World) -> BTreeMap<Address, U256> {
    let World { header, rules, ommers, withdrawals, .. } = world;
    let mut credits: BTreeMap<Address, U256> = BTreeMap::new();
    let mut add = |address, amount| *credits.entry(address).or_default() += amount;
    if rules.block_rewards && !rules.spec.is_enabled_in(SpecId::MERGE) {
        let ether: u64 = match rules.spec {
            SpecId::FRONTIER | SpecId::HOMESTEAD | SpecId::TANGERINE | SpecId::SPURIOUS_DRAGON => 5,
            SpecId::BYZANTIUM => 3,
            _ => 2,
        };
        let reward = U256::from(ether) * ETHER;
        for ommer in ommers {
            let part = U256::from(8 + ommer.number - header.number);
            add(ommer.beneficiary, reward * part / U256::from(8));
        }
        let nephew = reward / U256::from(32) * U256::from(ommers.len());
        add(header.beneficiary, reward + nephew);
    }
    for withdrawal in withdrawals {
        add(withdrawal.address, withdrawal.amount_wei());
    }
    credits
}

fn chain_environment(world: &World) -> CfgEnv {
    let mut environment = CfgEnv::new_with_spec(world.rules.spec);
    environment.chain_id = world.rules.chain_id;
    environment.max_blobs_per_tx = world.rules.blobs_per_transaction_max;
    environment.blob_base_fee_update_fraction = Some(world.rules.blob_base_fee_update_fraction);
    environment
}

fn block_environment(world: &World) -> BlockEnv {
    let header = &world.header;
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: Some(header.mix_hash),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(
            header.excess_blob_gas.unwrap_or_default(),
            world.rules.blob_base_fee_update_fraction,
        )),
        slot_num: 0,
    }
}

fn transaction_environment(transaction: &RecoveredTransaction) -> TxEnv {
    let inner = transaction.inner();
    let authorizations = inner.authorization_list().unwrap_or_default();
    TxEnv {
        tx_type: inner.ty(),
        caller: transaction.signer(),
        gas_limit: inner.gas_limit(),
        gas_price: inner.max_fee_per_gas(),
        kind: inner.kind(),
        value: inner.value(),
        data: inner.input().clone(),
        nonce: inner.nonce(),
        chain_id: inner.chain_id(),
        access_list: inner.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: inner.max_priority_fee_per_gas(),
        blob_hashes: inner.blob_versioned_hashes().map(<[B256]>::to_vec).unwrap_or_default(),
        max_fee_per_blob_gas: inner.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: authorizations.iter().cloned().map(Either::Left).collect(),
    }
}

/// Runs the candidates in a plain loop, leaving out those that revm calls invalid and those that find no room.
pub(crate) fn plain_loop(world: &World, candidates: &[Arc<RecoveredTransaction>]) -> Plain {
    let cache = State::builder().with_database(WrapDatabaseRef(Reader(world.state.clone())));
    let evm = Context::mainnet()
        .with_cfg(chain_environment(world))
        .with_block(block_environment(world))
        .with_db(cache.build())
        .build_mainnet();
    let mut run = Loop { world, evm, list: Bal::new() };
    let root = world.header.parent_beacon_block_root.unwrap_or_default();
    run.system_call(0, SpecId::CANCUN, eip4788::BEACON_ROOTS_ADDRESS, root.into());
    let parent = world.header.parent_hash.into();
    run.system_call(0, SpecId::PRAGUE, eip2935::HISTORY_STORAGE_ADDRESS, parent);
    let (mut refused, mut receipts, mut cumulative) = (Vec::new(), Vec::new(), 0);
    for (place, candidate) in candidates.iter().enumerate() {
        let full = candidate.gas_limit() > world.header.gas_limit - cumulative;
        match run.evm.transact(transaction_environment(candidate)) {
            Ok(done) if !full => {
                cumulative += done.result.tx_gas_used();
                let success = done.result.is_success();
                receipts.push((success, cumulative, done.result.into_logs()));
                run.commit(receipts.len() as u64, done.state);
            }
            _ => refused.push(place),
        }
    }
    let last = receipts.len() as u64 + 1;
    for (address, amount) in credits(world) {
        run.credit(last, address, amount);
    }
    for contract in [
        eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    ] {
        run.system_call(last, SpecId::PRAGUE, contract, Bytes::new());
    }
    let list = run.list.into_alloy_bal();
    Plain { refused, receipts, list, state: run.evm.ctx.journaled_state.database }
}

impl Plain {
    /// Holds an execution of the same candidates against the loop.
    pub(crate) fn compare(&self, world: &World, executed: &Executed) {
        assert_eq!(executed.receipts.len(), self.receipts.len(), "included transactions");
        for (index, (receipt, (success, cumulative, logs))) in
            executed.receipts.iter().zip(&self.receipts).enumerate()
        {
            assert_eq!(receipt.cumulative_gas_used(), *cumulative, "gas of transaction {index}");
            assert_eq!(receipt.status(), *success, "status of transaction {index}");
            assert_eq!(receipt.logs(), logs, "logs of transaction {index}");
        }
        assert_eq!(executed.gas_used, self.receipts.last().map_or(0, |(_, gas, _)| *gas));
        if world.is_osaka() {
            let found: Vec<AccountChanges> =
                alloy_rlp::Decodable::decode(&mut executed.access_list.as_ref()).unwrap();
            assert_eq!(found, self.list, "access list");
        }
        self.compare_state(world, executed);
    }

    fn compare_state(&self, world: &World, executed: &Executed) {
        let after = world.after(executed);
        for (address, cached) in &self.state.cache.accounts {
            let found = after.account(address).unwrap();
            assert_eq!(found.is_some(), cached.account.is_some(), "existence of {address}");
            let found = found.unwrap_or_default();
            let plain = cached.account.clone().unwrap_or_default();
            let expected = &plain.info;
            assert_eq!(found.balance, expected.balance, "balance of {address}");
            assert_eq!(found.nonce, expected.nonce, "nonce of {address}");
            assert_eq!(found.code_hash, expected.code_hash, "code of {address}");
            let code = after.code(&found.code_hash).unwrap();
            assert_eq!(found.code_size as usize, code.len(), "code size of {address}");
            for (slot, value) in &plain.storage {
                let found = after.storage(address, slot).unwrap();
                assert_eq!(found, *value, "slot {slot} of {address}");
            }
            // What revm knows to be gone is gone.
            for slot in World::slots().filter(|_| cached.status.is_storage_known()) {
                let expected = plain.storage.get(&slot).copied().unwrap_or_default();
                let found = after.storage(address, &slot).unwrap();
                assert_eq!(found, expected, "slot {slot} of {address}, which was wiped");
            }
        }
        for change in &executed.diff.accounts {
            assert_eq!(change.before, world.state.account(&change.address).unwrap());
            assert!(self.state.cache.accounts.contains_key(&change.address));
        }
    }
}

/// Builds in parallel with several numbers of workers and holds everything against everything. Returns the block.
pub(crate) fn check(world: &World, candidates: &[Arc<RecoveredTransaction>]) -> Executed {
    check_with(world, candidates, &[1, 2, 4])
}

pub(crate) fn check_with(
    world: &World,
    candidates: &[Arc<RecoveredTransaction>],
    workers: &[usize],
) -> Executed {
    let first = check_alike(world, candidates, workers);
    let plain = plain_loop(world, candidates);
    let skipped: Vec<_> = first.skipped.iter().map(|skipped| skipped.hash).collect();
    let refused = plain.refused.iter().map(|place| *candidates[*place].tx_hash());
    assert_eq!(skipped, refused.collect::<Vec<_>>(), "who is left out");
    plain.compare(world, &first);
    first
}

/// Asserts that a block is built, verified and executed in order with the same results.
pub(crate) fn check_alike(
    world: &World,
    candidates: &[Arc<RecoveredTransaction>],
    workers: &[usize],
) -> Executed {
    let mut first: Option<Executed> = None;
    let mut same = |built: Executed, what: &str| {
        if let Some(first) = &first {
            assert_same(&built, first, what);
            assert_eq!(built.skipped, first.skipped, "skipped");
        }
        first.get_or_insert(built);
    };
    for workers in workers {
        let executor = Executor::new(*workers).with_min_parallel_transactions(2);
        let built = world.build(&executor, candidates).unwrap();
        let verified = world.verify(&executor, &built).unwrap();
        assert_same(&verified, &built, "verified against built");
        same(built, "workers");
    }
    for seed in 0..4 {
        let executor = Executor::new(3).with_drawn_schedule(seed);
        same(world.build(&executor, candidates).unwrap(), "drawn schedule");
    }
    let first = first.unwrap();
    let oracle = world.oracle(&first.transactions).unwrap();
    assert_same(&first, &oracle, "built against the sequential run");
    first
}

/// Asserts that verification refuses a block with these transactions, in every way alike, because of the one at `index`.
pub(crate) fn check_refused(
    world: &World,
    transactions: &[Arc<RecoveredTransaction>],
    index: usize,
) -> String {
    let parallel = |workers| Executor::new(workers).with_min_parallel_transactions(0);
    let drawn = |seed| Executor::new(3).with_drawn_schedule(seed);
    let found = [
        world.execute(&Executor::new(1), transactions, Mode::Oracle),
        world.execute(&parallel(2), transactions, Mode::Verify),
        world.execute(&drawn(0), transactions, Mode::Verify),
        world.execute(&drawn(1), transactions, Mode::Verify),
    ]
    .map(|result| result.expect_err("the block holds an invalid transaction"));
    assert!(found[0].is_verdict(), "{}", found[0]);
    assert!(found[0].to_string().starts_with(&format!("transaction {index}: ")), "{}", found[0]);
    for other in &found {
        assert_eq!(other.to_string(), found[0].to_string());
    }
    found[0].to_string()
}
