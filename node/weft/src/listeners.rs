//! The RPC listeners of a node: the operator's own, and one for strangers if it is configured.

use crate::config::{RpcProfile, RpcSection};
use crate::failure::{ExitStatus, Failure};
use crate::node::NodeSetup;
use std::net::SocketAddr;
use std::sync::Arc;
use weft_rpc::{RpcBackend, RpcConfig, RpcError, RpcServer};

/// What of the namespaces a public listener serves.
const PUBLIC: [&str; 4] = ["eth", "net", "web3", "weft"];

/// Starts every listener; the operator's is the first.
///
/// # Errors
/// [`Failure`] when one cannot be started; none is left running.
pub async fn serve(setup: &NodeSetup, backend: &RpcBackend) -> Result<Vec<RpcServer>, Failure> {
    let mut servers = Vec::new();
    let own = RpcConfig {
        devnet: setup.devnet,
        record_level: setup.config.record.level.of_executor(),
        console: setup.console.clone(),
        names: Arc::clone(&setup.names),
        ..RpcConfig::new(setup.config.rpc.listen)
    };
    for config in configs(&setup.config.rpc, own) {
        match weft_rpc::serve(config, backend.clone()).await {
            Ok(server) => servers.push(server),
            Err(error) => {
                for server in servers {
                    server.stop().await;
                }
                return Err(failure(error));
            }
        }
    }
    Ok(servers)
}

/// The settings of each listener.
fn configs(section: &RpcSection, base: RpcConfig) -> Vec<RpcConfig> {
    let public = section.profile == RpcProfile::Public;
    let own = RpcConfig {
        namespaces: if public { safe(section) } else { section.namespaces.clone() },
        public,
        cors: section.cors.clone(),
        hosts: section.hosts.clone(),
        gas_cap: section.gas_cap,
        call_timeout_ms: section.call_timeout_ms,
        logs_blocks_max: section.logs_max_blocks,
        logs_results_max: section.logs_max_results,
        sync_timeout_ms: section.sync_timeout_ms,
        batch_max: section.max_batch as usize,
        connections_max: section.max_connections,
        calls_concurrent: section.call_threads,
        ..base
    };
    let strangers = section.public.as_ref().map(|other| RpcConfig {
        listen: other.listen,
        namespaces: safe(section),
        public: true,
        // The operator's listener prints them already.
        console: None,
        cors: other.cors.clone(),
        hosts: other.hosts.clone(),
        connections_max: other.max_connections,
        ..own.clone()
    });
    std::iter::once(own).chain(strangers).collect()
}

/// The configured namespaces that strangers may use; all of them when all are served.
fn safe(section: &RpcSection) -> Vec<String> {
    let asked = |name: &&str| {
        section.namespaces.is_empty() || section.namespaces.iter().any(|asked| asked == name)
    };
    PUBLIC.iter().copied().filter(asked).map(str::to_owned).collect()
}

fn failure(error: RpcError) -> Failure {
    match error {
        RpcError::PortInUse { address } => port_in_use(address),
        error @ (RpcError::Namespace { .. } | RpcError::Origin { .. }) => {
            Failure::new(ExitStatus::Config, "RPC cannot be served as configured")
                .fact("cause", error)
                .fix("correct [rpc] in config.toml; weft config default prints every key")
        }
        other => Failure::new(ExitStatus::Unexpected, "RPC cannot be served").fact("cause", other),
    }
}

pub(crate) fn port_in_use(address: SocketAddr) -> Failure {
    let (ip, port) = (address.ip(), address.port());
    let next = port.saturating_add(1000);
    Failure::new(ExitStatus::Busy, format!("port {port} is already in use on {ip}")).fix(format!(
        "another port (weft devnet --port {next}, weft node --rpc {ip}:{next}), or stop what holds it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PublicSection;

    #[test]
    fn the_public_profile_and_the_second_listener_serve_what_is_safe_of_the_namespaces() {
        let mut section = RpcSection::default();
        let configs = |section: &RpcSection| configs(section, RpcConfig::new(section.listen));
        let names = |config: &RpcConfig| config.namespaces.join(",");
        let own = &configs(&section)[0];
        assert!(!own.public && names(own).contains("txpool"), "{own:?}");
        section.public = Some(PublicSection { cors: vec!["*".into()], ..PublicSection::default() });
        section.namespaces.retain(|name| name != "weft");
        let both = configs(&section);
        assert!(!both[0].public && both[0].cors.is_empty());
        assert!(both[1].public && both[1].cors == ["*"]);
        assert_eq!(names(&both[1]), "eth,net,web3");
        section.profile = RpcProfile::Public;
        assert!(configs(&section).iter().all(|config| config.public));
    }
}
