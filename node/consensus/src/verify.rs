//! Signatures: one rule, and a memory of those that passed it.

use crate::error::MessageError;
use crate::message::{
    ConsensusMessage, LivenessMessage, PolkaCertificate, RoundCertificate, RoundCertificateKind,
    SignedProposal, SignedVote,
};
use crate::proposer::proposer;
use alloy_primitives::B256;
use std::collections::HashSet;
use weft_types::vote::{SignatureBytes, Vote, VoteType, verify_signature};
use weft_types::{Validator, ValidatorAddress, ValidatorSet};

/// Signatures remembered per generation; two generations are kept.
const REMEMBERED: usize = 8 * 1024;

/// Proof that signatures were verified, to be handed to
/// [`Consensus::trust`](crate::Consensus::trust), so that they are not verified again.
///
/// Only the functions of this module make one.
#[derive(Clone, Debug, Default)]
#[must_use = "hand it to the consensus, or the signature is verified twice"]
pub struct Verified(Vec<B256>);

/// Verifies a message of the consensus topic: known signer, its turn if it proposes, signature.
///
/// Pure, so that the gossip validator can run it on any thread. Says nothing about whether the
/// message is still of use: compare its height and round for that.
///
/// # Errors
/// [`MessageError`]; the sender is to blame.
pub fn verify_message(
    message: &ConsensusMessage,
    validators: &ValidatorSet,
    genesis_hash: &B256,
) -> Result<Verified, MessageError> {
    let mut verifier = Verifier::new(validators, genesis_hash);
    verifier.message(message, None)?;
    Ok(Verified(verifier.passed))
}

/// Verifies a message of the liveness topic, with all signatures of a certificate and its power.
///
/// # Errors
/// [`MessageError`]; the sender is to blame.
pub fn verify_liveness(
    message: &LivenessMessage,
    validators: &ValidatorSet,
    genesis_hash: &B256,
) -> Result<Verified, MessageError> {
    let mut verifier = Verifier::new(validators, genesis_hash);
    verifier.liveness(message, None)?;
    Ok(Verified(verifier.passed))
}

/// Signatures that passed. Grows to two generations and then forgets the older one.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    young: HashSet<B256>,
    old: HashSet<B256>,
}

impl Remembered {
    pub(crate) fn extend(&mut self, verified: Verified) {
        for digest in verified.0 {
            self.insert(digest);
        }
    }

    fn insert(&mut self, digest: B256) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest);
    }

    fn contains(&self, digest: &B256) -> bool {
        self.young.contains(digest) || self.old.contains(digest)
    }
}

/// Verifies against one validator set, asking the memory first and collecting what passed.
pub(crate) struct Verifier<'a> {
    validators: &'a ValidatorSet,
    genesis_hash: &'a B256,
    passed: Vec<B256>,
}

type Memory<'a> = Option<&'a Remembered>;

impl<'a> Verifier<'a> {
    pub(crate) const fn new(validators: &'a ValidatorSet, genesis_hash: &'a B256) -> Self {
        Self { validators, genesis_hash, passed: Vec::new() }
    }

    /// What passed and was not remembered before.
    pub(crate) fn into_verified(self) -> Verified {
        Verified(self.passed)
    }

    pub(crate) fn message(
        &mut self,
        message: &ConsensusMessage,
        memory: Memory<'_>,
    ) -> Result<(), MessageError> {
        match message {
            ConsensusMessage::Vote(signed) => self.vote(signed, memory).map(drop),
            ConsensusMessage::Proposal(signed) => self.proposal(signed, memory),
        }
    }

    pub(crate) fn liveness(
        &mut self,
        message: &LivenessMessage,
        memory: Memory<'_>,
    ) -> Result<(), MessageError> {
        match message {
            LivenessMessage::Vote(signed) => self.vote(signed, memory).map(drop),
            LivenessMessage::Polka(certificate) => self.polka(certificate, memory),
            LivenessMessage::Round(certificate) => self.round(certificate, memory),
        }
    }

    /// Verifies one vote and returns its voter's power.
    pub(crate) fn vote(
        &mut self,
        signed: &SignedVote,
        memory: Memory<'_>,
    ) -> Result<u64, MessageError> {
        let validator = self.member(signed.vote.validator)?;
        let bytes = signed.vote.sign_bytes(self.genesis_hash);
        self.signature(validator, &bytes, &signed.signature, memory)?;
        Ok(validator.power)
    }

    pub(crate) fn proposal(
        &mut self,
        signed: &SignedProposal,
        memory: Memory<'_>,
    ) -> Result<(), MessageError> {
        let proposal = &signed.proposal;
        let validator = self.member(proposal.proposer)?;
        let (height, round) = (proposal.height, proposal.round);
        let expected = proposer(self.validators, self.genesis_hash, height, round).address();
        if expected != proposal.proposer {
            let found = proposal.proposer;
            return Err(MessageError::Proposer { height, round, expected, found });
        }
        if let Some(pol_round) = proposal.pol_round.filter(|pol_round| *pol_round >= round) {
            return Err(MessageError::PolRound { round, pol_round });
        }
        let bytes = proposal.sign_bytes(self.genesis_hash);
        self.signature(validator, &bytes, &signed.signature, memory)
    }

