//! One node: its parts, wired and kept alive.

use crate::chain::{Chain, Committed};
use crate::cli::NodeArgs;
use crate::config::{Config, LogSync, RpcProfile};
use crate::consensus_log::{ConsensusLog, LogError};
use crate::control::Control;
use crate::database::damaged;
use crate::driver::{Driver, DriverEnd, DriverParts, Event, OnBlock, Pace};
use crate::failure::{ExitStatus, Failure};
use crate::home::Home;
use crate::network::{self, Network, NetworkParts};
use crate::snapshot::automatic;
use crate::view::View;
use crate::watch::ConsensusWatch;
use crate::{execution, listeners, logging};
use alloy_primitives::Address;
use ed25519_dalek::SigningKey;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::{broadcast, oneshot, watch};
use weft_consensus::{Consensus, ConsensusConfig};
use weft_evm::Executor;
use weft_genesis::Genesis;
use weft_pool::{Pool, PoolLimits, Senders};
use weft_rpc::{HeadEvent, RpcBackend, RpcServer, UnlockedAccounts};
use weft_store::{GenesisState, Store, StoreError, StoreOptions};
use weft_types::params::default_fee_recipient;
use weft_types::{Height, ValidatorAddress};

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
    /// Shared by the pools of the validators of one process.
    pub senders: Option<Arc<Senders>>,
    /// Sizes of the store.
    pub store: StoreOptions,
    /// Sign although the log of what was signed is gone.
    pub reset_signing: bool,
    /// A local devnet: conveniences on, limits per address off.
    pub devnet: bool,
    /// Hears the console lines of contracts; none outside of a devnet.
    pub console: Option<weft_rpc::ConsoleSink>,
    /// Accounts that sign for callers: none but on a devnet.
    pub accounts: Arc<UnlockedAccounts>,
    /// What accounts and places are called.
    pub names: Arc<weft_rpc::Names>,
    /// Told about every block, with the time it took from the start of its height.
    pub on_block: OnBlock,
}

/// A node that runs.
pub struct RunningNode {
    /// Where RPC listens.
    pub rpc_address: SocketAddr,
    /// The store, for those in the same process.
    pub store: Arc<Store>,
    rpc: Vec<RpcServer>,
    events: SyncSender<Event>,
    network: Network,
    threads: Threads,
    control: Option<Control>,
}

/// The driver's and the execution thread.
struct Threads {
    driver: std::thread::JoinHandle<()>,
    execution: std::thread::JoinHandle<()>,
    /// Takes snapshots, when the configuration asks for them.
    snapshots: Option<std::thread::JoinHandle<()>>,
    ended: oneshot::Receiver<DriverEnd>,
    /// Ends the driver whatever waits in its queue.
    stop: Arc<AtomicBool>,
}

/// What the driver is made of, besides the setup.
struct Parts {
    store: Arc<Store>,
    log: ConsensusLog,
    sign_from: Height,
    pool: Arc<Pool>,
    heads: broadcast::Sender<Arc<HeadEvent>>,
    pool_changed: watch::Sender<()>,
    watch: Arc<ConsensusWatch>,
}

