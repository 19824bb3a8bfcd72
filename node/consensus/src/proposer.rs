//! Whose turn it is to propose.

use alloy_primitives::B256;
use weft_types::{Height, Round, Validator, ValidatorSet};

/// The proposer of a round.
///
/// With equal powers the validators take turns: `(height - 1 + round) mod n`. Otherwise one is
/// drawn in proportion to its power by `u64le(BLAKE3(genesis_hash ‖ height u64le ‖ round u32le))
/// mod total power`; all nodes draw the same.
#[must_use]
pub fn proposer<'a>(
    validators: &'a ValidatorSet,
    genesis_hash: &B256,
    height: Height,
    round: Round,
) -> &'a Validator {
    &validators.as_slice()[proposer_index(validators, genesis_hash, height, round)]
}

pub(crate) fn proposer_index(
    validators: &ValidatorSet,
    genesis_hash: &B256,
    height: Height,
    round: Round,
) -> usize {
    let list = validators.as_slice();
    // The set is sorted by power, so first and last tell whether all are equal.
    if list[0].power == list[list.len() - 1].power {
        let turn = u128::from(height.0.saturating_sub(1)) + u128::from(round.0);
        return (turn % list.len() as u128) as usize;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(genesis_hash.as_slice());
    hasher.update(&height.0.to_le_bytes()).update(&round.0.to_le_bytes());
    let mut head = [0; 8];
    hasher.finalize_xof().fill(&mut head);
    let mut draw = u64::from_le_bytes(head) % validators.total_power();
    for (index, validator) in list.iter().enumerate() {
        match draw.checked_sub(validator.power) {
            Some(rest) => draw = rest,
            None => return index,
        }
    }
    unreachable!("the draw is below the total power")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(powers: &[u64]) -> ValidatorSet {
        let validators = powers.iter().enumerate().map(|(i, power)| Validator {
            name: format!("v{i}"),
            public_key: ed25519_dalek::SigningKey::from_bytes(&[i as u8 + 1; 32])
                .verifying_key()
                .to_bytes(),
            power: *power,
        });
        ValidatorSet::new(validators.collect()).unwrap()
    }

    #[test]
    fn equal_validators_take_turns_by_height_and_by_round() {
        let set = set(&[3; 4]);
        let at = |h, r| proposer_index(&set, &B256::ZERO, Height(h), Round(r));
        assert_eq!((1..=5).map(|h| at(h, 0)).collect::<Vec<_>>(), [0, 1, 2, 3, 0]);
        assert_eq!((0..5).map(|r| at(2, r)).collect::<Vec<_>>(), [1, 2, 3, 0, 1]);
        assert!(at(u64::MAX, u32::MAX) < 4);
    }

    #[test]
    fn unequal_validators_are_drawn_in_proportion_to_their_power() {
        let set = set(&[60, 30, 10]);
        let mut counts = [0u32; 3];
        for height in 1..=3000 {
            counts[proposer_index(&set, &B256::repeat_byte(1), Height(height), Round(0))] += 1;
        }
        assert!((1650..1950).contains(&counts[0]), "{counts:?}");
        assert!((780..1020).contains(&counts[1]), "{counts:?}");
        assert!((220..380).contains(&counts[2]), "{counts:?}");
    }
}
