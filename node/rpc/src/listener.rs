//! Which methods a listener serves.

use crate::RpcConfig;
use crate::catalogue::{self, namespace_of};
use crate::error::RpcError;
use std::collections::BTreeSet;

/// Every namespace that a listener can be told to serve.
pub const NAMESPACES: &[&str] = &[
    "admin", "anvil", "debug", "erigon", "eth", "evm", "hardhat", "net", "ots", "personal",
    "tenderly", "trace", "txpool", "web3", "weft",
];

/// What a public listener serves at most.
const PUBLIC: &[&str] = &["eth", "net", "web3", "weft"];

/// Describes the server itself, on every listener.
const ALWAYS: &str = "rpc";

/// The rule of one listener.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    namespaces: BTreeSet<String>,
    public: bool,
}

impl Served {
    /// The rule that follows from the configuration. No namespaces in it means all.
    ///
    /// # Errors
    /// [`RpcError::Namespace`] for a name that does not exist or that this listener must not serve.
    pub(crate) fn new(config: &RpcConfig) -> Result<Self, RpcError> {
        let refuse = |namespace: &str, reason: String| {
            Err(RpcError::Namespace { namespace: namespace.to_owned(), reason })
        };
        for name in &config.namespaces {
            if !NAMESPACES.contains(&name.as_str()) {
                return refuse(name, format!("expected one of {}", NAMESPACES.join(", ")));
            }
            if config.public && !PUBLIC.contains(&name.as_str()) {
                let allowed = PUBLIC.join(", ");
                return refuse(name, format!("a public listener serves at most {allowed}"));
            }
        }
        let asked = |name: &&&str| {
            config.namespaces.is_empty() || config.namespaces.iter().any(|asked| asked == **name)
        };
        let all = if config.public { PUBLIC } else { NAMESPACES };
        let mut namespaces: BTreeSet<String> =
            all.iter().filter(asked).map(|name| (*name).to_owned()).collect();
        // A page in a browser, or another machine, must not choose the node's peers.
        let open = config.cors.iter().any(|origin| origin == "*");
        if !config.listen.ip().is_loopback() || open {
            namespaces.remove("admin");
        }
        namespaces.insert(ALWAYS.to_owned());
        Ok(Self { namespaces, public: config.public })
    }

    /// Whether strangers call here.
    pub(crate) const fn is_public(&self) -> bool {
        self.public
    }

    /// Why a method that exists is not served, if so.
    pub(crate) fn refusal(&self, method: &str) -> Option<String> {
        let namespace = namespace_of(method);
        if !self.namespaces.contains(namespace) {
            let reason = match namespace {
                "admin" => {
                    "admin methods are served on loopback listeners only, that are not public and do not allow every origin".to_owned()
                }
                _ if self.public => "it is a public listener".to_owned(),
                _ => format!("{namespace:?} is not among rpc.namespaces"),
            };
            return Some(format!("the method {method} is not served on this listener: {reason}"));
        }
        // What nobody has described is not for strangers either.
        let for_strangers = catalogue::find(method).is_some_and(|method| method.public);
        (self.public && !for_strangers).then(|| {
            format!("the method {method} is not served on this listener: it is a public listener")
        })
    }

    /// The described methods that are served.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &'static catalogue::Method> {
        catalogue::methods().filter(|method| self.refusal(method.name).is_none())
    }

    /// The namespaces with at least one method that is served.
    pub(crate) fn modules(&self) -> BTreeSet<&'static str> {
        self.methods().map(catalogue::Method::namespace).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut RpcConfig)) -> RpcConfig {
        let mut config = RpcConfig::new("127.0.0.1:0".parse().unwrap());
        change(&mut config);
        config
    }

    fn serves(config: &RpcConfig, method: &str) -> bool {
        Served::new(config).unwrap().refusal(method).is_none()
    }

    #[test]
    fn a_public_listener_serves_neither_pool_nor_peers_nor_unknown_names() {
        let public = config(|config| config.public = true);
        for served in ["eth_call", "net_version", "web3_sha3", "weft_chainInfo", "rpc.discover"] {
            assert!(serves(&public, served), "{served}");
        }
        for hidden in [
            "txpool_status",
            "eth_newPendingTransactionFilter",
            "weft_peers",
            "admin_peers",
            "debug_traceCall",
            "trace_block",
            "anvil_setBalance",
            "eth_neverDescribed",
        ] {
            assert!(!serves(&public, hidden), "{hidden}");
        }
    }

    #[test]
    fn admin_is_for_loopback_listeners_that_not_every_page_may_call() {
        assert!(serves(&config(|_| ()), "admin_peers"));
        let reachable = config(|config| config.listen = "0.0.0.0:0".parse().unwrap());
        assert!(!serves(&reachable, "admin_peers"));
        let open = config(|config| config.cors = vec!["*".to_owned()]);
        assert!(!serves(&open, "admin_peers"));
        assert!(Served::new(&open).unwrap().refusal("admin_peers").unwrap().contains("loopback"));
    }

    #[test]
    fn only_the_chosen_namespaces_are_served_and_impossible_ones_are_refused() {
        let some = config(|config| config.namespaces = vec!["eth".to_owned(), "net".to_owned()]);
        assert!(serves(&some, "eth_call") && serves(&some, "rpc_modules"));
        assert!(!serves(&some, "weft_chainInfo") && !serves(&some, "txpool_status"));
        let modules = Served::new(&some).unwrap().modules();
        assert_eq!(modules.into_iter().collect::<Vec<_>>(), ["eth", "net", "rpc"]);
        let unknown = config(|config| config.namespaces = vec!["ethh".to_owned()]);
        assert!(matches!(Served::new(&unknown), Err(RpcError::Namespace { .. })));
        let debug = config(|config| {
            config.public = true;
            config.namespaces = vec!["debug".to_owned()];
        });
        assert!(matches!(Served::new(&debug), Err(RpcError::Namespace { .. })));
    }
}
