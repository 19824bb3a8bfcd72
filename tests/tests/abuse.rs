//! A node that strangers call: random and malformed requests, too much of everything, clients that
//! never read. It answers with errors, its memory stays within bounds, and its blocks go on.
//!
//! Full size: `WEFT_ABUSE=full cargo test --release --workspace --test abuse -- --nocapture`
//! (needs `ulimit -n 4096`).

#![allow(clippy::print_stdout)] // what was measured is part of the report

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use weft_tests::process::Devnet;
use weft_tests::rpc::Rpc;
use weft_tests::sender::{account, sign, transfer};
use weft_tests::socket::Socket;

/// How much is done to the node.
struct Size {
    requests: usize,
    idle: usize,
    slow: usize,
    /// Calls that each slow client makes without reading.
    unread: usize,
    loops: usize,
}

fn size() -> Size {
    if std::env::var("WEFT_ABUSE").is_ok_and(|size| size == "full") {
        return Size { requests: 10_000, idle: 1_000, slow: 100, unread: 2_000, loops: 400 };
    }
    Size { requests: 1_000, idle: 100, slow: 10, unread: 500, loops: 40 }
}

/// Memory that the node may take beyond what it had, in bytes: the answers that may wait
/// (384 MiB, and 125 for those who read), and what the allocator keeps.
const GROWTH_MAX: u64 = 700 * 1024 * 1024;

/// Sends one transaction after the other on a connection of its own and counts the receipts: as
/// many blocks as the node can make for one sender.
struct Beat {
    count: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Beat {
    fn start(rpc: Rpc) -> Self {
        let (count, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (counted, stopped) = (Arc::clone(&count), Arc::clone(&stop));
        let mut socket = Socket::open(rpc.address()).expect("the node takes a connection");
        let thread = std::thread::spawn(move || {
            let (sender, to) = (account(0), account(1).address());
            for nonce in 0.. {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let raw = sign(&sender, transfer(nonce, to));
                let params = json!([raw, 20_000]);
                let answer = socket.call("eth_sendRawTransactionSync", &params).expect("an answer");
                assert_eq!(answer["result"]["status"], "0x1", "{answer}");
                counted.fetch_add(1, Ordering::AcqRel);
            }
        });
        Self { count, stop, thread: Some(thread) }
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    fn stop(mut self) {
        self.stop.store(true, Ordering::Release);
        self.thread.take().expect("it is stopped once").join().expect("blocks went on");
    }
}

/// Runs one kind of abuse, and prints what became of blocks and memory meanwhile.
fn phase(name: &str, devnet: &Devnet, beat: &Beat, act: impl FnOnce()) {
    let (before, started) = (beat.count(), Instant::now());
    act();
    // Short ones are watched for a while.
    while started.elapsed() < Duration::from_secs(2) || beat.count() == before {
        assert!(started.elapsed() < Duration::from_secs(300), "{name}: no block any more");
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = started.elapsed().as_secs_f64();
    let rate = (beat.count() - before) as f64 / seconds;
    let resident = devnet.process.resident_bytes() / (1024 * 1024);
    println!("{name:<28} {seconds:6.1} s  {rate:6.1} blocks/s  {resident:5} MiB");
}

const METHODS: [&str; 12] = [
    "eth_call",
    "eth_getBalance",
    "eth_getLogs",
    "eth_getBlockByNumber",
    "eth_sendRawTransaction",
    "eth_feeHistory",
    "eth_estimateGas",
    "eth_newFilter",
    "eth_getFilterChanges",
    "weft_getProof",
    "weft_getBlockRecord",
    "no_suchMethod",
];

/// A request that is wrong somewhere, mostly.
fn request(random: &mut StdRng) -> Vec<u8> {
    let method = METHODS[random.random_range(0..METHODS.len())];
    let word = format!("0x{:x}", random.random::<u64>());
    let params = match random.random_range(0..6) {
        0 => json!([word, "latest"]),
        1 => json!([{ "to": word, "data": "0x12", "fromBlock": word, "toBlock": [] }, {}]),
        2 => json!({ "address": word }),
        3 => json!([[[[[null]]]], -1, 1e300, "\u{0}"]),
        4 => json!(vec![word; 300]),
        _ => json!([account(1).address(), "latest"]),
    };
    let call = json!({ "jsonrpc": "2.0", "id": random.random::<u64>(), "method": method, "params": params });
    let mut bytes = call.to_string().into_bytes();
    match random.random_range(0..5) {
        0 => (0..bytes.len()).for_each(|at| bytes[at] = random.random()),
        1 => bytes.truncate(random.random_range(0..bytes.len())),
        2 => {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        3 => bytes = format!("[{0},{0},7,[],{0}]", String::from_utf8_lossy(&bytes)).into_bytes(),
        _ => {}
    }
    bytes
}

/// An answer must be JSON-RPC, and an error must say something and not be the node's own fault.
fn judge(body: &[u8], status: u16, answer: &[u8]) {
    let shown = || String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
    assert!(status < 500, "{status}: {}", shown());
    if answer.is_empty() || answer == b"null" {
        // What has no id is a notification, and gets no answer: over HTTP an empty or a null body.
        return;
    }
    let answer: Value = serde_json::from_slice(answer).unwrap_or_else(|_| panic!("{}", shown()));
    for answer in answer.as_array().unwrap_or(&vec![answer.clone()]) {
        assert!(answer.get("result").is_some() || answer["error"].is_object(), "{}", shown());
        assert_ne!(answer["error"]["code"], -32603, "{}: {answer}", shown());
        assert_ne!(answer["error"]["message"], "", "{}", shown());
    }
}

fn malformed(rpc: Rpc, count: usize) {
    let threads: Vec<_> = (0..4)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut random = StdRng::seed_from_u64(seed);
                for _ in 0..count / 4 {
                    let body = request(&mut random);
                    let (status, answer) = rpc.post_raw(&body).expect("an answer");
                    judge(&body, status, &answer);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("every request was answered"));
}

fn oversized(rpc: Rpc) {
    let large = vec![b' '; 15 * 1024 * 1024 + 1];
    for _ in 0..5 {
        assert_eq!(rpc.post_raw(&large).map_or(413, |(status, _)| status), 413);
    }
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{}1{}]}}"#,
        "[".repeat(5_000_000),
        "]".repeat(5_000_000)
    );
    let (_, answer) = rpc.post_raw(deep.as_bytes()).expect("an answer");
    assert!(String::from_utf8_lossy(&answer).contains("-32602"));
    let many = format!("[{}1]", "1,".repeat(1_000_000));
    let (_, answer) = rpc.post_raw(many.as_bytes()).expect("an answer");
    assert!(String::from_utf8_lossy(&answer).contains("-32"), "a batch of a million");
}

/// Batches of the maximum, each call over the whole chain.
fn batches(rpc: Rpc) {
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "eth_getLogs",
        "params": [{ "fromBlock": "0x0", "toBlock": "latest" }],
    });
    let body = json!(vec![call; 100]).to_string();
    for _ in 0..10 {
        let (status, answer) = rpc.post_raw(body.as_bytes()).expect("an answer");
        judge(body.as_bytes(), status, &answer);
        let answers: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(answers.as_array().map(Vec::len), Some(100));
    }
}

