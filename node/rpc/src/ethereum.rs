//! What depends on the forks of the chain: on a chain of our own always the same, on an imported
//! chain of Ethereum something else for each block.

use crate::context::Context;
use crate::convert::RpcReceipt;
use alloy_consensus::Transaction as _;
use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{B256, U256};
use weft_evm::{Forks, Rules, SpecId};
use weft_store::StoredBlock;
use weft_types::Header;

/// Price of blob gas while no block uses any (EIP-4844), in wei.
pub(crate) const BLOB_BASE_FEE_MIN: u128 = 1;

impl Context {
    /// The rules of the block with this header.
    pub(crate) fn rules(&self, header: &Header) -> Rules {
        self.backend.forks.rules(header.number, header.timestamp)
    }

    /// What blob gas costs in the block with this header, in wei; zero before blobs.
    pub(crate) fn blob_base_fee(&self, header: &Header) -> u128 {
        blob_base_fee(&self.backend.forks, header)
    }

    /// What blob gas will cost in the block after the one with this header, in wei.
    pub(crate) fn next_blob_base_fee(&self, header: &Header) -> u128 {
        if !self.backend.forks.is_ethereum() {
            return BLOB_BASE_FEE_MIN;
        }
        let timestamp = header.timestamp + 1;
        let Some(blobs) = blobs(&self.backend.forks, header.number + 1, timestamp) else {
            return 0;
        };
        blobs.calc_blob_fee(next_excess_blob_gas(&blobs, header))
    }

    /// Part of the most blob gas that the block with this header used.
    pub(crate) fn blob_gas_used_ratio(&self, header: &Header) -> f64 {
        let blobs = blobs(&self.backend.forks, header.number, header.timestamp);
        let most = blobs.map_or(0, |blobs| blobs.max_blob_gas_per_block());
        if most == 0 {
            return 0.0;
        }
        header.blob_gas_used.unwrap_or(0) as f64 / most as f64
    }

    /// Gives the header of the next block the fields of its fork.
    pub(crate) fn shape_next(&self, parent: &Header, header: &mut Header) {
        let forks = &self.backend.forks;
        if !forks.is_ethereum() {
            return;
        }
        header.timestamp = header.timestamp.max(parent.timestamp + 1);
        header.gas_limit = parent.gas_limit;
        header.beneficiary = parent.beneficiary;
        header.extra_data = Default::default();
        let spec = forks.at(header.number, header.timestamp).spec;
        let has = |from: SpecId| spec.is_enabled_in(from);
        header.base_fee_per_gas = header.base_fee_per_gas.filter(|_| has(SpecId::LONDON));
        header.withdrawals_root = has(SpecId::SHANGHAI).then_some(EMPTY_WITHDRAWALS);
        header.blob_gas_used = has(SpecId::CANCUN).then_some(0);
        header.parent_beacon_block_root = has(SpecId::CANCUN).then_some(B256::ZERO);
        header.excess_blob_gas = blobs(forks, header.number, header.timestamp)
            .map(|blobs| next_excess_blob_gas(&blobs, parent));
        if !has(SpecId::MERGE) {
            header.difficulty = parent.difficulty;
        }
    }

    /// Gives the header of a simulated block the fields of its fork; says what the block pays its
    /// beneficiary, in wei.
    pub(crate) fn shape_simulated(&self, parent: &Header, header: &mut Header) -> U256 {
        let forks = &self.backend.forks;
        if !forks.is_ethereum() {
            return U256::ZERO;
        }
        let spec = forks.at(header.number, header.timestamp).spec;
        let has = |from: SpecId| spec.is_enabled_in(from);
        header.base_fee_per_gas = header.base_fee_per_gas.filter(|_| has(SpecId::LONDON));
        header.withdrawals_root = header.withdrawals_root.filter(|_| has(SpecId::SHANGHAI));
        header.blob_gas_used = header.blob_gas_used.filter(|_| has(SpecId::CANCUN));
        header.excess_blob_gas = header.excess_blob_gas.filter(|_| has(SpecId::CANCUN));
        let beacon_root = header.parent_beacon_block_root;
        header.parent_beacon_block_root = beacon_root.filter(|_| has(SpecId::CANCUN));
        header.requests_hash = header.requests_hash.filter(|_| has(SpecId::PRAGUE));
        let ether = match spec {
            _ if has(SpecId::MERGE) => return U256::ZERO,
            _ if has(SpecId::PETERSBURG) => 2u64,
            _ if has(SpecId::BYZANTIUM) => 3,
            _ => 5,
        };
        header.difficulty = parent.difficulty;
        U256::from(ether) * U256::from(1_000_000_000_000_000_000u64)
    }

    /// Adds to receipts what blobs cost.
    pub(crate) fn put_blob_costs(&self, stored: &StoredBlock, receipts: &mut [RpcReceipt]) {
        if stored.foreign.is_none() {
            return;
        }
        for (receipt, transaction) in receipts.iter_mut().zip(stored.block.transactions()) {
            if let Some(gas) = transaction.blob_gas_used() {
                receipt.blob_gas_used = Some(gas);
                receipt.blob_gas_price = Some(self.blob_base_fee(stored.block.header()));
            }
        }
    }
}

/// Blob settings of a block; `None` before blobs.
fn blobs(forks: &Forks, number: u64, timestamp: u64) -> Option<BlobParams> {
    forks.at(number, timestamp).blobs
}

fn blob_base_fee(forks: &Forks, header: &Header) -> u128 {
    if !forks.is_ethereum() {
        return BLOB_BASE_FEE_MIN;
    }
    match (blobs(forks, header.number, header.timestamp), header.excess_blob_gas) {
        (Some(blobs), Some(excess)) => blobs.calc_blob_fee(excess),
        _ => 0,
    }
}

fn next_excess_blob_gas(blobs: &BlobParams, parent: &Header) -> u64 {
    blobs.next_block_excess_blob_gas_osaka(
        parent.excess_blob_gas.unwrap_or_default(),
        parent.blob_gas_used.unwrap_or_default(),
        parent.base_fee_per_gas.unwrap_or_default(),
    )
}
