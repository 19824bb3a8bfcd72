//! `weft_getTransactionStatus`: what became of a transaction, and what it waits for.
//!
//! | status | with |
//! |---|---|
//! | `unknown` | this node has never seen it, or forgot it (it remembers 100,000 drops, since its start) |
//! | `queued` | `reason` in words, and one of `missingNonce`; `nonce`, `maxFeePerGas`, `baseFeePerGas`; `nonce`, `have`, `want` |
//! | `pending` | `position`: how many of the pool come before it, or `null` when it is far back |
//! | `dropped` | `reason`, and `at`: the newest block when it was dropped |
//! | `included` | `blockNumber`, `blockHash`, `index`, and `incarnations`: how often this node executed it, or `null` when that was not noted |

use super::{Module, blocking};
use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Args;
use alloy_primitives::{B256, U64, U128};
use serde_json::{Value, json};
use weft_pool::{Standing, Waiting};
use weft_types::TxIndex;

pub(super) fn register(module: &mut Module) {
    blocking(module, "weft_getTransactionStatus", 1, Work::Read, status);
}

fn status(context: &Context, args: &mut Args<'_>) -> Result<Value, Failure> {
    let hash: B256 = args.required("hash")?;
    let pool = &context.backend.pool;
    // The pool first: a transaction leaves it only after its block is readable.
    let standing = pool.standing(&hash);
    if let Some((height, index)) = context.backend.store.transaction_location(&hash)? {
        return included(context, height, index);
    }
    Ok(match standing {
        None => json!({ "status": "unknown" }),
        Some(Standing::Ready) => {
            let position = pool.position(&hash).map(|place| U64::from(place as u64));
            json!({ "status": "pending", "position": position })
        }
        Some(Standing::Queued(waiting)) => queued(&waiting),
        Some(Standing::Dropped { reason, at }) => {
            json!({ "status": "dropped", "reason": reason, "at": U64::from(at) })
        }
    })
}

fn queued(waiting: &Waiting) -> Value {
    let mut answer = match waiting {
        Waiting::Nonce { missing } => json!({ "missingNonce": U64::from(*missing) }),
        Waiting::Fee { nonce, max_fee, base_fee } => json!({
            "nonce": U64::from(*nonce),
            "maxFeePerGas": U128::from(*max_fee),
            "baseFeePerGas": U64::from(*base_fee),
        }),
        Waiting::Funds { nonce, have, want } => {
            json!({ "nonce": U64::from(*nonce), "have": have, "want": want })
        }
    };
    answer["status"] = json!("queued");
    answer["reason"] = json!(waiting.to_string());
    answer
}

fn included(context: &Context, height: u64, index: TxIndex) -> Result<Value, Failure> {
    let store = &context.backend.store;
    let incarnations = store.profile(height)?.and_then(|profile| {
        let own = profile.incarnations.iter().filter(|run| run.index == index).count();
        // Every settled transaction ran at least once: none means that they were not noted.
        (own > 0).then(|| U64::from(own as u64))
    });
    Ok(json!({
        "status": "included",
        "blockNumber": U64::from(height),
        "blockHash": store.hash_of(height)?,
        "index": U64::from(u64::from(index.0)),
        "incarnations": incarnations,
    }))
}
