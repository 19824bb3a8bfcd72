//! Senders that pools of one process tell each other.

use crate::recent::Recent;
use alloy_primitives::{Address, B256};
use parking_lot::Mutex;

/// Senders recovered from signatures, by transaction hash: for several validators in one process, of
/// which each would recover the same ones. The hash covers the signature, so one that was recovered
/// once is right for all. Bounded: the oldest are forgotten.
#[derive(Debug)]
pub struct Senders(Mutex<Recent<Address>>);

impl Senders {
    /// Remembers at most `limit` senders.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Mutex::new(Recent::new(limit)))
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<Address> {
        self.0.lock().get(hash).copied()
    }

    pub(crate) fn insert(&self, hash: B256, sender: Address) {
        self.0.lock().insert(hash, sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pool, PoolLimits};
    use alloy_consensus::{SignableTransaction, TxEip1559};
    use alloy_primitives::{Signature, U256};
    use std::sync::Arc;
    use weft_types::Transaction;

    #[test]
    fn what_one_pool_recovered_the_others_take_over() {
        let tx = TxEip1559 { chain_id: 5, gas_limit: 21_000, ..TxEip1559::default() };
        let signature = Signature::new(U256::from(1), U256::from(1), false);
        let tx: Transaction = tx.into_signed(signature).into();
        let senders = Arc::new(Senders::new(4));
        let pool = || Pool::new(5, PoolLimits::default());
        let recovered = pool().sharing(Arc::clone(&senders)).recover(tx.clone()).unwrap().signer();
        assert_eq!(senders.get(tx.tx_hash()), Some(recovered));
        // In the place of the right one, to see where it comes from.
        senders.insert(*tx.tx_hash(), Address::repeat_byte(3));
        let taken = pool().sharing(senders).recover(tx.clone()).unwrap().signer();
        assert_eq!(taken, Address::repeat_byte(3));
        assert_eq!(pool().recover(tx).unwrap().signer(), recovered, "one that shares nothing");
    }
}
