//! Transactions by address, by sender and nonce, and who created a contract: from the store's index of addresses.

use super::super::replay::Replay;
use super::{call_frame, short_receipt};
use crate::context::Context;
use crate::convert::{self, RpcTransaction};
use crate::error::Failure;
use crate::params::{Args, Quantity};
use alloy_consensus::Transaction as _;
use alloy_eip7928::AccountChanges;
use alloy_primitives::{Address, B256, TxKind};
use alloy_rlp::Decodable;
use alloy_rpc_types_trace::geth::CallFrame;
use alloy_rpc_types_trace::otterscan::{ContractCreator, TransactionsWithReceipts};
use std::collections::BTreeSet;
use weft_store::{StoreError, StoredBlock, Touch};
use weft_types::{Receipt, TransactionAccess};

/// Most transactions of a page, but for the rest of the last block.
const PAGE_MAX: u64 = 100;
/// Most blocks that one search looks into.
const BLOCKS_MAX: usize = 1000;
/// Blocks taken from the index at once.
const STEP: usize = 64;
/// Changes of code that are looked into for the creation of a contract.
const CODES_MAX: usize = 16;
/// What the code of a delegated account begins with (EIP-7702).
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];

type Page = TransactionsWithReceipts<RpcTransaction>;

/// The newest transactions below a block, newest first; block 0 begins at the head.
pub(super) fn before(context: &Context, args: &mut Args<'_>) -> Result<Page, Failure> {
    let (address, block, size) = search(args)?;
    let mut page = empty();
    page.first_page = block == 0;
    let mut to = if block == 0 { Some(u64::MAX) } else { block.checked_sub(1) };
    let mut looked = 0;
    while let Some(next) = to.filter(|_| looked < BLOCKS_MAX) {
        let heights = context.backend.store.touching_to(Touch::Any, &address, next, STEP)?;
        to = heights.last().filter(|_| heights.len() == STEP).and_then(|low| low.checked_sub(1));
        let mut rest = heights.into_iter().peekable();
        while let Some(height) = rest.next() {
            looked += 1;
            add(context, height, &address, &mut page, true)?;
            if page.txs.len() as u64 >= size {
                let below = height.checked_sub(1);
                page.last_page = rest.peek().is_none() && !any_below(context, &address, below)?;
                return Ok(page);
            }
        }
    }
    page.last_page = to.is_none();
    Ok(page)
}

/// The oldest transactions above a block, newest first; block 0 begins with the oldest of all.
pub(super) fn after(context: &Context, args: &mut Args<'_>) -> Result<Page, Failure> {
    let (address, block, size) = search(args)?;
    let mut page = empty();
    page.last_page = block == 0;
    let mut from = Some(if block == 0 { 0 } else { block.saturating_add(1) });
    let mut looked = 0;
    let mut full = false;
    while let Some(next) = from.filter(|_| looked < BLOCKS_MAX && !full) {
        let heights = context.backend.store.touching_from(Touch::Any, &address, next, STEP)?;
        from = heights.last().filter(|_| heights.len() == STEP).map(|high| high + 1);
        let mut rest = heights.into_iter().peekable();
        while let Some(height) = rest.next() {
            looked += 1;
            add(context, height, &address, &mut page, false)?;
            full = page.txs.len() as u64 >= size;
            if full {
                if rest.peek().is_some() {
                    from = Some(height + 1);
                }
                break;
            }
        }
    }
    page.first_page = match from {
        None => true,
        Some(from) => {
            context.backend.store.touching_from(Touch::Any, &address, from, 1)?.is_empty()
        }
    };
    page.txs.reverse();
    page.receipts.reverse();
    Ok(page)
}

fn search(args: &mut Args<'_>) -> Result<(Address, u64, u64), Failure> {
    let address = args.required("address")?;
    let (block, size): (Quantity, Quantity) = (args.required("block")?, args.required("pageSize")?);
    Ok((address, block.0, size.0.clamp(1, PAGE_MAX)))
}

