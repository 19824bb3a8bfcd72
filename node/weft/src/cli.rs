//! The command line.

use alloy_primitives::B256;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use weft_store::Keep;

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
    /// Look at a node's database and tidy it
    #[command(subcommand)]
    Db(DbCommand),
    /// Copy a node's database, and start another node from the copy
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Judge this node by Ethereum's own test suites
    #[command(subcommand)]
    Conformance(crate::conformance::ConformanceCommand),
    /// Import a chain of Ethereum: execute its blocks and compare every header
    Import(crate::import::ImportArgs),
    /// Serve the RPC of an imported chain, read-only
    Serve(crate::import::serve::ServeArgs),
    /// Execute real Ethereum blocks, compare what they give, and measure
    Replay(crate::replay::ReplayArgs),
    /// Send signed transactions to a server and measure how fast they are included
    Load(crate::load::LoadArgs),
    /// Look at the execution record: who ran beside whom, what collided, why, and what would help
    #[command(subcommand)]
    Record(crate::record::RecordCommand),
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
    /// A new chain id for a new chain: wallets remember the nonces of every id that they have seen
    #[arg(long, conflicts_with = "chain_id")]
    pub fresh_chain_id: bool,
    /// Time between two blocks, such as 200ms or 2s; auto makes one when there is something to include
    #[arg(long, default_value = "auto", value_name = "TIME")]
    pub block_time: BlockTime,
    /// Without anvil_*, evm_* and hardhat_* methods: the chain refuses commands
    #[arg(long)]
    pub no_cheats: bool,
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
    /// Compiler output of your project (forge: out, hardhat: artifacts), for names on the record page
    #[arg(long, value_name = "DIR")]
    pub artifacts: Option<PathBuf>,
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

/// When a devnet makes blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockTime {
    /// When there is something to include, and now and then without.
    Auto,
    /// At this interval.
    Every(std::time::Duration),
}

impl std::str::FromStr for BlockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let (digits, unit_ms) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(digits), _) => (digits, 1),
            (None, Some(digits)) => (digits, 1000),
            // As for anvil.
            (None, None) => (text, 1000),
        };
        let ms = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_ms));
        match ms {
            Some(ms @ 10..=3_600_000) => Ok(Self::Every(std::time::Duration::from_millis(ms))),
            _ => Err("expected auto, or a time from 10ms to 3600s, such as 200ms or 2s".to_owned()),
        }
    }
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
    /// Serve only what strangers may use: eth, net, web3 and what of weft reads the chain
    #[arg(long)]
    pub public: bool,
    /// Multiaddress for peers, instead of the configured one
    #[arg(long, value_name = "MULTIADDR")]
    pub p2p: Option<String>,
    /// Worker threads of the executor; 0 means one per core
    #[arg(long)]
    pub workers: Option<usize>,
    /// How much of each execution to keep, instead of what is configured
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub record: Option<crate::config::RecordLevel>,
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

/// The home that a command is about.
#[derive(Clone, Debug, Args)]
pub struct HomeArgs {
    /// Home folder of the node
    #[arg(long, env = "WEFT_HOME")]
    pub home: PathBuf,
    /// Print one line of JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `weft db …`
#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Compare everything that is stored: links, hashes, indices, and the root of the state
    Check(HomeArgs),
    /// Print the room that each part takes, and what is kept
    Stats(HomeArgs),
    /// Merge the table files
    Compact(HomeArgs),
    /// Drop what the configuration does not keep, and give its room back
    Prune(PruneArgs),
    /// Print the database's folder
    Path(HomeArgs),
    /// Print the layout of the database and the block it ends with; also while the node runs
    Version(HomeArgs),
}

