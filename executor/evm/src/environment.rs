//! What a transaction sees around it: chain rules, block, and itself in the machine's terms.

use crate::rules::Rules;
use alloy_consensus::Transaction as _;
use alloy_consensus::Typed2718;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, U256};
use revm::context::either::Either;
use revm::context::transaction::{RecoveredAuthority, RecoveredAuthorization};
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::cfg::GasId;
use revm::primitives::hardfork::SpecId;
use std::sync::{Arc, OnceLock};
use weft_types::{Header, RecoveredTransaction};

/// Base gas of a transaction; less of it means the decomposed costs of EIP-2780.
const TX_GAS: u64 = 21_000;

/// Chain rules and block environment of one block, in the machine's terms.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The rules of the chain.
    pub cfg: CfgEnv,
    /// What a transaction can ask about its block.
    pub block: BlockEnv,
    /// See [`Rules::senders_with_code`].
    pub(crate) senders_with_code: bool,
}

impl Environment {
    /// The environment that a header gives its transactions.
    #[must_use]
    pub fn new(header: &Header, rules: &Rules) -> Self {
        let mut cfg = CfgEnv::new_with_spec(rules.spec);
        cfg.chain_id = rules.chain_id;
        cfg.max_blobs_per_tx = rules.blobs_per_transaction_max;
        cfg.blob_base_fee_update_fraction = Some(rules.blob_base_fee_update_fraction);
        if let Some(params) = &rules.gas_params {
            // State gas (EIP-8037) is a lane of its own, which a table with such costs turns on.
            cfg.enable_amsterdam_eip2780 = params.get(GasId::tx_base_stipend()) < TX_GAS;
            cfg.enable_amsterdam_eip8037 = params.get(GasId::new_account_state_gas()) > 0;
            cfg.set_gas_params(params.clone());
        }
        let merged = rules.spec.is_enabled_in(SpecId::MERGE);
        let block = BlockEnv {
            number: U256::from(header.number),
            beneficiary: header.beneficiary,
            timestamp: U256::from(header.timestamp),
            gas_limit: header.gas_limit,
            basefee: header.base_fee_per_gas.unwrap_or_default(),
            difficulty: header.difficulty,
            prevrandao: merged.then_some(header.mix_hash),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(
                header.excess_blob_gas.unwrap_or_default(),
                rules.blob_base_fee_update_fraction,
            )),
            slot_num: 0,
        };
        Self { cfg, block, senders_with_code: rules.senders_with_code }
    }

    /// A signed transaction in the machine's terms.
    #[must_use]
    pub fn transaction(transaction: &RecoveredTransaction) -> TxEnv {
        transaction_environment(transaction, None)
    }
}

/// The recovered authorities of a block's EIP-7702 transactions. Recovery is the costly part of such a transaction, so it is
/// done once for all incarnations, by whoever executes it first (hazard 29).
pub(crate) struct Authorities {
    /// Empty in a block without such transactions.
    lists: Vec<OnceLock<Vec<RecoveredAuthorization>>>,
}

impl Authorities {
    /// Room for those of `transactions`.
    pub(crate) fn of(transactions: &[Arc<RecoveredTransaction>]) -> Self {
        let delegates = |transaction: &Arc<RecoveredTransaction>| {
            transaction.inner().authorization_list().is_some()
        };
        let lists = if transactions.iter().any(delegates) {
            transactions.iter().map(|_| OnceLock::new()).collect()
        } else {
            Vec::new()
        };
        Self { lists }
    }

    /// The place of transaction `index`.
    pub(crate) fn get(&self, index: u32) -> Option<&OnceLock<Vec<RecoveredAuthorization>>> {
        self.lists.get(index as usize)
    }
}

/// A transaction in the machine's terms.
pub(crate) fn transaction_environment(
    transaction: &RecoveredTransaction,
    authorities: Option<&OnceLock<Vec<RecoveredAuthorization>>>,
) -> TxEnv {
    let inner = transaction.inner();
    let signed = inner.authorization_list().unwrap_or_default();
    let authorization_list = match authorities {
        Some(place) if !signed.is_empty() => {
            let recovered = place.get_or_init(|| signed.iter().map(recover).collect());
            recovered.iter().cloned().map(Either::Right).collect()
        }
        _ => signed.iter().map(recover).map(Either::Right).collect(),
    };
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
        authorization_list,
    }
}

fn recover(signed: &SignedAuthorization) -> RecoveredAuthorization {
    let authority =
        signed.recover_authority().map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
    RecoveredAuthorization::new_unchecked(signed.inner().clone(), authority)
}

/// The authorities of a transaction's EIP-7702 list, as far as their signatures are valid.
pub(crate) fn authorities(transaction: &TxEnv) -> impl Iterator<Item = Address> + '_ {
    transaction.authorization_list.iter().filter_map(|authorization| match authorization {
        Either::Left(signed) => signed.recover_authority().ok(),
        Either::Right(recovered) => recovered.authority(),
    })
}
