//! One node: its parts, wired and kept alive.

use crate::chain::{Chain, Committed};
use crate::cli::NodeArgs;
use crate::config::{Config, LogSync};
use crate::consensus_log::{ConsensusLog, LogError};
use crate::driver::{Driver, DriverEnd, DriverParts, Event, Pace};
use crate::failure::{ExitStatus, Failure};
use crate::home::Home;
use crate::network::{self, Network, NetworkParts};
use crate::{execution, logging};
use alloy_primitives::B256;
use ed25519_dalek::SigningKey;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::{broadcast, oneshot};
use weft_consensus::{Consensus, ConsensusConfig};
use weft_evm::Executor;
use weft_genesis::Genesis;
use weft_pool::{Pool, PoolLimits};
use weft_rpc::{HeadEvent, RpcBackend, RpcConfig, RpcError, RpcServer};
use weft_store::{GenesisState, Store, StoreError, StoreOptions};
use weft_types::Height;

/// Events that may wait for the driver. Gossip is dropped beyond; it is repeated.
const EVENTS_MAX: usize = 8192;

/// What a node is started from.
pub struct NodeSetup {
    /// Its folder.
    pub home: Home,
    /// The chain.
    pub genesis: Arc<Genesis>,
    /// What this node chooses for itself.
    pub config: Config,
    /// Signs votes and blocks; `None` in a node that only follows.
    pub key: Option<SigningKey>,
    /// Shared by the validators of one process.
    pub executor: Arc<Executor>,
    /// Sizes of the store.
    pub store: StoreOptions,
    /// A local devnet: conveniences on, limits per address off.
    pub devnet: bool,
    /// Told about every block, with the time it took from the start of its height.
    pub on_block: Box<dyn Fn(&Committed, Duration) + Send>,
}

/// A node that runs.
pub struct RunningNode {
    /// Where RPC listens.
    pub rpc_address: SocketAddr,
    /// The store, for those in the same process.
    pub store: Arc<Store>,
    rpc: RpcServer,
    events: SyncSender<Event>,
    driver: Option<std::thread::JoinHandle<()>>,
    execution: Option<std::thread::JoinHandle<()>>,
    network: Network,
    ended: oneshot::Receiver<DriverEnd>,
}

impl RunningNode {
    /// Opens the data, joins the network and serves RPC.
    ///
    /// # Errors
    /// [`Failure`] when a part cannot start; nothing is left running.
    pub async fn start(setup: NodeSetup) -> Result<Self, Failure> {
        let NodeSetup { home, genesis, config, key, executor, store, devnet, on_block } = setup;
        let store = open_store(&home, &genesis, store)?;
        let log = open_log(&home)?;
        let pool = Arc::new(Pool::new(genesis.params.chain_id, pool_limits(&config)));
        let fee_recipient = config.node.fee_recipient.unwrap_or_else(|| {
            key.as_ref().map_or(alloy_primitives::Address::ZERO, |key| {
                weft_types::params::default_fee_recipient(&key.verifying_key().to_bytes())
            })
        });
        let chain = Arc::new(Chain::new(
            Arc::clone(&store),
            executor,
            Arc::clone(&pool),
            genesis.params.clone(),
            fee_recipient,
        ));
        let (events, inbox) = sync_channel(EVENTS_MAX);
        let working_height = Arc::new(AtomicU64::new(store.head().block.height().next().0));
        let network = network::start(NetworkParts {
            config: &config,
            node_key: network::load_node_key(&home.node_key())?,
            genesis: &genesis,
            store: Arc::clone(&store),
            pool: Arc::clone(&pool),
            events: events.clone(),
            working_height: Arc::clone(&working_height),
            devnet,
        })
        .await?;
        let heads = weft_rpc::heads_channel();
        let rpc =
            serve_rpc(&config, &genesis, &store, &pool, &heads, &network, &events, devnet).await?;
        let (jobs, execution) = execution::start(Arc::clone(&chain), events.clone())
            .map_err(|error| Failure::new(ExitStatus::Unexpected, error.to_string()))?;
        let timeouts = genesis.params.timeouts.clone();
        let guard = log.guard().map_err(|error| damaged(&home.consensus(), &error.to_string()))?;
        let decided = store.head().block.height();
        let consensus = Consensus::new(
            ConsensusConfig {
                genesis_hash: genesis.hash(),
                validators: genesis.validators.clone(),
                timeouts,
                key: key.clone(),
                sign_from: Height(0),
            },
            decided,
            guard,
        );
        let driver = Driver::new(DriverParts {
            consensus,
            log,
            log_sync: config.consensus.log_sync == LogSync::Always,
            chain,
            jobs,
            network: network.clone(),
            validators: genesis.validators.clone(),
            genesis_hash: genesis.hash(),
            key,
            pace: Pace {
                interval: Duration::from_millis(genesis.params.block_interval_ms),
                empty_interval: Duration::from_millis(genesis.params.empty_block_interval_ms),
            },
            working_height,
            has_transactions: Box::new(move || pool.ready_count() > 0),
            on_head: Box::new(move |committed, finality| {
                on_block(committed, finality);
                announce(&heads, committed);
            }),
        });
        let (end, ended) = oneshot::channel();
        let driver = std::thread::Builder::new()
            .name("weft-driver".into())
            .spawn(move || {
                let _ = end.send(driver.run(&inbox));
            })
            .map_err(|error| Failure::new(ExitStatus::Unexpected, error.to_string()))?;
        Ok(Self {
            rpc_address: rpc.local_addr(),
            store,
            rpc,
            events,
            driver: Some(driver),
            execution: Some(execution),
            network,
            ended,
        })
    }

