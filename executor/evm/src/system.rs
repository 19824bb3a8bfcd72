//! The system calls of a block (EIP-4788, EIP-2935, EIP-7002, EIP-7251).

use crate::access_list::Recorder;
use crate::base::Base;
use crate::effects::Effects;
use crate::environment::Environment;
use crate::error::ExecutionError;
use crate::ledger::Ledger;
use crate::machine::execute_system_call;
use crate::value::Value;
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE};
use alloy_eips::eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY};
use weft_types::{Header, Location};

/// Runs the calls before the transactions: beacon root, then parent hash. A contract that is not there is passed over, as
/// both EIPs say; what a call returns, or that it reverts, does not matter.
pub(crate) fn before_transactions(
    base: &Base<'_>,
    environment: &Environment,
    header: &Header,
    ledger: &mut Ledger<'_>,
    recorder: &mut Recorder,
) -> Result<(), ExecutionError> {
    let calls = [
        (BEACON_ROOTS_ADDRESS, header.parent_beacon_block_root.unwrap_or_default()),
        (HISTORY_STORAGE_ADDRESS, header.parent_hash),
    ];
    for (contract, input) in calls {
        if has_code(ledger, contract)? {
            let input = Bytes::copy_from_slice(input.as_slice());
            let mut source = &*ledger;
            let (_, effects) =
                execute_system_call(base, environment, contract, input, &mut source)?;
            settle(0, effects, ledger, recorder)?;
        }
    }
    Ok(())
}

/// Runs the calls after the transactions, at access index `index`, and returns the requests (EIP-7685).
///
/// # Errors
/// A verdict when a contract is missing or its call fails: EIP-7002 and EIP-7251 make the block invalid then.
pub(crate) fn after_transactions(
    base: &Base<'_>,
    environment: &Environment,
    index: u64,
    ledger: &mut Ledger<'_>,
    recorder: &mut Recorder,
) -> Result<Vec<Vec<u8>>, ExecutionError> {
    let calls = [
        (WITHDRAWAL_REQUEST_TYPE, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, "EIP-7002"),
        (CONSOLIDATION_REQUEST_TYPE, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, "EIP-7251"),
    ];
    let mut requests = Vec::new();
    for (kind, contract, eip) in calls {
        let invalid = |what: &str| ExecutionError::Invalid {
            index: None,
            reason: format!("system contract {contract} of {eip} {what}"),
        };
        if !has_code(ledger, contract)? {
            return Err(invalid("has no code"));
        }
        let mut source = &*ledger;
        let (result, effects) =
            execute_system_call(base, environment, contract, Bytes::new(), &mut source)?;
        if !result.is_success() {
            return Err(invalid("failed"));
        }
        let output = effects.output.clone();
        settle(index, effects, ledger, recorder)?;
        if !output.is_empty() {
            requests.push([&[kind], output.as_ref()].concat());
        }
    }
    Ok(requests)
}

/// EIP-7685: `sha256(sha256(type ‖ data) ‖ ...)` over the requests that are not empty, ascending by type.
pub(crate) fn requests_hash(requests: &[Vec<u8>]) -> B256 {
    let crypto = revm::precompile::crypto();
    let hashes: Vec<u8> = requests.iter().flat_map(|request| crypto.sha256(request)).collect();
    B256::from(crypto.sha256(&hashes))
}

fn has_code(ledger: &Ledger<'_>, address: Address) -> Result<bool, ExecutionError> {
    Ok(ledger.value(&Location::Code { address })? != Value::Code(KECCAK256_EMPTY))
}

/// Applies what a call did. No two calls of one phase share a contract, so nothing needs netting within an index.
fn settle(
    index: u64,
    effects: Effects,
    ledger: &mut Ledger<'_>,
    recorder: &mut Recorder,
) -> Result<(), ExecutionError> {
    recorder.access(effects.accesses);
    for (hash, code) in &effects.codes {
        ledger.add_code(*hash, code.original_bytes());
    }
    for (location, change) in &effects.changes {
        let (_, after) = ledger.apply(location, change)?;
        recorder.change(index, *location, after, code_bytes(ledger, &after));
    }
    Ok(())
}

/// The bytes that belong to a code value set in this block.
pub(crate) fn code_bytes(ledger: &Ledger<'_>, value: &Value) -> Bytes {
    match value {
        Value::Code(hash) => ledger.code(hash).cloned().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;

    #[test]
    fn no_requests_hash_to_the_empty_hash_of_the_eip() {
        assert_eq!(requests_hash(&[]), EMPTY_REQUESTS_HASH);
    }
}
