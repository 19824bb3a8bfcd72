//! The rules.

use super::{ADVICE_MAX, Advice, CITED_MAX, Rule, Speedup};
use crate::block::{Block, ContractKind, Function};
use crate::conflict::{Conflict, conflicts};
use crate::graph;
use crate::names::{Layout, Namer, Registry};
use alloy_primitives::{Address, U256};
use std::collections::BTreeMap;
use weft_types::{Location, TxIndex};

/// Waiting transactions below which a place is not worth a word.
const WAITING_MIN: usize = 2;
/// Share of the block's gas, or of its path, that waited at a place which is worth a word, in percent.
const SHARE_MIN_PERCENT: u64 = 10;
/// Conflicts that are looked at.
const CONFLICTS_MAX: usize = 32;
/// Values of a slot that is set like a flag.
const FLAG_MAX: u64 = 2;

/// Variables that count what was minted, as contracts call them, in lower case without underscores.
const SEQUENCES: [&str; 14] = [
    "totalsupply",
    "nexttokenid",
    "nextid",
    "tokenidcounter",
    "tokenids",
    "currentindex",
    "currenttokenid",
    "tokencounter",
    "tokencount",
    "supply",
    "totalminted",
    "minted",
    "nextnftid",
    "idcounter",
];

/// Advice about every place that made enough transactions wait.
pub(super) fn about_conflicts(block: &Block<'_>, registry: &Registry) -> Vec<Advice> {
    let work = block.access.work_gas();
    let path = graph::heaviest_path(block.access, |_| true);
    let now = Speedup { work_gas: work, path_gas: path.gas };
    let matters = |conflict: &Conflict| {
        conflict.waits.len() >= WAITING_MIN
            && (conflict.serialised_gas.saturating_mul(100)
                >= work.saturating_mul(SHARE_MIN_PERCENT)
                || conflict.path_gas.saturating_mul(100)
                    >= path.gas.saturating_mul(SHARE_MIN_PERCENT))
    };
    let found: Vec<Conflict> =
        conflicts(block.access).into_iter().take(CONFLICTS_MAX).filter(matters).collect();
    let kinds = block.kinds();
    let callers = callers(block);
    let mut advice: Vec<Advice> = Vec::new();
    for conflict in &found {
        let Some(mut piece) = of_conflict(block, registry, &kinds, &callers, conflict) else {
            continue;
        };
        piece.now = now;
        let place = conflict.location;
        let rest = graph::heaviest_path(block.access, |location| *location != place);
        piece.without = Speedup { work_gas: work, path_gas: rest.gas };
        advice.push(piece);
    }
    // First what would shorten the path most; among equals what made most gas wait.
    advice.sort_by_key(|piece| {
        (piece.without.path_gas, std::cmp::Reverse(piece.serialised_gas), piece.location)
    });
    advice.truncate(ADVICE_MAX);
    advice
}

/// How many transactions call each function.
fn callers(block: &Block<'_>) -> BTreeMap<Function, usize> {
    let mut callers = BTreeMap::new();
    for index in 0..block.len() {
        *callers.entry(block.function(TxIndex(index as u32))).or_insert(0) += 1;
    }
    callers
}

fn of_conflict(
    block: &Block<'_>,
    registry: &Registry,
    kinds: &BTreeMap<Address, ContractKind>,
    callers: &BTreeMap<Function, usize>,
    conflict: &Conflict,
) -> Option<Advice> {
    let mut concerned: Vec<TxIndex> = conflict.writers.clone();
    concerned.extend(conflict.waits.iter().map(|(reader, _)| *reader));
    concerned.sort_unstable();
    concerned.dedup();
    let function = most_called(block, &concerned);
    let mut piece = Advice {
        rule: Rule::HotSlot,
        location: Some(conflict.location),
        function,
        count: concerned.len(),
        of: block.len(),
        delta: None,
        transactions: concerned.iter().copied().take(CITED_MAX).collect(),
        serialised_gas: conflict.serialised_gas,
        now: Speedup { work_gas: 0, path_gas: 0 },
        without: Speedup { work_gas: 0, path_gas: 0 },
    };
    match conflict.location {
        Location::Nonce { address } => {
            let own = concerned.iter().filter(|index| block.senders[index.0 as usize] == address);
            let own = own.count();
            // A factory may also send transactions of its own: what most of them do counts.
            piece.rule =
                if own * 2 >= concerned.len() { Rule::NonceChain } else { Rule::FactoryNonce };
            Some(piece)
        }
        Location::Balance { .. } => Some(Advice { rule: Rule::EtherBalance, ..piece }),
        Location::Code { .. } | Location::StorageEpoch { .. } => {
            Some(Advice { rule: Rule::FreshCode, ..piece })
        }
        // One sender's transactions are in a row already: the nonce is what to speak of.
        Location::Storage { .. } if conflict.waits.iter().all(|wait| one_sender(block, wait)) => {
            None
        }
        Location::Storage { address, slot } => {
            piece.of = function.and_then(|function| callers.get(&function)).map_or(0, |n| *n);
            piece.of = piece.of.max(piece.count);
            let slot = Slot {
                slot,
                kind: kinds.get(&address).copied(),
                values: block.slot_values(&address, &slot),
                layout: registry.contract(&address).and_then(|contract| contract.layout.as_ref()),
            };
            let signature =
                function.and_then(|f| registry.function(&f.contract, f.selector.as_ref()?));
            (piece.rule, piece.delta) = slot.rule(signature.unwrap_or_default());
            Some(piece)
        }
    }
}

