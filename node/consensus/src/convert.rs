//! Between our messages and the core's.

use crate::context::{Core, CoreAddress, CoreBlock, CoreHeight, CoreProposal, CoreVote};
use crate::message::{
    ConsensusMessage, LivenessMessage, PolkaCertificate, RoundCertificate, RoundCertificateKind,
    RoundVote, SignedProposal, SignedVote,
};
use crate::port::TimeoutKind;
use crate::wal::{ProposedBlock, WalEvent};
use alloy_primitives::B256;
use malachite_consensus::{Input as CoreInput, LivenessMsg, ProposedValue, SignedConsensusMsg};
use malachite_types::{
    self as core, NilOrVal, Round as CoreRound, SignedMessage, Timeout, Validity, ValueOrigin,
};
use weft_types::vote::{Proposal, Vote, VoteType};
use weft_types::{CommitCertificate, Height, Round, ValidatorSet};

pub(crate) const fn round(round: CoreRound) -> Option<Round> {
    match round {
        CoreRound::Nil => None,
        CoreRound::Some(round) => Some(Round(round)),
    }
}

/// A round that the core never leaves undefined.
pub(crate) fn defined(core_round: CoreRound) -> Round {
    round(core_round).unwrap_or_default()
}

pub(crate) fn core_round(round: Option<Round>) -> CoreRound {
    CoreRound::from(round.map(|round| round.0))
}

const fn block(value: &NilOrVal<CoreBlock>) -> Option<B256> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(block.0),
    }
}

fn core_block(block: Option<B256>) -> NilOrVal<CoreBlock> {
    block.map_or(NilOrVal::Nil, |block| NilOrVal::Val(CoreBlock(block)))
}

const fn vote_type(vote_type: core::VoteType) -> VoteType {
    match vote_type {
        core::VoteType::Prevote => VoteType::Prevote,
        core::VoteType::Precommit => VoteType::Precommit,
    }
}

const fn core_vote_type(vote_type: VoteType) -> core::VoteType {
    match vote_type {
        VoteType::Prevote => core::VoteType::Prevote,
        VoteType::Precommit => core::VoteType::Precommit,
    }
}

pub(crate) fn vote(vote: &CoreVote) -> Vote {
    Vote {
        vote_type: vote_type(vote.vote_type),
        height: Height(vote.height.0),
        round: defined(vote.round),
        block: block(&vote.value),
        validator: vote.address.0,
    }
}

pub(crate) fn signed_vote(signed: &core::SignedVote<Core>) -> SignedVote {
    SignedVote { vote: vote(&signed.message), signature: signed.signature }
}

pub(crate) fn core_signed_vote(signed: &SignedVote) -> core::SignedVote<Core> {
    let vote = &signed.vote;
    let vote = CoreVote {
        vote_type: core_vote_type(vote.vote_type),
        height: CoreHeight(vote.height.0),
        round: core_round(Some(vote.round)),
        value: core_block(vote.block),
        address: CoreAddress(vote.validator),
    };
    SignedMessage::new(vote, signed.signature)
}

pub(crate) fn proposal(proposal: &CoreProposal) -> Proposal {
    Proposal {
        height: Height(proposal.height.0),
        round: defined(proposal.round),
        block: proposal.value.0,
        pol_round: round(proposal.pol_round),
        proposer: proposal.address.0,
    }
}

pub(crate) fn signed_proposal(signed: &core::SignedProposal<Core>) -> SignedProposal {
    SignedProposal { proposal: proposal(&signed.message), signature: signed.signature }
}

pub(crate) fn core_signed_proposal(signed: &SignedProposal) -> core::SignedProposal<Core> {
    let proposal = &signed.proposal;
    let proposal = CoreProposal {
        height: CoreHeight(proposal.height.0),
        round: core_round(Some(proposal.round)),
        value: CoreBlock(proposal.block),
        pol_round: core_round(proposal.pol_round),
        address: CoreAddress(proposal.proposer),
    };
    SignedMessage::new(proposal, signed.signature)
}

pub(crate) fn consensus_message(message: &SignedConsensusMsg<Core>) -> ConsensusMessage {
    match message {
        SignedConsensusMsg::Vote(signed) => ConsensusMessage::Vote(signed_vote(signed)),
        SignedConsensusMsg::Proposal(signed) => ConsensusMessage::Proposal(signed_proposal(signed)),
    }
}

