//! The leaves of accounts and slots, and the leaves that a block changes.

use crate::code::DELEGATION_LEN;
use crate::key::{SUB_BASIC, SUB_CODE_HASH, SUB_DELEGATION, SUB_SLOTS};
use crate::{AccountKey, TreeKey, code_leaves, is_delegation};
use alloy_primitives::{B256, Bytes, U256, keccak256};
use rayon::prelude::*;
use std::collections::BTreeSet;
use weft_types::{Account, AccountDiff, StateDiff};

/// Number of accounts or leaves from which hashing them is worth other threads.
pub(crate) const PARALLEL_MIN: usize = 256;

/// One leaf that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafChange {
    /// Where.
    pub key: TreeKey,
    /// The new value, never zero; `None` removes the leaf if it is there.
    pub value: Option<B256>,
}

impl LeafChange {
    /// Zero is the same as no leaf.
    fn new(key: TreeKey, value: B256) -> Self {
        Self { key, value: (!value.is_zero()).then_some(value) }
    }

    const fn remove(key: TreeKey) -> Self {
        Self { key, value: None }
    }
}

/// Value of the basic leaf: `version 0 | 000000 | code size u32be | nonce u64be | balance u128be`.
///
/// # Panics
/// When the balance does not fit 128 bits: genesis refuses such a supply and nothing mints.
fn basic_value(account: &Account) -> B256 {
    let balance = u128::try_from(account.balance).expect("genesis refuses a supply above 128 bits");
    let mut value = [0u8; 32];
    value[4..8].copy_from_slice(&account.code_size.to_be_bytes());
    value[8..16].copy_from_slice(&account.nonce.to_be_bytes());
    value[16..].copy_from_slice(&balance.to_be_bytes());
    B256::from(value)
}

/// The leaves of one account, one by one, until they are whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountLeaves {
    basic: Option<B256>,
    code_hash: Option<B256>,
    delegation: Option<B256>,
}

impl AccountLeaves {
    /// Last byte of the key of slot 0; those of the account's own leaves are lower.
    pub const SLOTS: u8 = SUB_SLOTS;

    /// Takes the leaf whose key ends with `sub`; other leaves than the account's own are passed over.
    pub const fn set(&mut self, sub: u8, value: B256) {
        match sub {
            SUB_BASIC => self.basic = Some(value),
            SUB_CODE_HASH => self.code_hash = Some(value),
            SUB_DELEGATION => self.delegation = Some(value),
            _ => {}
        }
    }

    /// The account, and its EIP-7702 designator if it has one; `None` when leaves are missing, too
    /// many, or of an unknown version.
    #[must_use]
    pub fn account(&self) -> Option<(Account, Option<Bytes>)> {
        let mut account = read_basic(&self.basic?)?;
        match (self.code_hash, self.delegation) {
            (Some(hash), None) => {
                account.code_hash = hash;
                Some((account, None))
            }
            (None, Some(delegation)) => {
                let (code, zeros) = delegation.split_at(DELEGATION_LEN);
                if !is_delegation(code) || zeros.iter().any(|byte| *byte != 0) {
                    return None;
                }
                account.code_hash = keccak256(code);
                Some((account, Some(Bytes::copy_from_slice(code))))
            }
            _ => None,
        }
    }

    /// Whether there is no leaf at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.basic.is_none() && self.code_hash.is_none() && self.delegation.is_none()
    }
}

/// The account of a basic leaf, without its code hash; `None` when the version is another.
fn read_basic(value: &B256) -> Option<Account> {
    let (version, rest) = value.split_first_chunk::<4>()?;
    let (code_size, rest) = rest.split_first_chunk::<4>()?;
    let (nonce, balance) = rest.split_first_chunk::<8>()?;
    (*version == [0; 4]).then(|| Account {
        code_size: u32::from_be_bytes(*code_size),
        nonce: u64::from_be_bytes(*nonce),
        balance: U256::from_be_slice(balance),
        ..Account::default()
    })
}

