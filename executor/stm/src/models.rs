//! Models of the production code; see the crate's section on models for how they run.

#[cfg(loom)]
mod lock_free;
#[cfg(shuttle)]
mod whole_engine;
