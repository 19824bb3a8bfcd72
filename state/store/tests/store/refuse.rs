//! What the store refuses, and that a refusal changes nothing.

use crate::chain::{Chain, Step, certificate, code};
use alloy_primitives::{B256, U256};
use weft_commitment::Tree;
use weft_store::{BlockCommit, Store, StoreError, StoreOptions};
use weft_types::{Block, StateDiff};

const STEPS: [Step; 3] = [
    Step::Account { who: 2, nonce: 9, balance: 9 },
    Step::Slot { who: 3, slot: 300, value: 5 },
    Step::Account { who: 4, nonce: 1, balance: 0 },
];

/// Reseals a commit after its header was changed.
fn reseal(mut commit: BlockCommit, change: impl FnOnce(&mut Block)) -> BlockCommit {
    let mut block = commit.block.into_block();
    change(&mut block);
    commit.block = block.seal();
    commit.certificate = certificate(commit.block.height().0, commit.block.hash());
    commit
}

#[test]
fn a_block_that_does_not_follow_or_does_not_fit_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut chain = Chain::new(1);
    let store = chain.open(directory.path()).expect("a new store");
    store.commit(chain.grow(&STEPS)).expect("the first block");
    let before = chain.clone();
    let good = chain.grow(&[code(5, &[1, 2, 3]), Step::Slot { who: 1, slot: 0, value: 1 }]);

    let wrong_parent = reseal(good.clone(), |b| b.header.parent_hash = B256::repeat_byte(1));
    let skipped = reseal(good.clone(), |b| b.header.number += 1);
    for commit in [wrong_parent, skipped, before.commits[0].clone()] {
        assert!(matches!(store.commit(commit), Err(StoreError::WrongParent { .. })));
    }
    let wrong_root = reseal(good.clone(), |b| b.header.state_root = B256::repeat_byte(1));
    let wrong_tree = BlockCommit { tree: Tree::empty(), ..good.clone() };
    for commit in [wrong_root, wrong_tree] {
        assert!(matches!(store.commit(commit), Err(StoreError::WrongRoot { .. })));
    }
    let mut short = good.access_record.clone();
    assert!(short.transactions.pop().is_some() && !short.transactions.is_empty());
    let mut inconsistent = vec![
        BlockCommit { senders: vec![], ..good.clone() },
        BlockCommit { receipts: vec![], ..good.clone() },
        // None at all is what a node commits that does not store them.
        BlockCommit { access_record: short, ..good.clone() },
        BlockCommit { certificate: before.commits[0].certificate.clone(), ..good.clone() },
    ];
    let diffs: [fn(&mut StateDiff); 5] = [
        |diff| diff.accounts.reverse(),
        |diff| diff.code.clear(),
        |diff| diff.code[0].0 = B256::ZERO,
        |diff| diff.accounts[0].after.as_mut().expect("exists").balance = U256::MAX,
        |diff| {
            let slots = &mut diff.accounts[0].slots;
            slots.push(slots[0]);
        },
    ];
    for change in diffs {
        let mut commit = good.clone();
        change(&mut commit.diff);
        inconsistent.push(commit);
    }
    for (case, commit) in inconsistent.into_iter().enumerate() {
        let result = store.commit(commit);
        assert!(matches!(result, Err(StoreError::Inconsistent { .. })), "{case}: {result:?}");
    }

    before.assert_stored(&store, 1);
    store.commit(good).expect("a refusal does not poison");
    chain.assert_stored(&store, 2);
}

#[test]
fn a_second_handle_is_refused_until_the_first_and_its_heads_are_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = Chain::new(1);
    let store = chain.open(directory.path()).expect("a new store");
    let locked = StoreError::Locked { path: directory.path().to_path_buf() };
    assert_eq!(chain.open(directory.path()).expect_err("in use"), locked);
    let head = store.head();
    drop(store);
    assert_eq!(chain.open(directory.path()).expect_err("still read"), locked);
    drop(head);
    chain.open(directory.path()).expect("free again");
}

#[test]
fn a_directory_of_another_chain_is_refused_and_left_as_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut chain, other) = (Chain::new(1), Chain::new(2));
    let store = chain.open(directory.path()).expect("a new store");
    store.commit(chain.grow(&STEPS)).expect("a block");
    drop(store);
    let error = other.open(directory.path()).expect_err("another chain");
    let (expected, found) = (other.block(0).hash(), chain.block(0).hash());
    assert_eq!(error, StoreError::WrongGenesis { expected, found });
    chain.assert_stored(&chain.open(directory.path()).expect("untouched"), 1);
}

#[test]
fn a_chain_of_our_own_and_one_of_ethereum_are_not_taken_for_each_other() {
    const FOREIGN: u32 = 1 << 31 | 3;
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let chain = Chain::new(1);
    let foreign = |path| Store::open_foreign(path, chain.genesis(), StoreOptions::devnet());
    drop(chain.open(ours.path()).expect("a new store"));
    drop(foreign(theirs.path()).expect("a new store"));
    let error = foreign(ours.path()).expect_err("it is ours");
    assert_eq!(error, StoreError::Schema { expected: FOREIGN, found: 3 });
    let error = chain.open(theirs.path()).expect_err("it is theirs");
    assert_eq!(error, StoreError::Schema { expected: 3, found: FOREIGN });
    assert!(foreign(theirs.path()).is_ok() && chain.open(ours.path()).is_ok());
}

#[test]
fn a_genesis_block_that_contradicts_its_state_creates_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (chain, other) = (Chain::new(1), Chain::new(2));
    let mixed = weft_store::GenesisState { diff: other.genesis().diff, ..chain.genesis() };
    let error = Store::open(directory.path(), mixed, StoreOptions::devnet());
    assert!(matches!(error, Err(StoreError::WrongRoot { height: 0, .. })));
    chain.assert_stored(&chain.open(directory.path()).expect("a new store"), 0);
}
