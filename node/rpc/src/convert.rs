//! Blocks, transactions, receipts and logs in the shapes of the Ethereum JSON-RPC.

use crate::error::Failure;
use alloy_consensus::transaction::Recovered;
use alloy_consensus::{ReceiptEnvelope, Transaction as _, TxReceipt};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{Address, B256, TxKind, U256};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth as rpc;
use alloy_rpc_types_eth::BlockTransactions;
use serde_json::Value;
use weft_store::StoredBlock;
use weft_types::{ForeignBody, Header, Receipt, SealedBlock, Transaction};

/// A block with transaction hashes or transaction objects.
pub(crate) type RpcBlock = rpc::Block<RpcTransaction>;
/// A transaction object.
pub(crate) type RpcTransaction = rpc::Transaction<Transaction>;
/// A receipt object.
pub(crate) type RpcReceipt = rpc::TransactionReceipt<ReceiptEnvelope<rpc::Log>>;

/// Where a transaction stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) block_hash: B256,
    pub(crate) number: u64,
    pub(crate) timestamp: u64,
    pub(crate) base_fee: Option<u64>,
    pub(crate) index: u64,
}

impl Place {
    pub(crate) fn new(block: &SealedBlock, index: usize) -> Self {
        let header = block.header();
        Self {
            block_hash: block.hash(),
            number: header.number,
            timestamp: header.timestamp,
            base_fee: header.base_fee_per_gas,
            index: index as u64,
        }
    }
}

/// The header object of `newHeads` and `eth_getHeaderBy*`.
pub(crate) fn header(block: &SealedBlock) -> rpc::Header {
    header_of(block, None)
}

/// The header object of a block that may be one of Ethereum.
pub(crate) fn header_of(block: &SealedBlock, foreign: Option<&ForeignBody>) -> rpc::Header {
    let (header, transactions) = (block.header(), block.transactions());
    let size = match foreign {
        Some(body) => body.block_length(header, transactions),
        None => block_size(header, transactions),
    };
    let size = U256::from(size);
    rpc::Header {
        hash: block.hash(),
        inner: block.header().clone(),
        total_difficulty: None,
        size: Some(size),
    }
}

/// The block object; `full` puts transaction objects in the place of hashes.
pub(crate) fn block(stored: &StoredBlock, full: bool) -> Result<RpcBlock, Failure> {
    let transactions = if full {
        let count = stored.block.transactions().len();
        let all = (0..count).map(|index| transaction(stored, index));
        BlockTransactions::Full(all.collect::<Result<_, _>>()?)
    } else {
        let hashes = stored.block.transactions().iter().map(|tx| *tx.tx_hash());
        BlockTransactions::Hashes(hashes.collect())
    };
    let foreign = stored.foreign.as_ref();
    Ok(rpc::Block {
        header: header_of(&stored.block, foreign),
        uncles: foreign
            .map_or_else(Vec::new, |body| body.ommers.iter().map(Header::hash_slow).collect()),
        transactions,
        withdrawals: foreign
            .map_or_else(|| Some(Withdrawals::default()), |body| body.withdrawals.clone()),
    })
}

/// The transaction at `index`, which must exist.
pub(crate) fn transaction(stored: &StoredBlock, index: usize) -> Result<RpcTransaction, Failure> {
    let transaction = stored.block.transactions().get(index);
    let (Some(transaction), Some(sender)) = (transaction, stored.senders.get(index)) else {
        let height = stored.block.height();
        return Err(Failure::internal(format!("block {height} has no transaction {index}")));
    };
    let place = Place::new(&stored.block, index);
    Ok(rpc::Transaction {
        effective_gas_price: Some(transaction.effective_gas_price(place.base_fee)),
        inner: Recovered::new_unchecked(transaction.clone(), *sender),
        block_hash: Some(place.block_hash),
        block_number: Some(place.number),
        transaction_index: Some(place.index),
        block_timestamp: Some(place.timestamp),
    })
}

/// A transaction of the pool: no block, and for its price the most that it would pay, as Ethereum's
/// schema of transactions says for those that are not included.
pub(crate) fn pending_transaction(transaction: &Recovered<Transaction>) -> RpcTransaction {
    rpc::Transaction {
        effective_gas_price: Some(transaction.max_fee_per_gas()),
        inner: transaction.clone(),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        block_timestamp: None,
    }
}

