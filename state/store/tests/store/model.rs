//! Random blocks, reopened at random, against the chain in memory.

use crate::chain::{Chain, PEOPLE, SLOTS, Step};
use alloy_primitives::Bytes;
use proptest::prelude::*;

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_height_reads_as_the_model_says_and_a_reopened_store_is_the_same(
        blocks in prop::collection::vec(
            (prop::collection::vec(step(), 0..14), prop::bool::weighted(0.1)),
            1..24,
        ),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut chain = Chain::new(1);
        let mut store = chain.open(directory.path()).expect("a new store");
        let mut pinned = vec![store.head()];
        for (steps, reopen) in &blocks {
            let head = store.commit(chain.grow(steps)).expect("the block follows");
            prop_assert_eq!(head.block.height().0, chain.height());
            pinned.push(head);
            if *reopen {
                pinned.clear();
                drop(store);
                store = chain.open(directory.path()).expect("the store opens again");
                prop_assert_eq!(store.head().block.height().0, chain.height());
            }
        }
        for head in &pinned {
            let height = head.block.height().0;
            chain.states[height as usize].assert_read_by(head.state.as_ref(), height);
        }
        chain.assert_stored(&store, chain.height());
    }
}
