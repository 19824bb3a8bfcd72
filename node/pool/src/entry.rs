//! One transaction as the pool holds it.

use alloy_consensus::Transaction as _;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, U256};
use std::sync::Arc;
use weft_types::RecoveredTransaction;

/// Where a transaction came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody asked this node to send it: this node announces it again until it is included.
    Rpc,
    /// A peer announced it.
    Peer,
}

/// A transaction with what the pool computes once.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) transaction: Arc<RecoveredTransaction>,
    pub(crate) hash: B256,
    /// Encoded size in bytes.
    pub(crate) size: usize,
    /// Place in the order of arrival; unique in one pool.
    pub(crate) sequence: u64,
    /// What the sender must have in the worst case, in wei.
    pub(crate) cost: U256,
    pub(crate) origin: Origin,
}

impl Entry {
    pub(crate) fn new(transaction: RecoveredTransaction, origin: Origin, sequence: u64) -> Self {
        Self {
            hash: *transaction.inner().tx_hash(),
            size: transaction.inner().encode_2718_len(),
            sequence,
            cost: worst_case_cost(&transaction),
            origin,
            transaction: Arc::new(transaction),
        }
    }

    pub(crate) fn sender(&self) -> Address {
        self.transaction.signer()
    }

    pub(crate) fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    pub(crate) fn max_fee(&self) -> u128 {
        self.transaction.max_fee_per_gas()
    }

    /// Tip field of the transaction; the gas price for those that have none.
    pub(crate) fn tip(&self) -> u128 {
        self.transaction.max_priority_fee_per_gas().unwrap_or_else(|| self.max_fee())
    }

    /// What a proposer earns per gas at this base fee; negative when the fee cap is below it.
    pub(crate) fn effective_tip(&self, base_fee: u64) -> i128 {
        let signed = |fee: u128| i128::try_from(fee).unwrap_or(i128::MAX);
        (signed(self.max_fee()) - i128::from(base_fee)).min(signed(self.tip()))
    }
}

/// `gasLimit * maxFeePerGas + value` in wei, saturated: no balance reaches the limit.
pub(crate) fn worst_case_cost(transaction: &RecoveredTransaction) -> U256 {
    let gas = U256::from(transaction.gas_limit());
    let fees = gas * U256::from(transaction.max_fee_per_gas());
    fees.saturating_add(transaction.value())
}