pub(crate) fn polka(certificate: &core::PolkaCertificate<Core>) -> PolkaCertificate {
    PolkaCertificate {
        height: Height(certificate.height.0),
        round: defined(certificate.round),
        block: certificate.value_id.0,
        signatures: certificate
            .polka_signatures
            .iter()
            .map(|signed| (signed.address.0, signed.signature))
            .collect(),
    }
}

fn core_polka(certificate: &PolkaCertificate) -> core::PolkaCertificate<Core> {
    let signatures = certificate.signatures.iter();
    core::PolkaCertificate {
        height: CoreHeight(certificate.height.0),
        round: core_round(Some(certificate.round)),
        value_id: CoreBlock(certificate.block),
        polka_signatures: signatures
            .map(|(address, signature)| {
                core::PolkaSignature::new(CoreAddress(*address), *signature)
            })
            .collect(),
    }
}

pub(crate) fn round_certificate(certificate: &core::RoundCertificate<Core>) -> RoundCertificate {
    let votes = certificate.round_signatures.iter().map(|signed| RoundVote {
        vote_type: vote_type(signed.vote_type),
        block: block(&signed.value_id),
        validator: signed.address.0,
        signature: signed.signature,
    });
    RoundCertificate {
        height: Height(certificate.height.0),
        round: defined(certificate.round),
        kind: match certificate.cert_type {
            core::RoundCertificateType::Skip => RoundCertificateKind::Skip,
            core::RoundCertificateType::Precommit => RoundCertificateKind::Precommit,
        },
        votes: votes.collect(),
    }
}

fn core_round_certificate(certificate: &RoundCertificate) -> core::RoundCertificate<Core> {
    let votes = certificate.votes.iter().map(|vote| {
        core::RoundSignature::new(
            core_vote_type(vote.vote_type),
            core_block(vote.block),
            CoreAddress(vote.validator),
            vote.signature,
        )
    });
    core::RoundCertificate {
        height: CoreHeight(certificate.height.0),
        round: core_round(Some(certificate.round)),
        cert_type: match certificate.kind {
            RoundCertificateKind::Skip => core::RoundCertificateType::Skip,
            RoundCertificateKind::Precommit => core::RoundCertificateType::Precommit,
        },
        round_signatures: votes.collect(),
    }
}

pub(crate) fn liveness_message(message: &LivenessMsg<Core>) -> LivenessMessage {
    match message {
        LivenessMsg::Vote(signed) => LivenessMessage::Vote(signed_vote(signed)),
        LivenessMsg::PolkaCertificate(certificate) => LivenessMessage::Polka(polka(certificate)),
        LivenessMsg::SkipRoundCertificate(certificate) => {
            LivenessMessage::Round(round_certificate(certificate))
        }
    }
}

pub(crate) fn core_message(message: &ConsensusMessage) -> CoreInput<Core> {
    match message {
        ConsensusMessage::Vote(signed) => CoreInput::Vote(core_signed_vote(signed)),
        ConsensusMessage::Proposal(signed) => CoreInput::Proposal(core_signed_proposal(signed)),
    }
}

pub(crate) fn core_liveness(message: &LivenessMessage) -> CoreInput<Core> {
    match message {
        LivenessMessage::Vote(signed) => CoreInput::Vote(core_signed_vote(signed)),
        LivenessMessage::Polka(certificate) => CoreInput::PolkaCertificate(core_polka(certificate)),
        LivenessMessage::Round(certificate) => {
            CoreInput::RoundCertificate(core_round_certificate(certificate))
        }
    }
}

/// The core's view of a commit certificate; `None` when the certificate does not fit the set.
pub(crate) fn core_commit(
    certificate: &CommitCertificate,
    validators: &ValidatorSet,
) -> Option<core::ExtendedCommitCertificate<Core>> {
    let indices = certificate.signer_indices();
    if indices.len() != certificate.signatures.len() {
        return None;
    }
    let signatures = indices.into_iter().zip(&certificate.signatures).map(|(index, signature)| {
        let address = CoreAddress(validators.as_slice().get(index)?.address());
        Some(core::ExtendedCommitSignature::new(address, *signature, None))
    });
    Some(core::ExtendedCommitCertificate {
        height: CoreHeight(certificate.height.0),
        round: core_round(Some(certificate.round)),
        value_id: CoreBlock(certificate.block),
        commit_signatures: signatures.collect::<Option<_>>()?,
    })
}

