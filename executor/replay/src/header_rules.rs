//! The rules of Ethereum for a header and a body that need no execution, from Paris on.
//!
//! Written for judging foreign blocks; the headers of Weft's own chain follow `weft_types::header`. Each rule says which field
//! it is about, so that a suite's test for one field cannot pass for another's sake.
//!
//! **Source:** `validate_header` of each fork in ethereum/execution-specs, and the EIPs named beside the rules.

use crate::judge::Fork;
use alloy_consensus::constants::EMPTY_OMMER_ROOT_HASH;
use alloy_consensus::proofs::calculate_withdrawals_root;
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::eip1559::BaseFeeParams;
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{B64, B256, U256};
use weft_evm::SpecId;
use weft_types::HeaderError;
use weft_types::block::transactions_root;
use weft_types::header::{equal, equal_option};

/// Most bytes of `extraData`.
const EXTRA_DATA_BYTES_MAX: usize = 32;

/// Least gas limit of a block.
const GAS_LIMIT_MIN: u64 = 5_000;

/// The gas limit moves by less than this part of the parent's.
const GAS_LIMIT_BOUND_DIVISOR: u64 = 1_024;

/// Most bytes of a block since Osaka (EIP-7934): 10 MiB less 2 MiB for what consensus adds.
const BLOCK_BYTES_MAX: usize = 10 * 1024 * 1024 - 2 * 1024 * 1024;

/// A body as the header rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    pub(crate) transactions: &'a [weft_types::Transaction],
    pub(crate) ommers: &'a [Header],
    pub(crate) withdrawals: Option<&'a Withdrawals>,
    /// Bytes of the whole block's RLP.
    pub(crate) size_bytes: usize,
}

/// Judges a header by its parent's.
///
/// # Errors
/// [`HeaderError`] naming the field.
pub(crate) fn verify_header(
    parent: &Header,
    parent_hash: B256,
    header: &Header,
    fork: &Fork,
) -> Result<(), HeaderError> {
    equal("parentHash", &parent_hash, &header.parent_hash)?;
    equal("number", &(parent.number + 1), &header.number)?;
    within("timestamp", header.timestamp > parent.timestamp, header.timestamp, || {
        format!("more than {}", parent.timestamp)
    })?;
    let extra = header.extra_data.len();
    within("extraData", extra <= EXTRA_DATA_BYTES_MAX, format!("{extra} bytes"), || {
        format!("at most {EXTRA_DATA_BYTES_MAX} bytes")
    })?;
    verify_gas(parent, header)?;
    equal("difficulty", &U256::ZERO, &header.difficulty)?;
    equal("nonce", &B64::ZERO, &header.nonce)?;
    equal("sha3Uncles", &EMPTY_OMMER_ROOT_HASH, &header.ommers_hash)?;
    verify_presence(header, fork)?;
    if fork.has(SpecId::CANCUN) {
        verify_blob_gas(parent, header, fork)?;
    }
    Ok(())
}

/// Gas limit, gas used and base fee (EIP-1559).
fn verify_gas(parent: &Header, header: &Header) -> Result<(), HeaderError> {
    let limit = header.gas_limit;
    let bound = parent.gas_limit / GAS_LIMIT_BOUND_DIVISOR;
    let near = limit.abs_diff(parent.gas_limit) < bound;
    within("gasLimit", near, limit, || format!("less than {bound} from {}", parent.gas_limit))?;
    within("gasLimit", limit >= GAS_LIMIT_MIN, limit, || format!("at least {GAS_LIMIT_MIN}"))?;
    within("gasUsed", header.gas_used <= limit, header.gas_used, || format!("at most {limit}"))?;
    let base_fee = parent.next_block_base_fee(BaseFeeParams::ethereum());
    equal_option("baseFeePerGas", base_fee, header.base_fee_per_gas)
}

