//! The node's side of the network: judges what peers send, serves what they ask, and gives the
//! driver a way out.
//!
//! # Flow
//! `inbound` reads the network's events in order: votes, proposals and parts are verified on the
//! spot and handed to the driver; transactions go to the pool on blocking threads; requests are
//! answered from the store. [`Network`] is the way out, for any thread.

mod inbound;
mod known;
mod outbound;
mod serve;

use crate::assembly::{Assembly, PartsMessage};
use crate::config::Config;
use crate::driver::Event;
use crate::failure::{ExitStatus, Failure};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Instant;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use weft_consensus::{ConsensusMessage, LivenessMessage};
use weft_genesis::Genesis;
use weft_p2p::{
    Command, Handle, NetworkConfig, NetworkError, Offence, Request, Response, StatusMessage, Topic,
};
use weft_pool::Pool;
use weft_rpc::SyncStatus;
use weft_store::{Head, Store};

use weft_types::{B256, Height, RecoveredTransaction, Round, ValidatorAddress};

/// Requests whose transactions may wait to be gossiped; more are sent by the periodic repetition.
const OUTBOX_MAX: usize = 16 * 1024;

/// Commands that may wait for the network; gossip beyond is dropped, it will be repeated.
const COMMANDS_MAX: usize = 8 * 1024;

/// A node within so many blocks of the best known height is not syncing.
const SYNCED_WITHIN: u64 = 2;

/// What the network is started from.
pub struct NetworkParts<'a> {
    /// Listen address and peers.
    pub config: &'a Config,
    /// Names this node to its peers.
    pub node_key: Keypair,
    /// The chain.
    pub genesis: &'a Arc<Genesis>,
    /// Answers requests for blocks.
    pub store: Arc<Store>,
    /// Takes and gives transactions.
    pub pool: Arc<Pool>,
    /// Sent to when the pool has taken transactions of peers.
    pub pool_changed: watch::Sender<()>,
    /// The driver's queue.
    pub events: SyncSender<Event>,
    /// No limits per address on loopback.
    pub devnet: bool,
}

/// The way out to the peers. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    handle: Handle,
    commands: mpsc::Sender<Command>,
    tasks: Mutex<Vec<AbortHandle>>,
    runtime: tokio::runtime::Handle,
    genesis: Arc<Genesis>,
    store: Arc<Store>,
    pool: Arc<Pool>,
    pool_changed: watch::Sender<()>,
    events: SyncSender<Event>,
    /// Height and round that the consensus works on; written by the driver, read here as hints.
    working_height: AtomicU64,
    working_round: AtomicU64,
    /// Batches of gossiped transactions that may wait or be admitted.
    admissions: Arc<Semaphore>,
    /// Requests of peers that may be answered at the same time.
    answers: Arc<Semaphore>,
    outbox: mpsc::Sender<Vec<Arc<RecoveredTransaction>>>,
    /// Parts that arrived or were sent; written by the inbound task and the driver.
    assembly: Mutex<Assembly>,
    /// Best height that a peer claims which delivers; written by the driver, a hint.
    best_height: AtomicU64,
    starting_height: u64,
}

