//! The accounts of block 0.

use crate::error::GenesisError;
use crate::json;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use weft_types::{Account, AccountDiff, SlotDiff, StateDiff};

/// Longest code of one account, in bytes (EIP-170).
const CODE_BYTES_MAX: usize = 24_576;

/// First byte that new code must not have (EIP-3541).
const RESERVED_BYTE: u8 = 0xef;

/// One account of the alloc, in geth's spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllocAccount {
    /// Balance in wei.
    #[serde(default, deserialize_with = "json::quantity")]
    pub balance: U256,
    /// Number of transactions sent.
    #[serde(
        default,
        deserialize_with = "json::quantity_u64",
        serialize_with = "json::write_u64",
        skip_serializing_if = "is_zero"
    )]
    pub nonce: u64,
    /// Contract code, or an EIP-7702 delegation.
    #[serde(default, deserialize_with = "json::bytes", skip_serializing_if = "no_code")]
    pub code: Bytes,
    /// Storage slots; a zero value is the same as none.
    #[serde(
        default,
        deserialize_with = "json::unique_map::<_, U256, json::Quantity, U256>",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub storage: BTreeMap<U256, U256>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes references
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn no_code(code: &Bytes) -> bool {
    code.is_empty()
}

/// The alloc: account by address.
pub(crate) type Alloc = BTreeMap<Address, AllocAccount>;

impl AllocAccount {
    /// The account as the state holds it.
    fn account(&self) -> Account {
        let code_hash = if self.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&self.code) };
        Account {
            nonce: self.nonce,
            balance: self.balance,
            code_hash,
            code_size: u32::try_from(self.code.len()).expect("code size was checked"),
        }
    }

    fn check(&self, address: Address) -> Result<(), GenesisError> {
        if self.nonce == u64::MAX {
            return Err(GenesisError::Nonce { address, nonce: self.nonce });
        }
        if self.code.len() > CODE_BYTES_MAX {
            let size = self.code.len();
            return Err(GenesisError::CodeSize { address, size, limit: CODE_BYTES_MAX });
        }
        let delegation = self.code.len() == 23 && self.code.starts_with(&[RESERVED_BYTE, 0x01, 0]);
        if self.code.first() == Some(&RESERVED_BYTE) && !delegation {
            return Err(GenesisError::CodeReserved { address });
        }
        // A contract created here would find slots that it never wrote; the executor relies on it.
        let nothing = self.nonce == 0 && self.code.is_empty();
        if nothing && self.storage.values().any(|value| !value.is_zero()) {
            return Err(GenesisError::StorageOfNothing { address });
        }
        Ok(())
    }
}

/// Checks every account, and that the sum of all balances fits 128 bits.
pub(crate) fn check(alloc: &Alloc) -> Result<(), GenesisError> {
    let mut total = U256::ZERO;
    for (address, account) in alloc {
        account.check(*address)?;
        total = total.saturating_add(account.balance);
        if total > U256::from(u128::MAX) {
            return Err(GenesisError::Supply { address: *address, total });
        }
    }
    Ok(())
}

/// The alloc as a change of the empty state. Accounts that are empty by EIP-161 are left out.
pub(crate) fn state_diff(alloc: &Alloc) -> StateDiff {
    let mut code: BTreeMap<B256, Bytes> = BTreeMap::new();
    let mut accounts = Vec::with_capacity(alloc.len());
    for (address, entry) in alloc {
        let account = entry.account();
        if account.is_empty() {
            continue;
        }
        if account.has_code() {
            code.insert(account.code_hash, entry.code.clone());
        }
        let slots = entry.storage.iter().filter(|(_, value)| !value.is_zero());
        let slots =
            slots.map(|(slot, after)| SlotDiff { slot: *slot, before: U256::ZERO, after: *after });
        accounts.push(AccountDiff {
            address: *address,
            before: None,
            after: Some(account),
            slots: slots.collect(),
        });
    }
    StateDiff { accounts, code: code.into_iter().collect() }
}
