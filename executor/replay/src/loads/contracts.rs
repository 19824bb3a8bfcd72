//! The contracts of `contracts/Loads.sol`: their code, the places of their variables, and calls to them.

use super::world::Call;
use alloy_primitives::{Address, Bytes, U256, hex, keccak256};

/// A compiled contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    Token,
    Pair,
    Router,
    Wrapped,
    Collection,
    Grinder,
}

impl Contract {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Token => "Token",
            Self::Pair => "Pair",
            Self::Router => "Router",
            Self::Wrapped => "Wrapped",
            Self::Collection => "Collection",
            Self::Grinder => "Grinder",
        }
    }

    /// The code as it is after deployment; written by `contracts/compile.mjs`.
    pub(super) fn code(self) -> Bytes {
        let text = match self {
            Self::Token => include_str!("../../contracts/Token.hex"),
            Self::Pair => include_str!("../../contracts/Pair.hex"),
            Self::Router => include_str!("../../contracts/Router.hex"),
            Self::Wrapped => include_str!("../../contracts/Wrapped.hex"),
            Self::Collection => include_str!("../../contracts/Collection.hex"),
            Self::Grinder => include_str!("../../contracts/Grinder.hex"),
        };
        hex::decode(text.trim()).expect("the compiler wrote hex").into()
    }
}

/// Slot of `mapping[key]` where the mapping is variable `slot`.
pub(super) fn entry(key: impl Into<U256>, slot: U256) -> U256 {
    let mut place = [0; 64];
    place[..32].copy_from_slice(&key.into().to_be_bytes::<32>());
    place[32..].copy_from_slice(&slot.to_be_bytes::<32>());
    keccak256(place).into()
}

/// An address as a word.
pub(super) fn word(address: Address) -> U256 {
    address.into_word().into()
}

/// `Token.balanceOf[account]`, `Wrapped.balanceOf[account]`.
pub(super) fn token_balance(account: Address) -> U256 {
    entry(word(account), U256::ZERO)
}

/// `Token.allowance[owner][spender]`
pub(super) fn token_allowance(owner: Address, spender: Address) -> U256 {
    entry(word(spender), entry(word(owner), U256::from(1)))
}

/// `Collection.balanceOf[account]`
pub(super) fn collection_balance(account: Address) -> U256 {
    entry(word(account), U256::from(2))
}

/// A call of a function with arguments of one word each.
pub(super) fn call(to: Address, signature: &str, arguments: &[U256], gas_limit: u64) -> Call {
    let mut input = keccak256(signature)[..4].to_vec();
    for argument in arguments {
        input.extend_from_slice(&argument.to_be_bytes::<32>());
    }
    Call { to, value: U256::ZERO, input: input.into(), gas_limit }
}
