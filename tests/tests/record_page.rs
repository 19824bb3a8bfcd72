//! The record page: its pure functions under Node, and all of it in a browser on a real devnet.

#![allow(clippy::print_stdout)] // what was measured is part of the report

use std::path::Path;
use std::process::Command;
use weft_tests::clients::{has, install_clients, or_skip};
use weft_tests::process::{free_ports, weft_binary};

#[test]
fn the_pages_pure_functions_hold() {
    if !has("node") {
        println!("skipped: Node.js is not installed");
        return;
    }
    let output =
        Command::new("node").args(["--test", "ui/units.test.mjs"]).output().expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Pictures of every view are left in `WEFT_UI_PICTURES`, if it is set.
#[test]
fn a_browser_shows_the_record_of_a_devnet_without_errors_or_foreign_requests() {
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|b| has(b));
    let Some(browser) = browser else {
        println!("skipped: a Chromium is not installed");
        return;
    };
    let Some(clients) = or_skip(install_clients(Path::new("clients"))) else { return };
    let mut command = Command::new("node");
    command
        .arg("ui/page.mjs")
        .args(["--port", &free_ports(4).to_string(), "--weft"])
        .arg(weft_binary())
        .env("CHROMIUM", browser)
        .env("WEFT_CLIENTS", clients);
    if let Ok(folder) = std::env::var("WEFT_UI_PICTURES") {
        command.args(["--out", &folder]);
    }
    let output = command.output().expect("node starts");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
