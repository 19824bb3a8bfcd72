//! Trees of the last blocks, and the tree in a file.

use crate::database::Database;
use crate::layout::HeadRecord;
use crate::leaves::FlatLeaves;
use crate::lists::Span;
use crate::view::{Source, StateView};
use crate::{StoreError, StoreOptions, rebuild};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use weft_commitment::Tree;

/// States of so many blocks below the head can be proven.
pub const PROOF_BLOCKS: u64 = 128;

/// The tree is written to its file each so many blocks.
const FILE_BLOCKS: u64 = 1000;

/// The file with the tree, beside those of RocksDB.
const FILE: &str = "tree.ckpt";

/// Bytes that one node takes which a block has replaced and an older tree still holds.
const NODE_BYTES: u64 = 128;

/// Trees of the last blocks, as many as fit.
pub(crate) struct Trees {
    directory: PathBuf,
    memory_bytes: u64,
    file_leaves_min: u64,
    recent: Mutex<Recent>,
    /// The thread that wrote the file last, or still does.
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Recent {
    /// Ascending by height, without gaps; the last one is the head's.
    trees: VecDeque<Held>,
    bytes: u64,
}

struct Held {
    height: u64,
    tree: Tree,
    /// What it holds besides what its successor holds, estimated.
    bytes: u64,
}

impl Trees {
    pub(crate) fn new(directory: &Path, options: &StoreOptions) -> Self {
        Self {
            directory: directory.to_path_buf(),
            memory_bytes: options.tree_memory_bytes,
            file_leaves_min: options.tree_file_leaves_min,
            recent: Mutex::default(),
            writer: Mutex::default(),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The tree of the new head: it reads from the flat state at its height what it does not hold,
    /// and holds no more than it may. `changes` is what the block changed.
    pub(crate) fn push(
        &self,
        database: &Arc<Database>,
        height: u64,
        tree: Tree,
        changes: usize,
    ) -> Tree {
        let source = FlatLeaves { database: Arc::clone(database), height };
        let grown = tree.with_source(Arc::new(source));
        let tree = grown.trim(self.memory_bytes);
        let dropped = grown.memory_bytes().saturating_sub(tree.memory_bytes());
        let replaced = replaced_bytes(changes as u64, tree.leaves());
        let mut recent = self.recent.lock();
        if let Some(last) = recent.trees.back_mut() {
            last.bytes = replaced + dropped;
            recent.bytes += replaced + dropped;
        }
        recent.trees.push_back(Held { height, tree: tree.clone(), bytes: 0 });
        let mut gone = Vec::new();
        while recent.trees.len() > 1
            && (recent.trees.len() > PROOF_BLOCKS as usize + 1
                || recent.bytes > self.memory_bytes / 2)
        {
            let Some(oldest) = recent.trees.pop_front() else { break };
            recent.bytes -= oldest.bytes;
            gone.push(oldest);
        }
        drop(recent);
        // Freeing many nodes takes its time: not while readers wait.
        drop(gone);
        if height > 0 && height.is_multiple_of(FILE_BLOCKS) {
            self.write_beside(height, &tree);
        }
        tree
    }

    /// The lowest tree at `height` or above, with its height.
    pub(crate) fn at_or_above(&self, height: u64) -> Option<(u64, Tree)> {
        let recent = self.recent.lock();
        let place = recent.trees.partition_point(|held| held.height < height);
        recent.trees.get(place).map(|held| (held.height, held.tree.clone()))
    }

    /// Writes the file on a thread of its own, unless the last one is still at it.
    fn write_beside(&self, height: u64, tree: &Tree) {
        let mut writer = self.writer.lock();
        let busy = writer.as_ref().is_some_and(|thread| !thread.is_finished());
        if tree.leaves() < self.file_leaves_min || busy {
            return;
        }
        let (directory, tree) = (self.directory.clone(), tree.clone());
        *writer = Some(std::thread::spawn(move || report(write(&directory, height, &tree))));
    }

    /// Writes the file of the last tree, at a clean end. Nobody writes afterwards.
    pub(crate) fn finish(&self) {
        if let Some(thread) = self.writer.lock().take() {
            // What a panic has cost is written below.
            let _ = thread.join();
        }
        let recent = self.recent.lock();
        if let Some(last) = recent.trees.back().filter(|l| l.tree.leaves() >= self.file_leaves_min)
        {
            report(write(&self.directory, last.height, &last.tree));
        }
    }
}

/// A file that is missing costs time at the next start, nothing else.
fn report(written: io::Result<()>) {
    if let Err(error) = written {
        tracing::warn!(%error, "the tree was not written to its file");
    }
}

/// Each changed key replaces its leaf and the branches above it, which the keys share near the root.
fn replaced_bytes(changes: u64, leaves: u64) -> u64 {
    let depth = u64::from((leaves / changes.max(1)).max(1).ilog2());
    changes * (depth + 3) * NODE_BYTES
}

fn write(directory: &Path, height: u64, tree: &Tree) -> io::Result<()> {
    let path = directory.join(FILE);
    let new = path.with_extension("ckpt.new");
    let mut out = BufWriter::new(File::create(&new)?);
    tree.save(height, &mut out)?;
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    std::fs::rename(&new, &path)?;
    File::open(directory)?.sync_all()
}

/// The tree of the head at opening: from the file and what has changed since it was written, or from
/// the whole flat state. Its root is the head's in any case.
///
/// # Errors
/// [`StoreError::Damaged`] when the flat state does not have the head's root.
pub(crate) fn opened(
    source: &Arc<Source>,
    head: HeadRecord,
    directory: &Path,
    options: &StoreOptions,
) -> Result<Tree, StoreError> {
    match from_file(source, head, directory, options) {
        Ok(Some(tree)) => return Ok(tree),
        Ok(None) => {}
        Err(reason) => tracing::warn!(%reason, "the tree is built anew: its file is of no use"),
    }
    let (_, tree) = rebuild::verified_tree(&source.database, options.tree_memory_bytes)?;
    Ok(tree)
}

fn from_file(
    source: &Arc<Source>,
    head: HeadRecord,
    directory: &Path,
    options: &StoreOptions,
) -> Result<Option<Tree>, String> {
    let bytes = match std::fs::read(directory.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let saved = Tree::load(&bytes).map_err(|error| error.to_string())?;
    if saved.tree.leaves() < options.tree_file_leaves_min {
        return Ok(None);
    }
    if saved.height > head.height {
        return Err(format!("it is of height {}, the head of {}", saved.height, head.height));
    }
    let leaves = FlatLeaves { database: Arc::clone(&source.database), height: saved.height };
    let tree = saved.tree.with_source(Arc::new(leaves));
    let tree = if saved.height < head.height {
        let at = |height| StateView::new(Arc::clone(source), height);
        let (from, to) = (at(saved.height), at(head.height));
        let (from, to) = ((saved.height, &from as _), (head.height, &to as _));
        let span = Span { database: &source.database, from, to };
        let changes = span.changes().map_err(|error| error.to_string())?;
        tree.apply_leaves(&changes).map_err(|error| error.to_string())?
    } else {
        tree
    };
    if tree.root() != head.state_root {
        return Err(format!("it leads to root {}, the head has {}", tree.root(), head.state_root));
    }
    Ok(Some(tree))
}

/// The tree of the state after the block at `height`: held, or the next one held with what changed
/// since taken back.
pub(crate) fn at(
    source: &Arc<Source>,
    trees: &Trees,
    height: u64,
) -> Result<Option<Tree>, StoreError> {
    let Some((held, tree)) = trees.at_or_above(height) else { return Ok(None) };
    if held == height {
        return Ok(Some(tree));
    }
    let view = |height| StateView::new(Arc::clone(source), height);
    let (from, to) = (view(held), view(height));
    let (from, to) = ((held, &from as _), (height, &to as _));
    let changes = Span { database: &source.database, from, to }.changes()?;
    let leaves = FlatLeaves { database: Arc::clone(&source.database), height };
    Ok(Some(tree.apply_leaves(&changes)?.with_source(Arc::new(leaves))))
}
