//! Blocks in one line each: what the page's strip and list show.

use super::loaded::{Loaded, TRANSACTIONS_MAX};
use super::recorded;
use crate::context::Context;
use crate::error::Failure;
use crate::methods::Module;
use crate::methods::bounded::Patience;
use crate::params::{Args, Quantity};
use crate::records::{Hottest, Line, Run};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use weft_record::conflict::conflicts;
use weft_record::graph;
use weft_record::names::{Namer, Registry};
use weft_types::TxIndex;

/// Blocks of an answer unless the caller asks for another number.
const LAST: u64 = 100;
/// Most blocks of an answer.
const LAST_MAX: u64 = 1000;

pub(super) fn register(module: &mut Module) {
    recorded(module, "weft_getRecordStats", 1, stats);
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Options {
    /// So many blocks up to `to`.
    last: Option<u64>,
    /// Only blocks above this height.
    after: Option<Quantity>,
    /// The last block; the head when absent.
    to: Option<Quantity>,
    /// Leave out blocks without transactions; `last` counts those that stay, within ten times as many.
    skip_empty: bool,
}

fn stats(context: &Context, args: &mut Args<'_>, patience: &Patience) -> Result<Value, Failure> {
    let options: Options = args.optional("options")?.unwrap_or_default();
    let head = context.backend.store.head().block.height().0;
    let to = options.to.map_or(head, |to| to.0.min(head));
    let last = options.last.unwrap_or(LAST).clamp(1, LAST_MAX);
    let span = if options.skip_empty { last.saturating_mul(10) } else { last };
    let above = options.after.map_or(0, |after| after.0).max(to.saturating_sub(span));
    let mut lines: Vec<(u64, Arc<Line>)> = Vec::new();
    let mut fresh = 0;
    for height in (above + 1..=to).rev() {
        let line = match context.records.line(height) {
            Some(line) => line,
            None => match read(context, height, patience) {
                Ok(Some(line)) => {
                    fresh += line.transactions + 1;
                    line
                }
                Ok(None) => continue,
                // Older ones are gone, too.
                Err(Failure::Pruned { .. }) => break,
                // What there was time for; a later call goes on from there, too.
                Err(Failure::Limit { .. }) if !lines.is_empty() => break,
                Err(error) => return Err(error),
            },
        };
        if !(options.skip_empty && line.transactions == 0) {
            lines.push((height, line));
        }
        // A later call finds these in the cache and goes on from there.
        if lines.len() as u64 >= last || fresh > TRANSACTIONS_MAX {
            break;
        }
    }
    lines.reverse();
    Ok(json!({ "head": head, "totals": totals(&lines), "blocks": columns(&lines) }))
}

/// Reads a block and keeps its line.
fn read(context: &Context, height: u64, patience: &Patience) -> Result<Option<Arc<Line>>, Failure> {
    let Some(loaded) = Loaded::read(context, height, patience)? else { return Ok(None) };
    let generation = context.records.names.generation();
    let line = Arc::new(line_of(&loaded, &context.records.registry()));
    context.records.keep(height, Arc::clone(&line), generation);
    Ok(Some(line))
}

fn line_of(loaded: &Loaded, registry: &Registry) -> Line {
    let block = loaded.block();
    let path = graph::heaviest_path(block.access, |_| true);
    let hottest = conflicts(block.access).into_iter().next().map(|conflict| {
        let samples: Vec<TxIndex> = conflict.waits.iter().take(4).map(|(r, _)| *r).collect();
        Hottest {
            location: conflict.location,
            name: Namer::new(registry, block).location(&conflict.location, &samples).text,
            waiting: conflict.waits.len(),
            serialised_gas: conflict.serialised_gas,
        }
    });
    Line {
        timestamp: loaded.timestamp,
        transactions: block.len(),
        gas: block.access.work_gas(),
        path_gas: path.gas,
        waiting: block.access.dependent_transactions(),
        run: loaded.profile.as_ref().map(|profile| Run {
            mode: profile.mode,
            workers: profile.workers,
            wall_us: profile.wall_us,
            root_us: profile.root_us,
            discarded: profile.discarded,
            speedup: profile.speedup(),
        }),
        hottest,
    }
}

fn totals(lines: &[(u64, Arc<Line>)]) -> Value {
    let sum = |of: &dyn Fn(&Line) -> u64| lines.iter().map(|(_, line)| of(line)).sum::<u64>();
    let (work, path) = (sum(&|line| line.gas), sum(&|line| line.path_gas));
    json!({
        "blocks": lines.len(),
        "transactions": sum(&|line| line.transactions as u64),
        "gas": work,
        "waiting": sum(&|line| line.waiting as u64),
        "bestSpeedup": if path == 0 { 1.0 } else { work as f64 / path as f64 },
        "reexecutions": sum(&|line| line.run.as_ref().map_or(0, |run| run.discarded)),
        "executionUs": sum(&|line| line.run.as_ref().map_or(0, |run| run.wall_us)),
    })
}

/// One array for each field.
fn columns(lines: &[(u64, Arc<Line>)]) -> Value {
    let mut columns = Map::new();
    let mut column = |name: &str, of: &dyn Fn(&Line) -> Value| {
        let values = lines.iter().map(|(_, line)| of(line)).collect();
        columns.insert(name.to_owned(), Value::Array(values));
    };
    column("timestamp", &|line| json!(line.timestamp));
    column("transactions", &|line| json!(line.transactions));
    column("gas", &|line| json!(line.gas));
    column("pathGas", &|line| json!(line.path_gas));
    column("waiting", &|line| json!(line.waiting));
    column("hottest", &|line| {
        line.hottest.as_ref().map_or(Value::Null, |hottest| {
            json!({
                "location": hottest.location, "name": hottest.name,
                "waiting": hottest.waiting, "serialisedGas": hottest.serialised_gas,
            })
        })
    });
    type Field = fn(&Run) -> Value;
    let fields: [(&str, Field); 6] = [
        ("mode", |run| json!(run.mode)),
        ("workers", |run| json!(run.workers)),
        ("executionUs", |run| json!(run.wall_us)),
        ("rootUs", |run| json!(run.root_us)),
        ("reexecutions", |run| json!(run.discarded)),
        ("speedup", |run| json!(run.speedup)),
    ];
    for (name, of) in fields {
        column(name, &|line| line.run.as_ref().map_or(Value::Null, of));
    }
    columns.insert("number".to_owned(), lines.iter().map(|(height, _)| json!(height)).collect());
    Value::Object(columns)
}
