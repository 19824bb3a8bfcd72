//! `config.toml`: what one node may choose for itself. Every key is optional.

mod record;
mod rpc;
mod state;

pub use record::{RecordLevel, RecordSection};
pub use rpc::{PublicSection, RpcProfile, RpcSection};
pub use state::StateSection;

use crate::failure::{ExitStatus, Failure};
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The node itself.
    pub node: NodeConfig,
    /// JSON-RPC and WebSocket.
    pub rpc: RpcSection,
    /// Peers.
    pub p2p: P2pConfig,
    /// Consensus log.
    pub consensus: ConsensusSection,
    /// Database: what is kept of the past, and memory.
    pub state: StateSection,
    /// Execution records.
    pub record: RecordSection,
    /// Transaction pool.
    pub pool: PoolSection,
    /// Logs.
    pub log: LogConfig,
}

/// `[node]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Name in logs.
    pub moniker: String,
    /// Worker threads of the executor; 0 means one per core.
    pub workers: usize,
    /// Receives the tips of blocks this node proposes; derived from the validator key if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_recipient: Option<Address>,
}

/// `[p2p]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct P2pConfig {
    /// Multiaddress to listen on.
    pub listen: String,
    /// Peers to stay connected with: multiaddresses ending in `/p2p/<peer id>`.
    pub peers: Vec<String>,
}

/// When the consensus log is forced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogSync {
    /// Before every message that depends on it: survives a power loss.
    Always,
    /// Left to the operating system: survives a crash of the process, not a power loss.
    Os,
}

/// `[consensus]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsensusSection {
    /// When the log is forced to the disk.
    pub log_sync: LogSync,
}

/// `[pool]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolSection {
    /// Most transactions held.
    pub max_transactions: usize,
    /// Most transactions held for one sender.
    pub per_sender: usize,
    /// How much more a replacement must pay, in percent.
    pub price_bump_percent: u64,
    /// What has waited for this long (for a nonce, a lower base fee, or funds) is dropped, in seconds.
    pub lifetime_s: u64,
}

/// Form of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `weft=debug,libp2p=warn`.
    pub level: String,
    /// Form of the lines.
    pub format: LogFormat,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { moniker: "weft".into(), workers: 0, fee_recipient: None }
    }
}

impl Default for P2pConfig {
    fn default() -> Self {
        Self { listen: "/ip4/0.0.0.0/tcp/30700".into(), peers: Vec::new() }
    }
}

impl Default for ConsensusSection {
    fn default() -> Self {
        Self { log_sync: LogSync::Always }
    }
}

impl Default for PoolSection {
    fn default() -> Self {
        Self {
            max_transactions: 20_000,
            per_sender: 1024,
            price_bump_percent: 10,
            lifetime_s: 3 * 60 * 60,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ExitStatus::Config`] naming the file, the place and the key.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(ExitStatus::Config, "the configuration cannot be read")
                .fact("file", path.display())
                .fact("cause", error)
                .fix(
                    "weft testnet init writes complete homes; weft config default prints every key",
                )
        })?;
        Self::parse(&text).map_err(|cause| {
            Failure::new(ExitStatus::Config, "the configuration is invalid")
                .fact("file", path.display())
                .fact("cause", cause)
                .fix("correct the line; weft config default prints every key with its default")
        })
    }

    /// Parses and checks the text of a file.
    ///
    /// # Errors
    /// A sentence naming the place and the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        config.rpc.check()?;
        if config.pool.max_transactions == 0 || config.pool.per_sender == 0 {
            return Err("pool.max_transactions and pool.per_sender must be at least 1".into());
        }
        config.state.check()?;
        Ok(config)
    }

    /// The text of a file with these values.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every value of the configuration has a TOML form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default_and_the_default_reads_back() {
        assert_eq!(Config::parse(""), Ok(Config::default()));
        assert_eq!(Config::parse(&Config::default().to_toml()), Ok(Config::default()));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let error = Config::parse("[rpc]\nlisten = \"127.0.0.1:1\"\nmaxbatch = 3\n").unwrap_err();
        assert!(error.contains("maxbatch") && error.contains("line 3"), "{error}");
        assert!(error.contains("max_batch"), "the known keys are listed: {error}");
    }

    #[test]
    fn values_that_cannot_work_are_refused() {
        for text in ["[rpc]\nmax_batch = 0", "[pool]\nper_sender = 0", "[rpc]\ngas_cap = 1"] {
            assert!(Config::parse(text).is_err(), "{text}");
        }
    }
}
