//! A state moved to another store in chunks, and the blocks after it by their lists.

use crate::chain::{Chain, PEOPLE, SLOTS, Step, code, person};
use alloy_primitives::U256;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::path::Path;
use std::sync::Arc;
use weft_commitment::sync::{Plan, SyncError};
use weft_store::{
    Anchor, BlockCommit, Export, Import, Keep, ListedBlock, Retention, Store, StoreError,
    StoreOptions,
};

const BLOCKS: u64 = 6;

pub(crate) fn options() -> StoreOptions {
    StoreOptions { sync: false, ..StoreOptions::devnet() }
}

/// Everybody exists, with slots on both sides of 64, code of several groups, and delegations.
fn first_block() -> Vec<Step> {
    let everybody = (0..PEOPLE).map(|who| Step::Account { who, nonce: 1, balance: 7 });
    let slots = (0..PEOPLE).flat_map(|who| SLOTS.map(|slot| Step::Slot { who, slot, value: 5 }));
    let long: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
    let mut gap = vec![0u8; 16_000];
    gap[15_990] = 1;
    let codes = [
        code(2, &long),
        code(3, &gap),
        code(4, &[0; 90]),
        code(5, &[&[0xef, 1, 0][..], person(9).as_slice()].concat()),
    ];
    everybody.chain(slots).chain(codes).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0u8..PEOPLE;
    prop_oneof![
        3 => (who.clone(), 1u64..4, 0u64..4)
            .prop_map(|(who, nonce, balance)| Step::Account { who, nonce, balance }),
        1 => (who.clone(), prop::collection::vec(any::<u8>(), 1..9000))
            .prop_map(|(who, bytes)| code(who, &bytes)),
        5 => (who, prop::sample::select(&SLOTS[..]), 0u64..3)
            .prop_map(|(who, slot, value)| Step::Slot { who, slot, value }),
    ]
}

pub(crate) fn listed(commit: &BlockCommit) -> ListedBlock {
    ListedBlock {
        block: commit.block.clone(),
        senders: commit.senders.clone(),
        certificate: commit.certificate.clone(),
        receipts: commit.receipts.clone(),
        access_list: commit.access_list.clone(),
    }
}

/// A store with some blocks, and what it exports.
pub(crate) fn exporting(directory: &Path, leaves_max: u32) -> (Chain, Arc<Store>, Export) {
    let mut chain = Chain::new(1);
    let store = Store::open(directory, chain.genesis(), options()).expect("a new store");
    store.commit(chain.grow(&first_block())).expect("the block follows");
    for height in 2..=BLOCKS {
        let steps: Vec<Step> =
            (0..4).map(|who| Step::Account { who, nonce: height, balance: height }).collect();
        store.commit(chain.grow(&steps)).expect("the block follows");
    }
    let export = store.export(leaves_max).expect("exportable");
    (chain, store, export)
}

pub(crate) fn chunk(export: &Export, place: usize) -> Vec<u8> {
    export.chunk(place).expect("readable").expect("the plan has it")
}

/// Imports everything, the last chunk first.
pub(crate) fn imported(chain: &Chain, export: &Export, directory: &Path) -> Arc<Store> {
    let plan = Plan::from_bytes(export.plan().as_bytes().to_vec()).expect("a plan");
    let anchor = export.anchor().clone();
    let mut import = Import::begin(directory, anchor, &plan, &options()).expect("empty");
    for place in (0..export.chunks()).rev() {
        import.take(place, &chunk(export, place)).expect("an honest chunk");
        import.take(place, b"once is enough").expect("passed over");
    }
    assert_eq!(import.missing().count(), 0);
    import.finish(chain.genesis()).expect("complete");
    Store::open(directory, chain.genesis(), options()).expect("it has the head's root")
}

/// The head, its state and everything that was asked of the store since the anchor.
fn assert_same(chain: &Chain, store: &Store, head: u64) {
    let current = store.head();
    assert_eq!(current.block.as_ref(), chain.block(head));
    assert_eq!(store.verify().expect("the state is whole"), current.tree.root());
    chain.states[head as usize].assert_read_by(current.state.as_ref(), head);
    for height in 0..=head {
        let header = chain.block(height).header();
        assert_eq!(store.header(height).expect("readable").as_ref(), Some(header), "{height}");
    }
}

