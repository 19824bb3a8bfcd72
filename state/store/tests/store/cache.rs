//! What is read ahead and what is cached is what the database says.

use crate::chain::{Chain, PEOPLE, SLOTS, Step, code, person};
use alloy_primitives::{Address, U256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weft_store::{Keep, Kept, Retention, Store, StoreError, StoreOptions};
use weft_types::{StateError, StateReader, Touched};

fn open(chain: &Chain, path: &std::path::Path, options: StoreOptions) -> Arc<Store> {
    Store::open(path, chain.genesis(), options).expect("the store opens")
}

fn everything() -> Vec<Touched> {
    let one = |who| {
        let slots = SLOTS.map(|slot| Touched::Slot(person(who), U256::from(slot)));
        std::iter::once(Touched::Account(person(who))).chain(slots)
    };
    // Twice, and one that does not exist.
    let all = (0..PEOPLE).flat_map(one).chain([Touched::Account(Address::ZERO)]);
    all.clone().chain(all).collect()
}

fn wait_for(store: &Store, prefetched: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.cache_stats().prefetched < prefetched {
        assert!(Instant::now() < deadline, "{:?}", store.cache_stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_was_read_ahead_is_there_and_right_at_this_height_and_the_next() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut chain = Chain::new(1);
    let options = StoreOptions { read_threads: 3, ..StoreOptions::devnet() };
    let store = open(&chain, directory.path(), options.clone());
    store.commit(chain.grow(&[code(3, &[1, 2, 3]), code(5, &[9; 40])])).expect("a block");
    drop(store);
    let store = open(&chain, directory.path(), options);
    let head = store.head();
    head.state.prefetch(Box::new(everything));
    // Accounts with one that does not exist, slots with those that are zero, codes: 1, 3 and 5 have one.
    let accounts = u64::from(PEOPLE) + 1;
    wait_for(&store, accounts + u64::from(PEOPLE) * SLOTS.len() as u64 + 3);
    let before = store.cache_stats();
    chain.states[1].assert_read_by(head.state.as_ref(), 1);
    assert_eq!(store.cache_stats().misses, before.misses, "everything is there");

    let steps: Vec<Step> = (0..PEOPLE)
        .flat_map(|who| {
            [Step::Account { who, nonce: 7, balance: 70 }, Step::Slot { who, slot: 63, value: 8 }]
        })
        .chain([Step::Delete { who: 2 }])
        .collect();
    let next = store.commit(chain.grow(&steps)).expect("a block");
    chain.states[2].assert_read_by(next.state.as_ref(), 2);
    assert_eq!(store.cache_stats().misses, before.misses, "a commit leaves its values");
    chain.states[1].assert_read_by(head.state.as_ref(), 1);
    chain.states[1].assert_read_by(store.state_at(1).expect("kept").as_ref(), 1);
}

#[test]
fn what_is_asked_for_an_older_height_does_not_reach_the_cache() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut chain = Chain::new(1);
    let store = open(&chain, directory.path(), StoreOptions::devnet());
    let old = store.head();
    let steps: Vec<Step> =
        (0..PEOPLE).map(|who| Step::Account { who, nonce: 1, balance: 5 }).collect();
    store.commit(chain.grow(&steps)).expect("a block");
    old.state.prefetch(Box::new(everything));
    for _ in 0..50 {
        chain.states[0].assert_read_by(old.state.as_ref(), 0);
        chain.states[1].assert_read_by(store.head().state.as_ref(), 1);
    }
}

/// Readers fill the cache with all their might while blocks change the same few keys.
#[test]
fn readers_and_prefetch_never_leave_an_old_value_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut chain = Chain::new(1);
    let options =
        StoreOptions { sync: false, state_cache_bytes: 8 << 10, ..StoreOptions::devnet() };
    let store = open(&chain, directory.path(), options);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    let head = store.head();
                    head.state.prefetch(Box::new(everything));
                    for who in 0..PEOPLE {
                        let _ = head.state.account(&person(who)).expect("readable");
                        let _ = head.state.storage(&person(who), &U256::from(1)).expect("readable");
                    }
                }
            });
        }
        for height in 1..300u64 {
            let change = |who| {
                [
                    Step::Account { who, nonce: height, balance: height },
                    Step::Slot { who, slot: 1, value: height },
                ]
            };
            let who = (height % u64::from(PEOPLE)) as u8;
            let steps = [change(who), change((who + 5) % PEOPLE)].concat();
            let head = store.commit(chain.grow(&steps)).expect("the block follows");
            chain.states[height as usize].assert_read_by(head.state.as_ref(), height);
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    });
    chain.assert_stored(&store, 299);
}

#[test]
fn a_reader_that_outlives_its_history_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut chain = Chain::new(1);
    let retention = Retention { history: Keep::Blocks(2), ..Retention::ARCHIVE };
    let options = StoreOptions { retention, ..StoreOptions::devnet() };
    let store = open(&chain, directory.path(), options);
    let mut heads = Vec::new();
    for height in 1..=8u64 {
        let steps: Vec<Step> =
            (0..4).map(|who| Step::Account { who, nonce: height, balance: 1 }).collect();
        heads.push(store.commit(chain.grow(&steps)).expect("the block follows"));
        store.compact().expect("files are merged");
    }
    assert_eq!(store.oldest().of(Kept::History), 5);
    for head in &heads {
        let height = head.block.height().0;
        if height < 5 {
            let expected = StateError::Pruned { height, oldest: 5 };
            assert_eq!(head.state.account(&person(0)), Err(expected.clone()));
            assert_eq!(head.state.storage(&person(0), &U256::from(1)), Err(expected));
            let error = store.state_at(height).err().expect("dropped");
            assert_eq!(error, StoreError::Pruned { what: "history", height, oldest: 5 });
        } else {
            chain.states[height as usize].assert_read_by(head.state.as_ref(), height);
        }
    }
    // A longer retention does not bring back what is gone.
    drop((store, heads));
    let store = open(&chain, directory.path(), StoreOptions::devnet());
    assert_eq!(store.oldest().of(Kept::History), 5);
    chain.assert_stored(&store, 8);
}
