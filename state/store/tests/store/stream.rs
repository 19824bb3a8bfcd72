//! A state and the blocks after it as files.

use crate::chain::{Chain, Step, code, person};
use crate::maintenance::{grown, tamper};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use weft_commitment::sync::SyncError;
use weft_store::{
    Anchor, Import, ListedBlock, Maintenance, Store, StoreError, StoreOptions, Stream,
};
use weft_types::{Address, Transaction};

const BLOCKS: u64 = 12;

fn options() -> StoreOptions {
    StoreOptions { sync: false, ..StoreOptions::devnet() }
}

/// The transactions of these tests are not really signed.
fn senders(transactions: &[Transaction]) -> Result<Vec<Address>, String> {
    Ok((0..transactions.len()).map(|place| person(place as u8)).collect())
}

/// Makes a store of the files of a stream.
fn imported(chain: &Chain, stream: &Stream, directory: &Path) -> Arc<Store> {
    let anchor = stream.anchor(&senders).expect("an anchor");
    let plan = stream.plan().expect("a plan");
    let mut import = Import::begin(directory, anchor, &plan, &options()).expect("empty");
    let places: Vec<usize> = import.missing().collect();
    for place in places {
        import.take(place, &stream.chunk(place).expect("a file")).expect("an honest chunk");
    }
    import.finish(chain.genesis()).expect("complete");
    Store::open(directory, chain.genesis(), options()).expect("whole")
}

fn findings(directory: &Path) -> Vec<String> {
    let tools = Maintenance::open(directory, &options()).expect("it opens");
    tools.check().expect("readable").findings
}

fn catch_up(store: &Store, stream: &Stream) -> u64 {
    loop {
        let next = store.head().block.height().0 + 1;
        match stream.block(next, &senders).expect("a block") {
            Some(block) => drop(store.commit_listed(block).expect("its list leads to its root")),
            None => return next - 1,
        }
    }
}

#[test]
fn a_stream_makes_a_store_that_the_check_finds_whole_and_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let mut chain = grown(&from, BLOCKS);
    let source = chain.open(&from).expect("it opens");
    let stream = source.export(16).expect("exportable").write(folder.path()).expect("written");
    assert!(
        stream.folder().ends_with(format!(
            "state-{BLOCKS}-{}",
            &chain.block(BLOCKS).hash().to_string()[2..10]
        ))
    );
    assert!(source.export(16).expect("exportable").write(folder.path()).is_err(), "it is there");
    for nonce in 1..6 {
        let steps =
            [Step::Account { who: 2, nonce: nonce + 40, balance: 1 }, code(3, &[nonce as u8; 90])];
        source.commit(chain.grow(&steps)).expect("the block follows");
    }
    assert_eq!(stream.extend(&source, &senders).expect("written"), BLOCKS + 5);
    assert_eq!(stream.extend(&source, &senders).expect("nothing to do"), BLOCKS + 5);

    let store = imported(&chain, &stream, &to);
    assert_eq!(store.block(BLOCKS - 1).expect("readable"), None, "of it there is a header alone");
    assert_eq!(
        store.header(BLOCKS - 1).expect("readable").as_ref(),
        Some(chain.block(BLOCKS - 1).header())
    );
    drop(store);
    assert_eq!(findings(&to), [""; 0], "right after the import");
    let store = chain.open(&to).expect("it opens");
    assert_eq!(catch_up(&store, &stream), BLOCKS + 5);
    chain.states[BLOCKS as usize + 5].assert_read_by(store.head().state.as_ref(), BLOCKS + 5);
    for height in BLOCKS..=BLOCKS + 5 {
        assert_eq!(store.access_record(height).ok().flatten(), None, "nothing was executed");
    }
    store.commit(chain.grow(&[])).expect("and from here on it executes");
    assert!(store.access_record(BLOCKS + 6).expect("kept").is_some());
    drop(store);
    assert_eq!(findings(&to), [""; 0], "after blocks of both kinds");
    // The missing past is no damage, but what should be there is missed.
    tamper(&to, "headers", |batch, db| {
        batch.delete_cf(db.cf_handle("headers").unwrap(), (BLOCKS - 3).to_be_bytes());
    });
    let found = findings(&to);
    assert!(found.iter().any(|finding| finding.contains("block 9: ")), "{found:?}");
    // Of another chain nothing is added.
    let other = Chain::new(2);
    let theirs = other.open(&folder.path().join("other")).expect("a new store");
    let error = stream.extend(&theirs, &senders).expect_err("another chain");
    assert!(error.to_string().contains("of this home is another one"), "{error}");
}

