//! Opening a data directory: ours, of this chain, and undamaged, or not at all.

use crate::columns::{Column, database_options, descriptors};
use crate::database::Database;
use crate::layout::{self, HeadRecord};
use crate::{GenesisState, StoreError, StoreOptions, rebuild};
use alloy_primitives::B256;
use rocksdb::{DB, Options};
use std::path::Path;
use weft_commitment::Tree;

/// Opens or creates the database; returns it with its head and the tree of the head's state, which
/// is the one that the flat state has.
pub(crate) fn open(
    path: &Path,
    genesis: GenesisState<'_>,
    options: &StoreOptions,
) -> Result<(Database, HeadRecord, Tree), StoreError> {
    let names = existing_columns(path)?;
    let mut rocks = open_rocks(path, &names, options)?;
    let fresh = is_fresh(&rocks)?;
    if fresh && !names.is_empty() {
        // A creation was interrupted, or this is a database of somebody else.
        if let Some(name) = names.iter().find(|name| !is_ours(name)) {
            let what = format!("column family {name} is not one of this program");
            return Err(StoreError::Damaged { what });
        }
        drop(rocks);
        rocks = open_rocks(path, &[], options)?;
    }
    if let Some(column) = Column::ALL.iter().find(|c| rocks.cf_handle(c.name()).is_none()) {
        let what = format!("column family {} is missing", column.name());
        return Err(StoreError::Damaged { what });
    }
    let database = Database::new(rocks, options.sync);
    if fresh {
        genesis.tree()?;
        database.write_block(0, genesis.batch(&database))?;
    } else {
        check_genesis(&database, genesis)?;
    }
    let (head, tree) = rebuild::verified_tree(&database)?;
    database.opened_at(head.height);
    Ok((database, head, tree))
}

/// Names of the column families on disk, also those of other versions; none for a new directory.
fn existing_columns(path: &Path) -> Result<Vec<String>, StoreError> {
    if !path.join("CURRENT").exists() {
        return Ok(Vec::new());
    }
    DB::list_cf(&Options::default(), path).map_err(|e| StoreError::database("open", &e))
}

/// Opens the column families given, or creates those of this version when none are.
fn open_rocks(path: &Path, names: &[String], options: &StoreOptions) -> Result<DB, StoreError> {
    let mut database = database_options(options);
    let create = names.is_empty();
    database.create_if_missing(create);
    database.create_missing_column_families(create);
    let names: Vec<&str> = match create {
        true => Column::ALL.map(Column::name).to_vec(),
        false => names.iter().map(String::as_str).collect(),
    };
    let columns = descriptors(names, options);
    DB::open_cf_descriptors(&database, path, columns).map_err(|error| {
        if is_lock(&error) {
            StoreError::Locked { path: path.to_path_buf() }
        } else {
            StoreError::database("open", &error)
        }
    })
}

/// RocksDB reports a held lock as an I/O error that only its text tells from others: "lock hold by
/// current process" or "While lock file: …/LOCK: Resource temporarily unavailable".
fn is_lock(error: &rocksdb::Error) -> bool {
    let text: &str = error.as_ref();
    error.kind() == rocksdb::ErrorKind::IOError
        && (text.contains("lock hold by current process") || text.contains("While lock file"))
}

/// Whether nothing was ever committed: a new directory, or one whose creation was interrupted. A
/// schema of another version is refused here, before anything is written.
fn is_fresh(rocks: &DB) -> Result<bool, StoreError> {
    let Some(meta) = rocks.cf_handle(Column::Meta.name()) else {
        return Ok(true);
    };
    let schema = rocks.get_pinned_cf(meta, layout::META_SCHEMA);
    let Some(schema) = schema.map_err(|e| StoreError::database("read", &e))? else {
        return Ok(true);
    };
    let found = u32::from_be_bytes(layout::decode_number(Column::Meta, &schema)?);
    if found != layout::SCHEMA {
        return Err(StoreError::Schema { expected: layout::SCHEMA, found });
    }
    Ok(false)
}

fn is_ours(name: &str) -> bool {
    name == rocksdb::DEFAULT_COLUMN_FAMILY_NAME || Column::ALL.iter().any(|c| c.name() == name)
}

fn check_genesis(database: &Database, genesis: GenesisState<'_>) -> Result<(), StoreError> {
    let expected = genesis.block.hash();
    let found = database
        .get_as(Column::Meta, layout::META_GENESIS, |bytes| {
            layout::decode_number(Column::Meta, bytes).map(B256::new)
        })?
        .ok_or_else(|| StoreError::value(Column::Meta, "no genesis"))?;
    if found != expected {
        return Err(StoreError::WrongGenesis { expected, found });
    }
    Ok(())
}
