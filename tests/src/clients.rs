//! Programs of others that tests use when they are there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether a program is installed.
#[must_use]
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// What a test needs, or `None` after it has said why it is skipped. With `WEFT_NEED_CLIENTS` set
/// nothing is skipped.
///
/// # Panics
/// When something is missing and `WEFT_NEED_CLIENTS` is set.
#[must_use]
#[allow(clippy::print_stdout)] // a test that is skipped says so
pub fn or_skip<T>(found: Result<T, String>) -> Option<T> {
    found
        .map_err(|why| {
            assert!(std::env::var_os("WEFT_NEED_CLIENTS").is_none(), "{why}");
            println!("skipped: {why}");
        })
        .ok()
}

/// Installs the JavaScript clients once, outside of the clone, in a folder named after their lock
/// file, and copies the programs that drive them beside them.
///
/// # Errors
/// Why they cannot be installed: Node.js, npm or the registry is missing.
///
/// # Panics
/// When files cannot be read or written.
pub fn install_clients(clients: &Path) -> Result<PathBuf, String> {
    if !has("node") || !has("npm") {
        return Err("Node.js or npm is not installed".to_owned());
    }
    let folder = folder("clients", &clients.join("package-lock.json"));
    let _lock = lock(&folder);
    copy_changed(clients, &folder);
    once(&folder, || {
        let npm = "ci --no-audit --no-fund --silent --prefer-offline --fetch-retries=1";
        run(Command::new("npm").args(npm.split(' ')).current_dir(&folder))
    })?;
    Ok(folder)
}

/// Installs the Python clients once, outside of the clone, and answers the interpreter that has them.
///
/// # Errors
/// Why they cannot be installed: Python or the registry is missing, or has no build for this machine.
///
/// # Panics
/// When files cannot be read or written.
pub fn install_python_clients(clients: &Path) -> Result<PathBuf, String> {
    if !has("python3") {
        return Err("Python is not installed".to_owned());
    }
    let requirements = clients.join("requirements.txt");
    let folder = folder("python-clients", &requirements);
    let python = folder.join("bin/python");
    let _lock = lock(&folder);
    once(&folder, || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let pip =
            "-m pip install --quiet --no-deps --require-hashes --only-binary :all: --retries 1";
        run(Command::new(&python).args(pip.split(' ')).arg("-r").arg(&requirements))
    })?;
    Ok(python)
}

/// A folder beside the build's, named after what a file holds.
fn folder(name: &str, pinned: &Path) -> PathBuf {
    let bytes = std::fs::read(pinned).expect("the lock file is there");
    let name = format!("{name}-{}", &blake3::hash(&bytes).to_hex()[..12]);
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(3).expect("a target folder").join(name);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    folder
}

/// Tests run side by side: one of them installs, the others wait.
fn lock(folder: &Path) -> File {
    let file = File::create(folder.join("lock")).expect("the lock can be made");
    file.lock().expect("the lock can be taken");
    file
}

fn once(folder: &Path, install: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let mark = folder.join("installed");
    if !mark.exists() {
        install()?;
        std::fs::write(mark, "").expect("the mark can be written");
    }
    Ok(())
}

/// Programs find their packages beside themselves. A file that is right already may be in use.
fn copy_changed(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if !path.is_file() {
            continue;
        }
        let copy = to.join(path.file_name().expect("a file has a name"));
        if std::fs::read(&path).ok() != std::fs::read(&copy).ok() {
            std::fs::copy(&path, copy).expect("the file can be copied");
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
