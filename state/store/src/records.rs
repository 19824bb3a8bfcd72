//! The room that records take, and which of them go when it is more than they may have.
//!
//! Bytes are those of the encoded values, before the disk compresses them: a function of the blocks and of what is recorded of
//! them, equal on every disk.

use crate::StoreError;
use crate::columns::Column;
use crate::database::Database;
use crate::layout;
use crate::retention::{Keep, Kept, Oldest, Retention};

/// What is dropped at once is a part of the room, so that not every block has some dropped.
const STEP_PARTS: u64 = 100;

/// Bytes of the record of one block.
fn of_block(database: &Database, height: u64) -> Result<u64, StoreError> {
    let key = height.to_be_bytes();
    let mut bytes = 0;
    for column in Kept::Records.columns() {
        bytes += database.get(*column, &key)?.map_or(0, |value| value.len() as u64);
    }
    Ok(bytes)
}

/// Bytes of the records of the blocks from one height to below another.
pub(crate) fn between(database: &Database, from: u64, to: u64) -> Result<u64, StoreError> {
    (from.max(1)..to).try_fold(0, |sum, height| Ok(sum + of_block(database, height)?))
}

/// Bytes of all records as they were counted, if they were.
pub(crate) fn counted(database: &Database) -> Result<Option<u64>, StoreError> {
    let decode = |bytes: &[u8]| layout::decode_number(Column::Meta, bytes).map(u64::from_be_bytes);
    database.get_as(Column::Meta, layout::META_RECORD_BYTES, decode)
}

/// Bytes of all records up to the head. They are counted now where an older program did not.
pub(crate) fn total(database: &Database, head: u64) -> Result<u64, StoreError> {
    match counted(database)? {
        Some(bytes) => Ok(bytes),
        None => between(database, database.horizon().oldest().of(Kept::Records), head + 1),
    }
}

/// Moves the oldest height of records up to where what is left has its room. The newest record stays. `exact` leaves no more
/// room free than it must.
pub(crate) fn bound(
    database: &Database,
    retention: &Retention,
    head: u64,
    oldest: &mut Oldest,
    exact: bool,
) -> Result<(), StoreError> {
    let Some(room) = retention.records_bytes else { return Ok(()) };
    // For ever means for ever.
    if retention.records == Keep::All {
        return Ok(());
    }
    let mut left = total(database, head)?;
    if left <= room {
        return Ok(());
    }
    let wanted = if exact { room } else { room - room / STEP_PARTS };
    let mut height = database.horizon().oldest().of(Kept::Records).max(1);
    while left > wanted && height < head {
        left = left.saturating_sub(of_block(database, height)?);
        height += 1;
    }
    if height > oldest.of(Kept::Records).max(1) {
        oldest.set(Kept::Records, height);
    }
    Ok(())
}
