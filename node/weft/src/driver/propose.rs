//! Proposals: building our own, judging those of others.

use super::{Driver, Phase, VerifyPurpose};
use crate::assembly::{Complete, PartsMessage};
use crate::chain::{PrepareError, Prepared};
use crate::execution::Job;
use alloy_primitives::B256;
use ed25519_dalek::Signer;
use weft_consensus::{ConsensusMessage, Input, ProposedBlock};
use weft_types::parts::{PartsInit, SignedPartsInit, cut_body};
use weft_types::{Height, Round, ValidatorAddress};

/// Complete proposals that wait for their height, at most.
const WAITING_MAX: usize = 16;

impl Driver {
    /// Builds a block for a round, or takes the one that was built for it before a crash: a
    /// validator must not propose two blocks in one round.
    pub(super) fn build(&mut self, height: Height, round: Round) {
        match self.parts.log.built(height, round) {
            Ok(None) => {
                self.job(Job::Build { height, round });
            }
            Ok(Some(stored)) => {
                let purpose = VerifyPurpose::Rebuild(height, round);
                self.job(Job::Verify {
                    purpose,
                    block: stored.block,
                    header: stored.header,
                    body: stored.body,
                });
            }
            Err(error) => self.stop_for_storage("the consensus log cannot be read", error),
        }
    }

    /// The execution thread has built our block.
    pub(super) fn on_built(
        &mut self,
        height: Height,
        round: Round,
        result: Result<Prepared, PrepareError>,
    ) {
        match result {
            Ok(prepared) => self.propose(height, round, prepared, true),
            // No proposal: the round times out and the next proposer takes over.
            Err(error) => tracing::error!(%height, %round, %error, "no block could be built"),
        }
    }

    pub(super) fn propose(&mut self, height: Height, round: Round, prepared: Prepared, new: bool) {
        if height != self.height() || !matches!(self.phase, Phase::Running) {
            return;
        }
        let block = prepared.hash();
        if new && !self.store_body(&prepared, Some(round)) {
            return;
        }
        self.keep(prepared);
        self.step(Input::Built { height, round, block });
    }

    /// Sends the parts of a block with our own proposal of it. Not earlier: the block and the
    /// proposal are on disk now, so the announcement is the only one of this round.
    pub(super) fn stream_proposed(&mut self, message: &ConsensusMessage) {
        let ConsensusMessage::Proposal(signed) = message else { return };
        let proposal = &signed.proposal;
        // One with an earlier round is sent again by its own output.
        if proposal.pol_round.is_none() && Some(proposal.proposer) == self.own_address() {
            self.stream(proposal.height, proposal.round, None, proposal.block);
        }
    }

    fn own_address(&self) -> Option<ValidatorAddress> {
        let key = self.parts.key.as_ref()?;
        Some(ValidatorAddress::from_public_key(&key.verifying_key().to_bytes()))
    }

    /// Sends a block again that an earlier round has found valid.
    pub(super) fn restream(
        &mut self,
        height: Height,
        round: Round,
        valid_round: Option<Round>,
        proposer: ValidatorAddress,
        block: B256,
    ) {
        if Some(proposer) == self.own_address() {
            return self.stream(height, round, valid_round, block);
        }
        // Another validator's proposal: only its own announcement is worth anything.
        self.parts.network.repeat_announcement(height, round, proposer, block);
    }

    /// Header and body of a block of this height that was executed here, now or before a restart.
    fn executed(&mut self, height: Height, block: &B256) -> Option<(Vec<u8>, Vec<u8>)> {
        if let Some(prepared) = self.prepared.get(block) {
            return Some((prepared.header_rlp.clone(), prepared.body.clone()));
        }
        match self.parts.log.body(height, block) {
            Ok(stored) => stored.map(|stored| (stored.header, stored.body)),
            Err(error) => {
                self.stop_for_storage("the consensus log cannot be read", error);
                None
            }
        }
    }

    fn stream(&mut self, height: Height, round: Round, pol_round: Option<Round>, block: B256) {
        let Some((header_rlp, body)) = self.executed(height, &block) else {
            return tracing::warn!(%height, %round, %block, "the block to send is not here");
        };
        let Some(key) = &self.parts.key else { return };
        let (parts_root, parts) = match cut_body(height, block, &body) {
            Ok(cut) => cut,
            Err(error) => return tracing::error!(%error, "our own block is too large to send"),
        };
        let init = PartsInit {
            height,
            round,
            pol_round,
            proposer: ValidatorAddress::from_public_key(&key.verifying_key().to_bytes()),
            block,
            header_rlp,
            body_len: body.len() as u32,
            parts_root,
        };
        let signature = key.sign(&init.sign_bytes(&self.parts.genesis_hash)).to_bytes();
        let init = Box::new(SignedPartsInit { init, signature });
        self.parts
            .network
            .publish_parts(&PartsMessage::Init { init, nonce: crate::network::nonce() });
        for part in parts {
            self.parts.network.publish_parts(&PartsMessage::Part(part));
        }
    }

