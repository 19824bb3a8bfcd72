//! Four validators as processes: one is killed under load, then all of them.

#![allow(clippy::print_stdout)] // what was measured is part of the report

use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use weft_tests::chain::{open, replay_sequentially};
use weft_tests::process::{Process, free_ports, loopback, weft};
use weft_tests::rpc::{Rpc, quantity};
use weft_tests::sender::{account, sign, transfer};

/// Long, because other tests and builds share the machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

struct Testnet {
    folder: PathBuf,
    nodes: Vec<Process>,
    rpc: Vec<Rpc>,
}

impl Testnet {
    fn start(folder: &Path) -> Self {
        let out = folder.display().to_string();
        let (rpc_port, p2p_port) = (free_ports(4), free_ports(4));
        let (rpc_text, p2p_text) = (rpc_port.to_string(), p2p_port.to_string());
        let init = weft(&[
            "testnet",
            "init",
            "--out",
            &out,
            "--rpc-port",
            &rpc_text,
            "--p2p-port",
            &p2p_text,
        ]);
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        let mut net = Self { folder: folder.to_path_buf(), nodes: Vec::new(), rpc: Vec::new() };
        for index in 0..4u16 {
            net.nodes.push(net.node(usize::from(index)));
            net.rpc.push(Rpc::new(loopback(rpc_port + index)));
        }
        net
    }

    fn home(&self, index: usize) -> PathBuf {
        self.folder.join(format!("node{index}"))
    }

    fn node(&self, index: usize) -> Process {
        let home = self.home(index).display().to_string();
        Process::start(&["node", "--home", &home], &self.home(index).with_extension("log"))
    }

    fn logs(&self) -> String {
        let read = |index| std::fs::read_to_string(self.home(index).with_extension("log"));
        (0..4).map(|index| read(index).unwrap_or_default()).collect()
    }
}

/// Sends transfers without pause until told to stop; returns the hashes that had a receipt.
fn load(rpc: Vec<Rpc>, sender: u32, stop: Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let signer = account(sender);
        let mut acknowledged = Vec::new();
        let mut nonce = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut sent = Vec::new();
            for _ in 0..20 {
                let raw = sign(&signer, transfer(nonce, account(9).address()));
                // A server may be away: the transaction then goes to the next one.
                let hash = rpc.iter().find_map(|server| {
                    let answer = server.response("eth_sendRawTransaction", &json!([raw])).ok()?;
                    answer["result"].as_str().map(str::to_owned)
                });
                let Some(hash) = hash else { break };
                sent.push(hash);
                nonce += 1;
            }
            std::thread::sleep(Duration::from_millis(100));
            for hash in sent {
                let receipt = rpc[0].response("eth_getTransactionReceipt", &json!([hash]));
                if receipt.is_ok_and(|answer| answer["result"].is_object()) {
                    acknowledged.push(hash);
                }
            }
        }
        acknowledged
    })
}

fn assert_same_chain(rpc: &[Rpc], height: u64) {
    for number in 1..=height {
        let tag = format!("{number:#x}");
        let first = rpc[0].call("eth_getBlockByNumber", json!([tag, false]));
        for other in &rpc[1..] {
            assert_eq!(other.call("eth_getBlockByNumber", json!([tag, false])), first);
        }
    }
}

#[test]
fn a_killed_validator_catches_up_and_four_killed_ones_lose_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let mut net = Testnet::start(&temp.path().join("net"));
    for rpc in &net.rpc {
        rpc.wait_for_height(3, PATIENCE);
    }

    // One of four dies under load; the others go on.
    let stop = Arc::new(AtomicBool::new(false));
    let running = load(net.rpc[..3].to_vec(), 1, Arc::clone(&stop));
    std::thread::sleep(Duration::from_millis(800));
    net.nodes[3].kill();
    let at_kill = net.rpc[0].height().unwrap();
    net.rpc[0].wait_for_height(at_kill + 5, PATIENCE);
    net.nodes[3] = net.node(3);
    let away = net.rpc[0].height().unwrap();
    net.rpc[3].wait_for_height(away + 2, PATIENCE);
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = running.join().unwrap();
    assert!(!acknowledged.is_empty(), "the load did nothing");
    let height = net.rpc.iter().filter_map(Rpc::height).min().unwrap();
    assert_same_chain(&net.rpc, height);
    let balance = |rpc: &Rpc, height: u64| {
        rpc.call("eth_getBalance", json!([account(9).address(), format!("{height:#x}")]))
    };
    assert_eq!(balance(&net.rpc[3], height), balance(&net.rpc[0], height));

    // All four die at once, under load.
    let stop = Arc::new(AtomicBool::new(false));
    let running = load(net.rpc.clone(), 2, Arc::clone(&stop));
    std::thread::sleep(Duration::from_millis(1500));
    for node in &mut net.nodes {
        node.kill();
    }
    stop.store(true, Ordering::Relaxed);
    acknowledged.extend(running.join().unwrap());
    for index in 0..4 {
        let check = weft(&["db", "check", "--home", &net.home(index).display().to_string()]);
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
    for index in 0..4 {
        net.nodes[index] = net.node(index);
    }
    for rpc in &net.rpc {
        rpc.wait_for_height(height + 2, PATIENCE);
    }
    let reached = net.rpc.iter().filter_map(Rpc::height).max().unwrap();
    for rpc in &net.rpc {
        rpc.wait_for_height(reached + 1, PATIENCE);
    }
    for hash in &acknowledged {
        for rpc in &net.rpc {
            let receipt = rpc.call("eth_getTransactionReceipt", json!([hash]));
            assert!(quantity(&receipt["blockNumber"]).is_some(), "{hash} had a receipt: {receipt}");
        }
    }
    println!("{} acknowledged transactions survived", acknowledged.len());

    // One loses its whole home but its keys: it syncs, and does not sign for the height it joins at.
    net.nodes[3].kill();
    for folder in ["db", "consensus"] {
        std::fs::remove_dir_all(net.home(3).join(folder)).unwrap();
    }
    net.nodes[3] = net.node(3);
    let target = net.rpc[0].height().unwrap() + 3;
    for rpc in &net.rpc {
        rpc.wait_for_height(target, PATIENCE);
    }
    assert!(net.logs().contains("joined late"), "{}", net.logs());

    for node in &mut net.nodes {
        let (code, _) = node.interrupt();
        assert_eq!(code, Some(0));
    }
    let logs = net.logs();
    assert!(!logs.contains("signed two different messages"), "{logs}");
    assert!(!logs.contains("refusing to sign"), "{logs}");
    let height = (0..4).map(|i| open(&net.home(i)).head().block.height().0).min().unwrap();
    let hash = |index: usize| open(&net.home(index)).header(height).unwrap().unwrap().hash_slow();
    for index in 0..4 {
        let (_, transactions, _) = replay_sequentially(&net.home(index));
        assert!(transactions >= acknowledged.len());
        assert_eq!(hash(index), hash(0));
    }
}