#[test]
fn a_changed_file_of_a_stream_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    let mut chain = grown(&from, BLOCKS);
    let source = chain.open(&from).expect("it opens");
    let stream = source.export(16).expect("exportable").write(folder.path()).expect("written");
    source.commit(chain.grow(&[Step::Account { who: 1, nonce: 99, balance: 9 }])).expect("follows");
    stream.extend(&source, &senders).expect("written");
    let truncate = |path: &Path| {
        let bytes = std::fs::read(path).expect("readable");
        std::fs::write(path, &bytes[..bytes.len() - 1]).expect("written");
    };
    truncate(&stream.chunk_path(3));
    let mut import = Import::begin(
        &folder.path().join("to"),
        stream.anchor(&senders).expect("an anchor"),
        &stream.plan().expect("a plan"),
        &options(),
    )
    .expect("empty");
    let error = import.take(3, &stream.chunk(3).expect("readable")).expect_err("cut");
    assert!(matches!(error, StoreError::Sync(SyncError::Chunk { place: 3, .. })), "{error}");
    for (path, read) in [
        (stream.block_path(BLOCKS + 1), stream.block(BLOCKS + 1, &senders).map(drop)),
        (stream.folder().join("anchor"), stream.anchor(&senders).map(drop)),
    ] {
        assert_eq!(read, Ok(()));
        truncate(&path);
    }
    let errors = [
        stream.block(BLOCKS + 1, &senders).expect_err("cut"),
        stream.anchor(&senders).expect_err("cut"),
    ];
    for (error, name) in errors.iter().zip(["000000000013", "anchor"]) {
        assert!(
            matches!(error, StoreError::Snapshot { path, .. } if path.ends_with(name)),
            "{error}"
        );
    }
    let named = |error: &StoreError| error.to_string();
    assert!(named(&stream.chunk(70_000).expect_err("none")).contains("70000"));
}

fn encoded() -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let chain = grown(&folder.path().join("from"), 4);
    let source = chain.open(&folder.path().join("from")).expect("it opens");
    let export = source.export(16).expect("exportable");
    let (anchor, block) =
        (export.anchor().encode(), source.listed(3).expect("kept").expect("it is there"));
    assert_eq!(Anchor::decode(&anchor, &senders).as_ref(), Ok(export.anchor()));
    let bytes = block.encode();
    let again = ListedBlock::decode(&bytes, &senders).expect("it decodes");
    assert_eq!((again.block, again.receipts), (block.block, block.receipts));
    assert_eq!((again.access_list, again.senders), (block.access_list, block.senders));
    assert_eq!(again.certificate, block.certificate);
    (anchor, bytes)
}

#[test]
fn bytes_that_anybody_made_are_decoded_or_refused_never_more() {
    let (anchor, block) = encoded();
    for length in 0..anchor.len() {
        assert!(Anchor::decode(&anchor[..length], &senders).is_err(), "cut at {length}");
    }
    for length in 0..block.len() {
        assert!(ListedBlock::decode(&block[..length], &senders).is_err(), "cut at {length}");
    }
    let newer = [&[2], &block[1..]].concat();
    let error = ListedBlock::decode(&newer, &senders).expect_err("of another version");
    assert_eq!(error, "version 2, expected 1");
    let longer = [&block[..], &[0]].concat();
    assert!(ListedBlock::decode(&longer, &senders).is_err(), "a byte too many");
    let refuse = |_: &[Transaction]| Err("a signature is wrong".to_owned());
    assert_eq!(ListedBlock::decode(&block, &refuse).unwrap_err(), "a signature is wrong");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(20_000));
    let place = (any::<bool>(), any::<prop::sample::Index>(), any::<u8>(), any::<u8>());
    runner
        .run(&place, |(which, index, change, length)| {
            let mut bytes = if which { anchor.clone() } else { block.clone() };
            let at = index.index(bytes.len());
            bytes[at] ^= change;
            if length < 8 {
                bytes.drain(at..(at + usize::from(length)).min(bytes.len()));
            }
            if let Ok(block) = ListedBlock::decode(&bytes, &senders) {
                let again = ListedBlock::decode(&block.encode(), &senders);
                prop_assert!(again.is_ok_and(|again| again.block == block.block));
            }
            if let Ok(anchor) = Anchor::decode(&bytes, &senders) {
                prop_assert!(Anchor::decode(&anchor.encode(), &senders) == Ok(anchor));
            }
            Ok(())
        })
        .expect("no panic");
}
