//! Random blocks, reopened at random, against the chain in memory.

use crate::chain::{Chain, PEOPLE, SLOTS, Step};
use alloy_primitives::Bytes;
use proptest::prelude::*;
use weft_store::{Keep, Retention, Store, StoreOptions};

fn step() -> impl Strategy<Value = Step> {
    let who = 0u8..PEOPLE;
    let code = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..100).prop_map(Bytes::from),
        any::<[u8; 20]>().prop_map(|to| Bytes::from([&[0xef, 1, 0][..], &to].concat())),
    ];
    prop_oneof![
        3 => (who.clone(), 0u64..3, 0u64..4)
            .prop_map(|(who, nonce, balance)| Step::Account { who, nonce, balance }),
        1 => (who.clone(), code).prop_map(|(who, code)| Step::Code { who, code }),
        5 => (who.clone(), prop::sample::select(&SLOTS[..]), 0u64..3)
            .prop_map(|(who, slot, value)| Step::Slot { who, slot, value }),
        1 => who.prop_map(|who| Step::Delete { who }),
    ]
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![1 => Just(Keep::All), 2 => (1u64..12).prop_map(Keep::Blocks)]
}

fn retention() -> impl Strategy<Value = Retention> {
    let room = prop::option::of(0u64..3_000);
    (keep(), keep(), keep(), keep(), keep(), room).prop_map(
        |(history, receipts, logs, access_lists, records, records_bytes)| Retention {
            history,
            receipts,
            logs,
            access_lists,
            records,
            records_bytes,
        },
    )
}

/// What happens after a block.
#[derive(Clone, Copy, Debug)]
enum Then {
    GoOn,
    Reopen,
    /// Table files are merged, and what is not kept is gone.
    Merge,
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![8 => Just(Then::GoOn), 1 => Just(Then::Reopen), 1 => Just(Then::Merge)]
}

/// A cache of a few entries has to forget, one of none is never asked.
fn options() -> impl Strategy<Value = StoreOptions> {
    (retention(), prop::sample::select(&[0usize, 4 << 10, 1 << 20][..]), 0usize..3).prop_map(
        |(retention, state_cache_bytes, read_threads)| StoreOptions {
            retention,
            state_cache_bytes,
            read_threads,
            ..StoreOptions::devnet()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_height_reads_as_the_model_says_and_a_reopened_store_is_the_same(
        options in options(),
        blocks in prop::collection::vec((prop::collection::vec(step(), 0..14), then()), 1..32),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut chain = Chain::new(1);
        let open = |chain: &Chain| Store::open(directory.path(), chain.genesis(), options.clone());
        let mut store = open(&chain).expect("a new store");
        let mut pinned = vec![store.head()];
        for (steps, then) in &blocks {
            let head = store.commit(chain.grow(steps)).expect("the block follows");
            prop_assert_eq!(head.block.height().0, chain.height());
            // Reads fill the cache with values that the next block may change.
            chain.states[chain.height() as usize].assert_read_by(head.state.as_ref(), chain.height());
            pinned.push(head);
            match then {
                Then::GoOn => {}
                Then::Reopen => {
                    pinned.clear();
                    drop(store);
                    store = open(&chain).expect("the store opens again");
                    prop_assert_eq!(store.head().block.height().0, chain.height());
                }
                Then::Merge => store.compact().expect("files are merged"),
            }
        }
        let oldest = store.oldest().of(weft_store::Kept::History);
        for head in pinned.iter().filter(|head| head.block.height().0 >= oldest) {
            let height = head.block.height().0;
            chain.states[height as usize].assert_read_by(head.state.as_ref(), height);
        }
        chain.assert_stored(&store, chain.height());
    }
}
