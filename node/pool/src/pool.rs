//! The pool as the rest of the node sees it.

use crate::admission::{check_shape, check_state};
use crate::commands::Commands;
use crate::entry::{Entry, Origin};
use crate::error::PoolError;
use crate::inner::{Admitted, Inner};
use crate::limits::PoolLimits;
use crate::order;
use crate::queue::Waiting;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use weft_types::{Account, Header, RecoveredTransaction, StateReader};

/// Transactions that can still be included. Thread-safe: one lock, held for memory operations
/// only; the state is read outside of it.
#[derive(Debug)]
pub struct Pool {
    chain_id: u64,
    /// Written by admission, block and drop calls; read by all others. The truth about what is held.
    pub(crate) inner: Mutex<Inner>,
    commands: Commands,
}

/// How full the pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Transactions that can go into the next block.
    pub ready: usize,
    /// Transactions that wait.
    pub queued: usize,
    /// Sum of the encoded sizes, in bytes.
    pub bytes: usize,
}

/// Transactions of one sender in nonce order.
#[derive(Clone, Debug, Default)]
pub struct SenderContent {
    /// Can go into the next block.
    pub ready: Vec<Arc<RecoveredTransaction>>,
    /// Wait for a nonce, a lower base fee, or funds.
    pub queued: Vec<Arc<RecoveredTransaction>>,
}

/// Where a transaction stands with this pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Can go into the next block.
    Ready,
    /// Waits.
    Queued(Waiting),
    /// Was held, or refused by the builder, and is not held any more.
    Dropped {
        /// Why.
        reason: String,
    },
}

impl Pool {
    /// An empty pool for the chain with this id.
    #[must_use]
    pub fn new(chain_id: u64, limits: PoolLimits) -> Self {
        Self { chain_id, inner: Mutex::new(Inner::new(limits)), commands: Commands::default() }
    }

    /// The commands that wait beside the transactions.
    #[must_use]
    pub const fn commands(&self) -> &Commands {
        &self.commands
    }

    /// Admits a transaction whose sender was recovered by the caller. `state` and `head` belong to
    /// one block, the newest one known.
    ///
    /// A transaction behind a nonce gap is admitted and waits. One that the sender can pay only
    /// without those before it is admitted and waits too. When the head moves between the caller's
    /// reading of `state` and this call, a nonce that was used meanwhile may get in; the builder
    /// refuses it and [`Pool::drop_invalid`] takes it out.
    ///
    /// # Errors
    /// [`PoolError`]: give it to the caller, and charge the peer when [`PoolError::blame`] says so.
    pub fn admit(
        &self,
        transaction: RecoveredTransaction,
        origin: Origin,
        state: &dyn StateReader,
        head: &Header,
    ) -> Result<Admitted, PoolError> {
        let hash = *transaction.inner().tx_hash();
        if self.contains(&hash) {
            return Err(PoolError::AlreadyKnown { hash });
        }
        check_shape(&transaction, self.chain_id, head.gas_limit)?;
        let base_fee = self.commands.next_base_fee(head);
        let account = check_state(&transaction, state, base_fee)?;
        let mut inner = self.inner.lock();
        let (mut nonce, mut balance) = (account.nonce, account.balance);
        if !inner.observe(head.number, base_fee)
            && let Some(queue) = inner.queues.get(&transaction.signer())
        {
            (nonce, balance) = queue.account();
        }
        if transaction.nonce() < nonce {
            return Err(PoolError::NonceTooLow { next: nonce, nonce: transaction.nonce() });
        }
        let sequence = inner.next_sequence();
        inner.insert(Entry::new(transaction, origin, sequence), nonce, balance)
    }

    /// Ready transactions in the order in which a proposer should try them: by effective tip at
    /// `base_fee`, then by arrival; each sender's in nonce order. Stops when their gas limits reach
    /// twice `gas_limit` (most use less than their limit) or their bytes half of a block's body.
    #[must_use]
    pub fn best(&self, base_fee: u64, gas_limit: u64) -> Vec<Arc<RecoveredTransaction>> {
        order::best(&self.inner.lock().queues, base_fee, gas_limit)
    }

    /// The transaction with this hash, if it is held.
    #[must_use]
    pub fn get(&self, hash: &B256) -> Option<Arc<RecoveredTransaction>> {
        self.inner.lock().entry(hash).map(|(_, entry)| Arc::clone(&entry.transaction))
    }

    /// Whether the transaction is held.
    #[must_use]
    pub fn contains(&self, hash: &B256) -> bool {
        self.inner.lock().by_hash.contains_key(hash)
    }

    /// The held transaction of a sender with this nonce.
    #[must_use]
    pub fn get_by_nonce(&self, sender: &Address, nonce: u64) -> Option<Arc<RecoveredTransaction>> {
        let inner = self.inner.lock();
        let entry = inner.queues.get(sender)?.get(nonce)?;
        Some(Arc::clone(&entry.transaction))
    }

    /// Sender of a transaction that is or recently was held: saves recovering it from the signature
    /// when a block arrives.
    #[must_use]
    pub fn sender(&self, hash: &B256) -> Option<Address> {
        let inner = self.inner.lock();
        inner.by_hash.get(hash).map(|(sender, _)| *sender).or(inner.senders.get(hash).copied())
    }