/// Which fields a header has, fork by fork.
pub(crate) fn verify_presence(header: &Header, fork: &Fork) -> Result<(), HeaderError> {
    let (shanghai, cancun) = (fork.has(SpecId::SHANGHAI), fork.has(SpecId::CANCUN));
    let (prague, list) = (fork.has(SpecId::PRAGUE), fork.has_access_list());
    let fields = [
        ("withdrawalsRoot", shanghai, header.withdrawals_root.is_some()),
        ("blobGasUsed", cancun, header.blob_gas_used.is_some()),
        ("excessBlobGas", cancun, header.excess_blob_gas.is_some()),
        ("parentBeaconBlockRoot", cancun, header.parent_beacon_block_root.is_some()),
        ("requestsHash", prague, header.requests_hash.is_some()),
        ("blockAccessListHash", list, header.block_access_list_hash.is_some()),
        ("slotNumber", list, header.slot_number.is_some()),
    ];
    let show = |present: bool| if present { "a value" } else { "none" }.to_owned();
    for (field, expected, found) in fields {
        if expected != found {
            let (expected, found) = (show(expected), show(found));
            return Err(HeaderError::Field { field, expected, found });
        }
    }
    Ok(())
}

/// Blob gas (EIP-4844) and its reserve price (EIP-7918).
fn verify_blob_gas(parent: &Header, header: &Header, fork: &Fork) -> Result<(), HeaderError> {
    let used = header.blob_gas_used.unwrap_or_default();
    let max = fork.blobs.max_blob_gas_per_block();
    within("blobGasUsed", used <= max, used, || format!("at most {max}"))?;
    let whole = used.is_multiple_of(DATA_GAS_PER_BLOB);
    within("blobGasUsed", whole, used, || format!("a multiple of {DATA_GAS_PER_BLOB}"))?;
    // The reserve price is off where the settings carry no base cost: before Osaka.
    let excess = fork.blobs.next_block_excess_blob_gas_osaka(
        parent.excess_blob_gas.unwrap_or_default(),
        parent.blob_gas_used.unwrap_or_default(),
        parent.base_fee_per_gas.unwrap_or_default(),
    );
    equal_option("excessBlobGas", Some(excess), header.excess_blob_gas)
}

/// Judges a body by its header.
///
/// # Errors
/// [`HeaderError`] naming the field.
pub(crate) fn verify_body(header: &Header, body: Body<'_>, fork: &Fork) -> Result<(), HeaderError> {
    if fork.has(SpecId::OSAKA) {
        within("size", body.size_bytes <= BLOCK_BYTES_MAX, body.size_bytes, || {
            format!("at most {BLOCK_BYTES_MAX} bytes")
        })?;
    }
    let ommers = body.ommers.len();
    within("uncles", ommers == 0, format!("{ommers} headers"), || "none".to_owned())?;
    verify_transactions_root(header, body.transactions)?;
    let withdrawals_root = body.withdrawals.map(|list| calculate_withdrawals_root(list));
    equal_option("withdrawalsRoot", withdrawals_root, header.withdrawals_root)?;
    if fork.has(SpecId::CANCUN) {
        let blobs: usize = body
            .transactions
            .iter()
            .filter_map(|transaction| transaction.blob_versioned_hashes())
            .map(<[B256]>::len)
            .sum();
        let used = DATA_GAS_PER_BLOB.saturating_mul(blobs as u64);
        let max = fork.blobs.max_blob_gas_per_block();
        within("blobGasUsed", used <= max, used, || format!("at most {max}"))?;
        equal_option("blobGasUsed", Some(used), header.blob_gas_used)?;
    }
    Ok(())
}

/// Judges the transactions of a body by the root in its header.
///
/// # Errors
/// [`HeaderError`] naming the field.
pub(crate) fn verify_transactions_root(
    header: &Header,
    transactions: &[weft_types::Transaction],
) -> Result<(), HeaderError> {
    equal("transactionsRoot", &transactions_root(transactions), &header.transactions_root)
}

/// Judges a field whose rule is not equality.
pub(crate) fn within(
    field: &'static str,
    holds: bool,
    found: impl ToString,
    expected: impl FnOnce() -> String,
) -> Result<(), HeaderError> {
    if holds {
        return Ok(());
    }
    Err(HeaderError::Field { field, expected: expected(), found: found.to_string() })
}

#[cfg(test)]
mod tests;
