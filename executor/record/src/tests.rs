//! The analysis of blocks that a real execution recorded, and of records written by hand.

mod answers;
mod bounds;
mod chrome;
mod naming;
mod patterns;
mod random;
mod said;
mod sketch;
mod sums;
mod values;
mod world;
mod worth;
