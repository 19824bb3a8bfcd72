//! An account as the state holds it.

use alloy_primitives::{B256, KECCAK256_EMPTY, U256};
use borsh::{BorshDeserialize, BorshSerialize};

/// Nonce, balance and code of one account. Storage slots are separate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// Number of transactions sent (and contracts created).
    pub nonce: u64,
    /// Balance in wei. Fits 128 bits: genesis refuses a larger supply.
    pub balance: U256,
    /// keccak256 of the code; `KECCAK256_EMPTY` for an account without code.
    pub code_hash: B256,
    /// Length of the code in bytes (23 for an EIP-7702 delegation).
    pub code_size: u32,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY, code_size: 0 }
    }
}

impl Account {
    /// Empty in the sense of EIP-161: such an account is the same as none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }

    /// Whether the account has code or a delegation.
    #[must_use]
    pub fn has_code(&self) -> bool {
        self.code_hash != KECCAK256_EMPTY
    }
}
