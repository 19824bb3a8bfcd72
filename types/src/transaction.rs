//! Transactions as users sign them.

use crate::limits::{TRANSACTION_BYTES_MAX, TRANSACTION_GAS_MAX};
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{EthereumTxEnvelope, Transaction as _, TxEip4844, Typed2718};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::Bytes;

/// A signed transaction: EIP-2718 types 0, 1, 2 and 4. Type 3 decodes only to be refused.
pub type Transaction = EthereumTxEnvelope<TxEip4844>;

/// A signed transaction together with the address that signed it.
pub type RecoveredTransaction = alloy_consensus::transaction::Recovered<Transaction>;

/// Why bytes are not a transaction that this chain accepts, whatever the state.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TransactionError {
    /// Not the encoding of a transaction.
    #[error("rlp: {reason}")]
    Decode {
        /// What the decoder said.
        reason: String,
    },
    /// Larger than the limit.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Encoded size in bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// Blob transactions have no data-availability layer to go to on this chain.
    #[error(
        "transaction type not supported: type 3 (blob) transactions are not accepted on this chain; send calldata in a type 2 transaction"
    )]
    BlobUnsupported,
    /// A type that no fork of this chain knows.
    #[error("transaction type not supported: type {ty}")]
    TypeUnsupported {
        /// EIP-2718 type byte.
        ty: u8,
    },
    /// The signature does not recover to an address.
    #[error("invalid sender: signature does not recover to an address")]
    Signature,
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// Chain id in the transaction.
        have: u64,
        /// Chain id of this chain.
        want: u64,
    },
    /// Legacy transaction without replay protection (EIP-155).
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// Gas limit above the cap of EIP-7825.
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")]
    GasLimitTooHigh {
        /// Gas limit of the transaction.
        gas_limit: u64,
        /// The cap.
        cap: u64,
    },
    /// Tip above the fee cap.
    #[error(
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}"
    )]
    TipAboveFee {
        /// `maxPriorityFeePerGas` in wei.
        tip: u128,
        /// `maxFeePerGas` in wei.
        fee: u128,
    },
}

/// Decodes one transaction from its EIP-2718 bytes (the payload of `eth_sendRawTransaction`).
///
/// # Errors
/// [`TransactionError`] for oversized, malformed or unsupported input; the sender is to blame.
pub fn decode_transaction(bytes: &[u8]) -> Result<Transaction, TransactionError> {
    if bytes.len() > TRANSACTION_BYTES_MAX {
        return Err(TransactionError::Oversized {
            size: bytes.len(),
            limit: TRANSACTION_BYTES_MAX,
        });
    }
    match bytes.first() {
        None => return Err(TransactionError::Decode { reason: "empty input".into() }),
        Some(3) => return Err(TransactionError::BlobUnsupported),
        Some(ty @ (5..=0x7f | 0)) => return Err(TransactionError::TypeUnsupported { ty: *ty }),
        _ => {}
    }
    Transaction::decode_2718_exact(bytes)
        .map_err(|error| TransactionError::Decode { reason: error.to_string() })
}

/// EIP-2718 bytes of a transaction.
#[must_use]
pub fn encode_transaction(transaction: &Transaction) -> Bytes {
    transaction.encoded_2718().into()
}

/// Checks everything that does not depend on state (type, chain id, gas cap, fee fields) and
/// recovers the sender.
///
/// # Errors
/// [`TransactionError`]; the sender is to blame.
pub fn recover_transaction(
    transaction: Transaction,
    chain_id: u64,
) -> Result<RecoveredTransaction, TransactionError> {
    validate_stateless(&transaction, chain_id)?;
    transaction.try_into_recovered().map_err(|_| TransactionError::Signature)
}

/// The checks of [`recover_transaction`] without recovering the sender.
///
/// # Errors
/// [`TransactionError`]; the sender is to blame.
pub fn validate_stateless(
    transaction: &Transaction,
    chain_id: u64,
) -> Result<(), TransactionError> {
    if transaction.ty() == 3 {
        return Err(TransactionError::BlobUnsupported);
    }
    match transaction.chain_id() {
        None => return Err(TransactionError::Unprotected),
        Some(have) if have != chain_id => {
            return Err(TransactionError::ChainId { have, want: chain_id });
        }
        Some(_) => {}
    }
    if transaction.gas_limit() > TRANSACTION_GAS_MAX {
        return Err(TransactionError::GasLimitTooHigh {
            gas_limit: transaction.gas_limit(),
            cap: TRANSACTION_GAS_MAX,
        });
    }
    let fee = transaction.max_fee_per_gas();
    let tip = transaction.max_priority_fee_per_gas().unwrap_or(fee);
    if tip > fee {
        return Err(TransactionError::TipAboveFee { tip, fee });
    }
    Ok(())
}