fn empty() -> Page {
    TransactionsWithReceipts { txs: vec![], receipts: vec![], first_page: false, last_page: false }
}

fn any_below(context: &Context, address: &Address, to: Option<u64>) -> Result<bool, Failure> {
    let Some(to) = to else { return Ok(false) };
    Ok(!context.backend.store.touching_to(Touch::Any, address, to, 1)?.is_empty())
}

/// Adds what touches the address in a block, in block order or the other way round.
fn add(
    context: &Context,
    height: u64,
    address: &Address,
    page: &mut Page,
    backwards: bool,
) -> Result<(), Failure> {
    let stored = context.block(height)?;
    let receipts = context.receipts(height)?;
    let mut found = matching(context, &stored, &receipts, address)?;
    if backwards {
        found.reverse();
    }
    let receipts = convert::receipts(&stored, receipts)?;
    let time = stored.block.header().timestamp;
    for index in found {
        page.txs.push(convert::transaction(&stored, index)?);
        if let Some(receipt) = receipts.get(index) {
            page.receipts.push(short_receipt(receipt.clone(), time));
        }
    }
    Ok(())
}

/// The transactions of a block that name the address, log with it, or read or change its state, ascending. Fees make a
/// transaction none of the fee recipient's.
fn matching(
    context: &Context,
    stored: &StoredBlock,
    receipts: &[Receipt],
    address: &Address,
) -> Result<Vec<usize>, Failure> {
    let mut found = BTreeSet::new();
    let transactions = stored.block.transactions().iter().zip(&stored.senders).zip(receipts);
    for (index, ((transaction, sender), receipt)) in transactions.enumerate() {
        let target = match transaction.kind() {
            TxKind::Call(to) => to,
            TxKind::Create => sender.create(transaction.nonce()),
        };
        let logged = receipt.logs().iter().any(|log| log.address == *address);
        if sender == address || target == *address || logged {
            found.insert(index);
        }
    }
    if *address != stored.block.header().beneficiary {
        let count = stored.block.transactions().len();
        let touched = touched_by(context, stored.block.height().0, address)?;
        found.extend(touched.into_iter().filter(|index| *index < count));
    }
    Ok(found.into_iter().collect())
}

/// The transactions that read or change the state of an address: from the access record where it is stored, else those that
/// change it, from the access list. A search looks into too many blocks to derive their records.
fn touched_by(context: &Context, height: u64, address: &Address) -> Result<Vec<usize>, Failure> {
    let store = &context.backend.store;
    if let Some(record) = unless_pruned(store.access_record(height))? {
        let touches = |access: &TransactionAccess| {
            access.reads.iter().any(|read| read.location.address() == address)
                || access.writes.iter().any(|write| write.location.address() == address)
        };
        let transactions = record.transactions.iter().enumerate();
        return Ok(transactions.filter(|(_, a)| touches(a)).map(|(index, _)| index).collect());
    }
    let Some(changes) = changes_of(context, height, address)? else { return Ok(Vec::new()) };
    let slots = changes.storage_changes.iter().flat_map(|slot| &slot.changes);
    let indices = (changes.balance_changes.iter().map(|change| change.block_access_index))
        .chain(changes.nonce_changes.iter().map(|change| change.block_access_index))
        .chain(changes.code_changes.iter().map(|change| change.block_access_index))
        .chain(slots.map(|change| change.block_access_index));
    // Transactions are counted from 1 in the list.
    Ok(indices.filter_map(|at| usize::try_from(at.0).ok()?.checked_sub(1)).collect())
}

/// What a block's access list says about an address; `None` when it is not kept or does not name it.
fn changes_of(
    context: &Context,
    height: u64,
    address: &Address,
) -> Result<Option<AccountChanges>, Failure> {
    let list = unless_pruned(context.backend.store.access_list(height))?;
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(None) };
    let accounts = Vec::<AccountChanges>::decode(&mut &list[..]).map_err(Failure::internal)?;
    Ok(accounts.into_iter().find(|account| account.address == *address))
}

