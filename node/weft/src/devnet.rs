//! `weft devnet`: several validators in this process, funded accounts, a chain at once.

mod artifacts;
mod banner;
mod data;
mod names;

use crate::accounts::{FundedAccount, derive, ether};
use crate::chain::Committed;
use crate::cli::{BlockTime, DevnetArgs};
use crate::config::{Config, LogConfig};
use crate::failure::{ExitStatus, Failure};
use crate::home::Home;
use crate::keys;
use crate::node::{NodeSetup, RunningNode, runtime, stop_signal};
use crate::report::BlockReport;
use crate::testnet::{new_signing_key, validators};
use ed25519_dalek::SigningKey;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weft_evm::Executor;
use weft_genesis::{ChainSpec, Genesis};
use weft_pool::Senders;
use weft_record::names::Registry;
use weft_rpc::{ConsoleSink, Names, UnlockedAccounts};
use weft_store::StoreOptions;

/// Runs the devnet until a signal or a failure.
///
/// # Errors
/// [`Failure`] when it cannot start or a validator stops by itself.
pub fn run(args: &DevnetArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let level = args.log.clone();
    crate::logging::start(&LogConfig { level, ..LogConfig::default() })?;
    let folder = data::choose(args)?;
    let network = open_homes(args, &folder)?;
    runtime()?.block_on(async {
        let secrets: Vec<_> = network.accounts.iter().map(|account| account.secret).collect();
        let accounts = Arc::new(UnlockedAccounts::new(&secrets));
        let mut nodes = start_nodes(args, network.homes, &network.genesis, &accounts).await?;
        let screen = banner::Screen::new(args, &network.accounts, &network.genesis, &folder);
        let addresses: Vec<SocketAddr> = nodes.iter().map(|n| n.rpc_address).collect();
        screen.ready(&addresses, started.elapsed());
        let result = {
            let ends = nodes.iter_mut().map(|node| Box::pin(node.ended()));
            tokio::select! {
                (failure, _, _) = futures::future::select_all(ends) => Err(failure),
                () = stop_signal() => Ok(()),
            }
        };
        let height = nodes[0].store.head().block.height();
        futures::future::join_all(nodes.into_iter().map(RunningNode::stop)).await;
        screen.stopped(height, &folder);
        result
    })
}

struct Network {
    homes: Vec<(Home, SigningKey)>,
    genesis: Arc<Genesis>,
    accounts: Vec<FundedAccount>,
}

/// Opens the validators' homes, or makes them in a new folder.
fn open_homes(args: &DevnetArgs, folder: &Path) -> Result<Network, Failure> {
    let accounts = derive(&args.mnemonic, args.accounts)?;
    let first = validator_home(folder, 0);
    if !first.genesis().exists() {
        make_homes(args, folder, &accounts)?;
    }
    let genesis = Arc::new(first.read_genesis()?);
    let count = genesis.validators.len();
    let mut homes = Vec::with_capacity(count);
    for index in 0..count {
        let home = validator_home(folder, index);
        let key = keys::read_validator_key(&home.validator_key())?;
        homes.push((home, key));
    }
    Ok(Network { homes, genesis, accounts })
}

fn make_homes(args: &DevnetArgs, folder: &Path, accounts: &[FundedAccount]) -> Result<(), Failure> {
    let keys: Vec<SigningKey> = (0..args.validators).map(|_| new_signing_key()).collect();
    let funded: Vec<_> = accounts.iter().map(|a| (a.address, ether(args.balance))).collect();
    let mut spec = ChainSpec::devnet(validators(&keys), &funded);
    spec.params.chain_id = if args.fresh_chain_id { fresh_chain_id() } else { args.chain_id };
    spec.params.devnet_cheats = !args.no_cheats;
    if let BlockTime::Every(interval) = args.block_time {
        spec.params.block_interval_ms = interval.as_millis() as u64;
        spec.params.empty_block_interval_ms = spec.params.block_interval_ms;
    }
    spec.params.gas_limit = args.gas_limit;
    spec.timestamp = crate::chain::now_seconds();
    Genesis::new(spec.clone()).map_err(|error| {
        Failure::new(ExitStatus::Config, "this chain cannot be").fact("cause", error)
    })?;
    for (index, key) in keys.iter().enumerate() {
        let home = validator_home(folder, index);
        home.create(&Config::default(), &spec, Some(key))?;
    }
    Ok(())
}

