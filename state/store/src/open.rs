//! Opening a data directory: ours, of this chain, and undamaged, or not at all.

use crate::columns::{Column, database_options, descriptors};
use crate::database::Database;
use crate::layout::{self, HeadRecord};
use crate::retention::{Horizon, Oldest};
use crate::{GenesisState, StoreError, StoreOptions, upgrade};
use alloy_primitives::B256;
use rocksdb::{DB, InfoLogger, LogLevel, Options};
use std::path::Path;

/// Opens or creates the database; returns it with its head.
pub(crate) fn open(
    path: &Path,
    genesis: GenesisState<'_>,
    options: &StoreOptions,
    foreign: bool,
) -> Result<(Database, HeadRecord), StoreError> {
    let (mut database, fresh) = open_database(path, options)?;
    if fresh {
        database.set_foreign(foreign);
        let root = genesis.tree(foreign)?.root();
        database.write_block(0, genesis.batch(&database, root))?;
    } else {
        let schema = |foreign| if foreign { layout::SCHEMA_FOREIGN } else { layout::SCHEMA };
        if database.is_foreign() != foreign {
            let (expected, found) = (schema(foreign), schema(!foreign));
            return Err(StoreError::Schema { expected, found });
        }
        check_genesis(&database, genesis)?;
    }
    let head = database
        .get_as(Column::Meta, layout::META_HEAD, layout::decode_head)?
        .ok_or_else(|| StoreError::value(Column::Meta, "no head"))?;
    database.opened_at(head.height);
    Ok((database, head))
}

/// Opens or creates the database, and brings an older layout up to this one. Says whether it is new
/// and empty.
pub(crate) fn open_database(
    path: &Path,
    options: &StoreOptions,
) -> Result<(Database, bool), StoreError> {
    let names = existing_columns(path)?;
    let horizon = Horizon::default();
    let mut rocks = open_rocks(path, &names, Create::Nothing, options, &horizon)?;
    let layout = layout_of(&rocks)?;
    if layout == Layout::None && !names.is_empty() {
        // A creation was interrupted, or this is a database of somebody else.
        if let Some(name) = names.iter().find(|name| !is_ours(name)) {
            let what = format!("column family {name} is not one of this program");
            return Err(StoreError::Damaged { what });
        }
        drop(rocks);
        rocks = open_rocks(path, &[], Create::Columns, options, &horizon)?;
    }
    if matches!(layout, Layout::WithoutIndices | Layout::WithoutAddresses) {
        drop(rocks);
        rocks = open_rocks(path, &names, Create::Columns, options, &horizon)?;
    }
    if let Some(column) = Column::ALL.iter().find(|c| rocks.cf_handle(c.name()).is_none()) {
        let what = format!("column family {} is missing", column.name());
        return Err(StoreError::Damaged { what });
    }
    let mut database = Database::new(rocks, horizon, options.sync, options.faults);
    database.set_foreign(layout == Layout::Foreign);
    match layout {
        Layout::WithoutIndices => upgrade::add_indices(&database)?,
        Layout::WithoutAddresses => upgrade::add_addresses(&database)?,
        Layout::None | Layout::Current | Layout::Foreign => {}
    }
    let oldest = database.get_as(Column::Meta, layout::META_OLDEST, layout::decode_oldest)?;
    let oldest: Oldest = oldest.unwrap_or_default();
    database.horizon().announce(&oldest);
    database.horizon().release(&oldest);
    Ok((database, layout == Layout::None))
}

/// What a directory holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Nothing was ever committed: it is new, or its creation was interrupted.
    None,
    /// The first one.
    WithoutIndices,
    /// The one before this version's.
    WithoutAddresses,
    /// This version's.
    Current,
    /// This version's, with a chain of Ethereum.
    Foreign,
}

/// Whether column families that are not there are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Create {
    Nothing,
    Columns,
}

/// Names of the column families on disk, also those of other versions; none for a new directory.
fn existing_columns(path: &Path) -> Result<Vec<String>, StoreError> {
    if !path.join("CURRENT").exists() {
        return Ok(Vec::new());
    }
    DB::list_cf(&Options::default(), path).map_err(|e| StoreError::database("open", &e))
}

