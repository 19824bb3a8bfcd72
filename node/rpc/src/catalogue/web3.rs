//! `web3_*`, `net_*` and `rpc_*`.

use super::{Method, required};

pub(super) const METHODS: &[Method] = &[
    Method::new("web3_clientVersion", "Name, version, platform and compiler of the node.")
        .gives("Text", "`weft/v0.1.0/linux-x86_64/rust1.95`"),
    Method::new("web3_sha3", "Keccak-256 of the data.")
        .takes(&[required("data", "Data", "what to hash")])
        .gives("Hash", ""),
    Method::new("net_version", "The chain id as a decimal string.").gives("Text", ""),
    Method::new("net_listening", "Whether the node listens for peers; always `true`.")
        .gives("Boolean", ""),
    Method::new("net_peerCount", "Number of connected peers.").gives("Quantity", ""),
    Method::new("rpc_modules", "The namespaces that this listener serves.")
        .gives("Object", "version by namespace"),
    Method::new("rpc.discover", "The OpenRPC document of the methods that this listener serves.")
        .gives("Object", "OpenRPC 1.3.2"),
];
