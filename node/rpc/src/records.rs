//! What the server remembers about records: names, and blocks in one line each.

use crate::names::Names;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_record::names::Registry;
use weft_types::{Location, RunMode};

/// Blocks whose one line is kept; the oldest goes first.
const LINES_MAX: usize = 8192;

/// Shared by the record's methods.
pub(crate) struct Records {
    pub(crate) names: Arc<Names>,
    /// A cache: committed blocks never change. With the generation of the names that are in it.
    lines: Mutex<(u64, BTreeMap<u64, Arc<Line>>)>,
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
    pub(crate) speedup: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hottest {
    pub(crate) location: Location,
    pub(crate) name: String,
    pub(crate) waiting: usize,
    pub(crate) serialised_gas: u64,
}

impl Records {
    pub(crate) fn new(names: Arc<Names>) -> Self {
        Self { names, lines: Mutex::default() }
    }

    /// The names as they are now.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.names.registry()
    }

    pub(crate) fn line(&self, height: u64) -> Option<Arc<Line>> {
        let (generation, lines) = &mut *self.lines.lock();
        let now = self.names.generation();
        if *generation != now {
            // They contain names.
            lines.clear();
            *generation = now;
        }
        lines.get(&height).cloned()
    }

    /// Keeps a line that was made with the names of this generation; see [`Names::generation`].
    pub(crate) fn keep(&self, height: u64, line: Arc<Line>, of: u64) {
        let (generation, lines) = &mut *self.lines.lock();
        if *generation != of {
            return;
        }
        lines.insert(height, line);
        while lines.len() > LINES_MAX {
            lines.pop_first();
        }
    }
}
