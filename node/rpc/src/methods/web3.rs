//! `web3_*`, `net_*` and `rpc_modules`.

use super::{Module, quick};
use alloy_primitives::{Bytes, U64, keccak256};
use serde_json::json;

/// `weft/v0.1.0/linux-x86_64/rust1.95`
pub(super) fn client_version() -> String {
    format!(
        "weft/v{}/{}-{}/rust{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        env!("CARGO_PKG_RUST_VERSION"),
    )
}

pub(super) fn register(module: &mut Module) {
    quick(module, "web3_clientVersion", 0, |_, _| Ok(client_version()));
    quick(module, "web3_sha3", 1, |_, args| Ok(keccak256(args.required::<Bytes>("data")?)));
    quick(module, "net_version", 0, |context, _| Ok(context.backend.params.chain_id.to_string()));
    quick(module, "net_listening", 0, |_, _| Ok(true));
    quick(module, "net_peerCount", 0, |context, _| {
        Ok(U64::from((context.backend.peer_count)() as u64))
    });
    quick(module, "rpc_modules", 0, |_, _| {
        Ok(json!({
            "debug": "1.0", "eth": "1.0", "net": "1.0", "rpc": "1.0", "txpool": "1.0", "web3": "1.0", "weft": "1.0"
        }))
    });
}
