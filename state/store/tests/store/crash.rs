//! Child processes that are killed, or whose disk is full, while they commit; writes and syncs that
//! fail one after the other; files that are cut or changed.
//!
//! How a failure is made: `kill -9` is real. A full disk is a limit on the size of files
//! (RLIMIT_FSIZE), at which the system refuses writes of the log, of table files and of RocksDB's own
//! files. The n-th write and the n-th sync fail through `StoreOptions::faults`, in front of RocksDB,
//! and, when `WEFT_STORE_STRACE` is set, below it: `strace` has the system calls fail.

use crate::chain::{Chain, PEOPLE, SLOTS, Step, code, person};
use crate::maintenance::{copy_of, grown};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use weft_store::{
    Faults, Keep, Kept, LogQuery, Maintenance, Retention, Store, StoreError, StoreOptions, Touch,
};

/// How often children are killed, instead of [`KILLS`].
const KILLS_WANTED: &str = "WEFT_STORE_KILLS";
/// Whether strace may be used.
const STRACE_WANTED: &str = "WEFT_STORE_STRACE";
const DIRECTORY: &str = "WEFT_STORE_CRASH_DIRECTORY";
const BUFFER: &str = "WEFT_STORE_CRASH_BUFFER_BYTES";
/// Small: files are written and merged all the time.
const SMALL_BUFFER: usize = 128 << 10;
/// Large: everything stays in the log until the store is opened again.
const LARGE_BUFFER: usize = 8 << 20;
const KILLS: u64 = 20;
/// Children that go on with the same database.
const KILLS_PER_DATABASE: u64 = 40;
/// A child that nothing stops ends here.
const HEIGHT_MAX: u64 = 4000;
const DONE: &str = "done";
const REFUSED: &str = "refused";
const POISONED: &str = "poisoned";

fn random(seed: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 31)
}

/// What happens in block n, for every process the same.
fn steps(height: u64) -> Vec<Step> {
    let one = |place: u64| {
        let r = random(height * 1000 + place);
        let who = (r % u64::from(PEOPLE)) as u8;
        match (r >> 8) % 12 {
            0 => Step::Delete { who },
            1 => code(who, &r.to_be_bytes().repeat(200)),
            2..6 => Step::Account { who, nonce: height, balance: r >> 40 },
            _ => Step::Slot { who, slot: SLOTS[(r >> 20) as usize % SLOTS.len()], value: r >> 60 },
        }
    };
    // Not a multiple of four: such blocks have no transactions.
    (0..23).map(one).collect()
}

fn grow_to(chain: &mut Chain, height: u64) {
    while chain.height() < height {
        chain.grow(&steps(chain.height() + 1));
    }
}

/// Drops what is older than a few blocks, so that there is always something to drop.
fn options(buffer: usize) -> StoreOptions {
    let retention = Retention {
        history: Keep::Blocks(20),
        receipts: Keep::Blocks(30),
        logs: Keep::Blocks(25),
        access_lists: Keep::Blocks(10),
        records: Keep::Blocks(5),
        records_bytes: None,
    };
    StoreOptions { write_buffer_bytes: buffer, retention, ..StoreOptions::devnet() }
}

fn open(chain: &Chain, path: &Path, buffer: usize) -> Result<Arc<Store>, StoreError> {
    Store::open(path, chain.genesis(), options(buffer))
}

/// `weft db check` finds nothing.
#[track_caller]
fn assert_whole(path: &Path) {
    let tools = Maintenance::open(path, &StoreOptions::devnet()).expect("it opens");
    let findings = tools.check().expect("it is readable").findings;
    assert!(findings.is_empty(), "{findings:?}");
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent listens");
}

