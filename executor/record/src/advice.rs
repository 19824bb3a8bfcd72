//! What would help: rules over the deterministic half of the record, each citing transactions.

mod rules;
mod words;

pub use words::Words;

use crate::block::{Block, Function};
use crate::graph;
use crate::names::Registry;
use serde::Serialize;
use std::collections::BTreeMap;
use weft_types::{Location, TxIndex};

/// Pieces of advice for one block.
pub const ADVICE_MAX: usize = 8;

/// Transactions that a piece of advice cites.
pub const CITED_MAX: usize = 12;

/// A pattern that keeps transactions from running beside each other, or its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// A slot that rises or falls by the same amount with each transaction.
    GlobalCounter,
    /// A total or the next identifier, changed by every mint.
    MintSequence,
    /// One entry of a token's balances that many transfers change: a recipient of fees, a treasury, a hot wallet.
    SharedBalance,
    /// Reserves or price of one exchange pool.
    PoolReserves,
    /// Many transactions of one sender.
    NonceChain,
    /// A factory, whose nonce every creation raises.
    FactoryNonce,
    /// The ether balance of an account, which transactions look at.
    EtherBalance,
    /// Code that was set and used in the same block.
    FreshCode,
    /// A slot that one transaction set and the others only read: a guard or a setting.
    SetOnce,
    /// Another slot that many transactions change.
    HotSlot,
    /// Nothing to fix: the path is one heavy transaction.
    OneTransaction,
    /// Nothing to fix: transactions do not wait for each other, or hardly.
    NothingToFix,
}

/// A ratio of two amounts of gas: work over path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speedup {
    /// Gas of all transactions.
    pub work_gas: u64,
    /// Gas of the heaviest path.
    pub path_gas: u64,
}

/// One piece of advice about a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The pattern.
    pub rule: Rule,
    /// Where; none when there is nothing to fix.
    pub location: Option<Location>,
    /// The function that most of the transactions call.
    pub function: Option<Function>,
    /// Transactions that change the place.
    pub count: usize,
    /// Transactions that call the function, or all of the block.
    pub of: usize,
    /// What each transaction adds, for counters: magnitude and whether it falls.
    pub delta: Option<(alloy_primitives::U256, bool)>,
    /// Some of the transactions.
    pub transactions: Vec<TxIndex>,
    /// Gas of the transactions that waited there.
    pub serialised_gas: u64,
    /// The best speed-up of the block as it is.
    pub now: Speedup,
    /// The best speed-up if nobody waited there.
    pub without: Speedup,
}

/// Advice about one block, the most useful first. Never empty for a block with transactions.
#[must_use]
pub fn advise(block: &Block<'_>, registry: &Registry) -> Vec<Advice> {
    if block.is_empty() {
        return Vec::new();
    }
    let mut advice = rules::about_conflicts(block, registry);
    if advice.is_empty() {
        advice.push(rules::nothing_to_fix(block));
    }
    advice
}

/// The best speed-up of a block if all of this advice were followed.
#[must_use]
pub fn if_followed(block: &Block<'_>, advice: &[Advice]) -> Speedup {
    let gone: Vec<Location> = advice.iter().filter_map(|advice| advice.location).collect();
    let path = graph::heaviest_path(block.access, |location| !gone.contains(location));
    Speedup { work_gas: block.access.work_gas(), path_gas: path.gas }
}

/// Advice about many blocks: what is said of the same place by the same rule becomes one piece, with the block in which it
/// costs most. The order is by serialised gas over all blocks.
#[derive(Debug, Default)]
pub struct Collected {
    entries: BTreeMap<(Rule, Option<Location>), Entry>,
}

/// One piece of advice over many blocks.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Number of the block in which it costs most.
    pub number: u64,
    /// What is said of that block.
    pub advice: Advice,
    /// Blocks in which it is said.
    pub blocks: u64,
    /// Serialised gas in all of them.
    pub serialised_gas: u64,
}

impl Collected {
    /// Adds what is said of a block.
    pub fn add(&mut self, number: u64, advice: Vec<Advice>) {
        for advice in advice {
            let key = (advice.rule, advice.location);
            let gas = advice.serialised_gas;
            let entry = self.entries.entry(key).or_insert_with(|| Entry {
                number,
                advice: advice.clone(),
                blocks: 0,
                serialised_gas: 0,
            });
            entry.blocks += 1;
            entry.serialised_gas += gas;
            if gas > entry.advice.serialised_gas {
                entry.number = number;
                entry.advice = advice;
            }
        }
    }

    /// The most useful pieces. That there is nothing to fix is said only when nothing else is.
    #[must_use]
    pub fn ranked(self, limit: usize) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.entries.into_values().collect();
        let fixable = |entry: &Entry| entry.advice.location.is_some();
        if entries.iter().any(fixable) {
            entries.retain(fixable);
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.serialised_gas));
        entries.truncate(limit);
        entries
    }
}
