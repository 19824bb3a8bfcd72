//! What the check compares, one made-up fault each: what no other check would notice.

use crate::chain::Chain;
use crate::maintenance::{copy_of, grown, tamper};
use alloy_primitives::B256;
use alloy_rlp::Encodable;
use rocksdb::{DB, IteratorMode, WriteBatch};
use std::path::Path;
use weft_store::{Maintenance, StoreError, StoreOptions};
use weft_types::command::{Action, Command};
use weft_types::{BlockBody, Header};

const BLOCKS: u64 = 12;
/// The block that is changed.
const CHANGED: u64 = 9;

type Change = fn(&Chain, &mut WriteBatch, &DB);

fn put(batch: &mut WriteBatch, db: &DB, column: &str, key: &[u8], value: &[u8]) {
    batch.put_cf(db.cf_handle(column).expect("it exists"), key, value);
}

fn get(db: &DB, column: &str, key: &[u8]) -> Vec<u8> {
    db.get_cf(db.cf_handle(column).expect("it exists"), key).expect("read").expect("there")
}

/// The first entry of a column whose key ends with this.
fn entry(db: &DB, column: &str, end: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let column = db.cf_handle(column).expect("it exists");
    let entries = db.iterator_cf(column, IteratorMode::Start).map(|entry| entry.expect("read"));
    let mut entries = entries.filter(|(key, _)| key.ends_with(end));
    let (key, value) = entries.next().expect("there is one");
    (key.to_vec(), value.to_vec())
}

fn remove_indexed(batch: &mut WriteBatch, db: &DB, column: &str) {
    let (key, _) = entry(db, column, &CHANGED.to_be_bytes());
    batch.delete_cf(db.cf_handle(column).expect("it exists"), key);
}

/// Another header in place of one, under a hash of its own and found by it.
fn put_header(chain: &Chain, batch: &mut WriteBatch, db: &DB, change: impl FnOnce(&mut Header)) {
    let old = chain.block(CHANGED);
    let mut header = old.header().clone();
    change(&mut header);
    let (key, hash) = (CHANGED.to_be_bytes(), header.hash_slow());
    let mut value = hash.to_vec();
    header.encode(&mut value);
    put(batch, db, "headers", &key, &value);
    put(batch, db, "block_numbers", hash.as_slice(), &key);
    batch.delete_cf(db.cf_handle("block_numbers").expect("it exists"), old.hash());
}

/// The bytes of a body with a command that no header names.
fn with_a_command(body: &[u8]) -> Vec<u8> {
    let count = u32::from_be_bytes(body[..4].try_into().expect("four bytes")) as usize;
    let (senders, body) = body.split_at(4 + 20 * count);
    let mut body = BlockBody::decode(body).expect("a body");
    body.commands.push(Command { salt: 1, last_height: 99, action: Action::DropTransactions });
    [senders, &body.encode()].concat()
}

fn findings(directory: &Path) -> Vec<String> {
    let tools = Maintenance::open(directory, &StoreOptions::devnet()).expect("it opens");
    tools.check().expect("readable").findings
}

