//! The pool as the rest of the node sees it.

use crate::admission::{check_account, check_sender, check_shape};
use crate::announcements::Announcements;
use crate::commands::Commands;
use crate::entry::{Entry, Origin, worst_case_cost};
use crate::error::PoolError;
use crate::inner::{Admitted, Inner};
use crate::limits::PoolLimits;
use crate::order;
use crate::queue::Waiting;
use alloy_consensus::Transaction as _;
use alloy_primitives::map::{AddressMap, B256Set};
use alloy_primitives::{Address, B256, U256};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use weft_types::transaction::{recover_transaction, validate_stateless};
use weft_types::{
    Account, Header, RecoveredTransaction, StateReader, Transaction, TransactionError,
};

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
        /// Number of the newest block that the pool knew when it dropped it.
        at: u64,
    },
}

/// What admission reads of one block. The accounts of senders are read once for each batch.
struct View<'a> {
    state: &'a dyn StateReader,
    head: &'a Header,
    base_fee: u64,
    accounts: AddressMap<Account>,
}

/// A transaction that passed every check that needs nothing of the pool.
struct Candidate {
    /// Put into its place at once: a transaction is some hundred bytes, and copying them again and
    /// again was a seventh of the work.
    transaction: Arc<RecoveredTransaction>,
    size: usize,
    cost: U256,
    account: Account,
}

impl<'a> View<'a> {
    fn new(state: &'a dyn StateReader, head: &'a Header, base_fee: u64) -> Self {
        Self { state, head, base_fee, accounts: AddressMap::default() }
    }

    fn account(&mut self, sender: Address) -> Result<Account, PoolError> {
        if let Some(account) = self.accounts.get(&sender) {
            return Ok(*account);
        }
        let account = self.state.account(&sender)?.unwrap_or_default();
        self.accounts.insert(sender, account);
        Ok(account)
    }

    fn judge(
        &mut self,
        transaction: RecoveredTransaction,
        chain_id: u64,
    ) -> Result<Candidate, PoolError> {
        let size = check_shape(&transaction, chain_id, self.head.gas_limit)?;
        let account = self.account(transaction.signer())?;
        let cost = worst_case_cost(&transaction);
        check_sender(&transaction, &account, self.state)?;
        check_account(&transaction, &account, cost, self.base_fee)?;
        Ok(Candidate { transaction: Arc::new(transaction), size, cost, account })
    }
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
        let mut view = View::new(state, head, self.commands.next_base_fee(head));
        let candidate = view.judge(transaction, self.chain_id)?;
        admit_one(&mut self.inner.lock(), candidate, origin, &view)
    }

    /// [`Pool::admit`] for many at once, in their order: the same outcome as one by one, for two
    /// locks and one look at each sender's account.
    pub fn admit_all(
        &self,
        transactions: Vec<RecoveredTransaction>,
        origin: Origin,
        state: &dyn StateReader,
        head: &Header,
    ) -> Vec<Result<Admitted, PoolError>> {
        let known: Vec<Option<B256>> = {
            let inner = self.inner.lock();
            let hashes = transactions.iter().map(|transaction| *transaction.inner().tx_hash());
            hashes.map(|hash| inner.by_hash.contains_key(&hash).then_some(hash)).collect()
        };
        let mut view = View::new(state, head, self.commands.next_base_fee(head));
        let mut judge = |(transaction, known): (RecoveredTransaction, Option<B256>)| match known {
            Some(hash) => Err(PoolError::AlreadyKnown { hash }),
            None => view.judge(transaction, self.chain_id),
        };
        let judged: Vec<_> = transactions.into_iter().zip(known).map(&mut judge).collect();
        let mut inner = self.inner.lock();
        let admit = |judged: Result<Candidate, PoolError>| {
            judged.and_then(|candidate| admit_one(&mut inner, candidate, origin, &view))
        };
        judged.into_iter().map(admit).collect()
    }

    /// Adds the sender to a transaction. Recovering it from the signature is by far the costliest
    /// part of admission, so it is done once: a transaction that is or recently was held (it comes
    /// back by gossip, or in a block) is recognised by its hash, which covers the signature.
    ///
    /// # Errors
    /// [`TransactionError`] for what breaks a rule that does not depend on the state.
    pub fn recover(
        &self,
        transaction: Transaction,
    ) -> Result<RecoveredTransaction, TransactionError> {
        match self.sender(transaction.tx_hash()) {
            Some(sender) => {
                validate_stateless(&transaction, self.chain_id)?;
                Ok(RecoveredTransaction::new_unchecked(transaction, sender))
            }
            None => recover_transaction(transaction, self.chain_id),
        }
    }

    /// Tells the pool the time, in seconds of any clock that does not go back, and drops what has
    /// waited for longer than [`PoolLimits::lifetime_s`]. Returns how many. What is ready never
    /// grows old: it is included as soon as its price suffices. Call it about every minute; the
    /// pool's notion of time is as coarse as the calls.
    pub fn expire(&self, now_s: u64) -> usize {
        self.inner.lock().expire(now_s)
    }

    /// Drops a transaction, whatever it is, and remembers the reason. False when it is not held.
    pub fn discard(&self, hash: &B256, reason: &str) -> bool {
        self.inner.lock().drop_with(hash, reason)
    }

    /// Where the feed of ready transactions ends: a reader that starts now starts here.
    #[must_use]
    pub fn announcements_end(&self) -> u64 {
        self.inner.lock().feed.end()
    }

    /// At most `limit` transactions that became ready, each once, from number `from` of the feed
    /// on. Bounded by [`PoolLimits::announcements_max`]; who reads too seldom is told how many it
    /// missed.
    #[must_use]
    pub fn announcements(&self, from: u64, limit: usize) -> Announcements {
        self.inner.lock().feed.read(from, limit)
    }

    /// Place of a ready transaction in the order of [`Pool::best`] at the next base fee, from 0.
    /// `None` when it is not ready, when 10,000 come before it, or when the pool has transactions of
    /// more senders than that: the walk has a bound.
    #[must_use]
    pub fn position(&self, hash: &B256) -> Option<usize> {
        self.inner.lock().position(hash)
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
            let hashes: B256Set = included.iter().map(|(hash, ..)| *hash).collect();
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
            if inner.senders.get(hash).is_none() {
                inner.senders.insert(*hash, *sender);
            }
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
                .map(|drop| Standing::Dropped { reason: drop.reason.clone(), at: drop.at });
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

/// Files what passed the checks, under the lock. A newer head than the one that was looked at may be
/// known here, and with it newer accounts.
fn admit_one(
    inner: &mut Inner,
    candidate: Candidate,
    origin: Origin,
    view: &View<'_>,
) -> Result<Admitted, PoolError> {
    let Candidate { transaction, size, cost, account } = candidate;
    let (mut nonce, mut balance) = (account.nonce, account.balance);
    if !inner.observe(view.head.number, view.base_fee)
        && let Some(queue) = inner.queues.get(&transaction.signer())
    {
        (nonce, balance) = queue.account();
    }
    if transaction.nonce() < nonce {
        return Err(PoolError::NonceTooLow { next: nonce, nonce: transaction.nonce() });
    }
    let (sequence, now_s) = (inner.next_sequence(), inner.now_s());
    inner.insert(Entry::new(transaction, size, cost, origin, sequence, now_s), nonce, balance)
}