fn unless_pruned<T>(answer: Result<Option<T>, StoreError>) -> Result<Option<T>, Failure> {
    match answer {
        Err(StoreError::Pruned { .. }) => Ok(None),
        other => Ok(other?),
    }
}

/// Hash of the transaction with this nonce. Nonces ascend with the height, so few blocks are looked into.
pub(super) fn by_nonce(context: &Context, args: &mut Args<'_>) -> Result<Option<B256>, Failure> {
    let (sender, nonce): (Address, Quantity) = (args.required("sender")?, args.required("nonce")?);
    let store = &context.backend.store;
    let (mut low, mut high) = (0, store.head().block.height().0);
    while low <= high {
        let middle = low + (high - low) / 2;
        let next = store.touching_from(Touch::Sent, &sender, middle, 1)?;
        let Some(height) = next.first().copied().filter(|height| *height <= high) else {
            let Some(below) = middle.checked_sub(1) else { break };
            high = below;
            continue;
        };
        let stored = context.block(height)?;
        let pairs = stored.block.transactions().iter().zip(&stored.senders);
        let own = pairs.filter(|(_, from)| **from == sender);
        let own: Vec<(u64, B256)> = own.map(|(tx, _)| (tx.nonce(), *tx.tx_hash())).collect();
        match own.iter().find(|(own, _)| *own == nonce.0) {
            Some((_, hash)) => return Ok(Some(*hash)),
            // The last one of the block is below, or the block is not one of this sender.
            None if own.last().is_none_or(|(last, _)| *last < nonce.0) => low = height + 1,
            None => {
                let Some(below) = middle.checked_sub(1) else { break };
                high = below;
            }
        }
    }
    Ok(None)
}

/// Who created a contract, in which transaction; `None` for an account without code of its own.
pub(super) fn creator(
    context: &Context,
    args: &mut Args<'_>,
) -> Result<Option<ContractCreator>, Failure> {
    let address: Address = args.required("address")?;
    let store = &context.backend.store;
    let head = store.head();
    let state = &head.state;
    let account = state.account(&address)?.unwrap_or_default();
    if !account.has_code() || state.code(&account.code_hash)?.starts_with(&DELEGATION) {
        return Ok(None);
    }
    for height in store.touching_to(Touch::Code, &address, u64::MAX, CODES_MAX)? {
        if let Some(found) = creation(context, height, &address)? {
            return Ok(Some(found));
        }
    }
    // It was there from the beginning, or its creation is not kept.
    Ok(None)
}

fn creation(
    context: &Context,
    height: u64,
    address: &Address,
) -> Result<Option<ContractCreator>, Failure> {
    let stored = context.block(height)?;
    let pairs = stored.block.transactions().iter().zip(&stored.senders);
    for (transaction, sender) in pairs {
        if transaction.kind().is_create() && sender.create(transaction.nonce()) == *address {
            return Ok(Some(ContractCreator { hash: *transaction.tx_hash(), creator: *sender }));
        }
    }
    let Some(changes) = changes_of(context, height, address)? else { return Ok(None) };
    let indices = changes.code_changes.iter().map(|change| change.block_access_index.0);
    for index in indices.filter_map(|index| usize::try_from(index).ok()?.checked_sub(1)) {
        let replay = Replay::of(context, height)?;
        let Some(transaction) = replay.transactions.get(index) else { continue };
        let hash = *transaction.tx_hash();
        if let Some(creator) = created_in(&call_frame(context, &replay, index)?, address) {
            return Ok(Some(ContractCreator { hash, creator }));
        }
    }
    Ok(None)
}

fn created_in(frame: &CallFrame, address: &Address) -> Option<Address> {
    if frame.typ.starts_with("CREATE") && frame.to == Some(*address) && frame.error.is_none() {
        return Some(frame.from);
    }
    frame.calls.iter().find_map(|call| created_in(call, address))
}
