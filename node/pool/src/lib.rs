//! Holds transactions that can still be included.
//!
//! # Flow
//! [`Pool::admit`] checks a recovered transaction (first what holds on every node, then nonce, fee
//! and funds at the head) and files it in its sender's queue. [`Pool::best`] hands a proposer the
//! ready ones. [`Pool::on_block`] moves the pool to a new head, [`Pool::drop_invalid`] takes out
//! what the builder refused, [`Pool::expire`] what has waited for too long. Each drop has a reason,
//! which [`Pool::standing`] tells afterwards. [`Pool::announcements`] is the feed of what became ready.
//!
//! # A full pool
//! gives up the ends of queues, never what others stand on: waiting before ready, then the lower tip
//! at the next base fee, then the later arrival, and only for a newcomer that is better by these very
//! terms. So nobody's chain is cut in the middle, and nobody displaces their own.
//!
//! # Terms
//! - *ready*: without a nonce gap, with a fee cap of at least the next base fee, and covered by the
//!   sender's balance together with all its earlier ones in the worst case.
//! - *waiting* (or *queued*, as `txpool` methods call it): held, but not ready; see [`Waiting`]. A fee
//!   cap of at least half the next base fee waits for the base fee to fall; a lower one is refused.
//! - *blame*: who pays for a refusal; see [`Blame`].
//!
//! # Invariants
//! - One transaction for each sender and nonce; no nonce below the sender's at the head.
//! - What [`Pool::best`] hands out is contiguous for each sender from its nonce at the head.
//! - The limits of [`PoolLimits`] hold after every call.
//! - The order of [`Pool::best`] depends on the calls made and on nothing else.
//! - A reason that depends on the state never blames a peer.
//!
//! # It is not
//! A judge of blocks: a block may include what this pool refuses. It does not recover signatures,
//! gossip, read a clock, or keep anything on disk.
//!
//! # Example
//! ```
//! use alloy_consensus::{SignableTransaction, TxEip1559};
//! use alloy_primitives::Signature;
//! use weft_pool::{Origin, Pool, PoolError, PoolLimits};
//! use weft_types::{Account, Address, B256, Bytes, Header, RecoveredTransaction, U256};
//! use weft_types::{StateError, StateReader};
//!
//! /// Everybody has one ether and nonce 5.
//! struct Rich;
//! impl StateReader for Rich {
//!     fn account(&self, _: &Address) -> Result<Option<Account>, StateError> {
//!         let balance = U256::from(10u128.pow(18));
//!         Ok(Some(Account { nonce: 5, balance, ..Account::default() }))
//!     }
//!     # fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> { Ok(U256::ZERO) }
//!     # fn code(&self, _: &B256) -> Result<Bytes, StateError> { Ok(Bytes::new()) }
//!     # fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> { Ok(None) }
//! }
//! let transfer = |nonce| {
//!     let tx = TxEip1559 {
//!         chain_id: 31_337,
//!         nonce,
//!         gas_limit: 21_000,
//!         max_fee_per_gas: 2_000_000_000,
//!         to: Address::ZERO.into(),
//!         ..TxEip1559::default()
//!     };
//!     let signed = tx.into_signed(Signature::test_signature());
//!     RecoveredTransaction::new_unchecked(signed.into(), Address::repeat_byte(1))
//! };
//! let head = Header { gas_limit: 60_000_000, base_fee_per_gas: Some(1), ..Header::default() };
//!
//! let pool = Pool::new(31_337, PoolLimits::default());
//! assert!(pool.admit(transfer(5), Origin::Rpc, &Rich, &head)?.ready);
//! assert!(!pool.admit(transfer(7), Origin::Rpc, &Rich, &head)?.ready);
//! assert_eq!(pool.pending_nonce(&Address::repeat_byte(1), 5), 6);
//! assert_eq!(pool.best(1, 60_000_000).len(), 1);
//!
//! let late = pool.admit(transfer(4), Origin::Rpc, &Rich, &head).unwrap_err();
//! assert_eq!(late.to_string(), "nonce too low: next nonce 5, tx nonce 4");
//! assert_eq!(late.code(), 1);
//! # Ok::<(), PoolError>(())
//! ```

mod admission;
mod announcements;
mod commands;
mod entry;
mod error;
pub mod gas;
mod inner;
mod limits;
mod order;
mod pool;
mod queue;
mod recent;
mod room;

pub use announcements::Announcements;
pub use commands::Commands;
pub use entry::Origin;
pub use error::{Blame, PoolError, transaction_code};
pub use inner::Admitted;
pub use limits::PoolLimits;
pub use pool::{Pool, PoolStatus, SenderContent, Standing};
pub use queue::Waiting;
