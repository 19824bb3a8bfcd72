//! Runs transactions again under inspectors, for debuggers and explorers.
//!
//! # Flow
//! A [`World`] is a state to run on: a snapshot, with changes on top. [`World::run`] runs one transaction in it, on plain
//! revm, under an inspector and within a [`Budget`]. [`GethTracer`] and [`parity`] make of it what `debug_trace*` and
//! `trace_*` answer. The state before a transaction in the middle of a block comes either from running what came before it
//! ([`World::begin_block`], [`World::advance`]), or from the block's access list ([`ListedState`]).
//!
//! [`Transfers`] shows transfers of value as logs (`eth_simulateV1`), [`access_list`] finds what a transaction should declare
//! (`eth_createAccessList`), [`ConsoleLines`] reads what contracts log with `console.log`, [`internal_operations`] is for
//! explorers.
//!
//! # Invariants
//! - Nothing of the chain changes: what a world commits is gone with it.
//! - A request ends when its budget is spent, whatever the contract does.
//! - Equal requests on equal states have equal results.
//!
//! # It is not
//! The executor of the chain: that is `weft-evm`, and what is run here again gives the same receipts. Nor does it know
//! blocks of the store; who calls brings headers, transactions and snapshots.
//!
//! # Example
//! ```
//! use std::time::Duration;
//! use weft_evm::{CallRequest, MemoryState, Rules};
//! use weft_trace::{Budget, Checks, GethTracer, World};
//! use weft_types::{Address, Bytes, ChainParams, Header};
//!
//! let contract = Address::repeat_byte(1);
//! let mut state = MemoryState::default();
//! // PUSH1 1, PUSH0, SSTORE
//! state.set_code(contract, Bytes::from_static(&[0x60, 1, 0x5f, 0x55]));
//! let rules = Rules::weft(&ChainParams::devnet());
//! let request = CallRequest { to: Some(contract), ..CallRequest::default() };
//! let (environment, mut call) = request.environment(&Header::default(), &state, &rules)?;
//! call.gas_limit = 100_000;
//!
//! let mut world = World::new(&state);
//! let mut budget = Budget::new(Duration::from_secs(5), 1 << 20);
//! let mut tracer = GethTracer::new(Default::default())?;
//! let (trace, result) =
//!     tracer.trace(&mut world, &environment, call, Checks::Call, Default::default(), &mut budget)?;
//! assert!(result.is_success());
//! let logs = trace.try_into_default_frame().expect("struct logs").struct_logs;
//! let names: Vec<_> = logs.iter().map(|log| log.op.as_ref()).collect();
//! assert_eq!(names, ["PUSH1", "PUSH0", "SSTORE", "STOP"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod bounds;
mod console;
mod error;
mod geth;
mod internal;
mod listed;
mod machine;
pub mod parity;
mod precompiles;
mod transfers;
mod world;

pub use access::access_list;
pub use bounds::{Budget, StepSize};
pub use console::{CONSOLE, ConsoleLines, console_line};
pub use error::TraceError;
pub use geth::{GethTracer, TRACERS};
pub use internal::internal_operations;
pub use listed::ListedState;
pub use machine::{Checks, TraceContext};
pub use revm::context::TxEnv;
pub use revm::context::result::ExecutionResult;
pub use revm::inspector::NoOpInspector;
pub use revm_inspectors::tracing::TransactionContext;
pub use transfers::{TRANSFER_EMITTER, Transfers};
pub use weft_evm::explain_halt as halt_message;
pub use world::{Unread, World};