#[test]
fn a_state_moves_in_chunks_and_goes_on_by_lists_for_twenty_blocks() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut chain, source, export) = exporting(from.path(), 40);
    assert!(export.chunks() > 10, "{} chunks", export.chunks());
    let store = imported(&chain, &export, to.path());
    assert_same(&chain, &store, BLOCKS);
    assert!(matches!(store.state_at(BLOCKS - 1), Err(StoreError::Pruned { .. })));
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..20 {
        let steps = prop::collection::vec(step(), 0..12);
        let steps = steps.new_tree(&mut runner).expect("steps").current();
        let commit = chain.grow(&steps);
        source.commit(commit.clone()).expect("the block follows");
        let head = store.commit_listed(listed(&commit)).expect("its list leads to its root");
        assert_eq!(head.tree.root(), commit.tree.root());
        assert_eq!(head.block.as_ref(), &commit.block);
    }
    let head = BLOCKS + 20;
    assert_same(&chain, &store, head);
    chain.states[BLOCKS as usize + 7]
        .assert_read_by(store.state_at(BLOCKS + 7).expect("kept").as_ref(), BLOCKS + 7);
    assert_eq!(store.access_record(head).expect("readable"), None, "nothing was executed");
    assert_eq!(store.receipts(head), source.receipts(head));
    drop(store);
    let store = Store::open(to.path(), chain.genesis(), options()).expect("it opens again");
    assert_same(&chain, &store, head);
    // And executes from there on.
    store.commit(chain.grow(&first_block())).expect("the block follows");
    assert_same(&chain, &store, head + 1);
    // What was exported before stays what it was.
    let third = tempfile::tempdir().unwrap();
    assert_same(&chain, &imported(&chain, &export, third.path()), BLOCKS);
}

#[test]
fn a_damaged_chunk_is_refused_by_name_and_an_honest_one_taken_afterwards() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (chain, _source, export) = exporting(from.path(), 40);
    let anchor = export.anchor().clone();
    let mut import = Import::begin(to.path(), anchor, export.plan(), &options()).expect("empty");
    for place in 0..export.chunks() {
        let honest = chunk(&export, place);
        let mut damaged = honest.clone();
        let middle = honest.len() / 2;
        damaged[middle] ^= 0x10;
        let other = chunk(&export, (place + 1) % export.chunks());
        for wrong in [&damaged[..], &honest[..middle], &other, b""] {
            let error = import.take(place, wrong).expect_err("refused");
            let StoreError::Sync(SyncError::Chunk { place: named, .. }) = &error else {
                panic!("{error}")
            };
            assert_eq!(*named, place);
            assert!(error.to_string().starts_with(&format!("chunk {place} is refused")), "{error}");
        }
        import.take(place, &honest).expect("honest");
    }
    let beyond = export.chunks();
    assert!(matches!(import.take(beyond, b""), Err(StoreError::Sync(SyncError::Chunk { .. }))));
    import.finish(chain.genesis()).expect("complete");
    let store = Store::open(to.path(), chain.genesis(), options()).expect("whole");
    assert_same(&chain, &store, BLOCKS);
}

#[test]
fn an_import_that_is_not_finished_is_no_store() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (chain, _source, export) = exporting(from.path(), 40);
    let begin = |directory: &Path| {
        Import::begin(directory, export.anchor().clone(), export.plan(), &options())
    };
    let mut import = begin(to.path()).expect("empty");
    import.take(0, &chunk(&export, 0)).expect("honest");
    let error = import.finish(chain.genesis()).expect_err("most chunks are missing");
    assert!(error.to_string().starts_with("chunk 1 is refused: it has not arrived"), "{error}");
    let error = Store::open(to.path(), chain.genesis(), options()).expect_err("not whole");
    assert!(error.to_string().contains("an import was not finished"), "{error}");
    assert!(begin(to.path()).is_err(), "it is not empty");
    assert!(matches!(begin(from.path()), Err(StoreError::Locked { .. })));
}

