//! One block becomes durable: what must hold before, and the batch that is written.

use crate::columns::Column;
use crate::database::Database;
use crate::layout::{self, HeadRecord};
use crate::leaves::code_stems;
use crate::retention::{Kept, Oldest};
use crate::{Anchor, StoreError, addresses, logs, records};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use rocksdb::WriteBatch;
use std::collections::BTreeMap;
use weft_commitment::{AccountKey, Tree};
use weft_types::{
    AccessRecord, Account, CommitCertificate, ForeignBody, Receipt, RunProfile, SealedBlock,
    StateDiff, TxIndex,
};

/// Stands where the access record of a block would be that was committed without one.
pub(crate) const NO_RECORD: &[u8] = &[];

/// A decided block with everything that executing and deciding it gave.
#[derive(Clone, Debug)]
pub struct BlockCommit {
    /// The block; its parent must be the head.
    pub block: SealedBlock,
    /// Sender of each transaction.
    pub senders: Vec<Address>,
    /// Why the block is final.
    pub certificate: CommitCertificate,
    /// Receipt of each transaction.
    pub receipts: Vec<Receipt>,
    /// RLP of the block access list (EIP-7928); empty when it was not kept.
    pub access_list: Bytes,
    /// Reads and writes of each transaction; empty on a node that does not store them.
    pub access_record: AccessRecord,
    /// What this node observed, if it executed the block itself and keeps that.
    pub profile: Option<RunProfile>,
    /// Net change of the state.
    pub diff: StateDiff,
    /// The state after the block: the head's tree with `diff` applied.
    pub tree: Tree,
}

/// Block 0 and the state that it starts from.
#[derive(Clone, Copy, Debug)]
pub struct GenesisState<'a> {
    /// The genesis block.
    pub block: &'a SealedBlock,
    /// The initial state, as a change of the empty one.
    pub diff: &'a StateDiff,
}

impl BlockCommit {
    /// Whether it comes with an access record.
    pub(crate) fn is_recorded(&self) -> bool {
        self.block.transactions().is_empty() || !self.access_record.transactions.is_empty()
    }

    /// Refuses a commit whose parts do not belong together; one without an access record is not `recorded`.
    pub(crate) fn validate(&self, recorded: bool) -> Result<(), StoreError> {
        let height = self.block.height();
        let inconsistent =
            |reason: String| Err(StoreError::Inconsistent { height: height.0, reason });
        let transactions = self.block.transactions().len();
        let counts = [
            ("senders", self.senders.len()),
            ("receipts", self.receipts.len()),
            ("access record entries", self.access_record.transactions.len()),
        ];
        for (what, found) in counts {
            if found != transactions && (recorded || what != "access record entries") {
                return inconsistent(format!("{transactions} transactions, {found} {what}"));
            }
        }
        let certificate = &self.certificate;
        if certificate.block != self.block.hash() || certificate.height != height {
            let (expected, found) = (self.block.hash(), certificate.block);
            return inconsistent(format!(
                "certificate for block {found} at height {}, expected {expected}",
                certificate.height
            ));
        }
        validate_diff(&self.diff).or_else(inconsistent)?;
        let (expected, found) = (self.block.header().state_root, self.tree.root());
        if expected != found {
            return Err(StoreError::WrongRoot { height: height.0, expected, found });
        }
        Ok(())
    }

    /// The batch of this block.
    pub(crate) fn batch(
        &self,
        database: &Database,
        recorded: bool,
    ) -> Result<WriteBatch, StoreError> {
        let height = self.block.height().0;
        let key = height.to_be_bytes();
        let mut batch = Batch::new(database);
        batch.state(&self.diff, Some(height));
        batch.block(&self.block, &self.senders, &self.receipts, &self.access_list);
        batch.put(Column::Certificates, key, encode_borsh(&self.certificate));
        if !self.access_list.is_empty() {
            batch.put(Column::AccessLists, key, &self.access_list);
        }
        let record = if recorded { encode_borsh(&self.access_record) } else { NO_RECORD.to_vec() };
        batch.record(height, &record, self.profile.as_ref())?;
        Ok(batch.finish())
    }
}

