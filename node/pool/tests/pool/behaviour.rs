//! What the pool does with what it admitted.

use crate::support::{
    BLOCK_GAS, CHAIN_ID, GWEI, State, address, admit, hash, head, legacy, sign, transfer,
};
use alloy_consensus::{Transaction as _, TxEip1559};
use alloy_primitives::U256;
use std::sync::Arc;
use weft_pool::{Origin, Pool, PoolLimits, PoolStatus, Standing, Waiting};
use weft_types::{B256, RecoveredTransaction};

const RICH: u128 = 1_000_000_000 * GWEI;
const BASE: u64 = GWEI as u64;

fn pool() -> Pool {
    Pool::new(CHAIN_ID, PoolLimits::default())
}

/// Sender (its repeated byte) and nonce of each.
fn names(transactions: &[Arc<RecoveredTransaction>]) -> Vec<(u8, u64)> {
    transactions.iter().map(|tx| (tx.signer()[0], tx.nonce())).collect()
}

#[test]
fn the_best_come_by_effective_tip_then_by_arrival_and_each_sender_in_nonce_order() {
    let (pool, state) = (pool(), State::rich(&[1, 2, 3, 4], RICH));
    for tx in [
        sign(1, transfer(1, 9 * GWEI, 8 * GWEI)),
        sign(2, transfer(0, 9 * GWEI, 3)),
        sign(1, transfer(0, 9 * GWEI, 2)),
        sign(3, transfer(0, 9 * GWEI, 3)),
        // A tip of 50 gwei, of which the fee cap leaves 4 wei.
        sign(4, transfer(0, GWEI + 4, GWEI + 4)),
    ] {
        admit(&pool, &state, tx).unwrap();
    }
    let order = names(&pool.best(BASE, BLOCK_GAS));
    assert_eq!(order, [(4, 0), (2, 0), (3, 0), (1, 0), (1, 1)]);
    let cheaper = names(&pool.best(BASE - 2, BLOCK_GAS));
    assert_eq!(cheaper, order, "the same order while the fee caps suffice");
    let dearer = names(&pool.best(BASE + 2, BLOCK_GAS));
    assert_eq!(dearer, [(2, 0), (3, 0), (1, 0), (1, 1), (4, 0)], "1 came before 4");
    let dearest = names(&pool.best(BASE + 5, BLOCK_GAS));
    assert_eq!(dearest, [(2, 0), (3, 0), (1, 0), (1, 1)], "4 waits for a lower base fee");
}

#[test]
fn a_legacy_transaction_tips_what_its_price_leaves_above_the_base_fee() {
    let (pool, state) = (pool(), State::rich(&[1, 2], RICH));
    admit(&pool, &state, sign(1, transfer(0, 9 * GWEI, 10))).unwrap();
    admit(&pool, &state, sign(2, legacy(0, GWEI + 11))).unwrap();
    assert_eq!(names(&pool.best(BASE, BLOCK_GAS)), [(2, 0), (1, 0)]);
    assert_eq!(names(&pool.best(BASE + 2, BLOCK_GAS)), [(1, 0), (2, 0)]);
}

#[test]
fn the_best_stop_at_twice_the_gas_of_a_block() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    for nonce in 0..5 {
        admit(&pool, &state, sign(1, transfer(nonce, 2 * GWEI, 1))).unwrap();
    }
    assert_eq!(pool.best(BASE, 42_000).len(), 4);
    assert_eq!(pool.best(BASE, 52_499).len(), 4);
    assert_eq!(pool.best(BASE, 52_500).len(), 5);
    assert_eq!(pool.best(BASE, 0).len(), 0);
}

#[test]
fn the_best_stop_at_half_the_bytes_of_a_body() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    let large = |nonce| TxEip1559 {
        input: vec![0; 120_000].into(),
        gas_limit: 2_000_000,
        ..transfer(nonce, 2 * GWEI, 1)
    };
    for nonce in 0..80 {
        admit(&pool, &state, sign(1, large(nonce))).unwrap();
    }
    assert_eq!(pool.best(BASE, u64::MAX).len(), 8 * 1024 * 1024 / 120_119);
}

