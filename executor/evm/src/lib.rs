//! Runs Ethereum transactions on the engine through revm.
//!
//! # Flow
//! [`Executor::build`] and [`Executor::verify`] run a block in five steps: the system calls before the transactions
//! (EIP-4788, EIP-2935); the transactions, on the workers of `weft-stm`, each executed by revm on the values that the
//! engine shows it; settling, in block order, where validity, gas admission, fees, receipts, the block access list
//! (EIP-7928) and the access record are decided; the system calls after the transactions (EIP-7002, EIP-7251); and the net
//! change to the state. [`Executor::sequential`] does the same on one thread and is what the parallel run is held against.
//! [`call`] and [`estimate_gas`] simulate one transaction for the RPC.
//!
//! # Terms
//! - *Location*: balance, nonce, code or slot; each is read and written for itself.
//! - *Observation*: what a transaction saw of a location. A balance that only had to suffice is seen as "at least so much",
//!   one that no instruction looked at is not seen at all.
//! - *Commutative change*: a credit or debit of a balance that the transaction did not look at. Fees, plain transfers and
//!   payments to contracts are such, and do not make one transaction wait for another.
//! - *Fact*: an observation, or a nonce expected of the sender's earlier transactions.
//!
//! # Invariants
//! - Results do not depend on the number of workers, on the schedule, or on whether a block was built or verified.
//! - Only a run on settled values can say that a transaction is invalid; an operational failure never does.
//! - What is published comes from revm's final journal, never from a parallel account of single instructions.
//! - An unchanged value is a read, in the access list, in the access record and for the engine.
//!
#![doc = include_str!("hazards.md")]
//!
//! # It is not
//! A store (it reads through [`weft_types::StateReader`] and returns a [`weft_types::StateDiff`]), a judge of header fields
//! that do not follow from execution, or a computer of state roots.
//!
//! # Example
//! `examples/foreign_state.rs` executes a block on a state of its own: anything that implements
//! [`weft_types::StateReader`] will do. [`MemoryState`] is one that is ready to use:
//!
//! ```
//! use weft_evm::{CallRequest, MemoryState, Rules, call};
//! use weft_types::{Address, Bytes, ChainParams, Header, U256};
//!
//! let contract = Address::repeat_byte(1);
//! let mut state = MemoryState::default();
//! // Returns the number of the block: NUMBER, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN.
//! state.set_code(contract, Bytes::from_static(&[0x43, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3]));
//!
//! let request = CallRequest { to: Some(contract), ..CallRequest::default() };
//! let header = Header { number: 7, ..Header::default() };
//! let rules = Rules::weft(&ChainParams::devnet());
//! let outcome = call(&request, &header, &state, &rules, 1_000_000)?;
//! assert_eq!(U256::from_be_slice(&outcome.output), U256::from(7));
//! # Ok::<(), weft_evm::CallError>(())
//! ```

mod access_list;
mod base;
mod call;
mod commands;
mod effects;
mod environment;
mod error;
mod executor;
mod forks;
mod instructions;
mod ledger;
mod listed;
mod machine;
mod memory;
mod oracle;
mod place;
mod points;
mod products;
mod profile;
mod receipts;
mod rules;
mod settle;
mod system;
#[cfg(test)]
mod tests;
mod tracker;
mod value;
mod verification;
mod vm;

pub use call::{
    CallOutcome, CallRequest, CallStatus, call, check_call, estimate_gas, explain, explain_halt,
    prepare_caller,
};
pub use commands::{is_code, is_protected};
pub use environment::Environment;
pub use error::{CallError, ExecutionError};
pub use executor::{
    BlockInput, Executed, Executor, Makespan, Mode, Products, RecordLevel, Skipped,
};
pub use forks::{Activation, Fork, Forks};
pub use memory::MemoryState;
pub use revm::context_interface::cfg::{GasId, GasParams};
pub use revm::primitives::hardfork::SpecId;
pub use rules::Rules;
pub use weft_stm::virtual_time::Costs;