/// Our compact form of the core's commit certificate.
pub(crate) fn commit(
    certificate: &core::CommitCertificate<Core>,
    validators: &ValidatorSet,
) -> CommitCertificate {
    let votes = certificate.commit_signatures.iter().filter_map(|signed| {
        let (index, _) = validators.get(&signed.address.0)?;
        Some((index, signed.signature))
    });
    CommitCertificate::new(
        Height(certificate.height.0),
        defined(certificate.round),
        certificate.value_id.0,
        validators.len(),
        votes.collect(),
    )
}

pub(crate) fn core_value(height: Height, proposed: &ProposedBlock) -> ProposedValue<Core> {
    ProposedValue {
        height: CoreHeight(height.0),
        round: core_round(Some(proposed.round)),
        valid_round: core_round(proposed.valid_round),
        proposer: CoreAddress(proposed.proposer),
        value: CoreBlock(proposed.block),
        validity: Validity::from_bool(proposed.valid),
    }
}

const fn timeout_kind(kind: core::TimeoutKind) -> Option<TimeoutKind> {
    match kind {
        core::TimeoutKind::Propose => Some(TimeoutKind::Propose),
        core::TimeoutKind::Prevote => Some(TimeoutKind::Prevote),
        core::TimeoutKind::Precommit => Some(TimeoutKind::Precommit),
        core::TimeoutKind::Rebroadcast => Some(TimeoutKind::Rebroadcast),
        // Only scheduled when a target time is set; ours is `None`.
        core::TimeoutKind::FinalizeHeight(_) => None,
    }
}

pub(crate) fn timeout(timeout: Timeout) -> Option<(TimeoutKind, Round)> {
    Some((timeout_kind(timeout.kind)?, defined(timeout.round)))
}

pub(crate) fn core_timeout(kind: TimeoutKind, round: Round) -> Timeout {
    let kind = match kind {
        TimeoutKind::Propose => core::TimeoutKind::Propose,
        TimeoutKind::Prevote => core::TimeoutKind::Prevote,
        TimeoutKind::Precommit => core::TimeoutKind::Precommit,
        TimeoutKind::Rebroadcast => core::TimeoutKind::Rebroadcast,
    };
    Timeout::new(core_round(Some(round)), kind)
}

/// What the log keeps of an input of the core; `None` for inputs that it does not keep.
pub(crate) fn event(input: &CoreInput<Core>) -> Option<WalEvent> {
    match input {
        CoreInput::Vote(signed) => Some(WalEvent::Vote(signed_vote(signed))),
        CoreInput::Proposal(signed) => Some(WalEvent::Proposal(signed_proposal(signed))),
        CoreInput::ProposedValue(value, _) => Some(WalEvent::Value(ProposedBlock {
            round: defined(value.round),
            valid_round: round(value.valid_round),
            proposer: value.proposer.0,
            block: value.value.0,
            valid: value.validity.is_valid(),
        })),
        CoreInput::PolkaCertificate(certificate) => Some(WalEvent::Polka(polka(certificate))),
        CoreInput::TimeoutElapsed(elapsed) => {
            timeout(*elapsed).map(|(kind, round)| WalEvent::Timeout { kind, round })
        }
        CoreInput::StartHeight(..)
        | CoreInput::RoundCertificate(_)
        | CoreInput::Propose(_)
        | CoreInput::SyncValueResponse(_) => None,
    }
}

pub(crate) fn core_event(height: Height, event: &WalEvent) -> CoreInput<Core> {
    match event {
        WalEvent::Vote(signed) => CoreInput::Vote(core_signed_vote(signed)),
        WalEvent::Proposal(signed) => CoreInput::Proposal(core_signed_proposal(signed)),
        WalEvent::Value(proposed) => {
            CoreInput::ProposedValue(core_value(height, proposed), ValueOrigin::Consensus)
        }
        WalEvent::Polka(certificate) => CoreInput::PolkaCertificate(core_polka(certificate)),
        WalEvent::Timeout { kind, round } => CoreInput::TimeoutElapsed(core_timeout(*kind, *round)),
    }
}