/// Opens the column families given. With none, or when asked to, makes those of this version.
fn open_rocks(
    path: &Path,
    names: &[String],
    create: Create,
    options: &StoreOptions,
    horizon: &Horizon,
) -> Result<DB, StoreError> {
    let mut database = database_options(options);
    let create = names.is_empty() || create == Create::Columns;
    database.create_if_missing(create);
    database.create_missing_column_families(create);
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    if create {
        let missing = Column::ALL.map(Column::name).into_iter().filter(|n| !names.contains(n));
        let missing: Vec<&str> = missing.collect();
        names.extend(missing);
    }
    let columns = descriptors(names, options, horizon);
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

/// What was committed so far. The schema of a newer version is refused here, before anything is
/// written.
fn layout_of(rocks: &DB) -> Result<Layout, StoreError> {
    let Some(meta) = rocks.cf_handle(Column::Meta.name()) else {
        return Ok(Layout::None);
    };
    let import = rocks.get_pinned_cf(meta, layout::META_IMPORT);
    if import.map_err(|e| StoreError::database("read", &e))?.is_some() {
        let what = "an import was not finished: remove the directory and begin anew".into();
        return Err(StoreError::Damaged { what });
    }
    let schema = rocks.get_pinned_cf(meta, layout::META_SCHEMA);
    let Some(schema) = schema.map_err(|e| StoreError::database("read", &e))? else {
        return Ok(Layout::None);
    };
    match u32::from_be_bytes(layout::decode_number(Column::Meta, &schema)?) {
        layout::SCHEMA => Ok(Layout::Current),
        layout::SCHEMA_FOREIGN => Ok(Layout::Foreign),
        layout::SCHEMA_WITHOUT_LOG_INDEX => Ok(Layout::WithoutIndices),
        layout::SCHEMA_WITHOUT_ADDRESS_INDEX => Ok(Layout::WithoutAddresses),
        found => Err(StoreError::Schema { expected: layout::SCHEMA, found }),
    }
}

fn is_ours(name: &str) -> bool {
    name == rocksdb::DEFAULT_COLUMN_FAMILY_NAME || Column::ALL.iter().any(|c| c.name() == name)
}

fn check_genesis(database: &Database, genesis: GenesisState<'_>) -> Result<(), StoreError> {
    let (expected, found) = (genesis.block.hash(), stored_genesis(database)?);
    if found != expected {
        return Err(StoreError::WrongGenesis { expected, found });
    }
    Ok(())
}

/// Hash of the genesis block that the database belongs to.
pub(crate) fn stored_genesis(database: &Database) -> Result<B256, StoreError> {
    database
        .get_as(Column::Meta, layout::META_GENESIS, |bytes| {
            layout::decode_number(Column::Meta, bytes).map(B256::new)
        })?
        .ok_or_else(|| StoreError::value(Column::Meta, "no genesis"))
}

/// What a directory says about itself.
pub(crate) struct Facts {
    pub(crate) schema: u32,
    pub(crate) genesis: B256,
    pub(crate) head: HeadRecord,
    /// Borsh of the head's certificate; empty at genesis.
    pub(crate) certificate: Vec<u8>,
}

/// Reads what a directory says about itself, without locking or changing anything; `None` when
/// nothing was ever committed.
pub(crate) fn read_facts(path: &Path) -> Result<Option<Facts>, StoreError> {
    let mut options = Options::default();
    leave_no_log(&mut options);
    // As the database was written: RocksDB 11.8 follows a null pointer when a directory whose logs
    // are tracked is opened for reading without it.
    options.set_track_and_verify_wals_in_manifest(true);
    let names = [Column::Meta.name(), Column::Certificates.name()];
    let rocks = DB::open_cf_for_read_only(&options, path, names, false)
        .map_err(|e| StoreError::database("open", &e))?;
    let get = |column: Column, key: &[u8]| {
        let handle = rocks.cf_handle(column.name()).expect("opened with this name");
        rocks.get_cf(handle, key).map_err(|e| StoreError::database("read", &e))
    };
    let [schema, genesis, head] = [layout::META_SCHEMA, layout::META_GENESIS, layout::META_HEAD]
        .map(|key| get(Column::Meta, key));
    let (Some(schema), Some(genesis), Some(head)) = (schema?, genesis?, head?) else {
        return Ok(None);
    };
    let head = layout::decode_head(&head)?;
    Ok(Some(Facts {
        schema: u32::from_be_bytes(layout::decode_number(Column::Meta, &schema)?),
        genesis: B256::new(layout::decode_number(Column::Meta, &genesis)?),
        certificate: get(Column::Certificates, &head.height.to_be_bytes())?.unwrap_or_default(),
        head,
    }))
}

/// RocksDB writes its log into the directory otherwise, also when it only reads.
pub(crate) fn leave_no_log(options: &mut Options) {
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| ()));
}
