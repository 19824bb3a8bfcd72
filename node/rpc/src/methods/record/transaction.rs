//! The record of one transaction, and the run of a block as a trace.

use super::loaded::{Loaded, one};
use super::recorded;
use crate::context::Context;
use crate::error::Failure;
use crate::methods::Module;
use crate::methods::bounded::Patience;
use crate::params::{Args, Quantity};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use serde::Deserialize;
use serde_json::{Value, json};
use weft_record::json as present;
use weft_record::names::Namer;
use weft_record::trace::{Label, chrome, slices};
use weft_types::{Location, RunProfile, TxIndex};

pub(super) fn register(module: &mut Module) {
    recorded(module, "weft_getTransactionRecord", 1, transaction_record);
    recorded(module, "weft_getExecutionTrace", 2, execution_trace);
}

/// A transaction by its hash or its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum Which {
    Hash(B256),
    Place { block: BlockNumberOrTag, index: Quantity },
}

fn transaction_record(
    context: &Context,
    args: &mut Args<'_>,
    patience: &Patience,
) -> Result<Value, Failure> {
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
    let Some(loaded) = Loaded::read(context, height, patience)? else { return Ok(Value::Null) };
    if index.0 as usize >= loaded.transactions.len() {
        return Ok(Value::Null);
    }
    let registry = context.records.registry();
    let mut namer = Namer::new(&registry, loaded.block());
    Ok(present::transaction(&loaded.recorded(), index, &mut namer))
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

fn execution_trace(
    context: &Context,
    args: &mut Args<'_>,
    patience: &Patience,
) -> Result<Value, Failure> {
    let Some(loaded) = one(context, args, patience)? else { return Ok(Value::Null) };
    let TraceOptions { format: TraceFormat::Chrome } =
        args.optional("options")?.unwrap_or(TraceOptions { format: TraceFormat::Chrome });
    let noted =
        |profile: &&RunProfile| !profile.incarnations.is_empty() || loaded.transactions.is_empty();
    let Some(profile) = loaded.profile.as_ref().filter(noted) else { return Ok(Value::Null) };
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
    let slices = slices(profile, place);
    Ok(chrome(loaded.number, profile.workers, &slices, label))
}
