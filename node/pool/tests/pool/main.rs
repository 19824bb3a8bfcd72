//! The pool through its public interface.

mod behaviour;
mod life;
mod liveness;
mod model;
mod refusals;
mod support;
