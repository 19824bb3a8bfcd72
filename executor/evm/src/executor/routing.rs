//! Whether a block is worth more than one worker. Nothing here changes a result.

use alloy_consensus::Transaction as _;
use std::sync::Arc;
use weft_types::RecoveredTransaction;

/// From what on a block is given to all workers; below it runs in order, on one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routing {
    /// Transactions: waking workers costs more than a few of them.
    transactions: u32,
    /// Transactions of a block of plain transfers, which take hardly longer than one worker takes to learn of another's.
    transfers: u32,
    /// The same where few senders make most of the transfers, as a mining pool's payouts: each of them reads and writes what
    /// another worker has just written, and no number of them makes up for that.
    payouts: u32,
    /// Gas that all transactions together may use: less takes some ten microseconds.
    gas: u64,
}

impl Default for Routing {
    fn default() -> Self {
        Self { transactions: 8, transfers: 256, payouts: u32::MAX, gas: 1_000_000 }
    }
}

impl Routing {
    /// In parallel from so many transactions on, whatever they are.
    pub(super) fn by_count(transactions: u32) -> Self {
        Self { transactions, transfers: transactions, payouts: transactions, gas: 0 }
    }

    /// Below how many transactions a block like this runs in order, when it has to be found out what depends on what.
    pub(super) fn speculative(&self, transactions: &[Arc<RecoveredTransaction>]) -> u32 {
        let least = self.with_list(transactions);
        let calls = transactions.iter().filter(|transaction| !transaction.input().is_empty());
        // One call in eight.
        if transactions.len() < least as usize || calls.count() * 8 >= transactions.len() {
            return least;
        }
        let transfers = if few_senders(transactions) { self.payouts } else { self.transfers };
        transfers.max(least)
    }

    /// The same where that is known.
    pub(super) fn with_list(&self, transactions: &[Arc<RecoveredTransaction>]) -> u32 {
        let mut limits = transactions.iter().map(|transaction| transaction.gas_limit());
        let mut gas = 0_u64;
        let much = limits.any(|limit| {
            gas = gas.saturating_add(limit);
            gas >= self.gas
        });
        if much { self.transactions } else { u32::MAX }
    }
}

/// Senders looked at, spread over the block.
const SAMPLE: usize = 32;

/// Whether a sample of the transactions has fewer than half as many senders.
fn few_senders(transactions: &[Arc<RecoveredTransaction>]) -> bool {
    let step = (transactions.len() / SAMPLE).max(1);
    let mut senders = Vec::with_capacity(SAMPLE);
    let mut looked_at = 0;
    for transaction in transactions.iter().step_by(step).take(SAMPLE) {
        let sender = transaction.signer();
        looked_at += 1;
        if !senders.contains(&sender) {
            senders.push(sender);
        }
    }
    senders.len() * 2 < looked_at
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::transaction::Recovered;
    use alloy_consensus::{Signed, TxLegacy};
    use alloy_primitives::{Address, Signature, TxKind};
    use weft_types::Transaction;

    /// Transactions of so many senders by turns; the first `calls` call something.
    fn block(
        count: u64,
        senders: u64,
        calls: u64,
        gas_limit: u64,
    ) -> Vec<Arc<RecoveredTransaction>> {
        let transaction = |index: u64| {
            let input = if index < calls { vec![1].into() } else { Default::default() };
            let to = TxKind::Call(Address::ZERO);
            let inner = TxLegacy { nonce: index, gas_limit, to, input, ..Default::default() };
            let signed = Signed::new_unhashed(inner, Signature::test_signature());
            let sender = Address::left_padding_from(&(index % senders).to_be_bytes());
            Arc::new(Recovered::new_unchecked(Transaction::Legacy(signed), sender))
        };
        (0..count).map(transaction).collect()
    }

    fn parallel(routing: &Routing, block: &[Arc<RecoveredTransaction>]) -> (bool, bool) {
        let reaches = |least: u32| block.len() >= least as usize;
        (reaches(routing.speculative(block)), reaches(routing.with_list(block)))
    }

    #[test]
    fn what_a_block_holds_decides_how_many_transactions_are_enough() {
        let routing = Routing::default();
        let of =
            |count, senders, calls, gas| parallel(&routing, &block(count, senders, calls, gas));
        assert_eq!(of(7, 7, 7, 1_000_000), (false, false), "too few");
        assert_eq!(of(8, 8, 8, 125_000), (true, true));
        assert_eq!(of(8, 8, 8, 124_999), (false, false), "too little gas");
        assert_eq!(of(255, 255, 0, 21_000), (false, true), "few transfers");
        assert_eq!(of(256, 256, 0, 21_000), (true, true), "enough of them");
        assert_eq!(of(80, 80, 9, 21_000), (false, true), "still transfers");
        assert_eq!(of(80, 80, 10, 21_000), (true, true), "calls among them");
        assert_eq!(of(80, 1, 10, 21_000), (true, true), "calls of one sender");
        // Every 256th is looked at, so all senders come.
        assert_eq!(of(8_192, 15, 0, 21_000), (false, true), "payouts");
        assert_eq!(of(8_192, 17, 0, 21_000), (true, true), "senders enough");
    }

    #[test]
    fn by_count_nothing_else_decides() {
        for (count, expected) in [(3, false), (4, true)] {
            let block = block(count, 1, 0, 21_000);
            assert_eq!(parallel(&Routing::by_count(4), &block), (expected, expected));
        }
    }
}