    pub(crate) fn polka(
        &mut self,
        certificate: &PolkaCertificate,
        memory: Memory<'_>,
    ) -> Result<(), MessageError> {
        let votes = certificate.signatures.iter().map(|(validator, signature)| SignedVote {
            vote: Vote {
                vote_type: VoteType::Prevote,
                height: certificate.height,
                round: certificate.round,
                block: Some(certificate.block),
                validator: *validator,
            },
            signature: *signature,
        });
        self.quorum(votes, memory)
    }

    /// Verifies that votes of distinct validators have more than two thirds of the power.
    pub(crate) fn quorum(
        &mut self,
        votes: impl Iterator<Item = SignedVote>,
        memory: Memory<'_>,
    ) -> Result<(), MessageError> {
        let power = self.distinct(votes, memory)?;
        self.enough(power, self.validators.is_quorum(power))
    }

    pub(crate) fn round(
        &mut self,
        certificate: &RoundCertificate,
        memory: Memory<'_>,
    ) -> Result<(), MessageError> {
        let only_precommits = certificate.kind == RoundCertificateKind::Precommit;
        for vote in &certificate.votes {
            if only_precommits && vote.vote_type == VoteType::Prevote {
                return Err(MessageError::Step { address: vote.validator });
            }
        }
        let votes = certificate.votes.iter().map(|vote| SignedVote {
            vote: Vote {
                vote_type: vote.vote_type,
                height: certificate.height,
                round: certificate.round,
                block: vote.block,
                validator: vote.validator,
            },
            signature: vote.signature,
        });
        let power = self.distinct(votes, memory)?;
        let enough = match certificate.kind {
            RoundCertificateKind::Precommit => self.validators.is_quorum(power),
            RoundCertificateKind::Skip => {
                u128::from(power) * 3 > u128::from(self.validators.total_power())
            }
        };
        self.enough(power, enough)
    }

    fn distinct(
        &mut self,
        votes: impl Iterator<Item = SignedVote>,
        memory: Memory<'_>,
    ) -> Result<u64, MessageError> {
        let mut seen = HashSet::new();
        let mut power = 0;
        for signed in votes {
            let address = signed.vote.validator;
            if !seen.insert(address) {
                return Err(MessageError::Duplicate { address });
            }
            power += self.vote(&signed, memory)?;
        }
        Ok(power)
    }

    const fn enough(&self, power: u64, enough: bool) -> Result<(), MessageError> {
        if enough {
            return Ok(());
        }
        Err(MessageError::Power { power, total: self.validators.total_power() })
    }

