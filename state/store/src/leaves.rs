//! The flat state as the tree sees it: leaves in key order, after the block at any height.

use crate::columns::Column;
use crate::database::Database;
use crate::retention::Kept;
use crate::{StoreError, layout};
use alloy_primitives::{Address, B256, U256};
use rocksdb::{DB, DBRawIteratorWithThreadMode, ReadOptions, Snapshot};
use std::sync::Arc;
use weft_commitment::sync::CodeGroup;
use weft_commitment::{AccountKey, LeafSource, TreeKey, account_leaves, code_leaves, slot_value};
use weft_types::StateError;

/// Size of an EIP-7702 designator in bytes. Only codes of this size are looked up to tell whether
/// they are one.
const DELEGATION_BYTES: u32 = 23;

/// Chunks of one code that lie together.
const GROUP_CHUNKS: u32 = 256;
/// Bytes of code in one chunk.
const CHUNK_BYTES: u32 = 31;

const HEADER: u8 = 0x00;
const CODE: u8 = 0x01;
const STORAGE: u8 = 0xff;

/// One leaf, and what its key was hashed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) key: TreeKey,
    pub(crate) value: B256,
    pub(crate) origin: Origin,
}

/// What a key was hashed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An account.
    Account(Address),
    /// A slot of the account whose hash the key holds.
    Slot(U256),
    /// The chunks of a code that lie together.
    Code(CodeGroup),
}

/// Whether to go on.
pub(crate) type Visit<'v> = dyn FnMut(Leaf) -> Result<bool, StoreError> + 'v;

/// The leaves of the state after the block at one height.
pub(crate) struct Leaves<'a> {
    database: &'a Database,
    snapshot: Snapshot<'a>,
    height: u64,
    /// Whether the snapshot may hold what later blocks wrote.
    later: bool,
}

impl<'a> Leaves<'a> {
    pub(crate) fn at(database: &'a Database, height: u64) -> Self {
        let snapshot = database.rocks().snapshot();
        // Asked after the snapshot was taken: what it has of later blocks is known by now.
        let later = !database.is_untouched_above(height);
        Self { database, snapshot, height, later }
    }

    /// Says whether what was read was still there: to be asked after the last read.
    pub(crate) fn finish(self) -> Result<(), StoreError> {
        if self.later {
            self.database.horizon().require(Kept::History, self.height)?;
        }
        Ok(())
    }

    /// Visits the leaves of the zone of `first` from it on.
    pub(crate) fn visit(&self, first: &TreeKey, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        match first.as_slice()[0] {
            HEADER => self.header_zone(first, visit),
            CODE => self.code_zone(first, visit),
            _ => self.storage_zone(first, visit),
        }
    }

    /// The address of the account with this hash.
    pub(crate) fn address(&self, hash: &[u8]) -> Result<Address, StoreError> {
        let mut accounts = self.cursor(Column::Accounts, Some(Column::AccountHistory));
        accounts.seek(hash);
        let found = accounts.item()?.filter(|(key, _)| key == hash);
        let value = found.map(|(_, value)| value).unwrap_or_default();
        let account = layout::decode_account(Column::Accounts, &value)?;
        account.map(|(address, _)| address).ok_or_else(|| {
            StoreError::value(Column::Storage, "slots of an account that does not exist")
        })
    }

