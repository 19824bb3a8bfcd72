//! Commits one block at a time to RocksDB, whole or not at all.

mod columns;
mod commit;
mod database;
mod error;
mod layout;
mod open;
mod options;
mod rebuild;
mod store;
mod view;

pub use commit::{BlockCommit, GenesisState};
pub use error::StoreError;
pub use options::StoreOptions;
pub use store::{Head, Store, StoredBlock};
