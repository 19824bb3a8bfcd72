//! The main job, seen by strangers: viem, ethers and cast against a devnet of four validators.

#![allow(clippy::print_stdout)] // what was measured is part of the report

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use weft_tests::chain::replay_sequentially;
use weft_tests::process::Devnet;

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Installs the clients once, outside of the clone, under a folder named after their lock file.
fn install_clients(clients: &std::path::Path) -> PathBuf {
    let lock = std::fs::read(clients.join("package-lock.json")).expect("the lock file is there");
    let name = format!("clients-{}", &blake3::hash(&lock).to_hex()[..12]);
    let target = std::env::current_exe().expect("a test knows its own path");
    let folder = target.ancestors().nth(3).expect("a target folder").join(name);
    if !folder.join("installed").exists() {
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(clients.join(file), folder.join(file)).expect("the file can be copied");
        }
        let status = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--silent"])
            .current_dir(&folder)
            .status()
            .expect("npm starts");
        assert!(status.success(), "the clients cannot be installed");
        std::fs::write(folder.join("installed"), "").expect("the mark can be written");
    }
    folder
}

#[test]
fn foreign_clients_see_one_chain_and_the_sequential_oracle_agrees_with_every_block() {
    if !has("node") || !has("npm") {
        println!("skipped: Node.js is not installed");
        return;
    }
    let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
    let folder = install_clients(&sources);
    for file in ["clients.mjs", "Token.sol"] {
        std::fs::copy(sources.join(file), folder.join(file)).expect("the file can be copied");
    }
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
