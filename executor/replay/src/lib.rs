//! Judges the executor by foreign Ethereum blocks: real ones and test suites.
