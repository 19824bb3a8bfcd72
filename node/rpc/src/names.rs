//! Names of contracts, accounts and places, as this node tells them.

use alloy_primitives::Address;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use weft_record::Block;
use weft_record::names::{NameError, Registry};
use weft_types::{StateError, StateReader, TxIndex};

/// Accounts whose code was compared with the artifacts; later ones are not.
const COMPARED_MAX: usize = 100_000;

/// What is called how. One is shared by the listeners of a node, and by whoever else tells a person about its blocks: what a caller
/// registers at one of them has its name everywhere.
#[derive(Debug, Default)]
pub struct Names {
    /// Replaced as a whole when a name is registered: a reader works on one state of it.
    registry: RwLock<Arc<Registry>>,
    /// Accounts whose code was compared with the artifacts already.
    compared: Mutex<BTreeSet<Address>>,
    /// Rises after each registration. A hint, for those who keep texts with names in them.
    generation: AtomicU64,
}

impl Names {
    /// With what is known from the start.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self { registry: RwLock::new(Arc::new(registry)), ..Self::default() }
    }

    /// The names as they are now.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read())
    }

    /// Compares the code of the contracts that a block calls with the artifacts, each contract once.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn recognise(&self, block: &Block<'_>, state: &dyn StateReader) -> Result<(), StateError> {
        if !self.registry().can_recognise() {
            return Ok(());
        }
        let called = (0..block.len() as u32).map(|index| block.function(TxIndex(index)).contract);
        let kept = block.access.transactions.iter();
        let kept = kept.flat_map(|access| &access.writes).map(|write| *write.location.address());
        let mut found = Vec::new();
        for address in called.chain(kept).collect::<BTreeSet<Address>>() {
            {
                let mut compared = self.compared.lock();
                if compared.contains(&address) || compared.len() >= COMPARED_MAX {
                    continue;
                }
                // Code that comes later than its account is found then: only what has code is marked.
                let account = state.account(&address)?;
                let Some(account) = account.filter(weft_types::Account::has_code) else { continue };
                compared.insert(address);
                found.push((address, account.code_hash));
            }
        }
        if found.is_empty() {
            return Ok(());
        }
        let mut held = self.registry.write();
        let mut next = Registry::clone(&held);
        for (address, hash) in found {
            next.recognise(address, &state.code(&hash)?);
        }
        *held = Arc::new(next);
        Ok(())
    }

    /// Changes the names.
    ///
    /// # Errors
    /// What `change` says; nothing is changed then.
    pub fn register(
        &self,
        change: impl FnOnce(&mut Registry) -> Result<(), NameError>,
    ) -> Result<(), NameError> {
        let mut held = self.registry.write();
        let mut next = Registry::clone(&held);
        change(&mut next)?;
        *held = Arc::new(next);
        drop(held);
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// How often names were registered.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}
