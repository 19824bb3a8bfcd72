//! The tree against the text of the draft, in every budget, in a file, and by its proofs.

mod budget;
mod model;
mod proof;
mod rebuild;
mod refused;
mod saved;
mod sync;
