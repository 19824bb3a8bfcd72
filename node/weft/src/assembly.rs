//! Puts proposal parts together, within bounds.
//!
//! Only parts of an announcement that its proposer signed are kept, each is checked on arrival,
//! and the number of announcements is limited, so that the memory a peer can claim is bounded by
//! what validators themselves sign.

use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weft_types::parts::{Part, PartsInit, SignedPartsInit};
use weft_types::{Height, Round, ValidatorAddress};

/// Most announcements kept at once, over the current and the next height. The caller takes only
/// those of near rounds, and of the one proposer of each.
const STREAMS_MAX: usize = 16;

/// Time without progress after which missing parts are asked for.
pub const REPAIR_AFTER: Duration = Duration::from_millis(150);

/// The interval between questions for missing parts doubles so often at most.
const DOUBLINGS_MAX: u32 = 4;

/// What travels on the parts topic.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub enum PartsMessage {
    /// The announcement. The nonce makes a repeated one a new message for gossip.
    Init {
        /// The announcement with its proposer's signature.
        init: Box<SignedPartsInit>,
        /// Distinguishes repetitions.
        nonce: u64,
    },
    /// One part.
    Part(Part),
}

/// A body whose parts all arrived.
#[derive(Clone, Debug)]
pub struct Complete {
    /// What the proposer announced.
    pub init: PartsInit,
    /// The encoded body.
    pub body: Vec<u8>,
}

struct Stream {
    signed: SignedPartsInit,
    parts: Vec<Option<Arc<Part>>>,
    missing: usize,
    progress: Instant,
    /// Times that missing parts were asked for since one arrived.
    asked: u32,
}

/// Announcements and parts of the current and the next height.
#[derive(Default)]
pub struct Assembly {
    streams: BTreeMap<(Height, Round, ValidatorAddress), Stream>,
}

/// What became of a part or announcement.
#[derive(Debug)]
pub enum Arrival {
    /// New and useful; a body may be complete now.
    New(Option<Complete>),
    /// Already there.
    Known,
    /// Nothing is known about it (no announcement), or there is no room.
    Unknown,
    /// It contradicts what its proposer signed: the sender is to blame.
    Wrong,
}

impl Assembly {
    /// Takes an announcement whose signature was verified.
    pub fn announce(&mut self, signed: SignedPartsInit, now: Instant) -> Arrival {
        let init = &signed.init;
        let key = (init.height, init.round, init.proposer);
        if let Some(known) = self.streams.get(&key) {
            return if known.signed.init == *init { Arrival::Known } else { Arrival::Unknown };
        }
        // The same body may be known from an earlier round: its parts are not sent again.
        let same = self.streams.values().find(|s| same_body(&s.signed.init, init));
        let parts = same.map_or_else(|| vec![None; init.parts()], |s| s.parts.clone());
        let missing = parts.iter().filter(|p| p.is_none()).count();
        let stream = Stream { signed, parts, missing, progress: now, asked: 0 };
        let complete = stream.complete();
        self.streams.insert(key, stream);
        // The oldest round gives way: what is proposed again is announced again.
        if self.streams.len() > STREAMS_MAX {
            self.streams.pop_first();
        }
        Arrival::New(complete)
    }

    /// Takes a part.
    pub fn part(&mut self, part: Part, now: Instant) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        let index = part.index as usize;
        let part = Arc::new(part);
        for stream in self.streams.values_mut().filter(|s| s.signed.init.block == part.block) {
            match stream.parts.get(index) {
                Some(Some(_)) => arrivals.push(Arrival::Known),
                Some(None) if part.verify(&stream.signed.init).is_ok() => {
                    stream.parts[index] = Some(Arc::clone(&part));
                    stream.asked = 0;
                    stream.missing -= 1;
                    stream.progress = now;
                    arrivals.push(Arrival::New(stream.complete()));
                }
                _ => arrivals.push(Arrival::Wrong),
            }
        }
        if arrivals.is_empty() {
            arrivals.push(Arrival::Unknown);
        }
        arrivals
    }

    /// Announced bodies of `height` without progress since [`REPAIR_AFTER`], with a bitmap of the
    /// parts that are there. Each is returned once per interval, which doubles while nothing comes.
    pub fn stalled(&mut self, height: Height, now: Instant) -> Vec<(B256, Vec<u8>)> {
        let mut stalled = Vec::new();
        for ((h, _, _), stream) in &mut self.streams {
            let patience = REPAIR_AFTER * (1 << stream.asked.min(DOUBLINGS_MAX));
            if *h == height && stream.missing > 0 && now >= stream.progress + patience {
                stream.progress = now;
                stream.asked += 1;
                let mut have = vec![0u8; stream.parts.len().div_ceil(8)];
                for (i, _) in stream.parts.iter().enumerate().filter(|(_, p)| p.is_some()) {
                    have[i / 8] |= 1 << (i % 8);
                }
                stalled.push((stream.signed.init.block, have));
            }
        }
        stalled
    }

    /// Parts of a block that are here and that the asker lacks, at most `bytes_max` of them.
    #[must_use]
    pub fn parts_of(&self, block: &B256, have: &[u8], bytes_max: usize) -> Vec<Part> {
        let of_block = self.streams.values().filter(|s| s.signed.init.block == *block);
        let Some(stream) = of_block.min_by_key(|s| s.missing) else { return Vec::new() };
        let mut bytes = 0;
        let lacks = |i: usize| have.get(i / 8).is_none_or(|byte| byte & (1 << (i % 8)) == 0);
        let parts = stream.parts.iter().enumerate().filter(|(i, _)| lacks(*i));
        parts
            .filter_map(|(_, part)| part.as_deref().cloned())
            .take_while(|part| {
                bytes += part.data.len() + 1024;
                bytes <= bytes_max
            })
            .collect()
    }

    /// The announcement of a round, as its proposer signed it.
    #[must_use]
    pub fn announced(
        &self,
        height: Height,
        round: Round,
        proposer: ValidatorAddress,
    ) -> Option<SignedPartsInit> {
        self.streams.get(&(height, round, proposer)).map(|stream| stream.signed.clone())
    }

    /// Forgets everything below `height`.
    pub fn prune(&mut self, height: Height) {
        self.streams.retain(|(h, _, _), _| *h >= height);
    }
}

