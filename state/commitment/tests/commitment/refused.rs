//! What each check of the decoders is there for: one made-up input a check, refused for its reason.

use crate::model::{Model, Step, address};
use crate::proof::reference;
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_commitment::proof::account_keys;
use weft_commitment::sync::{ChunkWriter, Origin, Plan, SyncLeaf};
use weft_commitment::{AccountKey, CommitmentError, Proof, ProofError, Tree, TreeKey};
use weft_types::{Address, B256, U256};

/// Forty accounts: a plan with several sections of up to sixteen leaves.
fn grown() -> (Model, Tree) {
    let mut model = Model::default();
    let steps: Vec<Step> =
        (0..40).map(|who| Step::Account { who, nonce: 1, balance: u128::from(who) }).collect();
    let tree = Tree::empty().apply(&model.block(&steps)).with_source(model.source());
    (model, tree)
}

fn leaves(model: &Model) -> Vec<SyncLeaf> {
    let owners: BTreeMap<TreeKey, _> = (0..40)
        .map(address)
        .map(|who| (TreeKey::basic(AccountKey::new(&who).hash()), Origin::Account(who)))
        .collect();
    let leaf = |(key, value): (Vec<u8>, [u8; 32])| {
        let key = TreeKey::from_slice(&key).expect("a key");
        let origin = owners.get(&key).copied().unwrap_or(Origin::Header);
        SyncLeaf { key, value: B256::from(value), origin }
    };
    model.leaves().into_iter().map(leaf).collect()
}

fn hash(bytes: &[u8]) -> B256 {
    B256::from(*blake3::hash(bytes).as_bytes())
}

/// A branch whose prefix is zeros.
fn branch(bits: u16, left: B256, right: B256) -> Vec<u8> {
    let prefix = vec![0; usize::from(bits.div_ceil(8))];
    [&[1][..], &bits.to_be_bytes(), &prefix, left.as_slice(), right.as_slice()].concat()
}

#[test]
fn a_proof_with_bytes_behind_it_is_refused() {
    let (_, tree) = reference();
    let bytes = tree.prove_account(&address(0x11), &[]).expect("provable").encode();
    let longer = [&bytes[..], &[0]].concat();
    let reason = "bytes are left over";
    assert_eq!(Proof::decode(&longer), Err(ProofError::Encoding { reason }));
}

#[test]
fn keys_that_do_not_ascend_are_refused() {
    let (_, tree) = reference();
    let keys = account_keys(&address(0x11), &[U256::from(5)]);
    let proof = tree.prove(&keys).expect("provable");
    assert!(proof.verify(tree.root(), &keys).is_ok());
    let reason = "keys do not ascend";
    let doubled = [keys[0], keys[0], keys[1]];
    for wrong in [keys.iter().rev().copied().collect::<Vec<_>>(), doubled.to_vec()] {
        assert_eq!(proof.verify(tree.root(), &wrong), Err(ProofError::Encoding { reason }));
    }
}

#[test]
fn a_leaf_on_a_way_that_is_not_its_own_shows_nothing() {
    // A root that nobody computes, but anybody can make up.
    let other = AccountKey::new(&address(1)).slot(&U256::from(500));
    let leaf = [&[0][..], other.as_slice(), B256::repeat_byte(7).as_slice()].concat();
    let top = branch(0, hash(&leaf), B256::repeat_byte(9));
    let root = hash(&top);
    let asked = TreeKey::basic(AccountKey::new(&address(2)).hash());
    let proof = Proof { nodes: vec![top.into(), leaf.into()] };
    let error = proof.verify(root, &[asked]).expect_err("it belongs to the right");
    assert!(matches!(error, ProofError::Shape { place: 1, .. }), "{error}");
}

#[test]
fn a_value_that_changed_behind_the_tree_is_not_proven() {
    let (model, tree) = reference();
    let key = TreeKey::basic(AccountKey::new(&address(0x22)).hash());
    let mut state: BTreeMap<TreeKey, B256> = BTreeMap::new();
    for (key, value) in model.leaves() {
        state.insert(TreeKey::from_slice(&key).expect("a key"), B256::from(value));
    }
    state.insert(key, B256::repeat_byte(1));
    let tree = tree.with_source(Arc::new(state));
    assert!(tree.prove_account(&address(0x11), &[]).is_ok());
    let error = tree.prove_account(&address(0x22), &[]).expect_err("another value");
    assert!(matches!(error, CommitmentError::Changed { leaves: 1, .. }), "{error}");
}

/// A saved tree with a valid checksum after a change.
fn saved(tree: &Tree, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
    let mut bytes = Vec::new();
    tree.save(7, &mut bytes).expect("memory takes everything");
    bytes.truncate(bytes.len() - 32);
    change(&mut bytes);
    let checksum = *blake3::hash(&bytes).as_bytes();
    Tree::load(&[bytes, checksum.to_vec()].concat()).map(|_| ()).map_err(|e| e.to_string())
}

#[test]
fn a_saved_tree_of_another_version_or_with_more_behind_it_is_refused() {
    let (_, tree) = grown();
    assert_eq!(saved(&tree, |_| ()), Ok(()));
    let version = saved(&tree, |bytes| bytes[9] = 2).expect_err("another version");
    assert!(version.contains("version 2, expected 1"), "{version}");
    let longer = saved(&tree, |bytes| bytes.push(0)).expect_err("a byte too many");
    assert!(longer.contains("bytes are left over"), "{longer}");
}