impl GenesisState<'_> {
    /// The tree of the initial state.
    pub(crate) fn tree(&self, foreign: bool) -> Result<Tree, StoreError> {
        validate_diff(self.diff)
            .map_err(|reason| StoreError::Inconsistent { height: 0, reason })?;
        let tree = Tree::empty().apply(self.diff);
        let (expected, found) = (self.block.header().state_root, tree.root());
        if expected != found && !foreign {
            return Err(StoreError::WrongRoot { height: 0, expected, found });
        }
        Ok(tree)
    }

    /// The batch that makes an empty database one of this chain.
    pub(crate) fn batch(&self, database: &Database, root: B256) -> WriteBatch {
        let mut batch = Batch::new(database);
        let foreign = database.is_foreign();
        let schema = if foreign { layout::SCHEMA_FOREIGN } else { layout::SCHEMA };
        batch.put(Column::Meta, layout::META_SCHEMA, schema.to_be_bytes());
        batch.put(Column::Meta, layout::META_GENESIS, self.block.hash());
        batch.state(self.diff, None);
        if foreign {
            let body = ForeignBody {
                ommers: Vec::new(),
                withdrawals: self.block.header().withdrawals_root.map(|_| Vec::new().into()),
            };
            batch.foreign_block(self.block, &body, (&[], &[]), &[], root);
        } else {
            batch.block(self.block, &[], &[], &[]);
        }
        let record = encode_borsh(&AccessRecord::default());
        batch.put(Column::AccessRecords, 0u64.to_be_bytes(), record);
        batch.finish()
    }
}

/// The batch that makes a database with an imported state one of this chain, with `anchor` as its
/// head. Of the blocks before it there are only headers, and of those only the last ones.
pub(crate) fn import_batch(
    database: &Database,
    genesis: GenesisState<'_>,
    anchor: &Anchor,
) -> WriteBatch {
    let mut batch = Batch::new(database);
    batch.put(Column::Meta, layout::META_SCHEMA, layout::SCHEMA.to_be_bytes());
    batch.put(Column::Meta, layout::META_GENESIS, genesis.block.hash());
    batch.block(genesis.block, &[], &[], &[]);
    let record = encode_borsh(&AccessRecord::default());
    batch.put(Column::AccessRecords, 0u64.to_be_bytes(), record);
    for header in &anchor.ancestors {
        let (key, hash) = (header.number.to_be_bytes(), header.hash_slow());
        batch.put(Column::Headers, key, layout::encode_header(&hash, header));
        batch.put(Column::BlockNumbers, hash, key);
    }
    let height = anchor.block.height().0;
    if height > 0 {
        batch.block(&anchor.block, &anchor.senders, &anchor.receipts, &[]);
        batch.put(Column::AccessRecords, height.to_be_bytes(), NO_RECORD);
    }
    if let Some(certificate) = &anchor.certificate {
        batch.put(Column::Certificates, height.to_be_bytes(), encode_borsh(certificate));
    }
    batch.put(Column::Meta, layout::META_BASE, height.to_be_bytes());
    let mut oldest = Oldest::default();
    for kept in Kept::ALL {
        oldest.set(kept, height);
    }
    batch.put(Column::Meta, layout::META_OLDEST, encode_borsh(&oldest));
    batch.finish()
}

