//! The pool through its public interface.

mod behaviour;
mod model;
mod refusals;
mod support;