/// Value of the delegation leaf: the 23 bytes of an EIP-7702 designator and nine zeros.
fn delegation_value(code: &[u8]) -> B256 {
    B256::right_padding_from(code)
}

/// The leaves that a block changes, ascending by key, each key once.
///
/// # Panics
/// When the code of an account changes and the diff does not hold it, or a balance does not fit 128
/// bits: both are promised by [`StateDiff`] and [`Account`].
#[must_use]
pub fn leaves_of(diff: &StateDiff) -> Vec<LeafChange> {
    let mut changes: Vec<LeafChange> = if diff.accounts.len() >= PARALLEL_MIN {
        diff.accounts.par_iter().flat_map_iter(|account| changed_leaves(account, diff)).collect()
    } else {
        diff.accounts.iter().flat_map(|account| changed_leaves(account, diff)).collect()
    };
    for hash in introduced_code(diff) {
        let code = diff.code(&hash).expect("a diff holds the code of every account it changes");
        let leaves = code_leaves(&hash, code);
        changes.extend(leaves.into_iter().map(|(key, value)| LeafChange::new(key, value)));
    }
    if changes.len() >= PARALLEL_MIN {
        changes.par_sort_unstable_by_key(|change| change.key);
    } else {
        changes.sort_unstable_by_key(|change| change.key);
    }
    changes
}

/// Hashes of the codes that accounts have after the block and had not before it.
fn introduced_code(diff: &StateDiff) -> BTreeSet<B256> {
    let changed = diff.accounts.iter().filter_map(|account| {
        let after = existing(account.after.as_ref())?;
        (after.has_code() && code_changes(account)).then_some(after.code_hash)
    });
    changed.collect()
}

fn existing(account: Option<&Account>) -> Option<&Account> {
    account.filter(|account| !account.is_empty())
}

fn code_changes(diff: &AccountDiff) -> bool {
    let hash = |account: Option<&Account>| existing(account).map(|account| account.code_hash);
    hash(diff.before.as_ref()) != hash(diff.after.as_ref())
}

fn changed_leaves(account: &AccountDiff, diff: &StateDiff) -> Vec<LeafChange> {
    let key = AccountKey::new(&account.address);
    let hash = key.hash();
    let mut changes = Vec::with_capacity(account.slots.len() + 3);
    let leaves = existing(account.after.as_ref()).map(|after| {
        let code = diff.code(&after.code_hash);
        account_leaves(hash, after, code.map(|code| &code[..]))
    });
    let value_at = |key: TreeKey| {
        let leaf = leaves.iter().flatten().find(|leaf| leaf.0 == key);
        leaf.map_or(LeafChange::remove(key), |(_, value)| LeafChange::new(key, *value))
    };
    if account.before != account.after {
        changes.push(value_at(TreeKey::basic(hash)));
    }
    if code_changes(account) {
        changes.push(value_at(TreeKey::code_hash(hash)));
        changes.push(value_at(TreeKey::delegation(hash)));
    }
    for slot in &account.slots {
        changes.push(LeafChange::new(key.slot(&slot.slot), slot_value(&slot.after)));
    }
    changes
}

/// The two leaves of an account that is not empty: the basic one, and the code hash or, when `code`
/// is an EIP-7702 designator, the delegation. `hash` is `H(addr32)`; `code` may be left out for an
/// account without code or with contract code.
///
/// # Panics
/// When the balance does not fit 128 bits: genesis refuses such a supply.
#[must_use]
pub fn account_leaves(hash: &B256, account: &Account, code: Option<&[u8]>) -> [(TreeKey, B256); 2] {
    let basic = (TreeKey::basic(hash), basic_value(account));
    match code.filter(|code| account.has_code() && is_delegation(code)) {
        Some(code) => [basic, (TreeKey::delegation(hash), delegation_value(code))],
        None => [basic, (TreeKey::code_hash(hash), account.code_hash)],
    }
}

/// Value of a slot's leaf.
#[must_use]
pub fn slot_value(value: &U256) -> B256 {
    B256::from(value.to_be_bytes::<32>())
}
