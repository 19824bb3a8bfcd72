//! Tools for a person: what they find, drop and copy.

use crate::chain::{Chain, Step, code};
use rocksdb::{DB, Options, WriteBatch};
use std::path::Path;
use weft_store::{
    Keep, Kept, Maintenance, Retention, Store, StoreError, StoreOptions, directory_version,
    read_manifest, restore_snapshot, verify_snapshot,
};

const BLOCKS: u64 = 30;

/// A database of so many blocks, the first half of them in table files, the others in the log.
pub(crate) fn grown(path: &Path, blocks: u64) -> Chain {
    let mut chain = Chain::new(1);
    let options = StoreOptions { sync: false, ..StoreOptions::devnet() };
    let store = Store::open(path, chain.genesis(), options).expect("a new store");
    for height in 1..=blocks {
        let steps: Vec<Step> = (0..6)
            .map(|who| Step::Account { who, nonce: height, balance: height })
            .chain((0..6).map(|who| Step::Slot { who, slot: 300, value: height }))
            .chain([code(7, &height.to_be_bytes().repeat(700))])
            .collect();
        store.commit(chain.grow(&steps)).expect("the block follows");
        if height == blocks / 2 {
            store.compact().expect("merged");
        }
    }
    chain
}

/// Another directory with the same files.
pub(crate) fn copy_of(path: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(path).expect("a directory") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
    }
    copy
}

pub(crate) fn tools(path: &Path) -> Maintenance {
    Maintenance::open(path, &StoreOptions::devnet()).expect("it opens")
}

pub(crate) fn tamper(path: &Path, column: &str, change: impl FnOnce(&mut WriteBatch, &DB)) {
    let options = Options::default();
    let columns = DB::list_cf(&options, path).expect("a database");
    let db = DB::open_cf(&options, path, columns).expect("nobody else has it open");
    let mut batch = WriteBatch::default();
    assert!(db.cf_handle(column).is_some());
    change(&mut batch, &db);
    db.write(batch).expect("written");
}

#[test]
fn an_undamaged_database_has_no_findings_also_when_it_is_pruned() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path(), BLOCKS);
    let report = tools(directory.path()).check().expect("readable");
    assert_eq!(report.findings, [""; 0]);
    assert_eq!((report.height, report.blocks), (BLOCKS, BLOCKS + 1));
    let count = |commit: &weft_store::BlockCommit| commit.block.transactions().len() as u64;
    assert_eq!(report.transactions, chain.commits.iter().map(count).sum::<u64>());
    assert!(report.history_entries > 100 && report.log_entries > 30, "{report:?}");

    let retention = Retention {
        history: Keep::Blocks(5),
        receipts: Keep::Blocks(10),
        logs: Keep::Blocks(7),
        access_lists: Keep::Blocks(3),
        records: Keep::Blocks(1),
        records_bytes: None,
    };
    let oldest = tools(directory.path()).prune(&retention).expect("dropped");
    let expected = [25, 20, 23, 27, 29];
    assert_eq!(Kept::ALL.map(|kept| oldest.of(kept)), expected);
    let pruned = tools(directory.path()).check().expect("readable");
    assert_eq!(pruned.findings, [""; 0]);
    assert!(pruned.history_entries <= 5 * 13, "{pruned:?}");
    assert!(pruned.log_entries < report.log_entries / 2, "{pruned:?}");
    assert!(pruned.address_entries < report.address_entries / 2, "{pruned:?}");
    let again = tools(directory.path()).prune(&Retention::ARCHIVE).expect("nothing to do");
    assert_eq!(again, oldest);
    chain.assert_stored(&chain.open(directory.path()).expect("it opens"), BLOCKS);
}