/// Not a test by itself: what the child processes of the tests below run.
#[test]
fn child_commits_until_it_dies_or_is_refused() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let mut chain = Chain::new(1);
    let buffer = std::env::var(BUFFER).expect("set with the directory").parse();
    let store = match open(&chain, Path::new(&path), buffer.expect("a number")) {
        Ok(store) => store,
        Err(error) => return say(&format!("{REFUSED} {error}")),
    };
    grow_to(&mut chain, store.head().block.height().0);
    while chain.height() < HEIGHT_MAX {
        let commit = chain.grow(&steps(chain.height() + 1));
        match store.commit(commit.clone()) {
            Ok(head) => say(&format!("block {}", head.block.height())),
            Err(StoreError::Database { .. } | StoreError::Damaged { .. }) => {
                assert_eq!(store.commit(commit).expect_err("poisoned"), StoreError::Poisoned);
                let head = store.head();
                let height = head.block.height().0;
                chain.states[height as usize].assert_read_by(head.state.as_ref(), height);
                say(POISONED);
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
    say(DONE);
}

fn child(mut command: Command, path: &Path, buffer: usize) -> Child {
    command
        .args(["--exact", "crash::child_commits_until_it_dies_or_is_refused", "--nocapture"])
        .env(DIRECTORY, path)
        .env(BUFFER, buffer.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program starts again")
}

fn height_in(line: &str) -> Option<u64> {
    line.strip_prefix("block ").map(|height| height.parse().expect("a height"))
}

/// A child that is killed after `wait` since its first block, or since its start: then also while it
/// opens. Returns the last block that it acknowledged.
fn kill_one(path: &Path, wait: Duration, from_start: bool) -> Option<u64> {
    let this = std::env::current_exe().expect("this program has a path");
    let mut child = child(Command::new(&this), path, SMALL_BUFFER);
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let child = Arc::new(held::Shared::new(child));
    let killer = {
        let child = Arc::clone(&child);
        move || {
            std::thread::sleep(wait);
            child.kill();
        }
    };
    let mut killer = Some(killer);
    let mut threads = Vec::new();
    if from_start {
        threads.extend(killer.take().map(std::thread::spawn));
    }
    let mut acknowledged = None;
    for line in out.lines() {
        // The last line may be cut off by the kill.
        let Ok(line) = line else { break };
        assert!(!line.starts_with(REFUSED), "a killed store opens: {line}");
        acknowledged = height_in(&line).or(acknowledged);
        if acknowledged.is_some() {
            threads.extend(killer.take().map(std::thread::spawn));
        }
    }
    drop(killer);
    for thread in threads {
        thread.join().expect("it kills");
    }
    child.wait();
    acknowledged
}

/// A child process that two threads hold.
mod held {
    use std::process::Child;
    use std::sync::Mutex;

    pub(super) struct Shared(Mutex<Child>);

    impl Shared {
        pub(super) fn new(child: Child) -> Self {
            Self(Mutex::new(child))
        }

        pub(super) fn kill(&self) {
            // It may have ended by itself.
            let _ = self.0.lock().expect("nobody panics with it").kill();
        }

        pub(super) fn wait(&self) {
            self.0.lock().expect("nobody panics with it").wait().expect("it has ended");
        }
    }
}

#[test]
fn every_acknowledged_block_survives_kill_9() {
    let wanted = std::env::var(KILLS_WANTED).ok().map(|kills| kills.parse().expect("a number"));
    let kills: u64 = wanted.unwrap_or(KILLS);
    let mut blocks = 0;
    for first in (0..kills).step_by(KILLS_PER_DATABASE as usize) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut chain = Chain::new(1);
        let mut acknowledged = 0;
        for round in first..kills.min(first + KILLS_PER_DATABASE) {
            let wait = Duration::from_micros(random(round) % 60_000);
            let from_start = round % 4 == 3;
            acknowledged =
                kill_one(directory.path(), wait, from_start).unwrap_or(0).max(acknowledged);
            if !directory.path().join("CURRENT").exists() {
                continue;
            }
            let store = open(&chain, directory.path(), SMALL_BUFFER).expect("a killed store opens");
            let head = store.head().block.height().0;
            assert!(head >= acknowledged, "block {acknowledged} is lost, the head is {head}");
            grow_to(&mut chain, head);
            assert_eq!(store.head().block.hash(), chain.block(head).hash());
            if round % 10 == 9 {
                chain.assert_stored(&store, head);
            }
            drop(store);
            assert_whole(directory.path());
        }
        assert!(acknowledged > 0, "children commit");
        blocks += acknowledged;
    }
    assert!(blocks >= kills / 2, "children commit more than a few blocks: {blocks}");
}

/// The system refuses to make any file larger: of the log, of a table, of RocksDB's own.
#[test]
fn a_full_disk_poisons_the_store_and_loses_nothing() {
    let this = std::env::current_exe().expect("this program has a path");
    let mut poisoned = 0;
    for (limit, buffer) in [
        (64, LARGE_BUFFER),
        (256, LARGE_BUFFER),
        (512, LARGE_BUFFER),
        (64, SMALL_BUFFER),
        (128, SMALL_BUFFER),
        (256, SMALL_BUFFER),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut chain = Chain::new(1);
        // So that opening writes no more than it must.
        drop(open(&chain, directory.path(), buffer).expect("there is room"));
        let mut shell = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script]).arg(&this);
        let out =
            child(shell, directory.path(), buffer).wait_with_output().expect("it ends by itself");
        let lines = String::from_utf8(out.stdout).expect("text");
        let ended = lines.lines().filter(|line| !line.starts_with("block ")).collect::<Vec<_>>();
        poisoned += u32::from(ended.contains(&POISONED));
        let known =
            |line: &&&str| **line == POISONED || **line == DONE || line.starts_with(REFUSED);
        assert!(ended.iter().any(|line| known(&line)), "limit {limit}: {lines}");
        let acknowledged = lines.lines().filter_map(height_in).max().unwrap_or(0);
        let store = open(&chain, directory.path(), buffer).expect("there is room again");
        let head = store.head().block.height().0;
        assert!(head >= acknowledged, "block {acknowledged} is lost, the head is {head}");
        grow_to(&mut chain, head);
        chain.assert_stored(&store, head);
        store.commit(chain.grow(&steps(head + 1))).expect("there is room again");
        drop(store);
        assert_whole(directory.path());
    }
    assert!(poisoned >= 3, "the limits are low enough to fail writes: {poisoned}");
}

