//! A block by its access list, without executing it.

use super::anchor::validate_body;
use crate::{BlockCommit, Head, Store, StoreError, lists};
use alloy_primitives::{Address, Bytes, keccak256};
use std::sync::Arc;
use weft_types::block::transactions_root;
use weft_types::command::commands_root;
use weft_types::{AccessRecord, CommitCertificate, Receipt, SealedBlock};

/// A decided block and what other nodes keep beside it.
#[derive(Clone, Debug)]
pub struct ListedBlock {
    /// The block; its parent must be the head.
    pub block: SealedBlock,
    /// Sender of each transaction.
    pub senders: Vec<Address>,
    /// Why the block is final. The caller has verified it.
    pub certificate: CommitCertificate,
    /// Receipt of each transaction.
    pub receipts: Vec<Receipt>,
    /// RLP of the block access list (EIP-7928).
    pub access_list: Bytes,
}

impl Store {
    /// Makes a decided block durable whose state follows from its access list: list, transactions,
    /// receipts and state root are compared with the header, nothing is executed. The block has no
    /// access record then.
    ///
    /// # Errors
    /// [`StoreError::NoList`] and [`StoreError::Inconsistent`] when something is not what the header
    /// names, [`StoreError::WrongRoot`] when the list leads to another state; nothing has changed
    /// then. Else as [`Store::commit`].
    pub fn commit_listed(&self, listed: ListedBlock) -> Result<Arc<Head>, StoreError> {
        let head = self.head();
        let header = listed.block.header();
        let height = header.number;
        if header.parent_hash != head.block.hash() {
            let (expected, found) = (head.block.hash(), header.parent_hash);
            let head = head.block.height().0;
            return Err(StoreError::WrongParent { height, head, expected, found });
        }
        let found = keccak256(&listed.access_list);
        if header.block_access_list_hash != Some(found) {
            let reason = format!("it has hash {found}, the header names another");
            return Err(StoreError::NoList { height, reason });
        }
        validate_body(&listed.block, &listed.senders, &listed.receipts)?;
        if transactions_root(listed.block.transactions()) != header.transactions_root {
            let reason = "its transactions are not those of its header".into();
            return Err(StoreError::Inconsistent { height, reason });
        }
        let (expected, found) = (header.parent_beacon_block_root, listed.block.commands());
        if expected.unwrap_or_default() != commands_root(found) {
            let reason = "its commands are not those of its header".into();
            return Err(StoreError::Inconsistent { height, reason });
        }
        let diff = lists::net_change(&listed.access_list, &*head.state)
            .map_err(|reason| StoreError::NoList { height, reason })?;
        let tree = head.tree.try_apply(&diff)?;
        self.commit_unexecuted(BlockCommit {
            block: listed.block,
            senders: listed.senders,
            certificate: listed.certificate,
            receipts: listed.receipts,
            access_list: listed.access_list,
            access_record: AccessRecord::default(),
            profile: None,
            diff,
            tree,
        })
    }
}
