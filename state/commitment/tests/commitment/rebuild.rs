//! The incremental tree against an oracle in the shape of the draft's own pseudocode: all keys and
//! values of the state, encoded and hashed from the text alone.

use crate::model::{Leaves, Model, Step, address, step};
use alloy_primitives::{KECCAK256_EMPTY, b256};
use proptest::prelude::*;
use std::collections::BTreeMap;
use weft_commitment::{LeafChange, Tree, TreeBuilder, leaves_of};
use weft_types::{Account, AccountDiff, B256, Bytes, SlotDiff, StateDiff, U256};

fn rebuilt(leaves: &Leaves, changes: &[Vec<LeafChange>]) -> B256 {
    let keys: BTreeMap<_, _> =
        changes.iter().flatten().map(|c| (c.key.as_slice().to_vec(), c.key)).collect();
    let mut builder = TreeBuilder::new();
    for (key, value) in leaves {
        builder.push(keys[key], &B256::from(*value)).expect("a map ascends");
    }
    builder.finish().root()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_blocks_gives_the_root_of_the_state_it_leads_to(
        blocks in prop::collection::vec(prop::collection::vec(step(), 0..25), 1..8),
    ) {
        let (mut model, mut tree) = (Model::default(), Tree::empty());
        let (mut changes, mut snapshots) = (Vec::new(), Vec::new());
        for steps in &blocks {
            let diff = model.block(steps);
            changes.push(leaves_of(&diff));
            tree = tree.apply(&diff);
            prop_assert_eq!(tree.root(), model.root());
            prop_assert_eq!(tree.leaves(), model.leaves().len() as u64);
            snapshots.push((tree.clone(), tree.root()));
        }
        for (snapshot, root) in &snapshots {
            prop_assert_eq!(snapshot.root(), *root, "a held tree changed");
        }
        prop_assert_eq!(rebuilt(&model.leaves(), &changes), tree.root());
    }
}

#[test]
fn a_batch_large_enough_for_both_halves_in_parallel_equals_the_oracle() {
    let account = |i: u32| Step::Slot {
        who: (i % 7) as u8,
        slot: U256::from(i) * U256::from(37),
        value: u64::from(i) + 1,
    };
    let mut model = Model::default();
    let first = model.block(&(0..2000).map(account).collect::<Vec<_>>());
    let tree = Tree::empty().apply(&first);
    assert_eq!(tree.root(), model.root());

    let zero = |i: u32| match account(i) {
        Step::Slot { who, slot, .. } => Step::Slot { who, slot, value: 0 },
        other => other,
    };
    let second = model.block(&(0..2000).filter(|i| i % 5 != 0).map(zero).collect::<Vec<_>>());
    assert!(second.changes() > 1000);
    let tree = tree.apply(&second);
    assert_eq!(tree.root(), model.root());

    let third = model.block(&(0..7).map(|who| Step::Delete { who }).collect::<Vec<_>>());
    assert_eq!(tree.apply(&third).root(), B256::ZERO);
}

fn account(who: u8, nonce: u64, balance: u128) -> AccountDiff {
    let after =
        Account { nonce, balance: U256::from(balance), code_hash: KECCAK256_EMPTY, code_size: 0 };
    AccountDiff { address: address(who), before: None, after: Some(after), slots: vec![] }
}

fn root_of(accounts: Vec<AccountDiff>) -> B256 {
    Tree::empty().apply(&StateDiff { accounts, code: vec![] }).root()
}

#[test]
fn the_reference_vectors_hold() {
    let mut a = account(0x11, 1, 1_000_000_000_000_000_000);
    let b = account(0x22, 0, 5);
    assert_eq!(
        root_of(vec![a.clone()]),
        b256!("ad4c1ebb08b43ee9b61b11c78c5f3993f28d685dd7d40b62bfa270bc402e7610")
    );
    assert_eq!(
        root_of(vec![a.clone(), b.clone()]),
        b256!("aef710dd4a634e71a01689fc93b6e36eaf9a044755a6e2e5cd330ecd0c274de1")
    );
    let slot = |slot: u64, after: u64| SlotDiff {
        slot: U256::from(slot),
        before: U256::ZERO,
        after: U256::from(after),
    };
    a.slots = vec![slot(5, 7), slot(1000, 9), slot(1001, 10)];
    assert_eq!(
        root_of(vec![a, b]),
        b256!("d597eb7a8d80133e9d5a70f8539109f804b7b886555f03f935e4c0e2114e4e00")
    );
}

#[test]
fn a_delegation_takes_the_place_of_the_code_hash_and_gives_it_back() {
    let mut model = Model::default();
    let mut tree =
        Tree::empty().apply(&model.block(&[Step::Account { who: 1, nonce: 1, balance: 9 }]));
    let plain = tree.root();
    let designator = Bytes::from([&[0xef, 0x01, 0x00][..], address(9).as_slice()].concat());
    tree = tree.apply(&model.block(&[Step::Code { who: 1, code: designator }]));
    assert_eq!(tree.leaves(), 2, "basic and delegation");
    assert_eq!(tree.root(), model.root());
    let diff = AccountDiff {
        address: address(1),
        before: model.accounts.get(&address(1)).copied(),
        after: Some(Account { nonce: 1, balance: U256::from(9), ..Account::default() }),
        slots: vec![],
    };
    tree = tree.apply(&StateDiff { accounts: vec![diff], code: vec![] });
    assert_eq!(tree.root(), plain);
}

#[test]
fn an_empty_account_is_the_same_as_none() {
    assert_eq!(root_of(vec![account(1, 0, 0)]), B256::ZERO);
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let tree = Tree::empty().apply(&StateDiff {
        accounts: (1..20).map(|who| account(who, 1, 1)).collect(),
        code: vec![],
    });
    let absent = |who| AccountDiff { after: None, ..account(who, 1, 1) };
    let diff = StateDiff { accounts: (40..200).map(absent).collect(), code: vec![] };
    assert_eq!(tree.apply(&diff).root(), tree.root());
}

#[test]
fn the_builder_refuses_keys_that_do_not_ascend() {
    let changes = leaves_of(&StateDiff { accounts: vec![account(1, 1, 1)], code: vec![] });
    let value = B256::repeat_byte(1);
    let mut builder = TreeBuilder::new();
    builder.push(changes[1].key, &value).expect("the first key");
    assert!(builder.push(changes[1].key, &value).is_err());
    let mut builder = TreeBuilder::new();
    builder.push(changes[1].key, &value).expect("the first key");
    assert!(builder.push(changes[0].key, &value).is_err());
}
