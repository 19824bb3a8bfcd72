//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A blockchain node that runs EVM transactions in parallel and shows you why they did or did not.
#[derive(Debug, Parser)]
#[command(name = "weft", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run several validators in this process: a complete chain on this machine
    Devnet(DevnetArgs),
    /// Run one node from its home folder
    Node(NodeArgs),
    /// Write the homes of a network of validators
    #[command(subcommand)]
    Testnet(TestnetCommand),
    /// Look at a genesis file
    #[command(subcommand)]
    Genesis(GenesisCommand),
    /// Look at configuration files
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at a node's database while the node is stopped
    #[command(subcommand)]
    Db(DbCommand),
    /// Judge this node by Ethereum's own test suites
    #[command(subcommand)]
    Conformance(crate::conformance::ConformanceCommand),
    /// Execute real Ethereum blocks, compare what they give, and measure
    Replay(crate::replay::ReplayArgs),
}

/// Flags of `weft devnet`.
#[derive(Clone, Debug, Args)]
pub struct DevnetArgs {
    /// Number of validators in this process
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub validators: u16,
    /// RPC port of the first validator; the others take the next ones
    #[arg(long, default_value_t = 8545, env = "WEFT_PORT")]
    pub port: u16,
    /// Number of funded accounts
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub accounts: u32,
    /// Balance of each funded account, in ether
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000))]
    pub balance: u64,
    /// Mnemonic that the funded accounts are derived from
    #[arg(long, default_value = crate::accounts::TEST_MNEMONIC)]
    pub mnemonic: String,
    /// Chain id
    #[arg(long, default_value_t = 31_337)]
    pub chain_id: u64,
    /// Gas limit of a block
    #[arg(long, default_value_t = 60_000_000)]
    pub gas_limit: u64,
    /// Worker threads of the executor; 0 means one per core
    #[arg(long, default_value_t = 0, env = "WEFT_WORKERS")]
    pub workers: usize,
    /// Continue the chain of the last run, or of the run kept in DIR
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,
    /// Keep the data in this folder instead of a new temporary one
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub data: Option<PathBuf>,
    /// Print JSON objects, one a line, instead of text
    #[arg(long)]
    pub json: bool,
    /// Print nothing but errors
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
    /// Log level or filter, to stderr
    #[arg(long, default_value = "warn")]
    pub log: String,
}

/// Flags of `weft node`.
#[derive(Clone, Debug, Args)]
pub struct NodeArgs {
    /// Home folder: config.toml, genesis.json, keys and data
    #[arg(long, env = "WEFT_HOME")]
    pub home: PathBuf,
    /// Address for RPC, instead of the configured one
    #[arg(long, value_name = "ADDR:PORT")]
    pub rpc: Option<std::net::SocketAddr>,
    /// Multiaddress for peers, instead of the configured one
    #[arg(long, value_name = "MULTIADDR")]
    pub p2p: Option<String>,
    /// Worker threads of the executor; 0 means one per core
    #[arg(long)]
    pub workers: Option<usize>,
    /// Log level or filter, instead of the configured one
    #[arg(long)]
    pub log: Option<String>,
    /// Sign although the log of what this key has signed is gone: only when no other process
    /// uses the key. Signing starts two heights after the last committed block
    #[arg(long)]
    pub unsafe_reset_signing: bool,
}

/// `weft testnet …`
#[derive(Clone, Debug, Subcommand)]
pub enum TestnetCommand {
    /// Write one home per validator: genesis, keys, configuration with all peers
    Init(TestnetInitArgs),
}

/// Flags of `weft testnet init`.
#[derive(Clone, Debug, Args)]
pub struct TestnetInitArgs {
    /// Number of validators
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub validators: u16,
    /// Folder for the homes: DIR/node0, DIR/node1, …
    #[arg(long, default_value = "testnet")]
    pub out: PathBuf,
    /// IPv4 addresses of the machines, in order; all validators on this machine if absent
    #[arg(long, value_delimiter = ',')]
    pub hosts: Vec<String>,
    /// RPC port of the first validator on a machine
    #[arg(long, default_value_t = 8545)]
    pub rpc_port: u16,
    /// Peer port of the first validator on a machine
    #[arg(long, default_value_t = 30_700)]
    pub p2p_port: u16,
    /// Chain id
    #[arg(long, default_value_t = 31_337)]
    pub chain_id: u64,
    /// Mnemonic of funded accounts; the public test mnemonic if absent
    #[arg(long, default_value = crate::accounts::TEST_MNEMONIC)]
    pub mnemonic: String,
    /// Number of funded accounts
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub accounts: u32,
}

/// `weft genesis …`
#[derive(Clone, Debug, Subcommand)]
pub enum GenesisCommand {
    /// Check a genesis file and print the hash of block 0
    Hash {
        /// The file
        file: PathBuf,
    },
}

/// `weft config …`
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every key with its default
    Default,
    /// Check a file
    Validate {
        /// The file
        file: PathBuf,
    },
}

/// `weft db …`
#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Rebuild the state root from the flat state and compare it with the head block
    Check {
        /// Home folder of the node
        #[arg(long, env = "WEFT_HOME")]
        home: PathBuf,
    },
}
