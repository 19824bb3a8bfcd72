//! A block with everything that the store kept of it.

use super::derive::access_record;
use crate::context::Context;
use crate::error::Failure;
use crate::methods::bounded::Patience;
use crate::params::Args;
use alloy_eip7928::AccountChanges;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256};
use alloy_rlp::Decodable;
use serde::Deserialize;
use std::sync::Arc;
use weft_record::Block;
use weft_record::json::Recorded;
use weft_store::StoreError;
use weft_types::{AccessRecord, Receipt, RunProfile, Transaction};

/// Blocks that one call may look at.
const BLOCKS_MAX: u64 = 256;

/// Transactions that one call may look at, unless they are all of one block.
pub(super) const TRANSACTIONS_MAX: usize = 100_000;

/// A block and its record.
pub(super) struct Loaded {
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) timestamp: u64,
    pub(super) transactions: Vec<Transaction>,
    pub(super) senders: Vec<Address>,
    /// Empty where they are no longer kept.
    pub(super) receipts: Vec<Receipt>,
    pub(super) access: Arc<AccessRecord>,
    /// Empty where it is no longer kept.
    pub(super) list: Vec<AccountChanges>,
    pub(super) profile: Option<RunProfile>,
}

impl Loaded {
    /// The block at a height that is not above the head; `None` without a record.
    ///
    /// # Errors
    /// As [`access_record`].
    pub(super) fn read(
        context: &Context,
        height: u64,
        patience: &Patience,
    ) -> Result<Option<Self>, Failure> {
        let store = &context.backend.store;
        let Some(access) = access_record(context, height, patience)? else { return Ok(None) };
        let stored = context.block(height)?;
        let receipts = unless_pruned(store.receipts(height))?.flatten().unwrap_or_default();
        let list = unless_pruned(store.access_list(height))?.flatten().unwrap_or_default();
        let loaded = Self {
            number: height,
            hash: stored.block.hash(),
            timestamp: stored.block.header().timestamp,
            transactions: stored.block.transactions().to_vec(),
            senders: stored.senders,
            receipts,
            access,
            list: decode_list(&list)?,
            profile: unless_pruned(store.profile(height))?.flatten(),
        };
        let state = store.head().state.clone();
        context.records.names.recognise(&loaded.block(), &*state)?;
        Ok(Some(loaded))
    }

    pub(super) fn block(&self) -> Block<'_> {
        Block {
            transactions: &self.transactions,
            senders: &self.senders,
            receipts: &self.receipts,
            access: &self.access,
            list: &self.list,
        }
    }

    pub(super) fn recorded(&self) -> Recorded<'_> {
        Recorded {
            number: self.number,
            hash: self.hash,
            timestamp: self.timestamp,
            block: self.block(),
            profile: self.profile.as_ref(),
        }
    }
}

/// The block that the first parameter names; `None` for one that is unknown, pending, or without a record.
pub(super) fn one(
    context: &Context,
    args: &mut Args<'_>,
    patience: &Patience,
) -> Result<Option<Loaded>, Failure> {
    match context.find(args.required::<BlockId>("block")?)? {
        Some(at) if !at.pending => Loaded::read(context, at.height, patience),
        _ => Ok(None),
    }
}

/// Decodes an access list; an absent one is empty.
pub(super) fn decode_list(list: &[u8]) -> Result<Vec<AccountChanges>, Failure> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    Vec::<AccountChanges>::decode(&mut &list[..]).map_err(Failure::internal)
}

/// What was dropped is absent, not an error: the record says a lot without it.
fn unless_pruned<T>(found: Result<T, StoreError>) -> Result<Option<T>, Failure> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Pruned { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One block, or a range of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Blocks {
    /// `{"from": …, "to": …}`, both included; `to` is the head when it is absent.
    Range(Range),
    /// A block by number, tag or hash.
    One(BlockId),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    from: BlockNumberOrTag,
    #[serde(default)]
    to: BlockNumberOrTag,
}

impl Blocks {
    /// First and last height, within the limit.
    ///
    /// # Errors
    /// [`Failure`] for blocks that do not exist and for too many.
    pub(super) fn heights(&self, context: &Context) -> Result<(u64, u64), Failure> {
        let (from, to) = match self {
            Self::One(id) => {
                let height = context.at(*id)?.height;
                (height, height)
            }
            Self::Range(range) => (
                context.at(BlockId::Number(range.from))?.height,
                context.at(BlockId::Number(range.to))?.height,
            ),
        };
        if from > to {
            let reason = format!("the range is empty: from {from} to {to}");
            return Err(Failure::Parameters { reason });
        }
        let blocks = to - from + 1;
        if blocks > BLOCKS_MAX {
            let near = to + 1 - BLOCKS_MAX;
            let reason = format!(
                "too many blocks: expected at most {BLOCKS_MAX}, found {blocks}; use from {near} to {to}"
            );
            return Err(Failure::Limit { reason });
        }
        Ok((from, to))
    }

    /// Calls `each` for every block with a record. Blocks whose record was dropped are left out.
    ///
    /// # Errors
    /// As [`heights`](Self::heights), and when the blocks have too many transactions or take too long to derive.
    pub(super) fn for_each(
        &self,
        context: &Context,
        patience: &Patience,
        mut each: impl FnMut(&Loaded),
    ) -> Result<(u64, u64), Failure> {
        let (from, to) = self.heights(context)?;
        let mut transactions = 0;
        for height in from..=to {
            let loaded = match Loaded::read(context, height, patience) {
                Ok(Some(loaded)) => loaded,
                Ok(None) => continue,
                Err(Failure::Pruned { .. }) if from < to => continue,
                Err(Failure::Limit { reason }) if from < height => {
                    let reason = format!("{reason}; use from {from} to {}", height - 1);
                    return Err(Failure::Limit { reason });
                }
                Err(error) => return Err(error),
            };
            transactions += loaded.transactions.len();
            if transactions > TRANSACTIONS_MAX && from < to {
                let last = height.saturating_sub(1).max(from);
                let reason = format!(
                    "too many transactions: expected at most {TRANSACTIONS_MAX}; use from {from} to {last}"
                );
                return Err(Failure::Limit { reason });
            }
            each(&loaded);
        }
        Ok((from, to))
    }
}
