//! Keys and values as bytes; the pictures are in the crate's documentation.

use crate::columns::Column;
use crate::{Oldest, StoreError, StoredBlock};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use alloy_rlp::{Decodable, Encodable};
use borsh::{BorshDeserialize, BorshSerialize};
use weft_commitment::sync::CodeGroup;
use weft_commitment::{AccountKey, TreeKey};
use weft_types::{
    AccessRecord, Account, Block, BlockBody, ForeignBody, Header, Receipt, SealedBlock, TxIndex,
};

/// Version of the whole layout.
pub(crate) const SCHEMA: u32 = 3;

/// The layout of a store that holds a chain of Ethereum: this version's, with other bodies. Versions
/// that do not know it take it for a newer one and leave it alone.
pub(crate) const SCHEMA_FOREIGN: u32 = FOREIGN | SCHEMA;

/// Marks what is in Ethereum's form: the schema, and the number of senders before a body.
const FOREIGN: u32 = 1 << 31;

/// The layout without `address_index`: opening it adds that.
pub(crate) const SCHEMA_WITHOUT_ADDRESS_INDEX: u32 = 2;

/// The layout without `log_index`, `code_stems` and `meta.oldest`: opening it adds them, and `address_index`.
pub(crate) const SCHEMA_WITHOUT_LOG_INDEX: u32 = 1;

pub(crate) const META_SCHEMA: &[u8] = b"schema";
pub(crate) const META_GENESIS: &[u8] = b"genesis";
pub(crate) const META_HEAD: &[u8] = b"head";
pub(crate) const META_OLDEST: &[u8] = b"oldest";
/// Bytes of the access records and profiles that are kept.
pub(crate) const META_RECORD_BYTES: &[u8] = b"record_bytes";
/// The block that an imported state is of: of the blocks before it there are headers at most.
pub(crate) const META_BASE: &[u8] = b"base";
/// There while a state is being imported: what is stored is not whole.
pub(crate) const META_IMPORT: &[u8] = b"import";

/// What `meta.head` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct HeadRecord {
    pub(crate) height: u64,
    pub(crate) hash: B256,
    pub(crate) state_root: B256,
}

pub(crate) fn decode_head(bytes: &[u8]) -> Result<HeadRecord, StoreError> {
    borsh::from_slice(bytes).map_err(|e| StoreError::value(Column::Meta, format!("head: {e}")))
}

pub(crate) fn decode_oldest(bytes: &[u8]) -> Result<Oldest, StoreError> {
    borsh::from_slice(bytes).map_err(|e| StoreError::value(Column::Meta, format!("oldest: {e}")))
}

/// The height that a key ends with.
pub(crate) fn height_at_end(column: Column, key: &[u8]) -> Result<u64, StoreError> {
    let (_, height) = key
        .split_last_chunk::<8>()
        .ok_or_else(|| StoreError::value(column, format!("key of {} bytes", key.len())))?;
    Ok(u64::from_be_bytes(*height))
}

/// A key of `storage`: the tree key with its zone byte moved behind the account's hash, so that one
/// account is one range.
pub(crate) fn storage_key(account: &AccountKey, slot: &U256) -> Vec<u8> {
    flat_key(&account.slot(slot))
}

/// The key of `storage` where the slot with this tree key lies.
pub(crate) fn flat_key(key: &TreeKey) -> Vec<u8> {
    let key = key.as_slice();
    [&key[1..33], &key[..1], &key[33..]].concat()
}

/// The tree key of a key of `storage`, or `None` when it is not one.
pub(crate) fn tree_key(flat: &[u8]) -> Option<TreeKey> {
    let (account, rest) = flat.split_at_checked(32)?;
    let (zone, rest) = rest.split_first()?;
    TreeKey::from_slice(&[&[*zone], account, rest].concat())
}

/// A key of a history: the state key and the block that changed it.
pub(crate) fn history_key(key: &[u8], height: u64) -> Vec<u8> {
    [key, &height.to_be_bytes()].concat()
}

/// The value of an account.
pub(crate) fn encode_account(address: &Address, account: &Account) -> Vec<u8> {
    let mut out = Vec::with_capacity(97);
    out.extend_from_slice(address.as_slice());
    out.extend_from_slice(&account.nonce.to_be_bytes());
    encode_trimmed(&account.balance, &mut out);
    if account.has_code() {
        out.extend_from_slice(&account.code_size.to_be_bytes());
        out.extend_from_slice(account.code_hash.as_slice());
    }
    out
}

