//! The network, the clock and the order of events.

use super::actor::Equivocator;
use super::node::Node;
use super::oracle::{Oracle, Violation};
use super::random::Random;
use super::{Report, Scenario};
use crate::driver::ConsensusConfig;
use crate::message::{ConsensusMessage, LivenessMessage};
use crate::port::{Input, TimeoutId};
use crate::verify::{verify_liveness, verify_message};
use crate::wal::ProposedBlock;
use alloy_primitives::B256;
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use weft_types::{CommitCertificate, Height, Round, Timeouts, Validator, ValidatorSet};

/// Virtual time that the network may take to agree after the faults, in milliseconds.
const RECOVERY_MS: u64 = 60_000;

/// Heights decided by all after the faults.
const HEIGHTS_AFTER_FAULTS: u64 = 2;

/// What travels between nodes.
#[derive(Clone, Debug)]
pub(super) enum Packet {
    Consensus(Vec<u8>),
    Liveness(Vec<u8>),
    Parts { height: Height, proposed: ProposedBlock },
    Status { height: u64 },
    StatusRequest,
    BlockRequest { height: u64 },
    Block { certificate: CommitCertificate },
}

/// What a node does by itself after a while.
#[derive(Clone, Debug)]
pub(super) enum Task {
    Start,
    Built { height: Height, round: Round, block: B256 },
    Executed { height: Height, proposed: ProposedBlock },
    Synced { certificate: CommitCertificate },
    Tick,
}

#[derive(Debug)]
pub(super) enum Event {
    Deliver { from: usize, to: usize, packet: Packet },
    Timeout { node: usize, life: u32, id: TimeoutId, token: u64 },
    Task { node: usize, life: u32, task: Task },
    Restart { node: usize },
    Partition { heal: bool },
    FaultsEnd,
}

pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) random: Random,
    pub(super) now_ms: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) genesis_hash: B256,
    pub(super) validators: ValidatorSet,
    pub(super) oracle: Oracle,
    pub(super) report: Report,
    /// Node that is not honest.
    pub(super) traitor: Option<(usize, Equivocator)>,
    pub(super) faults: bool,
    /// Height at which nodes stop, once the faults have ended.
    pub(super) last_height: Option<u64>,
    queue: BTreeMap<(u64, u64), Event>,
    events: u64,
    /// Side of each node while the network is split.
    sides: Option<Vec<bool>>,
    digest: blake3::Hasher,
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let genesis_hash = B256::repeat_byte(0x5e);
        let keys: Vec<SigningKey> =
            (1..=scenario.validators).map(|i| SigningKey::from_bytes(&[i as u8; 32])).collect();
        let validators = keys.iter().enumerate().map(|(i, key)| Validator {
            name: format!("v{i}"),
            public_key: key.verifying_key().to_bytes(),
            power: 1,
        });
        let validators =
            ValidatorSet::new(validators.collect()).expect("the scenario has validators");
        let traitor = keys.len() - 1;
        let traitor = scenario
            .equivocator
            .then(|| (traitor, Equivocator::new(keys[traitor].clone(), genesis_hash)));
        let followers = (0..scenario.followers).map(|_| None);
        let config = |key| ConsensusConfig {
            genesis_hash,
            validators: validators.clone(),
            timeouts: Timeouts::devnet(),
            key,
            sign_from: Height(0),
        };
        let nodes = keys.into_iter().map(Some).chain(followers).map(|key| Node::new(config(key)));
        Self {
            random: Random::new(scenario.seed),
            now_ms: 0,
            nodes: nodes.collect(),
            genesis_hash,
            validators,
            oracle: Oracle::default(),
            report: Report {
                violation: None,
                digest: B256::ZERO,
                height: 0,
                round_max: 0,
                crashes: 0,
                synced: 0,
                evidence: 0,
                elapsed_ms: 0,
                trace: Vec::new(),
            },
            traitor,
            faults: true,
            last_height: None,
            queue: BTreeMap::new(),
            events: 0,
            sides: None,
            digest: blake3::Hasher::new(),
            scenario: scenario.clone(),
        }
    }

    pub(super) fn run(mut self) -> Report {
        for node in self.honest() {
            let delay = self.random.range(0, 50);
            self.after(delay, Event::Restart { node });
        }
        let faults_ms = self.scenario.faults_ms;
        self.after(faults_ms, Event::FaultsEnd);
        if self.scenario.partition {
            self.after(faults_ms / 4, Event::Partition { heal: false });
            self.after(faults_ms * 3 / 4, Event::Partition { heal: true });
        }
        let deadline_ms = faults_ms + RECOVERY_MS;
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now_ms = at;
            if let Err(violation) = self.handle(event) {
                self.report.violation = Some(violation);
                break;
            }
            if self.is_done() || self.now_ms > deadline_ms {
                break;
            }
        }
        self.finish()
    }

    fn finish(mut self) -> Report {
        if self.report.violation.is_none() && !self.is_done() {
            self.report.violation = Some(Violation::Stuck {
                elapsed_ms: self.now_ms,
                expected: self.last_height.unwrap_or_default(),
                found: self.honest().map(|node| self.nodes[node].height()).collect(),
            });
        }
        self.report.height = self.last_height.unwrap_or_default();
        self.report.elapsed_ms = self.now_ms;
        self.report.digest = B256::from(*self.digest.finalize().as_bytes());
        self.report
    }

    /// Indices of all nodes but the traitor.
    pub(super) fn honest(&self) -> impl Iterator<Item = usize> + use<> {
        let traitor = self.traitor.as_ref().map(|(index, _)| *index);
        (0..self.nodes.len()).filter(move |node| Some(*node) != traitor)
    }

    fn is_done(&self) -> bool {
        self.last_height
            .is_some_and(|last| self.honest().all(|node| self.nodes[node].height() == last))
    }

    pub(super) fn after(&mut self, delay_ms: u64, event: Event) {
        self.events += 1;
        self.queue.insert((self.now_ms + delay_ms, self.events), event);
    }

    pub(super) fn task_after(&mut self, delay_ms: u64, node: usize, task: Task) {
        let life = self.nodes[node].life;
        self.after(delay_ms, Event::Task { node, life, task });
    }

    /// Schedules a timer and returns the token that tells it from one that replaced it.
    pub(super) fn timer_after(&mut self, delay_ms: u64, node: usize, id: TimeoutId) -> u64 {
        let (life, token) = (self.nodes[node].life, self.events);
        self.after(delay_ms, Event::Timeout { node, life, id, token });
        token
    }

    /// Adds to the digest, and to the trace when one is wanted.
    pub(super) fn note(&mut self, node: usize, bytes: &[u8], line: impl FnOnce() -> String) {
        self.digest.update(&self.now_ms.to_le_bytes());
        self.digest.update(&(node as u64).to_le_bytes());
        self.digest.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        if self.scenario.trace {
            self.report.trace.push(format!("{:>6} ms node {node}: {}", self.now_ms, line()));
        }
    }

    pub(super) fn broadcast(&mut self, from: usize, packet: &Packet) {
        for to in 0..self.nodes.len() {
            if to != from {
                self.send(from, to, packet.clone());
            }
        }
    }

    pub(super) fn send(&mut self, from: usize, to: usize, packet: Packet) {
        if self.sides.as_ref().is_some_and(|sides| sides[from] != sides[to]) {
            return;
        }
        if self.faults && self.random.percent(self.scenario.loss_percent) {
            return;
        }
        let copies =
            1 + u32::from(self.faults && self.random.percent(self.scenario.duplicate_percent));
        for _ in 0..copies {
            let mut delay = self.random.range(1, 15);
            if matches!(packet, Packet::Parts { .. }) {
                delay += self.random.range(1, 25);
            }
            if self.random.one_in(100) {
                delay += 200;
            }
            self.after(delay, Event::Deliver { from, to, packet: packet.clone() });
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Deliver { from, to, packet } => self.deliver(from, to, packet),
            Event::Timeout { node, life, id, token } => {
                let current = self.nodes[node].timers.get(&id) == Some(&token);
                if self.nodes[node].life != life || !current {
                    return Ok(());
                }
                self.nodes[node].timers.remove(&id);
                self.step(node, Input::Timeout(id))
            }
            Event::Task { node, life, task } if self.nodes[node].life == life => {
                self.task(node, task)
            }
            Event::Task { .. } => Ok(()),
            Event::Restart { node } => {
                let (height, replay) = self.nodes[node].start();
                if self.nodes[node].key().is_none() {
                    self.task_after(100, node, Task::Tick);
                }
                if self.last_height.is_some_and(|last| height.0 > last) {
                    return Ok(());
                }
                self.step(node, Input::StartHeight { height, replay })
            }
            Event::Partition { heal } => {
                self.sides =
                    (!heal).then(|| self.nodes.iter().map(|_| self.random.one_in(2)).collect());
                Ok(())
            }
            Event::FaultsEnd => {
                self.faults = false;
                self.sides = None;
                let highest = self.honest().map(|node| self.nodes[node].height()).max();
                self.last_height = Some(highest.unwrap_or_default() + HEIGHTS_AFTER_FAULTS);
                Ok(())
            }
        }
    }

    fn deliver(&mut self, from: usize, to: usize, packet: Packet) -> Result<(), Violation> {
        if self.traitor.as_ref().is_some_and(|(index, _)| *index == to) {
            self.betray(&packet);
            return Ok(());
        }
        if self.nodes[to].consensus.is_none() {
            return Ok(());
        }
        match packet {
            Packet::Consensus(bytes) => self.consensus_bytes(from, to, &bytes),
            Packet::Liveness(bytes) => self.liveness_bytes(from, to, &bytes),
            Packet::Parts { height, proposed } => {
                if height.0 > self.nodes[to].height() {
                    let delay = self.random.range(1, 10);
                    self.task_after(delay, to, Task::Executed { height, proposed });
                }
                Ok(())
            }
            Packet::Status { height } => {
                self.nodes[to].tip = self.nodes[to].tip.max(height);
                self.ask_for_block(to, from);
                Ok(())
            }
            Packet::StatusRequest => {
                let height = self.nodes[to].height();
                self.send(to, from, Packet::Status { height });
                Ok(())
            }
            Packet::BlockRequest { height } => {
                let found = self.nodes[to].disk.decided.get(height as usize - 1).cloned();
                if let Some(certificate) = found {
                    self.send(to, from, Packet::Block { certificate });
                }
                Ok(())
            }
            Packet::Block { certificate } => {
                if certificate.height.0 > self.nodes[to].height() {
                    self.task_after(2, to, Task::Synced { certificate });
                }
                Ok(())
            }
        }
    }

    /// What the gossip validator does, and then the node.
    fn consensus_bytes(&mut self, from: usize, to: usize, bytes: &[u8]) -> Result<(), Violation> {
        let bad = |reason: String| Violation::BadMessage { node: from, reason };
        let message = ConsensusMessage::decode(bytes).map_err(|error| bad(error.to_string()))?;
        let verified = verify_message(&message, &self.validators, &self.genesis_hash)
            .map_err(|error| bad(error.to_string()))?;
        if let Some(consensus) = &mut self.nodes[to].consensus {
            consensus.trust(verified);
        }
        self.step(to, Input::Message(message))
    }

    fn liveness_bytes(&mut self, from: usize, to: usize, bytes: &[u8]) -> Result<(), Violation> {
        let bad = |reason: String| Violation::BadMessage { node: from, reason };
        let message = LivenessMessage::decode(bytes).map_err(|error| bad(error.to_string()))?;
        let verified = verify_liveness(&message, &self.validators, &self.genesis_hash)
            .map_err(|error| bad(error.to_string()))?;
        if let Some(consensus) = &mut self.nodes[to].consensus {
            consensus.trust(verified);
        }
        self.step(to, Input::Liveness(message))
    }

    fn task(&mut self, node: usize, task: Task) -> Result<(), Violation> {
        match task {
            Task::Start => {
                let height = Height(self.nodes[node].height() + 1);
                self.step(node, Input::StartHeight { height, replay: Vec::new() })?;
                let peer = self.random.range(0, self.nodes.len() as u64) as usize;
                self.ask_for_block(node, peer);
                Ok(())
            }
            Task::Built { height, round, block } => {
                self.nodes[node].unsynced.bodies.insert(block);
                let public_key = self.nodes[node].key().map(|key| key.verifying_key().to_bytes());
                let proposer = weft_types::ValidatorAddress::from_public_key(
                    &public_key.expect("only validators are asked to build"),
                );
                let proposed =
                    ProposedBlock { round, valid_round: None, proposer, block, valid: true };
                self.step(node, Input::Built { height, round, block })?;
                if self.nodes[node].consensus.is_some() {
                    self.broadcast(node, &Packet::Parts { height, proposed });
                }
                Ok(())
            }
            Task::Executed { height, mut proposed } => {
                proposed.valid = proposed.block[0] != super::actor::INVALID_MARK;
                if proposed.valid {
                    self.nodes[node].unsynced.bodies.insert(proposed.block);
                }
                self.step(node, Input::Value { height, proposed })
            }
            Task::Synced { certificate } => {
                if certificate.height.0 <= self.nodes[node].height() {
                    return Ok(());
                }
                self.report.synced += 1;
                self.nodes[node].unsynced.bodies.insert(certificate.block);
                self.step(node, Input::Decided { certificate })
            }
            Task::Tick => {
                let peer = self.random.range(0, self.nodes.len() as u64) as usize;
                if peer != node {
                    self.send(node, peer, Packet::StatusRequest);
                }
                self.task_after(300, node, Task::Tick);
                Ok(())
            }
        }
    }

    /// Asks `peer` for the next block, if peers are known to have it; seldom enough to get answers.
    pub(super) fn ask_for_block(&mut self, node: usize, peer: usize) {
        let asked_lately = self.nodes[node].asked_ms.is_some_and(|asked| self.now_ms < asked + 40);
        let height = self.nodes[node].height() + 1;
        if peer == node || asked_lately || self.nodes[node].tip < height {
            return;
        }
        self.nodes[node].asked_ms = Some(self.now_ms);
        self.send(node, peer, Packet::BlockRequest { height });
    }

    fn betray(&mut self, packet: &Packet) {
        let Some((index, mut actor)) = self.traitor.take() else { return };
        let sent = actor.react(packet, &self.validators, &mut self.random);
        for (group, packet) in sent {
            // One story for the even nodes, another one for the odd.
            for to in self.honest().filter(|to| *to != index && to % 2 == group) {
                self.send(index, to, packet.clone());
            }
        }
        self.traitor = Some((index, actor));
    }
}
