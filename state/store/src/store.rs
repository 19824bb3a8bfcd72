//! The store: one writer, any number of readers, one head.

mod blocks;

pub(crate) use blocks::{base, block as stored_block};

use crate::cache::{CacheStats, StateCache};
use crate::columns::Column;
use crate::commit::{BlockCommit, GenesisState};
use crate::database::Database;
use crate::prefetch::Readers;
use crate::retention::{Kept, Oldest, Retention};
use crate::snapshot::{self, SnapshotManifest};
use crate::trees::{PROOF_BLOCKS, Trees};
use crate::view::{Source, StateView};
use crate::{StoreError, StoreOptions, open, rebuild, records, trees};
use alloy_primitives::{Address, B256};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rocksdb::WriteBatch;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weft_commitment::Tree;
use weft_types::{ForeignBody, SealedBlock, StateDiff, StateReader};

/// The durable chain and state of one node.
///
/// The directory stays locked until the store and everything read from it that borrows its
/// database ([`Head`], state readers) is dropped.
pub struct Store {
    /// What the readers of state share; its database is that of the store.
    source: Arc<Source>,
    /// Threads that read ahead. They end with the store.
    _readers: Readers,
    retention: Retention,
    /// Trees of the last blocks. Written by `commit` under `writer`.
    trees: Trees,
    /// Last block that is durable. Written by `commit` under `writer`, read by everybody. Truth.
    head: ArcSwap<Head>,
    /// Held from checking a block's parent until the head has moved: one commit at a time.
    writer: Mutex<()>,
}

/// The last durable block and the state after it. All three belong together and never change.
#[derive(Clone)]
pub struct Head {
    /// The block.
    pub block: Arc<SealedBlock>,
    /// Commitment to the state after it.
    pub tree: Tree,
    /// The state after it; stays readable while later blocks are committed.
    pub state: Arc<dyn StateReader>,
}

