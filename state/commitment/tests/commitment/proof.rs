//! Proofs: whatever is true can be proven, and nothing else.

use crate::model::{Model, Step, address, step};
use alloy_primitives::hex;
use proptest::prelude::*;
use weft_commitment::proof::account_keys;
use weft_commitment::{Proof, ProofError, Tree, TreeKey};
use weft_types::{Account, Address, B256, Bytes, U256};

fn grown(steps: &[Step]) -> (Model, Tree) {
    let mut model = Model::default();
    let diff = model.block(steps);
    let tree = Tree::empty().apply(&diff).with_source(model.source());
    (model, tree)
}

/// Slots that exist, and some that do not.
fn asked(model: &Model, who: Address) -> Vec<U256> {
    let own = model.slots.keys().filter(|(owner, _)| *owner == who).map(|(_, slot)| *slot);
    own.take(5).chain([2, 64, 700].map(U256::from)).collect()
}

fn expected(model: &Model, who: Address, slots: &[U256]) -> (Option<Account>, Vec<U256>) {
    let value = |slot: &U256| model.slots.get(&(who, *slot)).copied().unwrap_or_default();
    (model.accounts.get(&who).copied(), slots.iter().map(value).collect())
}

fn delegation(model: &Model, account: &Option<Account>) -> Option<Address> {
    let code = account.as_ref().and_then(|account| model.code.get(&account.code_hash))?;
    (code.len() == 23 && code.starts_with(&[0xef, 1, 0])).then(|| Address::from_slice(&code[3..]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_there_and_what_is_not_is_proven_for_every_account(
        steps in prop::collection::vec(step(), 0..60), memory in any::<bool>(),
    ) {
        let (model, mut tree) = grown(&steps);
        if !memory {
            tree = tree.trim(0);
        }
        for who in (0..30).map(address) {
            let slots = asked(&model, who);
            let proof = tree.prove_account(&who, &slots).expect("provable");
            let shown = proof.verify_account(tree.root(), &who, &slots).expect("the proof holds");
            prop_assert_eq!((shown.account, shown.slots), expected(&model, who, &slots));
            prop_assert_eq!(shown.delegation, delegation(&model, &shown.account));
            prop_assert_eq!(Proof::decode(&proof.encode()), Ok(proof));
        }
    }

    #[test]
    fn any_flipped_bit_makes_a_proof_worthless(
        steps in prop::collection::vec(step(), 1..60),
        who in 0u8..30,
        place in any::<prop::sample::Index>(),
        bit in 0u32..8,
    ) {
        let (model, tree) = grown(&steps);
        let slots = asked(&model, address(who));
        let proof = tree.prove_account(&address(who), &slots).expect("provable");
        let mut bytes = proof.encode();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let verdict = Proof::decode(&bytes)
            .and_then(|proof| proof.verify_account(tree.root(), &address(who), &slots));
        prop_assert!(verdict.is_err(), "{verdict:?}");
    }

    #[test]
    fn a_proof_shows_nothing_about_another_root_account_or_slot(
        steps in prop::collection::vec(step(), 20..60), who in 0u8..24, bit in 0usize..256,
    ) {
        let (model, tree) = grown(&steps);
        let slots = asked(&model, address(who));
        let proof = tree.prove_account(&address(who), &slots).expect("provable");
        let mut root = tree.root();
        root.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(tree.root().is_zero() || proof.verify_account(root, &address(who), &slots).is_err());
        // A proof of absence may well serve for two; whatever verifies is true.
        for other in (0..30).filter(|other| *other != who).map(address) {
            if let Ok(shown) = proof.verify_account(tree.root(), &other, &slots) {
                prop_assert_eq!((shown.account, shown.slots), expected(&model, other, &slots));
            }
        }
    }

    #[test]
    fn random_bytes_are_never_a_proof_and_never_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600), count in 0u8..6, tags in any::<u64>(),
    ) {
        let root = blake3::hash(&bytes);
        let keys = account_keys(&address(1), &[U256::from(3), U256::from(500)]);
        let mut nodes = bytes;
        if let Some(first) = nodes.get_mut(..4) {
            first.copy_from_slice(&u32::from(count).to_be_bytes());
        }
        if let Ok(proof) = Proof::decode(&nodes) {
            prop_assert!(proof.nodes.is_empty() || proof.verify(B256::from(*root.as_bytes()), &keys).is_err());
        }
        // Nodes that hash as they should and are rubbish inside.
        let node: Vec<u8> = [(tags % 2) as u8].into_iter().chain(nodes).collect();
        let root = B256::from(*blake3::hash(&node).as_bytes());
        let proof = Proof { nodes: vec![node.into()] };
        let _ = proof.verify(root, &keys);
    }
}