#[test]
fn an_anchor_or_a_plan_that_does_not_fit_is_refused() {
    let from = tempfile::tempdir().unwrap();
    let (_chain, _source, export) = exporting(from.path(), 40);
    let honest = export.anchor().clone();
    let changes: [fn(&mut Anchor); 6] = [
        |anchor| drop(anchor.ancestors.remove(0)),
        |anchor| anchor.ancestors.truncate(2),
        |anchor| anchor.ancestors[2].gas_limit += 1,
        |anchor| anchor.certificate = None,
        |anchor| anchor.senders.truncate(anchor.senders.len().saturating_sub(1)),
        |anchor| anchor.receipts.truncate(anchor.receipts.len().saturating_sub(1)),
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let mut anchor = honest.clone();
        let before = anchor.clone();
        change(&mut anchor);
        let to = tempfile::tempdir().unwrap();
        let begun = Import::begin(to.path(), anchor.clone(), export.plan(), &options());
        let refused = matches!(begun, Err(StoreError::Inconsistent { .. }));
        assert!(refused || anchor == before, "change {place}");
    }
    let mut bytes = export.plan().as_bytes().to_vec();
    for place in 0..bytes.len() {
        bytes[place] ^= 1;
        let plan = Plan::from_bytes(bytes.clone()).expect("short");
        // The numbers of leaves are hints; all else is verified.
        if let Ok(sections) = plan.sections(honest.block.header().state_root) {
            assert_eq!(sections.len(), export.chunks());
        }
        bytes[place] ^= 1;
    }
}

/// The tree says nothing about how long a code is.
#[test]
fn a_code_of_another_length_is_noticed_when_everything_has_arrived() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (chain, _source, export) = exporting(from.path(), 1 << 16);
    let mut chunk = chunk(&export, 0);
    let size = [&[0x82], &20_000u16.to_be_bytes()[..]].concat();
    let places: Vec<usize> =
        (0..chunk.len() - 3).filter(|place| chunk[*place..place + 3] == size[..]).collect();
    assert!(!places.is_empty(), "the size is said with each group");
    for place in places {
        chunk[place + 2] += 1;
    }
    let anchor = export.anchor().clone();
    let mut import = Import::begin(to.path(), anchor, export.plan(), &options()).expect("empty");
    import.take(0, &chunk).expect("the leaves are right");
    let error = import.finish(chain.genesis()).expect_err("another code");
    assert!(error.to_string().contains("of 20001 bytes has hash"), "{error}");
}

#[test]
fn a_list_that_lies_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut chain, store, _) = exporting(directory.path(), 40);
    let commit = chain.grow(&[Step::Account { who: 1, nonce: 9, balance: 9 }]);
    let good = listed(&commit);
    let mut other = good.clone();
    other.access_list = chain.commits[1].access_list.clone();
    assert!(matches!(store.commit_listed(other), Err(StoreError::NoList { .. })));
    let mut less = good.clone();
    less.senders.clear();
    less.receipts.clear();
    let bodiless = less.block.transactions().is_empty();
    assert!(bodiless || matches!(store.commit_listed(less), Err(StoreError::Inconsistent { .. })));
    assert_eq!(store.head().block.height().0, BLOCKS);
    store.commit_listed(good.clone()).expect("honest");
    assert!(matches!(store.commit_listed(good), Err(StoreError::WrongParent { .. })));
}

#[test]
fn an_export_ends_with_the_history_that_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(1);
    let retention = Retention { history: Keep::Blocks(3), ..Retention::ARCHIVE };
    let options = StoreOptions { retention, ..options() };
    let store = Store::open(directory.path(), chain.genesis(), options).expect("a new store");
    store.commit(chain.grow(&first_block())).expect("the block follows");
    let export = store.export(40).expect("exportable");
    let before = chunk(&export, 0);
    for nonce in 2..4 {
        store.commit(chain.grow(&[Step::Account { who: 1, nonce, balance: 1 }])).expect("follows");
        assert_eq!(chunk(&export, 0), before);
    }
    for nonce in 4..9 {
        store.commit(chain.grow(&[Step::Account { who: 1, nonce, balance: 1 }])).expect("follows");
    }
    let gone = export.chunk(0);
    assert!(matches!(gone, Err(StoreError::Pruned { .. })), "{gone:?}");
}

#[test]
fn a_code_of_zeros_which_has_no_leaves_is_moved_too() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (chain, _source, export) = exporting(from.path(), 1 << 16);
    assert_eq!(export.chunks(), 1, "a small state is one chunk");
    let store = imported(&chain, &export, to.path());
    let head = store.head();
    let account = head.state.account(&person(4)).expect("readable").expect("it exists");
    assert_eq!(head.state.code(&account.code_hash).expect("stored")[..], [0; 90]);
    assert_eq!(head.state.storage(&person(4), &U256::from(300)).expect("readable"), U256::from(5));
}
