//! The record of one transaction, and the run of a block as a trace.

use super::loaded::{Loaded, one};
use super::shape::located;
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::methods::{Module, blocking};
use crate::params::{Args, Quantity};
use alloy_consensus::{Transaction as _, Typed2718};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weft_record::graph;
use weft_record::names::{Namer, Registry};
use weft_record::trace::{Label, chrome};
use weft_types::{Location, TxIndex, Writer};

/// Transactions that wait for one, and reads and writes of one, that an answer lists.
const LISTED_MAX: usize = 1000;

pub(super) fn register(module: &mut Module) {
    blocking(module, "weft_getTransactionRecord", 1, Work::Call, transaction_record);
    blocking(module, "weft_getExecutionTrace", 2, Work::Call, execution_trace);
}

/// A transaction by its hash or its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum Which {
    Hash(B256),
    Place { block: BlockNumberOrTag, index: Quantity },
}

fn transaction_record(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let (height, index) = match args.required("transaction")? {
        Which::Hash(hash) => match context.backend.store.transaction_location(&hash)? {
            Some((height, index)) => (height, index),
            None => return Ok(Value::Null),
        },
        Which::Place { block, index } => {
            let Some(at) = context.find(BlockId::Number(block))? else { return Ok(Value::Null) };
            (at.height, TxIndex(u32::try_from(index.0).unwrap_or(u32::MAX)))
        }
    };
    let Some(loaded) = Loaded::read(context, height)? else { return Ok(Value::Null) };
    if index.0 as usize >= loaded.transactions.len() {
        return Ok(Value::Null);
    }
    Ok(of_transaction(&loaded, index, &context.records.registry()))
}

fn of_transaction(loaded: &Loaded, index: TxIndex, registry: &Registry) -> Value {
    let block = loaded.block();
    let mut namer = Namer::new(registry, block);
    let place = index.0 as usize;
    let transaction = &loaded.transactions[place];
    let function = block.function(index);
    let path = graph::heaviest_path(block.access, |_| true).transactions;
    let receipt = loaded.receipts.get(place);
    let mut value = json!({
        "block": loaded.number,
        "blockHash": loaded.hash,
        "index": index,
        "hash": transaction.tx_hash(),
        "type": transaction.ty(),
        "nonce": transaction.nonce(),
        "from": loaded.senders[place],
        "fromName": namer.account(&loaded.senders[place]),
        "to": transaction.to(),
        "toName": namer.account(&function.contract),
        "toKind": namer.kind(&function.contract),
        "creates": transaction.to().is_none().then_some(function.contract),
        "value": transaction.value(),
        "selector": function.selector,
        "signature": namer.signature(&function),
        "function": namer.function(&function),
        "input": transaction.input(),
        "gasLimit": transaction.gas_limit(),
        "gasUsed": block.gas(index),
        "status": receipt.map(|receipt| u8::from(receipt.status())),
        "depth": graph::depths(block.access)[place],
        "startGas": graph::starts(block.access)[place],
        "onCriticalPath": path.binary_search(&index).is_ok(),
    });
    let (reads, writes) = accesses(loaded, index, &mut namer);
    value["reads"] = reads;
    value["writes"] = writes;
    value["blockedBy"] = waits(blocked_by(loaded, index), &mut namer, index);
    value["blocks"] = waits(blocks(loaded, index), &mut namer, index);
    let runs = loaded.profile.iter().flat_map(|profile| &profile.incarnations);
    let runs: Vec<_> = runs.filter(|run| run.index == index).collect();
    value["incarnations"] = json!(runs);
    value
}

/// Reads with their writers, and writes with their values.
fn accesses(loaded: &Loaded, index: TxIndex, namer: &mut Namer<'_>) -> (Value, Value) {
    let access = &loaded.access.transactions[index.0 as usize];
    let block = loaded.block();
    let value_at = |location: &Location, writer: TxIndex| match location {
        Location::Storage { address, slot } => {
            let values = block.slot_values(address, slot);
            values.into_iter().find(|(place, _)| *place == writer).map(|(_, value)| value)
        }
        _ => None,
    };
    let reads = access.reads.iter().take(LISTED_MAX).map(|read| {
        let mut value = located(&read.location, namer, &[index]);
        if let Writer::Transaction(writer) = read.from {
            value["from"] = json!(writer);
            value["value"] = json!(value_at(&read.location, writer));
        } else {
            value["from"] = json!("base");
        }
        value
    });
    let reads: Vec<Value> = reads.collect();
    let writes = access.writes.iter().take(LISTED_MAX).map(|write| {
        let mut value = located(&write.location, namer, &[index]);
        value["commutative"] = json!(write.commutative);
        value["value"] = json!(value_at(&write.location, index));
        value
    });
    (reads.into(), writes.collect())
}

/// Whom the transaction waited for, and where.
fn blocked_by(loaded: &Loaded, index: TxIndex) -> BTreeMap<TxIndex, Vec<Location>> {
    let mut found: BTreeMap<TxIndex, Vec<Location>> = BTreeMap::new();
    for read in &loaded.access.transactions[index.0 as usize].reads {
        if let Writer::Transaction(writer) = read.from {
            found.entry(writer).or_default().push(read.location);
        }
    }
    found
}

/// Who waited for the transaction, and where.
fn blocks(loaded: &Loaded, index: TxIndex) -> BTreeMap<TxIndex, Vec<Location>> {
    let mut found: BTreeMap<TxIndex, Vec<Location>> = BTreeMap::new();
    let later = loaded.access.transactions.iter().enumerate().skip(index.0 as usize + 1);
    for (reader, access) in later {
        for read in &access.reads {
            if read.from == Writer::Transaction(index) {
                found.entry(TxIndex(reader as u32)).or_default().push(read.location);
            }
        }
    }
    found
}

fn waits(found: BTreeMap<TxIndex, Vec<Location>>, namer: &mut Namer<'_>, index: TxIndex) -> Value {
    let entries = found.into_iter().take(LISTED_MAX).map(|(other, locations)| {
        let at: Vec<Value> =
            locations.iter().map(|place| located(place, namer, &[index, other])).collect();
        json!({ "tx": other, "at": at })
    });
    entries.collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TraceOptions {
    #[serde(default)]
    format: TraceFormat,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
enum TraceFormat {
    #[default]
    Chrome,
}

fn execution_trace(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let Some(loaded) = one(context, args)? else { return Ok(Value::Null) };
    let TraceOptions { format: TraceFormat::Chrome } =
        args.optional("options")?.unwrap_or(TraceOptions { format: TraceFormat::Chrome });
    let Some(profile) = &loaded.profile else { return Ok(Value::Null) };
    let registry = context.records.registry();
    let block = loaded.block();
    let names = Namer::new(&registry, block);
    let mut namer = Namer::new(&registry, block);
    let label = |index: TxIndex| {
        let function = block.function(index);
        let details = json!({
            "hash": loaded.transactions[index.0 as usize].tx_hash(),
            "from": names.account_or_short(&loaded.senders[index.0 as usize]),
            "gas": block.gas(index),
        });
        Label { name: names.function(&function), details }
    };
    let place = |location: &Location, index: TxIndex| namer.location(location, &[index]).text;
    Ok(chrome(loaded.number, profile, label, place))
}
