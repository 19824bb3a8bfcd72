//! The tree on the store: with little or no memory, at past heights, and from its file.

use crate::chain::{Chain, PEOPLE, SLOTS, Step, code, person};
use alloy_primitives::U256;
use proptest::prelude::*;
use rocksdb::{DB, Options};
use std::path::Path;
use std::sync::Arc;
use weft_commitment::AccountKey;
use weft_store::{BlockCommit, Keep, PROOF_BLOCKS, Retention, Store, StoreError, StoreOptions};

const FILE: &str = "tree.ckpt";

fn options(tree_memory_bytes: u64) -> StoreOptions {
    StoreOptions { sync: false, tree_memory_bytes, ..StoreOptions::devnet() }
}

fn open(chain: &Chain, path: &Path, options: &StoreOptions) -> Arc<Store> {
    Store::open(path, chain.genesis(), options.clone()).expect("the store opens")
}

/// Commits a block whose root was computed by the tree of the store, not by that of the chain.
fn commit(chain: &mut Chain, store: &Store, steps: &[Step]) {
    let block = chain.grow(steps);
    let tree = store.head().tree.try_apply(&block.diff).expect("the flat state is readable");
    assert_eq!(tree.root(), block.tree.root());
    store.commit(BlockCommit { tree, ..block }).expect("the block follows");
}

/// Everybody and everything at `height` can be proven, and is what the chain says.
fn assert_proven(chain: &Chain, store: &Store, height: u64) {
    let tree = store.tree_at(height).expect("a tree");
    let root = chain.block(height).header().state_root;
    assert_eq!(tree.root(), root);
    let state = &chain.states[height as usize];
    let slots = SLOTS.map(U256::from);
    for address in (0..PEOPLE).map(person) {
        let proof = tree.prove_account(&address, &slots).expect("provable");
        let shown = proof.verify_account(root, &address, &slots).expect("it holds");
        assert_eq!(shown.account.as_ref(), state.accounts.get(&address), "{address} at {height}");
        let value = |slot| state.slots.get(&(address, slot)).copied().unwrap_or_default();
        assert_eq!(shown.slots, slots.map(value), "{address} at {height}");
    }
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0u8..PEOPLE;
    prop_oneof![
        3 => (who.clone(), 0u64..3, 0u64..4)
            .prop_map(|(who, nonce, balance)| Step::Account { who, nonce, balance }),
        1 => (who.clone(), prop::collection::vec(any::<u8>(), 1..9000))
            .prop_map(|(who, bytes)| code(who, &bytes)),
        1 => (who.clone(), any::<[u8; 20]>())
            .prop_map(|(who, to)| code(who, &[&[0xef, 1, 0][..], &to].concat())),
        5 => (who.clone(), prop::sample::select(&SLOTS[..]), 0u64..3)
            .prop_map(|(who, slot, value)| Step::Slot { who, slot, value }),
        1 => who.prop_map(|who| Step::Delete { who }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn every_height_is_committed_and_proven_with_any_memory_and_after_any_reopening(
        blocks in prop::collection::vec(
            (prop::collection::vec(step(), 0..20), prop::bool::weighted(0.15)),
            1..16,
        ),
        memory in prop::sample::select(&[0u64, 240, 240 * 20, u64::MAX][..]),
        file in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut chain = Chain::new(1);
        let tree_file_leaves_min = if file { 0 } else { u64::MAX };
        let options = StoreOptions { tree_file_leaves_min, ..options(memory) };
        let mut store = open(&chain, directory.path(), &options);
        for (steps, reopen) in &blocks {
            commit(&mut chain, &store, steps);
            if *reopen {
                drop(store);
                prop_assert_eq!(directory.path().join(FILE).exists(), file);
                store = open(&chain, directory.path(), &options);
            }
            prop_assert!(memory > 0 || store.head().tree.leaves_in_memory() == 0);
        }
        for height in 0..=chain.height() {
            assert_proven(&chain, &store, height);
        }
        chain.assert_stored(&store, chain.height());
    }
}

/// Everybody has a balance and a slot that change in every block.
fn busy(height: u64) -> Vec<Step> {
    (0..PEOPLE)
        .map(|who| Step::Account { who, nonce: height, balance: height })
        .chain((0..PEOPLE).map(|who| Step::Slot { who, slot: SLOTS[4], value: height }))
        .collect()
}

fn grown(path: &Path, options: &StoreOptions, blocks: u64) -> Chain {
    let mut chain = Chain::new(1);
    let store = open(&chain, path, options);
    for height in 1..=blocks {
        commit(&mut chain, &store, &busy(height));
    }
    chain
}

#[test]
fn older_blocks_than_the_window_are_refused_with_the_window() {
    let directory = tempfile::tempdir().expect("a directory");
    let blocks = PROOF_BLOCKS + 2;
    let chain = grown(directory.path(), &options(1 << 20), blocks);
    let store = open(&chain, directory.path(), &options(1 << 20));
    assert_proven(&chain, &store, 2);
    assert_proven(&chain, &store, blocks);
    let error = store.tree_at(1).expect_err("too old");
    assert_eq!(error, StoreError::NoProof { height: 1, oldest: 2, head: blocks });
    let error = store.tree_at(blocks + 1).expect_err("not there yet");
    assert_eq!(error, StoreError::UnknownHeight { height: blocks + 1, head: blocks });
}

/// Going back to before the second account had it must not take it from the first one.
#[test]
fn a_code_that_a_later_block_gives_to_another_account_stays_in_the_older_trees() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut chain = Chain::new(1);
    let options = options(1 << 20);
    let store = open(&chain, directory.path(), &options);
    let shared: Vec<u8> = (0..9000u32).map(|place| (place % 97) as u8).collect();
    for who in [1, 2, 3] {
        commit(&mut chain, &store, &[code(who, &shared), code(4, &[who; 60])]);
    }
    drop(store);
    // Of the trees there is only the head's now.
    let store = open(&chain, directory.path(), &options);
    for height in (0..=3).rev() {
        assert_proven(&chain, &store, height);
    }
}

#[test]
fn without_the_lists_a_tree_that_is_not_held_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let retention = Retention { access_lists: Keep::Blocks(1), ..Retention::ARCHIVE };
    let options = StoreOptions { retention, ..options(1 << 20) };
    let chain = grown(directory.path(), &options, 12);
    let store = open(&chain, directory.path(), &options);
    let error = store.tree_at(3).expect_err("nothing to restore it from");
    assert!(matches!(error, StoreError::NoList { .. }), "{error}");
    assert_proven(&chain, &store, 12);
}