#[test]
fn every_changed_bit_of_a_plans_nodes_is_refused_and_so_is_what_follows_them() {
    let (_, tree) = grown();
    let plan = tree.plan(16).expect("small");
    let bytes = plan.as_bytes().to_vec();
    let refused = |bytes: &[u8]| {
        Plan::from_bytes(bytes.to_vec()).expect("short").sections(tree.root()).is_err()
    };
    assert!(!refused(&bytes) && refused(&[&bytes[..], &[0]].concat()));
    let (mut place, mut nodes) = (1, 0);
    while place < bytes.len() {
        if bytes[place] == 0 {
            place += 5;
            continue;
        }
        let length = usize::from(bytes[place + 1]);
        for at in place + 2..place + 2 + length {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(refused(&changed), "byte {at}");
        }
        place += 2 + length;
        nodes += 1;
    }
    assert!(nodes > 3);
}

#[test]
fn a_plan_deeper_than_any_key_is_no_panic() {
    let below = branch(100, B256::repeat_byte(3), B256::repeat_byte(4));
    let top = branch(500, hash(&below), B256::repeat_byte(5));
    let node = |bytes: &[u8]| [&[1, bytes.len() as u8][..], bytes].concat();
    let section = [0, 0, 0, 0, 1];
    let plan = [&[1][..], &node(&top), &node(&below), &section, &section, &section].concat();
    let error = Plan::from_bytes(plan).expect("short").sections(hash(&top)).expect_err("too deep");
    assert!(error.to_string().contains("splits at bit 601"), "{error}");
}

#[test]
fn leaves_of_another_section_or_out_of_order_are_named() {
    let (model, tree) = grown();
    let all = leaves(&model);
    let sections = tree.plan(16).expect("small").sections(tree.root()).expect("its own");
    let own: Vec<&SyncLeaf> = all.iter().filter(|leaf| sections[0].has(&leaf.key)).collect();
    let other = all.iter().find(|leaf| !sections[0].has(&leaf.key)).expect("there are more");
    let verdict = |leaves: &[&SyncLeaf]| {
        let mut chunk = ChunkWriter::default();
        leaves.iter().for_each(|leaf| chunk.push(leaf));
        sections[0].verify(&chunk.finish()).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(verdict(&own), Ok(()));
    let more = verdict(&[&own[..], &[other]].concat()).expect_err("one too many");
    assert!(more.contains("lies in another section"), "{more}");
    let doubled = verdict(&[&own[..], &own[own.len() - 1..]].concat()).expect_err("one twice");
    assert!(doubled.contains("keys do not ascend"), "{doubled}");
    let mut chunk = ChunkWriter::default();
    own.iter().for_each(|leaf| chunk.push(leaf));
    let longer = [&chunk.finish()[..], &[0]].concat();
    let longer = sections[0].verify(&longer).expect_err("a byte too many").to_string();
    assert!(longer.contains("origins are left over"), "{longer}");
}

#[test]
fn a_value_with_leading_zeros_is_another_chunk_of_the_same_leaves() {
    let (model, tree) = reference();
    let sections = tree.plan(1 << 16).expect("small").sections(tree.root()).expect("its own");
    let key = AccountKey::new(&address(0x11)).slot(&U256::from(5));
    let pair = |value: &[u8]| {
        // The slot 5 = 7 as RLP: a list of 34 bytes of key and the value.
        let value =
            if value == [7] { vec![7] } else { [&[0x80 + value.len() as u8], value].concat() };
        let payload = [&[0x80 + 34][..], key.as_slice(), &value].concat();
        [vec![0xc0 + payload.len() as u8], payload].concat()
    };
    let mut chunk = ChunkWriter::default();
    let owners = [0x11u8, 0x22].map(address);
    for (key, value) in model.leaves() {
        let key = TreeKey::from_slice(&key).expect("a key");
        chunk.push(&SyncLeaf { key, value: B256::from(value), origin: origin(&key, &owners) });
    }
    let chunk = chunk.finish();
    assert!(sections[0].verify(&chunk).is_ok());
    let (plain, padded) = (pair(&[7]), pair(&[0, 7]));
    let at = chunk.windows(plain.len()).position(|w| w == plain).expect("it is in there");
    let length = u32::from_be_bytes(chunk[..4].try_into().expect("four bytes"));
    let grown = length + (padded.len() - plain.len()) as u32;
    let changed =
        [&grown.to_be_bytes()[..], &chunk[4..at], &padded, &chunk[at + plain.len()..]].concat();
    let error = sections[0].verify(&changed).expect_err("one form for each value").to_string();
    assert!(error.contains("is not in its one form"), "{error}");
}

fn origin(key: &TreeKey, owners: &[Address]) -> Origin {
    let basic = |who: &&Address| TreeKey::basic(AccountKey::new(who).hash()) == *key;
    if let Some(who) = owners.iter().find(basic) {
        return Origin::Account(*who);
    }
    let slot = [1000u64, 1001].map(U256::from).into_iter();
    let mut slot = slot.filter(|slot| AccountKey::new(&owners[0]).slot(slot) == *key);
    slot.next().map_or(Origin::Header, |slot| Origin::Slot(owners[0], slot))
}
