//! What is dropped, to the block, and what never is.

use crate::maintenance::{grown, tools};
use weft_store::{Keep, Kept, LogQuery, Retention, Store, StoreError, StoreOptions};

const HALF: u64 = 10;
/// What a block of [`grown`] changes: six accounts, six slots and a code.
const CHANGES: u64 = 13;

fn keeping(blocks: u64) -> Retention {
    let keep = Keep::Blocks(blocks);
    Retention {
        history: keep,
        receipts: keep,
        logs: keep,
        access_lists: keep,
        records: keep,
        records_bytes: None,
    }
}

/// Table files that end right at the bound are not dropped whole.
#[test]
fn the_oldest_block_that_is_kept_may_be_the_last_one_of_its_file() {
    let directory = tempfile::tempdir().expect("a directory");
    // The tables hold the first half of the blocks.
    let chain = grown(directory.path(), 2 * HALF);
    let oldest = tools(directory.path()).prune(&keeping(HALF)).expect("dropped");
    assert_eq!(Kept::ALL.map(|kept| oldest.of(kept)), [HALF; 5]);
    let store = chain.open(directory.path()).expect("it opens");
    let kept = &chain.commits[HALF as usize - 1];
    assert_eq!(store.access_list(HALF).expect("readable").as_ref(), Some(&kept.access_list));
    assert_eq!(store.receipts(HALF).expect("readable").as_ref(), Some(&kept.receipts));
    assert_eq!(store.access_record(HALF).expect("readable").as_ref(), Some(&kept.access_record));
    assert!(matches!(store.access_list(HALF - 1), Err(StoreError::Pruned { .. })));
    chain.assert_stored(&store, 2 * HALF);
}

#[test]
fn what_lies_under_genesis_is_never_dropped() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path(), 2 * HALF);
    let _ = tools(directory.path()).prune(&keeping(3)).expect("dropped");
    let store = chain.open(directory.path()).expect("it opens");
    assert_eq!(store.receipts(0), Ok(Some(vec![])));
    assert_eq!(store.access_record(0), Ok(Some(Default::default())));
    assert_eq!(store.access_list(0), Ok(None), "it never had one");
    assert_eq!(store.profile(0), Ok(None));
    assert!(matches!(store.receipts(1), Err(StoreError::Pruned { .. })));
    assert!(matches!(store.state_at(0), Err(StoreError::Pruned { .. })), "its state is");
}

#[test]
fn what_was_dropped_before_a_restart_gives_its_room_back_after_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path(), HALF);
    let options = StoreOptions { retention: keeping(3), ..StoreOptions::devnet() };
    let store = Store::open(directory.path(), chain.genesis(), options).expect("it opens");
    let mut chain = chain;
    store.commit(chain.grow(&[])).expect("the block follows");
    assert_eq!(store.oldest().of(Kept::History), HALF - 3);
    drop(store);
    let tools = tools(directory.path());
    tools.compact().expect("merged");
    let report = tools.check().expect("readable");
    assert_eq!(report.findings, [""; 0]);
    assert!(report.history_entries <= 4 * CHANGES, "{report:?}");
}

#[test]
fn a_search_from_genesis_needs_the_index_from_block_1() {
    for (keep, first) in [(2 * HALF - 1, 1), (2 * HALF - 2, 2)] {
        let directory = tempfile::tempdir().expect("a directory");
        let chain = grown(directory.path(), 2 * HALF);
        let oldest = tools(directory.path()).prune(&keeping(keep)).expect("dropped");
        assert_eq!(oldest.of(Kept::Logs), first);
        let store = chain.open(directory.path()).expect("it opens");
        let found = store.heights_with_logs(&LogQuery::default(), 0, 2 * HALF);
        if first == 1 {
            assert_eq!(found.expect("nothing is missing"), (1..=2 * HALF).collect::<Vec<_>>());
        } else {
            let error = found.expect_err("block 1 is missing");
            assert_eq!(error, StoreError::Pruned { what: "logs", height: 0, oldest: 2 });
        }
    }
}
