//! One BLAKE3 root for all accounts and slots.
//!
//! The partitioned binary tree of EIP-8297, pinned to the draft text of 2026-08-06, with BLAKE3 in
//! plain hash mode. The tree is a pure function of the set of keys and values: the order and the
//! history of the changes do not matter, so anybody who holds the flat state can recompute the root.
//!
//! # Flow
//! 1. [`leaves_of`] turns the net change of a block into leaves: 34 or 66 byte keys, 32 byte values.
//! 2. [`Tree::try_apply`] puts the sorted leaves into a persistent tree by copying the paths that
//!    change, both halves of a large batch in parallel; [`Tree::root`] is the header's `stateRoot`.
//! 3. [`TreeBuilder`] makes the same tree from the whole flat state, each zone in key order;
//!    [`Tree::save`] and [`Tree::load`] keep it in a file for a faster start.
//! 4. [`Tree::prove_account`] proves what is there and what is not; [`proof`] verifies it from a root
//!    alone. [`sync`] divides a state into chunks that are verified as they arrive.
//!
//! # Memory
//! The flat state is the only durable truth, the tree is a cache over it. [`Tree::trim`] keeps it
//! within a budget: subtrees of up to 16 leaves that were not touched lately are dropped, what stays
//! of each is its hash, its first key and its number of leaves (a *stub*). Whoever touches one reads
//! its leaves from the [`LeafSource`], builds it and compares the hash, so that a flat state that
//! changed behind the tree is an error and never a wrong root. With a budget of zero every touch
//! reads; the roots are the same. A tree is a value: 128 old ones are kept for proofs, which cost only
//! what they do not share.
//!
//! # Terms
//! ```text
//! H = BLAKE3-256                 addr32 = 00*12 ‖ address
//! leaf hash   = H(00 ‖ key ‖ value)
//! branch hash = H(01 ‖ u16be(bits) ‖ prefix bits, first bit highest, zero padded ‖ left ‖ right)
//! empty root  = 00*32
//!
//! keys
//!   header   00 ‖ H(addr32) ‖ sub            sub 0 basic, 1 code hash, 2 delegation, 64..127 slots 0..63
//!   code     01 ‖ H(code_hash ‖ u256be(chunk / 256)) ‖ chunk % 256
//!   storage  FF ‖ H(addr32) ‖ H(addr32 ‖ u256be(slot / 256)) ‖ slot % 256        slots from 64
//!
//! values
//!   basic       version 0 | 3 zero bytes | code size u32be | nonce u64be | balance u128be
//!   code hash   keccak256 of the code
//!   delegation  ef0100 ‖ target ‖ 00*9       (EIP-7702: then there is no code hash leaf and no code)
//!   code chunk  number of leading bytes that are PUSH data ‖ 31 bytes of code
//!   slot        u256be
//! ```
//! The *prefix* of a branch are the bits that all keys below it share, after the bit that its parent
//! branches on. The value zero is the same as no leaf.
//!
//! # Speed
//! The root of a block that changes 20,000 of the keys, on a machine with two cores, all in one run of
//! `cargo run --release --manifest-path state/commitment/scale/Cargo.toml -- --large`:
//!
//! | state | workers | wall ms | CPU ms | CPU ns per key |
//! |---|---|---|---|---|
//! | 1 M keys | 1 | 81.9 | 83.2 | 4158 |
//! | 1 M keys | 2 | 47.0 | 87.6 | 4382 |
//! | 10 M keys | 1 | 123.0 | 121.7 | 6086 |
//! | 10 M keys | 2 | 61.9 | 117.3 | 5867 |
//! | 1 M keys, no memory, leaves read from a map | 1 | 147.3 | 148.3 | 7417 |
//! | 1 M keys in the crate `jmt` 0.12 with BLAKE3, nodes in a map | 1 | 525.9 | 525.9 | 26293 |
//!
//! Ten times the keys cost 1.5 times as much a key; two workers take 1.7 and 2.0 times less time than
//! one; `jmt` takes 6.3 times the processor time (it keeps every old version, which this tree leaves
//! to the history of the flat state). In memory 1 M keys take about 230 MB, without memory 20 MB.
//!
//! # Invariants
//! - Both children of a branch exist; a branch that loses one is replaced by the other.
//! - A leaf's hash does not depend on its depth; a branch's hash depends on where its parent splits.
//! - What a tree does not hold is equal in its source: what a block changes is in memory.
//! - Code leaves are only ever added: they are content-addressed, and no block removes contract code
//!   (EIP-6780).
//! - An account that is empty in the sense of EIP-161 has no leaves.
//!
//! # It is not
//! Durable: the flat state on disk is the truth, the tree is derived from it. It does not keep values,
//! only their leaves' hashes. It is not Ethereum's own commitment: [`mpt`] is, behind the same trait
//! [`Commitment`], for test suites that are not of this chain.
//!
//! ```
//! use weft_commitment::Tree;
//! use weft_types::{Account, AccountDiff, Address, B256, StateDiff, U256};
//!
//! let account = Account { nonce: 1, balance: U256::from(5), ..Account::default() };
//! let address = Address::repeat_byte(0x11);
//! let add = AccountDiff { address, before: None, after: Some(account), slots: vec![] };
//! let remove = AccountDiff { address, before: Some(account), after: None, slots: vec![] };
//!
//! let parent = Tree::empty();
//! let child = parent.apply(&StateDiff { accounts: vec![add], code: vec![] });
//! assert_ne!(child.root(), B256::ZERO);
//! assert_eq!(parent.root(), B256::ZERO, "the parent is untouched");
//! assert_eq!(child.apply(&StateDiff { accounts: vec![remove], code: vec![] }).root(), B256::ZERO);
//! ```

mod code;
mod commitment;
mod error;
mod hash;
mod key;
mod leaf;
pub mod mpt;
pub mod proof;
pub mod sync;
mod tree;

pub use code::{chunk_code, code_leaves, is_delegation};
pub use commitment::Commitment;
pub use error::CommitmentError;
pub use key::{AccountKey, HEADER_SLOTS, TreeKey};
pub use leaf::{AccountLeaves, LeafChange, account_leaves, leaves_of, slot_value};
pub use proof::{Proof, ProofError, ProvenAccount};
pub use tree::{LeafSource, SavedTree, Tree, TreeBuilder};
