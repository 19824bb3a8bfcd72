//! The driver: one thread that feeds the consensus and performs what it asks for.
//!
//! # Flow
//! Everything that happens to a node reaches this thread as an [`Event`]: messages that gossip has
//! verified, complete proposals, results of the execution thread, blocks from peers, timers. The
//! consensus answers with outputs, performed in order; whatever leaves the node is preceded by a
//! synced write of the log.
//!
//! # Invariants
//! - A failed write of the log stops the node: it never signs on top of one.
//! - A block is committed only with a certificate, and only on top of the head.
//! - The body of a block is on disk before this node votes for it.

mod decide;
mod pace;
mod perform;
mod propose;
mod sync;

pub use sync::SyncBlock;

use crate::assembly::Complete;
use crate::chain::{Chain, Committed, PrepareError, Prepared};
use crate::consensus_log::ConsensusLog;
use crate::execution::Job;
use crate::network::Network;
use crate::watch::ConsensusWatch;
use alloy_primitives::B256;
use ed25519_dalek::SigningKey;
use libp2p::PeerId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use weft_consensus::{Consensus, ConsensusMessage, LivenessMessage, TimeoutId, Verified};
use weft_store::{Head, StoreError};
use weft_types::{CommitCertificate, Height, Round, Settings, ValidatorAddress, ValidatorSet};

/// Blocks of earlier rounds and their alternatives that are kept executed for one height.
const PREPARED_MAX: usize = 16;

/// What reaches the driver.
pub enum Event {
    /// A vote or proposal whose signature gossip has verified.
    Message(ConsensusMessage, Verified),
    /// A message that helps a lagging peer.
    Liveness(LivenessMessage, Verified),
    /// All parts of a proposal arrived.
    Proposal(Complete),
    /// The execution thread built a block for (height, round).
    Built(Height, Round, Result<Prepared, PrepareError>),
    /// The execution thread judged a block.
    Verified(VerifyPurpose, B256, Result<Prepared, PrepareError>),
    /// The execution thread committed a block.
    Committed(Result<Committed, StoreError>),
    /// A peer says how high it is.
    PeerStatus(PeerId, u64),
    /// A peer has gone.
    PeerDown(PeerId),
    /// A peer answered a request for blocks; empty when it failed.
    SyncBlocks(PeerId, Vec<SyncBlock>),
    /// The pool has something to include.
    Transactions,
    /// A signed message for a height that is decided here was seen.
    Behind(Height),
    /// The node is connected to enough of the others to start the first height.
    Connected,
    /// The execution thread has panicked: nothing can be judged or committed any more.
    ExecutionPanicked,
    /// Look at [`DriverParts::stop`].
    Shutdown,
}

/// Why a block is verified.
#[derive(Clone, Debug)]
pub enum VerifyPurpose {
    /// To vote on it.
    Vote {
        /// Height of the proposal.
        height: Height,
        /// Round of the proposal.
        round: Round,
        /// Round of its prevote quorum, if it was proposed again.
        pol_round: Option<Round>,
        /// Its proposer.
        proposer: ValidatorAddress,
        /// Names the body: anybody can announce another one for the same header.
        parts_root: B256,
    },
    /// To answer a repeated request to build for this round with the block built before a crash.
    Rebuild(Height, Round),
    /// To commit it: two thirds have decided it.
    Commit(CommitCertificate),
}

/// What the driver is made of.
pub struct DriverParts {
    /// The state machine.
    pub consensus: Consensus,
    /// Durable log of the consensus.
    pub log: ConsensusLog,
    /// Nothing was ever signed or decided with this log.
    pub log_is_fresh: bool,
    /// Synced writes, or left to the operating system.
    pub log_sync: bool,
    /// Shared with the execution thread.
    pub chain: Arc<Chain>,
    /// Jobs for the execution thread.
    pub jobs: SyncSender<Job>,
    /// Way out to the peers.
    pub network: Network,
    /// Validators of the chain.
    pub validators: ValidatorSet,
    /// Block 0's hash: the signing domain.
    pub genesis_hash: B256,
    /// Signs proposal parts; `None` in a node that only follows.
    pub key: Option<SigningKey>,
    /// Shortest and longest time between blocks.
    pub pace: Pace,
    /// Set by the owner to end the driver before it has read what waits; the truth.
    pub stop: Arc<AtomicBool>,
    /// Whether the pool has something to include.
    pub has_transactions: Box<dyn Fn() -> bool + Send>,
    /// Listens to the consensus.
    pub watch: Arc<ConsensusWatch>,
    /// Whether a command of a development chain waits for a block.
    pub has_commands: Box<dyn Fn() -> bool + Send>,
    /// Told about every committed block.
    pub on_head: OnBlock,
}

/// Told about a committed block and the time since its height started.
pub type OnBlock = Box<dyn Fn(&Committed, Duration) + Send>;

/// Times between blocks.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Shortest time between two starts of a height.
    pub interval: Duration,
    /// After this time a height starts although there is no transaction.
    pub empty_interval: Duration,
}

