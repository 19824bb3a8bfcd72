//! How long a transaction stays, what is told of it, and many at once.

use crate::support::{
    BLOCK_GAS, CHAIN_ID, GWEI, State, address, admit, hash, head, legacy, sign, transfer,
};
use weft_pool::{Admitted, Announcements, Origin, Pool, PoolError, PoolLimits, Standing, Waiting};
use weft_types::{B256, RecoveredTransaction};

const RICH: u128 = 1_000_000_000 * GWEI;
const BASE: u64 = GWEI as u64;

fn pool() -> Pool {
    Pool::new(CHAIN_ID, PoolLimits { lifetime_s: 100, ..PoolLimits::default() })
}

fn dropped(pool: &Pool, tx: &RecoveredTransaction) -> Option<(String, u64)> {
    match pool.standing(&hash(tx)) {
        Some(Standing::Dropped { reason, at }) => Some((reason, at)),
        _ => None,
    }
}

#[test]
fn a_fee_cap_below_the_base_fee_waits_and_goes_when_the_base_fee_falls() {
    let (pool, state) = (pool(), State::rich(&[1, 2], RICH));
    let tx = sign(1, transfer(0, GWEI / 2, 1));
    assert!(!admit(&pool, &state, tx.clone()).unwrap().ready);
    assert!(!admit(&pool, &state, sign(2, legacy(0, GWEI - 1))).unwrap().ready);
    let fee = Waiting::Fee { nonce: 0, max_fee: GWEI / 2, base_fee: BASE };
    assert_eq!(pool.standing(&hash(&tx)), Some(Standing::Queued(fee)));
    assert_eq!(
        fee.to_string(),
        "max fee per gas less than block base fee: nonce: 0, maxFeePerGas: 500000000, baseFee: 1000000000"
    );
    assert_eq!(pool.pending_nonce(&address(1), 0), 1, "a wallet goes on after it");
    assert!(pool.best(BASE, BLOCK_GAS).is_empty());
    pool.on_block(&[], &[], &state, &head(2, BASE - 1));
    assert_eq!(pool.ready_count(), 1, "the legacy one");
    pool.on_block(&[], &[], &state, &head(3, BASE / 2));
    assert_eq!(pool.standing(&hash(&tx)), Some(Standing::Ready));
}

#[test]
fn what_waits_for_its_lifetime_is_dropped_with_the_reason() {
    let (pool, state) = (pool(), State::rich(&[1, 2], RICH));
    pool.expire(1_000);
    let (ready, gap) = (sign(1, transfer(0, 2 * GWEI, 1)), sign(1, transfer(2, 2 * GWEI, 1)));
    admit(&pool, &state, ready.clone()).unwrap();
    admit(&pool, &state, gap.clone()).unwrap();
    pool.on_block(&[], &[], &state, &head(7, BASE));
    assert_eq!(pool.expire(1_060), 0);
    let late = sign(2, transfer(5, 2 * GWEI, 1));
    admit(&pool, &state, late.clone()).unwrap();
    assert_eq!(pool.expire(900), 0, "the clock does not go back");
    assert_eq!(pool.expire(1_099), 0);
    assert_eq!(pool.expire(1_100), 1);
    assert_eq!(
        dropped(&pool, &gap),
        Some(("waited in vain for 100 s: nonce 1 is missing".into(), 7))
    );
    assert_eq!(pool.standing(&hash(&ready)), Some(Standing::Ready), "what is ready has no age");
    assert_eq!(pool.expire(1_160), 1, "the other one came 60 seconds later");
    assert!(dropped(&pool, &late).is_some());
    assert_eq!(pool.len(), 1);
}

#[test]
fn a_transaction_that_was_ready_has_its_whole_life_before_it_when_it_waits_again() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    let tx = sign(1, transfer(0, 2 * GWEI, 1));
    admit(&pool, &state, tx.clone()).unwrap();
    pool.expire(5_000);
    pool.on_block(&[], &[], &state, &head(2, 2 * BASE + 1));
    assert_eq!(pool.expire(5_099), 0);
    assert_eq!(pool.expire(5_100), 1);
    assert!(
        dropped(&pool, &tx).unwrap().0.starts_with("waited in vain for 100 s: max fee per gas")
    );
}

#[test]
fn the_feed_tells_each_ready_transaction_once() {
    let (pool, state) = (pool(), State::rich(&[1, 2], RICH));
    let start = pool.announcements_end();
    let txs: Vec<_> = (0..3).map(|nonce| sign(1, transfer(nonce, 3 * GWEI, 10))).collect();
    admit(&pool, &state, txs[2].clone()).unwrap();
    admit(&pool, &state, txs[1].clone()).unwrap();
    assert!(pool.announcements(start, 9).hashes.is_empty(), "both wait");
    admit(&pool, &state, txs[0].clone()).unwrap();
    let first = pool.announcements(start, 9);
    assert_eq!(first.hashes, [hash(&txs[0]), hash(&txs[1]), hash(&txs[2])], "in nonce order");
    // They wait and are ready again: nothing new.
    pool.on_block(&[], &[], &state, &head(2, 4 * BASE));
    pool.on_block(&[], &[], &state, &head(3, BASE));
    assert_eq!(pool.ready_count(), 3);
    assert!(pool.announcements(first.next, 9).hashes.is_empty());
    let replacement = sign(1, transfer(1, 4 * GWEI, 20));
    pool.admit(replacement.clone(), Origin::Peer, &state, &head(3, BASE)).unwrap();
    let underpriced = sign(2, transfer(0, GWEI - 1, 1));
    pool.admit(underpriced.clone(), Origin::Peer, &state, &head(3, BASE)).unwrap();
    pool.on_block(&[], &[], &state, &head(4, BASE - 1));
    let second = pool.announcements(first.next, 9);
    assert_eq!(second.hashes, [hash(&replacement), hash(&underpriced)]);
    let end = Announcements { next: pool.announcements_end(), ..Announcements::default() };
    assert_eq!(pool.announcements(second.next, 9), end);
}

