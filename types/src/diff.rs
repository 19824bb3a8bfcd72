//! The net change that one block makes to the state.

use crate::Account;
use alloy_primitives::{Address, B256, Bytes, U256};
use borsh::{BorshDeserialize, BorshSerialize};

/// Net change of one block: sorted, without duplicates, without entries that change nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateDiff {
    /// Changed accounts, ascending by address.
    pub accounts: Vec<AccountDiff>,
    /// Code that this block introduces, ascending by hash: at least that of every account whose code
    /// hash changes to one with code. May repeat code that the state already has: code is
    /// content-addressed and never removed.
    pub code: Vec<(B256, Bytes)>,
}

/// Net change of one account and its slots.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AccountDiff {
    /// The account.
    pub address: Address,
    /// Value before the block; `None` when it did not exist.
    pub before: Option<Account>,
    /// Value after the block; `None` when it does not exist (EIP-161).
    pub after: Option<Account>,
    /// Changed slots, ascending.
    pub slots: Vec<SlotDiff>,
}

/// Net change of one storage slot. Zero means absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SlotDiff {
    /// The slot.
    pub slot: U256,
    /// Value before the block.
    pub before: U256,
    /// Value after the block.
    pub after: U256,
}

impl AccountDiff {
    /// Hash of the code that the account has after the block and had not before it.
    #[must_use]
    pub fn new_code(&self) -> Option<B256> {
        let before = self.before.map(|before| before.code_hash);
        self.after.map(|after| after.code_hash).filter(|after| before != Some(*after))
    }
}

impl StateDiff {
    /// Whether the block changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Number of changed accounts and slots.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.accounts.iter().map(|a| a.slots.len() + usize::from(a.before != a.after)).sum()
    }

    /// The code with this hash, if the block introduces it.
    #[must_use]
    pub fn code(&self, hash: &B256) -> Option<&Bytes> {
        self.code.binary_search_by(|(h, _)| h.cmp(hash)).ok().map(|i| &self.code[i].1)
    }
}
