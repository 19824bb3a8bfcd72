//! Two nodes under steady light load, and the memory that they take, every ten seconds.
//!
//! A validator and a node that follows it run with small caches, so that all of them fill up within
//! minutes. Transfers to new accounts arrive all the time; balances now and then, logs, proofs and
//! blocks are asked for beside them.
//!
//! ```console
//! $ cargo build --release --workspace --bin weft --example soak
//! $ cargo run --release --workspace --example soak -- --minutes 30 --rate 50 --mib 16 --port 21500
//! ```
//! `--mib` is the size of each of the four parts of a node's memory that are configured.

#![allow(clippy::print_stdout)] // it prints what it measured

use alloy_primitives::{Address, keccak256};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use weft_tests::process::{Process, loopback, weft};
use weft_tests::rpc::Rpc;
use weft_tests::sender::{account, sign, transfer};

const SAMPLE_EVERY: Duration = Duration::from_secs(10);

fn argument(name: &str, default: u64) -> u64 {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().map_or(default, |value| value.parse().expect("a number"))
}

/// Two homes of one chain: a validator, and a node that dials it.
fn homes(folder: &Path, port: u16, mib: u64) -> [String; 2] {
    let net = folder.join("net");
    let (rpc, p2p) = (port.to_string(), (port + 10).to_string());
    let out = net.display().to_string();
    let flags = ["--validators", "1", "--rpc-port", &rpc, "--p2p-port", &p2p, "--out", &out];
    let made = weft(&[&["testnet", "init"][..], &flags].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (first, second) = (net.join("node0"), net.join("follower"));
    std::fs::create_dir_all(second.join("keys")).expect("a folder");
    std::fs::copy(first.join("genesis.json"), second.join("genesis.json")).expect("a copy");
    let key = weft::network::load_node_key(&first.join("keys/node.key")).expect("a key");
    let peer = format!("/ip4/127.0.0.1/tcp/{p2p}/p2p/{}", key.public().to_peer_id());
    for (home, offset, peers) in [(&first, 0, vec![]), (&second, 1, vec![peer])] {
        let path = home.join("config.toml");
        let mut config = weft::config::Config::default();
        config.rpc.listen = loopback(port + offset);
        config.p2p.listen = format!("/ip4/127.0.0.1/tcp/{}", port + 10 + offset);
        config.p2p.peers = peers;
        let bytes = mib << 20;
        config.state.cache_bytes = bytes as usize;
        config.state.block_cache_bytes = bytes as usize;
        config.state.write_buffer_bytes = bytes as usize;
        config.state.tree_memory_bytes = bytes;
        config.log.level = "warn".into();
        std::fs::write(path, config.to_toml()).expect("written");
    }
    [first, second].map(|home| home.display().to_string())
}

/// Resident memory of a process, in KiB.
fn resident_kib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()));
    let status = status.expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

/// The load of one second.
fn second(
    nodes: &[Rpc; 2],
    signer: &alloy_signer_local::PrivateKeySigner,
    nonce: &mut u64,
    rate: u64,
) {
    for _ in 0..rate {
        let to = Address::from_slice(&keccak256(nonce.to_be_bytes())[12..]);
        let raw = sign(signer, transfer(*nonce, to));
        let answer = nodes[0].response("eth_sendRawTransaction", &json!([raw]));
        let answer = answer.expect("the node answers");
        assert!(answer["error"].is_null(), "{answer}");
        *nonce += 1;
    }
    let height = nodes[1].height().unwrap_or_default();
    for (step, rpc) in nodes.iter().enumerate() {
        let draw = u64::from_be_bytes(
            keccak256([*nonce, step as u64].map(u64::to_be_bytes).concat())[..8]
                .try_into()
                .expect("eight bytes"),
        );
        let who = Address::from_slice(&keccak256((draw % *nonce).to_be_bytes())[12..]);
        let past = format!("{:#x}", draw % (height + 1));
        let near = format!("{:#x}", height.saturating_sub(draw % 100));
        for (method, params) in [
            ("eth_getBalance", json!([who, past])),
            ("eth_getBlockByNumber", json!([past, true])),
            ("eth_getBlockReceipts", json!([past])),
            ("eth_getLogs", json!([{ "fromBlock": near, "toBlock": near }])),
            ("weft_getProof", json!([who, [], near])),
            ("weft_getBlockRecord", json!([past])),
        ] {
            let answer = rpc.response(method, &params).expect("the node answers");
            assert!(answer["error"].is_null(), "{method} {params}: {answer}");
        }
    }
}

fn main() {
    let (minutes, rate) = (argument("--minutes", 30), argument("--rate", 50));
    let (port, mib) = (argument("--port", 21_500) as u16, argument("--mib", 16));
    let folder = tempfile::tempdir().expect("a folder");
    let homes = homes(folder.path(), port, mib);
    let [mut validator, mut follower] = homes.each_ref().map(|home| {
        Process::start(&["node", "--home", home], &Path::new(home).with_extension("log"))
    });
    let nodes = [Rpc::new(loopback(port)), Rpc::new(loopback(port + 1))];
    for node in &nodes {
        node.wait_for_height(1, Duration::from_secs(60));
    }
    println!("configured: 4 x {mib} MiB; {rate} transfers a second for {minutes} minutes");
    println!("seconds,height,transactions,validator_kib,follower_kib");
    let (signer, started) = (account(0), Instant::now());
    let (mut nonce, mut sampled, mut most) = (0, started, [0; 2]);
    while started.elapsed() < Duration::from_secs(minutes * 60) {
        let begun = Instant::now();
        second(&nodes, &signer, &mut nonce, rate);
        if sampled.elapsed() >= SAMPLE_EVERY {
            sampled = Instant::now();
            let now = [resident_kib(&validator), resident_kib(&follower)];
            most = [most[0].max(now[0]), most[1].max(now[1])];
            let (seconds, height) = (started.elapsed().as_secs(), nodes[1].height());
            println!("{seconds},{},{nonce},{},{}", height.unwrap_or_default(), now[0], now[1]);
        }
        std::thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
    }
    println!("most: validator {} MiB, follower {} MiB", most[0] >> 10, most[1] >> 10);
    assert_eq!(follower.interrupt().0, Some(0));
    assert_eq!(validator.interrupt().0, Some(0));
    for home in &homes {
        let checked = weft(&["db", "check", "--home", home]);
        println!("{}", String::from_utf8_lossy(&checked.stdout));
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let stats = weft(&["db", "stats", "--home", home]);
        println!("{}", String::from_utf8_lossy(&stats.stdout));
    }
}