/// Calls that never end by themselves.
fn endless(rpc: Rpc, count: usize) {
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let target = account(5).address();
                let code = json!({ target.to_string(): { "code": "0x5b600056" } });
                for _ in 0..count / 8 {
                    let params = json!([{ "to": target, "gas": "0x2faf080" }, "latest", code]);
                    let answer = rpc.response("eth_call", &params).expect("an answer");
                    let text = answer["error"]["message"].as_str().unwrap_or_default();
                    assert!(text.contains("gas") || text.contains("busy"), "{answer}");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("every call ended"));
}

/// Clients that open a WebSocket and do nothing. Those beyond the limit are told so.
fn idle(rpc: Rpc, count: usize) -> Vec<Socket> {
    let mut open = Vec::new();
    for _ in 0..count {
        match Socket::open(rpc.address()) {
            Ok(socket) => open.push(socket),
            Err(error) => {
                let text = error.to_string();
                let told = text.contains("503") || text.contains("reset") || text.contains("fill");
                assert!(told, "{text}");
            }
        }
    }
    open
}

/// Clients that subscribe and ask, and never read. A write that is not taken is what they deserve.
fn slow(rpc: Rpc, count: usize, unread: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let Ok(mut socket) = Socket::open(rpc.address()) else { continue };
        for topic in ["newHeads", "logs", "transactionReceipts", "newPendingTransactions"] {
            let _ = socket.ask("eth_subscribe", &json!([topic]));
        }
        for _ in 0..unread {
            if socket.ask("rpc.discover", &json!([])).is_err() {
                break;
            }
        }
        sockets.push(socket);
    }
    sockets
}

#[test]
fn a_node_under_abuse_answers_with_errors_and_goes_on_making_blocks() {
    let size = size();
    let temp = tempfile::tempdir().expect("a folder");
    let devnet = Devnet::start(&temp.path().join("devnet"), false, &["--validators", "1"]);
    let rpc = devnet.rpc[0];
    let beat = Beat::start(rpc);
    phase("warming up", &devnet, &beat, || std::thread::sleep(Duration::from_secs(2)));
    phase("left alone", &devnet, &beat, || std::thread::sleep(Duration::from_secs(4)));
    let before = devnet.process.resident_bytes();
    phase("malformed requests", &devnet, &beat, || malformed(rpc, size.requests));
    phase("oversized and deep", &devnet, &beat, || oversized(rpc));
    phase("batches over everything", &devnet, &beat, || batches(rpc));
    phase("endless calls", &devnet, &beat, || endless(rpc, size.loops));
    let mut sockets = Vec::new();
    phase("slow clients", &devnet, &beat, || sockets = slow(rpc, size.slow, size.unread));
    let slow_bytes = devnet.process.resident_bytes();
    drop(sockets);
    std::thread::sleep(Duration::from_millis(500));
    let mut sockets = Vec::new();
    phase("idle clients", &devnet, &beat, || sockets = idle(rpc, size.idle));
    println!("{} of {} idle clients were taken", sockets.len(), size.idle);
    assert!(!sockets.is_empty() && sockets.len() <= 500);
    drop(sockets);
    std::thread::sleep(Duration::from_millis(500));
    phase("left alone again", &devnet, &beat, || std::thread::sleep(Duration::from_secs(4)));
    let after = devnet.process.resident_bytes().max(slow_bytes);
    assert!(after < before + GROWTH_MAX, "{before} bytes before, {after} after");
    beat.stop();
    let log = std::fs::read_to_string(&devnet.process.log).expect("the log");
    assert!(!log.contains("panicked"), "{log}");
}
