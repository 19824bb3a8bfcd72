//! Decides one block per height; does no I/O.
