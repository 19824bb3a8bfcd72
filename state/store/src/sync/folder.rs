//! A state and the blocks after it as files: the stream that a person copies to another machine.
//!
//! ```text
//! STREAM/anchor         the block, see `wire`
//!        plan           how its state is divided, see `weft_commitment::sync`
//!        chunks/00042   the leaves of one section of the plan: leaf stream of EIP-8347, origins
//!        blocks/000000000123   a block after it with its access list, see `wire`
//! ```
//! A stream is written in a folder with another name, which is renamed when everything is on disk.
//! Blocks are added to it later, each in the same way. Nothing in it is believed.

use super::{ANCHOR_BYTES_MAX, Anchor, Export, LISTED_BYTES_MAX, ListedBlock, Senders};
use crate::snapshot::{failure, files, remove};
use crate::{Store, StoreError};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use weft_commitment::sync::{CHUNK_BYTES_MAX, PLAN_BYTES_MAX, Plan};

const ANCHOR: &str = "anchor";
const PLAN: &str = "plan";
const CHUNKS: &str = "chunks";
const BLOCKS: &str = "blocks";

/// A state and blocks after it in a folder.
#[derive(Clone, Debug)]
pub struct Stream {
    folder: PathBuf,
}

impl Stream {
    /// The stream in a folder, whether it is there or not.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The block whose state is in the stream.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] naming the file that cannot be read or does not decode.
    pub fn anchor(&self, senders: &Senders<'_>) -> Result<Anchor, StoreError> {
        let path = self.folder.join(ANCHOR);
        let bytes = read(&path, ANCHOR_BYTES_MAX)?;
        Anchor::decode(&bytes, senders).map_err(|reason| failure(&path, &reason))
    }

    /// How the state is divided.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] naming the file that cannot be read.
    pub fn plan(&self) -> Result<Plan, StoreError> {
        let path = self.plan_path();
        let bytes = read(&path, PLAN_BYTES_MAX)?;
        Plan::from_bytes(bytes).map_err(|error| failure(&path, &error))
    }

    /// Where the plan lies.
    #[must_use]
    pub fn plan_path(&self) -> PathBuf {
        self.folder.join(PLAN)
    }

    /// Where the chunk of one place of the plan lies.
    #[must_use]
    pub fn chunk_path(&self, place: usize) -> PathBuf {
        self.folder.join(CHUNKS).join(format!("{place:05}"))
    }

    /// The chunk of one place of the plan.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] naming the file that cannot be read.
    pub fn chunk(&self, place: usize) -> Result<Vec<u8>, StoreError> {
        read(&self.chunk_path(place), CHUNK_BYTES_MAX)
    }

    /// Where the block at `height` lies.
    #[must_use]
    pub fn block_path(&self, height: u64) -> PathBuf {
        self.folder.join(BLOCKS).join(format!("{height:012}"))
    }

    /// The block at `height`; `None` when the stream does not have it.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] naming the file that cannot be read or does not decode.
    pub fn block(
        &self,
        height: u64,
        senders: &Senders<'_>,
    ) -> Result<Option<ListedBlock>, StoreError> {
        let path = self.block_path(height);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = read(&path, LISTED_BYTES_MAX)?;
        ListedBlock::decode(&bytes, senders).map(Some).map_err(|reason| failure(&path, &reason))
    }

    /// Adds the blocks of a store that follow those of the stream; returns the last height that the
    /// stream has then. A block that was not written to its end is not there.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] when the folder holds no stream or cannot be written, another
    /// [`StoreError`] when the store does not keep what is needed.
    pub fn extend(&self, store: &Store, senders: &Senders<'_>) -> Result<u64, StoreError> {
        let anchor = self.anchor(senders)?;
        let start = anchor.block.height().0;
        if store.hash_of(start)? != Some(anchor.block.hash()) {
            let path = self.folder.join(ANCHOR);
            return Err(failure(&path, &format!("block {start} of this home is another one")));
        }
        let head = store.head().block.height().0;
        let mut last = start;
        while self.block_path(last + 1).exists() {
            last += 1;
        }
        let folder = self.folder.join(BLOCKS);
        std::fs::create_dir_all(&folder).map_err(|e| failure(&folder, &e))?;
        for height in last + 1..=head {
            let Some(block) = store.listed(height)? else { break };
            let path = self.block_path(height);
            let partial = path.with_extension("partial");
            remove_file(&partial)?;
            files::write_durably(&partial, &block.encode())?;
            std::fs::rename(&partial, &path).map_err(|e| failure(&path, &e))?;
            last = height;
        }
        files::sync_directory(&folder)?;
        Ok(last)
    }
}

impl Export {
    /// Writes the stream into a new folder below `parent`, named after the block.
    ///
    /// # Errors
    /// [`StoreError::Snapshot`] when the folder cannot be written, [`StoreError::Pruned`] when the
    /// history no longer reaches back to the state, or another [`StoreError`] when the store cannot
    /// answer.
    pub fn write(&self, parent: &Path) -> Result<Stream, StoreError> {
        std::fs::create_dir_all(parent).map_err(|e| failure(parent, &e))?;
        let partial = parent.join(format!(".partial-{}", std::process::id()));
        remove(&partial)?;
        let block = &self.anchor().block;
        let name = format!("state-{}-{}", block.height(), &block.hash().to_string()[2..10]);
        let folder = parent.join(name);
        let written = self.write_in(&partial).and_then(|()| {
            if folder.exists() {
                return Err(failure(&folder, &"it exists already"));
            }
            std::fs::rename(&partial, &folder).map_err(|e| failure(&folder, &e))?;
            files::sync_directory(parent)
        });
        if written.is_err() {
            // What went wrong is what matters; the next one removes the rest.
            let _ = remove(&partial);
        }
        written.map(|()| Stream::new(folder))
    }

    fn write_in(&self, folder: &Path) -> Result<(), StoreError> {
        let stream = Stream::new(folder);
        let chunks = folder.join(CHUNKS);
        std::fs::create_dir_all(&chunks).map_err(|e| failure(&chunks, &e))?;
        files::write_durably(&folder.join(ANCHOR), &self.anchor().encode())?;
        files::write_durably(&folder.join(PLAN), self.plan().as_bytes())?;
        for place in 0..self.chunks() {
            let chunk = self.chunk(place)?.unwrap_or_default();
            files::write_durably(&stream.chunk_path(place), &chunk)?;
        }
        files::sync_directory(&chunks)?;
        files::sync_directory(folder)
    }
}

/// A file of at most so many bytes.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, StoreError> {
    let file = File::open(path).map_err(|e| failure(path, &e))?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|e| failure(path, &e))?;
    if bytes.len() > limit {
        return Err(failure(path, &format!("more than {limit} bytes")));
    }
    Ok(bytes)
}

fn remove_file(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failure(path, &error)),
        _ => Ok(()),
    }
}
