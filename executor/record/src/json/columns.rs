//! One object a transaction for programs, columns for the page.

use super::{Recorded, located};
use crate::conflict::conflicts;
use crate::graph;
use crate::names::{Namer, Registry};
use alloy_consensus::{Transaction as _, Typed2718};
use alloy_primitives::Address;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weft_types::{IncarnationOutcome, Location, RunProfile, TxIndex};

/// Dependencies that the columns have at most.
const EDGES_MAX: usize = 200_000;
/// Locations that have names in the columns: the hottest.
const NAMED_MAX: usize = 64;

/// What the block says of each transaction, without reads and writes.
#[must_use]
pub fn transactions(recorded: &Recorded<'_>, registry: Option<&Registry>) -> Vec<Value> {
    let block = recorded.block;
    let namer = registry.map(|registry| Namer::new(registry, block));
    let of = |index: usize| {
        let transaction = &block.transactions[index];
        let function = block.function(TxIndex(index as u32));
        let mut value = json!({
            "index": index,
            "hash": transaction.tx_hash(),
            "type": transaction.ty(),
            "from": block.senders[index],
            "to": transaction.to(),
            "selector": function.selector,
            "status": block.receipts.get(index).map(|receipt| u8::from(receipt.status())),
        });
        if transaction.to().is_none() {
            value["creates"] = json!(function.contract);
        }
        if let Some(namer) = &namer {
            value["function"] = json!(namer.function(&function));
            value["fromName"] = json!(namer.account(&block.senders[index]));
        }
        value
    };
    (0..block.transactions.len()).map(of).collect()
}

/// Numbers that stand for values which repeat.
struct Table<T> {
    numbers: BTreeMap<T, usize>,
    values: Vec<T>,
}

impl<T: Ord + Clone> Table<T> {
    const fn new() -> Self {
        Self { numbers: BTreeMap::new(), values: Vec::new() }
    }

    fn number(&mut self, value: &T) -> usize {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = self.values.len();
        self.numbers.insert(value.clone(), number);
        self.values.push(value.clone());
        number
    }
}

/// The block as arrays with one entry per transaction, dependency and location: what the page draws.
#[must_use]
pub fn columns(recorded: &Recorded<'_>, registry: &Registry) -> Value {
    let block = recorded.block;
    let mut namer = Namer::new(registry, block);
    let mut addresses: Table<Address> = Table::new();
    let mut functions: Table<String> = Table::new();
    let (mut from, mut to, mut function, mut creates) = (vec![], vec![], vec![], vec![]);
    for index in 0..block.len() {
        let called = block.function(TxIndex(index as u32));
        from.push(addresses.number(&block.senders[index]));
        to.push(addresses.number(&called.contract));
        creates.push(u8::from(block.transactions[index].to().is_none()));
        let name = match (called.selector, namer.signature(&called)) {
            (_, Some(signature)) => signature.to_owned(),
            (Some(selector), None) => selector.to_string(),
            (None, None) if block.transactions[index].to().is_none() => "create".to_owned(),
            (None, None) => "transfer".to_owned(),
        };
        function.push(functions.number(&name));
    }
    let names: Vec<Option<&str>> =
        addresses.values.iter().map(|address| namer.account(address)).collect();
    let kinds: Vec<_> = addresses.values.iter().map(|address| namer.kind(address)).collect();
    let status: Vec<Option<u8>> = (0..block.len())
        .map(|index| block.receipts.get(index).map(|receipt| u8::from(receipt.status())))
        .collect();
    let gas: Vec<u64> = block.access.transactions.iter().map(|access| access.gas_used).collect();
    let mut columns = json!({
        "addresses": addresses.values, "addressNames": names, "addressKinds": kinds,
        "functions": functions.values,
        "from": from, "to": to, "function": function, "creates": creates,
        "gas": gas, "status": status,
        "depth": graph::depths(block.access), "startGas": graph::starts(block.access),
    });
    edges(recorded, &mut namer, &mut columns);
    columns
}

/// Dependencies and the locations they are at; the hottest have names.
fn edges(recorded: &Recorded<'_>, namer: &mut Namer<'_>, columns: &mut Value) {
    let mut locations: Table<Location> = Table::new();
    let mut described: Vec<Value> = Vec::new();
    for (place, conflict) in conflicts(recorded.block.access).iter().enumerate() {
        locations.number(&conflict.location);
        let samples: Vec<TxIndex> = conflict.waits.iter().take(4).map(|(r, _)| *r).collect();
        described.push(if place < NAMED_MAX {
            located(&conflict.location, namer, &samples)
        } else {
            json!(conflict.location)
        });
    }
    let all = recorded.block.access.edges();
    let (mut from, mut to, mut at) = (vec![], vec![], vec![]);
    for edge in all.iter().take(EDGES_MAX) {
        from.push(edge.from);
        to.push(edge.to);
        at.push(locations.number(&edge.location));
    }
    columns["edges"] = json!({
        "from": from, "to": to, "location": at, "truncated": all.len() > EDGES_MAX,
    });
    columns["locations"] = Value::Array(described);
}

/// The run of the block as arrays with one entry per incarnation. Outcome: 0 settled, 1 aborted, 2 blocked, 3 panicked.
#[must_use]
pub fn run_columns(profile: &RunProfile, namer: &mut Namer<'_>) -> Value {
    let mut names: BTreeMap<Location, usize> = BTreeMap::new();
    let mut causes: Vec<Value> = Vec::new();
    let (mut tx, mut incarnation, mut worker, mut start, mut duration) =
        (vec![], vec![], vec![], vec![], vec![]);
    let (mut outcome, mut by, mut cause) = (vec![], vec![], vec![]);
    for run in &profile.incarnations {
        tx.push(run.index);
        incarnation.push(run.incarnation);
        worker.push(run.worker);
        start.push(run.start_us);
        duration.push(run.duration_us);
        let (ended, writer, location) = match &run.outcome {
            IncarnationOutcome::Settled => (0, None, None),
            IncarnationOutcome::Aborted { location, by } => (1, *by, *location),
            IncarnationOutcome::Blocked { on } => (2, Some(*on), None),
            IncarnationOutcome::Panicked => (3, None, None),
        };
        outcome.push(ended);
        by.push(writer);
        cause.push(location.map(|location| {
            *names.entry(location).or_insert_with(|| {
                let value = if causes.len() < NAMED_MAX {
                    json!(namer.location(&location, &[run.index]).text)
                } else {
                    json!(location)
                };
                causes.push(value);
                causes.len() - 1
            })
        }));
    }
    json!({
        "tx": tx, "incarnation": incarnation, "worker": worker, "start": start, "duration": duration,
        "outcome": outcome, "by": by, "cause": cause, "causes": causes,
    })
}
