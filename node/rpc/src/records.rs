//! What the server remembers about records: registered names, and blocks in one line each.

use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_record::names::{NameError, Registry};
use weft_types::{Location, RunMode};

/// Blocks whose one line is kept; the oldest goes first.
const LINES_MAX: usize = 8192;

/// Shared by the record's methods.
pub(crate) struct Records {
    /// Replaced as a whole when a name is registered: a method works on one state of it.
    registry: RwLock<Arc<Registry>>,
    /// A cache: committed blocks never change.
    lines: Mutex<BTreeMap<u64, Arc<Line>>>,
}

/// A block in one line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) timestamp: u64,
    pub(crate) transactions: usize,
    pub(crate) gas: u64,
    /// Gas of the critical path.
    pub(crate) path_gas: u64,
    /// Transactions that waited for others.
    pub(crate) waiting: usize,
    /// What this node observed; `None` when it did not execute the block or no longer knows.
    pub(crate) run: Option<Run>,
    /// Where most gas waited, and its name.
    pub(crate) hottest: Option<Hottest>,
}

/// The run of a block on this node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) mode: RunMode,
    pub(crate) workers: u32,
    pub(crate) wall_us: u64,
    pub(crate) root_us: u64,
    pub(crate) discarded: u64,
    pub(crate) speedup: f64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hottest {
    pub(crate) location: Location,
    pub(crate) name: String,
    pub(crate) waiting: usize,
    pub(crate) serialised_gas: u64,
}

impl Records {
    pub(crate) fn new(devnet: bool) -> Self {
        let registry = if devnet { Registry::with_developers() } else { Registry::default() };
        Self { registry: RwLock::new(Arc::new(registry)), lines: Mutex::new(BTreeMap::new()) }
    }

    /// The names as they are now.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read())
    }

    /// Changes the names; lines are forgotten because they contain some.
    pub(crate) fn register(
        &self,
        change: impl FnOnce(&mut Registry) -> Result<(), NameError>,
    ) -> Result<(), NameError> {
        let mut held = self.registry.write();
        let mut next = Registry::clone(&held);
        change(&mut next)?;
        *held = Arc::new(next);
        drop(held);
        self.lines.lock().clear();
        Ok(())
    }

    pub(crate) fn line(&self, height: u64) -> Option<Arc<Line>> {
        self.lines.lock().get(&height).cloned()
    }

    pub(crate) fn keep(&self, height: u64, line: Arc<Line>) {
        let mut lines = self.lines.lock();
        lines.insert(height, line);
        while lines.len() > LINES_MAX {
            lines.pop_first();
        }
    }
}
