//! Gossips this node's own transactions in batches.

use super::Network;
use super::inbound::BATCH_MAX;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use weft_p2p::{Command, Handle, Topic};
use weft_types::RecoveredTransaction;
use weft_types::transaction::encode_transaction;

/// Longest time that a transaction waits for others to share a message.
const BATCH_WAIT: Duration = Duration::from_millis(5);
/// A batch is sent when it is this large, in bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// Transactions that stay in the pool are sent again after this time: a peer may have been away. What
/// has waited for too long is dropped.
const REPEAT_AFTER: Duration = Duration::from_secs(30);
/// Most transactions sent again at once.
const REPEAT_MAX: usize = 1024;

/// The transactions of one request, which the pool holds too.
type Submitted = Vec<Arc<RecoveredTransaction>>;

/// Runs until every sender is gone.
pub(super) async fn run(network: Network, mut waiting: Receiver<Submitted>) {
    let mut repeat =
        tokio::time::interval_at(tokio::time::Instant::now() + REPEAT_AFTER, REPEAT_AFTER);
    let started = std::time::Instant::now();
    loop {
        tokio::select! {
            first = waiting.recv() => match first {
                Some(first) => {
                    let batch = fill(first, &mut waiting).await;
                    for chunk in batch.chunks(BATCH_MAX) {
                        publish(&network, chunk);
                    }
                }
                None => return,
            },
            _ = repeat.tick() => {
                network.inner.pool.expire(started.elapsed().as_secs());
                repeat_pending(&network);
            }
        }
    }
}

/// Hands commands to the network in their order. The driver's thread cannot wait for it itself.
pub(super) async fn forward(handle: Handle, mut queue: Receiver<Command>) {
    while let Some(command) = queue.recv().await {
        if let Err(error) = handle.send(command).await {
            tracing::debug!(%error, "not sent");
        }
    }
}

/// Encoded transactions of this request, and of those that follow it closely.
async fn fill(first: Submitted, waiting: &mut Receiver<Submitted>) -> Vec<Vec<u8>> {
    let deadline = tokio::time::Instant::now() + BATCH_WAIT;
    let mut batch = Vec::new();
    let mut next = first;
    loop {
        let encode = |tx: Arc<RecoveredTransaction>| encode_transaction(tx.inner()).to_vec();
        batch.extend(next.into_iter().map(encode));
        let bytes: usize = batch.iter().map(Vec::len).sum();
        if batch.len() >= BATCH_MAX || bytes >= BATCH_BYTES {
            return batch;
        }
        match tokio::time::timeout_at(deadline, waiting.recv()).await {
            Ok(Some(more)) => next = more,
            Ok(None) | Err(_) => return batch,
        }
    }
}

/// Publishes a batch; one that is too large for a message goes out in two.
fn publish(network: &Network, batch: &[Vec<u8>]) {
    let data = borsh::to_vec(batch).expect("writing to memory cannot fail");
    if data.len() > Topic::Transactions.size_bytes_max() && batch.len() > 1 {
        let (left, right) = batch.split_at(batch.len() / 2);
        publish(network, left);
        publish(network, right);
        return;
    }
    network.publish(Topic::Transactions, data);
}

fn repeat_pending(network: &Network) {
    let pool = &network.inner.pool;
    let next = network.inner.store.head().block.height().0 + 1;
    let mut batch: Vec<Vec<u8>> =
        pool.commands().best(next).iter().map(weft_types::Command::encode).collect();
    for hash in pool.ready_hashes().into_iter().take(REPEAT_MAX) {
        if let Some(transaction) = pool.get(&hash) {
            batch.push(encode_transaction(transaction.inner()).to_vec());
        }
    }
    for chunk in batch.chunks(BATCH_MAX) {
        publish(network, chunk);
    }
}