/// A chain id that no earlier run had, as far as chance goes: wallets then know no nonces of it. Wallets take ids up to
/// 2^52, and people read short ones more easily.
fn fresh_chain_id() -> u64 {
    const LEAST: u64 = 1_000_000_000;
    LEAST + u64::from(rand::random::<u32>())
}

/// Senders that the validators tell each other.
const SENDERS_SHARED: usize = 65_536;

async fn start_nodes(
    args: &DevnetArgs,
    homes: Vec<(Home, SigningKey)>,
    genesis: &Arc<Genesis>,
    accounts: &Arc<UnlockedAccounts>,
) -> Result<Vec<RunningNode>, Failure> {
    let executor = Arc::new(Executor::new(args.workers));
    let senders = Arc::new(Senders::new(SENDERS_SHARED));
    let artifacts = args.artifacts.as_deref().map(artifacts::read).transpose()?.unwrap_or_default();
    let registry = Registry::with_developers().with_artifacts(&artifacts);
    let names = Arc::new(Names::new(registry));
    let mut addresses = Vec::with_capacity(homes.len());
    for (home, _) in &homes {
        let port = free_port()?;
        let id = crate::network::load_node_key(&home.node_key())?.public().to_peer_id();
        addresses.push((format!("/ip4/127.0.0.1/tcp/{port}"), id));
    }
    let mut nodes: Vec<RunningNode> = Vec::with_capacity(homes.len());
    for (index, (home, key)) in homes.into_iter().enumerate() {
        let mut config = Config::default();
        config.node.moniker = format!("validator{index}");
        config.node.workers = args.workers;
        config.record.level = crate::config::RecordLevel::Full;
        config.rpc.cors = vec!["*".into()];
        // All: the conveniences of a devnet too.
        config.rpc.namespaces = Vec::new();
        config.rpc.listen =
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), rpc_port(args.port, index)?);
        config.p2p.listen.clone_from(&addresses[index].0);
        let others = addresses.iter().enumerate().filter(|(other, _)| *other != index);
        config.p2p.peers = others.map(|(_, (address, id))| format!("{address}/p2p/{id}")).collect();
        let report = (index == 0).then(|| Arc::new(banner::BlockPrinter::new(args)));
        let printed = Arc::clone(&names);
        let console = report.clone().filter(|printer| printer.speaks());
        let started = RunningNode::start(NodeSetup {
            home,
            genesis: Arc::clone(genesis),
            config,
            key: Some(key),
            executor: Arc::clone(&executor),
            senders: Some(Arc::clone(&senders)),
            store: StoreOptions::devnet(),
            reset_signing: false,
            devnet: true,
            console: console.map(|printer| ConsoleSink::new(move |line| printer.console(line))),
            accounts: Arc::clone(accounts),
            names: Arc::clone(&names),
            on_block: Box::new(move |committed, finality| {
                if let Some(printer) = report.as_ref().filter(|printer| printer.speaks()) {
                    printer.print(&summary(committed, finality, &printed));
                }
            }),
        })
        .await;
        match started {
            Ok(node) => nodes.push(node),
            Err(failure) => {
                futures::future::join_all(nodes.into_iter().map(RunningNode::stop)).await;
                return Err(failure);
            }
        }
    }
    Ok(nodes)
}

fn summary(committed: &Committed, finality: Duration, names: &Names) -> BlockReport {
    let executed = &committed.prepared.executed;
    let (access, profile) = (&executed.access_record, &executed.profile);
    let mut report = BlockReport::new(&committed.head.block, access, profile, finality);
    if report.is_warm()
        && let Some(hottest) = &mut report.hottest
    {
        hottest.name = names::of(names, committed, &hottest.location);
    }
    report
}

fn rpc_port(first: u16, index: usize) -> Result<u16, Failure> {
    u16::try_from(usize::from(first) + index).map_err(|_| {
        Failure::new(ExitStatus::Config, format!("there is no port for validator {index}"))
            .fix("choose a lower --port")
    })
}

/// A port on loopback that is free now.
fn free_port() -> Result<u16, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| {
            Failure::new(ExitStatus::Busy, "no free port on loopback").fact("cause", error)
        })
}

/// The home of one validator.
fn validator_home(folder: &Path, index: usize) -> Home {
    Home::new(folder.join(format!("validator{index}")))
}
