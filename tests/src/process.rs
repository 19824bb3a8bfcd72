//! The real binary as a process.

use crate::rpc::Rpc;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary under test, beside the test's own target folder.
///
/// # Panics
/// When it was not built: `cargo build --release --workspace --bin weft`.
#[must_use]
pub fn weft_binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(2).expect("tests lie in <profile>/deps");
    let binary = folder.join("weft");
    assert!(
        binary.exists(),
        "{} is missing: cargo build --release --workspace --bin weft",
        binary.display()
    );
    binary
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn weft(args: &[&str]) -> Output {
    Command::new(weft_binary()).args(args).output().expect("the binary starts")
}

/// First of `count` consecutive ports that are free now.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn free_ports(count: u16) -> u16 {
    for _ in 0..200 {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("loopback has free ports")
            .port();
        let range = first..first.saturating_add(count);
        let held: Vec<_> =
            range.clone().map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        if range.len() == usize::from(count) && held.iter().all(Result::is_ok) {
            return first;
        }
    }
    panic!("no {count} consecutive free ports");
}

/// A running `weft` process. Killed when dropped.
pub struct Process {
    child: Child,
    /// Everything that it wrote to stderr, for those who look for warnings.
    pub log: PathBuf,
}

impl Process {
    /// Starts the binary with stderr in `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(args: &[&str], log: &Path) -> Self {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log can be written");
        let child = Command::new(weft_binary())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        Self { child, log: log.to_path_buf() }
    }

    /// Memory of the process that is in use, in bytes.
    ///
    /// # Panics
    /// When the system does not say.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.trim().parse::<u64>().ok()).expect("a size in KiB") * 1024
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ctrl-C; returns the exit code and how long it took.
    ///
    /// # Panics
    /// When the process is still there after ten seconds.
    pub fn interrupt(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal can be sent");
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                return (status.code(), started.elapsed());
            }
            assert!(started.elapsed() < Duration::from_secs(10), "the process does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The first line of stdout; the rest is read and dropped so that the process never blocks.
    fn first_line(&mut self) -> String {
        let mut reader = BufReader::new(self.child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        let _ = reader.read_line(&mut line);
        std::thread::spawn(move || {
            let mut rest = Vec::new();
            let _ = reader.read_to_end(&mut rest);
        });
        line
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A running devnet.
pub struct Devnet {
    /// Its process.
    pub process: Process,
    /// RPC of each validator.
    pub rpc: Vec<Rpc>,
    /// URLs of the same.
    pub urls: Vec<String>,
    /// Time from the start to the ready line.
    pub ready_after: Duration,
}

impl Devnet {
    /// Starts `weft devnet` with its data in `data` and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; its log is shown.
    #[must_use]
    pub fn start(data: &Path, resume: bool, extra: &[&str]) -> Self {
        let started = Instant::now();
        let port = free_ports(4).to_string();
        let folder = data.display().to_string();
        let place = if resume { "--resume" } else { "--data" };
        let mut args = vec!["devnet", "--json", "--port", &port, place, &folder];
        args.extend(extra);
        let log = data.with_extension("log");
        let mut process = Process::start(&args, &log);
        let line = process.first_line();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("the devnet is not ready: {line}\n{log}")
        });
        let urls: Vec<String> = ready["rpc"]
            .as_array()
            .expect("the ready line names the ports")
            .iter()
            .map(|url| url.as_str().unwrap_or_default().to_owned())
            .collect();
        let rpc = urls
            .iter()
            .map(|url| {
                Rpc::new(url.trim_start_matches("http://").parse().expect("a socket address"))
            })
            .collect();
        Self { process, rpc, urls, ready_after: started.elapsed() }
    }
}

/// Address of a port on loopback.
#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
