//! The incremental tree against an oracle in the shape of the draft's own pseudocode: all keys and
//! values of the state, encoded and hashed from the text alone.

use alloy_primitives::{KECCAK256_EMPTY, b256, keccak256};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use weft_commitment::{LeafChange, Tree, TreeBuilder, leaves_of};
use weft_types::{Account, AccountDiff, Address, B256, Bytes, SlotDiff, StateDiff, U256};

type Leaves = BTreeMap<Vec<u8>, [u8; 32]>;

fn h(parts: &[&[u8]]) -> Vec<u8> {
    blake3::hash(&parts.concat()).as_bytes().to_vec()
}

fn bits(key: &[u8]) -> Vec<u8> {
    key.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1)).collect()
}

/// `entries` hold the whole key's bits, the key and the value, and share their first `start` bits.
fn subtree(entries: &[(Vec<u8>, &[u8], [u8; 32])], start: usize) -> Vec<u8> {
    match entries {
        [] => vec![0; 32],
        [(_, key, value)] => h(&[&[0], key, value]),
        _ => {
            let first = &entries[0].0;
            let shared = |at: &usize| entries.iter().all(|e| e.0[*at] == first[*at]);
            let split = (start..).find(|at| !shared(at)).expect("keys differ");
            let side = |bit| {
                let half: Vec<_> = entries.iter().filter(|e| e.0[split] == bit).cloned().collect();
                subtree(&half, split + 1)
            };
            let mut packed = vec![0u8; (split - start).div_ceil(8)];
            for (place, bit) in first[start..split].iter().enumerate() {
                packed[place / 8] |= bit << (7 - place % 8);
            }
            let count = ((split - start) as u16).to_be_bytes();
            h(&[&[1], &count, &packed, &side(0), &side(1)])
        }
    }
}

fn oracle_root(leaves: &Leaves) -> B256 {
    let entries: Vec<_> = leaves.iter().map(|(k, v)| (bits(k), k.as_slice(), *v)).collect();
    B256::from_slice(&subtree(&entries, 0))
}

/// A whole state, changed block by block.
#[derive(Clone, Default)]
struct Model {
    accounts: BTreeMap<Address, Account>,
    slots: BTreeMap<(Address, U256), U256>,
    code: BTreeMap<B256, Bytes>,
}

impl Model {
    fn put(leaves: &mut Leaves, key: &[&[u8]], value: [u8; 32]) {
        if value != [0; 32] {
            leaves.insert(key.concat(), value);
        }
    }

    fn leaves(&self) -> Leaves {
        let mut leaves = Leaves::new();
        let padded = |address: &Address| [&[0u8; 12], address.as_slice()].concat();
        for (address, account) in &self.accounts {
            let stem = h(&[&padded(address)]);
            let mut basic = [0u8; 32];
            basic[4..8].copy_from_slice(&account.code_size.to_be_bytes());
            basic[8..16].copy_from_slice(&account.nonce.to_be_bytes());
            basic[16..].copy_from_slice(&account.balance.to_be_bytes::<32>()[16..]);
            Self::put(&mut leaves, &[&[0], &stem, &[0]], basic);
            match self.code.get(&account.code_hash) {
                Some(code) if code.len() == 23 && code[..3] == [0xef, 1, 0] => {
                    let mut value = [0u8; 32];
                    value[..23].copy_from_slice(code);
                    Self::put(&mut leaves, &[&[0], &stem, &[2]], value);
                }
                _ => Self::put(&mut leaves, &[&[0], &stem, &[1]], account.code_hash.0),
            }
        }
        for ((address, slot), value) in &self.slots {
            let stem = h(&[&padded(address)]);
            let sub = slot.byte(0);
            let value = value.to_be_bytes::<32>();
            if *slot < U256::from(64) {
                Self::put(&mut leaves, &[&[0], &stem, &[64 + sub]], value);
            } else {
                let index = (*slot / U256::from(256)).to_be_bytes::<32>();
                let group = h(&[&padded(address), &index]);
                Self::put(&mut leaves, &[&[0xff], &stem, &group, &[sub]], value);
            }
        }
        for (hash, code) in &self.code {
            if code.len() == 23 && code[..3] == [0xef, 1, 0] {
                continue;
            }
            for (chunk, value) in weft_commitment::chunk_code(code).iter().enumerate() {
                let index = U256::from(chunk / 256).to_be_bytes::<32>();
                let stem = h(&[hash.as_slice(), &index]);
                Self::put(&mut leaves, &[&[1], &stem, &[(chunk % 256) as u8]], value.0);
            }
        }
        leaves
    }

