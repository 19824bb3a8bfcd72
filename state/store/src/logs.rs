//! Finding the blocks that have logs of certain addresses and topics, without looking at the others.
//!
//! For each distinct address and topic of a block's logs there is one entry: eight bytes of its hash,
//! then the height, so that the blocks of one address lie side by side. The value says at which
//! places it occurs. Eight bytes may be shared by two addresses: a block that is found *may* have
//! matching logs, one that is not found has none.

use crate::columns::Column;
use crate::database::Database;
use crate::{StoreError, layout};
use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;
use weft_types::Receipt;

/// Bytes of a hash that stand for an address or topic.
const TAG_BYTES: usize = 8;
/// The tag of blocks with any log.
const ANY: [u8; TAG_BYTES] = [0; TAG_BYTES];
/// Topics that a log can have.
const TOPICS: usize = 4;
/// The place of an address; topics are at the places before it.
const ADDRESS: usize = TOPICS;

/// What to look for: a log fits when its address is one of `addresses`, and at each place its topic
/// is one of those given for the place. An empty list fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Topics by place.
    pub topics: [Vec<B256>; TOPICS],
}

/// Set of heights in a range, one bit each.
struct Heights {
    from: u64,
    words: Vec<u64>,
}

/// Entries of one block: tag and places, ascending.
pub(crate) fn entries(receipts: &[Receipt]) -> BTreeMap<[u8; TAG_BYTES], u8> {
    let mut entries = BTreeMap::new();
    for log in receipts.iter().flat_map(|receipt| receipt.logs()) {
        entries.insert(ANY, 0);
        *entries.entry(tag(log.address.as_slice())).or_default() |= 1 << ADDRESS;
        for (place, topic) in log.topics().iter().take(TOPICS).enumerate() {
            *entries.entry(tag(topic.as_slice())).or_default() |= 1 << place;
        }
    }
    entries
}

/// Key of an entry.
pub(crate) fn key(tag: &[u8; TAG_BYTES], height: u64) -> [u8; TAG_BYTES + 8] {
    let mut key = [0; TAG_BYTES + 8];
    key[..TAG_BYTES].copy_from_slice(tag);
    key[TAG_BYTES..].copy_from_slice(&height.to_be_bytes());
    key
}

fn tag(value: &[u8]) -> [u8; TAG_BYTES] {
    let hash = blake3::hash(value);
    let (tag, _) = hash.as_bytes().split_first_chunk().expect("a hash is longer than a tag");
    *tag
}

/// Heights from `from` to `to` whose blocks may have logs that fit, ascending.
pub(crate) fn search(
    database: &Database,
    query: &LogQuery,
    from: u64,
    to: u64,
) -> Result<Vec<u64>, StoreError> {
    if from > to {
        return Ok(Vec::new());
    }
    let mut found: Option<Heights> = None;
    let addresses: Vec<_> = query.addresses.iter().map(|a| tag(a.as_slice())).collect();
    let topics = query.topics.iter().map(|alternatives| {
        alternatives.iter().map(|topic| tag(topic.as_slice())).collect::<Vec<_>>()
    });
    let places = std::iter::once((ADDRESS, addresses)).chain(topics.enumerate());
    for (place, tags) in places.filter(|(_, tags)| !tags.is_empty()) {
        let mut heights = Heights::new(from, to);
        for tag in &tags {
            collect(database, tag, Some(place), (from, to), &mut heights)?;
        }
        match &mut found {
            None => found = Some(heights),
            Some(found) => found.keep_only(&heights),
        }
    }
    let found = match found {
        Some(found) => found,
        None => {
            let mut heights = Heights::new(from, to);
            collect(database, &ANY, None, (from, to), &mut heights)?;
            heights
        }
    };
    Ok(found.ascending())
}

/// Adds the heights of one tag, those where it occurs at `place`.
fn collect(
    database: &Database,
    tag: &[u8; TAG_BYTES],
    place: Option<usize>,
    (from, to): (u64, u64),
    heights: &mut Heights,
) -> Result<(), StoreError> {
    let end = key(tag, to);
    database.scan(Column::LogIndex, &key(tag, from), &end, |found, value| {
        let height = layout::height_at_end(Column::LogIndex, found)?;
        let [places] = layout::decode_number(Column::LogIndex, value)?;
        if place.is_none_or(|place| places & (1 << place) != 0) {
            heights.add(height);
        }
        Ok(())
    })
}

impl Heights {
    fn new(from: u64, to: u64) -> Self {
        let words = usize::try_from((to - from) / 64 + 1).expect("a range that fits into memory");
        Self { from, words: vec![0; words] }
    }

    fn add(&mut self, height: u64) {
        let place = height - self.from;
        self.words[(place / 64) as usize] |= 1 << (place % 64);
    }

    fn keep_only(&mut self, others: &Self) {
        for (word, other) in self.words.iter_mut().zip(&others.words) {
            *word &= other;
        }
    }

    fn ascending(&self) -> Vec<u64> {
        let bits = |(at, word): (usize, &u64)| {
            let (word, first) = (*word, self.from + at as u64 * 64);
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| first + bit)
        };
        self.words.iter().enumerate().flat_map(bits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_come_back_in_order_from_any_start() {
        let mut heights = Heights::new(70, 300);
        for height in [300, 70, 133, 134, 197] {
            heights.add(height);
        }
        assert_eq!(heights.ascending(), [70, 133, 134, 197, 300]);
        let mut others = Heights::new(70, 300);
        others.add(134);
        others.add(135);
        heights.keep_only(&others);
        assert_eq!(heights.ascending(), [134]);
    }
}
