//! Batches that only send transactions, carried out as one piece of work.
//!
//! Programs that send much send batches. Answered call by call, each transaction would change threads twice, which costs as
//! much as recovering its sender.

use crate::context::{Context, Work};
use crate::error::Failure;
use crate::params::Args;
use alloy_primitives::{B256, Bytes};
use jsonrpsee::BatchResponseBuilder;
use jsonrpsee::core::middleware::{Batch, BatchEntry};
use jsonrpsee::server::{MethodResponse, ResponsePayload};
use jsonrpsee::types::{ErrorObjectOwned, Id, Params};
use std::sync::Arc;
use weft_pool::{Origin, PoolError};
use weft_types::RecoveredTransaction;
use weft_types::transaction::decode_transaction;

/// The method that such a batch consists of.
const METHOD: &str = "eth_sendRawTransaction";

/// One call of the batch.
struct Call {
    id: Id<'static>,
    /// The parameters as they came.
    params: Option<Box<str>>,
}

/// The calls of a batch that does nothing but send transactions.
pub(crate) struct Submissions(Vec<Call>);

impl Submissions {
    /// `None` when the batch has anything else in it, or is too small to gain from it.
    pub(crate) fn of(batch: &Batch<'_>) -> Option<Self> {
        if batch.len() < 2 {
            return None;
        }
        let calls = batch.iter().map(|entry| match entry {
            Ok(BatchEntry::Call(call)) if call.method_name() == METHOD => {
                let params = call.params.as_ref().map(|params| params.get().into());
                Some(Call { id: call.id().clone().into_owned(), params })
            }
            _ => None,
        });
        calls.collect::<Option<Vec<Call>>>().map(Self)
    }

    /// Decodes, recovers and admits all of them in their order, and answers each.
    pub(crate) async fn run(self, context: Arc<Context>) -> MethodResponse {
        let worker = Arc::clone(&context);
        let calls = self.0;
        let first = calls.first().map_or(Id::Null, |call| call.id.clone());
        match context.run(Work::Submit, move || answer(&worker, calls)).await {
            Ok(response) => response,
            Err(failure) => MethodResponse::error(first, ErrorObjectOwned::from(failure)),
        }
    }
}

fn answer(context: &Context, calls: Vec<Call>) -> MethodResponse {
    let results = submit(context, calls.iter().map(|call| raw(call.params.as_deref())).collect());
    let response_bytes_max = context.config.response_bytes_max as usize;
    let mut batch = BatchResponseBuilder::new_with_limit(response_bytes_max);
    for (call, result) in calls.into_iter().zip(results) {
        let response = match result {
            Ok(sent) => {
                let payload = ResponsePayload::success(sent.hash);
                MethodResponse::response(call.id, payload, response_bytes_max)
            }
            Err(failure) => MethodResponse::error(call.id, ErrorObjectOwned::from(failure)),
        };
        if let Err(too_large) = batch.append(response) {
            return too_large;
        }
    }
    MethodResponse::from_batch(batch.finish())
}

/// What the pool did with a transaction.
pub(crate) struct Sent {
    pub(crate) hash: B256,
    /// It can be included in the next block.
    pub(crate) ready: bool,
}

/// Decodes, recovers and admits transactions; then tells the node about those that are new, all at once.
pub(crate) fn submit(
    context: &Context,
    raw: Vec<Result<Bytes, Failure>>,
) -> Vec<Result<Sent, Failure>> {
    let backend = &context.backend;
    let head = backend.store.head();
    // Recovering is the costly part: what is held already is not recovered again.
    let recover = |raw: Result<Bytes, Failure>| -> Result<RecoveredTransaction, Failure> {
        let transaction = decode_transaction(&raw?)?;
        let hash = *transaction.tx_hash();
        if backend.pool.contains(&hash) {
            return Err(PoolError::AlreadyKnown { hash }.into());
        }
        Ok(backend.pool.recover(transaction)?)
    };
    let (mut recovered, mut failures) = (Vec::with_capacity(raw.len()), Vec::new());
    for (place, raw) in raw.into_iter().enumerate() {
        match recover(raw) {
            Ok(transaction) => recovered.push(transaction),
            Err(failure) => failures.push((place, failure)),
        }
    }
    let header = head.block.header();
    let mut new = Vec::with_capacity(recovered.len());
    let admitted = backend.pool.admit_all(recovered, Origin::Rpc, &*head.state, header);
    let mut results: Vec<Result<Sent, Failure>> = Vec::with_capacity(admitted.len());
    results.extend(admitted.into_iter().map(|admitted| {
        let admitted = admitted?;
        new.push(admitted.transaction);
        Ok(Sent { hash: admitted.hash, ready: admitted.ready })
    }));
    // In ascending places, so that each finds those before it in theirs.
    for (place, failure) in failures {
        results.insert(place, Err(failure));
    }
    if !new.is_empty() {
        backend.submitted(new);
    }
    results
}

/// The bytes that a call wants to send.
fn raw(params: Option<&str>) -> Result<Bytes, Failure> {
    Args::new(&Params::new(params), 1)?.required("transaction")
}
