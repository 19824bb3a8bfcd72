//! Made blocks, each of one kind of load, the same bytes on every machine: what benchmarks run.
//!
//! All are under Osaka's rules, with the system contracts that every block needs, and keep to the gas cap of a transaction
//! (EIP-7825). The gas limit of a block is the sum of its transactions', so that all of them find room. Senders are given,
//! not recovered: the signatures are no signatures. The contracts are compiled Solidity (`contracts/Loads.sol`), with costs
//! as on mainnet: a swap moves two tokens, updates an allowance, the pool's reserves and its price history.

pub mod contracts;
mod mixed;
mod swaps;
mod tokens;
mod transfers;
mod world;

use crate::load::Load;

/// A kind of load, by name.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name, also that of the load that it makes.
    pub name: &'static str,
    /// What is in it.
    pub about: &'static str,
    /// Large enough that a short round of all loads leaves it out.
    pub large: bool,
    make: fn(&'static str) -> Load,
}

impl Kind {
    /// Makes the block and its state.
    #[must_use]
    pub fn make(&self) -> Load {
        (self.make)(self.name)
    }

    /// The kind of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}

const fn kind(name: &'static str, about: &'static str, make: fn(&'static str) -> Load) -> Kind {
    Kind { name, about, large: false, make }
}

const fn large(name: &'static str, about: &'static str, make: fn(&'static str) -> Load) -> Kind {
    Kind { name, about, large: true, make }
}

/// All kinds.
pub const KINDS: &[Kind] = &[
    large("transfers", "47,620 plain transfers, no account twice", |name| {
        transfers::independent(name, 47_620)
    }),
    large("erc20", "37,123 transfers of one token, no holder twice", |name| {
        tokens::transfers(name, 37_123, 0)
    }),
    large("swaps", "6,413 swaps, each on a pool and tokens of its own", |name| {
        swaps::separate(name, 6_413)
    }),
    large("one-pool", "6,413 swaps on one pool: a chain", |name| swaps::one_pool(name, 6_413)),
    kind("hot-1", "10,000 token transfers, 1 % to one holder", |name| {
        tokens::transfers(name, 10_000, 1)
    }),
    kind("hot-10", "10,000 token transfers, 10 % to one holder", |name| {
        tokens::transfers(name, 10_000, 10)
    }),
    kind("hot-50", "10,000 token transfers, 50 % to one holder", |name| {
        tokens::transfers(name, 10_000, 50)
    }),
    kind("one-sender", "10,000 plain transfers of one sender", |name| {
        transfers::one_sender(name, 10_000)
    }),
    kind("deposits", "10,000 deposits into one wrapped-ether contract: a hot balance", |name| {
        tokens::deposits(name, 10_000)
    }),
    kind("mints", "10,000 mints of one collection: a hot counter", |name| {
        tokens::mints(name, 10_000)
    }),
    kind("mixed", "1,000 transactions of a mainnet-like mix", |name| mixed::mixed(name, 1_000)),
    large("mixed-giga", "20,000 transactions of a mainnet-like mix", |name| {
        mixed::mixed(name, 20_000)
    }),
    kind("small-1", "1 transaction of the mix", |name| mixed::mixed(name, 1)),
    kind("small-5", "5 transactions of the mix", |name| mixed::mixed(name, 5)),
    kind("small-20", "20 transactions of the mix", |name| mixed::mixed(name, 20)),
];

#[cfg(test)]
mod tests;
