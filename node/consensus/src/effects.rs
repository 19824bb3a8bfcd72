//! Carries out the effects of the core: answers what it asks at once, queues what must be done
//! outside, and puts the flush where the safety of the protocol needs it.

use crate::context::{Core, CoreHeight, CoreProposal, CoreValidatorSet, CoreVote};
use crate::convert;
use crate::error::MessageError;
use crate::guard::{Permit, SignGuard, SignPoint, SignStep};
use crate::message::{LivenessMessage, SignedVote};
use crate::port::{Evidence, Output, Role, TimeoutId, TimeoutKind};
use crate::verify::{Remembered, Verifier};
use crate::wal::{WalEntry, WalEvent};
use alloy_primitives::B256;
use ed25519_dalek::{Signer, SigningKey};
use malachite_consensus::{
    ConsensusMsg, Effect, Input as CoreInput, LocallyProposedValue, MisbehaviorEvidence,
    ProposedValue, Resumable, Resume, Role as CoreRole,
};
use malachite_types::{
    self as core, CertificateError, SignedMessage, Timeout, Validity, ValueOrigin, ValueResponse,
};
use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use weft_types::vote::{SignatureBytes, Vote, VoteType};
use weft_types::{Height, Round, Timeouts, ValidatorSet};

/// No timeout is longer, in milliseconds, however high the round.
const TIMEOUT_MS_MAX: u64 = 60_000;

/// Everything of the driver but the core's own state, so that both can be borrowed at once.
#[derive(Debug)]
pub(crate) struct Effects {
    pub(crate) genesis_hash: B256,
    pub(crate) validators: ValidatorSet,
    pub(crate) timeouts: Timeouts,
    pub(crate) key: Option<SigningKey>,
    pub(crate) guard: Option<SignGuard>,
    pub(crate) remembered: Remembered,
    /// Height being decided.
    pub(crate) height: Height,
    /// Whether this height is decided.
    pub(crate) decided: bool,
    /// Whether votes are signed, and the log written, at this height.
    pub(crate) signing: bool,
    /// Place of the next log entry.
    pub(crate) sequence: u64,
    /// Digests of the entries that are in the log already, while they are being replayed.
    pub(crate) replaying: Option<HashSet<blake3::Hash>>,
    /// Inputs that an effect asks for; the core must not be entered from within an effect.
    pub(crate) follow_up: VecDeque<CoreInput<Core>>,
    pub(crate) outputs: Vec<Output>,
    /// Something was persisted since the last flush.
    pub(crate) unflushed: bool,
    /// Why this node must not go on.
    pub(crate) halt: Option<String>,
}

type Answer = Result<Resume<Core>, Infallible>;

impl Effects {
    pub(crate) fn new(
        genesis_hash: B256,
        validators: ValidatorSet,
        timeouts: Timeouts,
        key: Option<SigningKey>,
        guard: Option<SignGuard>,
        decided: Height,
    ) -> Self {
        Self {
            genesis_hash,
            validators,
            timeouts,
            key,
            guard,
            remembered: Remembered::default(),
            height: decided,
            decided: true,
            signing: false,
            sequence: 0,
            replaying: None,
            follow_up: VecDeque::new(),
            outputs: Vec::new(),
            unflushed: false,
            halt: None,
        }
    }

