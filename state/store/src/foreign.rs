//! A chain of Ethereum in the store: executed here, with its own headers.

use crate::columns::Column;
use crate::commit::{Batch, NO_RECORD, encode_borsh, validate_diff};
use crate::{GenesisState, Head, Store, StoreError, StoreOptions};
use alloy_primitives::{Address, Bytes};
use std::path::Path;
use std::sync::Arc;
use weft_commitment::Tree;
use weft_types::block::transactions_root;
use weft_types::receipt::receipts_root;
use weft_types::{AccessRecord, ForeignBody, Receipt, RunProfile, SealedBlock, StateDiff};

/// A block of Ethereum with everything that executing it gave.
#[derive(Clone, Debug)]
pub struct ForeignCommit {
    /// The block, under its own header; its parent must be the head.
    pub block: SealedBlock,
    /// Its ommers and withdrawals.
    pub body: ForeignBody,
    /// Sender of each transaction.
    pub senders: Vec<Address>,
    /// Receipt of each transaction.
    pub receipts: Vec<Receipt>,
    /// RLP of the block access list (EIP-7928); empty when it was not kept.
    pub access_list: Bytes,
    /// Reads and writes of each transaction; empty where they are not stored.
    pub access_record: AccessRecord,
    /// What this node observed.
    pub profile: RunProfile,
    /// Net change of the state. Slots that a destroyed account lost are in it.
    pub diff: StateDiff,
    /// The state after the block: the head's tree with `diff` applied.
    pub tree: Tree,
}

impl Store {
    /// Opens the store of a chain of Ethereum, or creates it with that chain's genesis block, whose
    /// `stateRoot` is not ours and is not looked at.
    ///
    /// # Errors
    /// As [`Store::open`]; [`StoreError::Schema`] when the directory holds a chain of our own.
    pub fn open_foreign(
        directory: &Path,
        genesis: GenesisState<'_>,
        options: StoreOptions,
    ) -> Result<Arc<Self>, StoreError> {
        Self::open_chain(directory, genesis, options, true)
    }

    /// Whether this store holds a chain of Ethereum.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.shared_database().is_foreign()
    }

    /// Makes one block of Ethereum durable and moves the head to it. The caller has compared its
    /// state with the header; transactions and receipts are compared here.
    ///
    /// # Errors
    /// As [`Store::commit`]; [`StoreError::Inconsistent`] also when this store holds a chain of our own.
    pub fn commit_foreign(&self, commit: ForeignCommit) -> Result<Arc<Head>, StoreError> {
        let _writer = self.writer().lock();
        let parent = self.head();
        let height = commit.block.height().0;
        let (head, expected) = (parent.block.height().0, parent.block.hash());
        let found = commit.block.header().parent_hash;
        if found != expected || Some(height) != head.checked_add(1) {
            return Err(StoreError::WrongParent { height, head, expected, found });
        }
        commit
            .validate(self.is_foreign())
            .map_err(|reason| StoreError::Inconsistent { height, reason })?;
        let database = self.shared_database();
        let key = height.to_be_bytes();
        let mut batch = Batch::new(&database);
        batch.state(&commit.diff, Some(height));
        let ForeignCommit { block, body, senders, receipts, .. } = &commit;
        let list = &commit.access_list;
        batch.foreign_block(block, body, (senders, receipts), list, commit.tree.root());
        if !commit.access_list.is_empty() {
            batch.put(Column::AccessLists, key, &commit.access_list);
        }
        let record = match commit.is_recorded() {
            true => encode_borsh(&commit.access_record),
            false => NO_RECORD.to_vec(),
        };
        batch.record(height, &record, Some(&commit.profile))?;
        let batch = batch.finish();
        self.write(commit.block, commit.tree, &commit.diff, batch)
    }
}

impl ForeignCommit {
    /// Whether it comes with an access record.
    fn is_recorded(&self) -> bool {
        self.senders.is_empty() || !self.access_record.transactions.is_empty()
    }

    /// Refuses a commit whose parts do not belong together.
    fn validate(&self, store_is_foreign: bool) -> Result<(), String> {
        if !store_is_foreign {
            return Err("a block of Ethereum in a chain of our own".to_owned());
        }
        let header = self.block.header();
        let transactions = self.block.transactions();
        let counts = [
            ("senders", self.senders.len()),
            ("receipts", self.receipts.len()),
            ("access record entries", self.access_record.transactions.len()),
        ];
        for (what, found) in counts {
            let left_out = what == "access record entries" && !self.is_recorded();
            if found != transactions.len() && !left_out {
                return Err(format!("{} transactions, {found} {what}", transactions.len()));
            }
        }
        let roots = [
            ("transactions", transactions_root(transactions), header.transactions_root),
            ("receipts", receipts_root(&self.receipts), header.receipts_root),
        ];
        for (what, found, expected) in roots {
            if found != expected {
                return Err(format!("{what} have root {found}, expected {expected}"));
            }
        }
        validate_diff(&self.diff)
    }
}
