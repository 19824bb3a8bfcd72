//! `weft snapshot export` and `import`: a state in chunks that are verified one by one, and the
//! blocks after it by their access lists.

use crate::cli::{SnapshotExportArgs, SnapshotImportArgs};
use crate::config::Config;
use crate::control::{self, Question};
use crate::database::{self, answer};
use crate::failure::{ExitStatus, Failure};
use crate::home::Home;
use crate::snapshot::{Trust, certified};
use alloy_primitives::{Address, B256};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weft_genesis::Genesis;
use weft_store::{Anchor, GenesisState, Import, ListedBlock, Store, StoreError, Stream};
use weft_types::Transaction;
use weft_types::transaction::recover_transaction;

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSummary {
    /// Its folder.
    pub folder: PathBuf,
    /// The block whose state it is.
    pub height: u64,
    /// Hash of that block.
    pub hash: B256,
    /// Its state root.
    pub state_root: B256,
    /// Number of chunks.
    pub chunks: usize,
    /// The last block in it.
    pub last: u64,
}

/// What an import has done.
#[derive(Serialize)]
struct Imported {
    /// Chunks that were taken; none when the home had a state.
    chunks: usize,
    /// Blocks that were applied by their access lists.
    blocks: u64,
    height: u64,
    hash: B256,
    state_root: B256,
    trusted: &'static str,
    /// What was refused, and came from another stream.
    refused: Vec<String>,
}

/// Recovers senders from signatures, on all cores.
pub(crate) fn senders(
    chain_id: u64,
) -> impl Fn(&[Transaction]) -> Result<Vec<Address>, String> + Copy {
    move |transactions| {
        let one = |transaction: &Transaction| {
            let recovered = recover_transaction(transaction.clone(), chain_id);
            recovered.map(|transaction| transaction.signer()).map_err(|error| error.to_string())
        };
        transactions.par_iter().map(one).collect()
    }
}

/// `weft snapshot verify` of a stream: every chunk and every block in it. What only a whole state can
/// say, such as the hash of a code, is compared when it is imported.
pub(crate) fn verify(
    stream: &Stream,
    genesis: Option<&Genesis>,
    trust: Trust,
    json: bool,
) -> Result<String, Failure> {
    let genesis = genesis.ok_or_else(|| {
        Failure::new(ExitStatus::Config, "an export is verified against its chain")
            .fact("stream", stream.folder().display())
            .fix("give --genesis FILE, or --home of a node of the chain")
    })?;
    let failed = |error: StoreError| unusable(stream, &error);
    let senders = senders(genesis.params.chain_id);
    let anchor = stream.anchor(&senders).map_err(failed)?;
    let trusted = trusted(stream, &anchor, genesis, trust)?;
    let (height, hash) = (anchor.block.height().0, anchor.block.hash());
    let state_root = anchor.block.header().state_root;
    let sections = stream.plan().and_then(|plan| Ok(plan.sections(state_root)?)).map_err(failed)?;
    for section in &sections {
        let verified = stream.chunk(section.place).and_then(|chunk| Ok(section.verify(&chunk)?));
        verified.map_err(|error| at(&stream.chunk_path(section.place), &error.to_string()))?;
    }
    let mut last = height;
    while let Some(block) = stream.block(last + 1, &senders).map_err(failed)? {
        let named = (last + 1, block.block.hash());
        certified(named, Some(&block.certificate), genesis)
            .map_err(|why| at(&stream.block_path(last + 1), &why))?;
        last += 1;
    }
    let folder = stream.folder().to_path_buf();
    let summary = StreamSummary { folder, height, hash, state_root, chunks: sections.len(), last };
    Ok(answer(json, &summary, |summary| {
        format!("the stream is whole\n{}  trusted   {trusted}\n", lines(summary))
    }))
}

fn lines(summary: &StreamSummary) -> String {
    format!(
        "  folder    {}\n  block     {} {}\n  root      {}\n  chunks    {}\n  blocks    up to {}\n",
        summary.folder.display(),
        summary.height,
        summary.hash,
        summary.state_root,
        summary.chunks,
        summary.last
    )
}

/// Writes a stream of the store's head, or adds blocks to one.
pub(crate) fn write(
    store: &Store,
    chain_id: u64,
    folder: &Path,
    extend: bool,
    chunk_leaves: u32,
) -> Result<StreamSummary, StoreError> {
    let senders = senders(chain_id);
    let stream =
        if extend { Stream::new(folder) } else { store.export(chunk_leaves)?.write(folder)? };
    let last = stream.extend(store, &senders)?;
    let anchor = stream.anchor(&senders)?;
    let sections = stream.plan()?.sections(anchor.block.header().state_root)?;
    Ok(StreamSummary {
        folder: stream.folder().to_path_buf(),
        height: anchor.block.height().0,
        hash: anchor.block.hash(),
        state_root: anchor.block.header().state_root,
        chunks: sections.len(),
        last,
    })
}