    fn member(&self, address: ValidatorAddress) -> Result<&'a Validator, MessageError> {
        let found = self.validators.get(&address);
        found.map(|(_, validator)| validator).ok_or(MessageError::UnknownValidator { address })
    }

    fn signature(
        &mut self,
        validator: &Validator,
        bytes: &[u8],
        signature: &SignatureBytes,
        memory: Memory<'_>,
    ) -> Result<(), MessageError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&validator.public_key).update(signature).update(bytes);
        let digest = B256::from(*hasher.finalize().as_bytes());
        if memory.is_some_and(|memory| memory.contains(&digest)) {
            return Ok(());
        }
        if !verify_signature(&validator.public_key, bytes, signature) {
            return Err(MessageError::Signature { address: validator.address() });
        }
        self.passed.push(digest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};
    use weft_types::vote::Proposal;
    use weft_types::{Height, Round};

    const GENESIS: B256 = B256::repeat_byte(6);

    fn setup() -> (ValidatorSet, Vec<SigningKey>) {
        let mut keys: Vec<_> = (1..=4).map(|i| SigningKey::from_bytes(&[i; 32])).collect();
        let validators = keys.iter().map(|key| Validator {
            name: "v".into(),
            public_key: key.verifying_key().to_bytes(),
            power: 1,
        });
        let set = ValidatorSet::new(validators.collect()).unwrap();
        keys.sort_by_key(|key| {
            let address = ValidatorAddress::from_public_key(&key.verifying_key().to_bytes());
            set.get(&address).unwrap().0
        });
        (set, keys)
    }

    fn prevote(key: &SigningKey, block: Option<B256>) -> SignedVote {
        let vote = Vote {
            vote_type: VoteType::Prevote,
            height: Height(1),
            round: Round(0),
            block,
            validator: ValidatorAddress::from_public_key(&key.verifying_key().to_bytes()),
        };
        let signature = key.sign(&vote.sign_bytes(&GENESIS)).to_bytes();
        SignedVote { vote, signature }
    }

    #[test]
    fn a_vote_is_bound_to_its_signer_its_chain_and_its_content() {
        let (set, keys) = setup();
        let check = |signed: &SignedVote, genesis: &B256| {
            verify_message(&ConsensusMessage::Vote(signed.clone()), &set, genesis).map(drop)
        };
        let signed = prevote(&keys[0], None);
        assert_eq!(check(&signed, &GENESIS), Ok(()));
        let bad = Err(MessageError::Signature { address: signed.vote.validator });
        assert_eq!(check(&signed, &B256::ZERO), bad);
        let mut other = signed;
        other.vote.block = Some(B256::ZERO);
        assert_eq!(check(&other, &GENESIS), bad);
        let stranger = prevote(&SigningKey::from_bytes(&[99; 32]), None);
        assert_eq!(
            check(&stranger, &GENESIS),
            Err(MessageError::UnknownValidator { address: stranger.vote.validator })
        );
    }

    #[test]
    fn only_the_proposer_of_the_round_may_propose_and_only_after_an_earlier_polka() {
        let (set, keys) = setup();
        let propose = |key: &SigningKey, pol_round| {
            let proposal = Proposal {
                height: Height(1),
                round: Round(1),
                block: B256::ZERO,
                pol_round,
                proposer: ValidatorAddress::from_public_key(&key.verifying_key().to_bytes()),
            };
            let signature = key.sign(&proposal.sign_bytes(&GENESIS)).to_bytes();
            let message = ConsensusMessage::Proposal(SignedProposal { proposal, signature });
            verify_message(&message, &set, &GENESIS).map(drop)
        };
        assert_eq!(propose(&keys[1], None), Ok(()));
        assert_eq!(propose(&keys[1], Some(Round(0))), Ok(()));
        assert!(matches!(propose(&keys[0], None), Err(MessageError::Proposer { .. })));
        assert!(matches!(propose(&keys[1], Some(Round(1))), Err(MessageError::PolRound { .. })));
    }

    #[test]
    fn certificates_need_distinct_signers_with_enough_power() {
        let (set, keys) = setup();
        let block = B256::repeat_byte(3);
        let signed: Vec<_> = keys.iter().map(|key| prevote(key, Some(block))).collect();
        let polka = |signed: &[SignedVote]| {
            let signatures = signed.iter().map(|s| (s.vote.validator, s.signature)).collect();
            let certificate =
                PolkaCertificate { height: Height(1), round: Round(0), block, signatures };
            verify_liveness(&LivenessMessage::Polka(certificate), &set, &GENESIS).map(|v| v.0.len())
        };
        assert_eq!(polka(&signed[..3]), Ok(3));
        assert_eq!(polka(&signed[..2]), Err(MessageError::Power { power: 2, total: 4 }));
        let twice = [&signed[..2], &signed[..1]].concat();
        assert!(matches!(polka(&twice), Err(MessageError::Duplicate { .. })));

        let round = |kind, signed: &[SignedVote]| {
            let votes = signed.iter().map(|s| crate::message::RoundVote {
                vote_type: s.vote.vote_type,
                block: s.vote.block,
                validator: s.vote.validator,
                signature: s.signature,
            });
            let votes = votes.collect();
            let certificate = RoundCertificate { height: Height(1), round: Round(0), kind, votes };
            verify_liveness(&LivenessMessage::Round(certificate), &set, &GENESIS).map(drop)
        };
        assert_eq!(round(RoundCertificateKind::Skip, &signed[..2]), Ok(()));
        assert!(matches!(
            round(RoundCertificateKind::Skip, &signed[..1]),
            Err(MessageError::Power { .. })
        ));
        assert!(matches!(
            round(RoundCertificateKind::Precommit, &signed),
            Err(MessageError::Step { .. })
        ));
    }

    #[test]
    fn a_remembered_signature_is_not_verified_again_and_memory_is_bounded() {
        let (set, keys) = setup();
        let signed = prevote(&keys[0], None);
        let message = ConsensusMessage::Vote(signed.clone());
        let mut memory = Remembered::default();
        memory.extend(verify_message(&message, &set, &GENESIS).unwrap());
        let mut verifier = Verifier::new(&set, &GENESIS);
        verifier.vote(&signed, Some(&memory)).unwrap();
        assert!(verifier.into_verified().0.is_empty());

        let mut changed = signed;
        changed.vote.round = Round(1);
        assert!(Verifier::new(&set, &GENESIS).vote(&changed, Some(&memory)).is_err());

        for i in 0..4 * REMEMBERED as u64 {
            memory.insert(B256::from(alloy_primitives::U256::from(i)));
        }
        assert!(memory.young.len() + memory.old.len() <= 2 * REMEMBERED);
    }
}