#[test]
fn each_kind_of_damage_is_found_and_named() {
    let height = 9u64.to_be_bytes();
    type Change = fn(&mut WriteBatch, &DB, &[u8]);
    let remove: Change = |batch, db, place| {
        let (column, key) = split(place);
        batch.delete_cf(db.cf_handle(column).expect("it exists"), key);
    };
    let add: Change = |batch, db, place| {
        let (column, key) = split(place);
        batch.put_cf(db.cf_handle(column).expect("it exists"), key, [7; 9]);
    };
    let swap: Change = |batch, db, place| {
        let (column, key) = split(place);
        let column = db.cf_handle(column).expect("it exists");
        let other = db.get_cf(column, 10u64.to_be_bytes()).expect("read").expect("there");
        batch.put_cf(column, key, other);
    };
    let above = 99u64.to_be_bytes();
    let cases: [(&str, &[u8], Change, &str); 18] = [
        ("headers", &height, remove, "headers: none"),
        ("headers", &height, swap, "headers: number"),
        ("bodies", &height, remove, "bodies: no body 9"),
        ("bodies", &height, swap, "bodies: transactions root"),
        ("certificates", &height, remove, "certificates: none"),
        ("certificates", &height, swap, "certificates: block"),
        ("receipts", &height, remove, "receipts: none"),
        ("receipts", &height, swap, "receipts: "),
        ("access_lists", &height, swap, "access_lists: hash"),
        ("access_records", &height, remove, "access_records: none"),
        ("profiles", &height, add, "profiles: "),
        ("block_numbers", &[7; 32], add, "block_numbers: expected 31 entries, found 32"),
        ("transactions", &[7; 32], add, "transactions: expected"),
        ("log_index", &[[7; 8], above].concat(), add, "log_index: an entry of block 99"),
        ("account_history", &[7; 40], add, "account_history: "),
        ("storage_history", &[[7; 34].as_slice(), &height].concat(), add, "storage_history: "),
        ("accounts", &[7; 32], add, "accounts: "),
        ("headers", &above, add, "headers: an entry of block 99"),
    ];
    let original = tempfile::tempdir().expect("a directory");
    let _ = grown(original.path(), BLOCKS);
    for (column, key, change, words) in cases {
        let directory = copy_of(original.path());
        let place = [column.as_bytes(), b"/", key].concat();
        tamper(directory.path(), column, |batch, db| change(batch, db, &place));
        let findings = tools(directory.path()).check().expect("readable").findings;
        assert!(findings.iter().any(|f| f.contains(words)), "{words}: {findings:?}");
    }
}

fn split(place: &[u8]) -> (&str, &[u8]) {
    let at = place.iter().position(|byte| *byte == b'/').expect("a column and a key");
    (std::str::from_utf8(&place[..at]).expect("a name"), &place[at + 1..])
}

#[test]
fn an_index_entry_that_leads_elsewhere_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path(), 12);
    let block = chain.block(9);
    let (hash, transaction) = (block.hash(), *block.transactions()[0].tx_hash());
    tamper(directory.path(), "block_numbers", |batch, db| {
        batch.put_cf(db.cf_handle("block_numbers").expect("there"), hash, 8u64.to_be_bytes());
        batch.put_cf(db.cf_handle("transactions").expect("there"), transaction, [0; 12]);
    });
    let findings = tools(directory.path()).check().expect("readable").findings;
    assert!(findings.iter().any(|f| f.contains("block 9: block_numbers: height")), "{findings:?}");
    tamper(directory.path(), "block_numbers", |batch, db| {
        batch.put_cf(db.cf_handle("block_numbers").expect("there"), hash, 9u64.to_be_bytes());
    });
    let findings = tools(directory.path()).check().expect("readable").findings;
    assert!(findings.iter().any(|f| f.contains("block 9: transactions: ")), "{findings:?}");
}

#[test]
fn tools_need_a_database_that_nobody_uses() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let missing = StoreError::Missing { path: path.clone() };
    let opened = |path: &Path| Maintenance::open(path, &StoreOptions::devnet()).map(|_| ());
    assert_eq!(opened(&path), Err(missing.clone()));
    assert_eq!(directory_version(&path), Err(missing));
    assert!(!path.exists(), "nothing was made");
    let chain = Chain::new(1);
    let mut grown = chain.clone();
    let store = chain.open(&path).expect("a new store");
    store.commit(grown.grow(&[])).expect("a block");
    assert_eq!(opened(&path), Err(StoreError::Locked { path: path.clone() }));
    let version = directory_version(&path).expect("readable beside the store");
    assert_eq!((version.found, version.expected, version.height), (3, 3, 1));
    assert_eq!((version.genesis, version.hash), (chain.block(0).hash(), grown.block(1).hash()));
    store.commit(grown.grow(&[])).expect("nothing was disturbed");
    drop(store);
    assert_eq!(opened(&path), Ok(()));
}

#[test]
fn statistics_count_every_column_and_merging_keeps_everything() {
    let directory = tempfile::tempdir().expect("a directory");
    let chain = grown(directory.path(), BLOCKS);
    let database = tools(directory.path());
    database.compact().expect("merged");
    let stats = database.stats().expect("readable");
    assert_eq!((stats.height, stats.columns.len()), (BLOCKS, 18));
    let of =
        |name: &str| stats.columns.iter().find(|c| c.name == name).expect("it is listed").clone();
    assert_eq!(of("headers").entries, BLOCKS + 1);
    assert!(of("code").blob_bytes > 10 * BLOCKS, "{:?}", of("code"));
    assert!(of("accounts").table_bytes > 0 && stats.directory_bytes > 10_000);
    drop(database);
    chain.assert_stored(&chain.open(directory.path()).expect("it opens"), BLOCKS);
}

