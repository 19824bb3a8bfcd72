//! `weft_getRecordFile`: the record of a block as a file that needs no node any more.

use super::loaded::one;
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::methods::{Module, blocking};
use crate::params::Args;
use serde_json::Value;
use weft_record::json;

pub(super) fn register(module: &mut Module) {
    blocking(module, "weft_getRecordFile", 1, Work::Call, record_file);
}

fn record_file(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let Some(loaded) = one(context, args)? else { return Ok(Value::Null) };
    let source = format!("chain {}", context.backend.params.chain_id);
    Ok(json::file(&loaded.recorded(), &context.records.registry(), &source))
}
