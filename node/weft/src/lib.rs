//! A blockchain node that runs EVM transactions in parallel and shows you why they did or did not.
//!
//! This crate is the rim: command line, clock, disk and sockets. It wires the parts and keeps them
//! alive; what decides anything lives in the crates below it.
//!
//! # Flow
//! `network` hands verified gossip to the `driver`, which feeds the consensus and performs what it
//! asks for; `execution` runs `chain` (build, verify, commit) on a thread of its own; `node` wires
//! one validator; `devnet` runs several in this process.
//!
//! # Invariants
//! - Whatever this node signs is on disk before it leaves.
//! - The head moves only after the block is durable.
//! - Shutting down needs no message to anybody: a crash is as good.

pub mod accounts;
pub mod ahead;
pub mod assembly;
pub mod chain;
pub mod cli;
pub mod config;
pub mod conformance;
pub mod consensus_log;
pub mod control;
pub mod database;
pub mod devnet;
pub mod driver;
pub mod execution;
pub mod failure;
pub mod home;
pub mod import;
pub mod keys;
pub mod listeners;
pub mod load;
pub mod logging;
pub mod network;
pub mod node;
pub mod record;
pub mod replay;
pub mod report;
pub mod snapshot;
pub mod stream;
pub mod testnet;
pub mod view;
pub mod watch;

use cli::{Cli, Command, ConfigCommand, GenesisCommand, TestnetCommand};
use failure::{ExitStatus, Failure};
use std::io::Write;

/// Runs one command to its end.
///
/// # Errors
/// [`Failure`] with the exit code and what to do now.
pub fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Devnet(args) => devnet::run(&args),
        Command::Node(args) => node::run(&args),
        Command::Testnet(TestnetCommand::Init(args)) => say(&testnet::init(&args)?),
        Command::Conformance(command) => conformance::run(&command),
        Command::Import(args) => import::run(&args),
        Command::Serve(args) => import::serve::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Record(command) => record::run(&command),
        Command::Genesis(GenesisCommand::Hash { file }) => {
            say(&format!("{}\n", home::read_genesis(&file)?.hash()))
        }
        Command::Config(ConfigCommand::Default) => say(&config::Config::default().to_toml()),
        Command::Config(ConfigCommand::Validate { file }) => {
            config::Config::read(&file)?;
            say("the configuration is valid\n")
        }
        Command::Db(command) => say(&database::run(&command)?),
        Command::Snapshot(command) => say(&snapshot::run(&command)?),
    }
}

/// Prints an answer to stdout.
fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // The reader has seen enough: `weft record show | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(|error| {
            Failure::new(ExitStatus::Unexpected, format!("cannot print: {error}"))
        }),
    }
}
