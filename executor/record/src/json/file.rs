//! A record as a file: everything that the page, the command line and other programs show of one block.
//!
//! ```text
//! { "format": "weft-record-1",
//!   "source":        where the block is from, in words
//!   "record":        weft_getBlockRecord with columns, and with the hash of each transaction
//!   "criticalPath":  weft_getCriticalPath
//!   "conflicts":     weft_getConflicts
//!   "advice":        weft_getAdvice
//!   "transactions":  weft_getTransactionRecord of each; null for large blocks }
//! ```

use super::transaction::{Whole, before, of_whole};
use super::{Recorded, advice, conflicts, critical_path, page};
use crate::names::{Namer, Registry};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weft_types::TxIndex;

/// What a file says of its form. Another form has another number.
pub const FORMAT: &str = "weft-record-1";

/// Transactions of a block up to which a file has what each of them read and wrote.
pub const TRANSACTIONS_MAX: usize = 2000;

/// Transactions that share one bound of hashes for names.
const NAMED_TOGETHER: usize = 128;

/// Conflicts that a file has.
const CONFLICTS_MAX: usize = 500;

/// The file of a block. `source` says where the block is from.
#[must_use]
pub fn file(recorded: &Recorded<'_>, registry: &Registry, source: &str) -> Value {
    let mut record = page(recorded, registry);
    let hashes: Vec<_> = recorded.block.transactions.iter().map(|tx| tx.tx_hash()).collect();
    record["deterministic"]["columns"]["hashes"] = json!(hashes);
    let conflicts = conflicts(recorded, registry, CONFLICTS_MAX, |_| true);
    let conflicts: Vec<Value> = conflicts.into_iter().map(|(_, value)| value).collect();
    json!({
        "format": FORMAT,
        "source": source,
        "record": record,
        "criticalPath": critical_path(recorded, registry),
        "conflicts": conflicts,
        "advice": advice(recorded, registry),
        "transactions": transactions(recorded, registry),
    })
}

fn transactions(recorded: &Recorded<'_>, registry: &Registry) -> Value {
    let count = recorded.block.len();
    if count > TRANSACTIONS_MAX {
        return Value::Null;
    }
    let whole = Whole::new(recorded);
    let mut after = vec![BTreeMap::new(); count];
    for reader in (0..count as u32).map(TxIndex) {
        for (writer, locations) in before(recorded, reader) {
            after[writer.0 as usize].insert(reader, locations);
        }
    }
    let places: Vec<TxIndex> = (0..count as u32).map(TxIndex).collect();
    let named = places.chunks(NAMED_TOGETHER).flat_map(|places| {
        let mut namer = Namer::new(registry, recorded.block);
        let of = |index: &TxIndex| {
            of_whole(recorded, &whole, *index, &after[index.0 as usize], &mut namer)
        };
        places.iter().map(of).collect::<Vec<Value>>()
    });
    named.collect()
}