    /// Waits until the node ends by itself: always a failure.
    pub async fn ended(&mut self) -> Failure {
        match (&mut self.ended).await {
            Ok(DriverEnd::Storage(reason)) => {
                Failure::new(ExitStatus::Damaged, "the node stopped: a disk operation failed")
                    .fact("cause", reason)
                    .fix("check the disk and its free space, then start again: nothing acknowledged is lost")
            }
            Ok(DriverEnd::Unsafe(reason)) => {
                Failure::new(ExitStatus::Unsafe, "the node stopped: signing on would be unsafe")
                    .fact("cause", reason)
                    .fix("make sure that no other process uses this validator key before starting again")
            }
            Ok(DriverEnd::Divergence(reason)) => {
                Failure::new(ExitStatus::Divergence, "the node stopped: it disagrees with two thirds")
                    .fact("cause", reason)
                    .fix("keep the home as it is and report this; the database holds the state before the block")
            }
            Ok(DriverEnd::Shutdown) | Err(_) => {
                Failure::new(ExitStatus::Unexpected, "the node's driver ended unexpectedly")
            }
        }
    }

    /// Stops everything, in the order that loses nothing.
    pub async fn stop(mut self) {
        self.rpc.stop().await;
        // A full queue is drained by the driver, so the blocking send ends.
        let events = self.events.clone();
        let threads = (self.driver.take(), self.execution.take());
        let joined = tokio::task::spawn_blocking(move || {
            let _ = events.send(Event::Shutdown);
            drop(events);
            for thread in [threads.0, threads.1].into_iter().flatten() {
                let _ = thread.join();
            }
        });
        self.network.stop().await;
        let _ = joined.await;
    }
}

fn announce(heads: &broadcast::Sender<Arc<HeadEvent>>, committed: &Committed) {
    let block = Arc::clone(&committed.head.block);
    let receipts = committed.prepared.executed.receipts.clone();
    // No subscriber is no error.
    let _ = heads.send(Arc::new(HeadEvent { block, receipts }));
}

#[allow(clippy::too_many_arguments)] // each is one part of the node, used once
async fn serve_rpc(
    config: &Config,
    genesis: &Genesis,
    store: &Arc<Store>,
    pool: &Arc<Pool>,
    heads: &broadcast::Sender<Arc<HeadEvent>>,
    network: &Network,
    events: &SyncSender<Event>,
    devnet: bool,
) -> Result<RpcServer, Failure> {
    let section = &config.rpc;
    let rpc = RpcConfig {
        cors: section.cors.clone(),
        gas_cap: section.gas_cap,
        logs_blocks_max: section.logs_max_blocks,
        logs_results_max: section.logs_max_results,
        sync_timeout_ms: section.sync_timeout_ms,
        batch_max: section.max_batch as usize,
        devnet,
        ..RpcConfig::new(section.listen)
    };
    let (gossip, wake) = (network.clone(), events.clone());
    let (status, peers) = (network.clone(), network.clone());
    let backend = RpcBackend {
        store: Arc::clone(store),
        pool: Arc::clone(pool),
        params: genesis.params.clone(),
        validators: Arc::new(genesis.validators.clone()),
        heads: heads.clone(),
        submit: Arc::new(move |transaction| {
            gossip.gossip_transaction(&transaction);
            let _ = wake.try_send(Event::Transactions);
        }),
        sync_status: Arc::new(move || status.sync_status()),
        peer_count: Arc::new(move || peers.peer_count()),
    };
    weft_rpc::serve(rpc, backend).await.map_err(|error| match error {
        RpcError::PortInUse { address } => port_in_use(address),
        other => Failure::new(ExitStatus::Unexpected, "RPC cannot be served").fact("cause", other),
    })
}

