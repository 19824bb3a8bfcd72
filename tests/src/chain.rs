//! Reads what a stopped validator left on disk and runs it again with the sequential oracle.

use std::path::Path;
use std::sync::Arc;
use weft::home::Home;
use weft_commitment::Tree;
use weft_evm::Executor;
use weft_store::{GenesisState, Store, StoreOptions};
use weft_types::{B256, RecoveredTransaction, StateReader};

/// Opens the database of a stopped validator.
///
/// # Panics
/// When the home is damaged.
#[must_use]
pub fn open(home: &Path) -> Arc<Store> {
    let home = Home::new(home);
    let genesis = home.read_genesis().unwrap_or_else(|failure| panic!("{failure}"));
    let state = GenesisState { block: &genesis.block, diff: &genesis.diff };
    Store::open(&home.database(), state, StoreOptions::devnet()).expect("the store opens")
}

/// Executes every block of a validator again, one transaction after the other, and compares
/// receipts, access list, access record and state root. Returns (blocks, transactions, root).
///
/// # Panics
/// At the first difference.
#[must_use]
pub fn replay_sequentially(home: &Path) -> (u64, usize, B256) {
    let genesis = Home::new(home).read_genesis().unwrap_or_else(|failure| panic!("{failure}"));
    let store = open(home);
    let executor = Executor::new(1);
    let head = store.head().block.height().0;
    let mut tree: Tree = genesis.tree.clone();
    let mut transactions = 0;
    for height in 1..=head {
        let stored = store.block(height).expect("readable").expect("stored");
        let recovered: Vec<Arc<RecoveredTransaction>> = stored
            .block
            .transactions()
            .iter()
            .zip(&stored.senders)
            .map(|(t, sender)| Arc::new(RecoveredTransaction::new_unchecked(t.clone(), *sender)))
            .collect();
        let state: Arc<dyn StateReader> = store.state_at(height - 1).expect("history is kept");
        let header = stored.block.header();
        let executed = executor
            .sequential_after(header, stored.block.commands(), &recovered, &state, &genesis.params)
            .unwrap_or_else(|error| panic!("block {height}: {error}"));
        let receipts = store.receipts(height).expect("readable").expect("stored");
        assert_eq!(executed.receipts, receipts, "receipts of block {height}");
        let list = store.access_list(height).expect("readable").expect("stored");
        assert_eq!(executed.access_list, list, "access list of block {height}");
        // A node that keeps counts stores it of empty blocks only.
        if let Some(record) = store.access_record(height).expect("readable") {
            assert_eq!(executed.access_record, record, "access record of block {height}");
        }
        tree = tree.apply(&executed.diff);
        assert_eq!(tree.root(), header.state_root, "state root of block {height}");
        transactions += recovered.len();
    }
    assert_eq!(store.verify().expect("the root can be rebuilt"), tree.root());
    (head, transactions, tree.root())
}
