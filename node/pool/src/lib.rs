//! Holds transactions that can still be included.
