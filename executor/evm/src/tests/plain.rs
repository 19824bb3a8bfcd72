//! The independent oracle: a plain revm loop with revm's own database, instructions, handler and access-list builder.

use super::world::{World, assert_same};
use crate::environment::{Environment, transaction_environment};
use crate::rules::Rules;
use crate::{Executed, Executor, MemoryState};
use alloy_eip7928::BlockAccessIndex;
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::bytecode::Bytecode;
use revm::context::result::ExecutionResult;
use revm::database::{State, WrapDatabaseRef};
use revm::state::bal::Bal;
use revm::state::{AccountInfo, EvmState};
use revm::{
    Context, DatabaseCommit, DatabaseRef, ExecuteEvm, MainBuilder, MainContext, SystemCallEvm,
};
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

/// Runs the transactions in a plain loop and holds `executed` against it.
fn compare_with_plain_loop(world: &World, executed: &Executed) {
    let Environment { cfg, block } = Environment::new(&world.header, &Rules::weft(&world.params));
    let mut evm = Context::mainnet()
        .with_cfg(cfg)
        .with_block(block)
        .with_db(
            State::builder().with_database(WrapDatabaseRef(Reader(world.state.clone()))).build(),
        )
        .build_mainnet();
    let mut list = Bal::new();
    let mut index = 0;
    let mut record = |index: u64, state: &EvmState| {
        for (address, account) in state {
            list.update_account(BlockAccessIndex::new(index), *address, account);
        }
    };
    let root = Bytes::copy_from_slice(&[0; 32]);
    let parent = Bytes::copy_from_slice(world.header.parent_hash.as_slice());
    for (contract, input) in
        [(eip4788::BEACON_ROOTS_ADDRESS, root), (eip2935::HISTORY_STORAGE_ADDRESS, parent)]
    {
        let done = evm.system_call(contract, input).unwrap();
        record(0, &done.state);
        evm.ctx.journaled_state.database.commit(done.state);
    }
    let mut cumulative = 0;
    for (transaction, receipt) in executed.transactions.iter().zip(&executed.receipts) {
        index += 1;
        let done = evm
            .transact(transaction_environment(transaction, None))
            .expect("an included transaction is valid");
        cumulative += done.result.tx_gas_used();
        assert_eq!(receipt.cumulative_gas_used(), cumulative, "gas of transaction {}", index - 1);
        assert_eq!(
            receipt.status(),
            done.result.is_success(),
            "status of transaction {}",
            index - 1
        );
        assert_eq!(receipt.logs(), done.result.logs(), "logs of transaction {}", index - 1);
        record(index, &done.state);
        evm.ctx.journaled_state.database.commit(done.state);
    }
    for contract in [
        eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    ] {
        let done = evm.system_call(contract, Bytes::new()).unwrap();
        assert!(matches!(done.result, ExecutionResult::Success { .. }));
        record(index + 1, &done.state);
        evm.ctx.journaled_state.database.commit(done.state);
    }
    assert_eq!(executed.gas_used, cumulative);
    let expected = list.into_alloy_bal();
    let found: Vec<alloy_eip7928::AccountChanges> =
        alloy_rlp::Decodable::decode(&mut executed.access_list.as_ref()).unwrap();
    assert_eq!(found, expected, "access list");

    let mut after = world.state.clone();
    after.apply(&executed.diff);
    for (address, cached) in &evm.ctx.journaled_state.database.cache.accounts {
        let found = after.account(address).unwrap().unwrap_or_default();
        let plain = cached.account.clone().unwrap_or_default();
        let expected = &plain.info;
        assert_eq!(found.balance, expected.balance, "balance of {address}");
        assert_eq!(found.nonce, expected.nonce, "nonce of {address}");
        assert_eq!(found.code_hash, expected.code_hash, "code of {address}");
        assert_eq!(
            found.code_size as usize,
            after.code(&found.code_hash).unwrap().len(),
            "code size of {address}"
        );
        for (slot, value) in &plain.storage {
            assert_eq!(after.storage(address, slot).unwrap(), *value, "slot {slot} of {address}");
        }
    }
    for change in &executed.diff.accounts {
        assert_eq!(change.before, world.state.account(&change.address).unwrap());
        assert!(evm.ctx.journaled_state.database.cache.accounts.contains_key(&change.address));
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
    let mut first: Option<Executed> = None;
    for workers in workers {
        let executor = Executor::new(*workers).with_min_parallel_transactions(2);
        let built = world.build(&executor, candidates).unwrap();
        let verified = world.verify(&executor, &built).unwrap();
        assert_same(&verified, &built, "verified against built");
        if let Some(first) = &first {
            assert_same(&built, first, "workers");
            assert_eq!(built.skipped, first.skipped, "skipped");
        }
        first.get_or_insert(built);
    }
    let first = first.unwrap();
    let oracle = world.oracle(&first.transactions).unwrap();
    assert_same(&first, &oracle, "built against the sequential run");
    compare_with_plain_loop(world, &first);
    first
}
