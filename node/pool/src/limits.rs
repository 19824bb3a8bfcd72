//! Limits that a node chooses for its own pool.

/// Limits of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most transactions held.
    pub transactions: usize,
    /// Most transactions held of one sender.
    pub per_sender: usize,
    /// By how many percent both fee fields must rise to replace a transaction.
    pub price_bump_percent: u128,
    /// Most bytes of encoded transactions held.
    pub bytes_max: usize,
    /// Most senders remembered by hash of transactions that are not held any more.
    pub senders_remembered: usize,
    /// Most dropped transactions whose reason is remembered.
    pub drops_remembered: usize,
    /// A transaction that has waited for this long is dropped, in seconds (geth's default).
    pub lifetime_s: u64,
    /// Most announcements that the feed of ready transactions keeps for its readers.
    pub announcements_max: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            transactions: 65_536,
            per_sender: 1_024,
            price_bump_percent: 10,
            bytes_max: 128 * 1024 * 1024,
            senders_remembered: 131_072,
            drops_remembered: 100_000,
            lifetime_s: 3 * 60 * 60,
            announcements_max: 65_536,
        }
    }
}
