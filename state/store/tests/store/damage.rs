//! Damaged and foreign directories are refused with what is wrong.

use crate::chain::{Chain, Step, person};
use crate::maintenance;
use rocksdb::{DB, Options};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use weft_commitment::AccountKey;
use weft_store::{Maintenance, StoreError, StoreOptions, directory_version};

const BLOCKS: u64 = 6;

fn grown(path: &Path) -> Chain {
    let mut chain = Chain::new(1);
    let store = chain.open(path).expect("a new store");
    for height in 1..=BLOCKS {
        let steps: Vec<Step> = (0..4)
            .map(|who| Step::Account { who, nonce: height, balance: height })
            .chain((0..4).map(|who| Step::Slot { who, slot: 300, value: height }))
            .collect();
        store.commit(chain.grow(&steps)).expect("the block follows");
    }
    chain
}

/// Changes the directory behind the store's back.
fn tamper(path: &Path, change: impl FnOnce(&DB)) {
    let options = Options::default();
    let columns = DB::list_cf(&options, path).expect("a database");
    change(&DB::open_cf(&options, path, columns).expect("nobody else has it open"));
}

fn put(path: &Path, column: &str, key: &[u8], value: &[u8]) {
    tamper(path, |db| {
        db.put_cf(db.cf_handle(column).expect("it exists"), key, value).expect("written");
    });
}

fn assert_damaged(chain: &Chain, path: &Path) {
    let error = chain.open(path).expect_err("the directory is damaged");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_changed_removed_or_added_account_is_found_at_opening() {
    let changes: [fn(&mut Vec<u8>); 4] = [
        |value| value[27] ^= 1,
        |value| *value.last_mut().expect("not empty") ^= 1,
        |value| value.truncate(10),
        |value| value.clear(),
    ];
    for change in changes {
        let directory = tempfile::tempdir().expect("a directory");
        let chain = grown(directory.path());
        tamper(directory.path(), |db| {
            let column = db.cf_handle("accounts").expect("it exists");
            let key = AccountKey::new(&person(2));
            let value = db.get_cf(column, key.hash()).expect("read");
            let mut value = value.expect("the account is stored");
            change(&mut value);
            db.put_cf(column, key.hash(), value).expect("written");
        });
        assert_damaged(&chain, directory.path());
    }
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path());
    tamper(directory.path(), |db| {
        let column = db.cf_handle("accounts").expect("it exists");
        db.delete_cf(column, AccountKey::new(&person(2)).hash()).expect("deleted");
    });
    assert_damaged(&chain, directory.path());
}

#[test]
fn changed_slots_code_and_block_data_of_the_head_are_found_at_opening() {
    let height = BLOCKS.to_be_bytes();
    let cases: [(&str, &[u8], &[u8]); 6] = [
        ("storage", &[7; 34], &[1, 1, 0]),
        ("storage", &[0xff; 66], &[1, 1, 0]),
        ("code", &[7; 32], &[1]),
        ("headers", &height, &[1; 40]),
        ("bodies", &height, &[0, 0, 0, 9]),
        ("meta", b"head", &[1; 5]),
    ];
    for (column, key, value) in cases {
        let directory = tempfile::tempdir().expect("a directory");
        let chain = grown(directory.path());
        put(directory.path(), column, key, value);
        assert_damaged(&chain, directory.path());
    }
}

#[test]
fn the_schema_of_a_newer_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path());
    for found in [0u32, 4, u32::MAX] {
        put(directory.path(), "meta", b"schema", &found.to_be_bytes());
        let error = chain.open(directory.path()).expect_err("another layout");
        assert_eq!(error, StoreError::Schema { expected: 3, found });
    }
    put(directory.path(), "meta", b"schema", &3u32.to_be_bytes());
    chain.assert_stored(&chain.open(directory.path()).expect("nothing was changed"), BLOCKS);
}

#[test]
fn a_database_of_an_older_layout_gets_its_indices() {
    upgraded(1, &["log_index", "code_stems", "address_index"]);
    upgraded(2, &["address_index"]);
}

fn upgraded(schema: u32, missing: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    // With transactions, logs and codes in every block.
    let chain = maintenance::grown(directory.path(), BLOCKS);
    let options = Options::default();
    let columns = DB::list_cf(&options, directory.path()).expect("a database");
    let mut db = DB::open_cf(&options, directory.path(), columns).expect("nobody has it open");
    for column in missing {
        db.drop_cf(column).expect("dropped");
    }
    let meta = db.cf_handle("meta").expect("it exists");
    db.put_cf(meta, b"schema", schema.to_be_bytes()).expect("written");
    drop(db);
    for _ in 0..2 {
        let store = chain.open(directory.path()).expect("it is upgraded");
        chain.assert_stored(&store, BLOCKS);
        drop(store);
        assert_eq!(directory_version(directory.path()).expect("readable").found, 3);
    }
    let tools = Maintenance::open(directory.path(), &StoreOptions::devnet()).expect("it opens");
    assert_eq!(tools.check().expect("readable").findings, [""; 0]);
}

#[test]
fn a_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    drop(DB::open_cf(&options, directory.path(), ["theirs"]).expect("a database"));
    assert_damaged(&Chain::new(1), directory.path());
}

#[test]
fn a_creation_that_was_interrupted_is_finished() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    drop(DB::open_cf(&options, directory.path(), ["meta", "accounts"]).expect("a database"));
    let chain = Chain::new(1);
    chain.assert_stored(&chain.open(directory.path()).expect("creation goes on"), 0);
}

fn newest_log(path: &Path) -> PathBuf {
    let entries = std::fs::read_dir(path).expect("a directory");
    let logs = entries.map(|entry| entry.expect("an entry").path()).filter(|path| {
        path.extension().is_some_and(|e| e == "log") && path.metadata().is_ok_and(|m| m.len() > 0)
    });
    logs.max().expect("closing leaves the log")
}

#[test]
fn a_torn_log_reopens_at_an_earlier_block_or_is_reported() {
    let mut reopened = 0;
    for cut in [1u64, 2, 7, 40, 300, 900, 2000, 5000, 9000] {
        let directory = tempfile::tempdir().expect("a directory");
        let chain = grown(directory.path());
        let log = newest_log(directory.path());
        let length = log.metadata().expect("it exists").len();
        let file = OpenOptions::new().write(true).open(&log).expect("writable");
        file.set_len(length.saturating_sub(cut)).expect("truncated");
        match chain.open(directory.path()) {
            Ok(store) => {
                let head = store.head().block.height().0;
                assert!(head < BLOCKS, "cut {cut}");
                chain.assert_stored(&store, head);
                for commit in &chain.commits[head as usize..] {
                    store.commit(commit.clone()).expect("lost blocks are committed again");
                }
                chain.assert_stored(&store, BLOCKS);
                reopened += 1;
            }
            Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{error}"),
        }
    }
    assert!(reopened > 0, "at least a small cut must lose only the last block");
}
