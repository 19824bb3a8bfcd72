//! Answers what peers ask.

use super::Network;
use crate::driver::SyncBlock;
use alloy_rlp::Encodable;
use libp2p::PeerId;
use std::sync::Arc;
use std::time::Duration;
use weft_p2p::limits::{
    BLOCKS_PER_REQUEST_MAX, BLOCKS_RESPONSE_BYTES_MAX, PARTS_RESPONSE_BYTES_MAX,
    TRANSACTIONS_RESPONSE_BYTES_MAX,
};
use weft_p2p::{Command, Request, RequestToken, Response};
use weft_store::StoreError;
use weft_types::block::BlockBody;
use weft_types::transaction::encode_transaction;
use weft_types::{B256, Block, Bytes};

/// Requests answered at the same time: one may read a block of the largest size.
pub(super) const ANSWERS_CONCURRENT: usize = 4;
/// A peer that asked this long ago does not wait any more.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

impl Network {
    /// Answers a request; on a blocking thread if it may read the disk or copy much.
    pub(super) fn serve(&self, from: PeerId, request: Request, token: RequestToken) {
        if let Request::Status(status) = &request {
            self.on_status(from, status);
            let response = self.answer(request);
            return self.send(Command::Respond { token, response });
        }
        let (network, answers) = (self.clone(), Arc::clone(&self.inner.answers));
        // The network bounds how many wait: beyond it refuses requests itself.
        self.inner.runtime.spawn(async move {
            let waiting = tokio::time::timeout(ANSWER_WITHIN, answers.acquire_owned()).await;
            let Ok(Ok(place)) = waiting else { return network.send(Command::Refuse { token }) };
            tokio::task::spawn_blocking(move || {
                let response = network.answer(request);
                network.send(Command::Respond { token, response });
                drop(place);
            });
        });
    }

    fn answer(&self, request: Request) -> Response {
        match request {
            Request::Status(_) => Response::Status(self.status_of(&self.inner.store.head())),
            Request::Blocks { from, count } => Response::Blocks(self.blocks(from, count)),
            Request::Parts { block, have } => Response::Parts(self.parts(&block, &have)),
            Request::Transactions(hashes) => Response::Transactions(self.transactions(&hashes)),
        }
    }

    fn blocks(&self, from: u64, count: u32) -> Vec<Vec<u8>> {
        let mut blocks = Vec::new();
        let mut room = BLOCKS_RESPONSE_BYTES_MAX - 1024;
        let last = from.saturating_add(u64::from(count.min(BLOCKS_PER_REQUEST_MAX)));
        for height in from.max(1)..last.min(self.inner.store.head().block.height().0 + 1) {
            let bytes = match self.sync_block(height) {
                Ok(Some(block)) => borsh::to_vec(&block).expect("writing to memory cannot fail"),
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(height, %error, "a block cannot be read");
                    break;
                }
            };
            if bytes.len() + 4 > room {
                break;
            }
            room -= bytes.len() + 4;
            blocks.push(bytes);
        }
        blocks
    }

    fn sync_block(&self, height: u64) -> Result<Option<SyncBlock>, StoreError> {
        let store = &self.inner.store;
        let (Some(stored), Some(certificate)) = (store.block(height)?, store.certificate(height)?)
        else {
            return Ok(None);
        };
        let mut header = Vec::new();
        stored.block.header().encode(&mut header);
        let access_list: Bytes = match store.access_list(height) {
            // A block without its list is executed all the same.
            Err(StoreError::Pruned { .. }) => Bytes::new(),
            list => list?.unwrap_or_default(),
        };
        let Block { transactions, commands, .. } = stored.block.into_block();
        let body = BlockBody { transactions, access_list, commands }.encode();
        Ok(Some(SyncBlock { header, body, certificate }))
    }

    fn parts(&self, block: &B256, have: &[u8]) -> Vec<Vec<u8>> {
        let parts =
            self.inner.assembly.lock().parts_of(block, have, PARTS_RESPONSE_BYTES_MAX - 4096);
        parts
            .iter()
            .map(|part| borsh::to_vec(part).expect("writing to memory cannot fail"))
            .collect()
    }

    fn transactions(&self, hashes: &[B256]) -> Vec<Vec<u8>> {
        let mut room = TRANSACTIONS_RESPONSE_BYTES_MAX - 1024;
        let known = hashes.iter().filter_map(|hash| self.inner.pool.get(hash));
        known
            .map(|transaction: Arc<_>| encode_transaction(transaction.inner()).to_vec())
            .take_while(|bytes| {
                let fits = bytes.len() + 4 <= room;
                room = room.saturating_sub(bytes.len() + 4);
                fits
            })
            .collect()
    }
}
