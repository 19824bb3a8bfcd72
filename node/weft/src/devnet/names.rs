//! Names for the devnet's block lines.

use crate::chain::Committed;
use alloy_primitives::Address;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use weft_record::Block;
use weft_record::names::{Artifact, Namer, Registry};
use weft_types::{Location, StateReader, TxIndex, Writer};

/// Accounts whose code was compared with the artifacts; later ones are not.
const COMPARED_MAX: usize = 10_000;
/// Transactions whose words are tried as keys of a slot.
const SAMPLES: usize = 4;

/// What is known of contracts, from the compiler's output and from what they look like.
pub(super) struct Names {
    known: Mutex<(Registry, BTreeSet<Address>)>,
}

impl Names {
    pub(super) fn new(artifacts: &[Arc<Artifact>]) -> Self {
        let registry = Registry::with_developers().with_artifacts(artifacts);
        Self { known: Mutex::new((registry, BTreeSet::new())) }
    }

    /// The name of a location at which transactions of a block waited.
    pub(super) fn of(&self, committed: &Committed, location: &Location) -> String {
        let executed = &committed.prepared.executed;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (registry, compared) = &mut *known;
        let address = *location.address();
        if registry.can_recognise() && compared.len() < COMPARED_MAX && compared.insert(address) {
            let state = &committed.head.state;
            // A name is no reason to stop: what cannot be read has none.
            let account = state.account(&address).ok().flatten();
            let code = account.filter(weft_types::Account::has_code);
            if let Some(code) = code.and_then(|account| state.code(&account.code_hash).ok()) {
                registry.recognise(address, &code);
            }
        }
        let senders: Vec<Address> = executed.transactions.iter().map(|one| one.signer()).collect();
        let block = Block {
            transactions: committed.head.block.transactions(),
            senders: &senders,
            receipts: &executed.receipts,
            access: &executed.access_record,
            list: &[],
        };
        let waited = executed.access_record.transactions.iter().enumerate();
        let waited = waited.filter(|(_, access)| {
            let waits = |read: &weft_types::ReadAccess| {
                read.location == *location && read.from != Writer::Base
            };
            access.reads.iter().any(waits)
        });
        let samples: Vec<TxIndex> =
            waited.take(SAMPLES).map(|(index, _)| TxIndex(index as u32)).collect();
        Namer::new(registry, block).location(location, &samples).text
    }
}