/// Changes an account behind the store's back.
fn tamper(path: &Path) {
    let options = Options::default();
    let columns = DB::list_cf(&options, path).expect("a database");
    let db = DB::open_cf(&options, path, columns).expect("nobody else has it open");
    let column = db.cf_handle("accounts").expect("it exists");
    let key = AccountKey::new(&person(2));
    let mut value = db.get_cf(column, key.hash()).expect("read").expect("stored");
    value[27] ^= 1;
    db.put_cf(column, key.hash(), value).expect("written");
}

#[test]
fn a_file_spares_the_scan_and_damage_is_noticed_where_it_matters() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = StoreOptions { tree_file_leaves_min: 0, ..options(1 << 20) };
    let mut chain = grown(directory.path(), &options, 5);
    tamper(directory.path());
    let store = open(&chain, directory.path(), &options);
    let block = chain.grow(&busy(6));
    let error = store.head().tree.try_apply(&block.diff).expect_err("its subtree has changed");
    assert!(error.to_string().contains("changed behind the tree"), "{error}");
    assert!(matches!(store.verify(), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_file_that_is_damaged_or_of_another_height_does_no_harm() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = StoreOptions { tree_file_leaves_min: 0, ..options(0) };
    let file = directory.path().join(FILE);
    let mut chain = grown(directory.path(), &options, 3);
    let old = std::fs::read(&file).expect("written at the end");
    let store = open(&chain, directory.path(), &options);
    for height in 4..=6 {
        commit(&mut chain, &store, &busy(height));
    }
    drop(store);
    let new = std::fs::read(&file).expect("written again");
    assert_ne!(old, new);
    let mut flipped = new.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 4;
    for content in [&old[..], &flipped, &new[..70], b""] {
        std::fs::write(&file, content).expect("writable");
        let store = open(&chain, directory.path(), &options);
        chain.assert_stored(&store, 6);
        assert_proven(&chain, &store, 6);
    }
    // A file of a head that is lost: the store was set back to an earlier one.
    let other = tempfile::tempdir().expect("a directory");
    let chain = grown(other.path(), &options, 3);
    std::fs::write(other.path().join(FILE), &new).expect("writable");
    chain.assert_stored(&open(&chain, other.path(), &options), 3);
}