impl RunningNode {
    /// Opens the data, joins the network and serves RPC.
    ///
    /// # Errors
    /// [`Failure`] when a part cannot start; nothing is left running.
    pub async fn start(setup: NodeSetup) -> Result<Self, Failure> {
        let store = open_store(&setup.home, &setup.genesis, setup.store.clone())?;
        let log = open_log(&setup.home)?;
        let sign_from = first_height_to_sign(&setup, &log, store.head().block.height())?;
        let limits = pool_limits(&setup.config);
        let pool = Pool::new(setup.genesis.params.chain_id, limits);
        let pool = Arc::new(match &setup.senders {
            Some(senders) => pool.sharing(Arc::clone(senders)),
            None => pool,
        });
        let (events, inbox) = sync_channel(EVENTS_MAX);
        let pool_changed = watch::Sender::default();
        let network = network::start(NetworkParts {
            config: &setup.config,
            node_key: network::load_node_key(&setup.home.node_key())?,
            genesis: &setup.genesis,
            store: Arc::clone(&store),
            pool: Arc::clone(&pool),
            pool_changed: pool_changed.clone(),
            events: events.clone(),
            devnet: setup.devnet,
        })
        .await?;
        let heads = weft_rpc::heads_channel();
        let consensus = weft_rpc::consensus_channel();
        let validators = setup.genesis.validators.clone();
        let head = store.head().block.height();
        let watch = Arc::new(ConsensusWatch::new(validators, head, consensus.clone()));
        let backend = RpcBackend {
            heads: heads.clone(),
            consensus,
            pool_changed: pool_changed.clone(),
            node: Arc::new(view(&setup, &network, &watch)),
            ..rpc_backend(&setup, &store, &pool, &network, &events)
        };
        let rpc = match listeners::serve(&setup, &backend).await {
            Ok(rpc) => rpc,
            Err(failure) => {
                network.stop().await;
                return Err(failure);
            }
        };
        let rpc_address = rpc[0].local_addr();
        let control =
            Control::start(&setup.home, Arc::clone(&store), setup.genesis.params.chain_id);
        let store_of_threads = Arc::clone(&store);
        let parts =
            Parts { store: store_of_threads, log, sign_from, pool, heads, pool_changed, watch };
        let threads = start_threads(setup, parts, &network, &events, inbox)?;
        Ok(Self { rpc_address, store, rpc, events, network, threads, control })
    }

    /// Waits until the node ends by itself: always a failure.
    pub async fn ended(&mut self) -> Failure {
        match (&mut self.threads.ended).await {
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
            Ok(DriverEnd::Panicked(thread)) => {
                Failure::new(ExitStatus::Unexpected, "the node stopped: a part of it panicked")
                    .fact("thread", thread)
                    .fix("report this with the log; nothing acknowledged is lost")
            }
            Ok(DriverEnd::Shutdown) | Err(_) => {
                Failure::new(ExitStatus::Unexpected, "the node's driver ended unexpectedly")
            }
        }
    }

    /// Stops everything, in the order that loses nothing.
    pub async fn stop(self) {
        for server in self.rpc {
            server.stop().await;
        }
        if let Some(control) = self.control {
            control.stop().await;
        }
        let Threads { driver, execution, snapshots, stop, .. } = self.threads;
        stop.store(true, Ordering::Release);
        let joined = tokio::task::spawn_blocking(move || {
            // Wakes the driver; a full queue means that it is awake.
            let _ = self.events.try_send(Event::Shutdown);
            let _ = driver.join();
            let _ = execution.join();
            let _ = snapshots.map(std::thread::JoinHandle::join);
        });
        self.network.stop().await;
        let _ = joined.await;
    }
}

