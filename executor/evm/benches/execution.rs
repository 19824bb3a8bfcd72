//! Blocks of one kind of load: the plain revm loop, the sequential run, and the parallel run with several workers.
//!
//! `cargo bench -p weft-evm`. A speed-up is quoted against the sequential twins in the same group of the same run.

#[path = "../src/tests/asm.rs"]
#[allow(dead_code)]
mod asm;

use alloy_consensus::{SignableTransaction, Transaction as _, TxEip1559};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use asm::{counter, token, token_slot, word, words};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, Bytecode};
use revm::{Context, ExecuteCommitEvm, MainBuilder, MainContext};
use std::hint::black_box;
use std::sync::Arc;
use weft_evm::{Executor, MemoryState};
use weft_types::{ChainParams, Header, RecoveredTransaction, Round, StateReader, Transaction};

/// The allocator of the node's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONTRACT: Address = Address::repeat_byte(0xa1);
const TRANSACTIONS: u64 = 1_000;

/// One block and the state below it, for the executor and for the plain loop.
struct Load {
    name: &'static str,
    state: Arc<dyn StateReader>,
    plain: CacheDB<EmptyDB>,
    header: Header,
    params: ChainParams,
    transactions: Vec<Arc<RecoveredTransaction>>,
}

fn account(n: u64) -> Address {
    Address::from_word(alloy_primitives::keccak256(n.to_be_bytes()))
}

fn transaction(
    n: u64,
    to: Address,
    value: u64,
    input: Bytes,
    gas_limit: u64,
) -> Arc<RecoveredTransaction> {
    let transaction: Transaction = TxEip1559 {
        chain_id: ChainParams::devnet().chain_id,
        gas_limit,
        max_fee_per_gas: 1_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::from(value),
        input,
        ..TxEip1559::default()
    }
    .into_signed(Signature::test_signature())
    .into();
    Arc::new(RecoveredTransaction::new_unchecked(transaction, account(n)))
}

impl Load {
    fn new(
        name: &'static str,
        code: Option<Bytes>,
        slots: &[(U256, U256)],
        make: impl Fn(u64) -> Arc<RecoveredTransaction>,
    ) -> Self {
        let mut state = MemoryState::default();
        let mut plain = CacheDB::new(EmptyDB::new());
        let mut deploy = |address: Address, code: Bytes| {
            state.set_code(address, code.clone());
            let code = Bytecode::new_raw(code);
            let info = AccountInfo { nonce: 1, ..AccountInfo::default() }.with_code(code);
            plain.insert_account_info(address, info);
        };
        deploy(eip4788::BEACON_ROOTS_ADDRESS, eip4788::BEACON_ROOTS_CODE.clone());
        deploy(eip2935::HISTORY_STORAGE_ADDRESS, eip2935::HISTORY_STORAGE_CODE.clone());
        deploy(
            eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
            eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE.clone(),
        );
        deploy(
            eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
            eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE.clone(),
        );
        if let Some(code) = code {
            deploy(CONTRACT, code);
        }
        for (slot, value) in slots {
            state.set_storage(CONTRACT, *slot, *value);
            plain
                .insert_account_storage(CONTRACT, *slot, *value)
                .expect("the contract is deployed");
        }
        let balance = U256::from(1_000_000_000_000_000_000u64);
        for n in 0..TRANSACTIONS {
            state.set_balance(account(n), balance);
            plain.insert_account_info(account(n), AccountInfo::from_balance(balance));
        }
        let params = ChainParams { gas_limit: 1_000_000_000, ..ChainParams::devnet() };
        let parent = Header {
            gas_limit: params.gas_limit,
            base_fee_per_gas: Some(1_000),
            ..Header::default()
        };
        let header = weft_types::header::next_header(
            &parent,
            parent.hash_slow(),
            &params,
            Round(0),
            Address::repeat_byte(0xcb),
            1,
        );
        let transactions = (0..TRANSACTIONS).map(make).collect();
        Self { name, state: Arc::new(state), plain, header, params, transactions }
    }

    /// The baseline: revm as anybody would use it, without receipts, access list or record.
    fn plain_loop(&self) -> u64 {
        let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA);
        cfg.chain_id = self.params.chain_id;
        let block = BlockEnv {
            number: U256::from(self.header.number),
            beneficiary: self.header.beneficiary,
            timestamp: U256::from(self.header.timestamp),
            gas_limit: self.header.gas_limit,
            basefee: self.header.base_fee_per_gas.unwrap_or_default(),
            prevrandao: Some(B256::ZERO),
            ..BlockEnv::default()
        };
        let mut evm = Context::mainnet()
            .with_cfg(cfg)
            .with_block(block)
            .with_db(self.plain.clone())
            .build_mainnet();
        let environment = |transaction: &RecoveredTransaction| TxEnv {
            tx_type: 2,
            caller: transaction.signer(),
            gas_limit: transaction.gas_limit(),
            gas_price: transaction.max_fee_per_gas(),
            gas_priority_fee: transaction.max_priority_fee_per_gas(),
            kind: transaction.kind(),
            value: transaction.value(),
            data: transaction.input().clone(),
            chain_id: transaction.chain_id(),
            ..TxEnv::default()
        };
        let run = |transaction: &Arc<RecoveredTransaction>| {
            evm.transact_commit(environment(transaction)).expect("the load is valid").tx_gas_used()
        };
        self.transactions.iter().map(run).sum()
    }
}

fn loads() -> [Load; 3] {
    let amount = U256::from(1_000_000);
    let balances: Vec<_> = (0..TRANSACTIONS).map(|n| (token_slot(account(n)), amount)).collect();
    [
        Load::new("transfers", None, &[], |n| {
            transaction(n, account(n + TRANSACTIONS), 1, Bytes::new(), 21_000)
        }),
        Load::new("erc20", Some(token()), &balances, |n| {
            let input = words(&[word(account(n + TRANSACTIONS)), U256::from(5)]);
            transaction(n, CONTRACT, 0, input, 100_000)
        }),
        Load::new("counter", Some(counter()), &[], |n| {
            transaction(n, CONTRACT, 0, Bytes::new(), 60_000)
        }),
    ]
}

fn execution(criterion: &mut Criterion) {
    for load in loads() {
        let mut group = criterion.benchmark_group(format!("execute/load={}", load.name));
        group.sample_size(20);
        group.throughput(Throughput::Elements(TRANSACTIONS));
        group.bench_function("mode=plain", |bencher| bencher.iter(|| black_box(load.plain_loop())));
        let executor = Executor::new(1);
        group.bench_function("mode=sequential", |bencher| {
            bencher.iter(|| {
                let run = executor.sequential(
                    &load.header,
                    &load.transactions,
                    &load.state,
                    &load.params,
                );
                black_box(run.expect("the load is valid"))
            });
        });
        for workers in [1, 2, 4] {
            let executor = Executor::new(workers);
            group.bench_function(format!("mode=parallel/workers={workers}"), |bencher| {
                bencher.iter(|| {
                    let run =
                        executor.build(&load.header, &load.transactions, &load.state, &load.params);
                    black_box(run.expect("the load is valid"))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, execution);
criterion_main!(benches);
