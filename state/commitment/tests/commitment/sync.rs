//! A state in pieces: every piece is verified, and nothing that was changed gets through.

use crate::model::{Model, Step, address, step};
use proptest::prelude::*;
use std::collections::BTreeMap;
use weft_commitment::sync::{ChunkWriter, Origin, Plan, Section, SyncLeaf};
use weft_commitment::{AccountKey, Tree, TreeKey};
use weft_types::{B256, U256};

/// Accounts and slots only: what a model without store knows the origins of.
fn grown(steps: &[Step]) -> (Model, Tree) {
    let mut model = Model::default();
    let steps: Vec<Step> =
        steps.iter().filter(|step| !matches!(step, Step::Code { .. })).cloned().collect();
    let diff = model.block(&steps);
    let tree = Tree::empty().apply(&diff).with_source(model.source());
    (model, tree)
}

fn leaves(model: &Model) -> Vec<SyncLeaf> {
    let mut origins: BTreeMap<TreeKey, Origin> = BTreeMap::new();
    for who in (0..30).map(address) {
        let basic = TreeKey::basic(AccountKey::new(&who).hash());
        origins.insert(basic, Origin::Account(who));
    }
    for (who, slot) in model.slots.keys() {
        if *slot >= U256::from(64) {
            origins.insert(AccountKey::new(who).slot(slot), Origin::Slot(*who, *slot));
        }
    }
    let leaves = model.leaves().into_iter().map(|(key, value)| {
        let key = TreeKey::from_slice(&key).expect("a key");
        let origin = origins.get(&key).copied().unwrap_or(Origin::Header);
        SyncLeaf { key, value: B256::from(value), origin }
    });
    leaves.collect()
}

fn chunk(leaves: &[SyncLeaf], section: &Section) -> Vec<u8> {
    let mut chunk = ChunkWriter::default();
    leaves.iter().filter(|leaf| section.has(&leaf.key)).for_each(|leaf| chunk.push(leaf));
    chunk.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_chunks_of_a_plan_are_the_state(steps in prop::collection::vec(step(), 0..80)) {
        let (model, tree) = grown(&steps);
        let all = leaves(&model);
        for tree in [tree.clone(), tree.trim(0)] {
            let plan = tree.plan(16).expect("small");
            let sections = plan.sections(tree.root()).expect("its own plan");
            let mut found = Vec::new();
            for section in &sections {
                let chunk = chunk(&all, section);
                let part = section.verify(&chunk).expect("an honest chunk");
                prop_assert_eq!(part.len(), section.leaves as usize);
                let lowest = part[0].key;
                let zone = section.first_keys().into_iter().find(|k| *k <= lowest);
                prop_assert!(zone.is_some_and(|key| section.has(&key)));
                found.extend(part);
            }
            prop_assert_eq!(&found, &all);
        }
    }

    #[test]
    fn any_flipped_bit_of_a_chunk_is_refused(
        steps in prop::collection::vec(step(), 1..60),
        place in any::<prop::sample::Index>(),
        bit in 0u32..8,
        which in any::<prop::sample::Index>(),
    ) {
        let (model, tree) = grown(&steps);
        let sections = tree.plan(16).expect("small").sections(tree.root()).expect("its own plan");
        if !sections.is_empty() {
            let section = which.get(&sections);
            let mut bytes = chunk(&leaves(&model), section);
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            prop_assert!(section.verify(&bytes).is_err());
            prop_assert!(section.verify(&bytes[..place]).is_err());
        }
    }

    #[test]
    fn rubbish_is_refused_and_never_panics(
        steps in prop::collection::vec(step(), 1..60),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        change in (any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let (model, tree) = grown(&steps);
        let plan = tree.plan(16).expect("small");
        if let Some(section) = plan.sections(tree.root()).expect("its own").first() {
            prop_assert!(section.verify(&bytes).is_err());
            let stream = bytes.len().saturating_sub(8) as u32;
            let framed = [&stream.to_be_bytes()[..], &bytes].concat();
            prop_assert!(section.verify(&framed).is_err());
            let honest = chunk(&leaves(&model), section);
            prop_assert!(section.verify(&[&honest[..], &[0x80]].concat()).is_err());
        }
        let _ = Plan::from_bytes(bytes).map(|plan| plan.sections(tree.root()));
        let mut changed = plan.as_bytes().to_vec();
        let place = change.0.index(changed.len());
        changed[place] = change.1;
        let honest = plan.sections(tree.root()).expect("its own");
        if let Ok(sections) = Plan::from_bytes(changed).expect("short").sections(tree.root()) {
            prop_assert_eq!(sections.len(), honest.len(), "only a number of leaves was changed");
        }
    }
}

#[test]
fn the_empty_state_has_a_plan_without_sections() {
    let plan = Tree::empty().plan(16).expect("small");
    assert_eq!(plan.sections(B256::ZERO), Ok(vec![]));
    assert!(plan.sections(B256::repeat_byte(1)).is_err());
}