/// Flags of `weft db prune`: a number of blocks, or `archive`.
#[derive(Clone, Debug, Args)]
pub struct PruneArgs {
    /// The home
    #[command(flatten)]
    pub home: HomeArgs,
    /// States of the past to keep, instead of the configured ones
    #[arg(long, value_name = "BLOCKS", value_parser = parse_keep)]
    pub history: Option<Keep>,
    /// Receipts to keep, instead of the configured ones
    #[arg(long, value_name = "BLOCKS", value_parser = parse_keep)]
    pub receipts: Option<Keep>,
    /// Index of logs to keep, instead of the configured one
    #[arg(long, value_name = "BLOCKS", value_parser = parse_keep)]
    pub logs: Option<Keep>,
    /// Block access lists to keep, instead of the configured ones
    #[arg(long, value_name = "BLOCKS", value_parser = parse_keep)]
    pub access_lists: Option<Keep>,
    /// Execution records to keep, instead of the configured ones
    #[arg(long, value_name = "BLOCKS", value_parser = parse_keep)]
    pub records: Option<Keep>,
}

fn parse_keep(text: &str) -> Result<Keep, String> {
    match text.parse() {
        _ if text == "archive" => Ok(Keep::All),
        Ok(blocks) if blocks > 0 => Ok(Keep::Blocks(blocks)),
        _ => Err("expected a number of blocks or archive".into()),
    }
}

/// `weft snapshot …`
#[derive(Clone, Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Copy the database at its newest block; also while the node runs
    Create(SnapshotCreateArgs),
    /// Compare a snapshot's files, state and block with its manifest and with what you trust; or the
    /// chunks and blocks of an export with what the validators have signed
    Verify(SnapshotVerifyArgs),
    /// Start a home's database from a snapshot
    Restore(SnapshotRestoreArgs),
    /// Write the state in chunks that can be verified one by one, and the blocks since then; also
    /// while the node runs
    Export(SnapshotExportArgs),
    /// Start a home's database from the chunks of an export, or apply the blocks in it
    Import(SnapshotImportArgs),
    /// List the snapshots of a home
    List(HomeArgs),
}

/// Flags of `weft snapshot create`.
#[derive(Clone, Debug, Args)]
pub struct SnapshotCreateArgs {
    /// The home
    #[command(flatten)]
    pub home: HomeArgs,
    /// Folder for the snapshot's folder; HOME/snapshots if absent
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// Flags of `weft snapshot export`.
#[derive(Clone, Debug, Args)]
pub struct SnapshotExportArgs {
    /// The home
    #[command(flatten)]
    pub home: HomeArgs,
    /// Folder for the stream's folder; HOME/snapshots if absent
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Add the blocks decided since to this stream, instead of writing a new one
    #[arg(long, value_name = "STREAM", conflicts_with = "out")]
    pub extend: Option<PathBuf>,
    /// Most leaves of a chunk: an account has two, a slot one
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(16..=65_536))]
    pub chunk_leaves: u32,
}

/// Flags of `weft snapshot import`.
#[derive(Clone, Debug, Args)]
pub struct SnapshotImportArgs {
    /// Folders of streams; what is refused in one is taken from the next one
    #[arg(required = true, value_name = "STREAM")]
    pub streams: Vec<PathBuf>,
    /// The home: with its configuration and genesis file. With a database, blocks are added to it
    #[command(flatten)]
    pub home: HomeArgs,
    /// Height that the block of the state must have
    #[arg(long)]
    pub height: Option<u64>,
    /// Hash that the block of the state must have
    #[arg(long)]
    pub hash: Option<B256>,
}

/// Flags of `weft snapshot verify`.
#[derive(Clone, Debug, Args)]
pub struct SnapshotVerifyArgs {
    /// Folder of the snapshot or the export
    pub snapshot: PathBuf,
    /// Genesis file of the chain, whose validators must have signed the block
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// A home of the chain, instead of its genesis file
    #[arg(long, value_name = "HOME", conflicts_with = "genesis")]
    pub home: Option<PathBuf>,
    /// Height that the block must have
    #[arg(long)]
    pub height: Option<u64>,
    /// Hash that the block must have
    #[arg(long)]
    pub hash: Option<B256>,
    /// Print one line of JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Flags of `weft snapshot restore`.
#[derive(Clone, Debug, Args)]
pub struct SnapshotRestoreArgs {
    /// The snapshot's folder
    pub snapshot: PathBuf,
    /// The home: with its configuration and genesis file, without a database
    #[command(flatten)]
    pub home: HomeArgs,
    /// Height that the block must have
    #[arg(long)]
    pub height: Option<u64>,
    /// Hash that the block must have
    #[arg(long)]
    pub hash: Option<B256>,
}
