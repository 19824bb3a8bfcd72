//! Names that callers give to contracts of a development chain.

use crate::context::{Context, Work};
use crate::error::Failure;
use crate::methods::{Module, blocking};
use crate::params::Args;
use alloy_primitives::Address;
use serde_json::Value;

/// Longest ABI or layout, in bytes of JSON.
const JSON_BYTES_MAX: usize = 1 << 20;

pub(super) fn register(module: &mut Module) {
    blocking(module, "weft_registerAbi", 4, Work::Call, register_abi);
}

/// `(address, abi?, storageLayout?, name?)`.
fn register_abi(context: &Context, args: &mut Args<'_>) -> Result<bool, Failure> {
    if !context.config.devnet {
        let reason = "names can be registered on a devnet only: everybody who reads this node's records would see them";
        return Err(Failure::Unsupported { reason: reason.to_owned() });
    }
    let address: Address = args.required("address")?;
    let abi: Option<Value> = args.optional("abi")?;
    let layout: Option<Value> = args.optional("storageLayout")?;
    let name: Option<String> = args.optional("name")?;
    for part in [&abi, &layout].into_iter().flatten() {
        let bytes = part.to_string().len();
        if bytes > JSON_BYTES_MAX {
            let reason = format!(
                "abi or storageLayout is too large: expected at most {JSON_BYTES_MAX} bytes, found {bytes}"
            );
            return Err(Failure::Limit { reason });
        }
    }
    let registered =
        context.records.names.register(|registry| registry.register(address, name, abi, layout));
    registered.map_err(|error| Failure::Parameters { reason: error.to_string() })?;
    Ok(true)
}
