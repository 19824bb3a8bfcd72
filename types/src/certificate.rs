//! The commit certificate: why a block is final.
//!
//! ```text
//! borsh: height u64 | round u32 | block [32] | signers: u32 length, bytes (bit i of byte i/8, lowest first)
//!        | signatures: u32 length, 64 bytes each, in set order
//! ```

use crate::vote::{SignatureBytes, Vote, VoteType, verify_signature};
use crate::{Height, Round, ValidatorSet};
use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};

/// More than two thirds of the voting power signed a precommit for one block.
///
/// Different nodes may hold different certificates for one block: it is not part of any hash.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CommitCertificate {
    /// Height of the block.
    pub height: Height,
    /// Round in which it was decided.
    pub round: Round,
    /// The block.
    pub block: B256,
    /// One bit per validator, in the order of the set.
    pub signers: Vec<u8>,
    /// Signatures of the signers, in the order of the set.
    pub signatures: Vec<SignatureBytes>,
}

/// A certificate does not prove that its block is final.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CertificateError {
    /// The bitmap has not the length of the set, or names validators that do not exist.
    #[error("signer bitmap does not fit a set of {validators} validators")]
    Bitmap {
        /// Size of the set.
        validators: usize,
    },
    /// Number of signatures and of signers differ.
    #[error("expected {signers} signatures, found {signatures}")]
    Count {
        /// Bits set.
        signers: usize,
        /// Signatures given.
        signatures: usize,
    },
    /// The signers do not have a quorum.
    #[error("signers have power {power} of {total}, expected more than two thirds")]
    Power {
        /// Power of the signers.
        power: u64,
        /// Power of the set.
        total: u64,
    },
    /// A signature is wrong.
    #[error("signature of validator {index} is invalid")]
    Signature {
        /// Place of the signer in the set.
        index: usize,
    },
}

impl CommitCertificate {
    /// Builds a certificate from (place in the set, signature) pairs; later duplicates are ignored.
    #[must_use]
    pub fn new(
        height: Height,
        round: Round,
        block: B256,
        validators: usize,
        mut votes: Vec<(usize, SignatureBytes)>,
    ) -> Self {
        votes.sort_by_key(|(index, _)| *index);
        votes.dedup_by_key(|(index, _)| *index);
        let mut signers = vec![0u8; validators.div_ceil(8)];
        let mut signatures = Vec::with_capacity(votes.len());
        for (index, signature) in votes.into_iter().filter(|(index, _)| *index < validators) {
            signers[index / 8] |= 1 << (index % 8);
            signatures.push(signature);
        }
        Self { height, round, block, signers, signatures }
    }

    /// Places of the signers in the set, ascending.
    #[must_use]
    pub fn signer_indices(&self) -> Vec<usize> {
        (0..self.signers.len() * 8).filter(|i| self.signers[i / 8] & (1 << (i % 8)) != 0).collect()
    }

    /// The vote that signer `index` signed.
    #[must_use]
    pub fn vote_of(&self, validators: &ValidatorSet, index: usize) -> Option<Vote> {
        Some(Vote {
            vote_type: VoteType::Precommit,
            height: self.height,
            round: self.round,
            block: Some(self.block),
            validator: validators.as_slice().get(index)?.address(),
        })
    }

    /// Checks that more than two thirds of the power signed this block.
    ///
    /// # Errors
    /// [`CertificateError`]; whoever sent the certificate is to blame.
    pub fn verify(
        &self,
        validators: &ValidatorSet,
        genesis_hash: &B256,
    ) -> Result<(), CertificateError> {
        let indices = self.signer_indices();
        if self.signers.len() != validators.len().div_ceil(8)
            || indices.last().is_some_and(|last| *last >= validators.len())
        {
            return Err(CertificateError::Bitmap { validators: validators.len() });
        }
        if indices.len() != self.signatures.len() {
            return Err(CertificateError::Count {
                signers: indices.len(),
                signatures: self.signatures.len(),
            });
        }
        let power = indices.iter().map(|i| validators.as_slice()[*i].power).sum();
        if !validators.is_quorum(power) {
            return Err(CertificateError::Power { power, total: validators.total_power() });
        }
        for (index, signature) in indices.into_iter().zip(&self.signatures) {
            let vote = self.vote_of(validators, index).expect("the index was checked above");
            let key = &validators.as_slice()[index].public_key;
            if !verify_signature(key, &vote.sign_bytes(genesis_hash), signature) {
                return Err(CertificateError::Signature { index });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Validator;
    use ed25519_dalek::{Signer, SigningKey};

    fn setup() -> (ValidatorSet, B256, CommitCertificate) {
        let keys: Vec<SigningKey> = (1..=4u8).map(|i| SigningKey::from_bytes(&[i; 32])).collect();
        let validators = keys
            .iter()
            .map(|k| Validator {
                name: "v".into(),
                public_key: k.verifying_key().to_bytes(),
                power: 1,
            })
            .collect();
        let set = ValidatorSet::new(validators).unwrap();
        let genesis = B256::repeat_byte(9);
        let block = B256::repeat_byte(7);
        let unsigned = CommitCertificate::new(Height(5), Round(1), block, 4, vec![]);
        let votes = (0..3)
            .map(|i| {
                let key = keys
                    .iter()
                    .find(|k| k.verifying_key().to_bytes() == set.as_slice()[i].public_key)
                    .unwrap();
                let bytes = unsigned.vote_of(&set, i).unwrap().sign_bytes(&genesis);
                (i, key.sign(&bytes).to_bytes())
            })
            .collect();
        (set, genesis, CommitCertificate::new(Height(5), Round(1), block, 4, votes))
    }

    #[test]
    fn three_of_four_make_a_certificate_and_two_do_not() {
        let (set, genesis, mut certificate) = setup();
        assert_eq!(certificate.verify(&set, &genesis), Ok(()));
        certificate.signatures.pop();
        certificate.signers[0] = 0b011;
        assert_eq!(
            certificate.verify(&set, &genesis),
            Err(CertificateError::Power { power: 2, total: 4 })
        );
    }

    #[test]
    fn a_certificate_is_bound_to_its_chain_round_and_block() {
        let (set, genesis, certificate) = setup();
        let bad = Err(CertificateError::Signature { index: 0 });
        assert_eq!(certificate.verify(&set, &B256::ZERO), bad);
        let other_round = CommitCertificate { round: Round(2), ..certificate.clone() };
        assert_eq!(other_round.verify(&set, &genesis), bad);
        let other_block = CommitCertificate { block: B256::ZERO, ..certificate };
        assert_eq!(other_block.verify(&set, &genesis), bad);
    }

    #[test]
    fn a_bitmap_that_does_not_fit_the_set_is_refused() {
        let (set, genesis, mut certificate) = setup();
        certificate.signers = vec![0b1_0111];
        assert_eq!(
            certificate.verify(&set, &genesis),
            Err(CertificateError::Bitmap { validators: 4 })
        );
    }
}
