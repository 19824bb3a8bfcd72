//! One transaction as the pool holds it.

use alloy_consensus::Transaction as _;
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

/// A transaction with what the pool computes once: nothing below reads the envelope again.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) transaction: Arc<RecoveredTransaction>,
    pub(crate) hash: B256,
    pub(crate) sender: Address,
    pub(crate) nonce: u64,
    pub(crate) gas_limit: u64,
    /// Encoded size in bytes.
    pub(crate) size: usize,
    /// Place in the order of arrival; unique in one pool.
    pub(crate) sequence: u64,
    /// What the sender must have in the worst case, in wei.
    pub(crate) cost: U256,
    pub(crate) origin: Origin,
    /// When it arrived or was last seen ready, in seconds of the pool's clock.
    pub(crate) since: u64,
    /// Whether the feed of ready transactions has it.
    pub(crate) announced: bool,
    max_fee: u128,
    tip: u128,
}

impl Entry {
    /// `size` is the encoded size in bytes, `cost` what [`worst_case_cost`] says.
    pub(crate) fn new(
        transaction: Arc<RecoveredTransaction>,
        size: usize,
        cost: U256,
        origin: Origin,
        sequence: u64,
        since: u64,
    ) -> Self {
        let max_fee = transaction.max_fee_per_gas();
        Self {
            hash: *transaction.inner().tx_hash(),
            sender: transaction.signer(),
            nonce: transaction.nonce(),
            gas_limit: transaction.gas_limit(),
            size,
            sequence,
            cost,
            origin,
            since,
            announced: false,
            max_fee,
            tip: transaction.max_priority_fee_per_gas().unwrap_or(max_fee),
            transaction,
        }
    }

    pub(crate) const fn max_fee(&self) -> u128 {
        self.max_fee
    }

    /// Tip field of the transaction; the gas price for those that have none.
    pub(crate) const fn tip(&self) -> u128 {
        self.tip
    }

    /// What a proposer earns per gas at this base fee; negative when the fee cap is below it.
    pub(crate) fn effective_tip(&self, base_fee: u64) -> i128 {
        let signed = |fee: u128| i128::try_from(fee).unwrap_or(i128::MAX);
        (signed(self.max_fee) - i128::from(base_fee)).min(signed(self.tip))
    }
}

/// `gasLimit * maxFeePerGas + value` in wei, saturated: no balance reaches the limit.
pub(crate) fn worst_case_cost(transaction: &RecoveredTransaction) -> U256 {
    let gas = U256::from(transaction.gas_limit());
    let fees = gas * U256::from(transaction.max_fee_per_gas());
    fees.saturating_add(transaction.value())
}