/// `weft snapshot export`: from the database itself, or through the node that holds it.
pub(crate) fn export(args: &SnapshotExportArgs) -> Result<String, Failure> {
    let home = Home::new(&args.home.home);
    let genesis = home.read_genesis()?;
    if !home.database().join("CURRENT").exists() {
        let path = home.database();
        return Err(database::failure(&home, &StoreError::Missing { path }));
    }
    let folder = args.extend.clone().or_else(|| args.out.clone());
    let folder = folder.unwrap_or_else(|| home.snapshots());
    let extend = args.extend.is_some();
    let summary = match open(&home, &home.database(), &genesis) {
        Ok(store) => write(&store, genesis.params.chain_id, &folder, extend, args.chunk_leaves)
            .map_err(|error| cannot_export(&home, &error))?,
        Err(StoreError::Locked { .. }) => {
            let folder = std::path::absolute(&folder).unwrap_or(folder);
            let chunk_leaves = args.chunk_leaves;
            control::export(&home, &Question::Export { folder, extend, chunk_leaves })?
        }
        Err(error) => return Err(cannot_open(&home, &error)),
    };
    Ok(answer(args.home.json, &summary, |summary| {
        format!("state of block {} exported\n{}", summary.height, lines(summary))
    }))
}

fn cannot_export(home: &Home, error: &StoreError) -> Failure {
    match error {
        StoreError::Snapshot { .. } | StoreError::Pruned { .. } | StoreError::NoList { .. } => {
            Failure::new(ExitStatus::Unexpected, "the stream cannot be written")
                .fact("home", home.root().display())
                .fact("cause", error)
                .fix("check the folder; when blocks in between are not kept any more, export a new stream")
        }
        other => database::failure(home, other),
    }
}

fn cannot_open(home: &Home, error: &StoreError) -> Failure {
    match error {
        StoreError::WrongGenesis { .. } => {
            Failure::new(ExitStatus::Unsafe, "this home belongs to another chain")
                .fact("home", home.root().display())
                .fact("cause", error)
                .fix("use the genesis.json that this home was made with (nothing was changed)")
        }
        other => database::failure(home, other),
    }
}

fn open(home: &Home, directory: &Path, genesis: &Genesis) -> Result<Arc<Store>, StoreError> {
    let state = GenesisState { block: &genesis.block, diff: &genesis.diff };
    let options = Config::read(&home.config()).unwrap_or_default().state.store_options();
    Store::open(directory, state, options)
}

/// `weft snapshot import`: a new database from chunks, or an older one brought up to date; then the
/// blocks of the streams, each by its access list.
pub(crate) fn import(args: &SnapshotImportArgs) -> Result<String, Failure> {
    let home = Home::new(&args.home.home);
    Config::read(&home.config())?;
    let genesis = home.read_genesis()?;
    let streams: Vec<Stream> = args.streams.iter().map(Stream::new).collect();
    let mut refused = Vec::new();
    let trust = Trust { height: args.height, hash: args.hash };
    let (chunks, trusted) = if home.database().exists() {
        (0, "by the validators' certificates")
    } else {
        begin(&home, &genesis, &streams, trust, &mut refused)?
    };
    let store =
        open(&home, &home.database(), &genesis).map_err(|error| cannot_open(&home, &error))?;
    let before = store.head().block.height().0;
    catch_up(&home, &store, &genesis, &streams, &mut refused)?;
    let head = store.head();
    let (height, header) = (head.block.height().0, head.block.header());
    let (hash, state_root) = (head.block.hash(), header.state_root);
    let blocks = height - before;
    let imported = Imported { chunks, blocks, height, hash, state_root, trusted, refused };
    Ok(answer(args.home.json, &imported, |imported| text(&home, imported)))
}

fn text(home: &Home, imported: &Imported) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "the home is at block {}: {} chunks, then {} blocks by their access lists\n  block     {} {}\n  root      {}\n  trusted   {}\n",
        imported.height,
        imported.chunks,
        imported.blocks,
        imported.height,
        imported.hash,
        imported.state_root,
        imported.trusted
    );
    for refused in &imported.refused {
        let _ = writeln!(text, "  refused   {refused}");
    }
    let _ = writeln!(text, "\nstart it: weft node --home {}", home.root().display());
    text
}

/// Makes the database of a home; leaves nothing behind when that fails.
fn begin(
    home: &Home,
    genesis: &Genesis,
    streams: &[Stream],
    trust: Trust,
    refused: &mut Vec<String>,
) -> Result<(usize, &'static str), Failure> {
    let first = streams.first().expect("the command line asks for one");
    let senders = senders(genesis.params.chain_id);
    let anchor = first.anchor(&senders).map_err(|error| unusable(first, &error))?;
    let trusted = trusted(first, &anchor, genesis, trust)?;
    let target = home.database();
    let partial = target.with_extension("partial");
    let made = remove(&partial).and_then(|()| {
        let chunks = fill(home, &partial, anchor, genesis, streams, refused)?;
        let renamed = std::fs::rename(&partial, &target);
        renamed.map_err(|error| cannot_write(&target, &error))?;
        Ok(chunks)
    });
    if made.is_err() {
        // What went wrong is what matters; the next import removes the rest.
        let _ = remove(&partial);
    }
    made.map(|chunks| (chunks, trusted))
}