/// A block as it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// The block.
    pub block: SealedBlock,
    /// Sender of each transaction.
    pub senders: Vec<Address>,
    /// What a block of Ethereum has besides; `None` in a chain of our own.
    pub foreign: Option<ForeignBody>,
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Head")
            .field("height", &self.block.height().0)
            .field("hash", &self.block.hash())
            .field("root", &self.tree.root())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("head", &self.head.load()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `directory`, or creates it with the genesis block.
    ///
    /// The root of the state on disk is computed anew and compared with the head's header.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::WrongGenesis`] and [`StoreError::Schema`] when the
    /// directory is not to be used, [`StoreError::Damaged`] when it cannot be used,
    /// [`StoreError::WrongRoot`] or [`StoreError::Inconsistent`] when the genesis given contradicts
    /// itself, [`StoreError::Database`] when the disk fails.
    pub fn open(
        directory: &Path,
        genesis: GenesisState<'_>,
        options: StoreOptions,
    ) -> Result<Arc<Self>, StoreError> {
        Self::open_chain(directory, genesis, options, false)
    }

    /// [`Self::open`] and [`Self::open_foreign`].
    pub(crate) fn open_chain(
        directory: &Path,
        genesis: GenesisState<'_>,
        options: StoreOptions,
        foreign: bool,
    ) -> Result<Arc<Self>, StoreError> {
        let (database, record) = open::open(directory, genesis, &options, foreign)?;
        let block = blocks::block(&database, record.height)?.ok_or_else(|| {
            StoreError::Damaged { what: format!("block {} of the head is missing", record.height) }
        })?;
        let block = block.block;
        let same_root = foreign || block.header().state_root == record.state_root;
        if block.hash() != record.hash || !same_root {
            let (found, expected) = (block.hash(), record.hash);
            let what = format!("block {} is {found}, expected {expected}", record.height);
            return Err(StoreError::Damaged { what });
        }
        let readers = Readers::start(options.read_threads);
        let source = Arc::new(Source {
            database: Arc::new(database),
            cache: StateCache::new(options.state_cache_bytes),
            queue: Arc::clone(readers.queue()),
        });
        let tree = trees::opened(&source, record, directory, &options)?;
        let trees = Trees::new(directory, &options);
        let tree = trees.push(&source.database, record.height, tree, 0);
        tracing::info!(height = record.height, hash = %record.hash, "store opened");
        Ok(Arc::new(Self {
            head: ArcSwap::from_pointee(head(&source, block, tree)),
            source,
            trees,
            _readers: readers,
            retention: options.retention,
            writer: Mutex::new(()),
        }))
    }

    /// The last durable block and its state.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        self.head.load_full()
    }

    /// Makes one block durable and moves the head to it. Either everything is stored or nothing.
    ///
    /// # Errors
    /// [`StoreError::WrongParent`], [`StoreError::WrongRoot`] or [`StoreError::Inconsistent`] when
    /// the block is refused; nothing has changed then. [`StoreError::Database`] when the write
    /// failed: the head has not moved, but only opening the store again tells whether the block is
    /// on disk, so every later commit is refused with [`StoreError::Poisoned`].
    pub fn commit(&self, commit: BlockCommit) -> Result<Arc<Head>, StoreError> {
        self.put(commit, true)
    }

    /// [`Self::commit`] of a block that has no access record because it was not executed here.
    pub(crate) fn commit_unexecuted(&self, commit: BlockCommit) -> Result<Arc<Head>, StoreError> {
        self.put(commit, false)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.trees.directory()
    }

    pub(crate) fn shared_database(&self) -> Arc<Database> {
        Arc::clone(&self.source.database)
    }

    fn put(&self, commit: BlockCommit, executed: bool) -> Result<Arc<Head>, StoreError> {
        let _writer = self.writer.lock();
        let parent = self.head.load();
        let height = commit.block.height().0;
        let (head_height, expected) = (parent.block.height().0, parent.block.hash());
        let found = commit.block.header().parent_hash;
        if found != expected || Some(height) != head_height.checked_add(1) {
            return Err(StoreError::WrongParent { height, head: head_height, expected, found });
        }
        let recorded = executed && commit.is_recorded();
        commit.validate(recorded)?;
        let database = &self.source.database;
        // Before the block: a failure leaves the head where it was.
        let oldest = database.horizon().oldest();
        let mut next = oldest.advanced(&self.retention, head_height, false).unwrap_or(oldest);
        records::bound(database, &self.retention, head_height, &mut next, false)?;
        if next != oldest {
            database.drop_below(&next)?;
        }
        let batch = commit.batch(database, recorded)?;
        self.write(commit.block, commit.tree, &commit.diff, batch)
    }

    /// Writes the batch of a block that was found good and moves the head to it. The caller holds
    /// the writer's lock.
    pub(crate) fn write(
        &self,
        block: SealedBlock,
        tree: Tree,
        diff: &StateDiff,
        batch: WriteBatch,
    ) -> Result<Arc<Head>, StoreError> {
        let database = &self.source.database;
        let height = block.height().0;
        database.write_block(height, batch)?;
        self.source.cache.promote(diff);
        let tree = self.trees.push(database, height, tree, diff.changes());
        let head = Arc::new(head(&self.source, block, tree));
        self.head.store(Arc::clone(&head));
        Ok(head)
    }

    pub(crate) const fn writer(&self) -> &Mutex<()> {
        &self.writer
    }

    /// Waits until everything that was committed is on the disk. Needed only without
    /// [`StoreOptions::sync`].
    ///
    /// # Errors
    /// [`StoreError::Database`] when the disk fails; every later commit is refused then.
    pub fn sync(&self) -> Result<(), StoreError> {
        let _writer = self.writer.lock();
        self.source.database.sync()
    }

    /// The state after the block at `height`.
    ///
    /// # Errors
    /// [`StoreError::UnknownHeight`] above the head, [`StoreError::Pruned`] below what the retention
    /// keeps. A reader that was given out answers with the same error once its height is dropped.
    pub fn state_at(&self, height: u64) -> Result<Arc<dyn StateReader>, StoreError> {
        let current = self.head.load();
        let head = current.block.height().0;
        if height == head {
            return Ok(Arc::clone(&current.state));
        }
        if height > head {
            return Err(StoreError::UnknownHeight { height, head });
        }
        self.source.database.horizon().require(Kept::History, height)?;
        Ok(Arc::new(StateView::new(Arc::clone(&self.source), height)))
    }

    /// The commitment to the state after the block at `height`, for proofs: the head or one of the
    /// [`PROOF_BLOCKS`](crate::PROOF_BLOCKS) blocks before it.
    ///
    /// # Errors
    /// [`StoreError::UnknownHeight`] above the head, [`StoreError::NoProof`] for older blocks,
    /// [`StoreError::NoList`] and [`StoreError::Pruned`] when the tree is not held and what would be
    /// needed to restore it is not kept.
    pub fn tree_at(&self, height: u64) -> Result<Tree, StoreError> {
        let head = self.head.load().block.height().0;
        if height > head {
            return Err(StoreError::UnknownHeight { height, head });
        }
        // The headers of a foreign chain say nothing about our trees, so none can be restored from lists.
        let foreign = self.is_foreign();
        let oldest = if foreign { head } else { head.saturating_sub(PROOF_BLOCKS) };
        if height < oldest {
            return Err(StoreError::NoProof { height, oldest, head });
        }
        if foreign {
            return Ok(self.head.load().tree.clone());
        }
        let tree = trees::at(&self.source, &self.trees, height)?;
        let expected = self.header(height)?.map(|header| header.state_root);
        match tree {
            Some(tree) if Some(tree.root()) == expected => Ok(tree),
            tree => {
                let found = tree.map(|tree| tree.root());
                let what = format!("tree at {height} has root {found:?}, expected {expected:?}");
                Err(StoreError::Damaged { what })
            }
        }
    }

    /// Merges the table files, so that what was dropped or replaced gives its room back. Readers and
    /// the writer go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the disk fails.
    pub fn compact(&self) -> Result<(), StoreError> {
        self.source.database.compact(&Column::ALL)
    }

    /// Copies the database as it is now into a new folder below `parent`, which
    /// [`crate::verify_snapshot`] and [`crate::restore_snapshot`] understand. Blocks are committed
    /// meanwhile. Returns the folder.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] naming the file that cannot be written.
    pub fn snapshot(&self, parent: &Path) -> Result<(PathBuf, SnapshotManifest), StoreError> {
        snapshot::create(&self.source.database, parent)
    }

    /// Lowest heights that can still be read.
    #[must_use]
    pub fn oldest(&self) -> Oldest {
        self.source.database.horizon().oldest()
    }

    /// How far back what belongs to past blocks is kept.
    #[must_use]
    pub const fn retention(&self) -> &Retention {
        &self.retention
    }

    /// How the cache of hot state serves.
    #[must_use]
    pub fn cache_stats(&self) -> CacheStats {
        self.source.cache.stats()
    }

    /// Computes the root of the whole flat state anew and compares it with the head recorded beside
    /// it. Blocks may be committed meanwhile: the state is read as it was when the call began.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they differ or an entry does not decode, [`StoreError::Database`]
    /// when the disk fails.
    pub fn verify(&self) -> Result<B256, StoreError> {
        let (_, tree) = rebuild::verified_tree(&self.source.database, 0)?;
        Ok(tree.root())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.trees.finish();
    }
}

fn head(source: &Arc<Source>, block: SealedBlock, tree: Tree) -> Head {
    let state = Arc::new(StateView::new(Arc::clone(source), block.height().0));
    Head { block: Arc::new(block), tree, state }
}
