//! A tree that holds only a part in memory gives the same roots.

use crate::model::{Model, Step, step};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_commitment::{CommitmentError, Tree, TreeBuilder, TreeKey};
use weft_types::{B256, U256};

/// Nothing, next to nothing, a third, and everything.
const BUDGETS: [u64; 5] = [0, 240, 240 * 12, 240 * 40, u64::MAX];

fn built_within(model: &Model, budget: u64) -> Tree {
    let mut builder = TreeBuilder::within(budget);
    for (key, value) in model.leaves() {
        let key = TreeKey::from_slice(&key).expect("a key");
        builder.push(key, &B256::from(value)).expect("a map ascends");
    }
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_blocks_has_the_same_roots_in_every_budget(
        blocks in prop::collection::vec(prop::collection::vec(step(), 0..25), 1..10),
    ) {
        let mut model = Model::default();
        let mut trees = BUDGETS.map(|_| Tree::empty());
        for steps in &blocks {
            let diff = model.block(steps);
            let (root, source) = (model.root(), model.source());
            for (tree, budget) in trees.iter_mut().zip(BUDGETS) {
                let next = tree.try_apply(&diff).expect("the source has every leaf");
                prop_assert_eq!(next.root(), root, "budget {}", budget);
                let kept = next.clone().with_source(Arc::clone(&source)).trim(budget);
                prop_assert_eq!(kept.root(), root);
                prop_assert_eq!(kept.leaves(), next.leaves());
                prop_assert!(kept.memory_bytes() <= next.memory_bytes());
                let built = built_within(&model, budget);
                prop_assert_eq!((built.root(), built.leaves()), (root, next.leaves()));
                *tree = kept;
            }
            prop_assert_eq!(trees[0].leaves_in_memory(), 0);
        }
    }

    #[test]
    fn a_block_on_a_block_that_is_not_yet_stored_reads_the_stored_state(
        first in prop::collection::vec(step(), 0..40),
        blocks in prop::collection::vec(prop::collection::vec(step(), 0..12), 1..5),
    ) {
        let mut model = Model::default();
        let diff = model.block(&first);
        let mut tree = Tree::empty().apply(&diff).with_source(model.source()).trim(0);
        for steps in &blocks {
            tree = tree.try_apply(&model.block(steps)).expect("the source has what did not change");
            prop_assert_eq!(tree.root(), model.root());
        }
    }
}

fn large() -> (Model, Tree) {
    let mut model = Model::default();
    let steps: Vec<Step> = (0..4000u32)
        .map(|i| Step::Slot {
            who: (i % 40) as u8,
            slot: U256::from(i) * U256::from(101),
            value: u64::from(i) + 1,
        })
        .collect();
    let diff = model.block(&steps);
    let tree = Tree::empty().apply(&diff).with_source(model.source());
    (model, tree)
}

#[test]
fn a_budget_is_kept_and_what_was_touched_last_stays() {
    let (mut model, mut tree) = large();
    let budget = tree.memory_bytes() / 2;
    tree = tree.trim(budget);
    assert!(tree.memory_bytes() <= budget);
    assert!(tree.memory_bytes() > budget / 2, "no more is dropped than needed");
    for round in 0..30u64 {
        let steps: Vec<Step> =
            (0..40).map(|i| Step::Slot { who: i, slot: U256::from(i), value: round + 1 }).collect();
        let next = tree.try_apply(&model.block(&steps)).expect("readable");
        assert_eq!(next.root(), model.root());
        tree = next.with_source(model.source()).trim(budget);
        assert!(tree.memory_bytes() <= budget, "round {round}");
    }
    // The slots of the loop are in memory: a source that has nothing does not disturb them.
    let hot = [Step::Slot { who: 7, slot: U256::from(7), value: 99 }];
    let blind = tree.with_source(Arc::new(BTreeMap::new()));
    assert_eq!(blind.try_apply(&model.block(&hot)).expect("in memory").root(), model.root());
}

#[test]
fn without_memory_only_the_upper_part_stays() {
    let (_, tree) = large();
    let bare = tree.trim(0);
    assert_eq!((bare.leaves_in_memory(), bare.leaves()), (0, tree.leaves()));
    assert!(bare.memory_bytes() * 3 < tree.memory_bytes(), "{} bytes", bare.memory_bytes());
    assert_eq!(tree.leaves_in_memory(), tree.leaves(), "a copy keeps what it holds");
}

#[test]
fn a_state_that_changed_behind_the_tree_is_noticed() {
    let (model, tree) = large();
    let bare = tree.trim(0);
    let key = model.leaves().into_keys().next().expect("there are leaves");
    let key = TreeKey::from_slice(&key).expect("a key");
    let honest = model.source();
    let all = honest.leaves_from(&key, 16).expect("readable");
    let lies: [BTreeMap<TreeKey, B256>; 3] = [
        BTreeMap::new(),
        all.iter().skip(1).copied().collect(),
        all.iter()
            .map(|(key, value)| (*key, B256::from(U256::from_be_bytes(value.0) + U256::from(1))))
            .collect(),
    ];
    for lie in lies {
        let change = weft_commitment::LeafChange { key, value: Some(B256::repeat_byte(9)) };
        let error = bare.clone().with_source(Arc::new(lie)).apply_leaves(&[change]);
        let error = error.expect_err("a stub is compared with its hash");
        assert!(matches!(error, CommitmentError::Changed { .. }), "{error}");
    }
}

#[test]
fn a_built_tree_without_source_says_what_it_misses() {
    let (mut model, _) = large();
    let bare = built_within(&model, 0);
    assert!(bare.leaves_in_memory() < 16, "{} leaves", bare.leaves_in_memory());
    let diff = model.block(&[Step::Slot { who: 7, slot: U256::from(707), value: 1 }]);
    assert_eq!(bare.try_apply(&diff).err(), Some(CommitmentError::NoSource));
}
