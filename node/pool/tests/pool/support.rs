//! A state in memory and short spellings of transactions.

use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy};
use std::collections::BTreeMap;
use weft_pool::{Admitted, Origin, Pool, PoolError};
use weft_types::{
    Account, Address, B256, Bytes, Header, RecoveredTransaction, StateError, StateReader,
    Transaction, U256,
};

pub(crate) const CHAIN_ID: u64 = 31_337;
pub(crate) const BLOCK_GAS: u64 = 30_000_000;
pub(crate) const GWEI: u128 = 1_000_000_000;

/// State in memory; `broken` makes every read fail.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<Address, Account>,
    pub(crate) code: BTreeMap<B256, Bytes>,
    pub(crate) broken: bool,
}

impl State {
    /// Each of these senders has this balance and nonce 0.
    pub(crate) fn rich(senders: &[u8], balance: u128) -> Self {
        let mut state = Self::default();
        for sender in senders {
            state.set(*sender, 0, balance);
        }
        state
    }

    pub(crate) fn set(&mut self, sender: u8, nonce: u64, balance: u128) {
        let account = Account { nonce, balance: U256::from(balance), ..Account::default() };
        self.accounts.insert(address(sender), account);
    }

    pub(crate) fn set_code(&mut self, sender: u8, code: Bytes) {
        let account = self.accounts.entry(address(sender)).or_default();
        account.code_hash = alloy_primitives::keccak256(&code);
        account.code_size = code.len() as u32;
        self.code.insert(account.code_hash, code);
    }
}

impl StateReader for State {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        if self.broken {
            return Err(StateError::Read { reason: "disk on fire".into() });
        }
        Ok(self.accounts.get(address).copied())
    }
    fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }
    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        self.code.get(hash).cloned().ok_or(StateError::CodeMissing { hash: *hash })
    }
    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Ok(None)
    }
}

pub(crate) fn address(sender: u8) -> Address {
    Address::repeat_byte(sender)
}

/// A head whose next base fee is `base_fee` (its own, because it used exactly half of its gas).
pub(crate) fn head(number: u64, base_fee: u64) -> Header {
    Header {
        number,
        gas_limit: BLOCK_GAS,
        gas_used: BLOCK_GAS / 2,
        base_fee_per_gas: Some(base_fee),
        ..Header::default()
    }
}

/// A transfer of nothing.
pub(crate) fn transfer(nonce: u64, max_fee: u128, tip: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: tip,
        to: Address::ZERO.into(),
        ..TxEip1559::default()
    }
}

pub(crate) fn legacy(nonce: u64, gas_price: u128) -> TxLegacy {
    TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_limit: 21_000,
        gas_price,
        to: Address::ZERO.into(),
        ..TxLegacy::default()
    }
}

/// Says that a sender signed it. The signature is not a real one; the pool does not look at it.
/// The hash must tell senders apart, so the signature does.
pub(crate) fn sign<T>(sender: u8, tx: T) -> RecoveredTransaction
where
    T: SignableTransaction<alloy_primitives::Signature>,
    Transaction: From<alloy_consensus::Signed<T>>,
{
    // Both halves fill their 32 bytes, as those of real signatures do.
    let r = U256::from(u64::from(sender) + 1) << 248;
    let signature = alloy_primitives::Signature::new(r, U256::ONE << 248, false);
    RecoveredTransaction::new_unchecked(tx.into_signed(signature).into(), address(sender))
}

pub(crate) fn hash(tx: &RecoveredTransaction) -> B256 {
    *tx.inner().tx_hash()
}

/// Admits a transfer at a head with number 1 and a base fee of 1 gwei.
pub(crate) fn admit(
    pool: &Pool,
    state: &State,
    tx: RecoveredTransaction,
) -> Result<Admitted, PoolError> {
    pool.admit(tx, Origin::Rpc, state, &head(1, GWEI as u64))
}
