//! The forks of a chain: which rules its blocks are under.

use crate::rules::Rules;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::Address;
use revm::primitives::hardfork::SpecId;
use weft_types::ChainParams;

/// When a fork begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// With this block.
    Block(u64),
    /// With the first block of this time or later, in seconds.
    Time(u64),
}

/// One fork of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Its name, as mainnet calls it.
    pub name: &'static str,
    /// When it begins.
    pub from: Activation,
    /// The rules of execution.
    pub spec: SpecId,
    /// Blob settings; `None` before Cancun and on a chain without blobs.
    pub blobs: Option<BlobParams>,
}

/// The forks of one chain, in the order in which they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forks {
    chain_id: u64,
    /// The contract whose logs are deposit requests (EIP-6110).
    deposit_contract: Option<Address>,
    /// First block of the DAO fork (EIP-779).
    dao_block: Option<u64>,
    ethereum: bool,
    forks: Vec<Fork>,
}

impl Activation {
    /// Whether a block of this number and time, in seconds, comes at this point or after it.
    #[must_use]
    pub const fn reached(self, number: u64, timestamp: u64) -> bool {
        match self {
            Self::Block(from) => number >= from,
            Self::Time(from) => timestamp >= from,
        }
    }
}

impl Forks {
    /// A Weft chain: the rules of Osaka from its first block on, no blobs.
    #[must_use]
    pub fn weft(params: &ChainParams) -> Self {
        let osaka =
            Fork { name: "Osaka", from: Activation::Time(0), spec: SpecId::OSAKA, blobs: None };
        Self {
            chain_id: params.chain_id,
            deposit_contract: None,
            dao_block: None,
            ethereum: false,
            forks: vec![osaka],
        }
    }

    /// A chain of Ethereum. `forks` are in the order in which they begin; before the first one the
    /// rules of Frontier hold.
    #[must_use]
    pub fn ethereum(
        chain_id: u64,
        deposit_contract: Option<Address>,
        dao_block: Option<u64>,
        mut forks: Vec<Fork>,
    ) -> Self {
        let frontier = Fork {
            name: "Frontier",
            from: Activation::Block(0),
            spec: SpecId::FRONTIER,
            blobs: None,
        };
        forks.insert(0, frontier);
        Self { chain_id, deposit_contract, dao_block, ethereum: true, forks }
    }

    /// EIP-155 chain id.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Whether this is a chain of Ethereum and not one of Weft.
    #[must_use]
    pub const fn is_ethereum(&self) -> bool {
        self.ethereum
    }

    /// The contract whose logs are deposit requests (EIP-6110).
    #[must_use]
    pub const fn deposit_contract(&self) -> Option<Address> {
        self.deposit_contract
    }

    /// All forks, in the order in which they begin; the first one holds from block 0 on.
    #[must_use]
    pub fn all(&self) -> &[Fork] {
        &self.forks
    }

    /// The fork of a block of this number and time, in seconds.
    #[must_use]
    pub fn at(&self, number: u64, timestamp: u64) -> &Fork {
        let reached = |fork: &&Fork| fork.from.reached(number, timestamp);
        self.forks.iter().rev().find(reached).unwrap_or(&self.forks[0])
    }

    /// The rules of a block of this number and time, in seconds.
    #[must_use]
    pub fn rules(&self, number: u64, timestamp: u64) -> Rules {
        let fork = self.at(number, timestamp);
        let mut rules = Rules::ethereum(fork.spec, self.chain_id);
        if let Some(blobs) = &fork.blobs {
            rules.blob_base_fee_update_fraction =
                u64::try_from(blobs.update_fraction).unwrap_or(u64::MAX);
            let osaka = fork.spec.is_enabled_in(SpecId::OSAKA);
            rules.blobs_per_transaction_max = osaka.then_some(blobs.max_blobs_per_tx);
        }
        rules.deposit_contract = self.deposit_contract;
        rules.dao_fork = self.dao_block == Some(number);
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_our_own_has_the_rules_of_osaka_for_ever() {
        let params = ChainParams::devnet();
        let forks = Forks::weft(&params);
        assert_eq!(forks.rules(0, 0), Rules::weft(&params));
        assert_eq!(forks.rules(u64::MAX, u64::MAX), Rules::weft(&params));
    }

    #[test]
    fn the_last_fork_that_was_reached_rules() {
        let fork = |name, from, spec| Fork { name, from, spec, blobs: None };
        let mut forks = vec![
            fork("Berlin", Activation::Block(5), SpecId::BERLIN),
            fork("Shanghai", Activation::Time(100), SpecId::SHANGHAI),
            fork("Cancun", Activation::Time(200), SpecId::CANCUN),
        ];
        forks[2].blobs = Some(BlobParams { update_fraction: 7, ..BlobParams::cancun() });
        let forks = Forks::ethereum(9, None, Some(6), forks);
        let names = [(4, 0), (5, 99), (6, 100), (7, 250)].map(|(n, t)| forks.at(n, t).name);
        assert_eq!(names, ["Frontier", "Berlin", "Shanghai", "Cancun"]);
        assert_eq!(forks.rules(7, 250).blob_base_fee_update_fraction, 7);
        assert!(forks.rules(6, 100).dao_fork && !forks.rules(7, 100).dao_fork);
    }
}
