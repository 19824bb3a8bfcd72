//! What a transaction sees around it: chain rules, block, and itself in the machine's terms.

use crate::rules::Rules;
use alloy_consensus::Transaction as _;
use alloy_consensus::Typed2718;
use alloy_primitives::{Address, B256, U256};
use revm::context::either::Either;
use revm::context::transaction::{RecoveredAuthority, RecoveredAuthorization};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::primitives::hardfork::SpecId;
use weft_types::{Header, RecoveredTransaction};

/// The rules of chain blocks.
pub(crate) const SPEC: SpecId = SpecId::OSAKA;

/// Chain rules and block environment of one block.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) cfg: CfgEnv,
    pub(crate) block: BlockEnv,
}

impl Environment {
    /// The environment that a header gives its transactions.
    pub(crate) fn new(header: &Header, rules: &Rules) -> Self {
        let mut cfg = CfgEnv::new_with_spec(rules.spec);
        cfg.chain_id = rules.chain_id;
        cfg.max_blobs_per_tx = rules.blobs_per_transaction_max;
        cfg.blob_base_fee_update_fraction = Some(rules.blob_base_fee_update_fraction);
        if let Some(params) = &rules.gas_params {
            cfg.set_gas_params(params.clone());
        }
        let block = BlockEnv {
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
        };
        Self { cfg, block }
    }
}

/// A transaction in the machine's terms. Recovers the authorities of an EIP-7702 list: the costly part, so it is done once
/// for all incarnations (hazard 29).
pub(crate) fn transaction_environment(transaction: &RecoveredTransaction) -> TxEnv {
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
            .map(|signed| {
                let authority = signed
                    .recover_authority()
                    .map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
                Either::Right(RecoveredAuthorization::new_unchecked(
                    signed.inner().clone(),
                    authority,
                ))
            })
            .collect(),
    }
}

/// The authorities of a transaction's EIP-7702 list, as far as their signatures are valid.
pub(crate) fn authorities(transaction: &TxEnv) -> impl Iterator<Item = Address> + '_ {
    transaction.authorization_list.iter().filter_map(|authorization| match authorization {
        Either::Left(signed) => signed.recover_authority().ok(),
        Either::Right(recovered) => recovered.authority(),
    })
}
