//! A state from other nodes instead of from execution: export, import, and catching up by block
//! access lists. The format and its verification are those of [`weft_commitment::sync`].
//!
//! 1. A node that has the state answers with [`Store::export`]: an [`Anchor`], a plan, and chunks;
//!    [`Stream`] is these as files.
//! 2. A new node trusts the anchor's header because of its certificate, not because of who sent it.
//!    [`Import`] takes the chunks in any order, verifies each on arrival, and makes a store of them.
//! 3. [`Store::commit_listed`] applies the blocks that were decided meanwhile by their access lists:
//!    each root is compared with its header, nothing is executed.

mod anchor;
mod export;
mod folder;
mod import;
mod listed;
mod wire;

pub(crate) use anchor::ANCESTORS_MAX;
pub use anchor::Anchor;
pub use export::Export;
pub use folder::Stream;
pub use import::Import;
pub use listed::ListedBlock;
pub use wire::{ANCHOR_BYTES_MAX, LISTED_BYTES_MAX, Senders};
