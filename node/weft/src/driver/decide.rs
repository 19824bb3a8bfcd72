//! From a certificate to a durable block.

use super::{Driver, DriverEnd, Phase, VerifyPurpose};
use crate::chain::{Committed, PrepareError, Prepared};
use crate::execution::Job;
use std::sync::Arc;
use std::time::Instant;
use weft_store::StoreError;
use weft_types::{CommitCertificate, Round};

impl Driver {
    /// After a start: a block may be decided but not committed.
    pub(super) fn resume_decided(&mut self) {
        match self.parts.log.last_decided() {
            Ok(Some(certificate)) if certificate.height == self.height() => {
                tracing::info!(height = %certificate.height, "finishing a decided block");
                self.decided = Some(certificate);
                self.phase = Phase::Committing;
                self.commit_if_decided();
            }
            Ok(_) => {}
            Err(error) => self.stop_for_storage("the consensus log cannot be read", error),
        }
        self.publish_working_height();
    }

    /// The consensus, or a peer with a certificate, says that a block is final.
    pub(super) fn on_decided(&mut self, certificate: CommitCertificate) {
        if certificate.height != self.height() || self.decided.is_some() {
            return;
        }
        if let Err(error) = self.parts.log.put_decided(&certificate, self.parts.log_sync) {
            return self.stop_for_storage("a decision cannot be stored", error);
        }
        self.parts.watch.decided(&certificate);
        self.decided = Some(certificate);
        self.phase = Phase::Committing;
        self.timers.clear();
        self.commit_if_decided();
    }

    /// Commits the decided block when it is executed, executes it when its body is here, and
    /// otherwise leaves it to the sync.
    pub(super) fn commit_if_decided(&mut self) {
        if self.committing {
            return;
        }
        let Some(certificate) = self.decided.clone() else { return };
        if let Some(prepared) = self.prepared.get(&certificate.block) {
            let prepared = Arc::clone(prepared);
            self.committing = true;
            self.job(Job::Commit { prepared, certificate });
            return;
        }
        let (height, block) = (certificate.height, certificate.block);
        let stored = match self.parts.log.body(height, &block) {
            Ok(stored) => stored.map(|stored| (stored.header, stored.body)),
            Err(error) => return self.stop_for_storage("the consensus log cannot be read", error),
        };
        let waiting = || {
            let at = self.proposals.iter().position(|p| p.init.block == block)?;
            let complete = self.proposals.remove(at);
            Some((complete.init.header_rlp, complete.body))
        };
        let Some((header, body)) = stored.or_else(waiting) else {
            return self.sync.body_wanted(Instant::now());
        };
        self.execute_decided(certificate, header, body);
    }

    /// Executes a block that is decided.
    pub(super) fn execute_decided(
        &mut self,
        certificate: CommitCertificate,
        header: Vec<u8>,
        body: Vec<u8>,
    ) {
        self.committing = true;
        let block = certificate.block;
        let purpose = VerifyPurpose::Commit(certificate);
        self.job(Job::Verify { purpose, block, header, body });
    }

    /// A decided block was executed.
    pub(super) fn on_certified(
        &mut self,
        certificate: CommitCertificate,
        result: Result<Prepared, PrepareError>,
    ) {
        self.committing = false;
        let source = self.take_source();
        if certificate.height != self.height() {
            return;
        }
        match result {
            Ok(prepared) => {
                self.keep(prepared);
                // From a peer: the certificate is kept before the block is committed.
                self.on_decided(certificate);
                self.commit_if_decided();
            }
            Err(PrepareError::WrongBody { reason }) => self.on_wrong_body(source, &reason),
            Err(PrepareError::Invalid { reason }) => {
                let (block, height) = (certificate.block, certificate.height);
                let text = format!("block {block} at height {height}: {reason}");
                tracing::error!(%text, "two thirds certified a block that is invalid here");
                self.end.get_or_insert(DriverEnd::Divergence(text));
            }
            Err(error) => self.stop_for_storage("a decided block cannot be executed", error),
        }
    }

    /// A block is durable: the head has moved.
    pub(super) fn on_committed(&mut self, result: Result<Committed, StoreError>) {
        let committed = match result {
            Ok(committed) => committed,
            Err(error) => return self.stop_for_storage("a block cannot be committed", error),
        };
        let finality = self.started_at.elapsed();
        self.head = Arc::clone(&committed.head);
        let round = self.decided.take().map_or(Round(0), |certificate| certificate.round);
        let (number, hash) = (self.head.block.height(), self.head.block.hash());
        self.parts.watch.committed(number, round, hash);
        self.committing = false;
        self.prepared.clear();
        self.judging.clear();
        let height = self.height();
        self.proposals.retain(|p| p.init.height >= height);
        if let Err(error) = self.parts.log.prune(self.head.block.height()) {
            return self.stop_for_storage("the consensus log cannot be pruned", error);
        }
        self.publish_working_height();
        (self.parts.on_head)(&committed, finality);
        self.parts.network.publish_status(&self.head);
        self.wait_for_next_height();
        self.commit_synced();
    }
}