/// The failure for a taken RPC port.
#[must_use]
pub fn port_in_use(address: SocketAddr) -> Failure {
    let next = address.port().saturating_add(1000);
    Failure::new(
        ExitStatus::Busy,
        format!("port {} is already in use on {}", address.port(), address.ip()),
    )
    .fix(format!("choose another port (weft devnet --port {next}, weft node --rpc {}:{next}), or stop the process that holds it", address.ip()))
}

fn pool_limits(config: &Config) -> PoolLimits {
    PoolLimits {
        transactions: config.pool.max_transactions,
        per_sender: config.pool.per_sender,
        price_bump_percent: u128::from(config.pool.price_bump_percent),
        ..PoolLimits::default()
    }
}

fn open_store(
    home: &Home,
    genesis: &Genesis,
    options: StoreOptions,
) -> Result<Arc<Store>, Failure> {
    let state = GenesisState { block: &genesis.block, diff: &genesis.diff };
    Store::open(&home.database(), state, options).map_err(|error| match error {
        StoreError::Locked { .. } => home_in_use(home),
        StoreError::WrongGenesis { expected, found } => {
            Failure::new(ExitStatus::Unsafe, "this home belongs to another chain")
                .fact("home", format!("{}  genesis {found}", home.root().display()))
                .fact("asked", format!("genesis {expected}  chain {}", genesis.params.chain_id))
                .fix("use the genesis.json that this home was made with, or another home (nothing was changed)")
        }
        other => damaged(&home.database(), &other.to_string()),
    })
}

fn open_log(home: &Home) -> Result<ConsensusLog, Failure> {
    ConsensusLog::open(&home.consensus()).map_err(|error| match error {
        LogError::Locked { .. } => home_in_use(home),
        other => damaged(&home.consensus(), &other.to_string()),
    })
}

fn home_in_use(home: &Home) -> Failure {
    Failure::new(ExitStatus::Busy, "this home is in use by another process")
        .fact("home", home.root().display())
        .fix("stop the other node, or choose another home")
}

fn damaged(path: &Path, cause: &str) -> Failure {
    Failure::new(ExitStatus::Damaged, "a database cannot be opened")
        .fact("folder", path.display())
        .fact("cause", cause)
        .fix("restore the home from a backup, or start a new one: the node catches up from its peers")
}

/// `weft db check`.
///
/// # Errors
/// [`Failure`] naming what is damaged.
pub fn check_database(home: &Home) -> Result<B256, Failure> {
    let genesis = home.read_genesis()?;
    let store = open_store(home, &genesis, StoreOptions::node())?;
    store.verify().map_err(|error| damaged(&home.database(), &error.to_string()))
}

/// `weft node`: runs until a signal or a failure.
///
/// # Errors
/// [`Failure`] when the node cannot start or stops by itself.
pub fn run(args: &NodeArgs) -> Result<(), Failure> {
    let home = Home::new(&args.home);
    let mut config = Config::read(&home.config())?;
    if let Some(listen) = args.rpc {
        config.rpc.listen = listen;
    }
    if let Some(listen) = &args.p2p {
        config.p2p.listen.clone_from(listen);
    }
    if let Some(workers) = args.workers {
        config.node.workers = workers;
    }
    if let Some(level) = &args.log {
        config.log.level.clone_from(level);
    }
    logging::start(&config.log)?;
    let genesis = Arc::new(home.read_genesis()?);
    let key = home.read_validator_key()?;
    let executor = Arc::new(Executor::new(config.node.workers));
    let moniker = config.node.moniker.clone();
    runtime()?.block_on(async move {
        let (chain_id, validator) = (genesis.params.chain_id, key.is_some());
        let mut node = RunningNode::start(NodeSetup {
            home,
            genesis: Arc::clone(&genesis),
            config,
            key,
            executor,
            store: StoreOptions::node(),
            devnet: false,
            on_block: Box::new(|committed, finality| {
                let header = committed.head.block.header();
                tracing::info!(
                    height = header.number,
                    transactions = committed.head.block.transactions().len(),
                    gas = header.gas_used,
                    finality_ms = finality.as_millis() as u64,
                    "block"
                );
            }),
        })
        .await?;
        tracing::info!(
            rpc = %node.rpc_address, %moniker, chain_id, validator, genesis = %genesis.hash(),
            height = node.store.head().block.height().0, "node is ready"
        );
        let result = tokio::select! {
            failure = node.ended() => Err(failure),
            () = stop_signal() => Ok(()),
        };
        node.stop().await;
        result
    })
}

/// The process's async runtime.
///
/// # Errors
/// [`Failure`] when the operating system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(ExitStatus::Unexpected, error.to_string()))
}

/// Ends with SIGINT or SIGTERM.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
