//! The storage of one block, kept for the next.
//!
//! A block of a gigagas fills tens of megabytes with cells. Asking the operating system for that memory, page by page, takes
//! a good part of the time in which such a block is executed.

use std::any::Any;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::sync::Arena;

use super::{Cell, Index};

/// Bytes of cells that are kept; a larger block gives the rest back.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// What a block's values are kept in.
pub(super) struct Storage<K, B, T, D> {
    /// From the full key to the cell.
    pub(super) index: Index,
    pub(super) cells: Arena<Cell<K, B, T, D>>,
}

/// A place for the storage of one block, which the next takes. Two blocks at once have a new one each.
#[derive(Default)]
pub(crate) struct Spare {
    /// Of whatever machine the last block was for.
    storage: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<K, B, T, D> Storage<K, B, T, D> {
    pub(super) fn new(cells: usize) -> Self {
        Self { index: Index::new(cells), cells: Arena::new() }
    }
}

impl Spare {
    /// Empty storage for about so many cells.
    pub(super) fn take<K, B, T, D>(&self, cells: usize) -> Box<Storage<K, B, T, D>>
    where
        Storage<K, B, T, D>: Any,
    {
        let kept = self.storage.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept.and_then(|kept| kept.downcast::<Storage<K, B, T, D>>().ok()) {
            Some(mut storage) => {
                storage.index.clear(cells);
                storage
            }
            None => Box::new(Storage::new(cells)),
        }
    }

    /// Empties storage and keeps it.
    pub(super) fn keep<K, B, T, D>(&self, mut storage: Box<Storage<K, B, T, D>>)
    where
        Storage<K, B, T, D>: Any + Send,
    {
        storage.cells.clear(KEPT_BYTES_MAX / size_of::<Cell<K, B, T, D>>());
        *self.storage.lock().unwrap_or_else(PoisonError::into_inner) = Some(storage);
    }
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spare").finish_non_exhaustive()
    }
}
