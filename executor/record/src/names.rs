//! Words in the place of addresses, selectors and slots.
//!
//! A slot of a mapping is `keccak256(key . position)`: its name needs the key. Execution does not note preimages, which would
//! cost every block; the keys are found again instead, by hashing what is in sight of a transaction that touched the slot
//! (its sender, target, input words and log topics) with the positions of the contract's layout. Without a layout, small
//! positions are tried; the name then is a guess and says so.

mod abi;
mod artifacts;
mod functions;
mod layout;
mod registry;
mod slots;

pub use abi::canonical_type;
pub use artifacts::Artifact;
pub use functions::known_function;
pub(crate) use functions::{is_mint, is_transfer};
pub use layout::{Layout, Shape, Variable};
pub use registry::{Contract, NameError, Registry};
pub use slots::{HASHES_MAX, Namer};

use alloy_primitives::Address;
use serde::Serialize;

/// A name of a location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Name {
    /// The name: `Token.balances[alice]`.
    pub text: String,
    /// It follows from what contracts of this kind usually look like, not from this contract's own layout.
    pub guessed: bool,
}

/// `0x7099…79C8`.
#[must_use]
pub fn short(address: &Address) -> String {
    let text = address.to_string();
    format!("{}…{}", &text[..6], &text[38..])
}
