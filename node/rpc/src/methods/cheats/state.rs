//! Accounts, impersonation and the pool.

use super::{Wish, refused};
use crate::context::Context;
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};
use weft_types::{Account, Action};

fn account(context: &Context, address: &Address) -> Result<Account, Failure> {
    Ok(context.backend.store.head().state.account(address)?.unwrap_or_default())
}

fn unprotected(address: Address) -> Result<Address, Failure> {
    if weft_evm::is_protected(&address) {
        return refused(format!(
            "{address} belongs to the protocol: every block needs it as it is; only its balance can be set"
        ));
    }
    Ok(address)
}

/// The balance is then there, unless commands have made more ether than there is room for.
fn expecting(address: Address, balance: U256) -> Result<Wish, Failure> {
    Ok(Wish::of(Action::SetBalance { address, balance })?.finding(move |context| {
        let found = account(context, &address)?.balance;
        // Another transaction of the same block may have moved it since: only the limit leaves it far below.
        if found < balance && balance.bit_len() > 120 {
            return refused(format!(
                "balance {balance} was not set: commands may make 2^127 wei in all"
            ));
        }
        Ok(Value::Null)
    }))
}

pub(super) fn set_balance(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let (address, balance) = (args.required("address")?, args.required("balance")?);
    expecting(address, balance)
}

pub(super) fn add_balance(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let (address, amount) = (args.required("address")?, args.required("amount")?);
    Wish::of(Action::AddBalance { address, amount })
}

pub(super) fn set_code(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let address = unprotected(args.required("address")?)?;
    let code: Bytes = args.required("code")?;
    if !weft_evm::is_code(&code) {
        return refused(
            "no account can have this code: it begins like a delegation (EIP-7702) and is none"
                .into(),
        );
    }
    Wish::of(Action::SetCode { address, code: code.to_vec() })
}

pub(super) fn set_nonce(context: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let address = unprotected(args.required("address")?)?;
    let Quantity(nonce) = args.required("nonce")?;
    let before = account(context, &address)?.nonce;
    if nonce < before {
        return refused(format!(
            "nonce {nonce} is below the account's, {before}: a transaction could be included twice"
        ));
    }
    Wish::of(Action::SetNonce { address, nonce })
}

pub(super) fn set_storage(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let address = unprotected(args.required("address")?)?;
    let (slot, value) = (args.required("slot")?, args.required("value")?);
    Ok(Wish::of(Action::SetStorage { address, slot, value })?.answering(true))
}

pub(super) fn impersonate(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    Wish::of(Action::Impersonate { address: args.required("address")?, on: true })
}

pub(super) fn stop_impersonating(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    Wish::of(Action::Impersonate { address: args.required("address")?, on: false })
}

pub(super) fn impersonate_all(_: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    Wish::of(Action::ImpersonateAll { on: args.required("enabled")? })
}

pub(super) fn drop_transaction(context: &Context, args: &mut Args<'_>) -> Result<Wish, Failure> {
    let hash: B256 = args.required("hash")?;
    let held = context.backend.pool.contains(&hash);
    Ok(Wish::of(Action::DropTransaction { hash })?.finding(move |context| {
        // A block may have been quicker.
        let included = context.backend.store.transaction_location(&hash)?.is_some();
        Ok(if held && !included { json!(hash) } else { Value::Null })
    }))
}

pub(super) fn drop_transactions(_: &Context, _: &mut Args<'_>) -> Result<Wish, Failure> {
    Wish::of(Action::DropTransactions)
}