/// Why the driver ended.
#[derive(Debug)]
pub enum DriverEnd {
    /// It was asked to.
    Shutdown,
    /// A disk write failed or data is damaged.
    Storage(String),
    /// Going on could sign two different things.
    Unsafe(String),
    /// The certified block does not execute to what two thirds say.
    Divergence(String),
    /// A thread of the node has panicked.
    Panicked(&'static str),
}

enum Phase {
    /// Between heights: the next one starts at the earliest at the first time, at the latest at
    /// the second.
    Waiting(Instant, Instant),
    /// The consensus works on the height after the head.
    Running,
    /// A decided block is being prepared or committed.
    Committing,
}

/// See the module.
pub struct Driver {
    parts: DriverParts,
    head: Arc<Head>,
    phase: Phase,
    /// Since when the next height is waited for.
    waiting_since: Instant,
    connected: bool,
    started_at: Instant,
    transactions_since: Option<Instant>,
    /// What commands have set for the height that is worked on.
    settings: Settings,
    status_told: Option<Instant>,
    timers: BTreeMap<(Instant, u64), TimeoutId>,
    timer_sequence: u64,
    prepared: HashMap<B256, Arc<Prepared>>,
    proposals: Vec<Complete>,
    /// Bodies that are being judged, by block and root of their parts, and who else asks.
    judging: HashMap<(B256, B256), Vec<VerifyPurpose>>,
    decided: Option<CommitCertificate>,
    /// A job that ends in the commit of the decided block is under way: there is one at a time.
    committing: bool,
    sync: sync::Sync,
    end: Option<DriverEnd>,
}

impl Driver {
    /// A driver on the chain's head. Nothing happens before [`Driver::run`].
    #[must_use]
    pub fn new(parts: DriverParts) -> Self {
        let head = parts.chain.head();
        let now = Instant::now();
        Self {
            parts,
            head,
            phase: Phase::Waiting(now, now),
            waiting_since: now,
            connected: false,
            started_at: now,
            transactions_since: None,
            settings: Settings::default(),
            status_told: None,
            timers: BTreeMap::new(),
            timer_sequence: 0,
            prepared: HashMap::new(),
            proposals: Vec::new(),
            judging: HashMap::new(),
            decided: None,
            committing: false,
            sync: sync::Sync::default(),
            end: None,
        }
    }

    /// Runs until shutdown or until going on would be wrong.
    pub fn run(mut self, events: &Receiver<Event>) -> DriverEnd {
        self.resume_decided();
        self.resume_pace();
        loop {
            if let Some(end) = self.end.take() {
                return end;
            }
            let wait = self.next_wakeup().saturating_duration_since(Instant::now());
            let event = events.recv_timeout(wait);
            if self.parts.stop.load(Ordering::Acquire) {
                return DriverEnd::Shutdown;
            }
            match event {
                Err(RecvTimeoutError::Disconnected) => return DriverEnd::Shutdown,
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.fire_timers();
            self.start_height_if_due();
            self.sync_if_behind();
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Message(message, verified) => self.on_message(message, verified),
            Event::Liveness(message, verified) => {
                self.parts.watch.liveness(&message);
                self.parts.consensus.trust(verified);
                self.step(weft_consensus::Input::Liveness(message));
            }
            Event::Proposal(complete) => self.on_proposal(complete),
            Event::Built(height, round, result) => self.on_built(height, round, result),
            Event::Verified(purpose, block, result) => self.on_verified(purpose, block, result),
            Event::Committed(result) => self.on_committed(result),
            Event::PeerStatus(peer, height) => {
                self.sync.peer_at(peer, height);
                self.parts.network.best_height_is(self.sync.best_height(Instant::now()));
            }
            Event::PeerDown(peer) => self.sync.peer_gone(&peer),
            Event::SyncBlocks(peer, blocks) => self.on_sync_blocks(peer, blocks),
            Event::Transactions => {
                self.transactions_since.get_or_insert_with(Instant::now);
            }
            Event::Behind(height) => self.tell_height(height),
            Event::Connected => {
                if !self.connected {
                    self.connected = true;
                    self.started_at = Instant::now();
                    self.waiting_since = self.started_at;
                }
            }
            Event::ExecutionPanicked => {
                self.end.get_or_insert(DriverEnd::Panicked("execution"));
            }
            Event::Shutdown => {}
        }
    }

    /// The height that the next block has.
    fn height(&self) -> Height {
        crate::chain::next_height(&self.head)
    }

    /// Keeps a prepared block; the number is bounded by the rounds of one height.
    fn keep(&mut self, prepared: Prepared) {
        if self.prepared.len() >= PREPARED_MAX {
            self.prepared.clear();
        }
        self.prepared.insert(prepared.hash(), Arc::new(prepared));
    }

    fn publish_working_height(&self) {
        self.parts.network.works_on(self.height(), Round(0));
    }

    fn stop_for_storage(&mut self, what: &str, error: impl std::fmt::Display) {
        tracing::error!(%error, "{what}; the node stops");
        self.end.get_or_insert(DriverEnd::Storage(format!("{what}: {error}")));
    }
}