    /// Nonce that the sender's next transaction should have: its nonce at the head and the
    /// transactions held without a gap from there on.
    #[must_use]
    pub fn pending_nonce(&self, sender: &Address, state_nonce: u64) -> u64 {
        let inner = self.inner.lock();
        inner.queues.get(sender).map_or(state_nonce, |queue| queue.next_free_nonce(state_nonce))
    }

    /// Moves the pool to a new head: drops what the block includes (`included`: hash, sender and
    /// nonce) and files anew the transactions of every sender that is in it or in `changed`
    /// (accounts whose nonce or balance the block changed).
    ///
    /// A sender whose account cannot be read keeps its old balance; its nonce moves past what was
    /// included. The builder refuses what that leaves behind, and [`Pool::drop_invalid`] drops it.
    pub fn on_block(
        &self,
        included: &[(B256, Address, u64)],
        changed: &[Address],
        state: &dyn StateReader,
        head: &Header,
    ) {
        let mut next_nonces: BTreeMap<Address, u64> = BTreeMap::new();
        for (_, sender, nonce) in included {
            let next = next_nonces.entry(*sender).or_default();
            *next = (*next).max(nonce.saturating_add(1));
        }
        let touched: BTreeSet<Address> = next_nonces.keys().chain(changed).copied().collect();
        let held: Vec<Address> = {
            let inner = self.inner.lock();
            touched.into_iter().filter(|a| inner.queues.contains_key(a)).collect()
        };
        let accounts: Vec<(Address, Option<Account>)> = held
            .into_iter()
            .map(|sender| (sender, state.account(&sender).map(Option::unwrap_or_default).ok()))
            .collect();
        let base_fee = self.commands.next_base_fee(head);
        let mut inner = self.inner.lock();
        if inner.observe(head.number, base_fee) {
            let hashes: HashSet<B256> = included.iter().map(|(hash, ..)| *hash).collect();
            for (sender, account) in accounts {
                let Some(queue) = inner.queues.get(&sender) else { continue };
                let (nonce, balance) = queue.account();
                let past = next_nonces.get(&sender).map_or(nonce, |next| nonce.max(*next));
                let (nonce, balance) =
                    account.map_or((past, balance), |account| (account.nonce, account.balance));
                inner.set_account(sender, nonce, balance, &hashes);
            }
        }
        for (hash, sender, _) in included {
            inner.remove(hash);
            inner.drops.remove(hash);
            inner.senders.insert(*hash, *sender);
        }
    }

    /// Drops transactions that the builder found invalid, with its reasons. Of several of one
    /// sender only the one with the lowest nonce goes: those behind it may have failed only because
    /// of it, and wait for its nonce to be filled.
    ///
    /// Do not pass transactions that merely did not fit into the block.
    pub fn drop_invalid(&self, skipped: &[(B256, String)]) {
        let mut inner = self.inner.lock();
        let mut lowest: BTreeMap<Address, (u64, &B256, &str)> = BTreeMap::new();
        for (hash, reason) in skipped {
            if let Some((sender, nonce)) = inner.by_hash.get(hash) {
                let first = lowest.entry(*sender).or_insert((*nonce, hash, reason));
                if *nonce < first.0 {
                    *first = (*nonce, hash, reason);
                }
            }
        }
        for (_, hash, reason) in lowest.into_values() {
            inner.drop_with(hash, reason);
        }
    }

    /// Where a transaction stands; `None` when the pool knows nothing of it.
    #[must_use]
    pub fn standing(&self, hash: &B256) -> Option<Standing> {
        let inner = self.inner.lock();
        let Some((queue, _)) = inner.entry(hash) else {
            return inner
                .drops
                .get(hash)
                .map(|reason| Standing::Dropped { reason: reason.clone() });
        };
        if inner.is_ready(hash) {
            return Some(Standing::Ready);
        }
        Some(Standing::Queued(queue.waiting(inner.base_fee)))
    }

    /// Number of transactions held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.lock().by_hash.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of transactions that can go into the next block. Does not walk the pool.
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.inner.lock().ready
    }

    /// How full the pool is.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let inner = self.inner.lock();
        let queued = inner.by_hash.len() - inner.ready;
        PoolStatus { ready: inner.ready, queued, bytes: inner.bytes }
    }

    /// All transactions, by sender.
    #[must_use]
    pub fn content(&self) -> BTreeMap<Address, SenderContent> {
        let inner = self.inner.lock();
        inner.queues.iter().map(|(sender, queue)| (*sender, queue.content())).collect()
    }

    /// The transactions of one sender.
    #[must_use]
    pub fn content_from(&self, sender: &Address) -> SenderContent {
        let inner = self.inner.lock();
        inner.queues.get(sender).map(|queue| queue.content()).unwrap_or_default()
    }

    /// Hashes of all ready transactions, in order of arrival.
    #[must_use]
    pub fn ready_hashes(&self) -> Vec<B256> {
        let inner = self.inner.lock();
        order::arrivals(&inner.queues, |_| true).into_iter().map(|entry| entry.hash).collect()
    }

    /// Ready transactions that this node was asked to send, in order of arrival, at most `limit`:
    /// what it should announce again while they are not included.
    #[must_use]
    pub fn local_ready(&self, limit: usize) -> Vec<Arc<RecoveredTransaction>> {
        let inner = self.inner.lock();
        let local = order::arrivals(&inner.queues, |entry| entry.origin == Origin::Rpc);
        local.into_iter().take(limit).map(|entry| Arc::clone(&entry.transaction)).collect()
    }
}
