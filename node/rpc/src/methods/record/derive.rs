//! Where access records come from: the store, or an execution of the block long after it was committed.

use crate::context::Context;
use crate::error::Failure;
use crate::methods::bounded::Patience;
use crate::methods::replay::Replay;
use std::sync::Arc;
use weft_evm::RecordLevel;
use weft_store::{Kept, StoreError};
use weft_types::AccessRecord;

/// Who read and wrote what in the block at a height that is not above the head: as it was stored, else derived. `None` when it
/// was committed without and this node keeps no records.
///
/// # Errors
/// [`Failure::Pruned`] when neither the record nor the state before the block is kept; [`Failure::Limit`] when it cannot be
/// derived before the `patience` is over.
pub(super) fn access_record(
    context: &Context,
    height: u64,
    patience: &Patience,
) -> Result<Option<Arc<AccessRecord>>, Failure> {
    let stored = context.backend.store.access_record(height);
    if context.config.record_level == RecordLevel::Off || height == 0 {
        return Ok(stored?.map(Arc::new));
    }
    match stored {
        Ok(Some(record)) => return Ok(Some(Arc::new(record))),
        Ok(None) | Err(StoreError::Pruned { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let derived = context.backend.derived.of(height, patience.left(), |executor| {
        Replay::access_record(context, height, executor, patience)
    });
    match derived {
        Some(Ok(record)) => Ok(Some(record)),
        Some(Err(Failure::Pruned { oldest, .. })) => Err(Failure::Pruned {
            what: "access record (and the state that it is derived from)",
            height,
            oldest: oldest.saturating_add(1),
        }),
        Some(Err(error)) if patience.over().is_none() => Err(error),
        None | Some(Err(_)) => {
            let limit = context.config.record_timeout_ms;
            let reason = format!(
                "deriving the access record of block {height} did not end within {limit} ms; ask again, or for fewer blocks"
            );
            Err(Failure::Limit { reason })
        }
    }
}

/// The oldest block whose access record can be had: where records are kept at all, a state is enough.
pub(super) fn oldest(context: &Context) -> u64 {
    let oldest = context.backend.store.oldest();
    let stored = oldest.of(Kept::Records);
    let derived = match oldest.of(Kept::History) {
        0 => 0,
        state => state.saturating_add(1),
    };
    match context.config.record_level {
        RecordLevel::Off => stored,
        RecordLevel::Counts => derived,
        RecordLevel::Full => stored.min(derived),
    }
}
