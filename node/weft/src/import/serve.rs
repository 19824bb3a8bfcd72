//! `weft serve`: the RPC of an imported chain, read-only. There is no consensus and no network: the
//! head stands still, and a transaction that somebody sends stays in the pool.

use super::{open_store, read_genesis};
use crate::config::Config;
use crate::failure::{ExitStatus, Failure};
use crate::home::Home;
use crate::listeners::port_in_use;
use crate::node::{runtime, stop_signal};
use crate::{logging, say};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use weft_evm::Forks;
use weft_pool::{Pool, PoolLimits};
use weft_rpc::{RpcBackend, RpcConfig, RpcError, RpcServer, StateRoots};
use weft_store::Store;
use weft_types::{ChainParams, ValidatorSet};

/// Flags of `weft serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Home that weft import made
    #[arg(long, env = "WEFT_HOME")]
    pub home: PathBuf,
    /// Address for RPC, instead of the configured one
    #[arg(long, value_name = "ADDR:PORT")]
    pub rpc: Option<SocketAddr>,
}

/// `weft serve`.
///
/// # Errors
/// [`Failure`] when the home holds no imported chain or the address is taken.
pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    let home = Home::new(&args.home);
    if !home.ethereum().exists() {
        return Err(Failure::new(ExitStatus::Config, "this home holds no imported chain")
            .fact("home", home.root().display())
            .fix("weft import GENESIS CHAIN --trust-state-roots --home DIR makes one; weft node runs a chain of Weft"));
    }
    let config = Config::read(&home.config())?;
    logging::start(&config.log)?;
    let chain = read_genesis(&home.ethereum())?;
    let store = open_store(&home, &chain, config.state.store_options())?;
    let served = Served { store: &store, forks: chain.forks(), roots: None };
    until_stopped(&served, args.rpc.unwrap_or(config.rpc.listen))
}

/// A chain to serve.
pub struct Served<'a> {
    /// Its blocks and states.
    pub store: &'a Arc<Store>,
    /// Its forks.
    pub forks: &'a Forks,
    /// Roots of simulated blocks; without them they are zero.
    pub roots: Option<Arc<dyn StateRoots>>,
}

/// Serves a store until a signal comes.
pub(super) fn until_stopped(served: &Served<'_>, listen: SocketAddr) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let server = start(served, RpcConfig::new(listen)).await?;
        say(&format!("serving   http://{}\n", server.local_addr()))?;
        stop_signal().await;
        server.stop().await;
        Ok(())
    })
}

/// Starts a server in front of an imported chain.
///
/// # Errors
/// [`Failure`] when the address is taken.
pub async fn start(served: &Served<'_>, config: RpcConfig) -> Result<RpcServer, Failure> {
    let Served { store, forks, roots } = served;
    let head = store.head();
    let params = ChainParams {
        chain_id: forks.chain_id(),
        gas_limit: head.block.header().gas_limit,
        devnet_cheats: false,
        ..ChainParams::devnet()
    };
    let pool = Arc::new(Pool::new(forks.chain_id(), PoolLimits::default()));
    let backend = RpcBackend {
        forks: Arc::new(Forks::clone(forks)),
        state_roots: roots.clone(),
        ..RpcBackend::offline(Arc::clone(store), pool, &params, &ValidatorSet::none())
    };
    weft_rpc::serve(config, backend).await.map_err(|error| match error {
        RpcError::PortInUse { address } => port_in_use(address),
        other => Failure::new(ExitStatus::Unexpected, "RPC cannot be served").fact("cause", other),
    })
}
