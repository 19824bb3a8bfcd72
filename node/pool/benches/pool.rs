//! What a transaction costs on its way into the pool and out of it, stage by stage, on one core.
//!
//! ```console
//! $ cargo bench --workspace --bench pool
//! ```

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{B256, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};
use std::hint::black_box;
use weft_pool::{Origin, Pool, PoolLimits};
use weft_types::transaction::{decode_transaction, encode_transaction, recover_transaction};
use weft_types::{
    Account, Address, Bytes, Header, RecoveredTransaction, StateError, StateReader, Transaction,
};

const CHAIN_ID: u64 = 31_337;
const BASE_FEE: u64 = 1_000_000_000;
/// Transactions of one iteration: a block at the speed that the node aims at.
const COUNT: usize = 4096;
/// As many as gossip puts into one message.
const BATCH: usize = 256;
const SENDERS: usize = 1024;

/// Everybody is rich and at nonce `0` at first.
struct Rich(u64);

impl StateReader for Rich {
    fn account(&self, _: &Address) -> Result<Option<Account>, StateError> {
        let balance = U256::from(u128::MAX);
        Ok(Some(Account { nonce: self.0, balance, ..Account::default() }))
    }
    fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }
    fn code(&self, _: &B256) -> Result<Bytes, StateError> {
        Ok(Bytes::new())
    }
    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Ok(None)
    }
}

fn head(number: u64) -> Header {
    Header {
        number,
        gas_limit: 1_000_000_000,
        gas_used: 500_000_000,
        base_fee_per_gas: Some(BASE_FEE),
        ..Header::default()
    }
}

/// Signed transfers of [`SENDERS`] senders in turn.
fn signed() -> Vec<Bytes> {
    let key = |n: usize| {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&(n as u64 + 1).to_be_bytes());
        PrivateKeySigner::from_bytes(&B256::from(secret)).expect("a key below the group's order")
    };
    let keys: Vec<PrivateKeySigner> = (0..SENDERS).map(key).collect();
    let transfer = |n: usize| {
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: (n / SENDERS) as u64,
            gas_limit: 21_000,
            max_fee_per_gas: 10 * u128::from(BASE_FEE),
            max_priority_fee_per_gas: 1_000_000 + (n as u128 * 7919) % 1000,
            to: Address::repeat_byte(9).into(),
            value: U256::from(n),
            ..TxEip1559::default()
        };
        let signature = keys[n % SENDERS].sign_hash_sync(&tx.signature_hash());
        let tx: Transaction = tx.into_signed(signature.expect("a key signs")).into();
        encode_transaction(&tx)
    };
    (0..COUNT).map(transfer).collect()
}

fn decode(raw: &[Bytes]) -> Vec<Transaction> {
    raw.iter().map(|bytes| decode_transaction(bytes).expect("encoded above")).collect()
}

fn recover(raw: &[Bytes]) -> Vec<RecoveredTransaction> {
    let recover = |tx| recover_transaction(tx, CHAIN_ID).expect("signed above");
    decode(raw).into_iter().map(recover).collect()
}

fn pool() -> Pool {
    Pool::new(CHAIN_ID, PoolLimits::default())
}

fn filled(all: &[RecoveredTransaction]) -> Pool {
    let pool = pool();
    let outcome = pool.admit_all(all.to_vec(), Origin::Rpc, &Rich(0), &head(1));
    assert!(outcome.iter().all(Result::is_ok));
    pool
}

fn stages(group: &mut BenchmarkGroup<'_, WallTime>, raw: &[Bytes]) {
    group.bench_function("stage=decode", |b| b.iter(|| black_box(decode(raw))));
    group.bench_function("stage=hash", |b| {
        let fresh = || decode(raw);
        let hash = |all: Vec<Transaction>| {
            all.iter().for_each(|tx| {
                black_box(tx.tx_hash());
            });
            all
        };
        b.iter_batched(fresh, hash, BatchSize::LargeInput);
    });
    group.bench_function("stage=recover", |b| {
        let recover = |all: Vec<Transaction>| -> Vec<RecoveredTransaction> {
            all.into_iter().map(|tx| recover_transaction(tx, CHAIN_ID).expect("signed")).collect()
        };
        b.iter_batched(|| decode(raw), recover, BatchSize::LargeInput);
    });
}

fn admission(group: &mut BenchmarkGroup<'_, WallTime>, raw: &[Bytes]) {
    let all = recover(raw);
    all.iter().for_each(|tx| {
        black_box(tx.tx_hash());
    });
    let head = head(1);
    group.bench_function("stage=admit_alone", |b| {
        let alone = |(pool, all): (Pool, Vec<RecoveredTransaction>)| {
            for tx in all {
                pool.admit(tx, Origin::Rpc, &Rich(0), &head).expect("good");
            }
            pool
        };
        b.iter_batched(|| (pool(), all.clone()), alone, BatchSize::LargeInput);
    });
    group.bench_function("stage=admit_batch", |b| {
        let batches = || -> (Pool, Vec<Vec<RecoveredTransaction>>) {
            (pool(), all.chunks(BATCH).map(<[_]>::to_vec).collect())
        };
        let together = |(pool, batches): (Pool, Vec<Vec<RecoveredTransaction>>)| {
            for batch in batches {
                black_box(pool.admit_all(batch, Origin::Rpc, &Rich(0), &head));
            }
            pool
        };
        b.iter_batched(batches, together, BatchSize::LargeInput);
    });
    group.bench_function("stage=all", |b| {
        let everything = |pool: Pool| {
            for chunk in raw.chunks(BATCH) {
                black_box(pool.admit_all(recover(chunk), Origin::Rpc, &Rich(0), &head));
            }
            pool
        };
        b.iter_batched(pool, everything, BatchSize::LargeInput);
    });
}

fn leaving(group: &mut BenchmarkGroup<'_, WallTime>, raw: &[Bytes]) {
    let all = recover(raw);
    let full = filled(&all);
    group.bench_function("stage=best", |b| {
        b.iter(|| black_box(full.best(BASE_FEE, 1_000_000_000).len()));
    });
    let included: Vec<_> = all
        .iter()
        .map(|tx| (*tx.tx_hash(), tx.signer(), alloy_consensus::Transaction::nonce(tx.inner())))
        .collect();
    group.bench_function("stage=on_block", |b| {
        let after = Rich((COUNT / SENDERS) as u64);
        let include = |pool: Pool| {
            pool.on_block(&included, &[], &after, &head(2));
            assert!(pool.is_empty());
            pool
        };
        b.iter_batched(|| filled(&all), include, BatchSize::LargeInput);
    });
}

fn benches(criterion: &mut Criterion) {
    let raw = signed();
    let mut group = criterion.benchmark_group("pool::admit");
    group.throughput(Throughput::Elements(COUNT as u64)).sample_size(20);
    stages(&mut group, &raw);
    admission(&mut group, &raw);
    leaving(&mut group, &raw);
    group.finish();
}

criterion_group!(pool_benches, benches);
criterion_main!(pool_benches);
