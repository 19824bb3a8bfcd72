//! The conveniences of a devnet of four validators: given to one, the same on all, on disk, and for those who catch up.

#![allow(clippy::print_stdout)] // what was measured is part of the report

use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use weft_store::{ListedBlock, Store};
use weft_tests::chain::{open, replay_sequentially};
use weft_tests::process::{Devnet, weft};
use weft_tests::rpc::{Rpc, quantity};
use weft_types::B256;

const SOMEONE: &str = "0x00000000000000000000000000000000000a11ce";
const PATIENCE: Duration = Duration::from_secs(30);

/// What a method gives at validator 1 is what it then gives at the others.
fn everywhere(devnet: &Devnet, method: &str, params: &Value, expected: &Value) {
    let deadline = Instant::now() + PATIENCE;
    assert_eq!(&devnet.rpc[0].call(method, params.clone()), expected, "{method} at once");
    for rpc in &devnet.rpc[1..] {
        while &rpc.call(method, params.clone()) != expected {
            assert!(Instant::now() < deadline, "{method}: expected {expected} everywhere");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn block(rpc: &Rpc, at: &Value) -> Value {
    rpc.call("eth_getBlockByNumber", json!([at, false]))
}

fn height(rpc: &Rpc) -> u64 {
    rpc.height().expect("the node answers")
}

fn timestamp(rpc: &Rpc) -> u64 {
    quantity(&block(rpc, &json!("latest"))["timestamp"]).expect("a quantity")
}

fn same_blocks(devnet: &Devnet) {
    let last = height(&devnet.rpc[0]);
    for rpc in &devnet.rpc[1..] {
        rpc.wait_for_height(last, PATIENCE);
    }
    for number in 1..=last {
        let at = json!(format!("{number:#x}"));
        let expected = block(&devnet.rpc[0], &at);
        for rpc in &devnet.rpc[1..] {
            assert_eq!(block(rpc, &at), expected, "block {number}");
        }
    }
}

/// Accounts, code and storage.
fn change_state(devnet: &Devnet) {
    let one = &devnet.rpc[0];
    let started = Instant::now();
    for balance in 1..=20 {
        let _ = one.call("anvil_setBalance", json!([SOMEONE, format!("{balance:#x}")]));
    }
    println!("20 cheats in {} ms", started.elapsed().as_millis());
    let _ = one.call("hardhat_setBalance", json!([SOMEONE, "0xde0b6b3a7640000"]));
    everywhere(devnet, "eth_getBalance", &json!([SOMEONE, "latest"]), &json!("0xde0b6b3a7640000"));
    let list = one.call("eth_getBlockAccessList", json!(["latest"]));
    let mut accounts = list.as_array().expect("a list").iter();
    let changed = accounts.find(|account| account["address"] == SOMEONE).expect("it is listed");
    assert_eq!(changed["balanceChanges"][0]["index"], "0x0");
    let _ = one.call("anvil_setNonce", json!([SOMEONE, "0x9"]));
    everywhere(devnet, "eth_getTransactionCount", &json!([SOMEONE, "latest"]), &json!("0x9"));
    let (slot, value) = (B256::with_last_byte(1), B256::repeat_byte(7));
    let _ = one.call("anvil_setStorageAt", json!([SOMEONE, slot, value]));
    everywhere(devnet, "eth_getStorageAt", &json!([SOMEONE, slot, "latest"]), &json!(value));
    let _ = one.call("anvil_setCode", json!([SOMEONE, "0x6000"]));
    everywhere(devnet, "eth_getCode", &json!([SOMEONE, "latest"]), &json!("0x6000"));
}

/// Impersonation is known at every validator, whichever was told.
fn impersonate(devnet: &Devnet) {
    let (one, three) = (&devnet.rpc[0], &devnet.rpc[2]);
    let _ = one.call("anvil_impersonateAccount", json!([SOMEONE]));
    three.wait_for_height(height(one), PATIENCE);
    let sent = three.call(
        "eth_sendTransaction",
        json!([{ "from": SOMEONE, "to": "0x00000000000000000000000000000000000000bb", "value": "0x1" }]),
    );
    let deadline = Instant::now() + PATIENCE;
    let receipt = loop {
        let receipt = one.call("eth_getTransactionReceipt", json!([sent]));
        if receipt.is_object() {
            break receipt;
        }
        assert!(Instant::now() < deadline, "it is included");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&receipt["from"], &receipt["status"]), (&json!(SOMEONE), &json!("0x1")));
}

/// Blocks and time.
fn tell_time(devnet: &Devnet) {
    let (one, two) = (&devnet.rpc[0], &devnet.rpc[1]);
    // No block without a reason from here on.
    let _ = one.call("evm_setAutomine", json!([false]));
    everywhere(devnet, "anvil_getAutomine", &json!([]), &json!(false));
    let before = height(one);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(height(one), before, "no heartbeat");
    let request = json!([{ "from": SOMEONE, "to": SOMEONE, "value": "0x0", "gas": "0x15f90" }]);
    let sent = two.call("eth_sendTransaction", request);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(height(one), before, "a transaction makes no block");
    let started = Instant::now();
    let _ = one.call("anvil_mine", json!(["0x14", "0x3c"]));
    println!("20 blocks mined in {} ms", started.elapsed().as_millis());
    assert_eq!(height(one), before + 20);
    assert!(one.call("eth_getTransactionReceipt", json!([sent])).is_object());
    let mined = timestamp(one);
    let first = quantity(&block(one, &json!(format!("{:#x}", before + 1)))["timestamp"]);
    assert_eq!(Some(mined - 19 * 60), first);
    let _ = one.call("evm_setNextBlockTimestamp", json!([mined + 10_000]));
    let _ = one.call("evm_mine", json!([]));
    assert_eq!((height(one), timestamp(one)), (before + 22, mined + 10_000));
    let _ = two.call("evm_setAutomine", json!([true]));
    let _ = two.call("evm_setIntervalMining", json!([1]));
    everywhere(devnet, "anvil_getIntervalMining", &json!([]), &json!(1));
    one.wait_for_height(before + 26, PATIENCE);
}

/// A node that takes the lists of a chain instead of executing it comes to the same state.
fn follow_lists(home: &Path, folder: &Path) -> B256 {
    let source = open(home);
    let genesis = weft::home::Home::new(home).read_genesis().unwrap_or_else(|f| panic!("{f}"));
    let state = weft_store::GenesisState { block: &genesis.block, diff: &genesis.diff };
    let options = weft_store::StoreOptions::devnet();
    let target = Store::open(folder, state, options).expect("an empty store opens");
    for height in 1..=source.head().block.height().0 {
        let stored = source.block(height).expect("readable").expect("stored");
        let listed = ListedBlock {
            block: stored.block,
            senders: stored.senders,
            certificate: source.certificate(height).expect("readable").expect("stored"),
            receipts: source.receipts(height).expect("readable").expect("stored"),
            access_list: source.access_list(height).expect("readable").unwrap_or_default(),
        };
        target.commit_listed(listed).unwrap_or_else(|error| panic!("block {height}: {error}"));
    }
    target.head().block.header().state_root
}

#[test]
fn what_one_validator_is_told_all_do_and_keep() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let data = temp.path().join("devnet");
    let mut devnet = Devnet::start(&data, false, &[]);
    change_state(&devnet);
    impersonate(&devnet);
    tell_time(&devnet);
    same_blocks(&devnet);
    let (code, _) = devnet.process.interrupt();
    assert_eq!(code, Some(0));

    let roots: Vec<_> =
        (0..4).map(|index| replay_sequentially(&data.join(format!("validator{index}")))).collect();
    for index in 0..4 {
        let home = data.join(format!("validator{index}")).display().to_string();
        let check = weft(&["db", "check", "--home", &home]);
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
    let root = follow_lists(&data.join("validator0"), &temp.path().join("follower"));
    assert_eq!(root, roots[0].2);

    let resumed = Devnet::start(&data, true, &[]);
    everywhere(&resumed, "eth_getCode", &json!([SOMEONE, "latest"]), &json!("0x6000"));
    everywhere(&resumed, "anvil_getIntervalMining", &json!([]), &json!(1));
    let _ = resumed.rpc[3].call("anvil_setBalance", json!([SOMEONE, "0x1"]));
    let expected = json!("0x1");
    assert_eq!(resumed.rpc[3].call("eth_getBalance", json!([SOMEONE, "latest"])), expected);
}

#[test]
fn a_devnet_without_cheats_refuses_them_and_its_accounts_still_sign() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let flags = ["--validators", "1", "--no-cheats", "--fresh-chain-id", "--block-time", "100ms"];
    let devnet = Devnet::start(&temp.path().join("devnet"), false, &flags);
    let rpc = &devnet.rpc[0];
    let (code, message) = rpc.error("anvil_setBalance", json!([SOMEONE, "0x1"]));
    assert_eq!(code, -32004);
    assert!(message.contains("devnetCheats"), "{message}");
    assert_ne!(rpc.call("eth_chainId", json!([])), json!("0x7a69"));
    assert_eq!(rpc.call("eth_accounts", json!([])).as_array().map(Vec::len), Some(10));
    let hash = rpc.call("weft_fundAddress", json!([SOMEONE, "0x7"]));
    assert!(rpc.call("eth_getTransactionReceipt", json!([hash])).is_object());
    assert_eq!(rpc.call("eth_getBalance", json!([SOMEONE, "latest"])), json!("0x7"));
}
