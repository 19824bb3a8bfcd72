//! The rules that a block is executed under: fork, chain, and what the block does besides its transactions.

use alloy_primitives::Address;
use revm::context_interface::cfg::GasParams;
use revm::primitives::eip4844::{
    BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE,
};
use revm::primitives::hardfork::SpecId;
use weft_types::ChainParams;

/// Blocks before the Merge reward their beneficiary; these are the first blocks and times of mainnet's forks.
///
/// Source: the `forks` table of ethereum/execution-specs, one row a fork that changes execution.
const MAINNET_BY_NUMBER: [(u64, SpecId); 10] = [
    (15_537_394, SpecId::MERGE),
    (12_965_000, SpecId::LONDON),
    (12_244_000, SpecId::BERLIN),
    (9_069_000, SpecId::ISTANBUL),
    (7_280_000, SpecId::PETERSBURG),
    (4_370_000, SpecId::BYZANTIUM),
    (2_675_000, SpecId::SPURIOUS_DRAGON),
    (2_463_000, SpecId::TANGERINE),
    (1_150_000, SpecId::HOMESTEAD),
    (0, SpecId::FRONTIER),
];

const MAINNET_BY_TIME: [(u64, SpecId); 4] = [
    (1_764_798_551, SpecId::OSAKA),
    (1_746_612_311, SpecId::PRAGUE),
    (1_710_338_135, SpecId::CANCUN),
    (1_681_338_455, SpecId::SHANGHAI),
];

/// First block of mainnet after the DAO fork.
const MAINNET_DAO_FORK: u64 = 1_920_000;

/// The deposit contract of mainnet (EIP-6110).
const MAINNET_DEPOSIT_CONTRACT: Address =
    alloy_primitives::address!("00000000219ab540356cBB839Cbe05303d7705Fa");

/// What a block is executed under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The fork.
    pub spec: SpecId,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// EIP-4844 update fraction of the blob base fee.
    pub blob_base_fee_update_fraction: u64,
    /// EIP-7594 limit of blobs in one transaction; `None` where only the block is limited.
    pub blobs_per_transaction_max: Option<u64>,
    /// The contract whose logs are deposit requests (EIP-6110); `None` on a chain without one.
    pub deposit_contract: Option<Address>,
    /// The block moves the balances of the DAO (EIP-779).
    pub dao_fork: bool,
    /// The beneficiary is paid for the block and its ommers, where the fork says so.
    pub block_rewards: bool,
    /// The block runs the system calls of its fork (EIP-4788, EIP-2935, EIP-7002, EIP-7251).
    pub system_calls: bool,
    /// An account with code may send (against EIP-3607): where senders are impersonated.
    pub senders_with_code: bool,
    /// A gas table other than the fork's.
    pub gas_params: Option<GasParams>,
}

impl Rules {
    /// The rules of Ethereum in fork `spec`, with no deposit contract and the blob schedule that came with the fork.
    #[must_use]
    pub fn ethereum(spec: SpecId, chain_id: u64) -> Self {
        let prague = spec.is_enabled_in(SpecId::PRAGUE);
        Self {
            spec,
            chain_id,
            blob_base_fee_update_fraction: if prague {
                BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE
            } else {
                BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN
            },
            blobs_per_transaction_max: spec.is_enabled_in(SpecId::OSAKA).then_some(6),
            deposit_contract: None,
            dao_fork: false,
            block_rewards: true,
            system_calls: true,
            senders_with_code: false,
            gas_params: None,
        }
    }

    /// The rules of Ethereum mainnet for the block with this number and time, in seconds.
    #[must_use]
    pub fn mainnet(number: u64, timestamp: u64) -> Self {
        let by_time = MAINNET_BY_TIME.iter().find(|(from, _)| timestamp >= *from);
        let by_number = MAINNET_BY_NUMBER.iter().find(|(from, _)| number >= *from);
        let spec = by_time.or(by_number).map_or(SpecId::FRONTIER, |(_, spec)| *spec);
        Self {
            deposit_contract: Some(MAINNET_DEPOSIT_CONTRACT),
            dao_fork: number == MAINNET_DAO_FORK,
            ..Self::ethereum(spec, 1)
        }
    }

    /// The contract whose logs of this block are deposit requests, if it has any (EIP-6110).
    pub(crate) fn deposits(&self) -> Option<Address> {
        let requests = self.system_calls && self.spec.is_enabled_in(SpecId::PRAGUE);
        self.deposit_contract.filter(|_| requests)
    }

    /// The rules of a Weft chain: Osaka, no blobs, no deposit contract.
    #[must_use]
    pub fn weft(params: &ChainParams) -> Self {
        Self {
            senders_with_code: params.devnet_cheats,
            ..Self::ethereum(SpecId::OSAKA, params.chain_id)
        }
    }
}