fn trusted(
    stream: &Stream,
    anchor: &Anchor,
    genesis: &Genesis,
    trust: Trust,
) -> Result<&'static str, Failure> {
    let (height, hash) = (anchor.block.height().0, anchor.block.hash());
    let refuse = |what: &str, found: String, expected: String| {
        Failure::new(ExitStatus::Unsafe, what)
            .fact("stream", stream.folder().display())
            .fact("found", found)
            .fact("expected", expected)
            .fix("get the stream from somebody you trust (nothing was changed)")
    };
    if let Some(expected) = trust.height.filter(|expected| *expected != height) {
        let found = height.to_string();
        return Err(refuse("the stream is of another height", found, expected.to_string()));
    }
    if let Some(expected) = trust.hash.filter(|expected| *expected != hash) {
        return Err(refuse(
            "the stream is of another block",
            hash.to_string(),
            expected.to_string(),
        ));
    }
    certified((height, hash), anchor.certificate.as_ref(), genesis).map_err(|why| {
        let expected = "a certificate of two thirds of the validators in genesis.json".to_owned();
        refuse("the block of the stream is not certified", why, expected)
    })?;
    Ok(match trust.hash {
        Some(_) => "by the hash given and the validators' certificates",
        None => "by the validators' certificates",
    })
}

/// Takes every chunk from the first stream that has it right.
fn fill(
    home: &Home,
    directory: &Path,
    anchor: Anchor,
    genesis: &Genesis,
    streams: &[Stream],
    refused: &mut Vec<String>,
) -> Result<usize, Failure> {
    let failed = |error: StoreError| unusable(&streams[0], &error);
    let options = Config::read(&home.config())?.state.store_options();
    let plan = streams[0].plan().map_err(failed)?;
    let mut import = Import::begin(directory, anchor, &plan, &options).map_err(failed)?;
    let places: Vec<usize> = import.missing().collect();
    for place in &places {
        let mut causes = Vec::new();
        let taken = streams.iter().any(|stream| {
            let taken = stream.chunk(*place).and_then(|chunk| import.take(*place, &chunk));
            let path = stream.chunk_path(*place);
            causes.extend(taken.as_ref().err().map(|error| format!("{}: {error}", path.display())));
            taken.is_ok()
        });
        if !taken {
            return Err(all_refused("a chunk is refused", &causes)
                .fix("copy the file again or give another stream of the same block besides (nothing was changed)"));
        }
        refused.extend(causes);
    }
    let state = GenesisState { block: &genesis.block, diff: &genesis.diff };
    import.finish(state).map_err(failed)?;
    Ok(places.len())
}

/// Applies blocks as long as a stream has the next one.
fn catch_up(
    home: &Home,
    store: &Store,
    genesis: &Genesis,
    streams: &[Stream],
    refused: &mut Vec<String>,
) -> Result<(), Failure> {
    let senders = senders(genesis.params.chain_id);
    loop {
        let height = store.head().block.height().0 + 1;
        let mut causes = Vec::new();
        let mut applied = false;
        for stream in streams {
            let outcome = match stream.block(height, &senders) {
                Ok(None) => continue,
                Ok(Some(block)) => apply(store, genesis, block),
                Err(error) => Err(error.to_string()),
            };
            match outcome {
                Ok(()) => applied = true,
                Err(cause) => {
                    causes.push(format!("{}: {cause}", stream.block_path(height).display()));
                    continue;
                }
            }
            break;
        }
        if !applied && !causes.is_empty() {
            return Err(all_refused("a block is refused", &causes)
                .fact("reached", format!("block {} is the last one of {}", height - 1, home.root().display()))
                .fix("copy the file again and repeat the command, or start the node: it goes on with blocks from its peers"));
        }
        refused.extend(causes);
        if !applied {
            return Ok(());
        }
    }
}

fn apply(store: &Store, genesis: &Genesis, block: ListedBlock) -> Result<(), String> {
    let (height, hash) = (block.block.height().0, block.block.hash());
    certified((height, hash), Some(&block.certificate), genesis)?;
    store.commit_listed(block).map(|_| ()).map_err(|error| error.to_string())
}

fn all_refused(what: &str, causes: &[String]) -> Failure {
    let failure = Failure::new(ExitStatus::Damaged, what);
    causes.iter().fold(failure, |failure, cause| failure.fact("cause", cause))
}

fn unusable(stream: &Stream, error: &StoreError) -> Failure {
    let (path, cause) = match error {
        StoreError::Snapshot { path, reason } => (path.as_path(), reason.clone()),
        other => (stream.folder(), other.to_string()),
    };
    at(path, &cause)
}

fn at(path: &Path, cause: &str) -> Failure {
    Failure::new(ExitStatus::Damaged, "the stream cannot be used")
        .fact("path", path.display())
        .fact("cause", cause)
        .fix("copy the stream again, or use another one (nothing was changed)")
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(ExitStatus::Unexpected, "the database cannot be made")
        .fact("path", path.display())
        .fact("cause", error)
        .fix("check the folder's permissions and the free space")
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(cannot_write(folder, &error))
        }
        _ => Ok(()),
    }
}
