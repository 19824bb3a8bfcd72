//! One BLAKE3 root for all accounts and slots.
