//! Runs Ethereum transactions on the engine through revm.

mod access_list;
mod base;
mod call;
mod effects;
mod environment;
mod error;
mod executor;
mod instructions;
mod ledger;
mod machine;
mod memory;
mod profile;
mod settle;
mod system;
mod tracker;
mod value;
mod vm;

pub use call::{CallOutcome, CallRequest, CallStatus, call, estimate_gas};
pub use error::{CallError, ExecutionError};
pub use executor::{Executed, Executor, Skipped};
pub use memory::MemoryState;
