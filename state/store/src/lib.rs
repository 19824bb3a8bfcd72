//! Commits one block at a time to RocksDB, whole or not at all.
//!
//! # Flow
//! 1. [`Store::open`] locks the directory, checks schema and genesis, computes the root of the flat
//!    state anew and compares it with the head's header. A new directory gets the genesis block.
//! 2. [`Store::commit`] refuses what does not follow the head or does not belong together, writes
//!    one batch over all column families, waits for the disk, and moves the head.
//! 3. [`Store::head`] and [`Store::state_at`] give readers of the state at one height; the other
//!    methods read blocks and what is kept beside them.
//!
//! 4. [`Store::tree_at`] gives the commitment of one of the last 128 blocks, for proofs.
//!    [`Store::export`], [`Import`] and [`Store::commit_listed`] move a state to another node and
//!    continue it there without executing anything.
//!
//! # Terms
//! *Flat state*: the current value of every account and slot. *History*: for each change the value
//! before it, filed under the block that made it; the value of a key after block N is the one before
//! its first change above N, or the current one. *Head*: the last durable block.
//!
//! ```text
//! n = height u64be   H = BLAKE3-256(00*12 ‖ address)   number = length u8 ‖ big endian, trimmed
//!
//! meta             "schema"  u32be
//!                  "genesis" block hash
//!                  "import"  there while a state is being imported: the directory is not usable
//!                  "head"    borsh (height u64, hash, state root)
//! accounts         H                      -> account
//! storage          H ‖ 00 ‖ 64 + slot     -> slot value                       slots 0..63
//!                  H ‖ FF ‖ group ‖ sub   -> slot value                       the others
//! code             keccak256              -> code (also EIP-7702 designators); only ever added
//! code_stems       BLAKE3(code hash ‖ g)  -> code hash ‖ size u32be ‖ g u32be ‖ first block with it, u64be:
//!                                            where chunks 256*g.. of a code lie in the tree
//! account_history  H ‖ n                  -> account before block n, empty if there was none
//! storage_history  storage key ‖ n        -> slot value before block n, empty for zero
//! headers          n                      -> block hash ‖ RLP header
//! bodies           n                      -> count u32be ‖ senders, 20 bytes each ‖ RLP block body
//! certificates     n                      -> borsh commit certificate; none at genesis
//! receipts         n                      -> RLP list of receipts
//! access_lists     n                      -> RLP block access list (EIP-7928); none if not kept
//! access_records   n                      -> borsh access record
//! profiles         n                      -> JSON run profile; none if not executed here
//! block_numbers    block hash             -> n
//! transactions     transaction hash       -> n ‖ index u32be
//!
//! account     address ‖ nonce u64be ‖ balance number [‖ code size u32be ‖ code hash]
//! slot value  value number ‖ slot number
//! ```
//! A storage key is the key of the slot in the commitment's tree with its zone byte moved behind `H`,
//! so one account is one range and the tree can be built by one scan. The file `tree.ckpt` beside the
//! database holds the upper part of a large tree for a faster start: it is worth nothing unless it
//! leads to the head's root, and is made again when it does not. Address and slot are stored
//! beside their hashes, so the state can be listed.
//!
//! # Invariants
//! - A block is stored whole or not at all, and the head moves only after the disk has it.
//! - The flat state is the truth and its root is the head's `stateRoot`; the tree in memory is derived.
//! - A reader pinned at a height answers the same for ever, also while later blocks are committed.
//! - After a failed write nothing more is written until the directory is opened again.
//! - Empty accounts (EIP-161) and zero slots are not stored.
//!
//! # It is not
//! The consensus log: votes and undecided proposals are kept elsewhere, so that compaction of the
//! state never delays a vote. It does not execute, and it does not prune: every height stays readable.
//!
//! ```
//! use weft_commitment::Tree;
//! use weft_store::{GenesisState, Store, StoreOptions};
//! use weft_types::{Account, AccountDiff, Address, Block, Header, StateDiff, StateReader, U256};
//!
//! let address = Address::repeat_byte(0x11);
//! let account = Account { balance: U256::from(5), ..Account::default() };
//! let change = AccountDiff { address, before: None, after: Some(account), slots: vec![] };
//! let diff = StateDiff { accounts: vec![change], code: vec![] };
//! let header = Header { state_root: Tree::empty().apply(&diff).root(), ..Header::default() };
//! let block = Block { header, transactions: vec![] }.seal();
//!
//! let directory = tempfile::tempdir()?;
//! let genesis = GenesisState { block: &block, diff: &diff };
//! let store = Store::open(directory.path(), genesis, StoreOptions::devnet())?;
//! assert_eq!(store.head().block.hash(), block.hash());
//! assert_eq!(store.head().state.account(&address)?, Some(account));
//! assert_eq!(store.verify()?, block.header().state_root);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod columns;
mod commit;
mod database;
mod error;
mod faults;
mod layout;
mod leaves;
mod lists;
mod logs;
mod open;
mod options;
mod prefetch;
mod rebuild;
mod retention;
mod store;
mod sync;
mod trees;
mod upgrade;
mod view;

pub use cache::CacheStats;
pub use commit::{BlockCommit, GenesisState};
pub use error::StoreError;
pub use faults::Faults;
pub use logs::LogQuery;
pub use options::{StoreOptions, default_read_threads};
pub use retention::{HISTORY_BLOCKS_MIN, Keep, Kept, Oldest, Retention};
pub use store::{Head, Store, StoredBlock};
pub use sync::{Anchor, Export, Import, ListedBlock};
pub use trees::PROOF_BLOCKS;
/// What a tree given out by this store answers with: see [`Store::tree_at`].
pub use weft_commitment::CommitmentError;
