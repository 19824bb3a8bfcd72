//! What made transactions wait over many blocks: slots, accounts, functions and senders.

use crate::block::{Block, Function};
use alloy_primitives::Address;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use weft_types::{Location, TxIndex, Writer};

/// Places that one tally keeps apart; what comes later is not counted.
pub const PLACES_MAX: usize = 100_000;

/// Transactions that a hot spot names.
pub const SAMPLES_MAX: usize = 8;

/// What the waiting is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// The location at which a transaction waited.
    Slot,
    /// The account of that location.
    Account,
    /// The function that the waiting transaction called.
    Function,
    /// Who signed the waiting transaction.
    Sender,
}

/// What is hot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A location.
    Location(Location),
    /// An account.
    Account(Address),
    /// A function of a contract.
    Function(Function),
    /// A sender.
    Sender(Address),
}

/// A place at which transactions waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hotspot {
    /// The place.
    pub place: Place,
    /// Gas of the transactions that waited there.
    pub serialised_gas: u64,
    /// How many they were.
    pub waiting: u64,
    /// Transactions that wrote what somebody waited for there.
    pub writers: u64,
    /// Blocks in which somebody waited there.
    pub blocks: u64,
    /// Some of those who waited: block number and place in it.
    pub samples: Vec<(u64, TxIndex)>,
}

/// Sums hot spots up, block by block.
#[derive(Debug)]
pub struct Tally {
    by: By,
    places: BTreeMap<Place, Hotspot>,
    /// Gas of all transactions of the blocks.
    pub work_gas: u64,
    /// Gas of the transactions that waited anywhere.
    pub serialised_gas: u64,
    /// There were more places than are kept apart.
    pub truncated: bool,
}

impl Tally {
    /// An empty one.
    #[must_use]
    pub const fn new(by: By) -> Self {
        Self { by, places: BTreeMap::new(), work_gas: 0, serialised_gas: 0, truncated: false }
    }

    /// Counts a block in.
    pub fn add(&mut self, number: u64, block: &Block<'_>) {
        let mut writers: BTreeMap<Place, BTreeSet<TxIndex>> = BTreeMap::new();
        for (index, transaction) in block.access.transactions.iter().enumerate() {
            let index = TxIndex(index as u32);
            self.work_gas += transaction.gas_used;
            let mut places: BTreeSet<Place> = BTreeSet::new();
            for read in &transaction.reads {
                let Writer::Transaction(writer) = read.from else { continue };
                let place = match self.by {
                    By::Slot => Place::Location(read.location),
                    By::Account => Place::Account(*read.location.address()),
                    By::Function => Place::Function(block.function(index)),
                    By::Sender => Place::Sender(block.senders[index.0 as usize]),
                };
                places.insert(place);
                writers.entry(place).or_default().insert(writer);
            }
            if !places.is_empty() {
                self.serialised_gas += transaction.gas_used;
            }
            for place in places {
                self.count(place, number, index, transaction.gas_used);
            }
        }
        for (place, writers) in writers {
            if let Some(hotspot) = self.places.get_mut(&place) {
                hotspot.writers += writers.len() as u64;
                hotspot.blocks += 1;
            }
        }
    }

    fn count(&mut self, place: Place, number: u64, index: TxIndex, gas: u64) {
        if self.places.len() >= PLACES_MAX && !self.places.contains_key(&place) {
            self.truncated = true;
            return;
        }
        let hotspot = self.places.entry(place).or_insert_with(|| Hotspot {
            place,
            serialised_gas: 0,
            waiting: 0,
            writers: 0,
            blocks: 0,
            samples: Vec::new(),
        });
        hotspot.serialised_gas += gas;
        hotspot.waiting += 1;
        if hotspot.samples.len() < SAMPLES_MAX {
            hotspot.samples.push((number, index));
        }
    }

    /// The hottest places: most serialised gas first, then by name.
    #[must_use]
    pub fn ranked(self, limit: usize) -> Vec<Hotspot> {
        let mut ranked: Vec<Hotspot> = self.places.into_values().collect();
        ranked.sort_by_key(|hotspot| std::cmp::Reverse(hotspot.serialised_gas));
        ranked.truncate(limit);
        ranked
    }
}