/// Joins the network.
///
/// # Errors
/// [`Failure`] when an address cannot be understood or is in use.
pub async fn start(parts: NetworkParts<'_>) -> Result<Network, Failure> {
    let listen = address(&parts.config.p2p.listen)?;
    let peers: Vec<Multiaddr> =
        parts.config.p2p.peers.iter().map(|peer| address(peer)).collect::<Result<_, _>>()?;
    let persistent = peers.len();
    let mut config = NetworkConfig::new(parts.node_key, listen, parts.genesis.hash());
    config.persistent_peers = peers;
    config.nodes_expected = parts.genesis.validators.len();
    config.devnet = parts.devnet;
    let (handle, events) = weft_p2p::start(config).await.map_err(network_failure)?;
    let (outbox, waiting) = mpsc::channel(OUTBOX_MAX);
    let (commands, queue) = mpsc::channel(COMMANDS_MAX);
    let height = parts.store.head().block.height().0;
    let network = Network {
        inner: Arc::new(Inner {
            handle: handle.clone(),
            commands,
            tasks: Mutex::new(Vec::new()),
            runtime: tokio::runtime::Handle::current(),
            genesis: Arc::clone(parts.genesis),
            store: parts.store,
            pool: parts.pool,
            pool_changed: parts.pool_changed,
            events: parts.events,
            working_height: AtomicU64::new(height + 1),
            working_round: AtomicU64::new(0),
            admissions: Arc::new(Semaphore::new(inbound::ADMISSIONS_WAITING)),
            answers: Arc::new(Semaphore::new(serve::ANSWERS_CONCURRENT)),
            outbox,
            assembly: Mutex::new(Assembly::default()),
            best_height: AtomicU64::new(height),
            starting_height: height,
        }),
    };
    let tasks = [
        tokio::spawn(inbound::run(network.clone(), events, persistent)),
        tokio::spawn(outbound::run(network.clone(), waiting)),
        tokio::spawn(outbound::forward(handle, queue)),
    ];
    network.inner.tasks.lock().extend(tasks.iter().map(tokio::task::JoinHandle::abort_handle));
    Ok(network)
}

impl Network {
    /// Gossips a vote or proposal.
    pub fn publish_consensus(&self, message: &ConsensusMessage) {
        self.publish(Topic::Consensus, message.encode());
    }

    /// Gossips a message that helps those who missed others.
    pub fn publish_liveness(&self, message: &LivenessMessage) {
        self.publish(Topic::Liveness, message.encode(nonce()));
    }

    /// Gossips a part or its announcement, and keeps it for those who ask.
    pub fn publish_parts(&self, message: &PartsMessage) {
        let data = borsh::to_vec(message).expect("writing to memory cannot fail");
        let mut assembly = self.inner.assembly.lock();
        match message {
            PartsMessage::Init { init, .. } => {
                assembly.announce((**init).clone(), Instant::now());
            }
            PartsMessage::Part(part) => {
                assembly.part(part.clone(), Instant::now());
            }
        }
        drop(assembly);
        self.publish(Topic::Parts, data);
    }

    /// Sends another validator's announcement again, with the parts of its block, if they are here.
    pub fn repeat_announcement(
        &self,
        height: Height,
        round: Round,
        proposer: ValidatorAddress,
        block: B256,
    ) {
        let (announced, parts) = {
            let assembly = self.inner.assembly.lock();
            (
                assembly.announced(height, round, proposer),
                assembly.parts_of(&block, &[], usize::MAX),
            )
        };
        let Some(init) = announced.filter(|init| init.init.block == block) else {
            tracing::debug!(%height, %round, %proposer, "the announcement is not here");
            return;
        };
        self.publish_parts(&PartsMessage::Init { init: Box::new(init), nonce: nonce() });
        for part in parts {
            self.publish_parts(&PartsMessage::Part(part));
        }
    }

    /// The consensus works on this height and round.
    pub fn works_on(&self, height: Height, round: Round) {
        self.inner.working_round.store(u64::from(round.0), Ordering::Release);
        self.inner.working_height.store(height.0, Ordering::Release);
    }

    /// The best height that a peer claims which has not failed lately.
    pub fn best_height_is(&self, height: u64) {
        self.inner.best_height.store(height, Ordering::Relaxed);
    }

    /// Tells everybody how high this node is; forgets parts that are no longer needed.
    pub fn publish_status(&self, head: &Head) {
        self.inner.assembly.lock().prune(head.block.height().next());
        // With a nonce: gossip drops what it has seen, and a peer that is behind must hear it again.
        let status = (self.status_of(head), nonce());
        let data = borsh::to_vec(&status).expect("writing to memory cannot fail");
        self.publish(Topic::Status, data);
    }

    /// Asks one peer for blocks; the answer reaches the driver.
    pub fn request_blocks(&self, peer: PeerId, from: u64, count: u32) {
        let network = self.clone();
        self.inner.runtime.spawn(async move {
            let request = Request::Blocks { from, count };
            let blocks = match network.inner.handle.request(peer, request).await {
                Ok(Response::Blocks(blocks)) => Some(blocks),
                Ok(_) => None,
                Err(error) => {
                    tracing::debug!(%peer, %error, "no blocks from a peer");
                    None
                }
            };
            network.tell(Event::sync_blocks(peer, blocks));
        });
    }