#[test]
fn nodes_that_are_missing_doubled_swapped_or_added_are_refused() {
    let steps: Vec<Step> =
        (0..24).map(|who| Step::Account { who, nonce: 1, balance: u128::from(who) }).collect();
    let (_, tree) = grown(&steps);
    let who = address(3);
    let verify = |nodes: Vec<Bytes>| Proof { nodes }.verify_account(tree.root(), &who, &[]);
    let nodes = tree.prove_account(&who, &[]).expect("provable").nodes;
    assert!(nodes.len() > 5 && verify(nodes.clone()).is_ok());
    for place in 0..nodes.len() {
        let mut missing = nodes.clone();
        missing.remove(place);
        assert!(verify(missing).is_err(), "without node {place}");
        let mut doubled = nodes.clone();
        doubled.insert(place, nodes[place].clone());
        assert!(verify(doubled).is_err(), "node {place} twice");
        let mut swapped = nodes.clone();
        swapped.swap(place, (place + 1) % nodes.len());
        assert!(verify(swapped).is_err(), "nodes {place} and the next");
    }
    let added = [nodes.clone(), vec![nodes[0].clone()]].concat();
    let error = verify(added).expect_err("one node too many");
    let (needed, found) = (nodes.len(), nodes.len() + 1);
    assert_eq!(error, ProofError::Superfluous { needed, found });
}

#[test]
fn a_branch_deeper_than_the_key_is_no_panic() {
    let key = TreeKey::basic(&B256::ZERO);
    let mut node = vec![1u8];
    node.extend_from_slice(&500u16.to_be_bytes());
    node.extend_from_slice(&[0; 63]);
    node.extend_from_slice(&[7; 64]);
    let root = B256::from(*blake3::hash(&node).as_bytes());
    let error = Proof { nodes: vec![node.into()] }.verify(root, &[key]).expect_err("too deep");
    assert!(matches!(error, ProofError::Shape { place: 0, .. }), "{error}");
}

#[test]
fn the_empty_tree_proves_that_nothing_is_there() {
    let proof = Tree::empty().prove_account(&address(1), &[U256::from(1)]).expect("provable");
    let shown = proof.verify_account(B256::ZERO, &address(1), &[U256::from(1)]).expect("holds");
    assert_eq!((shown.account, shown.slots), (None, vec![U256::ZERO]));
    assert!(proof.verify_account(B256::repeat_byte(1), &address(1), &[]).is_err());
}

/// The state of the reference vector V3.
pub(crate) fn reference() -> (Model, Tree) {
    grown(&[
        Step::Account { who: 0x11, nonce: 1, balance: 1_000_000_000_000_000_000 },
        Step::Account { who: 0x22, nonce: 0, balance: 5 },
        Step::Slot { who: 0x11, slot: U256::from(5), value: 7 },
        Step::Slot { who: 0x11, slot: U256::from(1000), value: 9 },
        Step::Slot { who: 0x11, slot: U256::from(1001), value: 10 },
    ])
}

#[test]
fn the_vectors_of_the_documentation_hold() {
    let text = include_str!("../../../../docs/commitment.md");
    let (_, tree) = reference();
    let vector = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} is documented")).trim().to_owned()
    };
    assert_eq!(vector("root V3:"), hex::encode(tree.root()));
    let slots = [5u64, 6, 1000].map(U256::from);
    for (name, who) in [("proof A:", 0x11), ("proof C:", 0x33)] {
        let proof = tree.prove_account(&address(who), &slots).expect("provable");
        assert_eq!(vector(name), hex::encode(proof.encode()), "{name}");
        let bytes = hex::decode(vector(name)).expect("hex");
        let shown = Proof::decode(&bytes).expect("a proof");
        let shown = shown.verify_account(tree.root(), &address(who), &slots).expect("it holds");
        let balance = shown.account.map(|account| account.balance);
        let values = if who == 0x11 { [7, 0, 9] } else { [0; 3] };
        assert_eq!(shown.slots, values.map(U256::from));
        assert_eq!(balance, (who == 0x11).then(|| U256::from(1_000_000_000_000_000_000u64)));
    }
}