#[test]
fn a_transaction_behind_a_gap_waits_until_it_is_filled() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    let behind = sign(1, transfer(2, 2 * GWEI, 1));
    assert!(!admit(&pool, &state, behind.clone()).unwrap().ready);
    let waits = Standing::Queued(Waiting::Nonce { missing: 0 });
    assert_eq!(pool.standing(&hash(&behind)), Some(waits));
    assert_eq!(pool.pending_nonce(&address(1), 0), 0);
    assert!(admit(&pool, &state, sign(1, transfer(0, 2 * GWEI, 1))).unwrap().ready);
    assert_eq!(pool.pending_nonce(&address(1), 0), 1);
    let waits = Standing::Queued(Waiting::Nonce { missing: 1 });
    assert_eq!(pool.standing(&hash(&behind)), Some(waits));
    assert!(admit(&pool, &state, sign(1, transfer(1, 2 * GWEI, 1))).unwrap().ready);
    assert_eq!(pool.standing(&hash(&behind)), Some(Standing::Ready));
    assert_eq!(pool.pending_nonce(&address(1), 0), 3);
    assert_eq!(pool.pending_nonce(&address(2), 7), 7, "nothing is held of 2");
    let status = PoolStatus { ready: 3, queued: 0, bytes: pool.status().bytes };
    assert_eq!(pool.status(), status);
}

#[test]
fn a_transaction_that_the_sender_cannot_pay_beside_the_earlier_ones_waits() {
    let cost = 21_000 * 2 * GWEI;
    let (pool, mut state) = (pool(), State::rich(&[1], cost * 2 - 1));
    assert!(admit(&pool, &state, sign(1, transfer(0, 2 * GWEI, 1))).unwrap().ready);
    let second = sign(1, transfer(1, 2 * GWEI, 1));
    assert!(!admit(&pool, &state, second.clone()).unwrap().ready);
    let (have, want) = (U256::from(cost * 2 - 1), U256::from(cost * 2));
    let waits = Standing::Queued(Waiting::Funds { nonce: 1, have, want });
    assert_eq!(pool.standing(&hash(&second)), Some(waits));
    assert_eq!(pool.pending_nonce(&address(1), 0), 2, "a wallet goes on after it");
    state.set(1, 0, cost * 2);
    pool.on_block(&[], &[address(1)], &state, &head(2, BASE));
    assert_eq!(pool.standing(&hash(&second)), Some(Standing::Ready));
}

#[test]
fn the_base_fee_of_a_new_head_decides_what_is_ready() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    let tx = sign(1, transfer(0, 2 * GWEI, 1));
    admit(&pool, &state, tx.clone()).unwrap();
    admit(&pool, &state, sign(1, transfer(1, 9 * GWEI, 1))).unwrap();
    pool.on_block(&[], &[], &state, &head(2, 2 * BASE + 1));
    let (max_fee, base_fee) = (2 * GWEI, 2 * BASE + 1);
    let waits = Standing::Queued(Waiting::Fee { nonce: 0, max_fee, base_fee });
    assert_eq!(pool.standing(&hash(&tx)), Some(waits));
    assert_eq!((pool.ready_count(), pool.len()), (0, 2));
    pool.on_block(&[], &[], &state, &head(3, 2 * BASE));
    assert_eq!(pool.ready_count(), 2);
}

#[test]
fn a_block_takes_out_what_it_includes_and_what_it_makes_impossible() {
    let (pool, mut state) = (pool(), State::rich(&[1, 2], RICH));
    let txs: Vec<_> = (0..3).map(|nonce| sign(1, transfer(nonce, 2 * GWEI, 1))).collect();
    let other = sign(2, transfer(0, 2 * GWEI, 1));
    for tx in txs.iter().chain([&other]) {
        admit(&pool, &state, tx.clone()).unwrap();
    }
    state.set(1, 2, RICH);
    state.set(2, 1, RICH);
    // The block holds another transaction of 2 with nonce 0.
    let foreign = B256::repeat_byte(0xee);
    let included =
        [(hash(&txs[0]), address(1), 0), (hash(&txs[1]), address(1), 1), (foreign, address(2), 0)];
    pool.on_block(&included, &[], &state, &head(2, BASE));
    assert_eq!(names(&pool.best(BASE, BLOCK_GAS)), [(1, 2)]);
    assert_eq!(pool.standing(&hash(&txs[0])), None, "included is not dropped");
    let reason = "nonce too low: next nonce 1, tx nonce 0".to_owned();
    assert_eq!(pool.standing(&hash(&other)), Some(Standing::Dropped { reason, at: 2 }));
    assert_eq!(pool.sender(&hash(&txs[0])), Some(address(1)), "still known for verification");
    assert_eq!(pool.sender(&foreign), Some(address(2)));
    assert_eq!(pool.sender(&B256::ZERO), None);
    assert_eq!(pool.get(&hash(&txs[0])), None);
}

