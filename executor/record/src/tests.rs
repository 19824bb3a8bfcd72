//! The analysis of blocks that a real execution recorded.

mod chrome;
mod patterns;
mod random;
mod said;
mod world;
