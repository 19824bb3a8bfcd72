//! Bad input from a person: what the program says, and with which code it ends.

#![allow(clippy::print_stdout)] // what was measured is part of the report

use serde_json::json;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use weft_tests::process::{Devnet, free_ports, weft};
use weft_tests::sender::{account, sign, sign_blob, transfer};

fn ends_with(output: &Output, code: i32, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "expected {word:?} in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

fn testnet(folder: &Path) {
    let out = folder.display().to_string();
    let (rpc, p2p) = (free_ports(1).to_string(), free_ports(1).to_string());
    let args = [
        "testnet",
        "init",
        "--validators",
        "1",
        "--out",
        &out,
        "--rpc-port",
        &rpc,
        "--p2p-port",
        &p2p,
    ];
    let output = weft(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn raw_transactions_are_refused_in_the_words_of_geth_with_stated_codes() {
    let temp = tempfile::tempdir().unwrap();
    let devnet = Devnet::start(&temp.path().join("devnet"), false, &["--validators", "1"]);
    let rpc = devnet.rpc[0];
    let (rich, poor) = (account(0), account(900));
    let to = account(1).address();
    let send = |bytes: alloy_primitives::Bytes| rpc.error("eth_sendRawTransaction", json!([bytes]));
    let first = sign(&rich, transfer(0, to));
    let hash = rpc.call("eth_sendRawTransactionSync", json!([first]));
    assert_eq!(hash["status"], "0x1");

    let table: Vec<(&str, (i64, String), i64, &str)> = vec![
        ("bad rlp", send(vec![0xc1, 0xff].into()), -32000, "rlp"),
        (
            "wrong chain",
            send(sign(&rich, weft_tests::sender::with_chain_id(transfer(1, to), 1))),
            -32000,
            "invalid chain id for signer: have 1 want 31337",
        ),
        (
            "nonce",
            send(sign(&rich, transfer(0, account(2).address()))),
            1,
            "nonce too low: next nonce 1, tx nonce 0",
        ),
        (
            "funds",
            send(sign(&poor, transfer(0, to))),
            809,
            "insufficient funds for gas * price + value",
        ),
        (
            "intrinsic",
            send(sign(&rich, weft_tests::sender::with_gas(transfer(1, to), 20_999))),
            800,
            "intrinsic gas too low",
        ),
        (
            "base fee",
            send(sign(&rich, weft_tests::sender::with_fee(transfer(1, to), 1))),
            806,
            "max fee per gas less than block base fee",
        ),
        ("blob", send(sign_blob(&rich)), -32000, "transaction type not supported"),
        (
            "oversized",
            send(sign(&rich, weft_tests::sender::with_input(transfer(1, to), 140_000))),
            -32000,
            "oversized data",
        ),
    ];
    for (name, (code, message), expected_code, words) in table {
        println!("{name}: {code} {message}");
        assert!(message.contains(words), "{name}: {message}");
        assert_eq!(code, expected_code, "{name}: {message}");
    }
    let (code, _) = rpc.error("eth_noSuchMethod", json!([]));
    assert_eq!(code, -32601);
}

#[test]
fn a_used_port_is_named_with_the_way_out() {
    let port = free_ports(4);
    let _held = TcpListener::bind(("127.0.0.1", port + 2)).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("devnet").display().to_string();
    let output = weft(&["devnet", "--port", &port.to_string(), "--data", &data]);
    ends_with(&output, 4, &[&format!("port {} is already in use", port + 2), "fix"]);
}

#[test]
fn a_home_of_another_chain_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let (ours, theirs) = (temp.path().join("a"), temp.path().join("b"));
    testnet(&ours);
    testnet(&theirs);
    let home = ours.join("node0");
    drop(weft_tests::chain::open(&home));
    std::fs::copy(theirs.join("node0/genesis.json"), home.join("genesis.json")).unwrap();
    let output = weft(&["node", "--home", &home.display().to_string()]);
    ends_with(&output, 6, &["this home belongs to another chain", "genesis 0x", "fix"]);
}

#[test]
fn damaged_files_are_named_with_the_place() {
    let temp = tempfile::tempdir().unwrap();
    testnet(temp.path());
    let home = temp.path().join("node0");
    let run = || weft(&["node", "--home", &home.display().to_string()]);
    let config = std::fs::read_to_string(home.join("config.toml")).unwrap();

    std::fs::write(home.join("config.toml"), config.replace("[rpc]", "[rpc]\nlissten = 1"))
        .unwrap();
    ends_with(&run(), 3, &["config.toml", "lissten", "line"]);
    std::fs::write(home.join("config.toml"), "[[[").unwrap();
    ends_with(&run(), 3, &["config.toml", "line 1"]);
    std::fs::write(home.join("config.toml"), &config).unwrap();

    let genesis = std::fs::read_to_string(home.join("genesis.json")).unwrap();
    std::fs::write(home.join("genesis.json"), genesis.replacen('{', "{\"surprise\": 1,", 1))
        .unwrap();
    ends_with(&run(), 3, &["genesis.json", "surprise"]);
    std::fs::write(home.join("genesis.json"), &genesis[..genesis.len() / 2]).unwrap();
    ends_with(&run(), 3, &["genesis.json", "fix"]);
    std::fs::write(home.join("genesis.json"), &genesis).unwrap();

    std::fs::write(home.join("keys/validator.json"), "{}").unwrap();
    ends_with(&run(), 3, &["validator.json", "fix"]);
    ends_with(&weft(&["node", "--home", "/nonexistent"]), 3, &["config.toml", "fix"]);
    ends_with(&weft(&["devnet", "--validators", "0"]), 2, &["--validators"]);
    ends_with(&weft(&["devnet", "--mnemonic", "not a mnemonic"]), 3, &["mnemonic", "fix"]);
}

#[test]
fn two_processes_do_not_share_a_home() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("devnet");
    let _devnet = Devnet::start(&data, false, &["--validators", "1"]);
    let folder = data.display().to_string();
    let port = free_ports(1).to_string();
    let output = weft(&["devnet", "--resume", &folder, "--port", &port]);
    ends_with(&output, 4, &["in use by another process", "fix"]);
}

#[test]
fn a_validator_without_the_log_of_what_it_signed_does_not_sign() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("devnet");
    let mut devnet = Devnet::start(&data, false, &["--validators", "1"]);
    devnet.rpc[0].wait_for_height(2, std::time::Duration::from_secs(20));
    devnet.process.interrupt();
    let home = data.join("validator0");
    std::fs::remove_dir_all(home.join("consensus")).unwrap();
    let home = home.display().to_string();
    ends_with(
        &weft(&["node", "--home", &home]),
        6,
        &["refusing to sign", "--unsafe-reset-signing"],
    );
}
