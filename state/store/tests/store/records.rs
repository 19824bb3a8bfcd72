//! The room that records may take.

use crate::chain::{Chain, Step};
use crate::maintenance::{grown, tools};
use std::path::Path;
use std::sync::Arc;
use weft_store::{BlockCommit, Keep, Kept, Retention, Store, StoreOptions};

const BLOCKS: u64 = 40;

/// Bytes that the store keeps of the record of a block.
fn bytes(commit: &BlockCommit) -> u64 {
    let record = borsh::to_vec(&commit.access_record).expect("it encodes").len();
    let profile = commit
        .profile
        .as_ref()
        .map_or(0, |profile| serde_json::to_vec(profile).expect("it encodes").len());
    (record + profile) as u64
}

/// The lowest height from which on the records of the blocks up to `head` have at most `room`.
fn expected(chain: &Chain, head: u64, room: u64) -> u64 {
    let mut sum = 0;
    let newest_first = chain.commits[..head as usize].iter().rev();
    let fits = newest_first.take_while(|commit| {
        sum += bytes(commit);
        sum <= room
    });
    head + 1 - fits.count() as u64
}

fn within(room: u64) -> Retention {
    Retention { records: Keep::Blocks(1_000), records_bytes: Some(room), ..Retention::ARCHIVE }
}

fn open(chain: &Chain, path: &Path, room: u64) -> Arc<Store> {
    let options = StoreOptions { retention: within(room), ..StoreOptions::devnet() };
    Store::open(path, chain.genesis(), options).expect("it opens")
}

#[test]
fn records_are_dropped_when_they_take_more_room_than_they_may_also_over_restarts() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut chain = Chain::new(7);
    let steps = |height: u64| -> Vec<Step> {
        let account = |who| Step::Account { who, nonce: height, balance: height };
        (0..(height % 6) as u8).map(account).collect()
    };
    let room = 1_500;
    let mut store = open(&chain, directory.path(), room);
    let mut moved = 0;
    for height in 1..=BLOCKS {
        let before = store.oldest().of(Kept::Records);
        store.commit(chain.grow(&steps(height))).expect("the block follows");
        let oldest = store.oldest().of(Kept::Records);
        moved += u64::from(oldest > before);
        // What is dropped is dropped before the block is written, at least to the room, at most by a hundredth more.
        let head = height - 1;
        let (least, most) =
            (expected(&chain, head, room), expected(&chain, head, room - room / 100));
        assert!(oldest == before || (least..=most).contains(&oldest), "{oldest} at {height}");
        assert!(head == 0 || oldest.max(1) >= least, "{oldest} at {height}, expected {least}");
        chain.assert_stored(&store, height);
        if height % 7 == 0 {
            drop(store);
            store = open(&chain, directory.path(), room);
            assert_eq!(store.oldest().of(Kept::Records), oldest);
        }
    }
    assert!(moved > 5, "{moved}");
    assert!(store.oldest().of(Kept::Receipts) == 0, "nothing else is dropped");
    drop(store);
    assert_eq!(tools(directory.path()).check().expect("readable").findings, [""; 0]);
}

#[test]
fn the_bound_holds_for_records_of_before_and_for_pruning_to_the_byte() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path(), BLOCKS);
    let all: u64 = chain.commits.iter().map(bytes).sum();
    for (room, first) in [(all, 0), (all - 1, 2), (all / 2, 0), (all / 10, 0), (1, BLOCKS)] {
        let oldest = tools(directory.path()).prune(&within(room)).expect("dropped");
        let wanted = match first {
            0 if room == all => 0,
            0 => expected(&chain, BLOCKS, room),
            first => first,
        };
        assert_eq!(oldest.of(Kept::Records), wanted, "{room} of {all} bytes");
    }
    let store = chain.open(directory.path()).expect("it opens");
    let newest = store.access_record(BLOCKS).expect("readable");
    assert_eq!(newest, Some(chain.commits[BLOCKS as usize - 1].access_record.clone()));
    chain.assert_stored(&store, BLOCKS);
}

#[test]
fn records_that_are_kept_for_ever_are_not_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    grown(directory.path(), BLOCKS);
    let retention = Retention { records_bytes: Some(1), ..Retention::ARCHIVE };
    let oldest = tools(directory.path()).prune(&retention).expect("nothing to do");
    assert_eq!(oldest.of(Kept::Records), 0);
}
