//! Conflicts, hot spots, critical path and advice.

use super::loaded::{Blocks, Loaded, one};
use super::recorded;
use crate::context::Context;
use crate::error::Failure;
use crate::methods::Module;
use crate::methods::bounded::Patience;
use crate::params::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weft_record::advice::{Collected, advise};
use weft_record::conflict::Conflict;
use weft_record::hotspot::{By, Hotspot, Place, Tally};
use weft_record::json as present;
use weft_record::names::Namer;
use weft_types::{EdgeKind, TxIndex};

/// Entries that an answer has unless the caller asks for another number.
const LIMIT: usize = 25;
/// Most entries of an answer.
const LIMIT_MAX: usize = 500;

pub(super) fn register(module: &mut Module) {
    recorded(module, "weft_getConflicts", 2, conflicts_method);
    recorded(module, "weft_getHotspots", 2, hotspots);
    recorded(module, "weft_getCriticalPath", 1, critical_path);
    recorded(module, "weft_getAdvice", 1, advice);
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ConflictOptions {
    min_gas: u64,
    kinds: Option<Vec<EdgeKind>>,
    limit: Option<usize>,
}

fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(LIMIT).min(LIMIT_MAX)
}

/// Conflicts of each block, most serialised gas first over all of them.
fn conflicts_method(
    context: &Context,
    args: &mut Args<'_>,
    patience: &Patience,
) -> Result<Value, Failure> {
    let blocks: Blocks = args.required("blocks")?;
    let options: ConflictOptions = args.optional("options")?.unwrap_or_default();
    let most = limit(options.limit);
    let wanted = |conflict: &Conflict| {
        conflict.serialised_gas >= options.min_gas
            && options.kinds.as_ref().is_none_or(|kinds| kinds.contains(&conflict.kind))
    };
    let mut found: Vec<(u64, Value)> = Vec::new();
    blocks.for_each(context, patience, |loaded| {
        let registry = context.records.registry();
        found.extend(present::conflicts(&loaded.recorded(), &registry, most, wanted));
        found.sort_by_key(|(gas, _)| std::cmp::Reverse(*gas));
        found.truncate(most);
    })?;
    Ok(found.into_iter().map(|(_, value)| value).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HotspotOptions {
    #[serde(default = "by_slot")]
    by: By,
    limit: Option<usize>,
}

const fn by_slot() -> By {
    By::Slot
}

fn hotspots(context: &Context, args: &mut Args<'_>, patience: &Patience) -> Result<Value, Failure> {
    let blocks: Blocks = args.required("blocks")?;
    let options: HotspotOptions =
        args.optional("options")?.unwrap_or(HotspotOptions { by: By::Slot, limit: None });
    let mut tally = Tally::new(options.by);
    let (from, to) =
        blocks.for_each(context, patience, |loaded| tally.add(loaded.number, &loaded.block()))?;
    let (work, waited) = (tally.work_gas, tally.serialised_gas);
    let truncated = tally.truncated;
    let ranked = tally.ranked(limit(options.limit));
    let entries = with_names(context, patience, &ranked, waited)?;
    Ok(json!({
        "from": from, "to": to, "workGas": work, "serialisedGas": waited,
        "truncated": truncated, "hotspots": entries,
    }))
}

/// Names need the words of the transactions that waited: those of the block of the first sample.
fn with_names(
    context: &Context,
    patience: &Patience,
    ranked: &[Hotspot],
    waited: u64,
) -> Result<Vec<Value>, Failure> {
    let registry = context.records.registry();
    let mut by_block: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (place, hotspot) in ranked.iter().enumerate() {
        let first = hotspot.samples.first().map_or(0, |(number, _)| *number);
        by_block.entry(first).or_default().push(place);
    }
    let mut entries = vec![Value::Null; ranked.len()];
    for (number, places) in by_block {
        let Some(loaded) = Loaded::read(context, number, patience)? else { continue };
        let mut namer = Namer::new(&registry, loaded.block());
        for place in places {
            entries[place] = hotspot_json(&ranked[place], waited, number, &mut namer);
        }
    }
    Ok(entries)
}

fn hotspot_json(hotspot: &Hotspot, waited: u64, number: u64, namer: &mut Namer<'_>) -> Value {
    let own = hotspot.samples.iter().filter(|(block, _)| *block == number);
    let samples: Vec<TxIndex> = own.map(|(_, index)| *index).collect();
    let mut value = match &hotspot.place {
        Place::Location(location) => present::located(location, namer, &samples),
        Place::Account(address) => json!({
            "address": address, "name": namer.account(address), "contractKind": namer.kind(address),
        }),
        Place::Sender(address) => json!({ "address": address, "name": namer.account(address) }),
        Place::Function(function) => json!({
            "address": function.contract, "selector": function.selector,
            "name": namer.function(function), "contractKind": namer.kind(&function.contract),
        }),
    };
    let samples: Vec<Value> = (hotspot.samples.iter())
        .map(|(block, index)| json!({ "block": block, "index": index }))
        .collect();
    value["serialisedGas"] = json!(hotspot.serialised_gas);
    value["shareOfWaiting"] = json!(hotspot.serialised_gas as f64 / waited.max(1) as f64);
    value["waiting"] = json!(hotspot.waiting);
    value["writers"] = json!(hotspot.writers);
    value["blocks"] = json!(hotspot.blocks);
    value["samples"] = Value::Array(samples);
    value
}

fn critical_path(
    context: &Context,
    args: &mut Args<'_>,
    patience: &Patience,
) -> Result<Value, Failure> {
    let Some(loaded) = one(context, args, patience)? else { return Ok(Value::Null) };
    let registry = context.records.registry();
    Ok(present::critical_path(&loaded.recorded(), &registry))
}

fn advice(context: &Context, args: &mut Args<'_>, patience: &Patience) -> Result<Value, Failure> {
    let blocks: Blocks = args.required("blocks")?;
    let (from, to) = blocks.heights(context)?;
    if from == to {
        let Some(loaded) = Loaded::read(context, from, patience)? else { return Ok(Value::Null) };
        return Ok(present::advice(&loaded.recorded(), &context.records.registry()));
    }
    let mut collected = Collected::default();
    blocks.for_each(context, patience, |loaded| {
        collected.add(loaded.number, advise(&loaded.block(), &context.records.registry()));
    })?;
    let registry = context.records.registry();
    let mut entries = Vec::new();
    for entry in collected.ranked(LIMIT) {
        let Some(loaded) = Loaded::read(context, entry.number, patience)? else { continue };
        let mut namer = Namer::new(&registry, loaded.block());
        let mut value = present::advice_of(entry.number, &entry.advice, &mut namer);
        value["blocks"] = json!(entry.blocks);
        value["serialisedGas"] = json!(entry.serialised_gas);
        entries.push(value);
    }
    Ok(json!({ "from": from, "to": to, "advice": entries }))
}
