//! Catching up: blocks with certificates from peers that are ahead.
//!
//! What a peer says about its height is a claim. A claim decides whom to ask first and may delay a
//! start of a height for a moment, nothing else; a peer that does not deliver is not asked for a
//! while. A block counts when two thirds have signed it and its body is the one of its header.

use super::{Driver, Event};
use borsh::{BorshDeserialize, BorshSerialize};
use libp2p::PeerId;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use weft_types::{CommitCertificate, Height, ValidatorAddress, ValidatorSet};

/// Blocks asked for in one request.
const BATCH: u32 = 16;
/// One height behind is normal for a moment; longer than this is not.
const PATIENCE: Duration = Duration::from_millis(400);
/// A peer that does not answer is given up after this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A peer that did not deliver what it claimed is not asked for this time.
const COOLDOWN: Duration = Duration::from_secs(2);

/// A block as peers hand it to each other.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct SyncBlock {
    /// RLP of the header.
    pub header: Vec<u8>,
    /// Encoded body.
    pub body: Vec<u8>,
    /// Why it is final.
    pub certificate: CommitCertificate,
}

/// What is known about the others' heights.
#[derive(Default)]
pub(super) struct Sync {
    /// What connected peers claim.
    peers: HashMap<PeerId, u64>,
    /// Peers that did not deliver, and until when they are not asked.
    failed: HashMap<PeerId, Instant>,
    /// Proven blocks of one answer that wait for their predecessors, with who sent them.
    queue: BTreeMap<u64, (PeerId, SyncBlock)>,
    asked: Option<(PeerId, Instant)>,
    behind_since: Option<(u64, Instant)>,
    /// Highest height in a signed message of each validator.
    heard: HashMap<ValidatorAddress, u64>,
    wanted: bool,
    /// Who sent the block that is being executed.
    source: Option<PeerId>,
}

impl Sync {
    pub(super) fn peer_at(&mut self, peer: PeerId, height: u64) {
        self.peers.insert(peer, height);
    }

    pub(super) fn peer_gone(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
        if self.asked.is_some_and(|(asked, _)| asked == *peer) {
            self.asked = None;
        }
    }

    /// A peer did not deliver what it claimed: others get their turn.
    fn peer_failed(&mut self, peer: PeerId, now: Instant) {
        self.failed.retain(|_, until| *until > now);
        self.failed.insert(peer, now + COOLDOWN);
    }

    /// A signed message of this validator for this height was seen.
    pub(super) fn heard_of(&mut self, validator: ValidatorAddress, height: Height) {
        let heard = self.heard.entry(validator).or_default();
        *heard = (*heard).max(height.0);
    }

    /// Power of the validators that are known to have started this height.
    pub(super) fn power_at(&self, height: Height, validators: &ValidatorSet) -> u64 {
        let started = self.heard.iter().filter(|(_, heard)| **heard >= height.0);
        started.filter_map(|(address, _)| validators.get(address)).map(|(_, v)| v.power).sum()
    }

    /// The body of the decided block is needed.
    pub(super) fn body_wanted(&mut self, now: Instant) {
        self.wanted = true;
        self.behind_since.get_or_insert((0, now));
    }

    /// Whether blocks that two thirds have signed wait to be executed.
    pub(super) fn has_blocks(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Best height that a peer claims which has not failed lately.
    pub(super) fn best_height(&self, now: Instant) -> u64 {
        self.best(now).map_or(0, |(_, height)| height)
    }

    /// When [`Driver::sync_if_behind`] has something to do though nothing happens.
    pub(super) fn next_wakeup(&self, head: Height, now: Instant) -> Option<Instant> {
        if let Some((_, since)) = self.asked {
            return Some(since + ANSWER_WITHIN);
        }
        let (_, since) = self.behind_since?;
        let can_ask = self.queue.is_empty() && self.best_height(now) > head.0;
        can_ask.then_some(since + PATIENCE)
    }

    fn best(&self, now: Instant) -> Option<(PeerId, u64)> {
        let may_ask = |peer: &PeerId| self.failed.get(peer).is_none_or(|until| *until <= now);
        let peers = self.peers.iter().filter(|(peer, _)| may_ask(peer));
        peers.map(|(peer, height)| (*peer, *height)).max_by_key(|(p, h)| (*h, *p))
    }
}

impl Driver {
    /// Asks a peer that is ahead for blocks, if this node cannot get there by itself.
    pub(super) fn sync_if_behind(&mut self) {
        let (now, head) = (Instant::now(), self.head.block.height().0);
        if let Some((peer, since)) = self.sync.asked {
            if now < since + ANSWER_WITHIN {
                return;
            }
            self.sync.asked = None;
            self.sync.peer_failed(peer, now);
        }
        let Some((peer, height)) = self.sync.best(now).filter(|(_, height)| *height > head) else {
            if !self.sync.wanted {
                self.sync.behind_since = None;
            }
            return;
        };
        if self.sync.has_blocks() || self.committing {
            return;
        }
        let since = match self.sync.behind_since {
            Some((at, since)) if at == head || self.sync.wanted => since,
            _ => {
                self.sync.behind_since = Some((head, now));
                now
            }
        };
        if height == head + 1 && now < since + PATIENCE {
            return;
        }
        tracing::info!(head, peer_height = height, %peer, "catching up");
        self.sync.asked = Some((peer, now));
        self.parts.network.request_blocks(peer, head + 1, BATCH);
    }

