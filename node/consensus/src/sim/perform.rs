//! Carries out the outputs of a simulated node, and lets it crash between any two of them.

use super::node::Node;
use super::oracle::Violation;
use super::world::{Event, Packet, Task, World};
use crate::message::{ConsensusMessage, LivenessMessage};
use crate::port::{Input, Output};
use crate::wal::ProposedBlock;
use alloy_primitives::B256;
use weft_types::{CommitCertificate, Height, Round, ValidatorAddress};

/// One output in so many is preceded by a crash.
const CRASH_ONE_IN: u64 = 60;

/// Time between a decision and the next height, in milliseconds.
const INTERVAL_MS: u64 = 20;

impl World {
    pub(super) fn step(&mut self, node: usize, input: Input) -> Result<(), Violation> {
        let Some(consensus) = &mut self.nodes[node].consensus else { return Ok(()) };
        for output in consensus.step(input) {
            if self.crashes() {
                self.crash(node);
                return Ok(());
            }
            if self.nodes[node].is_premature(&output) {
                return Err(Violation::Unflushed { node, output: format!("{output:?}") });
            }
            self.perform(node, output)?;
        }
        Ok(())
    }

    fn crashes(&mut self) -> bool {
        self.faults
            && self.report.crashes < self.scenario.crashes_max
            && self.random.one_in(CRASH_ONE_IN)
    }

    fn crash(&mut self, node: usize) {
        self.note(node, b"crash", || "crash".into());
        self.report.crashes += 1;
        self.nodes[node].crash(self.scenario.forget_log);
        let delay = self.random.range(20, 400);
        self.after(delay, Event::Restart { node });
    }

    fn perform(&mut self, node: usize, output: Output) -> Result<(), Violation> {
        match output {
            Output::Persist(entry) => {
                let bytes = borsh::to_vec(&entry).expect("writing to memory cannot fail");
                self.note(node, &bytes, || format!("persist {entry:?}"));
                self.nodes[node].unsynced.log.push(entry);
            }
            Output::Guard(guard) => self.nodes[node].unsynced.guard = Some(guard),
            Output::Flush => self.nodes[node].flush(),
            Output::Publish(message) => self.publish(node, &message)?,
            Output::PublishLiveness(message) => self.publish_liveness(node, &message)?,
            Output::Schedule { id, duration_ms } => {
                let token = self.timer_after(duration_ms, node, id);
                self.nodes[node].timers.insert(id, token);
            }
            Output::Cancel(id) => {
                self.nodes[node].timers.remove(&id);
            }
            Output::CancelAll => self.nodes[node].timers.clear(),
            Output::Build { height, round, .. } => {
                let block = self.new_block(node, height, round);
                let delay = self.random.range(2, 25);
                self.task_after(delay, node, Task::Built { height, round, block });
            }
            Output::Restream { height, round, valid_round, proposer, block } => {
                self.restream(node, height, round, valid_round, proposer, block);
            }
            Output::StartedRound { height, round, .. } => {
                self.note(node, &round.0.to_le_bytes(), || format!("round {height}/{round}"));
            }
            Output::Decide { certificate } => self.decide(node, certificate)?,
            Output::PeerBehind { .. } => self.send_status(node),
            Output::Evidence(_) => self.report.evidence += 1,
            Output::Halt { reason } => return Err(Violation::Halted { node, reason }),
        }
        Ok(())
    }

    fn publish(&mut self, node: usize, message: &ConsensusMessage) -> Result<(), Violation> {
        let bytes = message.encode();
        self.note(node, &bytes, || format!("publish {message:?}"));
        // From round 10 on a validator also passes on the proposal that it locks.
        let own = self.nodes[node].key().is_some_and(|key| {
            let own = ValidatorAddress::from_public_key(&key.verifying_key().to_bytes());
            own == message.signer()
        });
        if own {
            self.oracle.signed(node, message)?;
        }
        self.broadcast(node, &Packet::Consensus(bytes));
        Ok(())
    }

    fn publish_liveness(
        &mut self,
        node: usize,
        message: &LivenessMessage,
    ) -> Result<(), Violation> {
        let nonce = self.random.next();
        let bytes = message.encode(nonce);
        self.note(node, &bytes, || format!("publish again {message:?}"));
        if let LivenessMessage::Vote(signed) = message {
            self.oracle.voted(node, signed)?;
        }
        self.broadcast(node, &Packet::Liveness(bytes));
        Ok(())
    }

    fn decide(&mut self, node: usize, certificate: CommitCertificate) -> Result<(), Violation> {
        let (height, block) = (certificate.height.0, certificate.block);
        self.note(node, block.as_slice(), || format!("decide {height} {block}"));
        self.oracle.decided(node, &certificate, &self.validators, &self.genesis_hash)?;
        if !self.nodes[node].holds_body(&block) {
            return Err(Violation::NoBody { node, height, block });
        }
        self.report.round_max = self.report.round_max.max(certificate.round.0);
        self.nodes[node].commit(certificate);
        self.broadcast(node, &Packet::Status { height });
        if self.last_height.is_none_or(|last| height < last) {
            let behind = self.nodes[node].tip > height;
            self.task_after(if behind { 0 } else { INTERVAL_MS }, node, Task::Start);
        }
        Ok(())
    }

    fn restream(
        &mut self,
        node: usize,
        height: Height,
        round: Round,
        valid_round: Option<Round>,
        proposer: ValidatorAddress,
        block: B256,
    ) {
        let Node { disk, unsynced, .. } = &self.nodes[node];
        if disk.bodies.contains(&block) || unsynced.bodies.contains(&block) {
            let proposed = ProposedBlock { round, valid_round, proposer, block, valid: true };
            self.broadcast(node, &Packet::Parts { height, proposed });
        }
    }

    fn send_status(&mut self, node: usize) {
        let sent_lately =
            self.nodes[node].status_sent_ms.is_some_and(|sent| self.now_ms < sent + 100);
        if !sent_lately {
            self.nodes[node].status_sent_ms = Some(self.now_ms);
            let height = self.nodes[node].height();
            self.broadcast(node, &Packet::Status { height });
        }
    }

    /// A block that nobody has built before: building again after a crash gives another one.
    fn new_block(&mut self, node: usize, height: Height, round: Round) -> B256 {
        let salt = self.random.next();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&height.0.to_le_bytes()).update(&round.0.to_le_bytes());
        hasher.update(&(node as u64).to_le_bytes()).update(&salt.to_le_bytes());
        let mut block = B256::from(*hasher.finalize().as_bytes());
        block[0] = 1;
        block
    }
}
