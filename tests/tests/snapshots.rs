//! A snapshot of a running node starts another one; tools look at what both left.

use alloy_primitives::Address;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;
use weft_tests::chain::replay_sequentially;
use weft_tests::process::{Process, free_ports, loopback, weft};
use weft_tests::rpc::Rpc;
use weft_tests::sender::{account, sign, transfer};

/// Long, because other tests and builds share the machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

/// A validator alone, and the place where a second node joins it.
struct Net {
    folder: PathBuf,
    rpc_port: u16,
    p2p_port: u16,
    nonce: u64,
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn fails(output: &Output, code: i32, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "expected {word:?} in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

fn works(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn answer(args: &[&str]) -> Value {
    let output = works(&weft(&[args, &["--json"]].concat()));
    assert_eq!(output.lines().count(), 1, "{output}");
    serde_json::from_str(&output).expect("one line of JSON")
}

fn copy_folder(from: &str, to: &Path) {
    let copied = std::process::Command::new("cp").args(["-r", from, &text(to)]).status();
    assert!(copied.unwrap().success());
}

impl Net {
    fn new(folder: &Path) -> Self {
        let net = Self {
            folder: folder.join("net"),
            rpc_port: free_ports(2),
            p2p_port: free_ports(2),
            nonce: 0,
        };
        let (rpc, p2p) = (net.rpc_port.to_string(), net.p2p_port.to_string());
        let out = text(&net.folder);
        let ports = ["--rpc-port", &rpc, "--p2p-port", &p2p];
        let init = ["testnet", "init", "--validators", "1", "--out", &out];
        works(&weft(&[&init[..], &ports].concat()));
        net
    }

    fn home(&self) -> PathBuf {
        self.folder.join("node0")
    }

    /// A second home without a validator's key, which dials the validator.
    fn follower(&self) -> PathBuf {
        let home = self.folder.join("follower");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::copy(self.home().join("genesis.json"), home.join("genesis.json")).unwrap();
        let key = weft::network::load_node_key(&self.home().join("keys/node.key")).unwrap();
        let id = key.public().to_peer_id();
        let (rpc, p2p) = (self.rpc_port + 1, self.p2p_port + 1);
        let config = format!(
            "[rpc]\nlisten = \"127.0.0.1:{rpc}\"\n[p2p]\nlisten = \"/ip4/127.0.0.1/tcp/{p2p}\"\n\
             peers = [\"/ip4/127.0.0.1/tcp/{}/p2p/{id}\"]\n[state]\nhistory = \"archive\"\n",
            self.p2p_port
        );
        std::fs::write(home.join("config.toml"), config).unwrap();
        home
    }

    fn start(&self, home: &Path) -> Process {
        Process::start(&["node", "--home", &text(home)], &home.with_extension("log"))
    }

    fn rpc(&self, index: u16) -> Rpc {
        Rpc::new(loopback(self.rpc_port + index))
    }

    /// Both nodes say the same of these blocks and the states after them.
    fn assert_same(&self, heights: std::ops::RangeInclusive<u64>) {
        for number in heights {
            let tag = format!("{number:#x}");
            for (method, params) in [
                ("eth_getBlockByNumber", json!([tag, true])),
                ("eth_getBlockReceipts", json!([tag])),
                ("eth_getBalance", json!([account(0).address(), tag])),
            ] {
                let (ours, theirs) = (self.rpc(0), self.rpc(1));
                assert_eq!(theirs.call(method, params.clone()), ours.call(method, params));
            }
        }
    }

    /// Sends transfers to many new accounts, and waits for the receipts.
    fn send(&mut self, count: u64) {
        for _ in 0..count {
            let to = Address::left_padding_from(&(self.nonce + 1_000_000).to_be_bytes());
            let raw = sign(&account(0), transfer(self.nonce, to));
            let receipt = self.rpc(0).call("eth_sendRawTransactionSync", json!([raw, 20_000]));
            assert_eq!(receipt["status"], "0x1");
            self.nonce += 1;
        }
    }
}

#[test]
fn a_snapshot_of_a_running_node_starts_another_one_that_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(temp.path());
    let (home, follower) = (text(&net.home()), text(&net.follower()));
    let create = ["snapshot", "create", "--home", &home];
    fails(&weft(&create), 3, &["no database yet", "fix"]);
    let mut node = net.start(&net.home());
    net.rpc(0).wait_for_height(2, PATIENCE);
    net.send(12);
    fails(&weft(&["db", "check", "--home", &home]), 4, &["in use", "stop the node first"]);
    let stats = answer(&["db", "stats", "--home", &home]);
    assert!(stats["height"].as_u64().unwrap() >= 12, "the node says it itself: {stats}");
    let made = answer(&create);
    net.send(5);
    let folder = made["folder"].as_str().unwrap().to_owned();
    let (height, hash) = (made["height"].as_u64().unwrap(), made["hash"].as_str().unwrap());
    let listed = answer(&["snapshot", "list", "--home", &home]);
    assert_eq!(listed[0]["folder"], folder);
    let version = answer(&["db", "version", "--home", &home]);
    assert_eq!((&version["found"], &version["expected"]), (&json!(3), &json!(3)));

    let verify = ["snapshot", "verify", &folder, "--home", &home, "--hash", hash];
    assert!(works(&weft(&verify)).contains("by the hash given and the validators' certificate"));
    assert!(works(&weft(&["snapshot", "verify", &folder])).contains("trusted   no"));
    let restore = ["snapshot", "restore", &folder, "--home", &follower];
    let other = format!("0x{}", "ab".repeat(32));
    fails(&weft(&[&restore[..], &["--hash", &other]].concat()), 6, &["of another block", hash]);
    fails(&weft(&[&restore[..], &["--height", "1"]].concat()), 6, &["another height"]);
    assert!(!Path::new(&follower).join("db").exists(), "nothing was changed");
    works(&weft(&[&restore[..], &["--hash", hash]].concat()));
    fails(&weft(&restore), 3, &["has a database already", "fix"]);

    let mut second = net.start(Path::new(&follower));
    net.rpc(1).wait_for_height(height, PATIENCE);
    net.send(8);
    let reached = net.rpc(0).height().unwrap();
    assert!(reached > height + 8);
    net.rpc(1).wait_for_height(reached, PATIENCE);
    net.assert_same(0..=reached);
    assert_eq!(second.interrupt().0, Some(0));
    assert_eq!(node.interrupt().0, Some(0));
    for home in [&home, &follower] {
        let report = answer(&["db", "check", "--home", home]);
        assert_eq!(report["findings"], json!([]));
        assert!(report["height"].as_u64().unwrap() >= reached);
    }
    assert!(replay_sequentially(Path::new(&follower)).1 >= 25);
}

#[test]
fn a_state_in_chunks_starts_a_node_that_goes_on_by_lists_and_then_by_its_peers() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(temp.path());
    let (home, follower) = (text(&net.home()), text(&net.follower()));
    let mut node = net.start(&net.home());
    net.rpc(0).wait_for_height(2, PATIENCE);
    net.send(30);
    let made = answer(&["snapshot", "export", "--home", &home, "--chunk-leaves", "16"]);
    let folder = made["folder"].as_str().unwrap().to_owned();
    let (height, hash) = (made["height"].as_u64().unwrap(), made["hash"].as_str().unwrap());
    assert!(made["chunks"].as_u64().unwrap() > 3, "{made}");
    net.send(6);
    let extended = answer(&["snapshot", "export", "--home", &home, "--extend", &folder]);
    let last = extended["last"].as_u64().unwrap();
    assert!(extended["hash"] == hash && last >= height + 6, "{extended}");

    let import = ["snapshot", "import", &folder, "--home", &follower];
    let other = format!("0x{}", "ab".repeat(32));
    fails(&weft(&[&import[..], &["--hash", &other]].concat()), 6, &["of another block", hash]);
    fails(&weft(&[&import[..], &["--height", "1"]].concat()), 6, &["another height"]);
    // Without a second stream a changed chunk ends it; with one it is taken from there.
    let copy = temp.path().join("copy");
    copy_folder(&folder, &copy);
    let chunk = Path::new(&folder).join("chunks/00002");
    let mut bytes = std::fs::read(&chunk).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&chunk, bytes).unwrap();
    fails(&weft(&import), 5, &["a chunk is refused", "chunks/00002", "fix"]);
    let verify = |folder: &str| weft(&["snapshot", "verify", folder, "--home", &home]);
    fails(&verify(&folder), 5, &["chunks/00002"]);
    assert!(works(&verify(&text(&copy))).contains("the stream is whole"));
    assert!(!Path::new(&follower).join("db").exists(), "nothing was changed");
    let block = Path::new(&folder).join(format!("blocks/{:012}", height + 2));
    std::fs::write(&block, b"rubbish").unwrap();
    let both = ["snapshot", "import", &folder, &text(&copy), "--home", &follower];
    let imported = answer(&[&both[..], &["--hash", hash]].concat());
    assert_eq!(imported["height"], last, "{imported}");
    assert_eq!(imported["blocks"], last - height);
    let refused = imported["refused"].to_string();
    assert!(refused.contains("chunks/00002") && refused.contains("blocks/0000"), "{refused}");
    let report = answer(&["db", "check", "--home", &follower]);
    assert_eq!(report["findings"], json!([]));
    assert_eq!(report["blocks"], last - height + 2, "genesis, the block of the state, those since");