/// Checks what [`StateDiff`] promises and what both the flat state and the tree rely on.
pub(crate) fn validate_diff(diff: &StateDiff) -> Result<(), String> {
    if !diff.accounts.is_sorted_by(|a, b| a.address < b.address) {
        return Err("changed accounts do not ascend".into());
    }
    if !diff.code.is_sorted_by(|a, b| a.0 < b.0) {
        return Err("codes do not ascend".into());
    }
    for account in &diff.accounts {
        let address = account.address;
        if !account.slots.is_sorted_by(|a, b| a.slot < b.slot) {
            return Err(format!("changed slots of {address} do not ascend"));
        }
        let Some(after) = &account.after else { continue };
        if after.balance.bit_len() > 128 {
            return Err(format!("balance of {address} does not fit 128 bits"));
        }
        if introduces_code(account.before.as_ref(), after) {
            let code = diff.code(&after.code_hash);
            let size = code.map(|code| code.len());
            if size != Some(after.code_size as usize) {
                let (hash, expected) = (after.code_hash, after.code_size);
                let found = size.map_or("none".into(), |size| size.to_string());
                return Err(format!(
                    "code {hash} of {address}: expected {expected} bytes, found {found}"
                ));
            }
        }
    }
    for (hash, code) in &diff.code {
        let found = keccak256(code);
        if found != *hash {
            return Err(format!("code {hash} has hash {found}"));
        }
    }
    Ok(())
}

fn introduces_code(before: Option<&Account>, after: &Account) -> bool {
    after.has_code() && before.map_or(KECCAK256_EMPTY, |before| before.code_hash) != after.code_hash
}

pub(crate) fn encode_borsh<T: borsh::BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory cannot fail")
}

/// A value before and after the block, encoded; `None` when there is none.
struct Change {
    after: Option<Vec<u8>>,
    before: Option<Vec<u8>>,
}

