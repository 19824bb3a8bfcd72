//! Validators and their set.

use crate::limits::{VALIDATORS_MAX, VOTING_POWER_MAX};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// First 20 bytes of BLAKE3 of a validator's ed25519 public key.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct ValidatorAddress(pub alloy_primitives::FixedBytes<20>);

impl ValidatorAddress {
    /// Address of a public key.
    #[must_use]
    pub fn from_public_key(key: &[u8; 32]) -> Self {
        let hash = blake3::hash(key);
        Self(alloy_primitives::FixedBytes::from_slice(&hash.as_bytes()[..20]))
    }
}

impl std::fmt::Display for ValidatorAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for ValidatorAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One validator.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Validator {
    /// Short name for people.
    pub name: String,
    /// ed25519 public key.
    pub public_key: [u8; 32],
    /// Voting power, at least 1.
    pub power: u64,
}

impl Validator {
    /// The validator's address.
    #[must_use]
    pub fn address(&self) -> ValidatorAddress {
        ValidatorAddress::from_public_key(&self.public_key)
    }
}

/// A list of validators cannot be a set.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ValidatorSetError {
    /// No validator, or more than the limit.
    #[error("expected 1 to {VALIDATORS_MAX} validators, found {count}")]
    Count {
        /// Number found.
        count: usize,
    },
    /// Two validators share a key.
    #[error("validators {first} and {second} have the same public key")]
    Duplicate {
        /// Name of one.
        first: String,
        /// Name of the other.
        second: String,
    },
    /// A validator without power.
    #[error("validator {name} has power 0, expected at least 1")]
    NoPower {
        /// Its name.
        name: String,
    },
    /// The total power is above what the threshold arithmetic can hold.
    #[error("total voting power exceeds {VOTING_POWER_MAX}")]
    TotalPower,
    /// The key is not a point on the curve, or a weak one.
    #[error("validator {name}: public key is not a valid ed25519 key")]
    Key {
        /// Its name.
        name: String,
    },
}

/// Validators sorted by power (highest first), then address. Keys are unique and usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet {
    validators: Vec<Validator>,
    addresses: Vec<ValidatorAddress>,
    total_power: u64,
}

impl ValidatorSet {
    /// Checks and sorts the validators.
    ///
    /// # Errors
    /// [`ValidatorSetError`]; whoever wrote the genesis is to blame.
    pub fn new(mut validators: Vec<Validator>) -> Result<Self, ValidatorSetError> {
        if validators.is_empty() || validators.len() > VALIDATORS_MAX {
            return Err(ValidatorSetError::Count { count: validators.len() });
        }
        let mut total_power = 0u64;
        for v in &validators {
            if v.power == 0 {
                return Err(ValidatorSetError::NoPower { name: v.name.clone() });
            }
            let usable = ed25519_dalek::VerifyingKey::from_bytes(&v.public_key)
                .is_ok_and(|key| !key.is_weak());
            if !usable {
                return Err(ValidatorSetError::Key { name: v.name.clone() });
            }
            total_power = total_power.saturating_add(v.power);
        }
        if total_power > VOTING_POWER_MAX {
            return Err(ValidatorSetError::TotalPower);
        }
        validators.sort_by_key(|v| (std::cmp::Reverse(v.power), v.address()));
        let mut keys: Vec<&Validator> = validators.iter().collect();
        keys.sort_by_key(|v| v.public_key);
        if let Some(pair) = keys.windows(2).find(|p| p[0].public_key == p[1].public_key) {
            return Err(duplicate(&[pair[0].clone(), pair[1].clone()]));
        }
        let addresses = validators.iter().map(Validator::address).collect();
        Ok(Self { validators, addresses, total_power })
    }

    /// The empty set: of a chain that is only read here, and that nobody of ours decides.
    #[must_use]
    pub const fn none() -> Self {
        Self { validators: Vec::new(), addresses: Vec::new(), total_power: 0 }
    }

    /// The validators in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Validator] {
        &self.validators
    }

    /// Number of validators.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a set is never empty
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Sum of all power.
    #[must_use]
    pub const fn total_power(&self) -> u64 {
        self.total_power
    }

    /// Place and data of the validator with this address.
    #[must_use]
    pub fn get(&self, address: &ValidatorAddress) -> Option<(usize, &Validator)> {
        let index = self.addresses.iter().position(|a| a == address)?;
        Some((index, &self.validators[index]))
    }

    /// The least power that is a quorum: more than two thirds of all.
    #[must_use]
    pub const fn quorum_power(&self) -> u64 {
        (self.total_power() as u128 * 2 / 3) as u64 + 1
    }

    /// Whether `power` is more than two thirds of the total.
    #[must_use]
    pub const fn is_quorum(&self, power: u64) -> bool {
        power as u128 * 3 > self.total_power as u128 * 2
    }

    /// BLAKE3 over the borsh form of the sorted validators.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let bytes = borsh::to_vec(&self.validators).expect("writing to memory cannot fail");
        *blake3::hash(&bytes).as_bytes()
    }
}

fn duplicate(pair: &[Validator]) -> ValidatorSetError {
    ValidatorSetError::Duplicate { first: pair[0].name.clone(), second: pair[1].name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(seed: u8, power: u64) -> Validator {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
        Validator { name: format!("v{seed}"), public_key: key.to_bytes(), power }
    }

    #[test]
    fn a_set_is_sorted_by_power_and_does_not_depend_on_the_given_order() {
        let a = ValidatorSet::new(vec![validator(1, 1), validator(2, 5), validator(3, 1)]).unwrap();
        let b = ValidatorSet::new(vec![validator(3, 1), validator(1, 1), validator(2, 5)]).unwrap();
        assert_eq!(a, b);
        assert_eq!(a.hash(), b.hash());
        assert_eq!(a.as_slice()[0].name, "v2");
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds() {
        let set = ValidatorSet::new((1..=3).map(|i| validator(i, 1)).collect()).unwrap();
        assert!(!set.is_quorum(2));
        assert!(set.is_quorum(3));
    }

    #[test]
    fn bad_sets_are_refused() {
        assert_eq!(ValidatorSet::new(vec![]), Err(ValidatorSetError::Count { count: 0 }));
        assert!(matches!(
            ValidatorSet::new(vec![validator(1, 0)]),
            Err(ValidatorSetError::NoPower { .. })
        ));
        assert!(matches!(
            ValidatorSet::new(vec![validator(1, 1), validator(2, 1), validator(1, 2)]),
            Err(ValidatorSetError::Duplicate { .. })
        ));
        assert_eq!(
            ValidatorSet::new(vec![validator(1, VOTING_POWER_MAX), validator(2, 1)]),
            Err(ValidatorSetError::TotalPower)
        );
        let zero = Validator { name: "z".into(), public_key: [0; 32], power: 1 };
        assert!(matches!(ValidatorSet::new(vec![zero]), Err(ValidatorSetError::Key { .. })));
    }
}
