//! What a block costs to store, and what a value costs to read: from the cache, from the database,
//! ahead of need, and from the past.
//!
//! ```console
//! $ cargo bench --workspace --bench store -- --keys 1000000 --changed 20000 --depth 100000
//! $ cargo bench --workspace --bench store -- --keys 1000000 --changed 20000 --beside 10000000
//! ```
//! With `--beside` only blocks are measured, on a state of each size, and compared. `--tree-mib` is the memory of the
//! tree, 1024 by default: what of it does not fit is read from the database again.

#![allow(clippy::print_stdout)] // a benchmark prints what it measured

use alloy_primitives::{Address, B256, U256};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weft_commitment::Tree;
use weft_store::{BlockCommit, GenesisState, Store, StoreOptions};
use weft_types::{
    AccessRecord, Account, AccountDiff, Block, CommitCertificate, Header, Height, Round,
    SealedBlock, StateDiff, StateReader, Touched,
};

/// Blocks whose commit is measured.
const BLOCKS: usize = 15;
/// Reads of each kind.
const READS: u64 = 100_000;
/// Accounts that every small block of the past draws its changes from, and changes in one of them.
const HOT: u64 = 1000;
const HOT_CHANGES: u64 = 20;

struct World {
    store: Arc<Store>,
    balances: Vec<u64>,
    random: u64,
}

fn address(number: u64) -> Address {
    let mut bytes = [0u8; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Address::from(bytes)
}

fn account(balance: u64) -> Option<Account> {
    Some(Account { nonce: 1, balance: U256::from(balance), ..Account::default() })
}

impl World {
    fn new(path: &Path, keys: u64, options: StoreOptions) -> Self {
        let create = |number| AccountDiff {
            address: address(number),
            before: None,
            after: account(7),
            slots: vec![],
        };
        let diff = StateDiff { accounts: (0..keys).map(create).collect(), code: vec![] };
        let state_root = Tree::empty().apply(&diff).root();
        let block = Block {
            header: Header { state_root, ..Header::default() },
            transactions: vec![],
            commands: vec![],
        };
        let block = block.seal();
        let genesis = GenesisState { block: &block, diff: &diff };
        let store = Store::open(path, genesis, options).expect("a new store");
        store.compact().expect("merged");
        Self { store, balances: vec![7; keys as usize], random: 1 }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 20) % below
    }

    /// A change of so many accounts among the first ones.
    fn diff(&mut self, changes: u64, among: u64) -> StateDiff {
        let mut numbers: Vec<u64> = (0..changes).map(|_| self.random(among)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let change = |number: u64| {
            let balance = &mut self.balances[number as usize];
            let before = account(*balance);
            *balance += 1;
            AccountDiff {
                address: address(number),
                before,
                after: account(*balance),
                slots: vec![],
            }
        };
        StateDiff { accounts: numbers.into_iter().map(change).collect(), code: vec![] }
    }

    /// Commits a block of this change; returns the time for root and commit.
    fn block(&self, diff: StateDiff) -> (Duration, Duration) {
        let head = self.store.head();
        let started = Instant::now();
        let tree = head.tree.apply(&diff);
        let root = started.elapsed();
        let height = head.block.height().0 + 1;
        let header = Header {
            number: height,
            parent_hash: head.block.hash(),
            state_root: tree.root(),
            ..Header::default()
        };
        let block: SealedBlock = Block { header, transactions: vec![], commands: vec![] }.seal();
        let votes = vec![(0, [7; 64]), (1, [8; 64]), (2, [9; 64])];
        let commit = BlockCommit {
            certificate: CommitCertificate::new(Height(height), Round(0), block.hash(), 4, votes),
            senders: vec![],
            receipts: vec![],
            access_list: Default::default(),
            access_record: AccessRecord::default(),
            profile: None,
            diff,
            tree,
            block,
        };
        let started = Instant::now();
        self.store.commit(commit).expect("the block follows");
        (root, started.elapsed())
    }
}

fn argument(name: &str, default: u64) -> u64 {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().map_or(default, |value| value.parse().expect("a number"))
}

fn millis(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let (low, middle) = (times[0], times[times.len() / 2]);
    format!("{:8.1} {:8.1}", low.as_secs_f64() * 1e3, middle.as_secs_f64() * 1e3)
}

/// Returns the least time of a block with root, batch and sync.
fn commits(world: &mut World, changed: u64) -> Duration {
    let (mut roots, mut batches, mut syncs, mut all) = (vec![], vec![], vec![], vec![]);
    let keys = world.balances.len() as u64;
    for _ in 0..BLOCKS {
        let diff = world.diff(changed, keys);
        let (root, batch) = world.block(diff);
        let started = Instant::now();
        world.store.sync().expect("the disk works");
        let sync = started.elapsed();
        all.push(root + batch + sync);
        roots.push(root);
        batches.push(batch);
        syncs.push(sync);
    }
    println!("commit of a block with {changed} changed keys of {keys}, ms      minimum   median");
    println!("  root, on all cores                                     {}", millis(roots));
    println!("  batch: checks, encoding, writing without waiting       {}", millis(batches));
    println!("  sync: waiting for the disk                             {}", millis(syncs));
    let least = all.iter().min().copied().unwrap_or_default();
    println!("  all                                                    {}", millis(all));
    least
}

/// Blocks on two states, and how much more a changed key costs on the second.
fn beside(keys: [u64; 2], changed: u64) {
    let least = keys.map(|keys| {
        let directory = tempfile::tempdir().expect("a directory");
        commits(&mut World::new(directory.path(), keys, options()), changed).as_secs_f64()
    });
    println!(
        "a changed key of {} costs {:.2} times one of {}",
        keys[1],
        least[1] / least[0],
        keys[0]
    );
}

fn each(label: &str, count: u64, mut read: impl FnMut(u64)) {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        for number in 0..count {
            read(number);
        }
        best = best.min(started.elapsed());
    }
    println!("  {label:<56} {:8.0} ns", best.as_nanos() as f64 / count as f64);
}

