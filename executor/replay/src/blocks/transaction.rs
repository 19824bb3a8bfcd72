//! The transactions of a block.

use super::error::BlockError;
use super::json::Object;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_primitives::{Address, B256, Signature, TxKind, U256};
use weft_evm::SpecId;
use weft_types::{RecoveredTransaction, Transaction};

/// Reads a transaction, compares its hash, recovers its sender and compares that, too.
pub(super) fn read_transaction(
    object: &Object<'_>,
    spec: SpecId,
) -> Result<RecoveredTransaction, BlockError> {
    let kind: u64 = object.optional("type")?.unwrap_or_default();
    let transaction = match kind {
        0 => read_legacy(object)?,
        1 => read_eip2930(object)?,
        2 => read_eip1559(object)?,
        3 => read_eip4844(object)?,
        4 => read_eip7702(object)?,
        other => {
            let found = format!("{other:#x}");
            return Err(object.source.malformed(object.path("type"), "0x0 to 0x4", found));
        }
    };
    let hash: B256 = object.get("hash")?;
    object.source.equal(object.path("hash"), &hash, transaction.hash())?;
    // EIP-2: before Homestead the upper half of `s` was valid, too.
    let recovered = if spec.is_enabled_in(SpecId::HOMESTEAD) {
        transaction.recover_signer()
    } else {
        transaction.recover_signer_unchecked()
    };
    let from: Address = object.get("from")?;
    let sender = recovered.map_err(|error| {
        let found = format!("r, s and v that do not ({error})");
        object.source.malformed(object.path("from"), "a signature that recovers", found)
    })?;
    object.source.equal(object.path("from"), &from, &sender)?;
    Ok(RecoveredTransaction::new_unchecked(transaction, sender))
}

fn read_legacy(object: &Object<'_>) -> Result<Transaction, BlockError> {
    let v: u64 = object.get("v")?;
    // EIP-155: v is 27 or 28 without a chain id, else 35 or 36 plus twice the chain id.
    let (chain_id, odd) = match v {
        27 | 28 => (None, v == 28),
        35.. => (Some((v - 35) / 2), (v - 35) % 2 == 1),
        _ => {
            let found = format!("{v:#x}");
            return Err(object.source.malformed(object.path("v"), "27, 28 or more than 34", found));
        }
    };
    let transaction = TxLegacy {
        chain_id,
        nonce: object.get("nonce")?,
        gas_price: object.get("gasPrice")?,
        gas_limit: object.get("gas")?,
        to: to(object)?,
        value: object.get("value")?,
        input: object.get("input")?,
    };
    Ok(transaction.into_signed(signature(object, odd)?).into())
}

fn read_eip2930(object: &Object<'_>) -> Result<Transaction, BlockError> {
    let transaction = TxEip2930 {
        chain_id: object.get("chainId")?,
        nonce: object.get("nonce")?,
        gas_price: object.get("gasPrice")?,
        gas_limit: object.get("gas")?,
        to: to(object)?,
        value: object.get("value")?,
        access_list: object.whole("accessList")?,
        input: object.get("input")?,
    };
    Ok(transaction.into_signed(signature(object, odd(object)?)?).into())
}

fn read_eip1559(object: &Object<'_>) -> Result<Transaction, BlockError> {
    let transaction = TxEip1559 {
        chain_id: object.get("chainId")?,
        nonce: object.get("nonce")?,
        gas_limit: object.get("gas")?,
        max_fee_per_gas: object.get("maxFeePerGas")?,
        max_priority_fee_per_gas: object.get("maxPriorityFeePerGas")?,
        to: to(object)?,
        value: object.get("value")?,
        access_list: object.whole("accessList")?,
        input: object.get("input")?,
    };
    Ok(transaction.into_signed(signature(object, odd(object)?)?).into())
}

fn read_eip4844(object: &Object<'_>) -> Result<Transaction, BlockError> {
    let transaction = TxEip4844 {
        chain_id: object.get("chainId")?,
        nonce: object.get("nonce")?,
        gas_limit: object.get("gas")?,
        max_fee_per_gas: object.get("maxFeePerGas")?,
        max_priority_fee_per_gas: object.get("maxPriorityFeePerGas")?,
        to: object.get("to")?,
        value: object.get("value")?,
        access_list: object.whole("accessList")?,
        blob_versioned_hashes: object.whole("blobVersionedHashes")?,
        max_fee_per_blob_gas: object.get("maxFeePerBlobGas")?,
        input: object.get("input")?,
    };
    Ok(transaction.into_signed(signature(object, odd(object)?)?).into())
}

fn read_eip7702(object: &Object<'_>) -> Result<Transaction, BlockError> {
    let transaction = TxEip7702 {
        chain_id: object.get("chainId")?,
        nonce: object.get("nonce")?,
        gas_limit: object.get("gas")?,
        max_fee_per_gas: object.get("maxFeePerGas")?,
        max_priority_fee_per_gas: object.get("maxPriorityFeePerGas")?,
        to: object.get("to")?,
        value: object.get("value")?,
        access_list: object.whole("accessList")?,
        authorization_list: object.whole("authorizationList")?,
        input: object.get("input")?,
    };
    Ok(transaction.into_signed(signature(object, odd(object)?)?).into())
}

/// The target; null or absent in a creation.
fn to(object: &Object<'_>) -> Result<TxKind, BlockError> {
    Ok(object.optional("to")?.map_or(TxKind::Create, TxKind::Call))
}

/// The parity of a typed transaction's signature: `yParity`, or `v` in answers of older nodes.
fn odd(object: &Object<'_>) -> Result<bool, BlockError> {
    let field = if object.has("yParity") { "yParity" } else { "v" };
    match object.get::<u64>(field)? {
        0 => Ok(false),
        1 => Ok(true),
        other => {
            let found = format!("{other:#x}");
            Err(object.source.malformed(object.path(field), "0x0 or 0x1", found))
        }
    }
}

fn signature(object: &Object<'_>, odd: bool) -> Result<Signature, BlockError> {
    let (r, s): (U256, U256) = (object.get("r")?, object.get("s")?);
    Ok(Signature::new(r, s, odd))
}
