//! `web3_*`, `net_*` and `rpc_modules`.

use super::{Module, encode, quick};
use crate::openrpc::document;
use alloy_primitives::{Bytes, U64, keccak256};
use std::collections::BTreeMap;

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
    quick(module, "rpc_modules", 0, |context, _| {
        let modules = context.served.modules();
        Ok(modules.into_iter().map(|name| (name, "1.0")).collect::<BTreeMap<_, _>>())
    });
    quick(module, "rpc.discover", 0, |context, _| {
        if let Some(document) = context.document.get() {
            return Ok(document.clone());
        }
        let document = encode(&document(context.served.methods()))?;
        Ok(context.document.get_or_init(|| document).clone())
    });
}
