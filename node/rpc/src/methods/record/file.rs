//! `weft_getRecordFile`: the record of a block as a file that needs no node any more.

use super::loaded::one;
use super::recorded;
use crate::context::Context;
use crate::error::Failure;
use crate::methods::Module;
use crate::methods::bounded::Patience;
use crate::params::Args;
use serde_json::Value;
use weft_record::json;

pub(super) fn register(module: &mut Module) {
    recorded(module, "weft_getRecordFile", 1, record_file);
}

fn record_file(
    context: &Context,
    args: &mut Args<'_>,
    patience: &Patience,
) -> Result<Value, Failure> {
    let Some(loaded) = one(context, args, patience)? else { return Ok(Value::Null) };
    let source = format!("chain {}", context.backend.params.chain_id);
    Ok(json::file(&loaded.recorded(), &context.records.registry(), &source))
}