#[test]
fn a_block_whose_state_cannot_be_read_still_takes_out_what_it_includes() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    let txs: Vec<_> = (0..3).map(|nonce| sign(1, transfer(nonce, 2 * GWEI, 1))).collect();
    for tx in &txs {
        admit(&pool, &state, tx.clone()).unwrap();
    }
    let broken = State { broken: true, ..state };
    pool.on_block(&[(hash(&txs[0]), address(1), 0)], &[], &broken, &head(2, BASE));
    assert_eq!(names(&pool.best(BASE, BLOCK_GAS)), [(1, 1), (1, 2)]);
}

#[test]
fn an_older_head_does_not_bring_back_older_accounts() {
    let (pool, mut state) = (pool(), State::rich(&[1], RICH));
    admit(&pool, &state, sign(1, transfer(2, 2 * GWEI, 1))).unwrap();
    state.set(1, 2, RICH);
    pool.on_block(&[], &[address(1)], &state, &head(5, BASE));
    assert_eq!(pool.ready_count(), 1);
    let old = State::rich(&[1], RICH);
    let late = pool.admit(sign(1, transfer(1, 2 * GWEI, 1)), Origin::Rpc, &old, &head(4, BASE));
    assert_eq!(late.unwrap_err().to_string(), "nonce too low: next nonce 2, tx nonce 1");
    pool.on_block(&[], &[address(1)], &old, &head(4, BASE));
    assert_eq!(pool.ready_count(), 1);
    assert_eq!(pool.pending_nonce(&address(1), 0), 3);
}

#[test]
fn of_a_senders_invalid_transactions_only_the_first_is_dropped() {
    let (pool, state) = (pool(), State::rich(&[1, 2], RICH));
    let txs: Vec<_> = (0..3).map(|nonce| sign(1, transfer(nonce, 2 * GWEI, 1))).collect();
    for tx in &txs {
        admit(&pool, &state, tx.clone()).unwrap();
    }
    let skipped = [
        (hash(&txs[2]), "nonce too high".to_owned()),
        (hash(&txs[1]), "lack of funds".to_owned()),
        (B256::ZERO, "unknown".to_owned()),
    ];
    pool.drop_invalid(&skipped);
    let reason = "lack of funds".to_owned();
    assert_eq!(pool.standing(&hash(&txs[1])), Some(Standing::Dropped { reason, at: 1 }));
    let waits = Standing::Queued(Waiting::Nonce { missing: 1 });
    assert_eq!(pool.standing(&hash(&txs[2])), Some(waits));
    assert_eq!(pool.standing(&B256::ZERO), None);
    admit(&pool, &state, txs[1].clone()).unwrap();
    assert_eq!(pool.standing(&hash(&txs[1])), Some(Standing::Ready), "admitted again");
}

#[test]
fn a_remembered_reason_is_cut_between_characters() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    let tx = sign(1, transfer(0, 2 * GWEI, 1));
    admit(&pool, &state, tx.clone()).unwrap();
    pool.drop_invalid(&[(hash(&tx), format!("x{}", "ü".repeat(500)))]);
    let Some(Standing::Dropped { reason, .. }) = pool.standing(&hash(&tx)) else { panic!() };
    assert_eq!(reason.len(), 255);
}