    /// All parts of a proposal are here.
    pub(super) fn on_proposal(&mut self, complete: Complete) {
        let height = self.height();
        if complete.init.height < height || complete.init.height.0 > height.0 + 1 {
            return;
        }
        if self.proposals.len() >= WAITING_MAX {
            self.proposals.remove(0);
        }
        self.proposals.push(complete);
        if self.decided.is_some() {
            return self.commit_if_decided();
        }
        self.judge_waiting_proposals();
    }

    /// Judges every waiting proposal of the height that is under way.
    pub(super) fn judge_waiting_proposals(&mut self) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        let height = self.height();
        let (now, later): (Vec<_>, Vec<_>) =
            self.proposals.drain(..).partition(|p| p.init.height == height);
        self.proposals = later;
        for complete in now {
            self.judge(complete);
        }
    }

    fn judge(&mut self, complete: Complete) {
        let init = complete.init;
        let purpose = VerifyPurpose::Vote {
            height: init.height,
            round: init.round,
            pol_round: init.pol_round,
            proposer: init.proposer,
            parts_root: init.parts_root,
        };
        if self.prepared.contains_key(&init.block) {
            return self.answer(purpose, init.block, true);
        }
        let body = (init.block, init.parts_root);
        if let Some(waiting) = self.judging.get_mut(&body) {
            return waiting.push(purpose);
        }
        let (block, header) = (init.block, init.header_rlp);
        if self.job(Job::Verify { purpose, block, header, body: complete.body }) {
            self.judging.insert(body, Vec::new());
        }
    }

    /// The execution thread has judged a block.
    pub(super) fn on_verified(
        &mut self,
        purpose: VerifyPurpose,
        block: B256,
        result: Result<Prepared, PrepareError>,
    ) {
        match purpose {
            VerifyPurpose::Commit(certificate) => self.on_certified(certificate, result),
            VerifyPurpose::Rebuild(height, round) => match result {
                Ok(prepared) => self.propose(height, round, prepared, false),
                Err(error) => tracing::error!(%height, %round, %error, "stored block is unusable"),
            },
            vote @ VerifyPurpose::Vote { .. } => self.on_judged(vote, block, result),
        }
    }

    fn on_judged(
        &mut self,
        purpose: VerifyPurpose,
        block: B256,
        result: Result<Prepared, PrepareError>,
    ) {
        let VerifyPurpose::Vote { parts_root, .. } = purpose else { return };
        let mut purposes = vec![purpose];
        purposes.extend(self.judging.remove(&(block, parts_root)).unwrap_or_default());
        let valid = match result {
            Ok(prepared) => {
                if prepared.block.height() != self.height() || !self.store_body(&prepared, None) {
                    return;
                }
                self.keep(prepared);
                true
            }
            Err(PrepareError::Invalid { reason } | PrepareError::WrongBody { reason }) => {
                tracing::warn!(%block, %reason, "proposal is invalid");
                false
            }
            // Not a verdict: say nothing about the block; the round times out.
            Err(error) => return tracing::warn!(%block, %error, "proposal was not judged"),
        };
        for purpose in purposes {
            self.answer(purpose, block, valid);
        }
        self.commit_if_decided();
    }

    fn answer(&mut self, purpose: VerifyPurpose, block: B256, valid: bool) {
        let VerifyPurpose::Vote { height, round, pol_round, proposer, .. } = purpose else {
            return;
        };
        let proposed = ProposedBlock { round, valid_round: pol_round, proposer, block, valid };
        self.step(Input::Value { height, proposed });
    }

    /// Puts a block's body on disk before anything depends on it. `built` marks our own.
    fn store_body(&mut self, prepared: &Prepared, built: Option<Round>) -> bool {
        let (height, block) = (prepared.block.height(), prepared.hash());
        let header = &prepared.header_rlp;
        if let Err(error) = self.parts.log.put_body(height, block, header, &prepared.body, built) {
            self.stop_for_storage("a proposal cannot be stored", error);
            return false;
        }
        true
    }
}