    // More blocks, by their lists again: a bad one ends it at the block before.
    net.send(4);
    let extended = answer(&["snapshot", "export", "--home", &home, "--extend", &text(&copy)]);
    let last = extended["last"].as_u64().unwrap();
    let next = copy.join(format!("blocks/{last:012}"));
    let good = std::fs::read(&next).unwrap();
    std::fs::write(&next, &good[1..]).unwrap();
    let again = ["snapshot", "import", &text(&copy), "--home", &follower];
    fails(&weft(&again), 5, &["a block is refused", &format!("block {} is the last", last - 1)]);
    std::fs::write(&next, good).unwrap();
    assert_eq!(answer(&again)["blocks"], 1);

    let mut second = net.start(Path::new(&follower));
    net.rpc(1).wait_for_height(last, PATIENCE);
    net.send(5);
    let reached = net.rpc(0).height().unwrap();
    net.rpc(1).wait_for_height(reached, PATIENCE);
    net.assert_same(height..=reached);
    let early = format!("{:#x}", height - 1);
    let (code, _) = net.rpc(1).error("eth_getBalance", json!([account(0).address(), early]));
    assert_eq!(code, 4444, "what was before the state is not there");
    assert_eq!(second.interrupt().0, Some(0));
    assert_eq!(node.interrupt().0, Some(0));
    let report = answer(&["db", "check", "--home", &follower]);
    assert_eq!(report["findings"], json!([]));
}