#[test]
fn a_replacement_takes_the_place_and_the_old_one_is_remembered_as_dropped() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    let old = admit(&pool, &state, sign(1, transfer(0, 2 * GWEI, 10))).unwrap();
    admit(&pool, &state, sign(1, transfer(1, 2 * GWEI, 10))).unwrap();
    let new = admit(&pool, &state, sign(1, transfer(0, 3 * GWEI, 11))).unwrap();
    assert_eq!((new.replaced, new.ready), (Some(old.hash), true));
    assert_eq!((pool.len(), pool.ready_count()), (2, 2));
    let reason = "replaced by a transaction with the same nonce".to_owned();
    assert_eq!(pool.standing(&old.hash), Some(Standing::Dropped { reason, at: 1 }));
    assert_eq!(pool.get_by_nonce(&address(1), 0).map(|tx| hash(&tx)), Some(new.hash));
}

#[test]
fn a_full_pool_gives_up_waiting_ones_first_then_the_lowest_tip_from_the_end() {
    let limits = PoolLimits { transactions: 4, ..PoolLimits::default() };
    let (pool, state) = (Pool::new(CHAIN_ID, limits), State::rich(&[1, 2, 3, 4], RICH));
    let waiting = sign(1, transfer(7, 9 * GWEI, 8 * GWEI));
    let two = [sign(2, transfer(0, 9 * GWEI, 1)), sign(2, transfer(1, 9 * GWEI, 50))];
    let three = sign(3, transfer(0, 9 * GWEI, 20));
    for tx in [&waiting, &two[0], &two[1], &three] {
        admit(&pool, &state, tx.clone()).unwrap();
    }
    let first = admit(&pool, &state, sign(4, transfer(0, 9 * GWEI, 30))).unwrap();
    assert_eq!(first.evicted, [hash(&waiting)], "the highest tip, but it waits");
    let second = admit(&pool, &state, sign(4, transfer(1, 9 * GWEI, 30))).unwrap();
    assert_eq!(second.evicted, [hash(&three)], "2 has a lower tip, but not at its end");
    let refused = admit(&pool, &state, sign(3, transfer(0, 9 * GWEI, 30)));
    assert_eq!(refused.unwrap_err().code(), 802, "nobody is worse");
    let third = admit(&pool, &state, sign(3, transfer(0, 9 * GWEI, 51))).unwrap();
    assert_eq!(third.evicted, [hash(&sign(4, transfer(1, 9 * GWEI, 30)))]);
    assert_eq!(names(&pool.best(BASE, BLOCK_GAS)), [(3, 0), (4, 0), (2, 0), (2, 1)]);
    let gap = admit(&pool, &state, sign(1, transfer(9, 99 * GWEI, 98 * GWEI)));
    assert_eq!(gap.unwrap_err().code(), 802, "what waits never pushes out what is ready");
}

#[test]
fn a_full_pool_gives_up_nothing_of_the_newcomers_own_sender() {
    let limits = PoolLimits { transactions: 2, ..PoolLimits::default() };
    let (pool, state) = (Pool::new(CHAIN_ID, limits), State::rich(&[1, 2], RICH));
    admit(&pool, &state, sign(1, transfer(0, 9 * GWEI, 1))).unwrap();
    admit(&pool, &state, sign(2, transfer(0, 9 * GWEI, 5))).unwrap();
    let refused = admit(&pool, &state, sign(1, transfer(1, 9 * GWEI, 4)));
    assert_eq!(refused.unwrap_err().code(), 802, "without its first one it could not run");
    let admitted = admit(&pool, &state, sign(1, transfer(1, 9 * GWEI, 6))).unwrap();
    assert_eq!(admitted.evicted, [hash(&sign(2, transfer(0, 9 * GWEI, 5)))]);
    assert_eq!(names(&pool.best(BASE, BLOCK_GAS)), [(1, 0), (1, 1)]);
}

#[test]
fn a_dearer_replacement_makes_those_behind_it_wait_for_funds() {
    let cost = 21_000 * 2 * GWEI;
    let (pool, state) = (pool(), State::rich(&[1], cost * 2));
    admit(&pool, &state, sign(1, transfer(0, 2 * GWEI, 1))).unwrap();
    admit(&pool, &state, sign(1, transfer(1, 2 * GWEI, 1))).unwrap();
    assert_eq!(pool.ready_count(), 2);
    admit(&pool, &state, sign(1, transfer(0, 3 * GWEI, 2))).unwrap();
    assert_eq!(pool.ready_count(), 1);
    assert_eq!(names(&pool.best(BASE, BLOCK_GAS)), [(1, 0)]);
}

