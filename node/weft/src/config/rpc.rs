//! `[rpc]`: JSON-RPC and WebSocket.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Who calls on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RpcProfile {
    /// The operator and programs of his own.
    Local,
    /// Strangers: `eth`, `net`, `web3` and what of `weft` reads the chain; nothing of the pool.
    Public,
}

/// `[rpc]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RpcSection {
    /// Address and port for HTTP and WebSocket.
    pub listen: SocketAddr,
    /// `local`, or `public` (as `weft node --public`).
    pub profile: RpcProfile,
    /// What is served, by namespace. `admin` only ever on a loopback address.
    pub namespaces: Vec<String>,
    /// Allowed origins for browsers; `*` for all.
    pub cors: Vec<String>,
    /// Host names, besides localhost and addresses, under which the node may be called.
    pub hosts: Vec<String>,
    /// Most open connections.
    pub max_connections: u32,
    /// Most requests in one batch.
    pub max_batch: u32,
    /// Gas cap of `eth_call` and `eth_estimateGas`.
    pub gas_cap: u64,
    /// How long `eth_call` and `eth_estimateGas` may run, in milliseconds.
    pub call_timeout_ms: u64,
    /// Calls, estimates, traces and searches that run at the same time; 0 takes half the cores.
    pub call_threads: usize,
    /// Most blocks that one `eth_getLogs` may span.
    pub logs_max_blocks: u64,
    /// Most logs that one `eth_getLogs` may return.
    pub logs_max_results: usize,
    /// How long `eth_sendRawTransactionSync` waits by default, in milliseconds.
    pub sync_timeout_ms: u64,
    /// `[rpc.public]`: a second listener with the profile `public`; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<PublicSection>,
}

/// `[rpc.public]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublicSection {
    /// Address and port for HTTP and WebSocket.
    pub listen: SocketAddr,
    /// Allowed origins for browsers; `*` for all.
    pub cors: Vec<String>,
    /// Host names, besides localhost and addresses, under which the node may be called.
    pub hosts: Vec<String>,
    /// Most open connections.
    pub max_connections: u32,
}

/// What a local listener serves when nothing is chosen.
const NAMESPACES: [&str; 10] =
    ["eth", "net", "web3", "txpool", "weft", "debug", "trace", "ots", "erigon", "admin"];

impl Default for RpcSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8545),
            profile: RpcProfile::Local,
            namespaces: NAMESPACES.map(str::to_owned).to_vec(),
            cors: Vec::new(),
            hosts: Vec::new(),
            max_connections: 500,
            max_batch: 100,
            gas_cap: 50_000_000,
            call_timeout_ms: 5000,
            call_threads: 0,
            logs_max_blocks: 10_000,
            logs_max_results: 20_000,
            sync_timeout_ms: 2000,
            public: None,
        }
    }
}

impl Default for PublicSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8544),
            cors: Vec::new(),
            hosts: Vec::new(),
            max_connections: 500,
        }
    }
}

impl RpcSection {
    /// Refuses values that cannot work.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.max_batch == 0 {
            return Err("rpc.max_batch is 0, expected at least 1".into());
        }
        let public = self.public.as_ref().map_or(1, |public| public.max_connections);
        if self.max_connections == 0 || public == 0 {
            return Err("rpc.max_connections is 0, expected at least 1".into());
        }
        if self.gas_cap < 21_000 {
            return Err(format!("rpc.gas_cap is {}, expected at least 21000", self.gas_cap));
        }
        let unknown =
            self.namespaces.iter().find(|name| !weft_rpc::NAMESPACES.contains(&name.as_str()));
        if let Some(name) = unknown {
            let known = weft_rpc::NAMESPACES.join(", ");
            return Err(format!("rpc.namespaces has {name:?}, expected some of {known}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_second_listener_is_a_section_of_its_own() {
        let config = Config::parse("[rpc]\nmax_batch = 7\n[rpc.public]\ncors = [\"*\"]\n").unwrap();
        let public = config.rpc.public.clone().unwrap();
        assert_eq!((public.listen.port(), public.cors.len()), (8544, 1));
        assert_eq!(Config::parse(&config.to_toml()), Ok(config));
    }

    #[test]
    fn unknown_namespaces_and_profiles_are_refused_with_the_known_ones() {
        let error = Config::parse("[rpc]\nnamespaces = [\"eth\", \"engine\"]").unwrap_err();
        assert!(error.contains("engine") && error.contains("txpool"), "{error}");
        assert!(Config::parse("[rpc]\nprofile = \"open\"").unwrap_err().contains("public"));
    }
}