fn start_threads(
    setup: NodeSetup,
    parts: Parts,
    network: &Network,
    events: &SyncSender<Event>,
    inbox: Receiver<Event>,
) -> Result<Threads, Failure> {
    let NodeSetup { home, genesis, config, key, executor, on_block, .. } = setup;
    let Parts { store, log, sign_from, pool, heads, pool_changed, watch } = parts;
    let no_thread = |error: std::io::Error| {
        Failure::new(ExitStatus::Unexpected, "a thread cannot be started").fact("cause", error)
    };
    let fee_recipient = fee_recipient(&config, key.as_ref());
    let decided = store.head().block.height();
    let unreadable = |error: LogError| damaged(&home.consensus(), &error.to_string());
    let guard = log.guard().map_err(unreadable)?;
    let log_is_fresh = log.is_fresh().map_err(unreadable)?;
    let (due, snapshots) = snapshots(&home, &store, &config).map_err(no_thread)?.unzip();
    let params = genesis.params.clone();
    let ready = Arc::clone(&pool);
    let chain = Arc::new(Chain::new(store, executor, pool, params, fee_recipient));
    chain.recall_commands();
    let commanded = Arc::clone(&chain);
    let (jobs, execution) =
        execution::start(Arc::clone(&chain), events.clone()).map_err(no_thread)?;
    let consensus = ConsensusConfig {
        genesis_hash: genesis.hash(),
        validators: genesis.validators.clone(),
        timeouts: genesis.params.timeouts.clone(),
        key: key.clone(),
        sign_from,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let driver = Driver::new(DriverParts {
        consensus: Consensus::new(consensus, decided, guard),
        log,
        log_is_fresh,
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
        stop: Arc::clone(&stop),
        watch,
        has_transactions: Box::new(move || ready.ready_count() > 0),
        has_commands: Box::new(move || commanded.has_commands()),
        on_head: Box::new(move |committed, finality| {
            on_block(committed, finality);
            announce(&heads, committed);
            // Some that waited may be ready now.
            pool_changed.send_replace(());
            if let Some(due) = &due {
                due.on_head(committed.head.block.height().0);
            }
        }),
    });
    let (end, ended) = oneshot::channel();
    let run = move || {
        let _ = end.send(driver.run(&inbox));
    };
    let driver = std::thread::Builder::new().name("weft-driver".into()).spawn(run);
    Ok(Threads { driver: driver.map_err(no_thread)?, execution, snapshots, ended, stop })
}

/// Who gets the fees of the blocks that this node proposes.
fn fee_recipient(config: &Config, key: Option<&SigningKey>) -> Address {
    let own =
        || key.map_or(Address::ZERO, |key| default_fee_recipient(&key.verifying_key().to_bytes()));
    config.node.fee_recipient.unwrap_or_else(own)
}

/// Starts what takes snapshots by itself, if the configuration asks for it.
fn snapshots(
    home: &Home,
    store: &Arc<Store>,
    config: &Config,
) -> std::io::Result<Option<(automatic::Due, std::thread::JoinHandle<()>)>> {
    let (interval, keep) = (config.state.snapshot_interval, config.state.snapshots_kept);
    if interval == 0 {
        return Ok(None);
    }
    let parent = home.snapshots().join(automatic::FOLDER);
    automatic::start(parent, Arc::clone(store), interval, keep).map(Some)
}

fn announce(heads: &broadcast::Sender<Arc<HeadEvent>>, committed: &Committed) {
    let block = Arc::clone(&committed.head.block);
    let receipts = committed.prepared.executed.receipts.clone();
    // No subscriber is no error.
    let _ = heads.send(Arc::new(HeadEvent { block, receipts }));
}

/// What RPC works with, but for the feeds.
fn rpc_backend(
    setup: &NodeSetup,
    store: &Arc<Store>,
    pool: &Arc<Pool>,
    network: &Network,
    events: &SyncSender<Event>,
) -> RpcBackend {
    let (gossip, wake) = (network.clone(), events.clone());
    let (status, peers) = (network.clone(), network.clone());
    let (params, validators) = (&setup.genesis.params, &setup.genesis.validators);
    RpcBackend {
        submit: Arc::new(move |transactions| {
            gossip.gossip_transactions(transactions);
            // When the driver's queue is full it is busy, and looks at the pool afterwards.
            let _ = wake.try_send(Event::Transactions);
        }),
        sync_status: Arc::new(move || status.sync_status()),
        peer_count: Arc::new(move || peers.peer_count()),
        devnet: development(setup, network, events),
        ..RpcBackend::offline(Arc::clone(store), Arc::clone(pool), params, validators)
    }
}

fn view(setup: &NodeSetup, network: &Network, watch: &Arc<ConsensusWatch>) -> View {
    let address =
        |key: &SigningKey| ValidatorAddress::from_public_key(&key.verifying_key().to_bytes());
    View {
        network: network.clone(),
        watch: Arc::clone(watch),
        moniker: setup.config.node.moniker.clone(),
        validator: setup.key.as_ref().map(address),
    }
}

/// What RPC offers on a development chain only.
fn development(
    setup: &NodeSetup,
    network: &Network,
    events: &SyncSender<Event>,
) -> weft_rpc::Devnet {
    let (gossip, wake) = (network.clone(), events.clone());
    let submit = move |command: weft_types::Command| {
        gossip.gossip_command(&command);
        let _ = wake.try_send(Event::Transactions);
    };
    weft_rpc::Devnet {
        submit_command: setup.genesis.params.devnet_cheats.then(|| Arc::new(submit) as _),
        accounts: Arc::clone(&setup.accounts),
    }
}

fn pool_limits(config: &Config) -> PoolLimits {
    PoolLimits {
        transactions: config.pool.max_transactions,
        per_sender: config.pool.per_sender,
        price_bump_percent: u128::from(config.pool.price_bump_percent),
        lifetime_s: config.pool.lifetime_s,
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

/// A validator whose database is older than its log may have signed for the next height already:
/// it must not sign again before that height is decided.
fn first_height_to_sign(
    setup: &NodeSetup,
    log: &ConsensusLog,
    head: Height,
) -> Result<Height, Failure> {
    let unreadable = |e: LogError| damaged(&setup.home.consensus(), &e.to_string());
    let fresh = log.is_fresh().map_err(unreadable)?;
    let signed = log.guard().map_err(unreadable)?.map_or(Height(0), |guard| guard.point.height);
    if signed > head.next() {
        tracing::warn!(%head, %signed, "the database is older than what was signed");
        return Ok(signed.next());
    }
    if setup.key.is_none() || !fresh || head == Height(0) {
        return Ok(Height(0));
    }
    if setup.reset_signing {
        let from = head.next().next();
        tracing::warn!(%from, "signing without a log of what was signed");
        return Ok(from);
    }
    Err(Failure::new(ExitStatus::Unsafe, "refusing to sign: the log of what was signed is gone")
        .fact("home", setup.home.root().display())
        .fact("height", format!("{head} is committed, but the consensus log is empty"))
        .fix("restore the folder `consensus`; or, when no other process uses this key, start once with --unsafe-reset-signing"))
}

pub(crate) fn home_in_use(home: &Home) -> Failure {
    Failure::new(ExitStatus::Busy, "this home is in use by another process")
        .fact("home", home.root().display())
        .fix("stop the other node, or choose another home")
}

/// `weft node`: runs until a signal or a failure.
///
/// # Errors
/// [`Failure`] when the node cannot start or stops by itself.
pub fn run(args: &NodeArgs) -> Result<(), Failure> {
    let home = Home::new(&args.home);
    home.refuse_imported()?;
    let mut config = Config::read(&home.config())?;
    if let Some(listen) = args.rpc {
        config.rpc.listen = listen;
    }
    if args.public {
        config.rpc.profile = RpcProfile::Public;
    }
    if let Some(listen) = &args.p2p {
        config.p2p.listen.clone_from(listen);
    }
    if let Some(workers) = args.workers {
        config.node.workers = workers;
    }
    if let Some(level) = args.record {
        config.record.level = level;
    }
    if let Some(level) = &args.log {
        config.log.level.clone_from(level);
    }
    logging::start(&config.log)?;
    let genesis = Arc::new(home.read_genesis()?);
    let key = home.read_validator_key()?;
    let level = config.record.level.of_executor();
    let executor = Arc::new(Executor::new(config.node.workers).with_record(level));
    let moniker = config.node.moniker.clone();
    let reset_signing = args.unsafe_reset_signing;
    let store = config.state.store_options();
    runtime()?.block_on(async move {
        let (chain_id, validator) = (genesis.params.chain_id, key.is_some());
        let mut node = RunningNode::start(NodeSetup {
            home,
            genesis: Arc::clone(&genesis),
            config,
            key,
            executor,
            senders: None,
            store,
            reset_signing,
            devnet: false,
            console: None,
            accounts: Arc::default(),
            names: Arc::default(),
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