/// The system itself fails the n-th write or sync of a child, RocksDB's own files included. Needs
/// `strace`, so it runs only when it is asked for.
#[test]
fn a_write_or_sync_that_the_system_fails_loses_nothing() {
    if std::env::var_os(STRACE_WANTED).is_none() {
        return;
    }
    let this = std::env::current_exe().expect("this program has a path");
    let mut poisoned = 0;
    let calls = [("fdatasync,fsync", "EIO"), ("write,pwrite64", "ENOSPC")];
    let cases = calls.iter().flat_map(|call| (0..20u64).map(move |step| (call, 5 + 23 * step)));
    for ((call, error), n) in cases {
        let directory = tempfile::tempdir().expect("a directory");
        let mut chain = Chain::new(1);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:error={error}:when={n}")]).arg(&this);
        let out = child(strace, directory.path(), SMALL_BUFFER);
        let out = out.wait_with_output().expect("it ends by itself");
        // Its last line may be what could not be written.
        let lines = String::from_utf8(out.stdout).expect("text");
        let acknowledged = lines.lines().filter_map(height_in).max().unwrap_or(0);
        poisoned += u32::from(lines.lines().any(|line| line == POISONED));
        let store = open(&chain, directory.path(), SMALL_BUFFER).expect("it opens again");
        let head = store.head().block.height().0;
        assert!(head >= acknowledged, "{call} {n}: {acknowledged} is lost, the head is {head}");
        grow_to(&mut chain, head);
        chain.assert_stored(&store, head);
        drop(store);
        assert_whole(directory.path());
    }
    assert!(poisoned >= 20, "{poisoned}");
}

/// Commits until a write fails; returns the chain that was acknowledged.
fn commit_until_it_fails(path: &Path, faults: Faults) -> Chain {
    let mut chain = Chain::new(1);
    let store = match Store::open(
        path,
        chain.genesis(),
        StoreOptions { faults, ..options(LARGE_BUFFER) },
    ) {
        Ok(store) => store,
        Err(error) => {
            assert!(error.is_fatal(), "{error}");
            return chain;
        }
    };
    for _ in 0..100 {
        let mut next = chain.clone();
        let commit = next.grow(&steps(next.height() + 1));
        let Err(error) = store.commit(commit.clone()) else {
            chain = next;
            continue;
        };
        assert!(matches!(error, StoreError::Database { .. }), "{error}");
        assert_eq!(store.commit(commit).expect_err("poisoned"), StoreError::Poisoned);
        // What was acknowledged is still read, and nothing of what was not.
        let (head, height) = (store.head(), chain.height());
        assert_eq!(head.block.height().0, height);
        chain.states[height as usize].assert_read_by(head.state.as_ref(), height);
        assert!(store.block(height + 1).expect("readable").is_none());
        assert_eq!(store.sync(), Err(StoreError::Poisoned));
        assert_nothing_found_above(&store, height);
        let unborn = next.block(height + 1);
        assert_eq!(store.height_of(&unborn.hash()), Ok(None));
        for transaction in unborn.transactions() {
            assert_eq!(store.transaction_location(transaction.tx_hash()), Ok(None));
        }
        return chain;
    }
    panic!("{faults:?}: nothing failed");
}

/// The indices hold entries of a block whose sync failed, and do not show them.
fn assert_nothing_found_above(store: &Store, height: u64) {
    let first = store.oldest().of(Kept::Logs);
    let logs = store.heights_with_logs(&LogQuery::default(), first, u64::MAX).expect("readable");
    assert!(logs.iter().all(|found| *found <= height), "{logs:?}");
    for who in (0..PEOPLE).map(person) {
        let up = store.touching_from(Touch::Any, &who, 0, usize::MAX).expect("readable");
        let down = store.touching_to(Touch::Any, &who, u64::MAX, usize::MAX).expect("readable");
        assert!(up.iter().chain(&down).all(|found| *found <= height), "{up:?} {down:?}");
    }
}

