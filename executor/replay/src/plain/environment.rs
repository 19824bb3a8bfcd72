//! Chain, block and transactions in revm's terms.

use alloy_consensus::{Transaction as _, Typed2718};
use alloy_primitives::{B256, U256};
use revm::context::either::Either;
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use weft_evm::Rules;
use weft_types::{Header, RecoveredTransaction};

pub(super) fn chain_environment(rules: &Rules) -> CfgEnv {
    let mut environment = CfgEnv::new_with_spec(rules.spec);
    environment.chain_id = rules.chain_id;
    environment.max_blobs_per_tx = rules.blobs_per_transaction_max;
    environment.blob_base_fee_update_fraction = Some(rules.blob_base_fee_update_fraction);
    if let Some(params) = &rules.gas_params {
        environment.set_gas_params(params.clone());
    }
    environment
}

pub(super) fn block_environment(header: &Header, rules: &Rules) -> BlockEnv {
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: Some(header.mix_hash),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(
            header.excess_blob_gas.unwrap_or_default(),
            rules.blob_base_fee_update_fraction,
        )),
        slot_num: 0,
    }
}

pub(super) fn transaction_environment(transaction: &RecoveredTransaction) -> TxEnv {
    let inner = transaction.inner();
    TxEnv {
        tx_type: inner.ty(),
        caller: transaction.signer(),
        gas_limit: inner.gas_limit(),
        gas_price: inner.max_fee_per_gas(),
        kind: inner.kind(),
        value: inner.value(),
        data: inner.input().clone(),
        nonce: inner.nonce(),
        chain_id: inner.chain_id(),
        access_list: inner.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: inner.max_priority_fee_per_gas(),
        blob_hashes: inner.blob_versioned_hashes().map(<[B256]>::to_vec).unwrap_or_default(),
        max_fee_per_blob_gas: inner.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: inner
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .map(|signed| Either::Left(signed.clone()))
            .collect(),
    }
}
