//! Conflicts, hot spots, critical path and advice.

use super::loaded::{Blocks, Loaded, one};
use super::shape::{located, speedup};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::methods::{Module, blocking};
use crate::params::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weft_record::advice::{Advice, Collected, Words, advise, if_followed};
use weft_record::conflict::{Conflict, conflicts};
use weft_record::graph;
use weft_record::hotspot::{By, Hotspot, Place, Tally};
use weft_record::names::{Namer, Registry};
use weft_types::{EdgeKind, TxIndex};

/// Entries that an answer has unless the caller asks for another number.
const LIMIT: usize = 25;
/// Most entries of an answer.
const LIMIT_MAX: usize = 500;
/// Pairs of waiting transaction and writer that one conflict lists.
const EDGES_MAX: usize = 1000;
/// Steps of a critical path that have names.
const NAMED_STEPS_MAX: usize = 2000;

pub(super) fn register(module: &mut Module) {
    blocking(module, "weft_getConflicts", 2, Work::Call, conflicts_method);
    blocking(module, "weft_getHotspots", 2, Work::Call, hotspots);
    blocking(module, "weft_getCriticalPath", 1, Work::Call, critical_path);
    blocking(module, "weft_getAdvice", 1, Work::Call, advice);
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
fn conflicts_method(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let blocks: Blocks = args.required("blocks")?;
    let options: ConflictOptions = args.optional("options")?.unwrap_or_default();
    let most = limit(options.limit);
    let wanted = |conflict: &Conflict| {
        conflict.serialised_gas >= options.min_gas
            && options.kinds.as_ref().is_none_or(|kinds| kinds.contains(&conflict.kind))
    };
    let mut found: Vec<(u64, Value)> = Vec::new();
    blocks.for_each(context, |loaded| {
        found.extend(of_block(loaded, &context.records.registry(), most, wanted));
        found.sort_by_key(|(gas, _)| std::cmp::Reverse(*gas));
        found.truncate(most);
    })?;
    Ok(found.into_iter().map(|(_, value)| value).collect())
}

/// The conflicts of one block with names, and the gas by which they are ranked.
fn of_block(
    loaded: &Loaded,
    registry: &Registry,
    most: usize,
    wanted: impl Fn(&Conflict) -> bool,
) -> Vec<(u64, Value)> {
    let block = loaded.block();
    let mut namer = Namer::new(registry, block);
    let kept = conflicts(block.access).into_iter().filter(wanted).take(most);
    kept.map(|conflict| {
        let gas = conflict.serialised_gas;
        (gas, conflict_json(loaded.number, &conflict, &mut namer))
    })
    .collect()
}

/// All conflicts of a block, for answers that contain them among others.
pub(super) fn block_conflicts(loaded: &Loaded, registry: &Registry) -> Vec<Value> {
    of_block(loaded, registry, LIMIT, |_| true).into_iter().map(|(_, value)| value).collect()
}

fn conflict_json(number: u64, conflict: &Conflict, namer: &mut Namer<'_>) -> Value {
    let samples: Vec<TxIndex> = conflict.waits.iter().map(|(reader, _)| *reader).collect();
    let mut value = located(&conflict.location, namer, &samples);
    let edges = conflict.waits.iter().take(EDGES_MAX);
    let edges: Vec<Value> =
        edges.map(|(reader, writer)| json!({ "from": writer, "to": reader })).collect();
    value["block"] = json!(number);
    value["serialisedGas"] = json!(conflict.serialised_gas);
    value["pathGas"] = json!(conflict.path_gas);
    value["waiting"] = json!(conflict.waits.len());
    value["writers"] = json!(conflict.writers.iter().take(EDGES_MAX).collect::<Vec<_>>());
    value["readers"] = json!(samples.iter().take(EDGES_MAX).collect::<Vec<_>>());
    value["edges"] = Value::Array(edges);
    value
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

fn hotspots(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let blocks: Blocks = args.required("blocks")?;
    let options: HotspotOptions =
        args.optional("options")?.unwrap_or(HotspotOptions { by: By::Slot, limit: None });
    let mut tally = Tally::new(options.by);
    let (from, to) =
        blocks.for_each(context, |loaded| tally.add(loaded.number, &loaded.block()))?;
    let (work, waited) = (tally.work_gas, tally.serialised_gas);
    let truncated = tally.truncated;
    let ranked = tally.ranked(limit(options.limit));
    let entries = with_names(context, &ranked, waited)?;
    Ok(json!({
        "from": from, "to": to, "workGas": work, "serialisedGas": waited,
        "truncated": truncated, "hotspots": entries,
    }))
}

/// Names need the words of the transactions that waited: those of the block of the first sample.
fn with_names(context: &Context, ranked: &[Hotspot], waited: u64) -> Result<Vec<Value>, Failure> {
    let registry = context.records.registry();
    let mut by_block: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (place, hotspot) in ranked.iter().enumerate() {
        let first = hotspot.samples.first().map_or(0, |(number, _)| *number);
        by_block.entry(first).or_default().push(place);
    }
    let mut entries = vec![Value::Null; ranked.len()];
    for (number, places) in by_block {
        let Some(loaded) = Loaded::read(context, number)? else { continue };
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
        Place::Location(location) => located(location, namer, &samples),
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

fn critical_path(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let Some(loaded) = one(context, args)? else { return Ok(Value::Null) };
    let registry = context.records.registry();
    Ok(path_json(&loaded, &registry))
}

/// The critical path with what binds each pair of its transactions.
pub(super) fn path_json(loaded: &Loaded, registry: &Registry) -> Value {
    let block = loaded.block();
    let mut namer = Namer::new(registry, block);
    let steps = graph::critical_steps(block.access);
    let path_gas: u64 = steps.iter().map(|step| step.gas).sum();
    let steps: Vec<Value> = (steps.iter().enumerate())
        .map(|(place, step)| {
            let via = step.via.iter().map(|(_, location)| {
                if place < NAMED_STEPS_MAX {
                    located(location, &mut namer, &[step.index])
                } else {
                    json!(location)
                }
            });
            let via: Vec<Value> = via.collect();
            let function = block.function(step.index);
            json!({
                "tx": step.index, "gas": step.gas, "via": via,
                "hash": block.transactions[step.index.0 as usize].tx_hash(),
                "function": namer.function(&function),
            })
        })
        .collect();
    json!({
        "block": loaded.number,
        "workGas": block.access.work_gas(),
        "pathGas": path_gas,
        "bestSpeedup": block.access.best_speedup(None),
        "steps": steps,
    })
}

fn advice(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let blocks: Blocks = args.required("blocks")?;
    let (from, to) = blocks.heights(context)?;
    if from == to {
        let Some(loaded) = Loaded::read(context, from)? else { return Ok(Value::Null) };
        return Ok(block_advice(&loaded, &context.records.registry()));
    }
    let mut collected = Collected::default();
    blocks.for_each(context, |loaded| {
        collected.add(loaded.number, advise(&loaded.block(), &context.records.registry()));
    })?;
    let registry = context.records.registry();
    let mut entries = Vec::new();
    for entry in collected.ranked(LIMIT) {
        let Some(loaded) = Loaded::read(context, entry.number)? else { continue };
        let mut namer = Namer::new(&registry, loaded.block());
        let mut value = advice_json(entry.number, &entry.advice, &mut namer);
        value["blocks"] = json!(entry.blocks);
        value["serialisedGas"] = json!(entry.serialised_gas);
        entries.push(value);
    }
    Ok(json!({ "from": from, "to": to, "advice": entries }))
}

/// Advice about one block, and what it would be worth to follow all of it.
pub(super) fn block_advice(loaded: &Loaded, registry: &Registry) -> Value {
    let block = loaded.block();
    let mut namer = Namer::new(registry, block);
    let pieces = advise(&block, registry);
    let entries: Vec<Value> =
        pieces.iter().map(|piece| advice_json(loaded.number, piece, &mut namer)).collect();
    json!({
        "from": loaded.number,
        "to": loaded.number,
        "bestSpeedup": block.access.best_speedup(None),
        "ifFollowed": speedup(&if_followed(&block, &pieces)),
        "advice": entries,
    })
}

fn advice_json(number: u64, advice: &Advice, namer: &mut Namer<'_>) -> Value {
    let Words { title, remedy, place, guessed } = Words::new(advice, namer);
    json!({
        "rule": advice.rule,
        "title": title,
        "remedy": remedy,
        "place": place,
        "guessed": guessed,
        "location": advice.location,
        "block": number,
        "transactions": advice.transactions,
        "count": advice.count,
        "of": advice.of,
        "serialisedGas": advice.serialised_gas,
        "bestSpeedup": speedup(&advice.now),
        "bestSpeedupWithout": speedup(&advice.without),
    })
}
