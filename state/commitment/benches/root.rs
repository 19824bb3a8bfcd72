//! Time of one block's root over a state of a given size, and of the whole tree.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use weft_commitment::Tree;
use weft_types::{Account, AccountDiff, Address, StateDiff, U256};

const SIZES: [(u64, u64); 2] = [(10_000, 200), (100_000, 2_000)];

fn address(number: u64) -> Address {
    let mut bytes = [0u8; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Address::from(bytes)
}

fn account(balance: u64) -> Option<Account> {
    Some(Account { nonce: 1, balance: U256::from(balance), ..Account::default() })
}

fn state(accounts: u64) -> StateDiff {
    let new = |number| AccountDiff {
        address: address(number),
        before: None,
        after: account(7),
        slots: vec![],
    };
    StateDiff { accounts: (0..accounts).map(new).collect(), code: vec![] }
}

fn block(accounts: u64, changed: u64) -> StateDiff {
    let change = |number| AccountDiff {
        address: address(number * (accounts / changed)),
        before: account(7),
        after: account(8),
        slots: vec![],
    };
    StateDiff { accounts: (0..changed).map(change).collect(), code: vec![] }
}

fn root(criterion: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("threads start");
    let mut group = criterion.benchmark_group("root");
    group.sample_size(20);
    for (accounts, changed) in SIZES {
        let tree = Tree::empty().apply(&state(accounts));
        let diff = block(accounts, changed);
        let parameters = format!("accounts={accounts},changed={changed}");
        group.bench_function(BenchmarkId::new("apply/parallel", &parameters), |bencher| {
            bencher.iter(|| tree.apply(&diff).root());
        });
        group.bench_function(BenchmarkId::new("apply/sequential", &parameters), |bencher| {
            bencher.iter(|| one.install(|| tree.apply(&diff).root()));
        });
    }
    let diff = state(SIZES[0].0);
    group.bench_function(
        BenchmarkId::new("build", format!("accounts={}", SIZES[0].0)),
        |bencher| {
            bencher.iter(|| Tree::empty().apply(&diff).root());
        },
    );
    group.finish();
}

criterion_group!(benches, root);
criterion_main!(benches);