    /// Carries out one effect. Never fails: a refused signature answers what the core does not
    /// expect, which ends its current input, and leaves `halt` set.
    pub(crate) fn perform(&mut self, effect: Effect<Core>) -> Answer {
        Ok(match effect {
            Effect::CancelAllTimeouts(r) => {
                self.outputs.push(Output::CancelAll);
                r.resume_with(())
            }
            Effect::CancelTimeout(timeout, r) => {
                self.outputs.extend(self.timeout_id(timeout).map(Output::Cancel));
                r.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, r) => {
                if let Some(id) = self.timeout_id(timeout) {
                    let duration_ms = self.duration_ms(id.kind, id.round);
                    self.outputs.push(Output::Schedule { id, duration_ms });
                }
                r.resume_with(())
            }
            Effect::StartRound(height, round, proposer, role, r) => {
                self.act(Output::StartedRound {
                    height: Height(height.0),
                    round: convert::defined(round),
                    proposer: proposer.0,
                    role: role_of(role),
                });
                r.resume_with(())
            }
            Effect::PublishConsensusMsg(message, r) => {
                self.act(Output::Publish(convert::consensus_message(&message)));
                r.resume_with(())
            }
            Effect::PublishLivenessMsg(message, r) => {
                self.publish(convert::liveness_message(&message));
                r.resume_with(())
            }
            Effect::RepublishVote(vote, r) => {
                self.publish(LivenessMessage::Vote(convert::signed_vote(&vote)));
                r.resume_with(())
            }
            Effect::RepublishRoundCertificate(certificate, r) => {
                self.publish(LivenessMessage::Round(convert::round_certificate(&certificate)));
                r.resume_with(())
            }
            Effect::GetValue(height, round, timeout, r) => {
                self.build(height, convert::defined(round), timeout);
                r.resume_with(())
            }
            Effect::RestreamProposal(height, round, valid_round, proposer, block, r) => {
                self.act(Output::Restream {
                    height: Height(height.0),
                    round: convert::defined(round),
                    valid_round: convert::round(valid_round),
                    proposer: proposer.0,
                    block: block.0,
                });
                r.resume_with(())
            }
            Effect::Decide(certificate, _, r) => {
                self.decide(&certificate);
                r.resume_with(())
            }
            Effect::WalAppend(height, input, r) => {
                self.append(height, &input);
                r.resume_with(())
            }
            effect => self.perform_rare(effect),
        })
    }

    /// The effects around signatures, evidence and the sync path.
    fn perform_rare(&mut self, effect: Effect<Core>) -> Resume<Core> {
        match effect {
            Effect::SignVote(vote, r) => match self.sign_vote(&vote) {
                Some(signature) => r.resume_with(SignedMessage::new(vote, signature)),
                None => Resume::Continue,
            },
            Effect::SignProposal(proposal, r) => match self.sign_proposal(&proposal) {
                Some(signature) => r.resume_with(SignedMessage::new(proposal, signature)),
                None => Resume::Continue,
            },
            Effect::VerifySignature(message, _, r) => r.resume_with(self.verify_message(&message)),
            Effect::VerifyCommitCertificate(certificate, _, _, r) => {
                r.resume_with(self.verify_commit(&certificate))
            }
            Effect::VerifyExtendedCommitCertificate(certificate, _, _, _, r) => {
                r.resume_with(self.verify_commit(&certificate.trim_vote_extensions()))
            }
            Effect::VerifyPolkaCertificate(certificate, _, _, r) => {
                let certificate = convert::polka(&certificate);
                r.resume_with(self.verify(|v, memory| v.polka(&certificate, Some(memory))))
            }
            Effect::VerifyRoundCertificate(certificate, _, _, r) => {
                let certificate = convert::round_certificate(&certificate);
                r.resume_with(self.verify(|v, memory| v.round(&certificate, Some(memory))))
            }
            Effect::Finalize(_, _, evidence, r) => {
                self.evidence(evidence);
                r.resume_with(())
            }
            Effect::CertVerifiedSyncValue(response, proposer, r) => {
                self.follow_up.push_back(synced_value(&response, proposer));
                r.resume_with(())
            }
            Effect::CertRejectedSyncValue(_, height, error, r) => {
                tracing::warn!(%height, %error, "certificate of a synced block refused");
                r.resume_with(())
            }
            // Vote extensions are disabled, so the core does not ask for one.
            Effect::ExtendVote(_, _, _, _, r) => r.resume_with(None),
            Effect::VerifyVoteExtension(_, _, _, _, _, _, r) => {
                r.resume_with(Err(malachite_consensus::VoteExtensionError::InvalidVoteExtension))
            }
            // All others are carried out by `perform`.
            _ => Resume::Continue,
        }
    }

    /// Queues what others will see: everything persisted before must be on disk first.
    fn act(&mut self, output: Output) {
        if self.unflushed {
            self.outputs.push(Output::Flush);
            self.unflushed = false;
        }
        self.outputs.push(output);
    }

    fn publish(&mut self, message: LivenessMessage) {
        self.act(Output::PublishLiveness(message));
    }