    fn root(&self) -> B256 {
        oracle_root(&self.leaves())
    }

    /// Applies what people do in one block and returns its net change.
    fn block(&mut self, steps: &[Step]) -> StateDiff {
        let before = self.clone();
        let mut codes = BTreeMap::new();
        for step in steps {
            match step {
                Step::Account { who, nonce, balance } => {
                    let account = self.accounts.entry(address(*who)).or_default();
                    (account.nonce, account.balance) = (*nonce, U256::from(*balance));
                }
                Step::Code { who, code } => {
                    let hash = keccak256(code);
                    let account = self.accounts.entry(address(*who)).or_default();
                    (account.code_hash, account.code_size) = (hash, code.len() as u32);
                    codes.insert(hash, code.clone());
                }
                Step::Slot { who, slot, value } => {
                    self.slots.insert((address(*who), *slot), U256::from(*value));
                }
                Step::Delete { who } => {
                    self.accounts.remove(&address(*who));
                    self.slots.retain(|(owner, _), _| *owner != address(*who));
                }
            }
        }
        self.accounts.retain(|_, account| !account.is_empty());
        self.slots.retain(|_, value| !value.is_zero());
        let used: BTreeSet<B256> = self.accounts.values().map(|a| a.code_hash).collect();
        let diff = diff(&before, self, &codes);
        self.code.extend(codes.into_iter().filter(|(hash, _)| used.contains(hash)));
        diff
    }
}

fn diff(before: &Model, after: &Model, codes: &BTreeMap<B256, Bytes>) -> StateDiff {
    let owners: BTreeSet<Address> = [before, after]
        .iter()
        .flat_map(|m| m.accounts.keys().copied().chain(m.slots.keys().map(|(owner, _)| *owner)))
        .collect();
    let accounts = owners.into_iter().filter_map(|address| {
        let keys: BTreeSet<U256> = [before, after]
            .iter()
            .flat_map(|m| m.slots.range((address, U256::ZERO)..=(address, U256::MAX)))
            .map(|((_, slot), _)| *slot)
            .collect();
        let value = |m: &Model, slot| m.slots.get(&(address, slot)).copied().unwrap_or_default();
        let slots: Vec<SlotDiff> = keys
            .into_iter()
            .map(|slot| SlotDiff { slot, before: value(before, slot), after: value(after, slot) })
            .filter(|slot| slot.before != slot.after)
            .collect();
        let (old, new) = (before.accounts.get(&address), after.accounts.get(&address));
        (old != new || !slots.is_empty()).then(|| AccountDiff {
            address,
            before: old.copied(),
            after: new.copied(),
            slots,
        })
    });
    StateDiff {
        accounts: accounts.collect(),
        code: codes.iter().map(|(hash, code)| (*hash, code.clone())).collect(),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Account { who: u8, nonce: u64, balance: u128 },
    Code { who: u8, code: Bytes },
    Slot { who: u8, slot: U256, value: u64 },
    Delete { who: u8 },
}

fn address(who: u8) -> Address {
    Address::repeat_byte(who)
}

fn code() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        Just(Bytes::from(vec![0u8; 40])),
        prop::collection::vec(0x5fu8..0x65, 1..120).prop_map(Bytes::from),
        prop::collection::vec(any::<u8>(), 8200).prop_map(Bytes::from),
        any::<u8>().prop_map(|target| {
            Bytes::from([&[0xef, 0x01, 0x00][..], address(target).as_slice()].concat())
        }),
    ]
}

fn slot() -> impl Strategy<Value = U256> {
    prop_oneof![
        (0u64..70).prop_map(U256::from),
        (200u64..600).prop_map(U256::from),
        any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        (0u64..3).prop_map(|n| U256::MAX - U256::from(n)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0u8..24;
    prop_oneof![
        4 => (who.clone(), 0u64..3, prop_oneof![Just(0u128), any::<u128>()])
            .prop_map(|(who, nonce, balance)| Step::Account { who, nonce, balance }),
        1 => (who.clone(), code()).prop_map(|(who, code)| Step::Code { who, code }),
        6 => (who.clone(), slot(), 0u64..3)
            .prop_map(|(who, slot, value)| Step::Slot { who, slot, value }),
        2 => who.prop_map(|who| Step::Delete { who }),
    ]
}

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
