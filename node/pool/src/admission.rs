//! The checks of a new transaction that need nothing of the pool.

use crate::error::PoolError;
use crate::gas::{INITCODE_BYTES_MAX, intrinsic_gas};
use alloy_consensus::{Transaction as _, Typed2718};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::U256;
use weft_types::impersonation::impersonated_sender;
use weft_types::limits::TRANSACTION_BYTES_MAX;
use weft_types::transaction::validate_stateless;
use weft_types::{Account, RecoveredTransaction, StateReader, TransactionError};

/// First bytes of an EIP-7702 delegation.
const DELEGATION_PREFIX: [u8; 3] = [0xef, 0x01, 0x00];
/// Length of an EIP-7702 delegation in bytes.
const DELEGATION_BYTES: u32 = 23;

/// A fee cap must reach this part of the next base fee: 1 / 2. Between it and the base fee a
/// transaction waits; the base fee falls that far within six empty blocks (EIP-1559).
const BASE_FEE_DIVISOR: u64 = 2;

/// Checks what holds on every node of the chain, whatever its head. Returns the encoded size in
/// bytes.
pub(crate) fn check_shape(
    transaction: &RecoveredTransaction,
    chain_id: u64,
    block_gas_limit: u64,
) -> Result<usize, PoolError> {
    let size = transaction.inner().encode_2718_len();
    if size > TRANSACTION_BYTES_MAX {
        let limit = TRANSACTION_BYTES_MAX;
        return Err(TransactionError::Oversized { size, limit }.into());
    }
    validate_stateless(transaction.inner(), chain_id)?;
    let sender = transaction.signer();
    if transaction.nonce() == u64::MAX {
        return Err(PoolError::NonceMax { sender });
    }
    let gas_limit = transaction.gas_limit();
    if gas_limit > block_gas_limit {
        return Err(PoolError::BlockGasLimit { gas_limit, limit: block_gas_limit });
    }
    let initcode_bytes = transaction.input().len();
    if transaction.is_create() && initcode_bytes > INITCODE_BYTES_MAX {
        let (size, limit) = (initcode_bytes, INITCODE_BYTES_MAX);
        return Err(PoolError::InitcodeSize { size, limit });
    }
    // That an EIP-7702 transaction names a target is part of its type.
    if transaction.is_eip7702() && transaction.authorization_list().is_none_or(<[_]>::is_empty) {
        return Err(PoolError::NoAuthorizations { sender });
    }
    let gas = intrinsic_gas(transaction.inner());
    if gas_limit < gas.intrinsic {
        return Err(PoolError::IntrinsicGas { have: gas_limit, want: gas.intrinsic });
    }
    if gas_limit < gas.floor {
        return Err(PoolError::FloorGas { have: gas_limit, want: gas.floor });
    }
    Ok(size)
}

/// Refuses a sender with code that is no delegation (EIP-3607, EIP-7702). One that is impersonated needs
/// no key, and so may have code.
pub(crate) fn check_sender(
    transaction: &RecoveredTransaction,
    account: &Account,
    state: &dyn StateReader,
) -> Result<(), PoolError> {
    let signed = impersonated_sender(transaction.inner()).is_none();
    if signed && account.has_code() && !is_delegated(account, state)? {
        let sender = transaction.signer();
        return Err(PoolError::SenderNotEoa { sender, code_hash: account.code_hash });
    }
    Ok(())
}

/// Checks nonce, fee and funds against the sender's account. `cost` is the worst case, in wei.
pub(crate) fn check_account(
    transaction: &RecoveredTransaction,
    account: &Account,
    cost: U256,
    base_fee: u64,
) -> Result<(), PoolError> {
    if transaction.nonce() < account.nonce {
        return Err(PoolError::NonceTooLow { next: account.nonce, nonce: transaction.nonce() });
    }
    let max_fee = transaction.max_fee_per_gas();
    if max_fee < u128::from(base_fee.div_ceil(BASE_FEE_DIVISOR)) {
        let sender = transaction.signer();
        return Err(PoolError::FeeBelowBase { sender, max_fee, base_fee });
    }
    if cost > account.balance {
        return Err(PoolError::Funds { have: account.balance, want: cost });
    }
    Ok(())
}

/// Whether the code of the account is an EIP-7702 delegation: such an account may send.
fn is_delegated(account: &Account, state: &dyn StateReader) -> Result<bool, PoolError> {
    if account.code_size != DELEGATION_BYTES {
        return Ok(false);
    }
    Ok(state.code(&account.code_hash)?.starts_with(&DELEGATION_PREFIX))
}
