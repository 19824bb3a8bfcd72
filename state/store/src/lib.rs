//! Commits one block at a time to RocksDB, whole or not at all.
