//! Room that blocks of transfers take on disk, for ever and when the past is dropped.
//!
//! ```console
//! $ cargo run --release --workspace --example room -- --blocks 10000 --transfers 200 --keep 1000
//! ```

#![allow(clippy::print_stdout)] // it prints what it measured

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, Signature, TxKind, U256, keccak256};
use std::path::Path;
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

fn measured(path: &Path) -> DatabaseStats {
    let tools = Maintenance::open(path, &StoreOptions::node()).expect("it opens");
    tools.compact().expect("merged");
    tools.stats().expect("readable")
}

fn main() {
    let (blocks, transfers) = (argument("--blocks", 10_000), argument("--transfers", 200));
    let keep = argument("--keep", 1000);
    let (genesis, executor) = (genesis(), Executor::new(1));
    let directory = tempfile::tempdir().expect("a directory");
    let paths = [directory.path().join("archive"), directory.path().join("pruned")];
    let limited = Keep::Blocks(keep);
    let pruned = Retention {
        history: limited,
        receipts: limited,
        logs: limited,
        access_lists: limited,
        records: limited,
    };
    let open = |path: &Path, retention| {
        let state = GenesisState { block: &genesis.block, diff: &genesis.diff };
        let options = StoreOptions { sync: false, retention, ..StoreOptions::node() };
        Store::open(path, state, options).expect("a new store")
    };
    let stores = [open(&paths[0], Retention::ARCHIVE), open(&paths[1], pruned)];
    let started = Instant::now();
    for height in 0..blocks {
        let head = stores[0].head();
        let parent = &head.block;
        let time = parent.header().timestamp + 1;
        let (params, fees) = (&genesis.params, Address::repeat_byte(0xfe));
        let environment = next_header(parent.header(), parent.hash(), params, Round(0), fees, time);
        let candidates: Vec<_> =
            (0..transfers).map(|index| transfer(height * transfers + index)).collect();
        let executed =
            executor.build(&environment, &candidates, &head.state, params).expect("it is built");
        assert_eq!(executed.transactions.len() as u64, transfers, "{:?}", executed.skipped.first());
        let tree = head.tree.apply(&executed.diff);
        let block = executed.seal(environment, tree.root());
        let commit = commit(block, executed, tree);
        std::thread::scope(|scope| {
            for store in &stores {
                let commit = commit.clone();
                scope.spawn(|| store.commit(commit).expect("the block follows"));
            }
        });
    }
    let seconds = started.elapsed().as_secs();
    drop(stores);
    println!("{blocks} blocks of {transfers} transfers, built and stored twice in {seconds} s");
    let [archive, pruned] = paths.map(|path| measured(&path));
    report(&archive, &pruned, blocks);
}

fn report(archive: &DatabaseStats, pruned: &DatabaseStats, blocks: u64) {
    println!("\n{:<16} {:>14} {:>14}", "bytes a block", "archive", "pruned");
    let size = |stats: &DatabaseStats, place: usize| {
        let column = &stats.columns[place];
        column.table_bytes + column.blob_bytes
    };
    let (mut all, mut state) = ([0; 2], [0; 2]);
    for (place, column) in archive.columns.iter().enumerate() {
        let sizes = [size(archive, place), size(pruned, place)];
        if ["accounts", "storage", "code", "meta"].contains(&column.name) {
            state = [0, 1].map(|i| state[i] + sizes[i]);
            continue;
        }
        all = [0, 1].map(|i| all[i] + sizes[i]);
        println!("{:<16} {:>14} {:>14}", column.name, sizes[0] / blocks, sizes[1] / blocks);
    }
    println!("{:<16} {:>14} {:>14}", "all", all[0] / blocks, all[1] / blocks);
    let accounts = archive.columns.iter().find(|c| c.name == "accounts").map_or(1, |c| c.entries);
    let each = state.map(|bytes| bytes / accounts);
    println!("\nbytes an account, of {accounts}: {} and {}", each[0], each[1]);
    println!("whole folder: {} and {}", archive.directory_bytes, pruned.directory_bytes);
}