/// An account's value; `None` for the empty value of a history, which means that there was none.
pub(crate) fn decode_account(
    column: Column,
    mut bytes: &[u8],
) -> Result<Option<(Address, Account)>, StoreError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes = &mut bytes;
    let address = Address::from(take::<20>(column, bytes)?);
    let nonce = u64::from_be_bytes(take(column, bytes)?);
    let balance = decode_trimmed(column, bytes)?;
    let (code_size, code_hash) = if bytes.is_empty() {
        (0, KECCAK256_EMPTY)
    } else {
        (u32::from_be_bytes(take(column, bytes)?), B256::from(take::<32>(column, bytes)?))
    };
    finished(column, bytes)?;
    Ok(Some((address, Account { nonce, balance, code_hash, code_size })))
}

/// The value of a slot: the word, then the slot itself, so that it can be told from its hash.
pub(crate) fn encode_slot(slot: &U256, value: &U256) -> Vec<u8> {
    let mut out = Vec::with_capacity(66);
    encode_trimmed(value, &mut out);
    encode_trimmed(slot, &mut out);
    out
}

/// The word of a slot and the slot itself.
pub(crate) fn decode_slot_entry(
    column: Column,
    mut bytes: &[u8],
) -> Result<(U256, U256), StoreError> {
    let value = decode_trimmed(column, &mut bytes)?;
    let slot = decode_trimmed(column, &mut bytes)?;
    finished(column, bytes)?;
    Ok((value, slot))
}

/// Which chunks of which code lie under a stem, and the block that introduced the code.
pub(crate) fn encode_code_stem(group: &CodeGroup, introduced: u64) -> Vec<u8> {
    let (size, place) = (group.size.to_be_bytes(), group.group.to_be_bytes());
    [group.code.as_slice(), &size, &place, &introduced.to_be_bytes()].concat()
}

pub(crate) fn decode_code_stem(mut bytes: &[u8]) -> Result<(CodeGroup, u64), StoreError> {
    let column = Column::CodeStems;
    let code = B256::from(take::<32>(column, &mut bytes)?);
    let size = u32::from_be_bytes(take(column, &mut bytes)?);
    let group = u32::from_be_bytes(take(column, &mut bytes)?);
    let introduced = u64::from_be_bytes(take(column, &mut bytes)?);
    finished(column, bytes)?;
    Ok((CodeGroup { code, size, group }, introduced))
}

/// A slot's word; zero for the empty value of a history.
pub(crate) fn decode_slot(column: Column, bytes: &[u8]) -> Result<U256, StoreError> {
    if bytes.is_empty() {
        return Ok(U256::ZERO);
    }
    decode_slot_entry(column, bytes).map(|(value, _)| value)
}

/// A header behind its hash, so that `BLOCKHASH` needs no decoding.
pub(crate) fn encode_header(hash: &B256, header: &Header) -> Vec<u8> {
    let mut out = hash.to_vec();
    header.encode(&mut out);
    out
}

pub(crate) fn decode_header_hash(mut bytes: &[u8]) -> Result<B256, StoreError> {
    take::<32>(Column::Headers, &mut bytes).map(B256::from)
}

pub(crate) fn decode_header(mut bytes: &[u8]) -> Result<Header, StoreError> {
    take::<32>(Column::Headers, &mut bytes)?;
    let header = Header::decode(&mut bytes).map_err(|e| StoreError::value(Column::Headers, e))?;
    finished(Column::Headers, bytes)?;
    Ok(header)
}

/// Senders and transactions of a block.
pub(crate) fn encode_body(senders: &[Address], block: &SealedBlock) -> Vec<u8> {
    let body = BlockBody {
        transactions: block.transactions().to_vec(),
        commands: block.commands().to_vec(),
        ..BlockBody::default()
    };
    let mut out = (senders.len() as u32).to_be_bytes().to_vec();
    for sender in senders {
        out.extend_from_slice(sender.as_slice());
    }
    out.extend_from_slice(&body.encode());
    out
}

/// Senders and body of a block of Ethereum.
pub(crate) fn encode_foreign_body(
    senders: &[Address],
    block: &SealedBlock,
    body: &ForeignBody,
) -> Vec<u8> {
    let mut out = (FOREIGN | senders.len() as u32).to_be_bytes().to_vec();
    for sender in senders {
        out.extend_from_slice(sender.as_slice());
    }
    out.extend_from_slice(&body.encode_with(block.transactions()));
    out
}