    /// Counts a fault of a peer.
    pub fn blame(&self, peer: PeerId, reason: &'static str) {
        tracing::warn!(%peer, reason, "a peer misbehaved");
        self.send(Command::Report { peer, offence: Offence::BadResponse });
    }

    /// Sends a command of this node's own to the others, at once: its caller waits for it.
    pub fn gossip_command(&self, command: &weft_types::Command) {
        let batch = vec![command.encode()];
        let data = borsh::to_vec(&batch).expect("writing to memory cannot fail");
        self.publish(Topic::Transactions, data);
    }

    /// Gossips transactions that a caller handed to this node.
    pub fn gossip_transactions(&self, transactions: Vec<Arc<RecoveredTransaction>>) {
        // With nobody to hear it they would only be encoded for nothing. Who comes later learns of
        // them by the periodic repetition.
        if self.peer_count() > 0 && self.inner.outbox.try_send(transactions).is_err() {
            tracing::debug!("outbox is full; the transactions are sent with the next repetition");
        }
    }

    /// `None` when this node is at the tip.
    #[must_use]
    pub fn sync_status(&self) -> Option<SyncStatus> {
        let current = self.inner.store.head().block.height().0;
        let highest = self.inner.best_height.load(Ordering::Relaxed);
        (highest > current + SYNCED_WITHIN).then_some(SyncStatus {
            starting: self.inner.starting_height,
            current,
            highest,
        })
    }

    /// Connected peers.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.inner.handle.peers().len()
    }

    /// Leaves the network.
    pub async fn stop(&self) {
        self.inner.handle.shutdown().await;
        for task in self.inner.tasks.lock().drain(..) {
            task.abort();
        }
    }

    fn status_of(&self, head: &Head) -> StatusMessage {
        StatusMessage {
            genesis_hash: self.inner.genesis.hash(),
            height: head.block.height().0,
            hash: head.block.hash(),
        }
    }

    fn publish(&self, topic: Topic, data: Vec<u8>) {
        self.send(Command::Publish { topic, data });
    }

    fn send(&self, command: Command) {
        if self.inner.commands.try_send(command).is_err() {
            tracing::debug!("the network takes no commands");
        }
    }

    /// Hands an event to the driver; gossip that does not fit is dropped, it will be repeated.
    fn tell(&self, event: Event) {
        if self.inner.events.try_send(event).is_err() {
            tracing::debug!("the driver's queue is full or closed");
        }
    }
}

/// Differs from one call to the next: unix time in nanoseconds.
#[must_use]
pub fn nonce() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// Reads the key that names this node, or makes one.
///
/// # Errors
/// [`ExitStatus::Config`] when the file cannot be used.
pub fn load_node_key(path: &Path) -> Result<Keypair, Failure> {
    weft_p2p::identity::load_or_create(path).map_err(|error| {
        Failure::new(ExitStatus::Config, "the node key cannot be used").fact("cause", error).fix(
            "restore keys/node.key, or remove it to get a new one (peers must learn the new id)",
        )
    })
}

fn address(text: &str) -> Result<Multiaddr, Failure> {
    text.parse().map_err(|error| {
        Failure::new(ExitStatus::Config, "a peer address cannot be understood")
            .fact("address", text)
            .fact("cause", error)
            .fix("write it as /ip4/1.2.3.4/tcp/30700/p2p/<peer id>")
    })
}

fn network_failure(error: NetworkError) -> Failure {
    match error {
        NetworkError::ListenInUse { address } => {
            Failure::new(ExitStatus::Busy, format!("peer address {address} is already in use"))
                .fix("change p2p.listen (or --p2p), or stop the process that holds it")
        }
        other => {
            Failure::new(ExitStatus::Config, "the network cannot be started").fact("cause", other)
        }
    }
}
