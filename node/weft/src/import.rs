//! `weft import`: a chain of Ethereum from a genesis file and the RLP of its blocks, executed and
//! compared block by block, and kept under its own headers.
//!
//! Every header is held against what execution gives, its Merkle-Patricia state root included. The
//! root of our own tree stands in none of them: a copy of such a home cannot be checked by its
//! headers, and whoever reads it trusts the import. `--trust-state-roots` says that this is known.

pub mod roots;
pub mod serve;
#[cfg(test)]
mod tests;

use crate::config::Config;
use crate::failure::{ExitStatus, Failure};
use crate::home::{Home, cannot_write};
use crate::say;
use clap::Args;
use roots::Roots;
use serve::Served;
use std::fs::File;
use std::io::{BufReader, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use weft_evm::Executor;
use weft_replay::foreign::{BlockReader, ForeignChain, Imported, Importer};
use weft_rpc::StateRoots;
use weft_store::{ForeignCommit, GenesisState, Store, StoreError, StoreOptions};

/// Blocks after which the progress line is written again.
const PROGRESS_BLOCKS: u64 = 16;

/// Largest genesis file, in bytes.
const GENESIS_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Flags of `weft import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// Genesis file in geth's format
    pub genesis: PathBuf,
    /// RLP of the blocks after genesis, one after the other
    pub chain: PathBuf,
    /// Know that the headers of such a chain name Ethereum's state roots, which are compared now,
    /// and not ours, which could be compared at any time
    #[arg(long)]
    pub trust_state_roots: bool,
    /// New home for the chain; without it the chain is only checked, or served until the end
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Serve the chain's RPC afterwards, read-only
    #[arg(long, value_name = "ADDR:PORT")]
    pub serve: Option<SocketAddr>,
    /// Worker threads of the executor; 0 means one per core
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub workers: u16,
}

/// A chain that was imported.
pub struct ImportedChain {
    /// Its genesis and forks.
    pub chain: ForeignChain,
    /// Its blocks and states.
    pub store: Arc<Store>,
    /// Tries of its last states.
    pub roots: Arc<Roots>,
    /// Numbers for people.
    pub summary: Summary,
}

impl ImportedChain {
    /// What a server needs of it.
    #[must_use]
    pub fn served(&self) -> Served<'_> {
        let roots: Arc<dyn StateRoots> = Arc::<Roots>::clone(&self.roots);
        Served { store: &self.store, forks: self.chain.forks(), roots: Some(roots) }
    }
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Blocks after genesis.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Gas that they used.
    pub gas: u64,
}

/// A folder that is removed in the end.
#[derive(Debug)]
pub struct TemporaryFolder(PathBuf);

/// `weft import`.
///
/// # Errors
/// [`Failure`] with [`ExitStatus::Mismatch`] naming block and field when the chain is not what its
/// headers say.
pub fn run(args: &ImportArgs) -> Result<(), Failure> {
    if !args.trust_state_roots {
        return Err(Failure::new(
            ExitStatus::Config,
            "the headers of this chain do not name our state roots",
        )
        .fact("so", "whoever reads the home later must trust this import: its state cannot be compared with its headers")
        .fix("weft import --trust-state-roots …: each block's Merkle-Patricia root is still compared now"));
    }
    let temporary = match &args.home {
        Some(_) => None,
        None => Some(TemporaryFolder::new()?),
    };
    let folder = args.home.as_deref().or(temporary.as_ref().map(TemporaryFolder::path));
    let home = Home::new(folder.expect("one of the two is there"));
    let started = Instant::now();
    let executor = Executor::new(usize::from(args.workers));
    let imported = import(&args.genesis, &args.chain, &home, executor)?;
    let head = imported.store.head();
    let Summary { blocks, transactions, gas } = imported.summary;
    say(&format!(
        "{blocks} blocks, {transactions} transactions, {:.1} Mgas in {:.1} s: every header holds\n\
         head      {} {}\n",
        gas as f64 / 1e6,
        started.elapsed().as_secs_f64(),
        head.block.height(),
        head.block.hash(),
    ))?;
    match (args.serve, &args.home) {
        (Some(listen), _) => serve::until_stopped(&imported.served(), listen),
        (None, Some(home)) => say(&format!("serve it  weft serve --home {}\n", home.display())),
        (None, None) => Ok(()),
    }
}

/// Imports a chain into a new home.
///
/// # Errors
/// [`Failure`] naming the file, or the block and the field.
pub fn import(
    genesis: &Path,
    chain: &Path,
    home: &Home,
    executor: Executor,
) -> Result<ImportedChain, Failure> {
    let parsed = read_genesis(genesis)?;
    let source = File::open(chain).map_err(|error| cannot_read(chain, &error))?;
    let length = source.metadata().map_or(0, |metadata| metadata.len());
    create_home(home, genesis)?;
    // The blocks are in the file: what a power loss takes can be imported again.
    let options = StoreOptions { sync: false, ..StoreOptions::devnet() };
    let store = open_store(home, &parsed, options)?;
    let mut importer = Importer::new(parsed.clone(), executor);
    let mut blocks = BlockReader::new(BufReader::new(source));
    let (mut summary, mut roots) = (Summary::default(), Roots::default());
    roots.keep(0, importer.trie());
    let shown = std::io::stderr().is_terminal();
    while let Some(rlp) = blocks.next() {
        let number = summary.blocks + 1;
        let rlp = rlp.map_err(|error| {
            Failure::new(ExitStatus::Mismatch, format!("block {number}: {error}"))
                .fact("file", chain.display())
        })?;
        let imported = importer.import(&rlp).map_err(|rejection| {
            let mut failure = Failure::new(
                ExitStatus::Mismatch,
                format!("block {number} is not as it should be"),
            )
            .fact("file", chain.display());
            if !rejection.fields.is_empty() {
                failure = failure.fact("field", rejection.fields.join(", "));
            }
            failure.fact("cause", rejection)
        })?;
        let header = imported.block.header();
        summary.gas += header.gas_used;
        summary.transactions += imported.senders.len() as u64;
        commit(&store, imported).map_err(|error| unusable(home, &error))?;
        summary.blocks = number;
        roots.keep(number, importer.trie());
        if shown && number.is_multiple_of(PROGRESS_BLOCKS) {
            show_progress(number, blocks.offset(), length);
        }
    }
    if shown {
        eprint!("\r{:60}\r", "");
    }
    store.sync().map_err(|error| unusable(home, &error))?;
    Ok(ImportedChain { chain: parsed, store, roots: Arc::new(roots), summary })
}

fn commit(store: &Store, imported: Imported) -> Result<(), StoreError> {
    let tree = store.head().tree.try_apply(&imported.diff)?;
    store.commit_foreign(ForeignCommit {
        block: imported.block,
        body: imported.body,
        senders: imported.senders,
        receipts: imported.receipts,
        access_list: imported.access_list,
        access_record: imported.access_record,
        profile: imported.profile,
        diff: imported.diff,
        tree,
    })?;
    Ok(())
}

/// Reads a genesis file in geth's format.
///
/// # Errors
/// [`ExitStatus::Config`] saying what is wrong with it.
pub fn read_genesis(path: &Path) -> Result<ForeignChain, Failure> {
    let size = std::fs::metadata(path).map_err(|error| cannot_read(path, &error))?.len();
    let bad = |cause: String| {
        Failure::new(ExitStatus::Config, "the genesis file cannot be used")
            .fact("file", path.display())
            .fact("cause", cause)
    };
    if size > GENESIS_BYTES_MAX {
        return Err(bad(format!("{size} bytes, at most {GENESIS_BYTES_MAX}")));
    }
    let text = std::fs::read(path).map_err(|error| cannot_read(path, &error))?;
    ForeignChain::from_json(&text).map_err(|error| bad(error.to_string()))
}

fn create_home(home: &Home, genesis: &Path) -> Result<(), Failure> {
    let taken = [home.config(), home.genesis(), home.ethereum(), home.database()];
    if taken.iter().any(|path| path.exists()) {
        return Err(Failure::new(ExitStatus::Config, "this folder already is a home")
            .fact("folder", home.root().display())
            .fix("choose another folder, or remove this one if its chain is not needed"));
    }
    let root = home.root();
    std::fs::create_dir_all(root).map_err(|error| cannot_write(root, &error))?;
    let config = home.config();
    std::fs::write(&config, Config::default().to_toml())
        .map_err(|error| cannot_write(&config, &error))?;
    let copy = home.ethereum();
    std::fs::copy(genesis, &copy).map(|_| ()).map_err(|error| cannot_write(&copy, &error))
}

/// Opens the store of an imported chain.
///
/// # Errors
/// [`Failure`] when it belongs to another chain, is in use, or damaged.
pub fn open_store(
    home: &Home,
    chain: &ForeignChain,
    options: StoreOptions,
) -> Result<Arc<Store>, Failure> {
    let genesis = GenesisState { block: chain.genesis(), diff: &chain.state() };
    Store::open_foreign(&home.database(), genesis, options).map_err(|error| unusable(home, &error))
}

fn unusable(home: &Home, error: &StoreError) -> Failure {
    match error {
        StoreError::Locked { .. } => crate::node::home_in_use(home),
        error => crate::database::damaged(&home.database(), &error.to_string()),
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(ExitStatus::Config, "a file cannot be read")
        .fact("file", path.display())
        .fact("cause", error)
}

fn show_progress(blocks: u64, bytes: u64, of: u64) {
    let percent = (100 * bytes).checked_div(of).unwrap_or(0);
    eprint!("\rblock {blocks}, {percent} %");
    let _ = std::io::stderr().flush();
}

impl TemporaryFolder {
    /// A new folder below the system's folder for temporary files.
    ///
    /// # Errors
    /// [`ExitStatus::Config`] when none can be made.
    pub fn new() -> Result<Self, Failure> {
        let name = format!("weft-import-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(|error| cannot_write(&path, &error))?;
        Ok(Self(path))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // The system removes what is left in its folder sooner or later.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
