//! Transactions that became ready in the pool, in the order in which the node heard of it: what
//! `newPendingTransactions` and pending filters report.

use alloy_consensus::Transaction as _;
use alloy_primitives::B256;
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use tokio::sync::broadcast;
use weft_pool::{Pool, Standing};
use weft_types::RecoveredTransaction;

/// Announcements that are kept for filters.
const KEPT: usize = 16 * 1024;

/// Announcements that a subscriber may lag behind before its subscription is closed.
const LAG_MAX: usize = 1024;

/// Transactions behind one that fills a gap that are looked at.
const FOLLOWERS_MAX: u64 = 1024;

/// The announcements. Bounded: the oldest are forgotten.
#[derive(Debug)]
pub struct PendingFeed {
    sender: broadcast::Sender<Arc<RecoveredTransaction>>,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    /// Announcements ever made.
    count: u64,
    hashes: VecDeque<B256>,
    known: HashSet<B256>,
}

impl Default for PendingFeed {
    fn default() -> Self {
        Self { sender: broadcast::channel(LAG_MAX).0, recent: Mutex::default() }
    }
}

impl PendingFeed {
    /// The pool has admitted a transaction: announces it when it is ready, and those of its sender
    /// that waited for it.
    pub fn admitted(&self, pool: &Pool, transaction: &Arc<RecoveredTransaction>) {
        let first = transaction.nonce();
        let mut next = Some(Arc::clone(transaction));
        for nonce in first..first.saturating_add(FOLLOWERS_MAX) {
            let Some(transaction) = next.take() else { return };
            if !matches!(pool.standing(transaction.tx_hash()), Some(Standing::Ready)) {
                return;
            }
            let sender = transaction.signer();
            self.announce(transaction);
            next = nonce.checked_add(1).and_then(|nonce| pool.get_by_nonce(&sender, nonce));
        }
    }

    /// Announces once.
    fn announce(&self, transaction: Arc<RecoveredTransaction>) {
        let mut recent = self.recent.lock();
        let hash = *transaction.tx_hash();
        if !recent.known.insert(hash) {
            return;
        }
        recent.count += 1;
        recent.hashes.push_back(hash);
        if recent.hashes.len() > KEPT
            && let Some(oldest) = recent.hashes.pop_front()
        {
            recent.known.remove(&oldest);
        }
        // Within the lock: subscribers hear the order that filters read. Nobody may be listening.
        let _ = self.sender.send(transaction);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<RecoveredTransaction>> {
        self.sender.subscribe()
    }

    /// Number of announcements so far.
    pub(crate) fn position(&self) -> u64 {
        self.recent.lock().count
    }

    /// Hashes from a position on, the position after them, and how many were forgotten before.
    pub(crate) fn since(&self, position: u64) -> (Vec<B256>, u64, u64) {
        let recent = self.recent.lock();
        let oldest = recent.count - recent.hashes.len() as u64;
        let missed = oldest.saturating_sub(position);
        let skip = usize::try_from(position.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let hashes = recent.hashes.iter().skip(skip).copied().collect();
        (hashes, recent.count, missed)
    }
}
