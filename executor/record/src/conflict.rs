//! Where transactions of one block waited for each other, location by location.

use crate::graph::critical_steps;
use std::collections::BTreeMap;
use weft_types::{AccessRecord, EdgeKind, Location, TxIndex, Writer};

/// One location at which transactions waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The location.
    pub location: Location,
    /// What it is.
    pub kind: EdgeKind,
    /// Who changed it in the block, ascending. Who only added to or took from a balance unseen counts too.
    pub writers: Vec<TxIndex>,
    /// Who read there what another one wrote, with that other one; ascending by reader.
    pub waits: Vec<(TxIndex, TxIndex)>,
    /// Gas of those who waited.
    pub serialised_gas: u64,
    /// Gas of the transactions of the critical path that waited here for the one before.
    pub path_gas: u64,
}

/// Every location at which somebody waited: most serialised gas first, then by location.
#[must_use]
pub fn conflicts(access: &AccessRecord) -> Vec<Conflict> {
    let mut found: BTreeMap<Location, Conflict> = BTreeMap::new();
    for (index, transaction) in access.transactions.iter().enumerate() {
        let reader = TxIndex(index as u32);
        for read in &transaction.reads {
            let Writer::Transaction(writer) = read.from else { continue };
            let conflict = found.entry(read.location).or_insert_with(|| Conflict {
                location: read.location,
                kind: EdgeKind::from(&read.location),
                writers: Vec::new(),
                waits: Vec::new(),
                serialised_gas: 0,
                path_gas: 0,
            });
            conflict.waits.push((reader, writer));
            conflict.serialised_gas += transaction.gas_used;
        }
    }
    for (index, transaction) in access.transactions.iter().enumerate() {
        for write in &transaction.writes {
            if let Some(conflict) = found.get_mut(&write.location) {
                conflict.writers.push(TxIndex(index as u32));
            }
        }
    }
    for step in critical_steps(access) {
        for (_, location) in &step.via {
            if let Some(conflict) = found.get_mut(location) {
                conflict.path_gas += step.gas;
            }
        }
    }
    let mut conflicts: Vec<Conflict> = found.into_values().collect();
    // Stable: equals stay ascending by location.
    conflicts.sort_by_key(|conflict| std::cmp::Reverse(conflict.serialised_gas));
    conflicts
}

/// Where `to` read what `from` wrote: slots first, because they are what a contract's author can change.
#[must_use]
pub fn locations_between(
    access: &AccessRecord,
    from: TxIndex,
    to: TxIndex,
) -> Vec<(EdgeKind, Location)> {
    let reads = access.transactions.get(to.0 as usize).map_or(&[][..], |reader| &reader.reads);
    let mut between: Vec<(EdgeKind, Location)> = reads
        .iter()
        .filter(|read| read.from == Writer::Transaction(from))
        .map(|read| (EdgeKind::from(&read.location), read.location))
        .collect();
    between.sort();
    between
}
