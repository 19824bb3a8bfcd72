//! Readers beside the writer.

use crate::chain::{Chain, PEOPLE, SLOTS, Step, person};
use alloy_primitives::U256;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use weft_store::{Store, StoreOptions};
use weft_types::StateReader;

const BLOCKS: u64 = 400;

/// In block n everything that is still there becomes n; some of it is away in every third block.
fn steps(height: u64) -> Vec<Step> {
    let value = |who: u8| if (height + u64::from(who)).is_multiple_of(3) { 0 } else { height };
    (0..PEOPLE)
        .flat_map(|who| {
            let account = Step::Account { who, nonce: 0, balance: value(who) };
            let slot = move |slot| Step::Slot { who, slot, value: value(who) };
            std::iter::once(account).chain(SLOTS.map(slot))
        })
        .collect()
}

fn assert_is_at(state: &dyn StateReader, height: u64) {
    if height == 0 {
        return;
    }
    for step in steps(height) {
        match step {
            Step::Account { who, balance, .. } => {
                let account = state.account(&person(who)).expect("readable");
                let found = account.map_or(U256::ZERO, |account| account.balance);
                assert_eq!(found, U256::from(balance), "balance of {who} at {height}");
            }
            Step::Slot { who, slot, value } => {
                let found = state.storage(&person(who), &U256::from(slot)).expect("readable");
                assert_eq!(found, U256::from(value), "slot {slot} of {who} at {height}");
            }
            _ => unreachable!("only accounts and slots change"),
        }
    }
}

/// Reads pinned heads, old ones again and again, and heights of the past until the writer is done.
fn read(store: &Store, done: &AtomicBool, reads: &AtomicU64, seed: u64) {
    let mut held = vec![store.head()];
    let mut random = seed;
    while !done.load(Ordering::Acquire) {
        let head = store.head();
        let height = head.block.height().0;
        assert_is_at(head.state.as_ref(), height);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let old = &held[(random >> 33) as usize % held.len()];
        assert_is_at(old.state.as_ref(), old.block.height().0);
        let past = (random >> 33) % (height + 1);
        assert_is_at(store.state_at(past).expect("it exists").as_ref(), past);
        held.push(head);
        reads.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_reader_pinned_at_a_height_never_sees_another_height() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut chain = Chain::new(1);
    let options =
        StoreOptions { sync: false, write_buffer_bytes: 256 << 10, ..StoreOptions::devnet() };
    let store = Store::open(directory.path(), chain.genesis(), options).expect("a new store");
    let commits: Vec<_> = (1..=BLOCKS).map(|height| chain.grow(&steps(height))).collect();
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|seed| {
                scope.spawn({
                    let (store, done, reads) = (&store, &done, &reads);
                    move || read(store, done, reads, seed)
                })
            })
            .collect();
        let verifier = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                store.verify().expect("a consistent state beside commits");
            }
        });
        for commit in commits {
            store.commit(commit).expect("the block follows");
        }
        // Leave the readers the last head for a moment when the machine is busy.
        while reads.load(Ordering::Relaxed) < 8 && !readers.iter().any(|r| r.is_finished()) {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().expect("a reader saw another height");
        }
        verifier.join().expect("a verification failed");
    });
    assert!(reads.load(Ordering::Relaxed) >= 8);
}
