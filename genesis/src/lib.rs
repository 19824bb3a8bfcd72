//! Says what block 0 is and who validates.
//!
//! # Flow
//! A JSON file becomes a [`ChainSpec`] (strict: unknown and repeated names are refused with line
//! and column), and a [`ChainSpec`] becomes a [`Genesis`]: the state of block 0 as a
//! [`StateDiff`](weft_types::StateDiff) and a [`Tree`](weft_commitment::Tree), the validators, and
//! the sealed block.
//!
//! # Terms
//! - *alloc*: the accounts that exist before the first transaction, written as geth writes them.
//! - *system contract*: a contract that the protocol calls at the start or the end of every block
//!   (EIP-4788, EIP-2935, EIP-7002, EIP-7251). Added to every alloc that does not list it.
//! - *genesis hash*: the hash of block 0. Its `extraData` is BLAKE3 over the parameters and the
//!   validators, its `stateRoot` covers the alloc: one hash names the whole chain.
//!
//! # Invariants
//! - Equal specs give equal hashes, whatever the order of names and validators in the file.
//! - The chain's name is for people: it is not part of the hash.
//! - The sum of all balances fits 128 bits, so no balance can ever leave them.
//!
//! # It is not
//! A place for a node's own settings: keys, peers and ports live in the node's configuration.
//!
//! # Example
//! ```
//! use weft_genesis::{ChainSpec, Genesis};
//! use weft_types::{Address, U256, Validator};
//!
//! // The public key of RFC 8032, test 1.
//! let public_key = alloy_primitives::hex!(
//!     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
//! );
//! let validator = Validator { name: "v0".into(), public_key, power: 1 };
//! let account = (Address::repeat_byte(0x11), U256::from(1_000));
//! let genesis = Genesis::new(ChainSpec::devnet(vec![validator], &[account]))?;
//! assert_eq!(genesis.block.header().number, 0);
//! assert_eq!(genesis.block.header().state_root, genesis.tree.root());
//!
//! let copy = ChainSpec::from_json(&genesis.spec.to_json())?;
//! assert_eq!(Genesis::new(copy)?.hash(), genesis.hash());
//! # Ok::<(), weft_genesis::GenesisError>(())
//! ```

mod alloc;
mod block;
mod error;
mod json;
mod spec;
mod system;

pub use alloc::AllocAccount;
pub use block::Genesis;
pub use error::GenesisError;
pub use spec::{
    CHAIN_ID_MAX, ChainSpec, DEVNET_TIMESTAMP, DURATION_MS_MAX, GAS_LIMIT_MIN, GENESIS_BYTES_MAX,
    NAME_BYTES_MAX, TIMESTAMP_MAX,
};
pub use system::{SystemContract, system_contracts};
