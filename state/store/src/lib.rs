//! Commits one block at a time to RocksDB, whole or not at all.
//!
//! # Flow
//! 1. [`Store::open`] locks the directory, checks schema and genesis, computes the root of the flat
//!    state anew and compares it with the head's header. A new directory gets the genesis block.
//! 2. [`Store::commit`] refuses what does not follow the head or does not belong together, writes
//!    one batch over all column families, waits for the disk, puts the new values into the cache,
//!    and moves the head.
//! 3. [`Store::head`] and [`Store::state_at`] give readers of the state at one height; the other
//!    methods read blocks and what is kept beside them.
//! 4. [`StateReader::prefetch`](weft_types::StateReader::prefetch) has threads of the store read what
//!    a block will need, many keys at once, while it is executed.
//! 5. [`Store::snapshot`] copies the database while it runs; [`Maintenance`] is for a person: it
//!    checks, merges, drops and copies a directory that no node has open.
//! 6. [`Store::tree_at`] gives the commitment of one of the last 128 blocks, for proofs.
//!    [`Store::export`], [`Import`] and [`Store::commit_listed`] move a state to another node and
//!    continue it there without executing anything; [`Stream`] is a state and such blocks as files.
//!
//! # Terms
//! *Flat state*: the current value of every account and slot. *History*: for each change the value
//! before it, filed under the block that made it; the value of a key after block N is the one before
//! its first change above N, or the current one. *Head*: the last durable block. *Oldest heights*:
//! how far back the parts of [`Retention`] can be read.
//!
//! ```text
//! n = height u64be   H = BLAKE3-256(00*12 ‖ address)   number = length u8 ‖ big endian, trimmed
//!
//! meta             "schema"  u32be
//!                  "genesis" block hash
//!                  "base"    n of the block that an imported state is of; the 256 before it are headers
//!                  "import"  there while a state is being imported: the directory is not usable
//!                  "head"    borsh (height u64, hash, state root)
//!                  "oldest"  borsh (u64 for history, receipts, logs, access lists, records)
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
//! access_records   n                      -> borsh access record; empty if committed without
//! profiles         n                      -> JSON run profile; none if not executed here
//! block_numbers    block hash             -> n
//! transactions     transaction hash       -> n ‖ index u32be
//! log_index        tag ‖ n                -> places u8: bit 4 address, bits 0..3 topics
//! address_index    touch ‖ n              -> empty: block n touches the address
//!
//! account     address ‖ nonce u64be ‖ balance number [‖ code size u32be ‖ code hash]
//! slot value  value number ‖ slot number
//! tag         first 8 bytes of BLAKE3(address or topic); zero for any log
//! touch       first 8 bytes of BLAKE3(kind u8 ‖ address): 0 named by the access list or a transaction, 1 sent a
//!             transaction, 2 has other code. Kept as long as log_index
//! ```
//! A storage key is the key of the slot in the commitment's tree with its zone byte moved behind `H`,
//! so one account is one range and the tree can be built by one scan. The file `tree.ckpt` beside the
//! database holds the upper part of a large tree for a faster start: it is worth nothing unless it
//! leads to the head's root, and is made again when it does not. Address and slot are stored
//! beside their hashes, so the state can be listed.
//!
//! The schema of this layout is 3. Schema 1 had no `log_index` and no `meta.oldest`, schema 2 no
//! `address_index`: opening such a directory adds the indices, from what is kept of the blocks, and
//! says so in the log. Any other schema is refused, unchanged.
//!
//! Schema 2^31 + 3 is a directory with a chain of Ethereum that was executed here ([`Store::open_foreign`]).
//! It differs in three things: the headers are Ethereum's and name Merkle-Patricia roots, so the root of our
//! tree is in `meta.head` alone; there are no certificates; and a body is Ethereum's own, in RLP (with blob
//! transactions, ommers and withdrawals), behind a count of senders whose highest bit is set.
//!
//! # Invariants
//! - A block is stored whole or not at all, and the head moves only after the disk has it. What is
//!   written but not acknowledged is not served.
//! - The flat state is the truth and its root is the head's `stateRoot`; the tree in memory is derived.
//! - A reader pinned at a height answers the same for ever, also while later blocks are committed,
//!   until the height is dropped: then it says so, and nothing else.
//! - The cache holds values of the head alone, and only values that are durable.
//! - The oldest heights are on disk before anything below them is dropped, and never move down.
//! - After a failed write nothing more is written until the directory is opened again.
//! - Empty accounts (EIP-161) and zero slots are not stored.
//!
//! # What a crash, a full disk or a damaged file does
//! | what happens | what the store does |
//! |---|---|
//! | `kill -9`, power loss | opens at the last block whose commit returned, or at the one that was being committed |
//! | a write or sync fails, the disk is full | that commit fails, every later one is refused ([`StoreError::Poisoned`]), reading goes on |
//! | a byte of a table, blob or manifest file is changed or missing | opening, the read that meets it, or [`Maintenance::check`] names the file; never a wrong value |
//! | a byte inside the log is changed | opening is refused; but a wrong length near its end, or a log that ends too early, cannot be told from a write that was interrupted: the store opens at an earlier block. The node knows from its consensus log which blocks were decided, and does not sign before it has them again |
//!
//! `tests/store/crash.rs` does all of this. The long run kills 200 times and has `strace` fail the
//! system's writes and syncs one after the other:
//! ```console
//! $ WEFT_STORE_KILLS=200 WEFT_STORE_STRACE=1 cargo test --release --workspace --test store -- crash
//! ```
//!
//! # What it costs
//! Two cores of a virtual machine, otherwise idle; minimum and median of 15 blocks, minimum of three
//! runs of 100,000 reads:
//! ```text
//! $ cargo bench --workspace --bench store -- --keys 1000000 --changed 20000 --depth 100000
//! block of 20,000 changed keys of 1,000,000    root on two cores   44 ms    72 ms
//!                                              batch               72 ms   124 ms
//!                                              sync                 1 ms     2 ms
//! read of an account of 1,000,000              cache                0.26 us
//!                                              database             3.1 us
//!                                              database, absent     0.6 us
//!                                              ahead, per account   3.3 us
//! read of the past                             1 block deep        14.7 us
//!                                              1,000 deep          16.4 us
//!                                              100,000 deep        17.2 us
//! ```
//! With no memory for the tree (`tree_memory_bytes` 0) the root costs 5 times as much, as every small subtree that a
//! block touches is read from the database again: 189 ms against 38 ms (minima; medians 214 and 46) in the same run,
//! with 41 MiB for 2,000,000 leaves:
//! ```console
//! $ cargo bench --workspace --bench store -- --keys 1000000 --changed 20000 --depth 1
//! ```
//! A block of 20,000 changed keys on 10,000,000 accounts (20,000,000 leaves) costs 1.36 times one on 1,000,000 while
//! the tree has memory for them, about 4.6 GB: 119 ms against 88 ms, the root 63 against 42. Give a large state
//! that much (`tree_memory_bytes`): with 1 GiB, as by default, most of the tree is stubs and the same block cost 4.3
//! times as much (835 ms against 109 ms for the root, on a busy machine).
//! ```console
//! $ cargo bench --workspace --bench store -- --keys 1000000 --changed 20000 --beside 10000000 --tree-mib 6144
//! ```
//! On disk, after 10,000 blocks of 200 transfers, most of them to new accounts, and after merging;
//! *pruned* keeps 1,000 blocks of everything that need not be kept for ever:
//! ```text
//! $ cargo run --release --workspace --example room -- --blocks 10000 --transfers 200 --keep 1000
//!                             archive   pruned
//! an account, of 866,707         65 B     65 B
//! a block                      74.1 kB  39.8 kB
//!   bodies, transactions       34.3 kB  34.3 kB
//!   access lists               16.8 kB   1.9 kB
//!   history                     9.8 kB   1.8 kB
//!   records                    12.1 kB   1.5 kB
//!   headers, receipts, others   1.1 kB   0.4 kB
//! the folder                   772 MiB  444 MiB   (before merging: 874 MiB, 671 MiB)
//! memory at the end            998 MiB 1012 MiB   (of 1792 MiB that the options allow)
//! ```
//!
//! # Memory
//! A store takes at most [`StoreOptions::state_cache_bytes`] for hot values, `cache_bytes` for blocks of
//! table files, `write_buffer_bytes` for what is not yet in files, one and a half times
//! `tree_memory_bytes` for the trees of the last blocks, and besides these about 2 bytes for each stored
//! key: filters and indices of open table files. For the whole node, with the constant that comes on top,
//! see the README; `tests/examples/soak.rs` measures it.
//!
//! # A stream
//! ```text
//! STREAM/anchor               block, then borsh list of header bytes: the 256 before it, ascending
//!        plan                 how its state is divided: see weft_commitment::sync
//!        chunks/00042         the leaves of one section of the plan: leaf stream of EIP-8347, origins
//!        blocks/000000000123  block, with its access list
//!
//! block = borsh (version u8 = 1, header bytes, body bytes, receipts bytes, certificate option)
//!         header, body as in block sync and receipts in RLP; senders are recovered by who reads
//! ```
//! Nothing in it is believed: the header is the one that a certificate names, the plan leads to its
//! state root, each chunk to the plan, and each later block to its own header.
//!
//! # It is not
//! The consensus log: votes and undecided proposals are kept elsewhere, so that compaction of the
//! state never delays a vote. It does not execute.
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
//! let block = Block { header, transactions: vec![], commands: vec![] }.seal();
//!
//! let directory = tempfile::tempdir()?;
//! let genesis = GenesisState { block: &block, diff: &diff };
//! let store = Store::open(directory.path(), genesis, StoreOptions::devnet())?;
//! assert_eq!(store.head().block.hash(), block.hash());
//! assert_eq!(store.head().state.account(&address)?, Some(account));
//! assert_eq!(store.verify()?, block.header().state_root);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod addresses;
mod cache;
mod check;
mod columns;
mod commit;
mod database;
mod error;
mod faults;
mod foreign;
mod layout;
mod leaves;
mod lists;
mod logs;
mod maintenance;
mod open;
mod options;
mod prefetch;
mod rebuild;
mod records;
mod retention;
mod snapshot;
mod store;
mod sync;
mod trees;
mod upgrade;
mod view;

pub use addresses::{TOUCHING_MAX, Touch};
pub use cache::CacheStats;
pub use check::CheckReport;
pub use commit::{BlockCommit, GenesisState};
pub use error::StoreError;
pub use faults::Faults;
pub use foreign::ForeignCommit;
pub use logs::LogQuery;
pub use maintenance::{
    ColumnStats, DatabaseStats, DirectoryVersion, Maintenance, directory_version,
};
pub use options::{StoreOptions, default_read_threads};
pub use retention::{HISTORY_BLOCKS_MIN, Keep, Kept, Oldest, Retention};
pub use snapshot::{
    SnapshotFile, SnapshotManifest, read_manifest, restore_snapshot, verify_snapshot,
};
pub use store::{Head, Store, StoredBlock};
pub use sync::{
    ANCHOR_BYTES_MAX, Anchor, Export, Import, LISTED_BYTES_MAX, ListedBlock, Senders, Stream,
};
pub use trees::PROOF_BLOCKS;
/// What a tree given out by this store answers with: see [`Store::tree_at`].
pub use weft_commitment::CommitmentError;