pub(crate) fn decode_body(header: Header, mut bytes: &[u8]) -> Result<StoredBlock, StoreError> {
    let column = Column::Bodies;
    let count = u32::from_be_bytes(take(column, &mut bytes)?);
    let is_foreign = count & FOREIGN != 0;
    let count = (count & !FOREIGN) as usize;
    let (packed, body) = count
        .checked_mul(20)
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or_else(|| StoreError::value(column, "too short for its senders"))?;
    let senders: Vec<Address> = packed.chunks_exact(20).map(Address::from_slice).collect();
    let (transactions, commands, foreign) = if is_foreign {
        let (transactions, foreign) =
            ForeignBody::decode_with(body).map_err(|e| StoreError::value(column, e))?;
        (transactions, Vec::new(), Some(foreign))
    } else {
        let body = BlockBody::decode(body).map_err(|e| StoreError::value(column, e))?;
        (body.transactions, body.commands, None)
    };
    if transactions.len() != senders.len() {
        let found = transactions.len();
        return Err(StoreError::value(column, format!("{count} senders, {found} transactions")));
    }
    let block = Block { header, transactions, commands }.seal();
    Ok(StoredBlock { block, senders, foreign })
}

/// RLP list of receipts, each as it travels in Ethereum's own protocols.
pub(crate) fn encode_receipts(receipts: &[Receipt]) -> Vec<u8> {
    let mut out = Vec::new();
    alloy_rlp::encode_list(receipts, &mut out);
    out
}

pub(crate) fn decode_receipts(mut bytes: &[u8]) -> Result<Vec<Receipt>, StoreError> {
    let receipts = Vec::decode(&mut bytes).map_err(|e| StoreError::value(Column::Receipts, e))?;
    finished(Column::Receipts, bytes)?;
    Ok(receipts)
}

/// An access record; `None` for what stands in its place when the block was committed without one.
pub(crate) fn decode_record(bytes: &[u8]) -> Result<Option<AccessRecord>, StoreError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let record = borsh::from_slice(bytes);
    record.map(Some).map_err(|e| StoreError::value(Column::AccessRecords, e))
}

/// Where a transaction lies.
pub(crate) fn encode_location(height: u64, index: TxIndex) -> [u8; 12] {
    let mut out = [0u8; 12];
    out[..8].copy_from_slice(&height.to_be_bytes());
    out[8..].copy_from_slice(&index.0.to_be_bytes());
    out
}

pub(crate) fn decode_location(mut bytes: &[u8]) -> Result<(u64, TxIndex), StoreError> {
    let column = Column::Transactions;
    let height = u64::from_be_bytes(take(column, &mut bytes)?);
    let index = u32::from_be_bytes(take(column, &mut bytes)?);
    finished(column, bytes)?;
    Ok((height, TxIndex(index)))
}

pub(crate) fn decode_number<const N: usize>(
    column: Column,
    bytes: &[u8],
) -> Result<[u8; N], StoreError> {
    let mut rest = bytes;
    let number = take(column, &mut rest)?;
    finished(column, rest)?;
    Ok(number)
}

/// Length byte and the number without leading zeros.
fn encode_trimmed(value: &U256, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes_trimmed_vec();
    out.push(bytes.len() as u8);
    out.extend_from_slice(&bytes);
}

fn decode_trimmed(column: Column, bytes: &mut &[u8]) -> Result<U256, StoreError> {
    let [length] = take(column, bytes)?;
    let number = bytes
        .split_off(..usize::from(length))
        .ok_or_else(|| StoreError::value(column, "number is cut off"))?;
    U256::try_from_be_slice(number)
        .ok_or_else(|| StoreError::value(column, format!("number of {length} bytes")))
}

fn take<const N: usize>(column: Column, bytes: &mut &[u8]) -> Result<[u8; N], StoreError> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or_else(|| {
        StoreError::value(column, format!("expected {N} more bytes, found {}", bytes.len()))
    })?;
    *bytes = rest;
    Ok(*head)
}

fn finished(column: Column, rest: &[u8]) -> Result<(), StoreError> {
    if rest.is_empty() {
        return Ok(());
    }
    Err(StoreError::value(column, format!("{} bytes too many", rest.len())))
}
