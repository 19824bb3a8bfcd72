//! Ethereum's state root: the Merkle-Patricia root over all accounts and their slots.
//!
//! Weft's own chain commits its state with BLAKE3; this is only for judging foreign blocks, whose headers carry this root. It
//! is computed from the whole state each time: the states of test suites are small.

use alloy_primitives::{Address, B256, U256};
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use std::collections::BTreeMap;
use weft_types::Account;

/// The root over `accounts`, with the slots of each. Every account that is in the map is in the trie, empty or not; a slot
/// that holds zero is not.
#[must_use]
pub fn state_root(
    accounts: &BTreeMap<Address, Account>,
    slots: &BTreeMap<Address, BTreeMap<U256, U256>>,
) -> B256 {
    let none = BTreeMap::new();
    state_root_unhashed(accounts.iter().map(|(address, account)| {
        let slots = slots.get(address).unwrap_or(&none);
        let storage_root = storage_root_unhashed(
            slots.iter().filter(|(_, v)| !v.is_zero()).map(|(k, v)| (B256::from(*k), *v)),
        );
        let leaf = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root,
            code_hash: account.code_hash,
        };
        (*address, leaf)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, keccak256};
    use alloy_trie::EMPTY_ROOT_HASH;

    #[test]
    fn no_accounts_have_the_root_of_the_empty_trie() {
        assert_eq!(state_root(&BTreeMap::new(), &BTreeMap::new()), EMPTY_ROOT_HASH);
    }

    #[test]
    fn an_empty_account_is_in_the_trie_and_a_zero_slot_is_not() {
        let address = Address::repeat_byte(1);
        let accounts = BTreeMap::from([(address, Account::default())]);
        let bare = state_root(&accounts, &BTreeMap::new());
        assert_ne!(bare, EMPTY_ROOT_HASH);
        let zero = BTreeMap::from([(address, BTreeMap::from([(U256::from(1), U256::ZERO)]))]);
        assert_eq!(state_root(&accounts, &zero), bare);
        let one = BTreeMap::from([(address, BTreeMap::from([(U256::from(1), U256::from(1))]))]);
        assert_ne!(state_root(&accounts, &one), bare);
    }

    #[test]
    fn one_account_has_the_root_of_its_leaf() {
        let account = Account { nonce: 3, balance: U256::from(1_000), ..Account::default() };
        let accounts = BTreeMap::from([(Address::ZERO, account)]);
        // A single leaf, by hand: [0x20 and the whole path, [nonce, balance, storage root, code hash]].
        let leaf = TrieAccount { nonce: 3, balance: U256::from(1_000), ..TrieAccount::default() };
        let path = [&[0x20], keccak256(Address::ZERO).as_slice()].concat();
        let node = vec![Bytes::from(path), alloy_rlp::encode(leaf).into()];
        assert_eq!(state_root(&accounts, &BTreeMap::new()), keccak256(alloy_rlp::encode(node)));
    }
}
