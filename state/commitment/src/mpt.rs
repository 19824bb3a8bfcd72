//! Ethereum's own commitment, for blocks and test suites that are not of this chain.
//!
//! Their headers carry the root of a Merkle-Patricia trie of keccak-hashed keys. This one is computed
//! from the whole state of accounts each time, and from the slots of those accounts that changed:
//! the states of test suites are small.

use crate::{Commitment, CommitmentError};
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::root::{state_root, storage_root};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_types::{Account, StateDiff};

/// The Merkle-Patricia commitment to one state. Every account that was set is part of it, empty or
/// not (before EIP-161 that makes a difference); a slot that holds zero is not.
#[derive(Clone, Debug, Default)]
pub struct Mpt {
    accounts: Arc<BTreeMap<B256, Entry>>,
}

/// An account with its slots, by hashed key.
#[derive(Clone, Debug)]
struct Entry {
    /// `None` when slots are left of an account that is gone.
    account: Option<Account>,
    slots: BTreeMap<B256, U256>,
    storage_root: B256,
}

impl Default for Entry {
    fn default() -> Self {
        Self { account: None, slots: BTreeMap::new(), storage_root: EMPTY_ROOT_HASH }
    }
}

impl Mpt {
    /// Takes all slots from an account: what destroying it did before Cancun (EIP-6780).
    pub fn wipe(&mut self, address: &Address) {
        if let Some(entry) = Arc::make_mut(&mut self.accounts).get_mut(&keccak256(address)) {
            entry.slots.clear();
            entry.storage_root = EMPTY_ROOT_HASH;
        }
    }
}

impl Commitment for Mpt {
    fn root(&self) -> B256 {
        state_root(self.accounts.iter().filter_map(|(hash, entry)| {
            let account = entry.account?;
            let leaf = TrieAccount {
                nonce: account.nonce,
                balance: account.balance,
                storage_root: entry.storage_root,
                code_hash: account.code_hash,
            };
            Some((*hash, leaf))
        }))
    }

    fn after(&self, diff: &StateDiff) -> Result<Self, CommitmentError> {
        let mut next = self.clone();
        let accounts = Arc::make_mut(&mut next.accounts);
        for change in &diff.accounts {
            let entry = accounts.entry(keccak256(change.address)).or_default();
            entry.account = change.after;
            if change.slots.is_empty() {
                continue;
            }
            for slot in &change.slots {
                let key = keccak256(B256::from(slot.slot));
                if slot.after.is_zero() {
                    entry.slots.remove(&key);
                } else {
                    entry.slots.insert(key, slot.after);
                }
            }
            entry.storage_root = storage_root(entry.slots.iter().map(|(k, v)| (*k, *v)));
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;
    use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
    use proptest::prelude::*;
    use weft_types::{AccountDiff, SlotDiff};

    fn change(address: Address, after: Option<Account>, slots: &[(u64, u64)]) -> StateDiff {
        let slots = slots.iter().map(|(slot, value)| SlotDiff {
            slot: U256::from(*slot),
            before: U256::ZERO,
            after: U256::from(*value),
        });
        let account = AccountDiff { address, before: None, after, slots: slots.collect() };
        StateDiff { accounts: vec![account], code: vec![] }
    }

    fn after(mpt: &Mpt, diff: &StateDiff) -> Mpt {
        mpt.after(diff).expect("it is in memory")
    }

    #[test]
    fn no_accounts_have_the_root_of_the_empty_trie() {
        assert_eq!(Mpt::default().root(), EMPTY_ROOT_HASH);
    }

    #[test]
    fn an_empty_account_is_in_the_trie_and_a_zero_or_wiped_slot_is_not() {
        let address = Address::repeat_byte(1);
        let account = Some(Account::default());
        let bare = after(&Mpt::default(), &change(address, account, &[]));
        assert_ne!(bare.root(), EMPTY_ROOT_HASH);
        assert_eq!(after(&bare, &change(address, account, &[(1, 0)])).root(), bare.root());
        let mut one = after(&bare, &change(address, account, &[(1, 1)]));
        assert_ne!(one.root(), bare.root());
        assert_eq!(after(&one, &change(address, account, &[(1, 0)])).root(), bare.root());
        one.wipe(&address);
        assert_eq!(one.root(), bare.root());
        assert_eq!(after(&one, &change(address, None, &[])).root(), EMPTY_ROOT_HASH);
    }

    #[test]
    fn one_account_has_the_root_of_its_leaf() {
        let account = Account { nonce: 3, balance: U256::from(1_000), ..Account::default() };
        let mpt = after(&Mpt::default(), &change(Address::ZERO, Some(account), &[]));
        // A single leaf, by hand: [0x20 and the whole path, [nonce, balance, storage root, code hash]].
        let leaf = TrieAccount { nonce: 3, balance: U256::from(1_000), ..TrieAccount::default() };
        let path = [&[0x20], keccak256(Address::ZERO).as_slice()].concat();
        let node = vec![Bytes::from(path), alloy_rlp::encode(leaf).into()];
        assert_eq!(mpt.root(), keccak256(alloy_rlp::encode(node)));
    }

    proptest! {
        #[test]
        fn changes_lead_to_the_root_of_the_state_they_lead_to(
            steps in prop::collection::vec((0u8..6, 0u64..3, 0u64..4, 0u64..3), 0..40),
        ) {
            let mut mpt = Mpt::default();
            let mut state: BTreeMap<Address, (u64, BTreeMap<u64, u64>)> = BTreeMap::new();
            for (who, nonce, slot, value) in steps {
                let address = Address::repeat_byte(who);
                let account = Account { nonce, ..Account::default() };
                mpt = after(&mpt, &change(address, Some(account), &[(slot, value)]));
                let entry = state.entry(address).or_default();
                entry.0 = nonce;
                entry.1.insert(slot, value);
            }
            let expected = state_root_unhashed(state.into_iter().map(|(address, (nonce, slots))| {
                let slots = slots.into_iter().filter(|(_, value)| *value > 0);
                let slots = slots.map(|(k, v)| (B256::from(U256::from(k)), U256::from(v)));
                let storage_root = storage_root_unhashed(slots);
                (address, TrieAccount { nonce, storage_root, ..TrieAccount::default() })
            }));
            prop_assert_eq!(mpt.root(), expected);
        }
    }
}