    /// A peer answered.
    pub(super) fn on_sync_blocks(&mut self, peer: PeerId, blocks: Vec<SyncBlock>) {
        if self.sync.asked.is_some_and(|(asked, _)| asked == peer) {
            self.sync.asked = None;
        }
        let (head, now) = (self.head.block.height().0, Instant::now());
        let first = blocks.first().map_or(u64::MAX, |block| block.certificate.height.0);
        if first > head + 1 {
            // It has nothing for us, failed, or no longer keeps what we need.
            return self.sync.peer_failed(peer, now);
        }
        for (height, block) in (first..).zip(blocks.into_iter().take(BATCH as usize)) {
            let certificate = &block.certificate;
            let proven = certificate.height.0 == height
                && alloy_primitives::keccak256(&block.header) == certificate.block
                && certificate.verify(&self.parts.validators, &self.parts.genesis_hash).is_ok();
            if !proven {
                self.parts.network.blame(peer, "a block without a valid certificate");
                self.sync.peer_failed(peer, now);
                break;
            }
            if height > head {
                self.sync.queue.insert(height, (peer, block));
            }
        }
        self.commit_synced();
    }

    /// Executes the next block that was received, if it is there.
    pub(super) fn commit_synced(&mut self) {
        let head = self.head.block.height().0;
        self.sync.queue.retain(|height, _| *height > head);
        if self.sync.queue.first_key_value().is_some_and(|(height, _)| *height > head + 1) {
            self.sync.queue.clear();
        }
        if self.committing {
            return;
        }
        let Some((peer, next)) = self.sync.queue.remove(&(head + 1)) else { return };
        self.sync.wanted = false;
        self.sync.behind_since = None;
        // The consensus goes on meanwhile: the body may still turn out to be another one.
        self.execute_decided(next.certificate, next.header, next.body);
        self.sync.source = Some(peer);
    }

    /// A block was executed, or could not be: its source is no longer needed.
    pub(super) fn take_source(&mut self) -> Option<PeerId> {
        self.sync.source.take()
    }

    /// The body that came with a decided header is not the header's. Anybody can make one up, so it
    /// says nothing about the block.
    pub(super) fn on_wrong_body(&mut self, source: Option<PeerId>, reason: &str) {
        tracing::warn!(%reason, "a decided block came with another body");
        if let Some(peer) = source {
            self.parts.network.blame(peer, "a body that is not the block's");
            self.sync.peer_failed(peer, Instant::now());
            self.sync.queue.clear();
        }
        self.commit_if_decided();
    }
}

impl Event {
    /// The answer of a peer, or nothing when it failed.
    #[must_use]
    pub fn sync_blocks(peer: PeerId, blocks: Option<Vec<Vec<u8>>>) -> Self {
        let decode = |bytes: Vec<u8>| borsh::from_slice::<SyncBlock>(&bytes).ok();
        Self::SyncBlocks(peer, blocks.unwrap_or_default().into_iter().map_while(decode).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_types::Validator;

    #[test]
    fn a_peer_that_does_not_deliver_gives_way_to_the_others_for_a_while() {
        let (mut sync, now) = (Sync::default(), Instant::now());
        let (liar, honest) = (PeerId::random(), PeerId::random());
        sync.peer_at(liar, u64::MAX);
        sync.peer_at(honest, 7);
        assert_eq!(sync.best(now), Some((liar, u64::MAX)));
        sync.peer_failed(liar, now);
        // Saying it again does not help.
        sync.peer_at(liar, u64::MAX);
        assert_eq!((sync.best(now), sync.best_height(now)), (Some((honest, 7)), 7));
        assert_eq!(sync.best(now + COOLDOWN), Some((liar, u64::MAX)));
    }

    #[test]
    fn there_is_no_wakeup_when_nobody_could_be_asked() {
        let (mut sync, now) = (Sync::default(), Instant::now());
        sync.body_wanted(now);
        assert_eq!(sync.next_wakeup(Height(3), now), None);
        sync.peer_at(PeerId::random(), 4);
        assert_eq!(sync.next_wakeup(Height(3), now), Some(now + PATIENCE));
        assert_eq!(sync.next_wakeup(Height(4), now), None);
    }

    #[test]
    fn one_validator_alone_says_little_about_what_the_others_have_started() {
        let validator = |n: u8| Validator { name: n.to_string(), public_key: key(n), power: 1 };
        let validators = ValidatorSet::new((1..=4).map(validator).collect()).unwrap();
        let mut sync = Sync::default();
        let address = |n: u8| ValidatorAddress::from_public_key(&key(n));
        sync.heard_of(address(1), Height(9));
        sync.heard_of(address(1), Height(2));
        sync.heard_of(address(2), Height(5));
        assert_eq!(sync.power_at(Height(5), &validators), 2);
        assert_eq!(sync.power_at(Height(6), &validators), 1);
        assert_eq!(sync.power_at(Height(10), &validators), 0);
    }

    fn key(n: u8) -> [u8; 32] {
        ed25519_dalek::SigningKey::from_bytes(&[n; 32]).verifying_key().to_bytes()
    }
}
