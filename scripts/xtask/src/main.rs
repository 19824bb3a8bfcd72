//! Checks that need more than one cargo command, and what is written by a machine: `cargo xtask
//! check`, `cargo xtask tidy` and `cargo xtask docs`.

mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask <command>

  check   formatting, lints, tidy, documentation, licences: everything but the tests
  docs    write docs/json-rpc.md from the descriptions of the methods
  tidy    sizes of files and functions, edges between crates, their one sentence";

fn main() -> ExitCode {
    let root = root();
    let done = match std::env::args().nth(1).as_deref() {
        Some("check") => check(&root),
        Some("docs") => docs(&root),
        Some("tidy") => tidy(&root),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("error: {what}");
            ExitCode::FAILURE
        }
    }
}

/// The repository: two folders above this crate.
fn root() -> PathBuf {
    // As cargo says when it runs this, not as it was when this was compiled: clones may share a target directory.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.ancestors().nth(2).expect("this crate lies in scripts/xtask").to_path_buf()
}

fn tidy(root: &Path) -> Result<(), String> {
    let faults = tidy::faults(root).map_err(|error| format!("cannot read the tree: {error}"))?;
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("{} places to tidy", faults.len())) }
}

fn check(root: &Path) -> Result<(), String> {
    cargo(root, &["fmt", "--all", "--check"], &[])?;
    tidy(root)?;
    let lints = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
    cargo(root, &lints, &[])?;
    let docs = ["doc", "--release", "--workspace", "--no-deps"];
    cargo(root, &docs, &[("RUSTDOCFLAGS", "-D warnings")])?;
    let has_deny = Command::new("cargo").args(["deny", "--version"]).output();
    if has_deny.is_ok_and(|output| output.status.success()) {
        // Advisories need a database from elsewhere; licences, bans and sources do not.
        cargo(root, &["deny", "--all-features", "check", "bans", "licenses", "sources"], &[])
    } else {
        eprintln!("skipped: cargo deny is not installed (cargo install --locked cargo-deny)");
        Ok(())
    }
}

/// The test that compares the file writes it when it is told to.
fn docs(root: &Path) -> Result<(), String> {
    let test = ["test", "--release", "--workspace", "--test", "json_rpc", "the_reference_in_docs"];
    cargo(root, &test, &[("WEFT_WRITE_DOCS", "1")])
}

fn cargo(root: &Path, args: &[&str], env: &[(&str, &str)]) -> Result<(), String> {
    eprintln!("cargo {}", args.join(" "));
    let status = Command::new("cargo")
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed", args[0])) }
}
