//! The one place that names locks, atomics, maps and threads.
//!
//! Everything in this crate that threads share is built from these names. Compiled with `--cfg loom` or `--cfg shuttle` they
//! are those of a model checker, which then runs the code of this crate itself, and no copy of it (see [`crate`]'s section
//! on models). Only the pool of threads is left out of that.

mod arena;
#[cfg(any(loom, shuttle))]
mod modelled;
#[cfg(not(any(loom, shuttle)))]
mod native;

#[cfg(any(loom, shuttle))]
pub(crate) use modelled::*;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use native::*;

pub(crate) use arena::{Ahead, Arena};
pub(crate) use crossbeam_utils::CachePadded;

/// A map of one owner. The hasher is keyed at random in every process.
pub(crate) type OwnedMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