/// Whether two announcements are of the same body.
fn same_body(one: &PartsInit, other: &PartsInit) -> bool {
    (one.block, one.parts_root, one.body_len) == (other.block, other.parts_root, other.body_len)
}

impl Stream {
    fn complete(&self) -> Option<Complete> {
        if self.missing > 0 {
            return None;
        }
        let body = self.parts.iter().flatten().flat_map(|p| &p.data).copied().collect();
        Some(Complete { init: self.signed.init.clone(), body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_types::limits::PART_BYTES;
    use weft_types::parts::cut_body;

    fn announced(round: u32, body: &[u8]) -> (SignedPartsInit, Vec<Part>) {
        let block = B256::repeat_byte(1);
        let (parts_root, parts) = cut_body(Height(1), block, body).unwrap();
        let init = PartsInit {
            height: Height(1),
            round: Round(round),
            pol_round: None,
            proposer: ValidatorAddress::from_public_key(&[1; 32]),
            block,
            header_rlp: vec![],
            body_len: body.len() as u32,
            parts_root,
        };
        (SignedPartsInit { init, signature: [0; 64] }, parts)
    }

    #[test]
    fn a_body_is_complete_with_its_last_part_in_any_order() {
        let body: Vec<u8> = (0..PART_BYTES * 2 + 7).map(|i| i as u8).collect();
        let (init, mut parts) = announced(0, &body);
        let (mut assembly, now) = (Assembly::default(), Instant::now());
        assert!(matches!(assembly.part(parts[0].clone(), now)[0], Arrival::Unknown));
        assembly.announce(init, now);
        parts.reverse();
        let last = parts.pop().unwrap();
        for part in parts {
            assert!(matches!(assembly.part(part, now)[0], Arrival::New(None)));
        }
        let mut wrong = last.clone();
        wrong.data[0] ^= 1;
        assert!(matches!(assembly.part(wrong, now)[0], Arrival::Wrong));
        let arrivals = assembly.part(last.clone(), now);
        let Arrival::New(Some(complete)) = &arrivals[0] else { panic!("{arrivals:?}") };
        assert_eq!(complete.body, body);
        assert!(matches!(assembly.part(last, now)[0], Arrival::Known));
    }

    #[test]
    fn a_body_proposed_again_needs_no_parts() {
        let (first, parts) = announced(0, b"body");
        let (second, _) = announced(1, b"body");
        let (mut assembly, now) = (Assembly::default(), Instant::now());
        assembly.announce(first, now);
        assembly.part(parts[0].clone(), now);
        assert!(matches!(assembly.announce(second, now), Arrival::New(Some(_))));
    }

    #[test]
    fn announcements_are_bounded_and_pruned() {
        let (mut assembly, now) = (Assembly::default(), Instant::now());
        for round in 0..STREAMS_MAX as u32 {
            assert!(matches!(
                assembly.announce(announced(round, &[round as u8]).0, now),
                Arrival::New(_)
            ));
        }
        assert!(matches!(assembly.announce(announced(99, b"x").0, now), Arrival::New(_)));
        assert_eq!(assembly.streams.len(), STREAMS_MAX);
        let key = |round| (Height(1), Round(round), ValidatorAddress::from_public_key(&[1; 32]));
        assert!(!assembly.streams.contains_key(&key(0)), "the oldest round gives way");
        assert!(assembly.streams.contains_key(&key(99)));
        assembly.prune(Height(2));
        assert!(matches!(assembly.announce(announced(99, b"x").0, now), Arrival::New(_)));
    }

    #[test]
    fn a_stalled_body_is_asked_for_with_what_is_there() {
        let body = vec![0u8; PART_BYTES + 1];
        let (init, parts) = announced(0, &body);
        let (mut assembly, now) = (Assembly::default(), Instant::now());
        assembly.announce(init, now);
        assembly.part(parts[1].clone(), now);
        assert!(assembly.stalled(Height(1), now).is_empty());
        let later = now + REPAIR_AFTER;
        assert_eq!(assembly.stalled(Height(1), later), vec![(B256::repeat_byte(1), vec![0b10])]);
        assert!(assembly.stalled(Height(1), later).is_empty(), "asked once per interval");
        assert!(assembly.stalled(Height(1), later + REPAIR_AFTER).is_empty(), "it doubles");
        assert_eq!(assembly.stalled(Height(1), later + 2 * REPAIR_AFTER).len(), 1);
        let block = B256::repeat_byte(1);
        assert_eq!(assembly.parts_of(&block, &[0], 1 << 20), vec![parts[1].clone()]);
        assert!(assembly.parts_of(&block, &[0b10], 1 << 20).is_empty());
        assert!(assembly.parts_of(&block, &[0], 100).is_empty(), "nothing fits");
    }
}