#[test]
fn a_large_newcomer_displaces_several_or_nobody() {
    let state = State::rich(&[1, 2, 3], RICH);
    let fill = |pool: &Pool| {
        for (sender, nonce, tip) in [(1, 0, 10), (1, 1, 10), (2, 0, 5), (2, 1, 5)] {
            admit(pool, &state, sign(sender, transfer(nonce, 9 * GWEI, tip))).unwrap();
        }
        pool.status()
    };
    let bytes_max = fill(&pool()).bytes;
    let pool = Pool::new(CHAIN_ID, PoolLimits { bytes_max, ..PoolLimits::default() });
    let full = fill(&pool);
    let large = |tip| TxEip1559 {
        input: vec![0; 200].into(),
        gas_limit: 30_000,
        ..transfer(0, 9 * GWEI, tip)
    };
    let refused = admit(&pool, &state, sign(3, large(7)));
    assert_eq!(refused.unwrap_err().code(), 802, "the two worse ones are not enough");
    assert_eq!(pool.status(), full, "and so they stay");
    let admitted = admit(&pool, &state, sign(3, large(11))).unwrap();
    let gone = [(2, 1, 5), (2, 0, 5), (1, 1, 10)];
    let gone = gone.map(|(s, n, tip)| hash(&sign(s, transfer(n, 9 * GWEI, tip))));
    assert_eq!(admitted.evicted, gone);
    assert!(pool.status().bytes <= bytes_max);
}

#[test]
fn only_what_this_node_was_asked_to_send_is_announced_again() {
    let (pool, state) = (pool(), State::rich(&[1, 2], RICH));
    let head = head(1, BASE);
    let local = [sign(2, transfer(0, 2 * GWEI, 1)), sign(2, transfer(1, 9 * GWEI, 9))];
    let foreign = sign(1, transfer(0, 9 * GWEI, 1));
    pool.admit(local[0].clone(), Origin::Rpc, &state, &head).unwrap();
    pool.admit(foreign.clone(), Origin::Peer, &state, &head).unwrap();
    pool.admit(local[1].clone(), Origin::Rpc, &state, &head).unwrap();
    pool.admit(sign(1, transfer(9, 9 * GWEI, 1)), Origin::Rpc, &state, &head).unwrap();
    assert_eq!(names(&pool.local_ready(10)), [(2, 0), (2, 1)]);
    assert_eq!(names(&pool.local_ready(1)), [(2, 0)]);
    let ready = [hash(&local[0]), hash(&foreign), hash(&local[1])];
    assert_eq!(pool.ready_hashes(), ready, "in order of arrival");
}

#[test]
fn the_content_is_split_into_ready_and_waiting_by_sender() {
    let (pool, state) = (pool(), State::rich(&[1, 2], RICH));
    for (sender, nonce) in [(1, 0), (1, 2), (2, 1)] {
        admit(&pool, &state, sign(sender, transfer(nonce, 2 * GWEI, 1))).unwrap();
    }
    let content = pool.content();
    let split: Vec<_> = content.values().map(|c| (names(&c.ready), names(&c.queued))).collect();
    assert_eq!(split, [(vec![(1, 0)], vec![(1, 2)]), (vec![], vec![(2, 1)])]);
    assert_eq!(names(&pool.content_from(&address(1)).queued), [(1, 2)]);
    assert!(pool.content_from(&address(9)).ready.is_empty());
}

#[test]
fn many_threads_lose_nothing() {
    let senders: Vec<u8> = (1..=4).collect();
    let (pool, state) = (pool(), State::rich(&senders, RICH));
    std::thread::scope(|scope| {
        for sender in &senders {
            let (pool, state) = (&pool, &state);
            scope.spawn(move || {
                for nonce in (0..100).rev() {
                    admit(pool, state, sign(*sender, transfer(nonce, 2 * GWEI, 1))).unwrap();
                    assert!(pool.best(BASE, BLOCK_GAS).len() <= 400);
                }
            });
        }
    });
    assert_eq!((pool.len(), pool.ready_count()), (400, 400));
}
