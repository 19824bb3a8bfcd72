//! The header of a block.

use super::error::BlockError;
use super::json::Object;
use weft_types::{B256, Header};

/// Reads the header and compares its hash with the block's.
pub(super) fn read_header(block: &Object<'_>) -> Result<Header, BlockError> {
    let header = Header {
        parent_hash: block.get("parentHash")?,
        ommers_hash: block.get("sha3Uncles")?,
        beneficiary: block.get("miner")?,
        state_root: block.get("stateRoot")?,
        transactions_root: block.get("transactionsRoot")?,
        receipts_root: block.get("receiptsRoot")?,
        logs_bloom: block.get("logsBloom")?,
        difficulty: block.get("difficulty")?,
        number: block.get("number")?,
        gas_limit: block.get("gasLimit")?,
        gas_used: block.get("gasUsed")?,
        timestamp: block.get("timestamp")?,
        extra_data: block.get("extraData")?,
        mix_hash: block.get("mixHash")?,
        nonce: block.get("nonce")?,
        base_fee_per_gas: block.optional("baseFeePerGas")?,
        withdrawals_root: block.optional("withdrawalsRoot")?,
        blob_gas_used: block.optional("blobGasUsed")?,
        excess_blob_gas: block.optional("excessBlobGas")?,
        parent_beacon_block_root: block.optional("parentBeaconBlockRoot")?,
        requests_hash: block.optional("requestsHash")?,
        block_access_list_hash: block.optional("blockAccessListHash")?,
        slot_number: block.optional("slotNumber")?,
    };
    block.source.equal("hash", &block.get::<B256>("hash")?, &header.hash_slow())?;
    Ok(header)
}
