//! Decides one block per height; does no I/O.
//!
//! A thin, synchronous driver around the Tendermint state machine of `arc-malachitebft-core-consensus`.
//!
//! # Flow
//! The node feeds [`Input`]s to [`Consensus::step`] and performs the [`Output`]s in their order:
//!
//! 1. [`Input::StartHeight`] begins a height, after a restart with what the log holds for it.
//! 2. The proposer is asked to [`Output::Build`] a block; it answers [`Input::Built`] and streams the
//!    parts, while its signed proposal goes out as [`Output::Publish`].
//! 3. The others execute the block when its parts are complete and say so with [`Input::Value`].
//! 4. Votes come and go as [`Input::Message`] and [`Output::Publish`].
//! 5. [`Output::Decide`] carries the certificate. The node commits, then begins the next height; it
//!    paces the chain by when it does so.
//!
//! A node that lags gets no votes for its height any more: it asks its peers for their status, and
//! they send it when [`Output::PeerBehind`] tells them to. It fetches the block and its certificate
//! and feeds [`Input::Decided`].
//!
//! # Terms
//! *Log*: what a restarted validator must see again before it signs ([`WalEntry`]). *Guard*: what was
//! signed last ([`SignGuard`]). *Polka*: a quorum of prevotes for one block. *Early*: for a height that
//! has not been started; such inputs wait, in bounds.
//!
//! # Invariants
//! - One signature per (height, round, step) over the whole life of a validator, restarts included.
//! - Every [`Output::Publish`], [`Output::PublishLiveness`], [`Output::Decide`] and
//!   [`Output::StartedRound`] comes after the [`Output::Flush`] of all that led to it.
//! - After [`Output::Halt`] nothing comes out and nothing is signed.
//! - Equal inputs in equal order give equal outputs: no clock, no randomness.
//! - All that is kept for others is bounded: early inputs, remembered signatures, rounds ahead.
//!
//! # It is not
//! A network, a log file, a block builder or a clock. It does not see block bodies, only hashes.
//!
//! # Example
//! A chain with one validator decides its first block:
//!
//! ```
//! use weft_consensus::{Consensus, ConsensusConfig, Input, Output};
//! use weft_types::{B256, Height, Timeouts, Validator, ValidatorSet};
//!
//! let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
//! let public_key = key.verifying_key().to_bytes();
//! let alone = Validator { name: "alone".into(), public_key, power: 1 };
//! let validators = ValidatorSet::new(vec![alone])?;
//! let genesis_hash = B256::repeat_byte(7);
//! let config = ConsensusConfig {
//!     genesis_hash,
//!     validators: validators.clone(),
//!     timeouts: Timeouts::devnet(),
//!     key: Some(key),
//!     sign_from: Height(0),
//! };
//! let mut consensus = Consensus::new(config, Height(0), None);
//!
//! let outputs = consensus.step(Input::StartHeight { height: Height(1), replay: vec![] });
//! let asked = outputs.iter().find_map(|output| match output {
//!     Output::Build { height, round, .. } => Some((*height, *round)),
//!     _ => None,
//! });
//! let (height, round) = asked.expect("the only validator proposes");
//!
//! let block = B256::repeat_byte(9);
//! let outputs = consensus.step(Input::Built { height, round, block });
//! let Some(Output::Decide { certificate }) = outputs.last() else { panic!("{outputs:?}") };
//! assert_eq!(certificate.block, block);
//! certificate.verify(&validators, &genesis_hash)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod context;
mod convert;
mod driver;
mod effects;
mod error;
mod guard;
mod message;
mod pending;
mod port;
mod proposer;
pub mod sim;
mod verify;
mod wal;

pub use driver::{Consensus, ConsensusConfig};
pub use error::{MessageError, Refused};
pub use guard::{Permit, SignGuard, SignPoint, SignStep};
pub use message::{
    CONSENSUS_BYTES_MAX, ConsensusMessage, LIVENESS_BYTES_MAX, LivenessMessage, PolkaCertificate,
    RoundCertificate, RoundCertificateKind, RoundVote, SignedProposal, SignedVote,
};
pub use port::{Evidence, Input, Output, Role, TimeoutId, TimeoutKind};
pub use proposer::proposer;
pub use verify::{Verified, verify_liveness, verify_message};
pub use wal::{ProposedBlock, WalEntry, WalEvent};
