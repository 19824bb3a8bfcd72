//! The file of a record, taken apart and checked: it may come from anywhere.

use crate::failure::{ExitStatus, Failure};
use alloy_primitives::{Address, B256};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use weft_record::json::FORMAT;

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 512 << 20;
/// Most workers of a run.
const WORKERS_MAX: u32 = 1024;

/// Why a file is none of a record.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not JSON of this form.
    #[error("not a record: {0}")]
    Form(#[from] serde_json::Error),
    /// Of another form.
    #[error("expected a record of form {FORMAT}, found {found}")]
    Format {
        /// What it says of itself.
        found: String,
    },
    /// Two parts of it do not fit each other.
    #[error("{what}: expected {expected}, found {found}")]
    Inconsistent {
        /// Where.
        what: &'static str,
        /// What the other parts demand.
        expected: String,
        /// What is there.
        found: usize,
    },
}

/// A record as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordFile {
    /// Where the block is from.
    pub(super) source: String,
    pub(super) record: Record,
    pub(super) critical_path: CriticalPath,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) advice: AdviceList,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) deterministic: Deterministic,
    pub(super) local: Option<Local>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deterministic {
    pub(super) work_gas: u64,
    pub(super) critical_path_gas: u64,
    pub(super) critical_path: Vec<u32>,
    pub(super) dependent_transactions: usize,
    pub(super) best_speedup: BTreeMap<String, f64>,
    pub(super) columns: Columns,
}

