//! Child processes that are killed, or whose disk is full, while they commit.

use crate::chain::{Chain, PEOPLE, SLOTS, Step, code};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weft_store::{Store, StoreError, StoreOptions};

const DIRECTORY: &str = "WEFT_STORE_CRASH_DIRECTORY";
const BUFFER: &str = "WEFT_STORE_CRASH_BUFFER_BYTES";
/// Small: files are written and merged all the time.
const SMALL_BUFFER: usize = 128 << 10;
/// Large: everything stays in the log until the store is opened again.
const LARGE_BUFFER: usize = 8 << 20;
const KILLS: u64 = 20;
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
    (0..20).map(one).collect()
}

fn grow_to(chain: &mut Chain, height: u64) {
    while chain.height() < height {
        chain.grow(&steps(chain.height() + 1));
    }
}

fn open(chain: &Chain, path: &Path, buffer: usize) -> Result<Arc<Store>, StoreError> {
    let options = StoreOptions { write_buffer_bytes: buffer, ..StoreOptions::devnet() };
    Store::open(path, chain.genesis(), options)
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
    let store = open(&chain, Path::new(&path), buffer.expect("a number")).expect("it opens");
    grow_to(&mut chain, store.head().block.height().0);
    loop {
        let commit = chain.grow(&steps(chain.height() + 1));
        match store.commit(commit.clone()) {
            Ok(head) => say(&format!("block {}", head.block.height())),
            Err(StoreError::Database { .. }) => {
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

#[test]
fn every_acknowledged_block_survives_kill_9() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut chain = Chain::new(1);
    let this = std::env::current_exe().expect("this program has a path");
    let mut acknowledged = 0;
    for round in 0..KILLS {
        let mut child = child(Command::new(&this), directory.path(), SMALL_BUFFER);
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let wait = Duration::from_micros(random(round) % 60_000);
        let mut deadline = None;
        for line in out.lines() {
            let line = line.expect("text");
            if let Some(height) = height_in(&line) {
                acknowledged = acknowledged.max(height);
                let first = *deadline.get_or_insert_with(|| Instant::now() + wait);
                if Instant::now() >= first {
                    child.kill().expect("it still runs");
                }
            }
        }
        child.wait().expect("it has ended");
        let store = open(&chain, directory.path(), SMALL_BUFFER).expect("a killed store opens");
        let head = store.head().block.height().0;
        assert!(head >= acknowledged, "block {acknowledged} is lost, the head is {head}");
        grow_to(&mut chain, head);
        assert_eq!(store.head().block.hash(), chain.block(head).hash());
        if round + 1 == KILLS {
            chain.assert_stored(&store, head);
        }
    }
    assert!(acknowledged >= KILLS, "every child commits at least one block");
}

/// A limit on file sizes stands for a full disk: the write of the log fails in the same way.
#[test]
fn a_failed_write_poisons_the_store_and_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let this = std::env::current_exe().expect("this program has a path");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$0\" \"$@\""]).arg(&this);
    let out =
        child(shell, directory.path(), LARGE_BUFFER).wait_with_output().expect("it ends by itself");
    let lines = String::from_utf8(out.stdout).expect("text");
    assert!(lines.lines().any(|line| line == POISONED), "{lines}");
    let acknowledged = lines.lines().filter_map(height_in).max().expect("some blocks had room");
    let mut chain = Chain::new(1);
    let store = open(&chain, directory.path(), LARGE_BUFFER).expect("there is room again");
    let head = store.head().block.height().0;
    assert!(head >= acknowledged, "block {acknowledged} is lost, the head is {head}");
    grow_to(&mut chain, head);
    chain.assert_stored(&store, head);
}
