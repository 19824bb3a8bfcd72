//! What the server remembers about records: registered names, and blocks in one line each.

use crate::RpcConfig;
use crate::error::Failure;
use alloy_primitives::Address;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use weft_record::Block;
use weft_record::names::{NameError, Registry};
use weft_types::{Location, RunMode, StateReader, TxIndex};

/// Blocks whose one line is kept; the oldest goes first.
const LINES_MAX: usize = 8192;

/// Accounts whose code was compared with the artifacts; later ones are not.
const COMPARED_MAX: usize = 100_000;

/// Shared by the record's methods.
pub(crate) struct Records {
    /// Replaced as a whole when a name is registered: a method works on one state of it.
    registry: RwLock<Arc<Registry>>,
    /// A cache: committed blocks never change.
    lines: Mutex<BTreeMap<u64, Arc<Line>>>,
    /// Accounts whose code was compared with the artifacts already.
    compared: Mutex<BTreeSet<Address>>,
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
    pub(crate) fn new(config: &RpcConfig) -> Self {
        let names = if config.devnet { Registry::with_developers() } else { Registry::default() };
        Self {
            registry: RwLock::new(Arc::new(names.with_artifacts(&config.artifacts))),
            lines: Mutex::new(BTreeMap::new()),
            compared: Mutex::new(BTreeSet::new()),
        }
    }

    /// Compares the code of the contracts that a block calls with the artifacts, each contract once.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(crate) fn recognise(
        &self,
        block: &Block<'_>,
        state: &dyn StateReader,
    ) -> Result<(), Failure> {
        if !self.registry().can_recognise() {
            return Ok(());
        }
        let called = (0..block.len() as u32).map(|index| block.function(TxIndex(index)).contract);
        let kept = block.access.transactions.iter();
        let kept = kept.flat_map(|access| &access.writes).map(|write| *write.location.address());
        let mut found = Vec::new();
        for address in called.chain(kept).collect::<BTreeSet<Address>>() {
            {
                let mut compared = self.compared.lock();
                if compared.contains(&address) || compared.len() >= COMPARED_MAX {
                    continue;
                }
                // Code that comes later than its account is found then: only what has code is marked.
                let account = state.account(&address)?;
                let Some(account) = account.filter(weft_types::Account::has_code) else { continue };
                compared.insert(address);
                found.push((address, account.code_hash));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let mut held = self.registry.write();
        let mut next = Registry::clone(&held);
        for (address, hash) in found {
            next.recognise(address, &state.code(&hash)?);
        }
        *held = Arc::new(next);
        Ok(())
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
