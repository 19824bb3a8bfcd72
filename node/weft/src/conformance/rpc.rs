//! `weft conformance rpc`: the request and response files of ethereum/execution-apis.
//!
//! A folder holds `genesis.json`, `chain.rlp` and files `METHOD/NAME.io`. The chain is imported, and
//! each request of each file, in the order of their names, goes to a server in front of it. A response
//! must be the file's, byte for byte once both are normalised as execution-apis' own checker does:
//! order of fields and white space do not count, nor does the text of an error. Of a file that says
//! `speconly` only the shape of the response counts.

mod cases;
mod client;
mod compare;
mod exceptions;

use super::{describe_failure_count, finish, show_progress};
use crate::failure::{ExitStatus, Failure};
use crate::home::Home;
use crate::import::{self, TemporaryFolder, serve};
use crate::node::runtime;
use cases::Case;
use clap::Args;
use client::Client;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;
use weft_evm::Executor;
use weft_replay::judge::{Difference, Outcome, Verdict};
use weft_rpc::RpcConfig;

/// Flags of `weft conformance rpc`.
#[derive(Clone, Debug, Args)]
pub struct RpcArgs {
    /// Folder with genesis.json, chain.rlp and the .io files
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Send only files whose path contains this text
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Write a JUnit report to this file, too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] with status [`ExitStatus::Mismatch`] when a response differs and is not excepted.
pub fn run(args: &RpcArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let verdicts = judge(&args.folder, args.filter.as_deref())?;
    finish("rpc", &args.folder, &verdicts, args.junit.as_deref(), started)?;
    describe_failure_count("rpc", &args.folder, &verdicts)
}

/// Judges the files of a folder.
///
/// # Errors
/// [`Failure`] when the chain cannot be imported or there is no file.
pub fn judge(folder: &Path, filter: Option<&str>) -> Result<Vec<Verdict>, Failure> {
    let cases = cases::read(folder, filter)?;
    let temporary = TemporaryFolder::new()?;
    let home = Home::new(temporary.path());
    let (genesis, chain) = (folder.join("genesis.json"), folder.join("chain.rlp"));
    let executor = Executor::new(0).with_min_parallel_transactions(0);
    let imported = import::import(&genesis, &chain, &home, executor)?;
    let listen = RpcConfig::new(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    runtime()?.block_on(async {
        let server = serve::start(&imported.served(), listen).await?;
        let address = server.local_addr();
        let judged = tokio::task::spawn_blocking(move || send_all(&cases, Client::new(address)));
        let verdicts = judged.await.map_err(|error| {
            Failure::new(ExitStatus::Unexpected, "the cases were not sent").fact("cause", error)
        });
        server.stop().await;
        verdicts
    })
}

fn send_all(cases: &[Case], client: Client) -> Vec<Verdict> {
    let shown = std::io::stderr().is_terminal();
    let mut verdicts = Vec::with_capacity(cases.len());
    for (place, case) in cases.iter().enumerate() {
        if shown {
            show_progress(place, cases.len(), &case.file);
        }
        let outcome = match judge_case(case, &client) {
            None => Outcome::Passed { rejections: Vec::new() },
            Some(difference) => match exceptions::reason(&case.name) {
                Some(reason) => Outcome::Excepted { reason, difference },
                None => Outcome::Failed(difference),
            },
        };
        let fork = if case.spec_only { "shape" } else { "exact" }.to_owned();
        let test = case.method.clone();
        verdicts.push(Verdict { file: case.file.clone(), test, fork, outcome });
    }
    if shown {
        eprint!("\r{:100}\r", "");
    }
    verdicts
}

/// The first response that is not the file's.
fn judge_case(case: &Case, client: &Client) -> Option<Difference> {
    for (place, exchange) in case.exchanges.iter().enumerate() {
        let found = match client.send(&exchange.request) {
            Ok(found) => found,
            Err(error) => return Some(difference("response", "one", &error.to_string())),
        };
        let differences = if case.spec_only {
            compare::shape(&exchange.response, &found)
        } else {
            compare::exact(&exchange.response, &found)
        };
        if let Some(first) = differences.first() {
            let more = differences.len() - 1;
            let mut field = first.path.clone();
            if case.exchanges.len() > 1 {
                field = format!("response {}: {field}", place + 1);
            }
            if more > 0 {
                field = format!("{field} (and {more} more)");
            }
            return Some(difference(&field, &first.expected, &first.found));
        }
    }
    None
}

fn difference(field: &str, expected: &str, found: &str) -> Difference {
    Difference { field: field.into(), expected: expected.into(), found: found.into() }
}
