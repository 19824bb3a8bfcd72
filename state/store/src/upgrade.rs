//! From an older layout to this one. Each step can be interrupted: it is done again at the next
//! opening until the schema says that it is complete.

use crate::columns::Column;
use crate::database::Database;
use crate::leaves::code_stems;
use crate::{StoreError, addresses, layout, logs, store};
use alloy_primitives::keccak256;
use rocksdb::{IteratorMode, WriteBatch};

/// Blocks whose entries are written at once.
const BLOCKS_AT_ONCE: u64 = 1000;

/// Schema 2 to 3: the index of the addresses of all blocks.
pub(crate) fn add_addresses(database: &Database) -> Result<(), StoreError> {
    let head = database
        .get_as(Column::Meta, layout::META_HEAD, layout::decode_head)?
        .ok_or_else(|| StoreError::value(Column::Meta, "no head"))?;
    tracing::info!(blocks = head.height, "upgrading the database: indexing addresses");
    let mut batch = WriteBatch::default();
    for height in 1..=head.height {
        // A synced node has only the headers of the blocks before its anchor, and of most not even those.
        if database.get(Column::Bodies, &height.to_be_bytes())?.is_none() {
            continue;
        }
        let Some(stored) = store::stored_block(database, height)? else { continue };
        let list = database.get(Column::AccessLists, &height.to_be_bytes())?;
        let list = list.as_deref().unwrap_or_default();
        let column = database.column(Column::AddressIndex);
        for tag in addresses::entries(&stored.block, &stored.senders, list) {
            batch.put_cf(column, addresses::key(&tag, height), []);
        }
        if height.is_multiple_of(BLOCKS_AT_ONCE) {
            database.write("upgrade", std::mem::take(&mut batch), false)?;
        }
    }
    let meta = database.column(Column::Meta);
    batch.put_cf(meta, layout::META_SCHEMA, layout::SCHEMA.to_be_bytes());
    database.write("upgrade", batch, true)
}

/// Schema 1 to 3: the index of the logs of all blocks, where the chunks of codes lie, and what schema 2 lacks.
pub(crate) fn add_indices(database: &Database) -> Result<(), StoreError> {
    let head = database
        .get_as(Column::Meta, layout::META_HEAD, layout::decode_head)?
        .ok_or_else(|| StoreError::value(Column::Meta, "no head"))?;
    tracing::info!(blocks = head.height, "upgrading the database: indexing logs");
    let column = database.column(Column::LogIndex);
    let mut batch = WriteBatch::default();
    for height in 1..=head.height {
        let key = height.to_be_bytes();
        let receipts = database.get_as(Column::Receipts, &key, layout::decode_receipts)?;
        for (tag, places) in logs::entries(&receipts.unwrap_or_default()) {
            batch.put_cf(column, logs::key(&tag, height), [places]);
        }
        if height.is_multiple_of(BLOCKS_AT_ONCE) {
            database.write("upgrade", std::mem::take(&mut batch), false)?;
        }
    }
    add_code_stems(database, &mut batch)?;
    database.write("upgrade", batch, false)?;
    add_addresses(database)
}

fn add_code_stems(database: &Database, batch: &mut WriteBatch) -> Result<(), StoreError> {
    let stems = database.column(Column::CodeStems);
    let codes = database.rocks().iterator_cf(database.column(Column::Code), IteratorMode::Start);
    for code in codes {
        let (_, code) = code.map_err(|e| StoreError::database("scan", &e))?;
        for (stem, group) in code_stems(&keccak256(&code), &code) {
            batch.put_cf(stems, stem, layout::encode_code_stem(&group, 0));
        }
    }
    Ok(())
}