#[test]
fn a_snapshot_taken_while_blocks_are_committed_starts_another_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, folder) = (directory.path().join("db"), directory.path().join("snapshots"));
    let mut chain = grown(&path, 5);
    let store = chain.open(&path).expect("it opens");
    let commits: Vec<_> = (6..60u64)
        .map(|height| {
            chain.grow(&[Step::Account { who: (height % 9) as u8, nonce: height, balance: 1 }])
        })
        .collect();
    let snapshots: Vec<_> = std::thread::scope(|scope| {
        let taker = scope.spawn(|| {
            let mut taken = Vec::new();
            while taken.len() < 3 {
                match store.snapshot(&folder) {
                    Ok(snapshot) => taken.push(snapshot),
                    // No block was committed since the last one.
                    Err(StoreError::Snapshot { reason, .. }) if reason.contains("exists") => {}
                    Err(error) => panic!("{error}"),
                }
                if store.head().block.height().0 == 59 {
                    break;
                }
            }
            taken
        });
        for commit in commits {
            store.commit(commit).expect("the block follows");
        }
        taker.join().expect("snapshots are taken")
    });
    drop(store);
    assert!(!snapshots.is_empty());
    for (place, (snapshot, manifest)) in snapshots.iter().enumerate() {
        assert_eq!(read_manifest(snapshot).as_ref(), Ok(manifest));
        assert_eq!(verify_snapshot(snapshot).as_ref(), Ok(manifest));
        assert_eq!(manifest.hash, chain.block(manifest.height).hash());
        let certificate = manifest.certificate().expect("it decodes").expect("not genesis");
        assert_eq!(certificate.block, manifest.hash);
        let target = directory.path().join(format!("restored{place}"));
        restore_snapshot(snapshot, &target).expect("restored");
        let store = chain.open(&target).expect("the copy opens");
        assert_eq!(store.head().block.height().0, manifest.height);
        for commit in &chain.commits[manifest.height as usize..] {
            store.commit(commit.clone()).expect("the copy goes on");
        }
        chain.assert_stored(&store, 59);
        drop(store);
        assert!(restore_snapshot(snapshot, &target).is_err(), "the target is taken");
        assert_eq!(verify_snapshot(snapshot).as_ref(), Ok(manifest), "it was not changed");
    }
    let left = std::fs::read_dir(&folder).expect("a folder").count();
    assert_eq!(left, snapshots.len(), "nothing unfinished is left");
}

#[test]
fn a_changed_snapshot_is_refused_by_the_name_of_its_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("db");
    let _ = grown(&path, 12);
    let (snapshot, manifest) =
        tools(&path).snapshot(&directory.path().join("snapshots")).expect("taken");
    let refused = |words: &[&str]| {
        let target = directory.path().join("target");
        let error = verify_snapshot(&snapshot).expect_err("it was changed").to_string();
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
        (restore_snapshot(&snapshot, &target).is_err(), target.exists())
    };
    let files = snapshot.join("db");
    for file in &manifest.files {
        let path = files.join(&file.name);
        let good = std::fs::read(&path).expect("readable");
        if good.is_empty() {
            continue;
        }
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        // Table files are links to those of the database: write another file in their place.
        let replace = |content: &[u8]| {
            std::fs::remove_file(&path).expect("removed");
            std::fs::write(&path, content).expect("written");
        };
        replace(&bad);
        assert_eq!(refused(&[&file.name, "BLAKE3"]), (true, false));
        replace(&good[..middle]);
        assert_eq!(refused(&[&file.name, "bytes"]), (true, false));
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(refused(&[&file.name]), (true, false));
        std::fs::write(&path, &good).expect("written");
    }
    std::fs::write(files.join("surprise.sst"), [1]).expect("written");
    let error = verify_snapshot(&snapshot).expect_err("one too many").to_string();
    assert!(error.contains("surprise.sst"), "{error}");
    std::fs::remove_file(files.join("surprise.sst")).expect("removed");
    assert_eq!(verify_snapshot(&snapshot).as_ref(), Ok(&manifest));

    let path = snapshot.join("manifest.json");
    let text = std::fs::read_to_string(&path).expect("readable");
    let hash = manifest.hash.to_string();
    for (from, to) in [
        (hash.as_str(), format!("0x{}", "11".repeat(32))),
        ("\"height\": 12", "\"height\": 13".to_owned()),
        ("\"version\": 1", "\"version\": 2".to_owned()),
        ("\"CURRENT\"", "\"../CURRENT\"".to_owned()),
        ("\"files\"", "\"surprise\": 1, \"files\"".to_owned()),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replacen(from, &to, 1)).expect("written");
        let error = verify_snapshot(&snapshot).expect_err(from).to_string();
        assert!(error.contains("manifest.json"), "{from}: {error}");
    }
}
