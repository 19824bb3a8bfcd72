//! What is in the pool, in geth's shapes: `pending` can go into the next block, `queued` waits for a
//! nonce, a lower base fee or funds.

use super::{Module, blocking, quick};
use crate::context::{Context, Work};
use crate::convert::{RpcTransaction, pending_transaction};
use crate::error::Failure;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, TxKind, U64};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use weft_types::RecoveredTransaction;
use weft_types::header::next_base_fee;

/// Transactions of one sender by nonce, in decimal.
type ByNonce<T> = BTreeMap<Nonce, T>;

/// The two halves of the pool.
#[derive(Serialize)]
struct Content<T> {
    pending: T,
    queued: T,
}

/// A nonce as a key: ordered as a number, written in decimal.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Nonce(u64);

impl Serialize for Nonce {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An address as a key, with its checksum.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sender(Address);

impl Serialize for Sender {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

pub(super) fn register(module: &mut Module) {
    quick(module, "txpool_status", 0, |context, _| {
        let status = context.backend.pool.status();
        Ok(json!({
            "pending": U64::from(status.ready as u64),
            "queued": U64::from(status.queued as u64),
        }))
    });
    blocking(module, "txpool_content", 0, Work::Call, |context, _| {
        let object = objects(context);
        Ok(everything(context, |transaction| object(transaction)))
    });
    blocking(module, "txpool_inspect", 0, Work::Call, |context, _| {
        Ok(everything(context, summary))
    });
    blocking(module, "txpool_contentFrom", 1, Work::Read, |context, args| {
        let sender: Address = args.required("address")?;
        let content = context.backend.pool.content_from(&sender);
        let object = objects(context);
        let of = |half: &[Arc<RecoveredTransaction>]| by_nonce(half, |tx| object(tx));
        Ok::<_, Failure>(Content { pending: of(&content.ready), queued: of(&content.queued) })
    });
}

fn objects(context: &Context) -> impl Fn(&RecoveredTransaction) -> RpcTransaction {
    let base_fee = next_base_fee(context.backend.store.head().block.header());
    move |transaction| pending_transaction(transaction, Some(base_fee))
}

fn everything<T>(
    context: &Context,
    show: impl Fn(&RecoveredTransaction) -> T,
) -> Content<BTreeMap<Sender, ByNonce<T>>> {
    let mut content = Content { pending: BTreeMap::new(), queued: BTreeMap::new() };
    for (sender, held) in context.backend.pool.content() {
        let halves = [(&mut content.pending, held.ready), (&mut content.queued, held.queued)];
        for (half, transactions) in halves {
            if !transactions.is_empty() {
                half.insert(Sender(sender), by_nonce(&transactions, &show));
            }
        }
    }
    content
}

fn by_nonce<T>(
    transactions: &[Arc<RecoveredTransaction>],
    show: impl Fn(&RecoveredTransaction) -> T,
) -> ByNonce<T> {
    transactions.iter().map(|transaction| (Nonce(transaction.nonce()), show(transaction))).collect()
}

/// One line for people.
fn summary(transaction: &RecoveredTransaction) -> String {
    let (value, gas) = (transaction.value(), transaction.gas_limit());
    let price = transaction.max_fee_per_gas();
    let to = match transaction.kind() {
        TxKind::Call(to) => to.to_string(),
        TxKind::Create => "contract creation".to_owned(),
    };
    format!("{to}: {value} wei + {gas} gas × {price} wei")
}