    fn build(&mut self, height: CoreHeight, round: Round, timeout: Timeout) {
        let kind = convert::timeout(timeout).map_or(TimeoutKind::Propose, |(kind, _)| kind);
        let timeout_ms = self.duration_ms(kind, round);
        self.outputs.push(Output::Build { height: Height(height.0), round, timeout_ms });
    }

    fn append(&mut self, height: CoreHeight, input: &CoreInput<Core>) {
        if !self.signing || self.decided || height.0 != self.height.0 {
            return;
        }
        let Some(event) = convert::event(input) else { return };
        if self.replaying.as_ref().is_some_and(|log| log.contains(&event_digest(&event))) {
            return;
        }
        let entry = WalEntry { height: self.height, sequence: self.sequence, event };
        self.sequence += 1;
        self.outputs.push(Output::Persist(entry));
        self.unflushed = true;
    }

    fn decide(&mut self, certificate: &core::CommitCertificate<Core>) {
        let certificate = convert::commit(certificate, &self.validators);
        self.act(Output::Decide { certificate });
        self.decided = true;
    }

    fn evidence(&mut self, evidence: MisbehaviorEvidence<Core>) {
        for (_, pairs) in evidence.votes {
            for (first, second) in pairs {
                let pair = (convert::signed_vote(&first), convert::signed_vote(&second));
                self.outputs.push(Output::Evidence(Evidence::Votes(Box::new(pair))));
            }
        }
        for (_, pairs) in evidence.proposals.iter() {
            for (first, second) in pairs {
                let pair = (convert::signed_proposal(first), convert::signed_proposal(second));
                self.outputs.push(Output::Evidence(Evidence::Proposals(Box::new(pair))));
            }
        }
    }

    fn sign_vote(&mut self, vote: &CoreVote) -> Option<SignatureBytes> {
        let vote = convert::vote(vote);
        let step = SignStep::from(vote.vote_type);
        let point = SignPoint { height: vote.height, round: vote.round, step };
        self.sign(point, vote.block, &vote.sign_bytes(&self.genesis_hash))
    }

    fn sign_proposal(&mut self, proposal: &CoreProposal) -> Option<SignatureBytes> {
        let proposal = convert::proposal(proposal);
        let (height, round) = (proposal.height, proposal.round);
        let point = SignPoint { height, round, step: SignStep::Proposal };
        self.sign(point, Some(proposal.block), &proposal.sign_bytes(&self.genesis_hash))
    }

    /// Signs, unless the guard forbids it; then `halt` is set.
    fn sign(
        &mut self,
        point: SignPoint,
        block: Option<B256>,
        bytes: &[u8],
    ) -> Option<SignatureBytes> {
        let digest = B256::from(*blake3::hash(bytes).as_bytes());
        let permit =
            self.guard.as_ref().map_or(Ok(Permit::New), |guard| guard.check(point, block, &digest));
        match (permit, &self.key) {
            (Ok(Permit::Again(signature)), _) => Some(signature),
            (Ok(Permit::New), Some(key)) => {
                let signature = key.sign(bytes).to_bytes();
                let guard = SignGuard { point, block, digest, signature };
                self.guard = Some(guard.clone());
                self.outputs.push(Output::Guard(guard));
                self.unflushed = true;
                Some(signature)
            }
            (Ok(Permit::New), None) => {
                self.halt = Some(format!("asked to sign {point} without a key"));
                None
            }
            (Err(refused), _) => {
                self.halt = Some(refused.to_string());
                None
            }
        }
    }

    fn verify_message(&mut self, message: &SignedMessage<Core, ConsensusMsg<Core>>) -> bool {
        let result = match &message.message {
            ConsensusMsg::Vote(vote) => {
                let signed = SignedVote { vote: convert::vote(vote), signature: message.signature };
                self.verify(|v, memory| v.vote(&signed, Some(memory)).map(drop))
            }
            ConsensusMsg::Proposal(proposal) => {
                let proposal = convert::proposal(proposal);
                let signature = message.signature;
                let signed = crate::message::SignedProposal { proposal, signature };
                self.verify(|v, memory| v.proposal(&signed, Some(memory)))
            }
        };
        result.is_ok()
    }

