//! One simulated node: a driver, its timers, and a disk that survives crashes.

use crate::driver::{Consensus, ConsensusConfig};
use crate::guard::SignGuard;
use crate::port::{Output, TimeoutId};
use crate::wal::WalEntry;
use alloy_primitives::B256;
use ed25519_dalek::SigningKey;
use std::collections::{BTreeMap, BTreeSet};
use weft_types::{CommitCertificate, Height};

/// What survives a crash.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) log: Vec<WalEntry>,
    pub(super) guard: Option<SignGuard>,
    pub(super) bodies: BTreeSet<B256>,
    pub(super) decided: Vec<CommitCertificate>,
}

/// What is lost in a crash: written, but not synced.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    pub(super) log: Vec<WalEntry>,
    pub(super) guard: Option<SignGuard>,
    pub(super) bodies: BTreeSet<B256>,
}

pub(super) struct Node {
    pub(super) config: ConsensusConfig,
    /// `None` while the node is down.
    pub(super) consensus: Option<Consensus>,
    /// Counts restarts, so that timers and tasks of an earlier life are dropped.
    pub(super) life: u32,
    pub(super) disk: Disk,
    pub(super) unsynced: Unsynced,
    pub(super) timers: BTreeMap<TimeoutId, u64>,
    /// Highest height that a peer claimed, and when this node last asked for a block.
    pub(super) tip: u64,
    pub(super) asked_ms: Option<u64>,
    pub(super) status_sent_ms: Option<u64>,
}

impl Node {
    pub(super) fn new(config: ConsensusConfig) -> Self {
        Self {
            config,
            consensus: None,
            life: 0,
            disk: Disk::default(),
            unsynced: Unsynced::default(),
            timers: BTreeMap::new(),
            tip: 0,
            asked_ms: None,
            status_sent_ms: None,
        }
    }

    pub(super) const fn key(&self) -> Option<&SigningKey> {
        self.config.key.as_ref()
    }

    /// Last decided height.
    pub(super) fn height(&self) -> u64 {
        self.disk.decided.len() as u64
    }

    /// Begins a life with what the disk holds; returns the height to start and its log.
    pub(super) fn start(&mut self) -> (Height, Vec<WalEntry>) {
        let decided = Height(self.height());
        let guard = self.disk.guard.clone();
        self.consensus = Some(Consensus::new(self.config.clone(), decided, guard));
        let height = decided.next();
        let log = self.disk.log.iter().filter(|entry| entry.height == height);
        (height, log.cloned().collect())
    }

    /// Loses everything that was not synced; with `forget` also what protects from voting twice.
    pub(super) fn crash(&mut self, forget: bool) {
        self.consensus = None;
        self.life += 1;
        self.unsynced = Unsynced::default();
        self.timers.clear();
        (self.asked_ms, self.status_sent_ms) = (None, None);
        if forget {
            self.disk.log.clear();
            self.disk.guard = None;
        }
    }

    /// One synced batch.
    pub(super) fn flush(&mut self) {
        let unsynced = std::mem::take(&mut self.unsynced);
        self.disk.log.extend(unsynced.log);
        self.disk.bodies.extend(unsynced.bodies);
        if unsynced.guard.is_some() {
            self.disk.guard = unsynced.guard;
        }
    }

    /// Makes a decision durable and drops the log below it.
    pub(super) fn commit(&mut self, certificate: CommitCertificate) {
        let height = certificate.height;
        self.flush();
        self.disk.decided.push(certificate);
        self.disk.log.retain(|entry| entry.height > height);
    }

    /// Whether a decided body is safe. A validator will be bound by its votes after a crash, so it
    /// must hold it on its disk; a follower only needs to have it at hand.
    pub(super) fn holds_body(&self, block: &B256) -> bool {
        let at_hand = self.config.key.is_none() && self.unsynced.bodies.contains(block);
        at_hand || self.disk.bodies.contains(block)
    }

    /// Whether an output lets others see what the log does not hold yet.
    pub(super) fn is_premature(&self, output: &Output) -> bool {
        let visible = matches!(
            output,
            Output::Publish(_)
                | Output::PublishLiveness(_)
                | Output::Restream { .. }
                | Output::StartedRound { .. }
                | Output::Decide { .. }
        );
        visible && (!self.unsynced.log.is_empty() || self.unsynced.guard.is_some())
    }
}
