//! One transaction: what it read and wrote, for whom it waited, and how it ran.

use super::{Recorded, located};
use crate::graph;
use crate::names::Namer;
use alloy_consensus::{Transaction as _, Typed2718};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weft_types::{Location, TxIndex, Writer};

/// Transactions that wait for one, and reads and writes of one, that an answer lists.
const LISTED_MAX: usize = 1000;

/// Where transactions met, by the other one.
type Waits = BTreeMap<TxIndex, Vec<Location>>;

/// What is computed once for all transactions of a block.
pub(super) struct Whole {
    path: Vec<TxIndex>,
    depths: Vec<u32>,
    starts: Vec<u64>,
}

impl Whole {
    pub(super) fn new(recorded: &Recorded<'_>) -> Self {
        let access = recorded.block.access;
        Self {
            path: graph::heaviest_path(access, |_| true).transactions,
            depths: graph::depths(access),
            starts: graph::starts(access),
        }
    }
}

/// The record of the transaction at a place that the block has.
#[must_use]
pub fn transaction(recorded: &Recorded<'_>, index: TxIndex, namer: &mut Namer<'_>) -> Value {
    let after = after(recorded, index);
    of_whole(recorded, &Whole::new(recorded), index, &after, namer)
}

pub(super) fn of_whole(
    recorded: &Recorded<'_>,
    whole: &Whole,
    index: TxIndex,
    after: &Waits,
    namer: &mut Namer<'_>,
) -> Value {
    let block = recorded.block;
    let place = index.0 as usize;
    let transaction = &block.transactions[place];
    let function = block.function(index);
    let receipt = block.receipts.get(place);
    let mut value = json!({
        "block": recorded.number,
        "blockHash": recorded.hash,
        "index": index,
        "hash": transaction.tx_hash(),
        "type": transaction.ty(),
        "nonce": transaction.nonce(),
        "from": block.senders[place],
        "fromName": namer.account(&block.senders[place]),
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
        "depth": whole.depths[place],
        "startGas": whole.starts[place],
        "onCriticalPath": whole.path.binary_search(&index).is_ok(),
    });
    let (reads, writes) = accesses(recorded, index, namer);
    value["reads"] = reads;
    value["writes"] = writes;
    value["blockedBy"] = waits(&before(recorded, index), namer, index);
    value["blocks"] = waits(after, namer, index);
    let runs = recorded.profile.iter().flat_map(|profile| &profile.incarnations);
    let runs: Vec<_> = runs.filter(|run| run.index == index).collect();
    value["incarnations"] = json!(runs);
    value
}

/// Reads with their writers, and writes with their values.
fn accesses(recorded: &Recorded<'_>, index: TxIndex, namer: &mut Namer<'_>) -> (Value, Value) {
    let block = recorded.block;
    let access = &block.access.transactions[index.0 as usize];
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

/// Whom a transaction waited for, and where.
pub(super) fn before(recorded: &Recorded<'_>, index: TxIndex) -> Waits {
    let mut found = Waits::new();
    for read in &recorded.block.access.transactions[index.0 as usize].reads {
        if let Writer::Transaction(writer) = read.from {
            found.entry(writer).or_default().push(read.location);
        }
    }
    found
}

/// Who waited for a transaction, and where.
fn after(recorded: &Recorded<'_>, index: TxIndex) -> Waits {
    let mut found = Waits::new();
    let later = recorded.block.access.transactions.iter().enumerate().skip(index.0 as usize + 1);
    for (reader, access) in later {
        for read in &access.reads {
            if read.from == Writer::Transaction(index) {
                found.entry(TxIndex(reader as u32)).or_default().push(read.location);
            }
        }
    }
    found
}

fn waits(found: &Waits, namer: &mut Namer<'_>, index: TxIndex) -> Value {
    let entries = found.iter().take(LISTED_MAX).map(|(other, locations)| {
        let at: Vec<Value> =
            locations.iter().map(|place| located(place, namer, &[index, *other])).collect();
        json!({ "tx": other, "at": at })
    });
    entries.collect()
}