#[test]
fn whichever_write_or_sync_fails_everything_acknowledged_is_there() {
    for n in 1..=24 {
        for faults in [
            Faults { write: Some(n), ..Faults::default() },
            Faults { sync: Some(n), ..Faults::default() },
        ] {
            let directory = tempfile::tempdir().expect("a directory");
            let mut chain = commit_until_it_fails(directory.path(), faults);
            let acknowledged = chain.height();
            let store = open(&chain, directory.path(), LARGE_BUFFER).expect("it opens again");
            let head = store.head().block.height().0;
            // A write whose sync failed may be there: it is one that was decided.
            let extra = u64::from(faults.sync.is_some());
            assert!((acknowledged..=acknowledged + extra).contains(&head), "{faults:?}: {head}");
            grow_to(&mut chain, head);
            if n % 8 == 0 {
                chain.assert_stored(&store, head);
            }
            store.commit(chain.grow(&steps(head + 1))).expect("it goes on");
            drop(store);
            assert_whole(directory.path());
        }
    }
}

/// What is read is what was written, or an error.
fn assert_never_wrong(chain: &Chain, store: &Store, head: u64) -> bool {
    let mut whole = true;
    let mut same = |right: Result<bool, StoreError>| match right {
        Ok(right) => assert!(right, "something else is read than was written"),
        Err(error) => {
            assert!(error.is_fatal(), "{error}");
            whole = false;
        }
    };
    for commit in &chain.commits[..head as usize] {
        let height = commit.block.height().0;
        let block = store.block(height);
        same(block.map(|found| found.is_none_or(|stored| stored.block == commit.block)));
        same(store.receipts(height).map(|found| found.is_none_or(|r| r == commit.receipts)));
        same(store.access_list(height).map(|f| f.is_none_or(|list| list == commit.access_list)));
        let record = store.access_record(height);
        same(record.map(|found| found.is_none_or(|record| record == commit.access_record)));
        same(store.certificate(height).map(|f| f.is_none_or(|c| c == commit.certificate)));
        let height_of = store.height_of(&commit.block.hash());
        same(height_of.map(|found| found.is_none_or(|found| found == height)));
    }
    whole
}

#[test]
fn a_cut_or_changed_file_is_reported_or_changes_nothing() {
    const BLOCKS: u64 = 20;
    let original = tempfile::tempdir().expect("a directory");
    let chain = grown(original.path(), BLOCKS);
    let files: Vec<_> = std::fs::read_dir(original.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| !name.starts_with("LOG") && name != "LOCK")
        .collect();
    let (mut refused, mut harmless, mut found, mut shorter) = (0, 0, 0, 0);
    for (seed, name) in files.iter().enumerate() {
        for kind in 0..4u64 {
            let copy = copy_of(original.path());
            let path = copy.path().join(name);
            let mut bytes = std::fs::read(&path).expect("readable");
            if bytes.is_empty() {
                continue;
            }
            let place = random(seed as u64 * 10 + kind) as usize % bytes.len();
            match kind {
                0 => bytes.truncate(place),
                _ => bytes[place] ^= 1 << (place % 8),
            }
            std::fs::write(&path, bytes).expect("written");
            let store = match chain.open(copy.path()) {
                Err(error) => {
                    assert!(error.is_fatal(), "{name} {kind}: {error}");
                    refused += 1;
                    continue;
                }
                Ok(store) => store,
            };
            let head = store.head().block.height().0;
            assert_eq!(store.head().block.as_ref(), chain.block(head), "{name} {kind}");
            let whole = assert_never_wrong(&chain, &store, head);
            drop(store);
            let tools = Maintenance::open(copy.path(), &StoreOptions::devnet());
            let clean = tools.and_then(|tools| tools.check());
            let clean = clean.is_ok_and(|report| report.findings.is_empty());
            // A log that ends too early, or whose last record says a wrong length, looks as one
            // whose last write was interrupted: the blocks before it are there.
            let cut_log = name.ends_with(".log");
            assert!(head == BLOCKS || cut_log, "{name} {kind} at {place}: the head is {head}");
            assert!(whole || !clean, "{name} {kind} at {place}: the check finds what readers find");
            harmless += u32::from(clean && head == BLOCKS);
            found += u32::from(!clean);
            shorter += u32::from(head < BLOCKS);
        }
    }
    let counts = [refused, found, harmless, shorter];
    assert!(refused > 10 && harmless > 0, "refused, found, harmless, shorter: {counts:?}");
}
