//! The perfect schedule: how fast a block could be executed by workers that know all dependencies and lose no time.
//!
//! List scheduling, lowest index first (Graham 1969): a free worker takes the lowest transaction all of whose predecessors
//! are done. A transaction depends on another when it read what that one wrote, as the access record says: balance, nonce,
//! code and slots each for themselves, and balances only where an instruction looked.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use weft_types::{AccessRecord, Location, RecoveredTransaction, TxIndex, Writer};

/// The record without what is known before execution: a transaction carries the nonce that its sender will have, so it need
/// not wait for the sender's earlier ones.
///
/// `transactions` are those of the record, in the same order.
#[must_use]
pub fn foreseeable(
    record: &AccessRecord,
    transactions: &[Arc<RecoveredTransaction>],
) -> AccessRecord {
    let mut record = record.clone();
    for (access, transaction) in record.transactions.iter_mut().zip(transactions) {
        let own = Location::Nonce { address: transaction.signer() };
        access.reads.retain(|read| read.location != own);
    }
    record
}

/// Time until the last transaction is done, in the unit of `weights`, on so many workers.
///
/// # Panics
/// When there are fewer weights than transactions.
#[must_use]
pub fn makespan(record: &AccessRecord, weights: &[u64], workers: usize) -> u64 {
    let count = record.transactions.len();
    let mut waits_for = vec![0u32; count];
    let mut waited_for_by: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (index, transaction) in record.transactions.iter().enumerate() {
        let mut writers: Vec<u32> = transaction
            .reads
            .iter()
            .filter_map(|read| match read.from {
                Writer::Base => None,
                Writer::Transaction(TxIndex(writer)) => Some(writer),
            })
            .collect();
        writers.sort_unstable();
        writers.dedup();
        waits_for[index] = writers.len() as u32;
        for writer in writers {
            waited_for_by[writer as usize].push(index as u32);
        }
    }
    let mut ready: BinaryHeap<Reverse<u32>> =
        (0..count as u32).filter(|index| waits_for[*index as usize] == 0).map(Reverse).collect();
    let mut running: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let mut now = 0;
    loop {
        while running.len() < workers.max(1)
            && let Some(Reverse(index)) = ready.pop()
        {
            running.push(Reverse((now + weights[index as usize], index)));
        }
        let Some(Reverse((end, index))) = running.pop() else { return now };
        now = end;
        for reader in &waited_for_by[index as usize] {
            waits_for[*reader as usize] -= 1;
            if waits_for[*reader as usize] == 0 {
                ready.push(Reverse(*reader));
            }
        }
    }
}

/// The speed-up of the perfect schedule: the weight of all transactions over the time until the last one is done. 1 for a
/// block without weight.
///
/// # Panics
/// As [`makespan`].
#[must_use]
pub fn best_speedup(record: &AccessRecord, weights: &[u64], workers: usize) -> f64 {
    let work: u64 = weights[..record.transactions.len()].iter().sum();
    match makespan(record, weights, workers) {
        0 => 1.0,
        time => work as f64 / time as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, U256};
    use weft_types::{ReadAccess, TransactionAccess};

    fn record(dependencies: &[&[u32]]) -> AccessRecord {
        let read = |from: &u32| ReadAccess {
            location: Location::Storage { address: Address::ZERO, slot: U256::from(*from) },
            from: Writer::Transaction(TxIndex(*from)),
        };
        let transactions = dependencies
            .iter()
            .map(|from| TransactionAccess {
                reads: from.iter().map(read).collect(),
                ..TransactionAccess::default()
            })
            .collect();
        AccessRecord { transactions }
    }

    #[test]
    fn independent_transactions_fill_the_workers_in_order() {
        let record = record(&[&[], &[], &[], &[]]);
        assert_eq!(makespan(&record, &[3, 1, 1, 4], 1), 9);
        // 3 and 1, then 1 beside the 3, then 4 at time 2: lowest first is not the best, which would be 5.
        assert_eq!(makespan(&record, &[3, 1, 1, 4], 2), 6);
        assert_eq!(makespan(&record, &[3, 1, 1, 4], 32), 4);
        assert_eq!(best_speedup(&record, &[3, 1, 1, 4], 2), 1.5);
    }

    #[test]
    fn a_chain_takes_its_whole_weight_on_any_number_of_workers() {
        let record = record(&[&[], &[0], &[1]]);
        assert_eq!(makespan(&record, &[2, 3, 4], 16), 9);
        assert_eq!(best_speedup(&record, &[2, 3, 4], 16), 1.0);
    }

    #[test]
    fn a_worker_passes_over_what_still_waits() {
        let record = record(&[&[], &[0], &[], &[]]);
        // 0 runs 5; 1 waits for it; 2 and 3 run meanwhile on the other worker.
        assert_eq!(makespan(&record, &[5, 2, 2, 2], 2), 7);
    }

    #[test]
    fn with_workers_for_all_the_time_is_the_critical_path() {
        let mut record = record(&[&[], &[0], &[0], &[1, 2], &[]]);
        let weights = [10, 5, 20, 10, 12];
        for (transaction, weight) in record.transactions.iter_mut().zip(weights) {
            transaction.gas_used = weight;
        }
        assert_eq!(makespan(&record, &weights, 5), record.critical_path().0);
    }

    #[test]
    fn no_transactions_take_no_time() {
        assert_eq!(makespan(&AccessRecord::default(), &[], 4), 0);
        assert_eq!(best_speedup(&AccessRecord::default(), &[], 4), 1.0);
    }

    #[test]
    fn only_the_own_nonce_is_foreseeable() {
        use alloy_consensus::{SignableTransaction, TxLegacy};
        let sender = Address::repeat_byte(7);
        let signature = alloy_primitives::Signature::test_signature();
        let transaction = TxLegacy::default().into_signed(signature).into();
        let transaction = Arc::new(RecoveredTransaction::new_unchecked(transaction, sender));
        let from = Writer::Transaction(TxIndex(0));
        let own = ReadAccess { location: Location::Nonce { address: sender }, from };
        let other =
            ReadAccess { location: Location::Nonce { address: Address::repeat_byte(8) }, from };
        let mut record = record(&[&[], &[]]);
        record.transactions[1].reads = vec![own, other];
        let left = foreseeable(&record, &[Arc::clone(&transaction), transaction]);
        assert_eq!(left.transactions[1].reads, [other]);
    }
}
