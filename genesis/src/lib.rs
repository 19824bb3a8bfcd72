//! Says what block 0 is and who validates.
