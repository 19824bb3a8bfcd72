//! The tree of the flat state: the proof that what is on disk is what the head's header commits to.

use crate::StoreError;
use crate::columns::Column;
use crate::database::Database;
use crate::layout::{self, HeadRecord};
use crate::leaves::{self, code_stems};
use alloy_primitives::{B256, KECCAK256_EMPTY, keccak256};
use rocksdb::{DB, DBRawIteratorWithThreadMode, ReadOptions, Snapshot};
use weft_commitment::{Tree, TreeBuilder, TreeKey, code_leaves};

type Entries<'a> = DBRawIteratorWithThreadMode<'a, DB>;

/// Rebuilds the tree from the flat state and compares it with the head recorded beside it. Reads a
/// snapshot: blocks may be committed meanwhile. What of the tree does not fit `memory_bytes` is left
/// out of memory.
///
/// # Errors
/// [`StoreError::Damaged`] when they differ or an entry does not decode.
pub(crate) fn verified_tree(
    database: &Database,
    memory_bytes: u64,
) -> Result<(HeadRecord, Tree), StoreError> {
    let snapshot = database.rocks().snapshot();
    let head = snapshot
        .get_cf(database.column(Column::Meta), layout::META_HEAD)
        .map_err(|e| StoreError::database("read", &e))?
        .ok_or_else(|| StoreError::value(Column::Meta, "no head"))?;
    let head = layout::decode_head(&head)?;
    let mut builder = TreeBuilder::within(memory_bytes);
    push_state(database, &snapshot, &mut builder)?;
    push_code(database, &snapshot, &mut builder)?;
    let tree = builder.finish();
    if tree.root() != head.state_root {
        let (height, expected, found) = (head.height, head.state_root, tree.root());
        let what = format!("state at height {height} has root {found}, expected {expected}");
        return Err(StoreError::Damaged { what });
    }
    Ok((head, tree))
}

fn entries<'a>(database: &'a Database, snapshot: &'a Snapshot<'a>, column: Column) -> Entries<'a> {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    options.fill_cache(false);
    let mut entries = snapshot.raw_iterator_cf_opt(database.column(column), options);
    entries.seek_to_first();
    entries
}

/// Says whether the scan ended because there is no more, and not because of an error.
fn ended(entries: &Entries<'_>) -> Result<(), StoreError> {
    entries.status().map_err(|e| StoreError::database("scan", &e))
}

/// Accounts and slots. Both columns are ordered by account, and an account's own leaves come before
/// those of its slots, so merging them by account gives each zone its leaves in order.
fn push_state(
    database: &Database,
    snapshot: &Snapshot<'_>,
    builder: &mut TreeBuilder,
) -> Result<(), StoreError> {
    let mut accounts = entries(database, snapshot, Column::Accounts);
    let mut slots = entries(database, snapshot, Column::Storage);
    while let Some((key, value)) = accounts.item() {
        push_slots_below(&mut slots, Some(key), builder)?;
        for leaf in leaves::of_account(database, key, value)? {
            push(builder, Column::Accounts, leaf.key, &leaf.value)?;
        }
        accounts.next();
    }
    ended(&accounts)?;
    push_slots_below(&mut slots, None, builder)?;
    ended(&slots)
}

/// Slots of all accounts whose hash is below `account`, or all that are left.
fn push_slots_below(
    slots: &mut Entries<'_>,
    account: Option<&[u8]>,
    builder: &mut TreeBuilder,
) -> Result<(), StoreError> {
    let column = Column::Storage;
    while let Some((key, value)) = slots.item() {
        if account.is_some_and(|account| key >= account) {
            return Ok(());
        }
        let leaf = leaves::of_slot(key, value)?;
        push(builder, column, leaf.key, &leaf.value)?;
        slots.next();
    }
    Ok(())
}

/// Chunks of all codes; the keys of different codes interleave, so they are sorted first.
fn push_code(
    database: &Database,
    snapshot: &Snapshot<'_>,
    builder: &mut TreeBuilder,
) -> Result<(), StoreError> {
    let column = Column::Code;
    let mut codes = entries(database, snapshot, column);
    let mut leaves = Vec::new();
    while let Some((key, code)) = codes.item() {
        let hash = keccak256(code);
        if key != hash.as_slice() || hash == KECCAK256_EMPTY {
            return Err(StoreError::value(column, format!("code {hash} lies under another key")));
        }
        for (stem, group) in code_stems(&hash, code) {
            let decode = layout::decode_code_stem;
            let found = database.get_as(Column::CodeStems, stem.as_slice(), decode)?;
            if found.map(|(group, _)| group) != Some(group) {
                let what = format!("code {hash} is not found under {stem}");
                return Err(StoreError::value(Column::CodeStems, what));
            }
        }
        leaves.extend(code_leaves(&hash, code));
        codes.next();
    }
    ended(&codes)?;
    leaves.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in leaves {
        push(builder, column, key, &value)?;
    }
    Ok(())
}

fn push(
    builder: &mut TreeBuilder,
    column: Column,
    key: TreeKey,
    value: &B256,
) -> Result<(), StoreError> {
    builder.push(key, value).map_err(|e| StoreError::value(column, e))
}