/// Draws without a store: what is subtracted from nothing, but bounds what the loops cost.
fn picks(keys: u64, count: u64, seed: u64) -> Vec<Address> {
    let mut random = seed;
    let one = |_| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        address((random >> 20) % keys)
    };
    (0..count).map(one).collect()
}

fn reads(path: &Path, keys: u64) {
    println!("\none read of an account of {keys}, minimum of three runs");
    let world = World::new(path, keys, StoreOptions { state_cache_bytes: 0, ..options() });
    let (state, places) = (Arc::clone(&world.store.head().state), picks(keys, READS, 3));
    let read = |state: &dyn StateReader, address: &Address| {
        assert!(state.account(address).expect("readable").is_some());
    };
    each("from the database, its blocks in memory", READS, |n| read(&*state, &places[n as usize]));
    let absent = picks(keys, READS, 5);
    each("of an account that does not exist, from the database", READS, |n| {
        let mut bytes = absent[n as usize].0;
        bytes[19] = 1;
        assert!(state.account(&Address::from(bytes)).expect("readable").is_none());
    });
    drop((state, world));
    let directory = tempfile::tempdir().expect("a directory");
    let world = World::new(directory.path(), keys, options());
    let state = Arc::clone(&world.store.head().state);
    let started = Instant::now();
    let wanted = places.clone();
    state.prefetch(Box::new(move || wanted.into_iter().map(Touched::Account).collect()));
    let distinct = places.iter().collect::<std::collections::HashSet<_>>().len() as u64;
    while world.store.cache_stats().prefetched < distinct {
        std::thread::sleep(Duration::from_micros(100));
    }
    let ahead = started.elapsed().as_nanos() as f64 / distinct as f64;
    println!("  {:<56} {ahead:8.0} ns", "ahead of need, by the reading threads together");
    each("from the cache", READS, |n| read(&*state, &places[n as usize]));
}

/// The root of a block whose tree must be read again from the database: all subtrees of up to sixteen
/// leaves are stubs.
fn stubs(path: &Path, keys: u64, changed: u64) {
    let options = StoreOptions { tree_memory_bytes: 0, ..options() };
    let mut world = World::new(path, keys, options);
    let tree = &world.store.head().tree;
    let (held, leaves) = (tree.memory_bytes() >> 20, tree.leaves());
    println!(
        "\nthe same with no memory for the tree: {held} MiB for {leaves} leaves, all else is stubs"
    );
    let mut roots = vec![];
    for _ in 0..BLOCKS {
        let diff = world.diff(changed, keys);
        roots.push(world.block(diff).0);
    }
    println!("  root, on all cores                                     {}", millis(roots));
}

fn options() -> StoreOptions {
    let node = StoreOptions { sync: false, ..StoreOptions::node() };
    let tree_memory_bytes = argument("--tree-mib", node.tree_memory_bytes >> 20) << 20;
    StoreOptions { tree_memory_bytes, ..node }
}

fn history(world: &mut World, depth: u64) {
    println!("\none read of the past, {HOT_CHANGES} changes of {HOT} accounts in a block");
    let first = world.store.head().block.height().0;
    let started = Instant::now();
    for _ in 0..depth {
        let diff = world.diff(HOT_CHANGES, HOT);
        world.block(diff);
    }
    let block = started.elapsed().as_micros() as f64 / depth as f64;
    println!("  (a block of {HOT_CHANGES} changes with its root: {block:.0} us)");
    let head = first + depth;
    let places = picks(HOT, 10_000, 9);
    for depth in [1, 1000, 100_000].into_iter().filter(|wanted| *wanted <= depth) {
        let state = world.store.state_at(head - depth).expect("kept");
        each(&format!("{depth} blocks below the head"), 10_000, |n| {
            assert!(state.account(&places[n as usize]).expect("readable").is_some());
        });
    }
    let hash: Option<B256> = world.store.hash_of(head).expect("readable");
    assert!(hash.is_some());
}

fn main() {
    let keys = argument("--keys", 1_000_000);
    let changed = argument("--changed", 20_000);
    let depth = argument("--depth", 100_000);
    let large = argument("--beside", 0);
    if large > 0 {
        return beside([keys, large], changed);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut world = World::new(directory.path(), keys, options());
    let _ = commits(&mut world, changed);
    history(&mut world, depth);
    drop(world);
    let directory = tempfile::tempdir().expect("a directory");
    reads(directory.path(), keys);
    let directory = tempfile::tempdir().expect("a directory");
    stubs(directory.path(), keys, changed);
}