    fn cursor(&self, column: Column, history: Option<Column>) -> Cursor<'_> {
        let entries = |column| {
            let mut options = ReadOptions::default();
            options.set_total_order_seek(true);
            self.snapshot.raw_iterator_cf_opt(self.database.column(column), options)
        };
        let history = history.filter(|_| self.later).map(entries);
        Cursor { current: entries(column), history, height: self.height, column }
    }

    /// Accounts, each with its slots below 64.
    fn header_zone(&self, first: &TreeKey, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut accounts = self.cursor(Column::Accounts, Some(Column::AccountHistory));
        let mut slots = self.cursor(Column::Storage, Some(Column::StorageHistory));
        let hash = &first.as_slice()[1..33];
        accounts.seek(hash);
        slots.seek(&[hash, &[HEADER]].concat());
        let mut account = accounts.item()?;
        let mut slot = slots.header_item()?;
        loop {
            let account_first = match (&account, &slot) {
                (None, None) => return Ok(()),
                (Some((account, _)), Some((slot, _))) => account[..] <= slot[..32],
                (account, _) => account.is_some(),
            };
            if account_first {
                let Some((key, value)) = account.take() else { return Ok(()) };
                for leaf in of_account(self.database, &key, &value)? {
                    if leaf.key >= *first && !visit(leaf)? {
                        return Ok(());
                    }
                }
                accounts.leave(&key);
                account = accounts.item()?;
            } else {
                let Some((key, value)) = slot.take() else { return Ok(()) };
                let leaf = of_slot(&key, &value)?;
                if leaf.key >= *first && !visit(leaf)? {
                    return Ok(());
                }
                slots.leave(&key);
                slot = slots.header_item()?;
            }
        }
    }

    /// Slots from 64 on. Of accounts that have none, one entry is read.
    fn storage_zone(&self, first: &TreeKey, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut slots = self.cursor(Column::Storage, Some(Column::StorageHistory));
        slots.seek(&layout::flat_key(first));
        while let Some((key, value)) = slots.item()? {
            if key.get(32) == Some(&HEADER) {
                slots.seek(&[&key[..32], &[STORAGE]].concat());
                continue;
            }
            if !visit(of_slot(&key, &value)?)? {
                return Ok(());
            }
            slots.leave(&key);
        }
        Ok(())
    }

    /// Chunks of codes.
    fn code_zone(&self, first: &TreeKey, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut stems = self.cursor(Column::CodeStems, None);
        stems.seek(&first.as_slice()[1..33]);
        while let Some((stem, value)) = stems.item()? {
            let (group, introduced) = layout::decode_code_stem(&value)?;
            if introduced <= self.height {
                for leaf in self.group(&stem, group)? {
                    if leaf.key >= *first && !visit(leaf)? {
                        return Ok(());
                    }
                }
            }
            stems.leave(&stem);
        }
        Ok(())
    }

    fn group(&self, stem: &[u8], group: CodeGroup) -> Result<Vec<Leaf>, StoreError> {
        let column = Column::CodeStems;
        let code = self.database.get(Column::Code, group.code.as_slice())?.ok_or_else(|| {
            StoreError::value(column, format!("code {} is not stored", group.code))
        })?;
        let chunks = |(key, _): &(TreeKey, B256)| key.as_slice()[1..33] == *stem;
        let origin = Origin::Code(group);
        let leaves = code_leaves(&group.code, &code).into_iter();
        Ok(leaves.filter(chunks).map(|(key, value)| Leaf { key, value, origin }).collect())
    }
}

/// The leaves of an entry of `accounts`.
pub(crate) fn of_account(
    database: &Database,
    key: &[u8],
    value: &[u8],
) -> Result<[Leaf; 2], StoreError> {
    let column = Column::Accounts;
    let (address, account) = layout::decode_account(column, value)?
        .ok_or_else(|| StoreError::value(column, "an account without value"))?;
    let hash = *AccountKey::new(&address).hash();
    if key != hash.as_slice() {
        return Err(StoreError::value(column, format!("{address} lies under another key")));
    }
    let code = if account.code_size == DELEGATION_BYTES {
        database.get(Column::Code, account.code_hash.as_slice())?
    } else {
        None
    };
    let origin = Origin::Account(address);
    let leaves = account_leaves(&hash, &account, code.as_deref());
    Ok(leaves.map(|(key, value)| Leaf { key, value, origin }))
}

/// The leaf of an entry of `storage`.
pub(crate) fn of_slot(key: &[u8], value: &[u8]) -> Result<Leaf, StoreError> {
    let column = Column::Storage;
    let tree_key = layout::tree_key(key)
        .ok_or_else(|| StoreError::value(column, format!("key of {} bytes", key.len())))?;
    let (value, slot) = layout::decode_slot_entry(column, value)?;
    Ok(Leaf { key: tree_key, value: slot_value(&value), origin: Origin::Slot(slot) })
}

/// The stems of a code, each with the group of chunks that lies under it. Groups of zeros have none.
pub(crate) fn code_stems(hash: &B256, code: &[u8]) -> Vec<(B256, CodeGroup)> {
    let size = u32::try_from(code.len()).expect("codes are short");
    let leaves = code_leaves(hash, code);
    let groups = size.div_ceil(CHUNK_BYTES * GROUP_CHUNKS);
    let stems = (0..groups).map(|group| {
        let first = TreeKey::code_chunk(hash, group * GROUP_CHUNKS);
        (B256::from_slice(&first.as_slice()[1..33]), CodeGroup { code: *hash, size, group })
    });
    stems
        .filter(|(stem, _)| leaves.iter().any(|(key, _)| key.as_slice()[1..33] == **stem))
        .collect()
}

