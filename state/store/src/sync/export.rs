//! A state in pieces, for other nodes.

use super::Anchor;
use crate::database::Database;
use crate::leaves::{Leaf, Leaves, Origin};
use crate::{Store, StoreError};
use alloy_primitives::{Address, B256};
use std::sync::Arc;
use weft_commitment::TreeKey;
use weft_commitment::sync::{self, ChunkWriter, Plan, Section, SyncLeaf};

/// The state after one block, in pieces that can be verified one by one. Stays right while later
/// blocks are committed, as long as the history reaches back to it.
pub struct Export {
    database: Arc<Database>,
    anchor: Anchor,
    plan: Plan,
    sections: Vec<Section>,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("height", &self.anchor.block.height().0)
            .field("chunks", &self.sections.len())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The state of the head, in chunks of at most `leaves_max` leaves.
    ///
    /// # Errors
    /// [`StoreError::Tree`] when the state is too large for a plan, or another [`StoreError`] when
    /// the store cannot answer.
    pub fn export(&self, leaves_max: u32) -> Result<Export, StoreError> {
        let head = self.head();
        let anchor = self.anchor(head.block.height().0)?;
        let plan = head.tree.plan(leaves_max)?;
        let sections = plan.sections(head.tree.root())?;
        Ok(Export { database: self.shared_database(), anchor, plan, sections })
    }
}

impl Export {
    /// The block whose state this is.
    #[must_use]
    pub const fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// How the state is divided.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Number of chunks.
    #[must_use]
    pub const fn chunks(&self) -> usize {
        self.sections.len()
    }

    /// The chunk at this place of the plan; `None` when the plan has no such place.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] when the history no longer reaches back to the state, or another
    /// [`StoreError`] when the store cannot answer.
    pub fn chunk(&self, place: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(section) = self.sections.get(place) else { return Ok(None) };
        let leaves = Leaves::at(&self.database, self.anchor.block.height().0);
        let mut chunk = ChunkWriter::default();
        let mut owner = None;
        for first in section.first_keys() {
            leaves.visit(&first, &mut |leaf| {
                if !section.has(&leaf.key) {
                    return Ok(false);
                }
                chunk.push(&with_origin(&leaves, &leaf, &mut owner)?);
                Ok(true)
            })?;
        }
        leaves.finish()?;
        Ok(Some(chunk.finish()))
    }
}

/// The leaf with what its key was hashed from. `owner` is the account of the last slot.
fn with_origin(
    leaves: &Leaves<'_>,
    leaf: &Leaf,
    owner: &mut Option<(B256, Address)>,
) -> Result<SyncLeaf, StoreError> {
    let bytes = leaf.key.as_slice();
    let origin = match leaf.origin {
        Origin::Account(address)
            if leaf.key == TreeKey::basic(&B256::from_slice(&bytes[1..33])) =>
        {
            sync::Origin::Account(address)
        }
        Origin::Account(_) => sync::Origin::Header,
        Origin::Slot(_) if bytes.len() == 34 => sync::Origin::Header,
        Origin::Slot(slot) => {
            let hash = B256::from_slice(&bytes[1..33]);
            let address = match owner {
                Some((known, address)) if *known == hash => *address,
                _ => leaves.address(hash.as_slice())?,
            };
            *owner = Some((hash, address));
            sync::Origin::Slot(address, slot)
        }
        Origin::Code(group) => sync::Origin::Code(group),
    };
    Ok(SyncLeaf { key: leaf.key, value: leaf.value, origin })
}
