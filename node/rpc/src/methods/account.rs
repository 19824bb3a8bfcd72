//! Balance, nonce, code and storage of an account at a block.

use super::{Module, blocking};
use crate::context::{At, Context, Work};
use crate::error::Failure;
use crate::params::Args;
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use weft_types::Account;

pub(super) fn register(module: &mut Module) {
    blocking(module, "eth_getBalance", 2, Work::Read, balance);
    blocking(module, "eth_getTransactionCount", 2, Work::Read, transaction_count);
    blocking(module, "eth_getCode", 2, Work::Read, code);
    blocking(module, "eth_getStorageAt", 3, Work::Read, storage);
}

/// The optional block at the end of the parameters; the head when it is absent.
pub(super) fn block_argument(context: &Context, args: &mut Args<'_>) -> Result<At, Failure> {
    context.at(args.optional::<BlockId>("block")?.unwrap_or(BlockId::latest()))
}

pub(super) fn account_at(
    context: &Context,
    at: &At,
    address: &Address,
) -> Result<Account, Failure> {
    Ok(context.state(at)?.account(address)?.unwrap_or_default())
}

fn balance(context: &Context, args: &mut Args<'_>) -> Result<U256, Failure> {
    let address = args.required("address")?;
    let at = block_argument(context, args)?;
    Ok(account_at(context, &at, &address)?.balance)
}

/// At `pending` the nonce after all transactions of the pool that follow without a gap.
fn transaction_count(context: &Context, args: &mut Args<'_>) -> Result<U64, Failure> {
    let address = args.required("address")?;
    let at = block_argument(context, args)?;
    let nonce = account_at(context, &at, &address)?.nonce;
    if at.pending {
        return Ok(U64::from(context.backend.pool.pending_nonce(&address, nonce)));
    }
    Ok(U64::from(nonce))
}

fn code(context: &Context, args: &mut Args<'_>) -> Result<Bytes, Failure> {
    let address = args.required("address")?;
    let at = block_argument(context, args)?;
    let state = context.state(&at)?;
    match state.account(&address)? {
        Some(account) if account.has_code() => Ok(state.code(&account.code_hash)?),
        _ => Ok(Bytes::new()),
    }
}

/// A slot as callers write it: hexadecimal digits, with or without `0x`, at most 32 bytes.
///
/// # Errors
/// [`Failure::Parameters`] in geth's words.
pub(super) fn slot(key: &str) -> Result<U256, Failure> {
    let digits = key.strip_prefix("0x").or_else(|| key.strip_prefix("0X")).unwrap_or(key);
    if digits.len() > 64 {
        let reason = format!("storage key too long (want at most 32 bytes): {key:?}");
        return Err(Failure::Parameters { reason });
    }
    let invalid =
        |_| Failure::Parameters { reason: format!("invalid hex in storage key: {key:?}") };
    if digits.is_empty() {
        return Ok(U256::ZERO);
    }
    if let Some(bad) = digits.bytes().find(|digit| !digit.is_ascii_hexdigit()) {
        return Err(invalid(bad));
    }
    U256::from_str_radix(digits, 16).map_err(|_| invalid(0))
}

fn storage(context: &Context, args: &mut Args<'_>) -> Result<B256, Failure> {
    let address = args.required("address")?;
    let slot = slot(&args.required::<String>("slot")?)?;
    let at = block_argument(context, args)?;
    let value = context.state(&at)?.storage(&address, &slot)?;
    Ok(B256::from(value))
}