#[test]
fn whatever_no_other_comparison_would_notice_has_one_of_its_own() {
    let cases: [(Change, &str); 13] = [
        (
            |_, batch, db| remove_indexed(batch, db, "address_index"),
            "block 9: address_index: entry",
        ),
        (|_, batch, db| remove_indexed(batch, db, "log_index"), "block 9: log_index: places"),
        (
            |_, batch, db| {
                let (key, value) = entry(db, "log_index", &CHANGED.to_be_bytes());
                put(batch, db, "log_index", &key, &[value[0] ^ 1]);
            },
            "block 9: log_index: places",
        ),
        (
            |_, batch, db| {
                let above = [[7; 8], 99u64.to_be_bytes()].concat();
                put(batch, db, "address_index", &above, &[]);
            },
            "address_index: an entry of block 99",
        ),
        (
            |chain, batch, db| {
                put_header(chain, batch, db, |header| header.parent_hash = B256::repeat_byte(7));
            },
            "block 9: headers: parent",
        ),
        (
            |_, batch, db| {
                let mut head = get(db, "meta", b"head");
                head[8] ^= 1;
                put(batch, db, "meta", b"head", &head);
            },
            "meta: head is",
        ),
        (
            |_, batch, db| {
                let mut head = get(db, "meta", b"head");
                head[40] ^= 1;
                put(batch, db, "meta", b"head", &head);
            },
            "block 12: headers: state root",
        ),
        (
            |_, batch, db| {
                let genesis = get(db, "access_records", &0u64.to_be_bytes());
                put(batch, db, "access_records", &CHANGED.to_be_bytes(), &genesis);
            },
            "block 9: access_records: count",
        ),
        (
            |_, batch, db| {
                let body = with_a_command(&get(db, "bodies", &CHANGED.to_be_bytes()));
                put(batch, db, "bodies", &CHANGED.to_be_bytes(), &body);
            },
            "block 9: bodies: commands root",
        ),
        (
            |chain, batch, db| {
                let mut certificate = chain.commits[CHANGED as usize - 1].certificate.clone();
                certificate.height.0 += 1;
                let bytes = borsh::to_vec(&certificate).expect("memory");
                put(batch, db, "certificates", &CHANGED.to_be_bytes(), &bytes);
            },
            "block 9: certificates: height",
        ),
        (
            |_, batch, db| {
                let column = db.cf_handle("code_stems").expect("it exists");
                batch.delete_cf(column, entry(db, "code_stems", &[]).0);
            },
            "is not found under",
        ),
        (
            |_, batch, db| {
                let above = [[7; 34].as_slice(), &99u64.to_be_bytes()].concat();
                put(batch, db, "storage_history", &above, &[1, 1, 0]);
            },
            "storage_history: an entry of block 99",
        ),
        (
            |_, batch, db| {
                let (key, mut value) = entry(db, "storage", &[]);
                *value.last_mut().expect("not empty") ^= 1;
                put(batch, db, "storage", &key, &value);
            },
            "lies under another key",
        ),
    ];
    let original = tempfile::tempdir().expect("a directory");
    let chain = grown(original.path(), BLOCKS);
    assert_eq!(findings(original.path()), [""; 0]);
    for (change, words) in cases {
        let directory = copy_of(original.path());
        tamper(directory.path(), "meta", |batch, db| change(&chain, batch, db));
        let findings = findings(directory.path());
        assert!(findings.iter().any(|f| f.contains(words)), "{words}: {findings:?}");
    }
}

#[test]
fn a_body_that_lost_the_commands_of_its_header_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path(), BLOCKS);
    tamper(directory.path(), "headers", |batch, db| {
        put_header(&chain, batch, db, |header| {
            header.parent_beacon_block_root = Some(B256::repeat_byte(3));
        });
    });
    let findings = findings(directory.path());
    assert!(findings.iter().any(|f| f.contains("bodies: commands root")), "{findings:?}");
}

#[test]
fn a_head_that_names_another_block_than_the_one_stored_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path(), BLOCKS);
    tamper(directory.path(), "meta", |batch, db| {
        let mut head = get(db, "meta", b"head");
        head[8] ^= 1;
        put(batch, db, "meta", b"head", &head);
    });
    let error = chain.open(directory.path()).expect_err("another hash");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("block 12 is"), "{error}");
}

/// Of the blocks before an imported state there are headers, which belong together like any others.
#[test]
fn the_headers_before_an_imported_state_are_compared_too() {
    let folder = tempfile::tempdir().expect("a directory");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let chain = grown(&from, BLOCKS);
    let source = chain.open(&from).expect("it opens");
    drop(crate::sync::imported(&chain, &source.export(1 << 16).expect("exportable"), &to));
    assert_eq!(findings(&to), [""; 0]);
    let cases: [(Change, &str); 2] = [
        (
            |chain, batch, db| {
                put_header(chain, batch, db, |header| header.gas_limit += 1);
            },
            "block 10: headers: parent",
        ),
        (
            |chain, batch, db| {
                let hash = chain.block(CHANGED).hash();
                put(batch, db, "block_numbers", hash.as_slice(), &8u64.to_be_bytes());
            },
            "block 9: block_numbers: height",
        ),
    ];
    for (change, words) in cases {
        let directory = copy_of(&to);
        tamper(directory.path(), "meta", |batch, db| change(&chain, batch, db));
        let findings = findings(directory.path());
        assert!(findings.iter().any(|f| f.contains(words)), "{words}: {findings:?}");
    }
}
