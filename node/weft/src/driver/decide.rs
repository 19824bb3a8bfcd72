//! From a certificate to a durable block.

use super::{Driver, DriverEnd, Phase, VerifyPurpose};
use crate::chain::{Committed, PrepareError, Prepared};
use crate::execution::Job;
use std::sync::Arc;
use std::time::Instant;
use weft_store::StoreError;
use weft_types::CommitCertificate;

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
        self.decided = Some(certificate);
        self.phase = Phase::Committing;
        self.timers.clear();
        self.commit_if_decided();
    }

    /// Commits the decided block when it is executed, executes it when its body is here, and
    /// otherwise leaves it to the sync.
    pub(super) fn commit_if_decided(&mut self) {
        let Some(certificate) = self.decided.clone() else { return };
        if let Some(prepared) = self.prepared.get(&certificate.block) {
            let prepared = Arc::clone(prepared);
            return self.job(Job::Commit { prepared, certificate });
        }
        match self.parts.log.body(certificate.height, &certificate.block) {
            Ok(Some(stored)) => self.job(Job::Verify {
                block: certificate.block,
                purpose: VerifyPurpose::Commit(certificate),
                header: stored.header,
                body: stored.body,
            }),
            Ok(None) => {
                let waiting = self.proposals.iter().position(|p| p.init.block == certificate.block);
                if let Some(at) = waiting {
                    let complete = self.proposals.remove(at);
                    return self.job(Job::Verify {
                        block: certificate.block,
                        purpose: VerifyPurpose::Commit(certificate),
                        header: complete.init.header_rlp,
                        body: complete.body,
                    });
                }
                self.sync.body_wanted(Instant::now());
            }
            Err(error) => self.stop_for_storage("the consensus log cannot be read", error),
        }
    }

    /// A decided block was executed.
    pub(super) fn on_certified(
        &mut self,
        certificate: CommitCertificate,
        result: Result<Prepared, PrepareError>,
    ) {
        if certificate.height != self.height() {
            return;
        }
        match result {
            Ok(prepared) => {
                let prepared = self.keep(prepared);
                if self.decided.is_none() {
                    // From a peer: the certificate is kept before the block is committed.
                    self.on_decided(certificate);
                } else {
                    self.job(Job::Commit { prepared, certificate });
                }
            }
            Err(PrepareError::Invalid { reason }) => {
                let text = format!(
                    "block {} at height {}: {reason}",
                    certificate.block, certificate.height
                );
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
        self.decided = None;
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
