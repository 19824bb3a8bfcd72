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
    /// Most senders remembered by transaction hash, of held and of past transactions.
    pub senders_remembered: usize,
    /// Most dropped transactions whose reason is remembered.
    pub drops_remembered: usize,
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
        }
    }
}