/// A write batch; within each column family the keys are put in ascending order, which RocksDB
/// takes faster.
pub(crate) struct Batch<'a> {
    database: &'a Database,
    batch: WriteBatch,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(database: &'a Database) -> Self {
        Self { database, batch: WriteBatch::default() }
    }

    pub(crate) fn put(&mut self, column: Column, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.batch.put_cf(self.database.column(column), key, value);
    }

    pub(crate) fn finish(self) -> WriteBatch {
        self.batch
    }

    /// An access record, or what stands for it, and what was observed, with the bytes that all of them take now.
    pub(crate) fn record(
        &mut self,
        height: u64,
        record: &[u8],
        profile: Option<&RunProfile>,
    ) -> Result<(), StoreError> {
        let key = height.to_be_bytes();
        self.put(Column::AccessRecords, key, record);
        let profile = profile.map(serde_json::to_vec).transpose();
        let profile = profile.map_err(|e| StoreError::Inconsistent {
            height,
            reason: format!("profile cannot be written as JSON: {e}"),
        })?;
        let mut bytes = records::total(self.database, height - 1)? + record.len() as u64;
        if let Some(profile) = profile {
            bytes += profile.len() as u64;
            self.put(Column::Profiles, key, profile);
        }
        self.put(Column::Meta, layout::META_RECORD_BYTES, bytes.to_be_bytes());
        Ok(())
    }

    /// New values, and the values before them when the block has a height to file them under.
    pub(crate) fn state(&mut self, diff: &StateDiff, height: Option<u64>) {
        let mut accounts = BTreeMap::new();
        let mut slots = BTreeMap::new();
        for change in &diff.accounts {
            let key = AccountKey::new(&change.address);
            let encode = |account: &Option<Account>| {
                let account = account.as_ref().filter(|account| !account.is_empty());
                account.map(|account| layout::encode_account(&change.address, account))
            };
            if change.before != change.after {
                let change =
                    Change { after: encode(&change.after), before: encode(&change.before) };
                accounts.insert(key.hash().to_vec(), change);
            }
            for slot in &change.slots {
                let encode = |value: &U256| {
                    (!value.is_zero()).then(|| layout::encode_slot(&slot.slot, value))
                };
                let change = Change { after: encode(&slot.after), before: encode(&slot.before) };
                slots.insert(layout::storage_key(&key, &slot.slot), change);
            }
        }
        self.changes((Column::Accounts, Column::AccountHistory), &accounts, height);
        self.changes((Column::Storage, Column::StorageHistory), &slots, height);
        for hash in introduced(diff) {
            let code = diff.code(&hash).expect("validated before");
            self.put(Column::Code, hash, code);
            self.code_stems(&hash, code, height.unwrap_or_default());
        }
    }

    fn changes(
        &mut self,
        (current, history): (Column, Column),
        changes: &BTreeMap<Vec<u8>, Change>,
        height: Option<u64>,
    ) {
        for (key, change) in changes {
            match &change.after {
                Some(value) => self.put(current, key, value),
                None => self.batch.delete_cf(self.database.column(current), key),
            }
        }
        let Some(height) = height else { return };
        for (key, change) in changes {
            let value = change.before.as_deref().unwrap_or_default();
            self.put(history, layout::history_key(key, height), value);
        }
    }

    /// Where the chunks of a code lie in the tree. What an earlier block introduced stays its own.
    fn code_stems(&mut self, hash: &B256, code: &[u8], height: u64) {
        for (stem, group) in code_stems(hash, code) {
            let known = self.database.get(Column::CodeStems, stem.as_slice());
            if !matches!(known, Ok(Some(_))) {
                self.put(Column::CodeStems, stem, layout::encode_code_stem(&group, height));
            }
        }
    }

    /// Header, body, receipts, the indices and the head.
    fn block(
        &mut self,
        block: &SealedBlock,
        senders: &[Address],
        receipts: &[Receipt],
        list: &[u8],
    ) {
        let body = layout::encode_body(senders, block);
        let root = block.header().state_root;
        self.parts(block, &body, (senders, receipts), list, root);
    }

    /// The same of a block of Ethereum; `root` is our root of its state.
    pub(crate) fn foreign_block(
        &mut self,
        block: &SealedBlock,
        body: &ForeignBody,
        (senders, receipts): (&[Address], &[Receipt]),
        list: &[u8],
        root: B256,
    ) {
        let body = layout::encode_foreign_body(senders, block, body);
        self.parts(block, &body, (senders, receipts), list, root);
    }

    fn parts(
        &mut self,
        block: &SealedBlock,
        body: &[u8],
        (senders, receipts): (&[Address], &[Receipt]),
        list: &[u8],
        root: B256,
    ) {
        let (height, hash) = (block.height().0, block.hash());
        let key = height.to_be_bytes();
        self.put(Column::Headers, key, layout::encode_header(&hash, block.header()));
        self.put(Column::Bodies, key, body);
        self.put(Column::Receipts, key, layout::encode_receipts(receipts));
        self.put(Column::BlockNumbers, hash, key);
        let places = block.transactions().iter().zip(0u32..);
        let mut places: Vec<(&B256, TxIndex)> =
            places.map(|(transaction, place)| (transaction.tx_hash(), TxIndex(place))).collect();
        places.sort_unstable();
        for (transaction, index) in places {
            self.put(Column::Transactions, transaction, layout::encode_location(height, index));
        }
        for (tag, places) in logs::entries(receipts) {
            self.put(Column::LogIndex, logs::key(&tag, height), [places]);
        }
        for tag in addresses::entries(block, senders, list) {
            self.put(Column::AddressIndex, addresses::key(&tag, height), []);
        }
        let head = HeadRecord { height, hash, state_root: root };
        self.put(Column::Meta, layout::META_HEAD, encode_borsh(&head));
    }
}

/// Hashes of the codes that accounts have after the block and had not before it, ascending.
fn introduced(diff: &StateDiff) -> Vec<B256> {
    let changed = diff.accounts.iter().filter_map(|account| {
        let after = account.after.as_ref()?;
        introduces_code(account.before.as_ref(), after).then_some(after.code_hash)
    });
    let mut hashes: Vec<B256> = changed.collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}
