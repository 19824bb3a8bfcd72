//! A tree in a file.

use crate::model::{Model, step};
use proptest::prelude::*;
use weft_commitment::{CommitmentError, Tree};

fn grown(blocks: &[Vec<crate::model::Step>]) -> (Model, Tree) {
    let mut model = Model::default();
    let tree = blocks.iter().fold(Tree::empty(), |tree, steps| tree.apply(&model.block(steps)));
    (model, tree)
}

fn saved(tree: &Tree) -> Vec<u8> {
    let mut bytes = Vec::new();
    tree.save(7, &mut bytes).expect("memory takes everything");
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_that_was_saved_goes_on_as_if_nothing_had_been(
        blocks in prop::collection::vec(prop::collection::vec(step(), 0..25), 0..4),
        later in prop::collection::vec(prop::collection::vec(step(), 0..25), 1..4),
    ) {
        let (mut model, tree) = grown(&blocks);
        let bytes = saved(&tree);
        let read = Tree::load(&bytes).expect("what was saved");
        prop_assert_eq!((read.height, read.tree.root()), (7, tree.root()));
        prop_assert_eq!(read.tree.leaves(), tree.leaves());
        let bare = tree.with_source(model.source()).trim(0);
        prop_assert_eq!(saved(&bare), bytes, "what is in memory makes no difference");
        let mut tree = read.tree.with_source(model.source());
        for steps in &later {
            tree = tree.try_apply(&model.block(steps)).expect("readable");
            prop_assert_eq!(tree.root(), model.root());
        }
    }

    #[test]
    fn any_flipped_bit_and_any_missing_byte_is_noticed(
        blocks in prop::collection::vec(prop::collection::vec(step(), 0..25), 0..3),
        place in any::<prop::sample::Index>(),
        bit in 0u32..8,
    ) {
        let bytes = saved(&grown(&blocks).1);
        let place = place.index(bytes.len());
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << bit;
        for wrong in [&flipped[..], &bytes[..place]] {
            let refused = matches!(Tree::load(wrong), Err(CommitmentError::Saved { .. }));
            prop_assert!(refused);
        }
    }

    #[test]
    fn rubbish_with_a_valid_checksum_is_refused_and_never_panics(
        blocks in prop::collection::vec(prop::collection::vec(step(), 0..25), 0..3),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = saved(&grown(&blocks).1);
        let mut content = bytes[..bytes.len() - 32].to_vec();
        let before = content.clone();
        for (place, byte) in changes {
            let place = 18 + place.index(content.len() - 18);
            content[place] = byte;
        }
        if cut.index(4) == 0 {
            content.truncate(18 + cut.index(content.len() - 18));
        }
        let hash = blake3::hash(&content);
        content.extend_from_slice(hash.as_bytes());
        // A changed key below a branch without prefix changes no hash; the next touch notices it.
        if let Ok(read) = Tree::load(&content) {
            let root = read.tree.root();
            prop_assert_eq!(&root[..], &before[18..50]);
        }
    }
}
