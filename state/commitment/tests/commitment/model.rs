//! An oracle in the shape of the draft's own pseudocode, and a state that people change.

use alloy_primitives::keccak256;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use weft_commitment::{LeafSource, TreeKey};
use weft_types::{Account, AccountDiff, Address, B256, Bytes, SlotDiff, StateDiff, U256};

pub(crate) type Leaves = BTreeMap<Vec<u8>, [u8; 32]>;

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

pub(crate) fn oracle_root(leaves: &Leaves) -> B256 {
    let entries: Vec<_> = leaves.iter().map(|(k, v)| (bits(k), k.as_slice(), *v)).collect();
    B256::from_slice(&subtree(&entries, 0))
}

/// A whole state, changed block by block.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) accounts: BTreeMap<Address, Account>,
    pub(crate) slots: BTreeMap<(Address, U256), U256>,
    pub(crate) code: BTreeMap<B256, Bytes>,
}

impl Model {
    fn put(leaves: &mut Leaves, key: &[&[u8]], value: [u8; 32]) {
        if value != [0; 32] {
            leaves.insert(key.concat(), value);
        }
    }

    pub(crate) fn leaves(&self) -> Leaves {
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

    pub(crate) fn root(&self) -> B256 {
        oracle_root(&self.leaves())
    }

    /// The leaves as the tree reads them.
    pub(crate) fn source(&self) -> Arc<dyn LeafSource> {
        let leaf = |(key, value): (Vec<u8>, [u8; 32])| {
            (TreeKey::from_slice(&key).expect("a key of the draft"), B256::from(value))
        };
        Arc::new(self.leaves().into_iter().map(leaf).collect::<BTreeMap<_, _>>())
    }

    /// Applies what people do in one block and returns its net change.
    pub(crate) fn block(&mut self, steps: &[Step]) -> StateDiff {
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
pub(crate) enum Step {
    Account { who: u8, nonce: u64, balance: u128 },
    Code { who: u8, code: Bytes },
    Slot { who: u8, slot: U256, value: u64 },
    Delete { who: u8 },
}

pub(crate) fn address(who: u8) -> Address {
    Address::repeat_byte(who)
}

pub(crate) fn code() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        Just(Bytes::from(vec![0u8; 40])),
        prop::collection::vec(0x5fu8..0x65, 1..120).prop_map(Bytes::from),
        prop::collection::vec(any::<u8>(), 8200).prop_map(Bytes::from),
        any::<u8>().prop_map(|target| {
            Bytes::from([&[0xef, 0x01, 0x00][..], address(target).as_slice()].concat())
        }),
    ]
}

pub(crate) fn slot() -> impl Strategy<Value = U256> {
    prop_oneof![
        (0u64..70).prop_map(U256::from),
        (200u64..600).prop_map(U256::from),
        any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        (0u64..3).prop_map(|n| U256::MAX - U256::from(n)),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
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
