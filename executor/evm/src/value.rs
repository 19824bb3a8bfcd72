//! What locations hold, how balances change, and what an execution may have seen of them.

use crate::place::Life;
use alloy_primitives::{B256, U256};

/// What one location holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Balance in wei.
    Balance(U256),
    /// Nonce.
    Nonce(u64),
    /// keccak256 of the code; the bytes are kept by hash.
    Code(B256),
    /// What an account's other fields do not tell.
    Life(Life),
    /// A storage slot.
    Slot {
        /// What was written.
        value: U256,
        /// The epoch of the account when it was: in any other the slot is zero.
        epoch: u32,
    },
}

/// A change of a balance that does not depend on the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delta {
    /// So much more.
    Credit(U256),
    /// So much less.
    Debit(U256),
}

/// One change of one location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It now holds this.
    Set(Value),
    /// It holds more or less, whatever it held.
    Add(Delta),
}

/// What an execution saw of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observation {
    /// The value itself.
    Exactly(Value),
    /// That the balance or nonce is not below this.
    AtLeast(U256),
}

impl Value {
    /// The value as a number: the scale of [`Observation::AtLeast`].
    pub(crate) fn number(&self) -> U256 {
        match self {
            Self::Balance(value) | Self::Slot { value, .. } => *value,
            Self::Nonce(nonce) => U256::from(*nonce),
            Self::Code(hash) => U256::from_be_bytes(hash.0),
            Self::Life(_) => U256::ZERO,
        }
    }

    /// What a slot holds for an account in `epoch`.
    pub(crate) fn slot_in(&self, epoch: u32) -> U256 {
        match self {
            Self::Slot { value, epoch: written } if *written == epoch => *value,
            _ => U256::ZERO,
        }
    }
}

impl Delta {
    /// The change from `before` to `after`, or `None` when there is none.
    pub(crate) fn between(before: U256, after: U256) -> Option<Self> {
        match after.cmp(&before) {
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Self::Credit(after - before)),
            std::cmp::Ordering::Less => Some(Self::Debit(before - after)),
        }
    }

    /// `value` changed by this; `None` when it leaves the range.
    pub(crate) fn apply(&self, value: &Value) -> Option<Value> {
        let Value::Balance(balance) = value else { return None };
        match self {
            Self::Credit(by) => balance.checked_add(*by),
            Self::Debit(by) => balance.checked_sub(*by),
        }
        .map(Value::Balance)
    }
}

impl Change {
    /// The value after the change; `None` when it leaves the range.
    pub(crate) fn apply(&self, before: &Value) -> Option<Value> {
        match self {
            Self::Set(value) => Some(*value),
            Self::Add(delta) => delta.apply(before),
        }
    }
}

impl Observation {
    /// Whether it is true of `value`.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(expected) => expected == value,
            Self::AtLeast(least) => value.number() >= *least,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_debit_below_zero_and_a_credit_above_the_range_have_no_result() {
        let three = Value::Balance(U256::from(3));
        assert_eq!(Delta::Debit(U256::from(4)).apply(&three), None);
        assert_eq!(Delta::Credit(U256::MAX).apply(&three), None);
        assert_eq!(Delta::Debit(U256::from(3)).apply(&three), Some(Value::Balance(U256::ZERO)));
    }

    proptest! {
        #[test]
        fn folding_the_deltas_between_balances_walks_through_the_balances(walk in prop::collection::vec(any::<u64>(), 1..50)) {
            let mut value = Value::Balance(U256::from(walk[0]));
            for step in walk.windows(2) {
                if let Some(delta) = Delta::between(U256::from(step[0]), U256::from(step[1])) {
                    value = delta.apply(&value).unwrap();
                }
                prop_assert_eq!(value, Value::Balance(U256::from(step[1])));
            }
        }
    }
}