    /// Verifies what was not verified before, and remembers it.
    fn verify(
        &mut self,
        check: impl FnOnce(&mut Verifier<'_>, &Remembered) -> Result<(), MessageError>,
    ) -> Result<(), CertificateError<Core>> {
        self.check(check).map_err(|error| {
            tracing::debug!(%error, "message refused");
            CertificateError::VerificationError(None)
        })
    }

    pub(crate) fn check(
        &mut self,
        check: impl FnOnce(&mut Verifier<'_>, &Remembered) -> Result<(), MessageError>,
    ) -> Result<(), MessageError> {
        let mut verifier = Verifier::new(&self.validators, &self.genesis_hash);
        let result = check(&mut verifier, &self.remembered);
        let verified = verifier.into_verified();
        self.remembered.extend(verified);
        result
    }

    fn verify_commit(
        &mut self,
        certificate: &core::CommitCertificate<Core>,
    ) -> Result<(), CertificateError<Core>> {
        let (height, round) = (Height(certificate.height.0), convert::defined(certificate.round));
        let block = Some(certificate.value_id.0);
        let votes: Vec<SignedVote> = certificate
            .commit_signatures
            .iter()
            .map(|signed| SignedVote {
                vote: Vote {
                    vote_type: VoteType::Precommit,
                    height,
                    round,
                    block,
                    validator: signed.address.0,
                },
                signature: signed.signature,
            })
            .collect();
        self.verify(|verifier, memory| verifier.quorum(votes.into_iter(), Some(memory)))
    }

    fn timeout_id(&self, timeout: Timeout) -> Option<TimeoutId> {
        let (kind, round) = convert::timeout(timeout)?;
        Some(TimeoutId { height: self.height, round, kind })
    }

    /// `base + delta * round` (Tendermint's timeout functions), at most one minute.
    fn duration_ms(&self, kind: TimeoutKind, round: Round) -> u64 {
        let t = &self.timeouts;
        let (base, delta) = match kind {
            TimeoutKind::Propose => (t.propose_ms, t.propose_delta_ms),
            TimeoutKind::Prevote => (t.prevote_ms, t.vote_delta_ms),
            TimeoutKind::Precommit => (t.precommit_ms, t.vote_delta_ms),
            TimeoutKind::Rebroadcast => (t.rebroadcast_ms, 0),
        };
        base.saturating_add(delta.saturating_mul(u64::from(round.0))).min(TIMEOUT_MS_MAX)
    }
}

/// Names a log entry by its content.
pub(crate) fn event_digest(event: &WalEvent) -> blake3::Hash {
    blake3::hash(&borsh::to_vec(event).expect("writing to memory cannot fail"))
}

/// The core's input for a block that this node built.
pub(crate) const fn built(height: Height, round: Round, block: B256) -> CoreInput<Core> {
    CoreInput::Propose(LocallyProposedValue {
        height: CoreHeight(height.0),
        round: core::Round::Some(round.0),
        value: crate::context::CoreBlock(block),
    })
}

/// A synced block counts as proposed in the round of its certificate, whatever round it was in
/// when this node last heard of it.
fn synced_value(
    response: &ValueResponse<Core>,
    proposer: crate::context::CoreAddress,
) -> CoreInput<Core> {
    let certificate = &response.certificate;
    let value = ProposedValue {
        height: certificate.height,
        round: certificate.round,
        valid_round: core::Round::Nil,
        proposer,
        value: certificate.value_id,
        validity: Validity::Valid,
    };
    CoreInput::ProposedValue(value, ValueOrigin::Sync)
}

const fn role_of(role: CoreRole) -> Role {
    match role {
        CoreRole::Proposer => Role::Proposer,
        CoreRole::Validator => Role::Validator,
        CoreRole::None => Role::Follower,
    }
}

/// The core's input that starts a height.
pub(crate) const fn start(height: Height, validators: CoreValidatorSet) -> CoreInput<Core> {
    // Not a restart in the core's sense (that would drop the log), and no target time: the caller
    // paces the chain by when it starts the next height.
    CoreInput::StartHeight(
        CoreHeight(height.0),
        validators,
        false,
        None,
        core::VoteExtensionPolicy::Disabled,
    )
}
