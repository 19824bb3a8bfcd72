//! Programs of others that tests use when they are there.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether a program is installed.
#[must_use]
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Installs the JavaScript clients once, outside of the clone, under a folder named after their lock file.
///
/// # Panics
/// When they cannot be installed.
#[must_use]
pub fn install_clients(clients: &Path) -> PathBuf {
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
