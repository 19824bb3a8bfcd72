//! What the node hands to the server, and the events it sends afterwards.

use crate::UnlockedAccounts;
use crate::derived::DerivedRecords;
use crate::node::{CONSENSUS_EVENTS_CAPACITY, ConsensusEvent, NodeView, Offline};
use std::sync::Arc;
use tokio::sync::{broadcast, watch};
use weft_evm::Forks;
use weft_pool::Pool;
use weft_store::Store;
use weft_types::{
    Address, B256, ChainParams, Command, Receipt, RecoveredTransaction, SealedBlock, StateDiff,
    ValidatorSet,
};

/// Blocks that a subscriber may lag behind before its subscription is closed.
pub const HEADS_CAPACITY: usize = 256;

/// One committed block. The node sends it after [`Store::commit`] returned, once for each block
/// and in order.
#[derive(Debug)]
pub struct HeadEvent {
    /// The block.
    pub block: Arc<SealedBlock>,
    /// Its receipts, in block order.
    pub receipts: Vec<Receipt>,
}

/// How far the node is behind the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncStatus {
    /// Height at which catching up began.
    pub starting: u64,
    /// Height of the last committed block.
    pub current: u64,
    /// Highest certified height known from peers.
    pub highest: u64,
}

/// Roots of states that only exist in a simulation.
pub trait StateRoots: Send + Sync {
    /// Merkle-Patricia root of the state after the block at `height` with `changes` on top, once the
    /// slots of `wiped` accounts are gone; `None` when the trie of that height is not kept.
    fn after(&self, height: u64, wiped: &[Address], changes: &StateDiff) -> Option<B256>;
}

/// Everything that the methods read, and the two things they may set in motion: admitting a
/// transaction to the pool and telling the node about it.
#[derive(Clone)]
pub struct RpcBackend {
    /// Committed blocks and state; its head is the one watermark of all answers.
    pub store: Arc<Store>,
    /// Transactions that are not yet included.
    pub pool: Arc<Pool>,
    /// Parameters of the chain.
    pub params: ChainParams,
    /// The forks of the chain; see [`Forks::weft`].
    pub forks: Arc<Forks>,
    /// Of a chain whose headers name Merkle-Patricia roots: those of simulated blocks.
    pub state_roots: Option<Arc<dyn StateRoots>>,
    /// The validators; none of an imported chain.
    pub validators: Arc<ValidatorSet>,
    /// One event per committed block; see [`heads_channel`].
    pub heads: broadcast::Sender<Arc<HeadEvent>>,
    /// Called with the transactions of one request that the pool newly admitted from a caller: the
    /// node gossips them and wakes the proposer. Must not block.
    pub submit: Arc<dyn Fn(Vec<Arc<RecoveredTransaction>>) + Send + Sync>,
    /// `None` while the node is at the head of the chain. Must not block.
    pub sync_status: Arc<dyn Fn() -> Option<SyncStatus> + Send + Sync>,
    /// Number of connected peers. Must not block.
    pub peer_count: Arc<dyn Fn() -> usize + Send + Sync>,
    /// Sent to after each change of the pool that may have made transactions ready; those that follow
    /// [`Pool::announcements`] then look.
    pub pool_changed: watch::Sender<()>,
    /// What happens in the consensus; see [`consensus_channel`].
    pub consensus: broadcast::Sender<Arc<ConsensusEvent>>,
    /// The node itself.
    pub node: Arc<dyn NodeView>,
    /// What only a development chain has.
    pub devnet: Devnet,
    /// Access records that were not stored; one for all listeners.
    pub derived: Arc<DerivedRecords>,
}

impl RpcBackend {
    /// A backend without a network: what is submitted stays in the pool.
    #[must_use]
    pub fn offline(
        store: Arc<Store>,
        pool: Arc<Pool>,
        params: &ChainParams,
        validators: &ValidatorSet,
    ) -> Self {
        Self {
            store,
            pool,
            params: params.clone(),
            forks: Arc::new(Forks::weft(params)),
            state_roots: None,
            validators: Arc::new(validators.clone()),
            heads: heads_channel(),
            submit: Arc::new(|_| ()),
            sync_status: Arc::new(|| None),
            peer_count: Arc::new(|| 0),
            pool_changed: watch::Sender::default(),
            consensus: consensus_channel(),
            node: Arc::new(Offline),
            devnet: Devnet::default(),
            derived: Arc::default(),
        }
    }

    /// Tells the node and the subscribers of transactions that the pool has taken from a caller.
    pub(crate) fn submitted(&self, transactions: Vec<Arc<RecoveredTransaction>>) {
        (self.submit)(transactions);
        self.pool_changed.send_replace(());
    }
}

/// What only a development chain has; nothing, by default.
#[derive(Clone, Default)]
pub struct Devnet {
    /// Called for each command that a caller has given and the pool has taken: the node gossips it and wakes the proposer.
    /// `None` where the chain takes none. Must not block.
    pub submit_command: Option<Arc<dyn Fn(Command) + Send + Sync>>,
    /// Accounts that sign for callers.
    pub accounts: Arc<UnlockedAccounts>,
}

/// The channel for [`RpcBackend::consensus`].
#[must_use]
pub fn consensus_channel() -> broadcast::Sender<Arc<ConsensusEvent>> {
    broadcast::channel(CONSENSUS_EVENTS_CAPACITY).0
}

/// The channel for [`RpcBackend::heads`].
#[must_use]
pub fn heads_channel() -> broadcast::Sender<Arc<HeadEvent>> {
    broadcast::channel(HEADS_CAPACITY).0
}
