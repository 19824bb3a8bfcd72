//! Receipts, their blooms and their root, in groups that workers make behind the settled prefix.

use crate::executor::Products;
use crate::products::each_of;
use crate::settle::Outcome;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bloom};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use weft_types::Receipt;
use weft_types::ordered_trie::{GROUP_ITEMS, Group, root};
use weft_types::receipt::{logs_bloom, receipts_root};

/// The receipts of a block and what the header says of them.
#[derive(Default)]
pub(crate) struct Receipts {
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) logs_bloom: Bloom,
    pub(crate) receipts_root: B256,
}

impl Receipts {
    /// All at once: the oracle's.
    pub(crate) fn of(outcomes: Vec<Outcome>) -> Self {
        let receipts: Vec<Receipt> = outcomes.into_iter().map(Outcome::into_receipt).collect();
        let (logs_bloom, receipts_root) = (logs_bloom(&receipts), receipts_root(&receipts));
        Self { receipts, logs_bloom, receipts_root }
    }
}

/// Outcomes of a group of transactions, with its number.
type Raw = (usize, Vec<Outcome>);

/// The receipts of a group.
struct Made {
    number: usize,
    receipts: Vec<Receipt>,
    /// What they contribute to bloom and root, if somebody asks.
    summary: Option<(Bloom, Group)>,
}

/// The receipts of a block in the making: the owner of the settled prefix hands in what has settled, and whoever has
/// nothing else to do makes receipts of it.
pub(crate) struct ReceiptWorks {
    summary: bool,
    /// Handed in and not taken up. Groups in no order.
    raw: Mutex<Vec<Raw>>,
    /// How many they are: a *hint* that spares the lock.
    waiting: AtomicUsize,
    made: Mutex<Vec<Made>>,
}

impl ReceiptWorks {
    /// An empty one, if the products need receipts.
    pub(crate) fn wanted(products: Products) -> Option<Self> {
        let Products { receipts, receipts_root, .. } = products;
        (receipts || receipts_root).then(|| Self::new(receipts_root))
    }

    /// An empty one; `summary` says whether bloom and root of the block are wanted.
    pub(crate) fn new(summary: bool) -> Self {
        let (raw, made) = Default::default();
        Self { summary, raw, waiting: AtomicUsize::new(0), made }
    }

    /// Takes in the outcomes of group `number`, all sixteen.
    pub(crate) fn hand_in(&self, number: usize, outcomes: Vec<Outcome>) {
        debug_assert_eq!(outcomes.len(), GROUP_ITEMS, "only the last group is shorter");
        let mut raw = lock(&self.raw);
        raw.push((number, outcomes));
        self.waiting.store(raw.len(), Ordering::Relaxed);
    }

    /// Whether a group waits.
    pub(crate) fn has_work(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Makes the receipts of one group; `false` if none waits.
    pub(crate) fn work(&self) -> bool {
        if !self.has_work() {
            return false;
        }
        let taken = {
            let mut raw = lock(&self.raw);
            let taken = raw.pop();
            self.waiting.store(raw.len(), Ordering::Relaxed);
            taken
        };
        let Some((number, outcomes)) = taken else { return false };
        let made = make(number, outcomes, self.summary);
        lock(&self.made).push(made);
        true
    }

    /// All receipts, once nobody hands in any more and the outcomes that were not handed in are there as `rest`; on all
    /// threads of the pool that the caller runs on.
    pub(crate) fn finish(&self, rest: Vec<Outcome>) -> Receipts {
        let summary = self.summary;
        let mut raw = std::mem::take(&mut *lock(&self.raw));
        let mut made = std::mem::take(&mut *lock(&self.made));
        let mut number = raw.len() + made.len();
        let mut rest = rest.into_iter();
        loop {
            let group: Vec<Outcome> = rest.by_ref().take(GROUP_ITEMS).collect();
            if group.is_empty() {
                break;
            }
            raw.push((number, group));
            number += 1;
        }
        let raw: Vec<Mutex<Option<Raw>>> =
            raw.into_iter().map(|group| Mutex::new(Some(group))).collect();
        made.extend(each_of(1, &raw, |group| {
            let (number, outcomes) = lock(group).take().expect("each is taken once");
            make(number, outcomes, summary)
        }));
        made.sort_unstable_by_key(|made| made.number);
        let mut receipts = Vec::with_capacity(made.len() * GROUP_ITEMS);
        let mut groups = Vec::with_capacity(made.len());
        let mut logs_bloom = Bloom::ZERO;
        for mut made in made {
            receipts.append(&mut made.receipts);
            if let Some((bloom, group)) = made.summary {
                logs_bloom |= bloom;
                groups.push(group);
            }
        }
        let receipts_root = if summary { root(&groups) } else { B256::ZERO };
        Receipts { receipts, logs_bloom, receipts_root }
    }
}

fn make(number: usize, outcomes: Vec<Outcome>, summary: bool) -> Made {
    let receipts: Vec<Receipt> = outcomes.into_iter().map(Outcome::into_receipt).collect();
    let summary = summary.then(|| {
        let bloom = receipts.iter().fold(Bloom::ZERO, |bloom, one| bloom | *one.logs_bloom());
        (bloom, Group::new(number, &receipts, |receipt, out| receipt.encode_2718(out)))
    });
    Made { number, receipts, summary }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::TxType;
    use alloy_primitives::{Address, Log};

    fn outcomes(count: usize) -> Vec<Outcome> {
        let kinds = [TxType::Legacy, TxType::Eip2930, TxType::Eip1559, TxType::Eip7702];
        let log = |place: usize| {
            Log::new_unchecked(Address::with_last_byte(place as u8), Vec::new(), vec![1].into())
        };
        (0..count)
            .map(|place| {
                let logs = (0..place % 3).map(|more| log(place + more)).collect();
                let used = 21_000 * (place as u64 + 1);
                Outcome::new(kinds[place % 4], place % 5 != 0, used, logs)
            })
            .collect()
    }

    /// The whole at once.
    fn expected(count: usize) -> (Vec<Receipt>, Bloom, B256) {
        let Receipts { receipts, logs_bloom, receipts_root } = Receipts::of(outcomes(count));
        (receipts, logs_bloom, receipts_root)
    }

    #[test]
    fn receipts_made_in_groups_in_any_order_are_those_of_the_whole_block() {
        for count in [0, 1, 2, 15, 16, 17, 64, 127, 128, 129, 300] {
            let works = ReceiptWorks::new(true);
            let mut rest = outcomes(count);
            // Some are made behind the prefix, the newest first; some are left to the end.
            for number in 0..count / GROUP_ITEMS {
                works.hand_in(number, rest.drain(..GROUP_ITEMS).collect());
                if number % 3 == 1 {
                    assert!(works.work());
                }
            }
            let Receipts { receipts, logs_bloom, receipts_root } = works.finish(rest);
            assert_eq!((receipts, logs_bloom, receipts_root), expected(count), "{count}");
        }
    }

    #[test]
    fn without_a_summary_there_are_receipts_only() {
        let Receipts { receipts, logs_bloom, receipts_root } =
            ReceiptWorks::new(false).finish(outcomes(40));
        assert_eq!(receipts, expected(40).0);
        assert_eq!((logs_bloom, receipts_root), (Bloom::ZERO, B256::ZERO));
    }
}
