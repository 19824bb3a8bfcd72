//! What an operator can choose about the RPC server. Every limit is here.

use crate::{ConsoleSink, Names};
use std::net::SocketAddr;
use std::sync::Arc;
use weft_evm::RecordLevel;

/// Settings of the server. All limits bound what one caller can make the node do.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// Address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Namespaces that are served, of [`NAMESPACES`](crate::NAMESPACES); empty: all of them. `rpc`
    /// always is; `admin` only on a loopback address that does not allow every origin.
    pub namespaces: Vec<String>,
    /// Whether strangers call here: only `eth`, `net`, `web3` and what of `weft` reads the chain,
    /// and nothing that shows what waits in the pool.
    pub public: bool,
    /// Origins that browsers may call from (`https://app.example`), or `*` for all. Empty: no web
    /// page of another origin can use the server, neither by HTTP nor by WebSocket.
    pub cors: Vec<String>,
    /// Host names, besides `localhost` and IP addresses, that the `Host` header may carry. Checked
    /// when the listener is a loopback address or when this list is not empty: a web page that
    /// resolves its own name to 127.0.0.1 (DNS rebinding) is refused.
    pub hosts: Vec<String>,
    /// Most gas that `eth_call` and `eth_estimateGas` may use.
    pub gas_cap: u64,
    /// How long one trace or simulation may take when the caller does not say, in milliseconds. A caller
    /// may ask for up to ten times as long.
    pub trace_timeout_ms: u64,
    /// Most memory for what one trace records, in bytes.
    pub trace_bytes_max: usize,
    /// Most blocks that one `trace_filter` may run again.
    pub trace_blocks_max: u64,
    /// How long `eth_call`, `eth_estimateGas` and `eth_fillTransaction` may run, in milliseconds.
    pub call_timeout_ms: u64,
    /// Most blocks that one `eth_getLogs` may span.
    pub logs_blocks_max: u64,
    /// Most logs that one `eth_getLogs` may return, unless they are all of one block.
    pub logs_results_max: usize,
    /// How long `eth_sendRawTransactionSync` waits for the receipt when the caller does not say,
    /// in milliseconds. A caller may ask for up to ten times as long.
    pub sync_timeout_ms: u64,
    /// Most calls in one batch.
    pub batch_max: usize,
    /// Largest request body or WebSocket message, in bytes.
    pub request_bytes_max: u32,
    /// Largest response, in bytes.
    pub response_bytes_max: u32,
    /// Most open connections.
    pub connections_max: u32,
    /// Most subscriptions of one WebSocket connection.
    pub subscriptions_max: u32,
    /// Most filters (`eth_newFilter`) of all callers together.
    pub filters_max: usize,
    /// Time between two pings on a WebSocket, in milliseconds. A client that stays silent for two
    /// of them is disconnected.
    pub heartbeat_ms: u64,
    /// Calls and estimates that run at the same time; 0 takes half the number of cores.
    pub calls_concurrent: usize,
    /// Hears what contracts log with `console.log`, in calls, estimates and new blocks: on a devnet. Without it nothing is
    /// run for that.
    pub console: Option<ConsoleSink>,
    /// Whether this is a local devnet; only reported by `weft_chainInfo`.
    pub devnet: bool,
    /// How much of each execution the node keeps. Unless that is nothing, access records that are not stored are derived.
    pub record_level: RecordLevel,
    /// How long one call may derive access records, in milliseconds.
    pub record_timeout_ms: u64,
    /// What the record's methods call accounts and places; one for all listeners.
    pub names: Arc<Names>,
}

impl RpcConfig {
    /// The defaults for a listener at `listen`.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            namespaces: Vec::new(),
            public: false,
            cors: Vec::new(),
            hosts: Vec::new(),
            gas_cap: 50_000_000,
            trace_timeout_ms: 5_000,
            trace_bytes_max: 128 * 1024 * 1024,
            trace_blocks_max: 1_000,
            call_timeout_ms: 5_000,
            logs_blocks_max: 10_000,
            logs_results_max: 20_000,
            sync_timeout_ms: 2000,
            batch_max: 100,
            request_bytes_max: 15 * 1024 * 1024,
            response_bytes_max: 64 * 1024 * 1024,
            connections_max: 500,
            subscriptions_max: 128,
            filters_max: 10_000,
            heartbeat_ms: 20_000,
            calls_concurrent: 0,
            console: None,
            devnet: false,
            record_level: RecordLevel::Full,
            record_timeout_ms: 5_000,
            names: Arc::default(),
        }
    }
}