/// Whether both transactions are of the same sender.
fn one_sender(block: &Block<'_>, (reader, writer): &(TxIndex, TxIndex)) -> bool {
    block.senders[reader.0 as usize] == block.senders[writer.0 as usize]
}

/// The function that most of the transactions call; the first of equals.
fn most_called(block: &Block<'_>, transactions: &[TxIndex]) -> Option<Function> {
    let mut counts: BTreeMap<Function, usize> = BTreeMap::new();
    for index in transactions {
        *counts.entry(block.function(*index)).or_default() += 1;
    }
    let best = counts.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(function, _)| function)
}

/// A slot at which transactions waited, with what is known of it.
struct Slot<'a> {
    slot: U256,
    kind: Option<ContractKind>,
    values: Vec<(TxIndex, U256)>,
    layout: Option<&'a Layout>,
}

impl Slot<'_> {
    fn rule(&self, signature: &str) -> (Rule, Option<(U256, bool)>) {
        use crate::names::{is_mint, is_transfer};
        let numbered = Namer::is_numbered(&self.slot);
        let pool =
            matches!(self.kind, Some(ContractKind::UniswapV2Pair | ContractKind::UniswapV3Pool));
        let delta = self.constant_delta();
        let minting = is_mint(signature) && (numbered || delta.is_some());
        if pool && numbered {
            (Rule::PoolReserves, None)
        } else if self.is_sequence() || minting {
            (Rule::MintSequence, delta)
        } else if !numbered && self.mapping_entry() && self.is_balance(is_transfer(signature)) {
            (Rule::SharedBalance, None)
        } else if delta.is_some() {
            (Rule::GlobalCounter, delta)
        } else if self.is_set_once() {
            (Rule::SetOnce, None)
        } else {
            (Rule::HotSlot, None)
        }
    }

    /// What each writer after the first adds to the value of the one before, if it is always the same: magnitude, and
    /// whether the value falls.
    fn constant_delta(&self) -> Option<(U256, bool)> {
        let mut steps = self.values.windows(2).map(|pair| pair[1].1.wrapping_sub(pair[0].1));
        let first = steps.next()?;
        // One step alone says nothing about the next.
        let others = steps.clone().count();
        if others == 0 || first.is_zero() || !steps.all(|step| step == first) {
            return None;
        }
        let falls = first.bit(255);
        Some((if falls { first.wrapping_neg() } else { first }, falls))
    }

    /// The contract's own layout, or its kind, says that the slot counts what was minted.
    fn is_sequence(&self) -> bool {
        let label = self
            .layout
            .and_then(|layout| layout.variables.iter().find(|variable| variable.slot == self.slot));
        label.is_some_and(|variable| {
            variable.label.split(", ").any(|label| {
                let label = label.to_ascii_lowercase().replace('_', "");
                SEQUENCES.contains(&label.as_str())
            })
        })
    }

    fn mapping_entry(&self) -> bool {
        !self.layout.is_some_and(|l| l.variables.iter().any(|v| v.slot == self.slot))
    }

    /// A hashed slot of a token that transfers change.
    fn is_balance(&self, transfers: bool) -> bool {
        let token = matches!(
            self.kind,
            Some(ContractKind::Erc20 | ContractKind::Weth | ContractKind::Erc4626)
        );
        token && (transfers || self.constant_delta().is_none())
    }

    /// One transaction set it to a small number, and nobody changed it afterwards.
    fn is_set_once(&self) -> bool {
        matches!(self.values.as_slice(), [(_, value)] if *value <= U256::from(FLAG_MAX))
    }
}

/// What is said when no place is worth a word.
pub(super) fn nothing_to_fix(block: &Block<'_>) -> Advice {
    let path = graph::heaviest_path(block.access, |_| true);
    let work_gas = block.access.work_gas();
    let now = Speedup { work_gas, path_gas: path.gas };
    let [only] = path.transactions.as_slice() else {
        return quiet(block, Rule::NothingToFix, path.transactions, now);
    };
    // One transaction that is much heavier than an even share of the block.
    let even = work_gas / block.len().max(1) as u64;
    let heavy = block.len() > 1 && block.gas(*only) > even.saturating_mul(4);
    let rule = if heavy { Rule::OneTransaction } else { Rule::NothingToFix };
    quiet(block, rule, vec![*only], now)
}

fn quiet(block: &Block<'_>, rule: Rule, mut transactions: Vec<TxIndex>, now: Speedup) -> Advice {
    transactions.truncate(CITED_MAX);
    Advice {
        rule,
        location: None,
        function: most_called(block, &transactions),
        count: block.access.dependent_transactions(),
        of: block.len(),
        delta: None,
        transactions,
        serialised_gas: 0,
        now,
        without: now,
    }
}
