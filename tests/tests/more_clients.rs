//! Every client of others through deploy, send, wait, read, logs and subscribe; and the same
//! transactions and questions to Weft and to anvil.

#![allow(clippy::print_stdout)] // what was measured is part of the report

use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use weft_tests::clients::{install_clients, install_python_clients, or_skip};
use weft_tests::process::Devnet;

fn sources() -> PathBuf {
    PathBuf::from("clients")
}

/// Runs a program against a devnet of four validators, at the port of one of them.
fn drive(program: &Path, script: &str, folder: &Path, validator: usize, more: &[&Path]) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let devnet = Devnet::start(&temp.path().join("devnet"), false, &["--accounts", "50"]);
    run(program, script, folder, &devnet.urls[validator], more);
}

fn run(program: &Path, script: &str, folder: &Path, url: &str, more: &[&Path]) {
    let output = Command::new(program)
        .arg(folder.join(script))
        .arg(url)
        .args(more)
        .current_dir(folder)
        .output()
        .expect("the program starts");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn ethers_deploys_sends_waits_reads_and_subscribes() {
    let Some(folder) = or_skip(install_clients(&sources())) else { return };
    drive(Path::new("node"), "ethers.mjs", &folder, 0, &[]);
}

#[test]
fn web3_js_deploys_sends_waits_reads_and_subscribes() {
    let Some(folder) = or_skip(install_clients(&sources())) else { return };
    drive(Path::new("node"), "web3js.mjs", &folder, 1, &[]);
}

#[test]
fn web3_py_deploys_sends_waits_reads_and_subscribes() {
    let Some(folder) = or_skip(install_clients(&sources())) else { return };
    let Some(python) = or_skip(install_python_clients(&sources())) else { return };
    let compiled = Command::new("node")
        .arg(folder.join("compile.mjs"))
        .arg("Token.sol")
        .output()
        .expect("node starts");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let temp = tempfile::tempdir().expect("a temporary folder");
    let token = temp.path().join("token.json");
    std::fs::write(&token, compiled.stdout).expect("the file can be written");
    drive(&python, "web3py.py", &folder, 2, &[&token]);
}

#[test]
fn forge_and_cast_deploy_send_wait_read_and_subscribe() {
    let Some(folder) = or_skip(install_clients(&sources())) else { return };
    drive(Path::new("node"), "foundry.mjs", &folder, 3, &[]);
}

/// One validator: a transaction that it has taken is in its next block, as in anvil's.
#[test]
fn weft_and_anvil_answer_alike_apart_from_what_is_listed() {
    let Some(folder) = or_skip(install_clients(&sources())) else { return };
    let temp = tempfile::tempdir().expect("a temporary folder");
    let devnet = Devnet::start(&temp.path().join("devnet"), false, &["--validators", "1"]);
    run(Path::new("node"), "differential.mjs", &folder, &devnet.urls[0], &[]);
}

/// An entry of differences.json; compare.mjs says what it means.
#[derive(Deserialize)]
struct Difference {
    at: Vec<String>,
    weft: Option<String>,
    anvil: Option<String>,
    why: String,
}

impl Difference {
    /// Its row in the documents.
    fn row(&self) -> String {
        let code = |text: &String| format!("`{text}`");
        let at: Vec<_> = self.at.iter().map(code).collect();
        let cell = |text: &Option<String>| text.as_ref().map_or_else(String::new, code);
        let (weft, anvil) = (cell(&self.weft), cell(&self.anvil));
        format!("| {} | {} | {weft} | {anvil} |", self.why, at.join("<br>"))
    }
}

#[test]
fn every_listed_difference_is_in_the_documents_and_no_other() {
    let listed = std::fs::read_to_string(sources().join("differences.json")).expect("the list");
    let listed: Vec<Difference> = serde_json::from_str(&listed).expect("the list has its form");
    let document = sources().join("../../docs/rpc-differences.md");
    let document = std::fs::read_to_string(document).expect("the document");
    let (_, section) = document.split_once("## Beside anvil").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let expected: Vec<_> = listed.iter().map(Difference::row).collect();
    assert!(rows == expected, "the table should be:\n{}", expected.join("\n"));
    assert!(listed.iter().all(|each| each.why.len() > 20), "each has its reason");
}
