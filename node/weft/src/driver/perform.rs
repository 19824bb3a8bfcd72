//! Performs what the consensus asks for, in order.

use super::{Driver, DriverEnd};
use crate::execution::Job;
use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};
use weft_consensus::{ConsensusMessage, Input, Output, SignGuard, Verified, WalEntry};
use weft_types::Height;

/// Shortest time between two answers to peers that are behind.
const STATUS_INTERVAL: Duration = Duration::from_millis(250);

impl Driver {
    /// Feeds one input and performs the outputs.
    pub(super) fn step(&mut self, input: Input) {
        let outputs = self.parts.consensus.step(input);
        let mut entries: Vec<WalEntry> = Vec::new();
        let mut guard: Option<SignGuard> = None;
        for output in outputs {
            if self.end.is_some() {
                return;
            }
            match output {
                Output::Persist(entry) => entries.push(entry),
                Output::Guard(next) => guard = Some(next),
                Output::Flush => self.write_log(&mut entries, &mut guard, true),
                other => self.perform(other),
            }
        }
        // Entries that nothing depends on yet: durable with the next flush.
        self.write_log(&mut entries, &mut guard, false);
    }

    fn write_log(
        &mut self,
        entries: &mut Vec<WalEntry>,
        guard: &mut Option<SignGuard>,
        sync: bool,
    ) {
        if entries.is_empty() && guard.is_none() && !sync {
            return;
        }
        let sync = sync && self.parts.log_sync;
        let written = self.parts.log.append(entries, guard.as_ref(), sync);
        entries.clear();
        *guard = None;
        if let Err(error) = written {
            self.stop_for_storage("the consensus log cannot be written", error);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Persist(_) | Output::Guard(_) | Output::Flush => {}
            Output::Publish(message) => {
                self.parts.watch.message(&message);
                self.parts.network.publish_consensus(&message);
                self.stream_proposed(&message);
            }
            Output::PublishLiveness(message) => self.parts.network.publish_liveness(&message),
            Output::Schedule { id, duration_ms } => {
                self.schedule(id, Duration::from_millis(duration_ms));
            }
            Output::Cancel(id) => self.cancel(&id),
            Output::CancelAll => self.timers.clear(),
            Output::Build { height, round, .. } => self.build(height, round),
            Output::Restream { height, round, valid_round, proposer, block } => {
                self.restream(height, round, valid_round, proposer, block);
            }
            Output::Decide { certificate } => {
                // It has taken part since the chain began, or since it joined.
                self.parts.log_is_fresh = false;
                self.on_decided(certificate);
            }
            Output::StartedRound { height, round, proposer, .. } => {
                tracing::debug!(%height, %round, %proposer, "round started");
                self.parts.network.works_on(height, round);
                self.parts.watch.round(height, round, proposer);
            }
            Output::PeerBehind { height } => self.tell_height(height),
            Output::Evidence(evidence) => {
                tracing::warn!(?evidence, "a validator signed two different messages");
            }
            Output::Halt { reason } => {
                tracing::error!(%reason, "refusing to sign; the node stops");
                self.end.get_or_insert(DriverEnd::Unsafe(reason));
            }
        }
    }

    /// Tells a peer that works on a past height how high this node is; not more than a few times
    /// a second, whatever peers send.
    pub(super) fn tell_height(&mut self, behind: Height) {
        let now = Instant::now();
        if self.status_told.is_some_and(|told| now < told + STATUS_INTERVAL) {
            return;
        }
        tracing::debug!(height = %behind, "a peer is behind");
        self.status_told = Some(now);
        self.parts.network.publish_status(&self.head);
    }

    /// Takes a vote or proposal from gossip.
    pub(super) fn on_message(&mut self, message: ConsensusMessage, verified: Verified) {
        self.parts.consensus.trust(verified);
        self.parts.watch.message(&message);
        self.sync.heard_of(message.signer(), message.height());
        self.step(Input::Message(message));
    }

    /// Hands a job to the execution thread. Never waits: that thread may be waiting for this one.
    /// Returns whether it will be done.
    pub(super) fn job(&mut self, job: Job) -> bool {
        let vital = job.is_vital();
        match self.parts.jobs.try_send(job) {
            Ok(()) => return true,
            Err(TrySendError::Full(_)) if !vital => {
                tracing::warn!("the execution thread is busy: a proposal is not judged");
            }
            Err(error) => self.stop_for_storage("the execution thread takes no work", error),
        }
        false
    }
}
