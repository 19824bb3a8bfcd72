//! Conflicts, critical path and advice of one block.

use super::{Recorded, located, speedup};
use crate::advice::{Advice, Words, advise, if_followed};
use crate::conflict::{self, Conflict};
use crate::graph;
use crate::names::{Namer, Registry};
use serde_json::{Value, json};
use weft_types::TxIndex;

/// Pairs of waiting transaction and writer that one conflict lists.
const EDGES_MAX: usize = 1000;
/// Steps of a critical path that have names.
const NAMED_STEPS_MAX: usize = 2000;

/// The hottest conflicts that are `wanted`, at most so many, with names; each with the gas by which they are ranked.
pub fn conflicts(
    recorded: &Recorded<'_>,
    registry: &Registry,
    most: usize,
    wanted: impl Fn(&Conflict) -> bool,
) -> Vec<(u64, Value)> {
    let mut namer = Namer::new(registry, recorded.block);
    let all = conflict::conflicts(recorded.block.access).into_iter();
    all.filter(wanted)
        .take(most)
        .map(|one| (one.serialised_gas, conflict_json(recorded.number, &one, &mut namer)))
        .collect()
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

/// The critical path with what binds each pair of its transactions.
#[must_use]
pub fn critical_path(recorded: &Recorded<'_>, registry: &Registry) -> Value {
    let block = recorded.block;
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
        "block": recorded.number,
        "workGas": block.access.work_gas(),
        "pathGas": path_gas,
        "bestSpeedup": block.access.best_speedup(None),
        "steps": steps,
    })
}

/// Advice about one block, and what it would be worth to follow all of it.
#[must_use]
pub fn advice(recorded: &Recorded<'_>, registry: &Registry) -> Value {
    let block = recorded.block;
    let mut namer = Namer::new(registry, block);
    let pieces = advise(&block, registry);
    let entries: Vec<Value> =
        pieces.iter().map(|piece| advice_of(recorded.number, piece, &mut namer)).collect();
    json!({
        "from": recorded.number,
        "to": recorded.number,
        "bestSpeedup": block.access.best_speedup(None),
        "ifFollowed": speedup(&if_followed(&block, &pieces)),
        "advice": entries,
    })
}

/// One piece of advice about a block.
#[must_use]
pub fn advice_of(number: u64, advice: &Advice, namer: &mut Namer<'_>) -> Value {
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
