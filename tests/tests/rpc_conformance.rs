//! Ethereum's own JSON-RPC cases, where they lie beside the workspace: `../shared/conformance/rpc`.

use std::path::PathBuf;
use weft_tests::process::weft;

/// Of 232 files so many must be answered like the file.
const PASSES_MIN: usize = 215;

/// The folder of the cases; `None`, with a message, when it is not there.
fn cases() -> Option<PathBuf> {
    let root = PathBuf::from("../../shared/conformance/rpc/tests");
    if root.is_dir() {
        return Some(root);
    }
    eprintln!("skipped: {} is not here", root.display());
    None
}

#[test]
fn every_case_is_answered_as_ethereum_does_or_excepted_with_a_reason() {
    let Some(folder) = cases() else { return };
    let output = weft(&["conformance", "rpc", &folder.display().to_string()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(matches!(output.status.code(), Some(0 | 8)), "{text}");
    let failed = text.lines().filter_map(|line| line.strip_prefix("failed: "));
    let failed: Vec<&str> = failed.collect();
    assert_eq!(failed, [""; 0], "{text}");
    let last = text.lines().last().unwrap_or_default();
    let passed: usize = last.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
    assert!(passed >= PASSES_MIN, "{last}");
}

#[test]
fn a_chain_whose_genesis_is_another_is_refused_with_status_8() {
    let Some(folder) = cases() else { return };
    let home = tempfile::tempdir().expect("a temporary folder");
    let text = std::fs::read_to_string(folder.join("genesis.json")).expect("it is there");
    let genesis = home.path().join("genesis.json");
    std::fs::write(&genesis, text.replacen("0x20000", "0x20001", 1)).expect("it is ours");
    let arguments = [
        "import".to_owned(),
        "--trust-state-roots".to_owned(),
        genesis.display().to_string(),
        folder.join("chain.rlp").display().to_string(),
    ];
    let output = weft(&arguments.each_ref().map(String::as_str));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{text}");
    assert!(text.contains("block 1") && text.contains("parentHash"), "{text}");
}
