//! The contracts of `contracts/Loads.sol`: their code, the places of their variables, and calls to them.

use super::world::Call;
use alloy_primitives::{Address, Bytes, U256, hex, keccak256};

/// A compiled contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// An ERC-20.
    Token,
    /// A pool of two tokens.
    Pair,
    /// Where users trade with pools.
    Router,
    /// Ether as a token.
    Wrapped,
    /// Pieces that are numbered as they are minted.
    Collection,
    /// Work without conflict.
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
    #[must_use]
    pub fn code(self) -> Bytes {
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
#[must_use]
pub fn entry(key: impl Into<U256>, slot: U256) -> U256 {
    let mut place = [0; 64];
    place[..32].copy_from_slice(&key.into().to_be_bytes::<32>());
    place[32..].copy_from_slice(&slot.to_be_bytes::<32>());
    keccak256(place).into()
}

/// An address as a word.
#[must_use]
pub fn word(address: Address) -> U256 {
    address.into_word().into()
}

/// `Token.balanceOf[account]`, `Wrapped.balanceOf[account]`.
#[must_use]
pub fn token_balance(account: Address) -> U256 {
    entry(word(account), U256::ZERO)
}

/// `Token.allowance[owner][spender]`
#[must_use]
pub fn token_allowance(owner: Address, spender: Address) -> U256 {
    entry(word(spender), entry(word(owner), U256::from(1)))
}

/// `Collection.balanceOf[account]`
#[must_use]
pub fn collection_balance(account: Address) -> U256 {
    entry(word(account), U256::from(2))
}

/// Input of a call of a function with arguments of one word each.
#[must_use]
pub fn call_data(signature: &str, arguments: &[U256]) -> Bytes {
    let mut input = keccak256(signature)[..4].to_vec();
    for argument in arguments {
        input.extend_from_slice(&argument.to_be_bytes::<32>());
    }
    input.into()
}

/// Creation code that writes this storage and leaves this code behind, as a constructor would.
#[must_use]
pub fn init_code(code: &[u8], storage: &[(U256, U256)]) -> Bytes {
    /// `PUSH2 length, DUP1, PUSH2 offset, PUSH0, CODECOPY, PUSH0, RETURN`
    const TAIL_BYTES: usize = 3 + 1 + 3 + 1 + 1 + 1 + 1;
    let mut init = Vec::with_capacity(storage.len() * 67 + TAIL_BYTES + code.len());
    for (slot, value) in storage {
        // PUSH32 value, PUSH32 slot, SSTORE
        init.push(0x7f);
        init.extend_from_slice(&value.to_be_bytes::<32>());
        init.push(0x7f);
        init.extend_from_slice(&slot.to_be_bytes::<32>());
        init.push(0x55);
    }
    let offset = init.len() + TAIL_BYTES;
    let two = |n: usize| u16::try_from(n).expect("creation code is below 48 KiB").to_be_bytes();
    let [length, offset] = [two(code.len()), two(offset)];
    init.extend_from_slice(&[0x61, length[0], length[1], 0x80, 0x61, offset[0], offset[1]]);
    init.extend_from_slice(&[0x5f, 0x39, 0x5f, 0xf3]);
    init.extend_from_slice(code);
    init.into()
}

/// A call of a function with arguments of one word each.
pub(super) fn call(to: Address, signature: &str, arguments: &[U256], gas_limit: u64) -> Call {
    Call { to, value: U256::ZERO, input: call_data(signature, arguments), gas_limit }
}
