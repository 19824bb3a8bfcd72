//! Room that blocks of transfers take on disk and in memory: `--keep 0` keeps everything, another
//! number that many blocks of what need not be kept for ever.
//!
//! ```console
//! $ cargo run --release --workspace --example room -- --blocks 10000 --transfers 200 --keep 0
//! $ cargo run --release --workspace --example room -- --blocks 10000 --transfers 200 --keep 1000
//! ```

#![allow(clippy::print_stdout)] // it prints what it measured

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, Signature, TxKind, U256, keccak256};
use std::sync::Arc;
use std::time::Instant;
use weft_evm::{Executed, Executor};
use weft_genesis::{ChainSpec, Genesis};
use weft_store::{
    BlockCommit, DatabaseStats, GenesisState, Keep, Maintenance, Retention, Store, StoreOptions,
};
use weft_types::header::next_header;
use weft_types::{CommitCertificate, RecoveredTransaction, Round, SealedBlock, Validator};

const CHAIN_ID: u64 = 31_337;
/// Accounts that send.
const SENDERS: u64 = 2000;
/// Accounts that are sent to: most of them are new to the chain.
const RECEIVERS: u64 = 1_000_000;

fn argument(name: &str, default: u64) -> u64 {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().map_or(default, |value| value.parse().expect("a number"))
}

/// An address as random as those of people.
fn person(number: u64) -> Address {
    Address::from_slice(&keccak256(number.to_be_bytes())[12..])
}

fn genesis() -> Genesis {
    let validators = (0..4u8).map(|index| Validator {
        name: format!("validator{index}"),
        public_key: ed25519_dalek::SigningKey::from_bytes(&[index + 1; 32])
            .verifying_key()
            .to_bytes(),
        power: 1,
    });
    let funded: Vec<_> =
        (0..SENDERS).map(|n| (person(n), U256::from(10).pow(U256::from(24)))).collect();
    let mut spec = ChainSpec::devnet(validators.collect(), &funded);
    spec.params.gas_limit = 1_000_000_000;
    Genesis::new(spec).expect("a genesis")
}

fn transfer(number: u64) -> Arc<RecoveredTransaction> {
    let (sender, nonce) = (number % SENDERS, number / SENDERS);
    let draw =
        |salt: u64| U256::from_be_bytes(keccak256([number, salt].map(u64::to_be_bytes).concat()).0);
    let receiver: u64 = (draw(0) % U256::from(RECEIVERS)).to();
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(person(SENDERS + receiver)),
        value: draw(3) >> 200,
        ..TxEip1559::default()
    };
    // As long as a real one and as hard to compress; the sender is not recovered from it.
    let signed =
        transaction.into_signed(Signature::new(draw(1), draw(2), number.is_multiple_of(2)));
    Arc::new(RecoveredTransaction::new_unchecked(signed.into(), person(sender)))
}

fn commit(block: SealedBlock, executed: Executed, tree: weft_commitment::Tree) -> BlockCommit {
    let (height, hash) = (block.height(), block.hash());
    let votes = (0..3).map(|index| (index, [index as u8; 64])).collect();
    BlockCommit {
        certificate: CommitCertificate::new(height, Round(0), hash, 4, votes),
        senders: executed.transactions.iter().map(|t| t.signer()).collect(),
        receipts: executed.receipts,
        access_list: executed.access_list,
        access_record: executed.access_record,
        profile: Some(executed.profile),
        diff: executed.diff,
        tree,
        block,
    }
}

/// Resident memory of this process now and at most, in MiB.
fn memory() -> [u64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
        line.split_whitespace().next().map_or(0, |kib| kib.parse::<u64>().unwrap_or(0) / 1024)
    })
}

fn retention(keep: u64) -> Retention {
    if keep == 0 {
        return Retention::ARCHIVE;
    }
    let limited = Keep::Blocks(keep);
    Retention {
        history: limited,
        receipts: limited,
        logs: limited,
        access_lists: limited,
        records: limited,
        records_bytes: None,
    }
}

fn next(store: &Store, genesis: &Genesis, executor: &Executor, transfers: u64) -> BlockCommit {
    let head = store.head();
    let parent = &head.block;
    let time = parent.header().timestamp + 1;
    let (params, fees) = (&genesis.params, Address::repeat_byte(0xfe));
    let environment = next_header(parent.header(), parent.hash(), params, Round(0), fees, time);
    let first = parent.height().0 * transfers;
    let candidates: Vec<_> = (0..transfers).map(|index| transfer(first + index)).collect();
    let executed =
        executor.build(&environment, &candidates, &head.state, params).expect("it is built");
    assert_eq!(executed.transactions.len() as u64, transfers, "{:?}", executed.skipped.first());
    let tree = head.tree.apply(&executed.diff);
    let block = executed.seal(environment, tree.root());
    commit(block, executed, tree)
}

fn main() {
    let (blocks, transfers) = (argument("--blocks", 10_000), argument("--transfers", 200));
    let keep = argument("--keep", 0);
    let (genesis, executor) = (genesis(), Executor::new(1));
    let directory = tempfile::tempdir().expect("a directory");
    let state = GenesisState { block: &genesis.block, diff: &genesis.diff };
    let options = StoreOptions { sync: false, retention: retention(keep), ..StoreOptions::node() };
    let caches = [
        options.state_cache_bytes as u64,
        options.cache_bytes as u64,
        options.write_buffer_bytes as u64,
        options.tree_memory_bytes,
    ];
    let store = Store::open(directory.path(), state, options).expect("a new store");
    let started = Instant::now();
    let [before, _] = memory();
    for height in 0..blocks {
        store.commit(next(&store, &genesis, &executor, transfers)).expect("the block follows");
        if (height + 1).is_multiple_of(1000) {
            let ([now, _], seconds) = (memory(), started.elapsed().as_secs());
            println!("block {}: {now} MiB resident, {seconds} s", height + 1);
        }
    }
    let [now, most] = memory();
    drop(store);
    println!("\n{blocks} blocks of {transfers} transfers in {} s", started.elapsed().as_secs());
    println!("memory: {before} MiB at first, {now} at the end, {most} at most");
    println!("configured, MiB: cache, table blocks, memtables, tree {:?}", caches.map(|b| b >> 20));
    let tools = Maintenance::open(directory.path(), &StoreOptions::node()).expect("it opens");
    report("before merging", &tools.stats().expect("readable"), blocks);
    tools.compact().expect("merged");
    report("merged", &tools.stats().expect("readable"), blocks);
}

fn report(when: &str, stats: &DatabaseStats, blocks: u64) {
    println!("\n{when}: folder of {} MiB; bytes a block", stats.directory_bytes >> 20);
    let (mut all, mut state) = (0, 0);
    for column in &stats.columns {
        let size = column.table_bytes + column.blob_bytes;
        if ["accounts", "storage", "code", "meta"].contains(&&*column.name) {
            state += size;
            continue;
        }
        all += size;
        println!("{:<16} {:>12}", column.name, size / blocks);
    }
    println!("{:<16} {:>12}", "all", all / blocks);
    let accounts = stats.columns.iter().find(|c| c.name == "accounts").map_or(1, |c| c.entries);
    println!("an account, of {accounts}: {} bytes", state / accounts.max(1));
}
