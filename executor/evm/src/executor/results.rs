//! What executing a block gives.

use crate::executor::Products;
use alloy_primitives::{Address, B256, Bloom, Bytes};
use std::sync::Arc;
use weft_types::block::transactions_root;
use weft_types::{
    AccessRecord, Block, Command, Header, Receipt, RecoveredTransaction, RunProfile, SealedBlock,
    StateDiff, Transaction,
};

/// A candidate that did not become part of the block being built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Hash of the transaction.
    pub hash: B256,
    /// Its sender.
    pub sender: Address,
    /// Why it was left out.
    pub reason: String,
    /// It is invalid on this state; otherwise it only did not fit into this block.
    pub invalid: bool,
}

/// Everything that executing a block gives, besides the state root.
#[derive(Clone, Debug, PartialEq)]
pub struct Executed {
    /// The transactions in the block, in order.
    pub transactions: Vec<Arc<RecoveredTransaction>>,
    /// Candidates left out, in candidate order. Empty unless the block was built.
    pub skipped: Vec<Skipped>,
    /// One receipt a transaction.
    pub receipts: Vec<Receipt>,
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// Union of the receipts' blooms.
    pub logs_bloom: Bloom,
    /// Merkle-Patricia root over the receipts.
    pub receipts_root: B256,
    /// EIP-7685 requests that the block makes, each with its type in front, ascending by type.
    pub requests: Vec<Bytes>,
    /// EIP-7685 hash of the requests.
    pub requests_hash: B256,
    /// RLP of the block access list (EIP-7928).
    pub access_list: Bytes,
    /// keccak256 of `access_list`.
    pub access_list_hash: B256,
    /// Who read and wrote what; equal on every node.
    pub access_record: AccessRecord,
    /// Accounts whose storage before the block is gone (self-destruct before Cancun), ascending: apply this before `diff`,
    /// whose slots are those written afterwards.
    pub wiped: Vec<Address>,
    /// The net change to the parent state.
    pub diff: StateDiff,
    /// How this run went; local.
    pub profile: RunProfile,
}

impl Executed {
    /// Of no block.
    pub(super) fn nothing() -> Self {
        Self {
            transactions: Vec::new(),
            skipped: Vec::new(),
            receipts: Vec::new(),
            gas_used: 0,
            logs_bloom: Bloom::ZERO,
            receipts_root: B256::ZERO,
            requests: Vec::new(),
            requests_hash: B256::ZERO,
            access_list: Bytes::new(),
            access_list_hash: B256::ZERO,
            access_record: AccessRecord::default(),
            wiped: Vec::new(),
            diff: StateDiff::default(),
            profile: RunProfile::empty(),
        }
    }

    /// Empties what is not asked for.
    pub(super) fn keep(&mut self, products: Products) {
        let nothing = Self::nothing();
        if !products.access_list {
            self.access_list = nothing.access_list;
            self.access_list_hash = nothing.access_list_hash;
        }
        if !products.access_record {
            self.access_record = nothing.access_record;
        }
        if !products.receipts && !products.receipts_root {
            self.receipts = nothing.receipts;
        }
        if !products.receipts_root {
            self.receipts_root = nothing.receipts_root;
            self.logs_bloom = nothing.logs_bloom;
        }
        if !products.diff {
            self.diff = nothing.diff;
            self.wiped = nothing.wiped;
        }
        if !products.incarnations {
            self.profile.incarnations = Vec::new();
        }
    }

    /// The block: `header` (its environment) completed by what execution gave and by the state root.
    #[must_use]
    pub fn seal(&self, header: Header, state_root: B256) -> SealedBlock {
        let transactions = self.plain_transactions();
        let header = Header {
            state_root,
            transactions_root: transactions_root(&transactions),
            receipts_root: self.receipts_root,
            logs_bloom: self.logs_bloom,
            gas_used: self.gas_used,
            requests_hash: Some(self.requests_hash),
            block_access_list_hash: Some(self.access_list_hash),
            ..header
        };
        Block { header, transactions, commands: Vec::new() }.seal()
    }

    /// [`seal`](Self::seal) for a block with commands, which its header names already.
    #[must_use]
    pub fn seal_after(
        &self,
        header: Header,
        state_root: B256,
        commands: Vec<Command>,
    ) -> SealedBlock {
        let block = self.seal(header, state_root).into_block();
        Block { commands, ..block }.seal()
    }

    /// The transactions without their senders.
    #[must_use]
    pub fn plain_transactions(&self) -> Vec<Transaction> {
        self.transactions.iter().map(|transaction| transaction.inner().clone()).collect()
    }
}
