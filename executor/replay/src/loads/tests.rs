use super::*;
use crate::plain::PlainLoop;
use alloy_consensus::Transaction as _;
use weft_types::limits::TRANSACTION_GAS_MAX;

/// Gas of an average transaction: a change of these is a change of every figure that was measured with them.
const AVERAGE_GAS: [(&str, u64); 15] = [
    ("transfers", 21_000),
    ("erc20", 34_392),
    ("swaps", 156_184),
    ("one-pool", 120_522),
    ("hot-1", 34_392),
    ("hot-10", 34_392),
    ("hot-50", 34_392),
    ("one-sender", 21_000),
    ("deposits", 27_813),
    ("mints", 55_593),
    ("mixed", 48_253),
    ("mixed-giga", 48_901),
    ("small-1", 34_393),
    ("small-5", 50_730),
    ("small-20", 44_893),
];

/// Executes a load and returns the gas of each transaction; every one must succeed.
fn gas(load: &Load) -> Vec<u64> {
    let plain = PlainLoop::default();
    let receipts = plain.receipts(&load.input(), &load.state).expect("every transaction is valid");
    let failed: Vec<usize> =
        (0..receipts.len()).filter(|index| !receipts[*index].is_success()).collect();
    assert_eq!(failed, Vec::<usize>::new(), "{}", load.name);
    plain.run(&load.input(), &load.state, false).expect("it just ran").gas
}

#[test]
fn every_transaction_of_every_kind_succeeds_within_its_limits() {
    let mut average = Vec::new();
    for kind in KINDS {
        let load = kind.make();
        assert_eq!(load.name, kind.name);
        let gas = gas(&load);
        let count = gas.len();
        let total: u64 = gas.iter().sum();
        average.push((kind.name, total / count as u64));
        let limits = load.transactions.iter().map(|transaction| transaction.gas_limit());
        assert!(limits.clone().all(|limit| limit <= TRANSACTION_GAS_MAX), "{}", kind.name);
        assert_eq!(limits.sum::<u64>(), load.header.gas_limit);
    }
    assert_eq!(average, AVERAGE_GAS);
}

#[test]
fn a_kind_makes_the_same_block_every_time() {
    for kind in KINDS.iter().filter(|kind| !kind.large) {
        let (first, second) = (kind.make(), kind.make());
        assert_eq!(first.header, second.header, "{}", kind.name);
        assert_eq!(first.transactions, second.transactions, "{}", kind.name);
    }
}

#[test]
fn hot_transfers_are_as_many_as_the_name_says_and_spread_over_the_block() {
    for (name, hot_percent) in [("hot-1", 1), ("hot-10", 10), ("hot-50", 50)] {
        let load = Kind::find(name).expect("it is in the table").make();
        let target = |index: usize| load.transactions[index].input().slice(4..36);
        // The first transaction of every hundred goes to the hot holder.
        let hot = target(0);
        for hundred in 0..load.transactions.len() / 100 {
            let found = (0..100).filter(|n| target(100 * hundred + n) == hot).count();
            assert_eq!(found, hot_percent, "{name}: hundred {hundred}");
        }
    }
}
