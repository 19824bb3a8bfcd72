//! Uncles: none on a chain of our own, where a committed block is the only one of its height.

use super::block::{hash, number};
use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Quantity;
use alloy_eips::BlockId;
use alloy_primitives::{U64, U256};
use alloy_rpc_types_eth as rpc;
use serde_json::{Value, json};
use weft_types::{ForeignBody, Header};

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_getUncleCountByBlockNumber", 1, Work::Read, |context, args| {
        count(context, number(args)?)
    });
    blocking(module, "eth_getUncleCountByBlockHash", 1, Work::Read, |context, args| {
        count(context, hash(args)?)
    });
    blocking(module, "eth_getUncleByBlockNumberAndIndex", 2, Work::Read, |context, args| {
        let id = number(args)?;
        uncle(context, id, args.required("index")?)
    });
    blocking(module, "eth_getUncleByBlockHashAndIndex", 2, Work::Read, |context, args| {
        let id = hash(args)?;
        uncle(context, id, args.required("index")?)
    });
}

/// Headers of the block's ommers; `None` for a block that does not exist.
fn ommers(context: &Context, id: BlockId) -> Result<Option<Vec<Header>>, Failure> {
    let Some(at) = context.find(id)? else { return Ok(None) };
    if at.pending {
        return Ok(Some(Vec::new()));
    }
    let foreign = context.block(at.height)?.foreign;
    Ok(Some(foreign.map(|body| body.ommers).unwrap_or_default()))
}

fn count(context: &Context, id: BlockId) -> Result<Option<U64>, Failure> {
    Ok(ommers(context, id)?.map(|ommers| U64::from(ommers.len() as u64)))
}

fn uncle(context: &Context, id: BlockId, index: Quantity) -> Result<Value, Failure> {
    let ommers = ommers(context, id)?.unwrap_or_default();
    let header = usize::try_from(index.0).ok().and_then(|index| ommers.into_iter().nth(index));
    let Some(header) = header else { return Ok(Value::Null) };
    let size = ForeignBody::default().block_length(&header, &[]);
    let header = rpc::Header {
        hash: header.hash_slow(),
        inner: header,
        total_difficulty: None,
        size: Some(U256::from(size)),
    };
    let mut object = serde_json::to_value(header).map_err(Failure::internal)?;
    object["uncles"] = json!([]);
    Ok(object)
}