#[test]
fn a_node_takes_snapshots_by_itself_and_keeps_the_newest() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(temp.path());
    let home = text(&net.home());
    let config = net.home().join("config.toml");
    let before = std::fs::read_to_string(&config).unwrap();
    let asked = before.replace("snapshot_interval = 0", "snapshot_interval = 3");
    assert_ne!(before, asked);
    std::fs::write(&config, asked).unwrap();
    let mut node = net.start(&net.home());
    net.rpc(0).wait_for_height(1, PATIENCE);
    net.send(16);
    let own = answer(&["snapshot", "create", "--home", &home]);
    let deadline = std::time::Instant::now() + PATIENCE;
    let automatic = net.home().join("snapshots/automatic");
    let complete = || -> usize {
        let entries = std::fs::read_dir(&automatic).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().join("manifest.json").exists()).count()
    };
    while complete() != 2 {
        assert!(std::time::Instant::now() < deadline, "{} snapshots", complete());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(node.interrupt().0, Some(0));
    let listed = answer(&["snapshot", "list", "--home", &home]);
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 3, "two of its own and the one that was asked for: {listed:?}");
    assert!(listed.iter().any(|snapshot| snapshot["folder"] == own["folder"]));
    for snapshot in listed {
        let folder = snapshot["folder"].as_str().unwrap();
        works(&weft(&["snapshot", "verify", folder, "--home", &home]));
    }
}

#[test]
fn tools_say_what_is_there_drop_what_is_not_kept_and_name_what_is_damaged() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Net::new(temp.path());
    let home = text(&net.home());
    let mut node = net.start(&net.home());
    net.rpc(0).wait_for_height(1, PATIENCE);
    net.send(6);
    assert_eq!(node.interrupt().0, Some(0));

    let on_home = |command: &str| ["db", command, "--home", &home].map(str::to_owned);
    let run = |args: [String; 4]| weft(&args.each_ref().map(String::as_str));
    assert!(works(&run(on_home("check"))).contains("the database is consistent"));
    assert!(works(&run(on_home("stats"))).contains("account_history"));
    assert_eq!(works(&run(on_home("path"))).trim(), net.home().join("db").display().to_string());
    assert!(works(&run(on_home("version"))).contains("schema    3"));
    assert!(works(&run(on_home("compact"))).contains("on disk"));
    let prune = ["db", "prune", "--home", &home, "--history", "2", "--records", "1", "--logs", "3"];
    let head = answer(&["db", "stats", "--home", &home])["height"].as_u64().unwrap();
    let oldest = answer(&prune)["oldest"].clone();
    assert_eq!(oldest[0], json!(["history", head - 2]));
    assert_eq!(oldest[1], json!(["receipts", 0]));
    assert!(works(&run(on_home("check"))).contains("the database is consistent"));
    fails(&weft(&[&prune[..4], &["--history", "none"]].concat()), 2, &["--history"]);

    // The table files hold the state now: damage each of them, one byte in the middle.
    let tables: Vec<PathBuf> = std::fs::read_dir(net.home().join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|name| name == "sst"))
        .collect();
    assert!(tables.len() > 5, "{tables:?}");
    for table in tables {
        let good = std::fs::read(&table).unwrap();
        let mut bad = good.clone();
        // Within the first block of data, which every table begins with.
        bad[4] ^= 0x40;
        std::fs::write(&table, &bad).unwrap();
        fails(&run(on_home("check")), 5, &["damaged", &text(table.file_name().unwrap().as_ref())]);
        std::fs::write(&table, &good).unwrap();
    }
    assert!(works(&run(on_home("check"))).contains("the database is consistent"));

    // Without the list of its files the node does not start on it either.
    let current = net.home().join("db").join("CURRENT");
    std::fs::write(&current, "MANIFEST-999999\n").unwrap();
    fails(&weft(&["node", "--home", &home]), 5, &["MANIFEST-999999", "fix"]);
    fails(&run(on_home("check")), 5, &["MANIFEST-999999", "fix"]);
}
