//! The nouns of the chain: units, limits, blocks, votes, certificates, records, and the `StateReader` seam.
//!
//! # Terms
//! One word, one meaning: see the modules. Ethereum's own shapes (header, transaction envelope,
//! receipt) come from `alloy` and keep its names; everything that only Weft has is defined here.
//!
//! # Invariants
//! - Nothing in this crate does I/O, takes a lock, reads a clock or iterates a hash map.
//! - No `usize` in anything encoded or hashed.
//! - Every decoder states a limit and refuses trailing bytes.
//!
//! # It is not
//! A place for behaviour: executing, storing, ordering and gossiping live in their own crates.

pub mod access;
pub mod account;
pub mod block;
pub mod certificate;
pub mod command;
pub mod diff;
pub mod foreign;
pub mod header;
pub mod impersonation;
pub mod limits;
pub mod ordered_trie;
pub mod params;
pub mod parts;
pub mod profile;
pub mod receipt;
pub mod record;
pub mod settings;
pub mod state;
pub mod transaction;
pub mod units;
pub mod validator;
pub mod vote;

pub use access::{AccessRecord, Location, ReadAccess, TransactionAccess, WriteAccess, Writer};
pub use account::Account;
pub use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
pub use block::{Block, BlockBody, BlockError, SealedBlock};
pub use certificate::{CertificateError, CommitCertificate};
pub use command::{Action, Command, CommandError};
pub use diff::{AccountDiff, SlotDiff, StateDiff};
pub use foreign::ForeignBody;
pub use header::{Header, HeaderError};
pub use params::{ChainParams, Timeouts};
pub use profile::{Incarnation, IncarnationOutcome, RunMode, RunProfile};
pub use receipt::Receipt;
pub use record::{BlockRecord, Edge, EdgeKind};
pub use settings::Settings;
pub use state::{StateError, StateReader, Touched, TouchedList};
pub use transaction::{RecoveredTransaction, Transaction, TransactionError};
pub use units::{Height, Round, TxIndex};
pub use validator::{Validator, ValidatorAddress, ValidatorSet};
