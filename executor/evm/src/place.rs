//! Where the engine keeps what: an account's fields share a cell, a slot has one of its own.

use crate::value::Value;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use std::hash::{Hash, Hasher};
use weft_stm::Field;
use weft_types::Location;

/// Key of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// An account: its fields are [`BALANCE`], [`NONCE`], [`CODE`] and [`LIFE`].
    Account(Address),
    /// A storage slot: its only field is [`SLOT`].
    Slot(Address, U256),
}

impl Hash for Place {
    /// In words, which a keyed hasher takes faster than bytes with their length.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (Self::Account(address) | Self::Slot(address, _)) = self;
        let (head, tail) = address.split_at(16);
        state.write_u128(u128::from_le_bytes(head.try_into().expect("16 bytes")));
        state.write_u32(u32::from_le_bytes(tail.try_into().expect("4 bytes")));
        if let Self::Slot(_, slot) = self {
            let [a, b, c, d] = *slot.as_limbs();
            state.write_u128(u128::from(a) | u128::from(b) << 64);
            state.write_u128(u128::from(c) | u128::from(d) << 64);
        }
    }
}

/// Field of an account: the balance in wei.
pub(crate) const BALANCE: Field = 0;
/// Field of an account: the nonce.
pub(crate) const NONCE: Field = 1;
/// Field of an account: the hash of the code; the bytes are kept by hash.
pub(crate) const CODE: Field = 2;
/// Field of an account: whether it exists although empty, and which storage is its own.
pub(crate) const LIFE: Field = 3;
/// Fields of an account.
pub(crate) const FIELDS: [Field; 4] = [BALANCE, NONCE, CODE, LIFE];
/// The field of a slot.
pub(crate) const SLOT: Field = 0;

/// A cell before the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// An account.
    Account(Fields),
    /// A slot.
    Slot(U256),
}

/// The fields of an account at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) code_hash: B256,
    pub(crate) life: Life,
}

/// What an account's other fields do not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// It exists even if it is empty: before EIP-161, and for what is left from then.
    pub(crate) exists: bool,
    /// Number of the last transaction (counted from 1) that destroyed it with its storage, before EIP-6780; 0 for none.
    /// A slot belongs to the account only if it was written in the same epoch (hazards 15, 16, 20).
    pub(crate) epoch: u32,
}

/// Balance, in wei, of accounts whose credits are never taken as commutative: far more than there is.
const RICH: U256 = U256::from_limbs([0, 0, 0, 1 << 62]);

impl Default for Fields {
    fn default() -> Self {
        Self { balance: U256::ZERO, nonce: 0, code_hash: KECCAK256_EMPTY, life: Life::default() }
    }
}

impl Fields {
    /// Empty in the sense of EIP-161.
    pub(crate) fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }

    /// A credit could take the balance out of the range.
    pub(crate) fn is_rich(&self) -> bool {
        self.balance >= RICH
    }

    /// It exists although it is empty.
    pub(crate) fn is_relic(&self) -> bool {
        self.life.exists && self.is_empty()
    }

    /// The value of one field.
    pub(crate) fn value(&self, field: Field) -> Value {
        match field {
            BALANCE => Value::Balance(self.balance),
            NONCE => Value::Nonce(self.nonce),
            CODE => Value::Code(self.code_hash),
            _ => Value::Life(self.life),
        }
    }

    /// Replaces the field that `value` is of; a slot changes nothing.
    pub(crate) fn set(&mut self, value: &Value) {
        match value {
            Value::Balance(balance) => self.balance = *balance,
            Value::Nonce(nonce) => self.nonce = *nonce,
            Value::Code(hash) => self.code_hash = *hash,
            Value::Life(life) => self.life = *life,
            Value::Slot { .. } => {}
        }
    }
}

impl Cell {
    /// The value of one field.
    pub(crate) fn value(&self, field: Field) -> Value {
        match self {
            Self::Account(fields) => fields.value(field),
            Self::Slot(value) => Value::Slot { value: *value, epoch: 0 },
        }
    }
}

impl Place {
    /// The location of one field.
    pub(crate) fn location(&self, field: Field) -> Location {
        match *self {
            Self::Slot(address, slot) => Location::Storage { address, slot },
            Self::Account(address) => match field {
                BALANCE => Location::Balance { address },
                NONCE => Location::Nonce { address },
                CODE => Location::Code { address },
                _ => Location::StorageEpoch { address },
            },
        }
    }

    /// The cell and field of a location.
    pub(crate) fn of(location: &Location) -> (Self, Field) {
        match *location {
            Location::Balance { address } => (Self::Account(address), BALANCE),
            Location::Nonce { address } => (Self::Account(address), NONCE),
            Location::Code { address } => (Self::Account(address), CODE),
            Location::StorageEpoch { address } => (Self::Account(address), LIFE),
            Location::Storage { address, slot } => (Self::Slot(address, slot), SLOT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_location_has_one_place_and_back() {
        let address = Address::repeat_byte(7);
        let slot = U256::from(3);
        for place in [Place::Account(address), Place::Slot(address, slot)] {
            let fields: &[Field] = if place == Place::Account(address) { &FIELDS } else { &[SLOT] };
            for field in fields {
                assert_eq!(Place::of(&place.location(*field)), (place, *field));
            }
        }
    }
}
