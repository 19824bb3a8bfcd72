//! Whole-system tests: equivalence, simulation, recovery, real clients.
//!
//! This library starts the real binary, speaks to it as a stranger would, and reads what it left on
//! disk. The tests are in `tests/`.

pub mod chain;
pub mod clients;
pub mod process;
pub mod rpc;
pub mod sender;
pub mod socket;
