//! The main job, seen by strangers: viem, ethers and cast against a devnet of four validators.

#![allow(clippy::print_stdout)] // what was measured is part of the report

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use weft_tests::chain::replay_sequentially;
use weft_tests::clients::{install_clients, or_skip};
use weft_tests::process::Devnet;

#[test]
fn foreign_clients_see_one_chain_and_the_sequential_oracle_agrees_with_every_block() {
    let sources = PathBuf::from("clients");
    let Some(folder) = or_skip(install_clients(&sources)) else { return };
    let temp = tempfile::tempdir().expect("a temporary folder");
    let data = temp.path().join("devnet");
    let mut devnet = Devnet::start(&data, false, &["--accounts", "50"]);
    let output = Command::new("node")
        .arg(folder.join("clients.mjs"))
        .args(&devnet.urls)
        .current_dir(&folder)
        .output()
        .expect("node starts");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let before = devnet.rpc[0].height().expect("the node answers");
    let (code, took) = devnet.process.interrupt();
    println!("stopped in {} ms", took.as_millis());
    assert_eq!(code, Some(0));

    let started = Instant::now();
    let mut roots = Vec::new();
    for index in 0..4 {
        roots.push(replay_sequentially(&data.join(format!("validator{index}"))));
    }
    println!("{} blocks run again in {} ms", roots[0].0, started.elapsed().as_millis());
    let shortest = roots.iter().map(|(head, _, _)| *head).min().unwrap_or_default();
    assert!(shortest + 1 >= before, "what RPC had shown is on every disk");
    assert!(roots[0].1 >= 1000);

    let resumed = Devnet::start(&data, true, &["--accounts", "50"]);
    println!("resumed in {} ms", resumed.ready_after.as_millis());
    for rpc in &resumed.rpc {
        assert!(rpc.height().is_some_and(|height| height >= shortest));
        rpc.wait_for_height(before + 2, Duration::from_secs(20));
    }
}
