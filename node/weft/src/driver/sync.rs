//! Catching up: blocks with certificates from peers that are ahead.

use super::{Driver, Event, Phase};
use borsh::{BorshDeserialize, BorshSerialize};
use libp2p::PeerId;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use weft_types::{CommitCertificate, Height};

/// Blocks asked for in one request.
const BATCH: u32 = 16;
/// Blocks kept that wait for their predecessors.
const QUEUE_MAX: usize = 64;
/// One height behind is normal for a moment; longer than this is not.
const PATIENCE: Duration = Duration::from_millis(400);
/// A peer that does not answer is given up after this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

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
    peers: HashMap<PeerId, u64>,
    queue: BTreeMap<u64, SyncBlock>,
    asked: Option<(PeerId, Instant)>,
    behind_since: Option<(u64, Instant)>,
    heard: u64,
    wanted: bool,
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

    /// A signed message for this height was seen.
    pub(super) fn heard_of(&mut self, height: Height) {
        self.heard = self.heard.max(height.0);
    }

    /// Whether a validator is known to work on this height.
    pub(super) fn height_started(&self, height: Height) -> bool {
        self.heard >= height.0
    }

    /// The body of the decided block is needed.
    pub(super) fn body_wanted(&mut self, now: Instant) {
        self.wanted = true;
        self.behind_since.get_or_insert((0, now));
    }

    /// Whether a peer is so far ahead that joining the consensus makes no sense.
    pub(super) fn is_ahead_of(&self, head: Height) -> bool {
        !self.queue.is_empty() || self.best().is_some_and(|(_, height)| height >= head.0 + 2)
    }

    pub(super) fn next_wakeup(&self, latest: Instant) -> Instant {
        match (&self.asked, &self.behind_since) {
            (Some((_, since)), _) => latest.min(*since + ANSWER_WITHIN),
            (None, Some((_, since))) => latest.min(*since + PATIENCE),
            (None, None) => latest,
        }
    }

    fn best(&self) -> Option<(PeerId, u64)> {
        self.peers.iter().map(|(peer, height)| (*peer, *height)).max_by_key(|(p, h)| (*h, *p))
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
            self.sync.peer_gone(&peer);
        }
        let Some((peer, height)) = self.sync.best().filter(|(_, height)| *height > head) else {
            if !self.sync.wanted {
                self.sync.behind_since = None;
            }
            return;
        };
        if !self.sync.queue.is_empty() {
            return;
        }
        let since = match self.sync.behind_since {
            Some((at, since)) if at == head || self.sync.wanted => since,
            _ => {
                self.sync.behind_since = Some((head, now));
                now
            }
        };
        if self.committing || (height == head + 1 && now < since + PATIENCE) {
            return;
        }
        tracing::info!(head, peer_height = height, %peer, "catching up");
        self.sync.asked = Some((peer, now));
        self.parts.network.request_blocks(peer, head + 1, BATCH);
    }

    /// A peer answered.
    pub(super) fn on_sync_blocks(&mut self, peer: PeerId, blocks: Vec<SyncBlock>) {
        self.sync.asked = None;
        if blocks.is_empty() {
            // It has nothing for us or failed: its next status may change that.
            self.sync.peers.remove(&peer);
            return;
        }
        let head = self.head.block.height().0;
        for block in blocks.into_iter().take(BATCH as usize) {
            let certificate = &block.certificate;
            let height = certificate.height.0;
            if height <= head || self.sync.queue.len() >= QUEUE_MAX {
                continue;
            }
            let hash = alloy_primitives::keccak256(&block.header);
            let proven = hash == certificate.block
                && certificate.verify(&self.parts.validators, &self.parts.genesis_hash).is_ok();
            if !proven {
                self.parts.network.blame(peer, "a block without a valid certificate");
                self.sync.peers.remove(&peer);
                return;
            }
            self.sync.queue.insert(height, block);
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
        let Some(next) = self.sync.queue.remove(&(head + 1)) else { return };
        self.sync.wanted = false;
        self.sync.behind_since = None;
        self.phase = Phase::Committing;
        self.timers.clear();
        self.execute_decided(next.certificate, next.header, next.body);
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