type Entry = (Vec<u8>, Vec<u8>);

/// The entries of a column as they were after one block, in key order.
struct Cursor<'a> {
    current: DBRawIteratorWithThreadMode<'a, DB>,
    /// What later blocks changed; `None` when there are none.
    history: Option<DBRawIteratorWithThreadMode<'a, DB>>,
    height: u64,
    column: Column,
}

impl Cursor<'_> {
    fn seek(&mut self, key: &[u8]) {
        self.current.seek(key);
        if let Some(history) = &mut self.history {
            history.seek(key);
        }
    }

    /// Goes behind `key`, at which it stands.
    fn leave(&mut self, key: &[u8]) {
        if self.current.key() == Some(key) {
            self.current.next();
        }
        if let Some(history) = &mut self.history
            && history.key().is_some_and(|found| state_key(found) == key)
        {
            history.seek(layout::history_key(key, u64::MAX));
            if history.key().is_some_and(|found| state_key(found) == key) {
                history.next();
            }
        }
    }

    /// The entry where it stands, or the next one that was there at the height.
    fn item(&mut self) -> Result<Option<Entry>, StoreError> {
        loop {
            let failed = |e: rocksdb::Error| StoreError::database("scan", &e);
            self.current.status().map_err(failed)?;
            let current = self.current.item();
            let Some(history) = &mut self.history else {
                return Ok(current.map(|(key, value)| (key.to_vec(), value.to_vec())));
            };
            history.status().map_err(failed)?;
            let changed = history
                .item()
                .filter(|(changed, _)| current.is_none_or(|(key, _)| state_key(changed) <= key));
            let Some((changed, before)) = changed else {
                return Ok(current.map(|(key, value)| (key.to_vec(), value.to_vec())));
            };
            let key = state_key(changed).to_vec();
            if layout::height_at_end(self.column, changed)? <= self.height {
                // Older changes; the first later one, if any, has the answer.
                history.seek(layout::history_key(&key, self.height + 1));
                continue;
            }
            if before.is_empty() {
                self.leave(&key);
                continue;
            }
            return Ok(Some((key, before.to_vec())));
        }
    }

    /// The next entry of a slot below 64.
    fn header_item(&mut self) -> Result<Option<Entry>, StoreError> {
        while let Some((key, value)) = self.item()? {
            if key.get(32) == Some(&HEADER) {
                return Ok(Some((key, value)));
            }
            let Some(next) = after_account(&key) else { return Ok(None) };
            self.seek(&next);
        }
        Ok(None)
    }
}

/// A key of a history without its height.
fn state_key(history: &[u8]) -> &[u8] {
    &history[..history.len().saturating_sub(8)]
}

/// The lowest key of any account above the one of this storage key.
fn after_account(key: &[u8]) -> Option<Vec<u8>> {
    let mut next = key.get(..32)?.to_vec();
    while let Some(last) = next.pop() {
        if last < u8::MAX {
            next.push(last + 1);
            return Some(next);
        }
    }
    None
}

/// What a tree reads when it needs what it does not hold: the flat state after one block.
#[derive(Clone)]
pub(crate) struct FlatLeaves {
    pub(crate) database: Arc<Database>,
    pub(crate) height: u64,
}

impl std::fmt::Debug for FlatLeaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlatLeaves").field("height", &self.height).finish_non_exhaustive()
    }
}

impl LeafSource for FlatLeaves {
    fn leaves_from(
        &self,
        first: &TreeKey,
        count: usize,
    ) -> Result<Vec<(TreeKey, B256)>, StateError> {
        let leaves = Leaves::at(&self.database, self.height);
        let mut found = Vec::with_capacity(count);
        let account = &first.as_slice()[..33];
        leaves.visit(first, &mut |leaf| {
            if account[0] == STORAGE && leaf.key.as_slice()[..33] != *account {
                return Ok(false);
            }
            found.push((leaf.key, leaf.value));
            Ok(found.len() < count)
        })?;
        leaves.finish()?;
        Ok(found)
    }
}
