//! Snapshots that somebody made up: each is refused for its reason.

use crate::chain::{Chain, person};
use crate::maintenance::{grown, tamper, tools};
use std::path::{Path, PathBuf};
use weft_commitment::AccountKey;
use weft_store::{SnapshotManifest, verify_snapshot};
use weft_types::B256;

const BLOCKS: u64 = 12;

fn taken(folder: &Path) -> (Chain, PathBuf, SnapshotManifest) {
    let chain = grown(&folder.join("db"), BLOCKS);
    let (snapshot, manifest) =
        tools(&folder.join("db")).snapshot(&folder.join("snapshots")).expect("taken");
    (chain, snapshot, manifest)
}

fn refused(snapshot: &Path) -> String {
    verify_snapshot(snapshot).expect_err("made up").to_string()
}

#[test]
fn a_manifest_that_says_something_else_than_its_files_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let (chain, snapshot, manifest) = taken(folder.path());
    let path = snapshot.join("manifest.json");
    let write = |manifest: &SnapshotManifest| {
        let json = serde_json::to_vec(manifest).expect("it has a JSON form");
        std::fs::write(&path, json).expect("written");
    };
    let another = borsh::to_vec(&chain.commits[3].certificate).expect("memory");
    let changes: [(SnapshotManifest, &str); 4] = [
        (
            SnapshotManifest { certificate: another.into(), ..manifest.clone() },
            "the certificate is for",
        ),
        (
            SnapshotManifest { genesis: B256::repeat_byte(1), ..manifest.clone() },
            "the manifest says",
        ),
        (
            SnapshotManifest { state_root: B256::repeat_byte(1), ..manifest.clone() },
            "the manifest says",
        ),
        (SnapshotManifest { certificate: vec![1, 2].into(), ..manifest.clone() }, "certificates: "),
    ];
    for (changed, words) in changes {
        write(&changed);
        let error = refused(&snapshot);
        assert!(error.contains(words), "{words}: {error}");
    }
    write(&manifest);
    assert_eq!(verify_snapshot(&snapshot), Ok(manifest));
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("writable");
    file.set_len((64 << 20) + 1).expect("it takes no room");
    assert!(refused(&snapshot).contains("limit 67108864"));
}

/// Files and manifest agree, and yet the state is not that of the block.
#[test]
fn a_snapshot_of_a_state_that_was_changed_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let database = folder.path().join("db");
    let _ = grown(&database, BLOCKS);
    tamper(&database, "accounts", |batch, db| {
        let column = db.cf_handle("accounts").expect("it exists");
        let key = AccountKey::new(&person(2));
        let mut value = db.get_cf(column, key.hash()).expect("read").expect("stored");
        value[27] ^= 1;
        batch.put_cf(column, key.hash(), value);
    });
    let (snapshot, _) = tools(&database).snapshot(&folder.path().join("made")).expect("taken");
    let error = refused(&snapshot);
    assert!(error.contains("state at height 12 has root"), "{error}");
}

#[test]
fn a_snapshot_with_another_header_of_its_block_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let database = folder.path().join("db");
    let _ = grown(&database, BLOCKS);
    tamper(&database, "headers", |batch, db| {
        let column = db.cf_handle("headers").expect("it exists");
        let other = db.get_cf(column, (BLOCKS - 1).to_be_bytes()).expect("read").expect("stored");
        batch.put_cf(column, BLOCKS.to_be_bytes(), other);
    });
    let (snapshot, _) = tools(&database).snapshot(&folder.path().join("made")).expect("taken");
    let error = refused(&snapshot);
    assert!(error.contains("the header of block 12 is another one"), "{error}");
}

#[test]
fn what_an_interrupted_snapshot_left_is_not_in_the_way() {
    let folder = tempfile::tempdir().expect("a directory");
    let snapshots = folder.path().join("snapshots");
    let partial = snapshots.join(format!(".partial-{}", std::process::id()));
    std::fs::create_dir_all(partial.join("db")).expect("made");
    std::fs::write(partial.join("db/CURRENT"), "rubbish").expect("written");
    let (_, snapshot, manifest) = taken(folder.path());
    assert_eq!(verify_snapshot(&snapshot), Ok(manifest));
    assert_eq!(std::fs::read_dir(&snapshots).expect("a folder").count(), 1);
}