/// A transaction object with every field that Ethereum's schema asks for: one of the pool has a
/// `blockTimestamp`, too, which is `null`.
///
/// # Errors
/// [`Failure::Internal`] when it cannot be written as JSON.
pub(crate) fn complete(transaction: RpcTransaction) -> Result<Value, Failure> {
    let pending = transaction.block_hash.is_none();
    let mut object = serde_json::to_value(transaction).map_err(Failure::internal)?;
    if pending {
        object["blockTimestamp"] = Value::Null;
    }
    Ok(object)
}

/// All receipts of a block, in order.
pub(crate) fn receipts(
    stored: &StoredBlock,
    receipts: Vec<Receipt>,
) -> Result<Vec<RpcReceipt>, Failure> {
    let transactions = stored.block.transactions();
    if receipts.len() != transactions.len() || stored.senders.len() != transactions.len() {
        return Err(Failure::internal(format!(
            "block {} has {} transactions, {} senders and {} receipts",
            stored.block.height(),
            transactions.len(),
            stored.senders.len(),
            receipts.len()
        )));
    }
    let mut shapes = Vec::with_capacity(receipts.len());
    let (mut gas_before, mut log_index) = (0u64, 0u64);
    let inputs = transactions.iter().zip(&stored.senders).zip(receipts).enumerate();
    for (index, ((transaction, sender), receipt)) in inputs {
        let place = Place::new(&stored.block, index);
        let cumulative = receipt.cumulative_gas_used();
        let gas_used = cumulative.saturating_sub(gas_before);
        let logs = receipt.logs().len() as u64;
        shapes.push(one_receipt(transaction, *sender, receipt, place, gas_used, log_index));
        gas_before = cumulative;
        log_index += logs;
    }
    Ok(shapes)
}

fn one_receipt(
    transaction: &Transaction,
    sender: Address,
    receipt: Receipt,
    place: Place,
    gas_used: u64,
    first_log: u64,
) -> RpcReceipt {
    let hash = *transaction.tx_hash();
    let mut log_index = first_log;
    let inner = receipt.map_logs(|inner| {
        let log = log(inner, place, hash, log_index);
        log_index += 1;
        log
    });
    let (to, contract_address) = match transaction.kind() {
        TxKind::Call(to) => (Some(to), None),
        TxKind::Create => (None, Some(sender.create(transaction.nonce()))),
    };
    rpc::TransactionReceipt {
        inner,
        transaction_hash: hash,
        transaction_index: Some(place.index),
        block_hash: Some(place.block_hash),
        block_number: Some(place.number),
        gas_used,
        effective_gas_price: transaction.effective_gas_price(place.base_fee),
        blob_gas_used: None,
        blob_gas_price: None,
        from: sender,
        to,
        contract_address,
    }
}

/// A log object. `removed` is always false: committed blocks stay.
pub(crate) fn log(
    inner: alloy_primitives::Log,
    place: Place,
    transaction_hash: B256,
    log_index: u64,
) -> rpc::Log {
    rpc::Log {
        inner,
        block_hash: Some(place.block_hash),
        block_number: Some(place.number),
        block_timestamp: Some(place.timestamp),
        transaction_hash: Some(transaction_hash),
        transaction_index: Some(place.index),
        log_index: Some(log_index),
        removed: false,
    }
}

/// The logs of a block for which `keep` holds, with their places.
pub(crate) fn matching_logs(
    block: &SealedBlock,
    receipts: &[Receipt],
    keep: impl Fn(&alloy_primitives::Log) -> bool,
) -> Vec<rpc::Log> {
    let mut found = Vec::new();
    let mut log_index = 0u64;
    for (index, (transaction, receipt)) in block.transactions().iter().zip(receipts).enumerate() {
        for inner in receipt.logs() {
            if keep(inner) {
                let place = Place::new(block, index);
                found.push(log(inner.clone(), place, *transaction.tx_hash(), log_index));
            }
            log_index += 1;
        }
    }
    found
}

/// Gas that each transaction of a block used.
pub(crate) fn gas_used(receipts: &[Receipt]) -> impl Iterator<Item = u64> + '_ {
    let mut before = 0u64;
    receipts.iter().map(move |receipt| {
        let cumulative = TxReceipt::cumulative_gas_used(receipt);
        let used = cumulative.saturating_sub(before);
        before = cumulative;
        used
    })
}

/// Length of the block's RLP in Ethereum's layout: header, transactions, no ommers, no withdrawals.
fn block_size(header: &Header, transactions: &[Transaction]) -> usize {
    let list: usize = transactions.iter().map(Encodable::length).sum();
    let list = list + alloy_rlp::length_of_length(list);
    let empty_lists = 2;
    let payload = header.length() + list + empty_lists;
    payload + alloy_rlp::length_of_length(payload)
}