#[test]
fn a_discarded_transaction_leaves_with_the_callers_reason() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    let tx = sign(1, transfer(0, 2 * GWEI, 1));
    admit(&pool, &state, tx.clone()).unwrap();
    assert!(pool.discard(&hash(&tx), "asked for"));
    assert!(!pool.discard(&hash(&tx), "asked for"));
    assert_eq!(dropped(&pool, &tx), Some(("asked for".into(), 1)));
    assert_eq!(pool.sender(&hash(&tx)), Some(address(1)), "it need not be recovered again");
}

/// What is equal whether transactions came alone or together.
fn outcome(result: Result<Admitted, PoolError>) -> Result<(B256, bool), String> {
    result.map(|admitted| (admitted.hash, admitted.ready)).map_err(|error| error.to_string())
}

#[test]
fn many_at_once_have_the_outcome_of_one_by_one() {
    let state = State::rich(&[1, 2], 3 * 21_000 * 2 * GWEI);
    let batch: Vec<_> = [
        sign(1, transfer(0, 2 * GWEI, 1)),
        sign(1, transfer(1, 2 * GWEI, 1)),
        sign(1, transfer(1, 2 * GWEI, 1)),
        sign(1, transfer(1, 3 * GWEI, 2)),
        sign(2, transfer(1, 2 * GWEI, 1)),
        sign(2, transfer(0, 2 * GWEI, 1)),
        sign(3, transfer(0, 2 * GWEI, 1)),
        sign(1, transfer(9, 2 * GWEI, 1)),
        sign(1, transfer(10, 2 * GWEI, 1)),
    ]
    .into();
    let limits = PoolLimits { transactions: 4, ..PoolLimits::default() };
    let (alone, together) = (Pool::new(CHAIN_ID, limits.clone()), Pool::new(CHAIN_ID, limits));
    let head = head(1, BASE);
    let one_by_one: Vec<_> = batch
        .iter()
        .map(|tx| outcome(alone.admit(tx.clone(), Origin::Peer, &state, &head)))
        .collect();
    let at_once: Vec<_> =
        together.admit_all(batch, Origin::Peer, &state, &head).into_iter().map(outcome).collect();
    assert_eq!(at_once, one_by_one);
    assert_eq!(at_once.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    let order = |pool: &Pool| -> Vec<B256> {
        pool.best(BASE, BLOCK_GAS).iter().map(|tx| hash(tx)).collect()
    };
    assert_eq!(order(&alone), order(&together));
    assert_eq!(alone.status(), together.status());
}

#[test]
fn an_admitted_transaction_is_handed_back_without_a_copy() {
    let (pool, state) = (pool(), State::rich(&[1], RICH));
    let admitted = admit(&pool, &state, sign(1, transfer(0, 2 * GWEI, 1))).unwrap();
    let held = pool.get(&admitted.hash).unwrap();
    assert!(std::sync::Arc::ptr_eq(&held, &admitted.transaction));
}

#[test]
fn a_sender_is_recovered_from_the_signature_only_once() {
    let (pool, mut state) = (pool(), State::rich(&[1], RICH));
    // Its signature is not one of sender 1: recovering it would give somebody else.
    let tx = sign(1, transfer(0, 2 * GWEI, 1));
    let recover = |pool: &Pool| pool.recover(tx.inner().clone()).ok().map(|tx| tx.signer());
    assert_ne!(recover(&pool), Some(address(1)));
    admit(&pool, &state, tx.clone()).unwrap();
    assert_eq!(recover(&pool), Some(address(1)), "while it is held");
    state.set(1, 1, RICH);
    pool.on_block(&[(hash(&tx), address(1), 0)], &[], &state, &head(2, BASE));
    assert_eq!(recover(&pool), Some(address(1)), "when it comes again after its block");
    let other_chain = Pool::new(1, PoolLimits::default());
    assert!(other_chain.recover(tx.inner().clone()).is_err());
}

#[test]
fn the_position_counts_those_that_come_before() {
    let (pool, state) = (pool(), State::rich(&[1, 2, 3], RICH));
    // 1's second one has a high tip but stands behind a low one.
    let txs = [
        sign(1, transfer(0, 9 * GWEI, 2)),
        sign(1, transfer(1, 9 * GWEI, 8 * GWEI)),
        sign(2, transfer(0, 9 * GWEI, 3)),
        sign(3, transfer(0, 9 * GWEI, 2)),
        sign(3, transfer(5, 9 * GWEI, 9)),
    ];
    for tx in &txs {
        admit(&pool, &state, tx.clone()).unwrap();
    }
    let positions: Vec<_> = txs.iter().map(|tx| pool.position(&hash(tx))).collect();
    assert_eq!(positions, [Some(1), Some(2), Some(0), Some(3), None]);
    assert_eq!(pool.position(&B256::ZERO), None);
}