/// One entry a transaction, but for tables and edges.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Columns {
    pub(super) hashes: Vec<B256>,
    pub(super) addresses: Vec<Address>,
    pub(super) address_names: Vec<Option<String>>,
    pub(super) functions: Vec<String>,
    pub(super) from: Vec<usize>,
    pub(super) to: Vec<usize>,
    pub(super) function: Vec<usize>,
    pub(super) creates: Vec<u8>,
    pub(super) gas: Vec<u64>,
    pub(super) status: Vec<Option<u8>>,
    pub(super) depth: Vec<u32>,
    pub(super) start_gas: Vec<u64>,
    pub(super) edges: Edges,
    pub(super) locations: Vec<Place>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Edges {
    pub(super) from: Vec<usize>,
    pub(super) to: Vec<usize>,
    pub(super) location: Vec<usize>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Place {
    pub(super) kind: String,
    pub(super) address: Address,
    pub(super) slot: Option<String>,
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) guessed: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Local {
    pub(super) mode: String,
    pub(super) workers: u32,
    pub(super) wall_us: u64,
    pub(super) reexecutions: u64,
    /// `None` where the node did not note executions one by one.
    pub(super) speedup: Option<Measured>,
    pub(super) columns: Option<Runs>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Measured {
    pub(super) value: f64,
}

/// One entry an execution, in the order of their starts.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Runs {
    pub(super) tx: Vec<u32>,
    pub(super) incarnation: Vec<u32>,
    pub(super) worker: Vec<u32>,
    pub(super) start: Vec<u64>,
    pub(super) duration: Vec<u64>,
    pub(super) outcome: Vec<u8>,
    pub(super) by: Vec<Option<u32>>,
    pub(super) cause: Vec<Option<usize>>,
    pub(super) causes: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CriticalPath {
    pub(super) path_gas: u64,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Step {
    pub(super) tx: u32,
    pub(super) gas: u64,
    pub(super) function: String,
    pub(super) via: Vec<Place>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Conflict {
    pub(super) name: String,
    #[serde(default)]
    pub(super) guessed: bool,
    pub(super) serialised_gas: u64,
    pub(super) waiting: usize,
    pub(super) edges: Vec<Pair>,
}

/// `to` read what `from` wrote.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Pair {
    pub(super) from: u32,
    pub(super) to: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdviceList {
    pub(super) if_followed: f64,
    pub(super) advice: Vec<Advice>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Advice {
    pub(super) title: String,
    pub(super) remedy: String,
    pub(super) transactions: Vec<u32>,
}

impl RecordFile {
    /// Takes a record apart and checks that its parts fit.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn parse(value: &Value) -> Result<Self, FileError> {
        match value["format"].as_str() {
            Some(FORMAT) => {}
            found => {
                let found = found.unwrap_or("none").chars().take(40).collect();
                return Err(FileError::Format { found });
            }
        }
        let file = Self::deserialize(value)?;
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<(), FileError> {
        let columns = &self.record.deterministic.columns;
        let count = columns.gas.len();
        same("transactions", count, &columns.lengths())?;
        let tables = [columns.addresses.len(), columns.address_names.len()];
        same("addresses", tables[0], &tables)?;
        below("from", columns.addresses.len(), &columns.from)?;
        below("to", columns.addresses.len(), &columns.to)?;
        below("function", columns.functions.len(), &columns.function)?;
        let Edges { from, to, location } = &columns.edges;
        same("edges", from.len(), &[to.len(), location.len()])?;
        below("edges.from", count, from)?;
        below("edges.to", count, to)?;
        below("edges.location", columns.locations.len(), location)?;
        let path: Vec<usize> =
            self.record.deterministic.critical_path.iter().map(|tx| *tx as usize).collect();
        below("criticalPath", count, &path)?;
        let steps: Vec<usize> = self.critical_path.steps.iter().map(|s| s.tx as usize).collect();
        below("criticalPath.steps", count, &steps)?;
        let Some(local) = &self.record.local else { return Ok(()) };
        below("workers", WORKERS_MAX as usize, &[local.workers as usize])?;
        let Some(runs) = &local.columns else { return Ok(()) };
        same("incarnations", runs.tx.len(), &runs.lengths())?;
        let txs: Vec<usize> = runs.tx.iter().map(|tx| *tx as usize).collect();
        below("incarnations.tx", count, &txs)?;
        let workers: Vec<usize> = runs.worker.iter().map(|worker| *worker as usize).collect();
        below("incarnations.worker", WORKERS_MAX as usize, &workers)?;
        let causes: Vec<usize> = runs.cause.iter().flatten().copied().collect();
        below("incarnations.cause", runs.causes.len(), &causes)
    }

    /// The columns of the half that is equal on every node.
    pub(super) const fn columns(&self) -> &Columns {
        &self.record.deterministic.columns
    }

    /// The executions on the node, if it noted any.
    pub(super) fn runs(&self) -> Option<&Runs> {
        let runs = self.record.local.as_ref()?.columns.as_ref()?;
        (!runs.tx.is_empty()).then_some(runs)
    }

    /// The best speed-up on any number of cores.
    pub(super) fn best(&self) -> f64 {
        self.record.deterministic.best_speedup.get("unlimited").copied().unwrap_or(1.0)
    }
}

impl Columns {
    fn lengths(&self) -> [usize; 9] {
        [
            self.hashes.len(),
            self.from.len(),
            self.to.len(),
            self.function.len(),
            self.creates.len(),
            self.gas.len(),
            self.status.len(),
            self.depth.len(),
            self.start_gas.len(),
        ]
    }

    /// Name or shortened address of an entry of the table of addresses.
    pub(super) fn account(&self, place: usize) -> String {
        let short = || weft_record::names::short(&self.addresses[place]);
        self.address_names[place].clone().unwrap_or_else(short)
    }

    /// What a transaction calls: `Counter.increment`.
    pub(super) fn called(&self, tx: usize) -> String {
        let contract = self.account(self.to[tx]);
        let function = &self.functions[self.function[tx]];
        match function.split('(').next().unwrap_or(function) {
            _ if self.creates[tx] != 0 => format!("creates {contract}"),
            "transfer" if function == "transfer" => format!("ether to {contract}"),
            name => format!("{contract}.{name}"),
        }
    }
}

impl Place {
    /// Its name, or what it is. A name that is a guess is marked.
    pub(super) fn text(&self) -> String {
        let name = self.name.as_ref().map(|name| marked(name, self.guessed));
        name.unwrap_or_else(|| {
            let account = weft_record::names::short(&self.address);
            match &self.slot {
                Some(slot) => format!("{account} slot {slot}"),
                None => format!("{} of {account}", self.kind),
            }
        })
    }
}

impl Conflict {
    /// The name of the place; one that is a guess is marked.
    pub(super) fn text(&self) -> String {
        marked(&self.name, self.guessed)
    }
}

/// The mark of a name that follows from what contracts of a kind usually look like.
fn marked(name: &str, guessed: bool) -> String {
    if guessed { format!("{name} ?") } else { name.to_owned() }
}

impl Runs {
    fn lengths(&self) -> [usize; 7] {
        [
            self.incarnation.len(),
            self.worker.len(),
            self.start.len(),
            self.duration.len(),
            self.outcome.len(),
            self.by.len(),
            self.cause.len(),
        ]
    }

    /// Name of the place at which an execution was discarded.
    pub(super) fn cause(&self, run: usize) -> Option<String> {
        let cause = &self.causes[self.cause[run]?];
        Some(match cause.as_str() {
            Some(name) => name.to_owned(),
            None => Place::deserialize(cause).map_or_else(|_| cause.to_string(), |at| at.text()),
        })
    }
}

fn same(what: &'static str, expected: usize, lengths: &[usize]) -> Result<(), FileError> {
    match lengths.iter().find(|length| **length != expected) {
        None => Ok(()),
        Some(found) => Err(FileError::Inconsistent {
            what,
            expected: format!("{expected} entries"),
            found: *found,
        }),
    }
}

fn below(what: &'static str, end: usize, values: &[usize]) -> Result<(), FileError> {
    match values.iter().find(|value| **value >= end) {
        None => Ok(()),
        Some(found) => {
            Err(FileError::Inconsistent { what, expected: format!("below {end}"), found: *found })
        }
    }
}

/// Reads a record from a file: JSON, or a page with the record inside.
///
/// # Errors
/// [`Failure`] naming the file.
pub(super) fn read(path: &Path) -> Result<(Value, RecordFile), Failure> {
    let refused = |cause: String| {
        Failure::new(ExitStatus::Config, format!("{} is not a record", path.display()))
            .fact("cause", cause)
            .fix("weft record export BLOCK --out FILE writes one; weft replay --records DIR, too")
    };
    let bytes = match std::fs::metadata(path).map(|about| about.len()) {
        Ok(bytes) if bytes > FILE_BYTES_MAX => {
            return Err(refused(format!("it has {bytes} bytes, limit {FILE_BYTES_MAX}")));
        }
        _ => std::fs::read(path).map_err(|error| refused(error.to_string()))?,
    };
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not text".to_owned()))?;
    let json = weft_rpc::record_of_page(&text).unwrap_or(&text);
    let value: Value = serde_json::from_str(json).map_err(|error| refused(error.to_string()))?;
    let record = RecordFile::parse(&value).map_err(|error| refused(error.to_string()))?;
    Ok((value, record))
}
