//! Looking at everything that is stored: does it belong together?

use crate::columns::Column;
use crate::database::Database;
use crate::layout::{self, HeadRecord};
use crate::retention::Kept;
use crate::sync::ANCESTORS_MAX;
use crate::{StoreError, StoredBlock, addresses, logs, rebuild, records, store};
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_primitives::{B256, keccak256};
use serde::Serialize;
use weft_commitment::AccountKey;
use weft_types::block::transactions_root;
use weft_types::command::commands_root;
use weft_types::{CommitCertificate, Receipt, RunProfile, SealedBlock, TxIndex};

/// Findings after which looking on tells nothing new.
const FINDINGS_MAX: usize = 100;

/// What [`crate::Maintenance::check`] has looked at, and what it found wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Height of the head.
    pub height: u64,
    /// Hash of the head.
    pub hash: B256,
    /// State root of the head, as its header says.
    pub state_root: B256,
    /// Blocks whose parts, links and index entries were compared.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Entries of the histories.
    pub history_entries: u64,
    /// Entries of the index of logs.
    pub log_entries: u64,
    /// Entries of the index of addresses.
    pub address_entries: u64,
    /// What does not fit, one sentence each; empty when everything does.
    pub findings: Vec<String>,
}

struct Checker<'a> {
    database: &'a Database,
    head: HeadRecord,
    report: CheckReport,
    /// Headers without a block.
    headers: u64,
}

/// Looks at everything. Fails only when the disk does.
pub(crate) fn check(database: &Database) -> Result<CheckReport, StoreError> {
    let head = database
        .get_as(Column::Meta, layout::META_HEAD, layout::decode_head)?
        .ok_or_else(|| StoreError::value(Column::Meta, "no head"))?;
    let report = CheckReport {
        height: head.height,
        hash: head.hash,
        state_root: head.state_root,
        ..CheckReport::default()
    };
    let mut checker = Checker { database, head, report, headers: 0 };
    checker.blocks()?;
    checker.counts()?;
    checker.histories()?;
    let records = checker.record_bytes();
    checker.note("", records)?;
    checker.slots()?;
    let root = rebuild::verified_tree(database, 0).map(|_| ());
    checker.note("", root)?;
    Ok(checker.report)
}

impl Checker<'_> {
    fn find(&mut self, what: String) {
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(what);
        }
    }

    /// Damage is a finding, everything else ends the check.
    fn note(&mut self, place: &str, result: Result<(), StoreError>) -> Result<(), StoreError> {
        match result {
            Err(StoreError::Damaged { what }) => {
                self.find(format!("{place}{what}"));
                Ok(())
            }
            other => other,
        }
    }

    fn blocks(&mut self) -> Result<(), StoreError> {
        let mut parent = B256::ZERO;
        let base = store::base(self.database)?;
        for height in 0..base {
            // Genesis is whole; of the others there are as many headers as a block can name.
            let result = if height == 0 {
                self.report.blocks += 1;
                self.block(height, &mut parent)
            } else {
                self.header(height, base, &mut parent)
            };
            self.note(&format!("block {height}: "), result)?;
        }
        for height in base..=self.head.height {
            let result = self.block(height, &mut parent);
            self.note(&format!("block {height}: "), result)?;
            self.report.blocks += 1;
        }
        if parent != self.head.hash {
            self.find(format!("meta: head is {}, block is {parent}", self.head.hash));
        }
        Ok(())
    }

    /// A block before an imported state, of which there is a header at most.
    fn header(&mut self, height: u64, base: u64, parent: &mut B256) -> Result<(), StoreError> {
        let column = Column::Headers;
        let expected = std::mem::take(parent);
        let header = self.database.get_as(column, &height.to_be_bytes(), layout::decode_header)?;
        let Some(header) = header else {
            if height + ANCESTORS_MAX >= base {
                return Err(StoreError::value(column, "none"));
            }
            return Ok(());
        };
        *parent = header.hash_slow();
        let column = Column::BlockNumbers;
        let number = self.database.get_as(column, parent.as_slice(), |bytes| {
            layout::decode_number(column, bytes).map(u64::from_be_bytes)
        })?;
        same(column, "height", &number, &Some(height))?;
        self.headers += 1;
        if expected.is_zero() {
            return Ok(());
        }
        same(Column::Headers, "parent", &header.parent_hash, &expected)
    }

    /// One block with all that lies under its height. `parent` is the hash of the one before, then
    /// its own.
    fn block(&mut self, height: u64, parent: &mut B256) -> Result<(), StoreError> {
        let database = self.database;
        let key = height.to_be_bytes();
        let expected = std::mem::take(parent);
        let hash = database.get_as(Column::Headers, &key, layout::decode_header_hash)?;
        *parent = hash.ok_or_else(|| StoreError::value(Column::Headers, "none"))?;
        let stored = store::stored_block(database, height)?
            .ok_or_else(|| StoreError::value(Column::Headers, "none"))?;
        let block = &stored.block;
        same(Column::Headers, "hash", &block.hash(), parent)?;
        let header = block.header();
        same(Column::Headers, "number", &header.number, &height)?;
        if height > 0 {
            same(Column::Headers, "parent", &header.parent_hash, &expected)?;
        }
        let root = transactions_root(block.transactions());
        same(Column::Bodies, "transactions root", &root, &header.transactions_root)?;
        if !database.is_foreign() {
            let named = header.parent_beacon_block_root.unwrap_or_default();
            same(Column::Bodies, "commands root", &commands_root(block.commands()), &named)?;
            if height == self.head.height {
                same(Column::Headers, "state root", &header.state_root, &self.head.state_root)?;
            }
        }
        self.indices(block)?;
        if height > 0 && !database.is_foreign() {
            let certificate: CommitCertificate = self.borsh(Column::Certificates, height)?;
            same(Column::Certificates, "block", &certificate.block, parent)?;
            same(Column::Certificates, "height", &certificate.height.0, &height)?;
        }
        self.report.transactions += block.transactions().len() as u64;
        self.addresses(&stored)?;
        self.kept(&stored.block)
    }

    fn indices(&self, block: &SealedBlock) -> Result<(), StoreError> {
        let (height, hash) = (block.height().0, block.hash());
        let column = Column::BlockNumbers;
        let number = self.database.get_as(column, hash.as_slice(), |bytes| {
            layout::decode_number(column, bytes).map(u64::from_be_bytes)
        })?;
        same(column, "height", &number, &Some(height))?;
        for (transaction, index) in block.transactions().iter().zip(0u32..) {
            let hash = transaction.tx_hash();
            let column = Column::Transactions;
            let found = self.database.get_as(column, hash.as_slice(), layout::decode_location)?;
            if found != Some((height, TxIndex(index))) {
                let reason = format!("{hash}: expected {height}/{index}, found {found:?}");
                return Err(StoreError::value(column, reason));
            }
        }
        Ok(())
    }

    /// Each address that the block is known to touch has its entry.
    fn addresses(&self, stored: &StoredBlock) -> Result<(), StoreError> {
        let height = stored.block.height().0;
        let has = |kept: Kept| self.database.horizon().require(kept, height).is_ok();
        if height == 0 || !has(Kept::Logs) {
            return Ok(());
        }
        let list = match has(Kept::AccessLists) {
            true => self.database.get(Column::AccessLists, &height.to_be_bytes())?,
            false => None,
        };
        let list = list.as_deref().unwrap_or_default();
        for tag in addresses::entries(&stored.block, &stored.senders, list) {
            let column = Column::AddressIndex;
            let found = self.database.get(column, &addresses::key(&tag, height))?;
            same(column, "entry", &found.as_deref(), &Some(&[][..]))?;
        }
        Ok(())
    }

    /// What lies beside the block, as far as it is kept.
    fn kept(&self, block: &SealedBlock) -> Result<(), StoreError> {
        let (height, header) = (block.height().0, block.header());
        let count = block.transactions().len();
        let has = |kept: Kept| self.database.horizon().require(kept, height).is_ok();
        let key = height.to_be_bytes();
        if has(Kept::Receipts) {
            let column = Column::Receipts;
            let receipts = self.database.get_as(column, &key, layout::decode_receipts)?;
            let receipts: Vec<Receipt> =
                receipts.ok_or_else(|| StoreError::value(column, "none"))?;
            same(column, "count", &receipts.len(), &count)?;
            // Genesis says nothing about receipts in some chains.
            if height > 0 {
                let root = calculate_receipt_root(&receipts);
                same(column, "root", &root, &header.receipts_root)?;
            }
            if has(Kept::Logs) {
                self.logs(height, &receipts)?;
            }
        }
        if has(Kept::AccessLists)
            && let Some(list) = self.database.get(Column::AccessLists, &key)?
            && let Some(expected) = header.block_access_list_hash
        {
            same(Column::AccessLists, "hash", &keccak256(&list), &expected)?;
        }
        if has(Kept::Records) {
            let column = Column::AccessRecords;
            let record = self.database.get_as(column, &key, layout::decode_record)?;
            let record = record.ok_or_else(|| StoreError::value(column, "none"))?;
            let found = record.map_or(count, |record| record.transactions.len());
            same(column, "count", &found, &count)?;
            let column = Column::Profiles;
            self.database.get_as(column, &key, |bytes| {
                serde_json::from_slice::<RunProfile>(bytes)
                    .map_err(|e| StoreError::value(column, e))
            })?;
        }
        Ok(())
    }

    fn logs(&self, height: u64, receipts: &[Receipt]) -> Result<(), StoreError> {
        for (tag, places) in logs::entries(receipts) {
            let found = self.database.get(Column::LogIndex, &logs::key(&tag, height))?;
            same(Column::LogIndex, "places", &found.as_deref(), &Some(&[places][..]))?;
        }
        Ok(())
    }

    fn borsh<T: borsh::BorshDeserialize>(
        &self,
        column: Column,
        height: u64,
    ) -> Result<T, StoreError> {
        let value = self.database.get_as(column, &height.to_be_bytes(), |bytes| {
            borsh::from_slice(bytes).map_err(|e| StoreError::value(column, e))
        })?;
        value.ok_or_else(|| StoreError::value(column, "none"))
    }

    /// Indices have no entry for what is not there, and nothing lies above the head.
    fn counts(&mut self) -> Result<(), StoreError> {
        let head = self.head.height;
        let above = |column: Column, key: &[u8]| -> Result<(), StoreError> {
            let height = layout::height_at_end(column, key)?;
            if height > head {
                let reason = format!("an entry of block {height} above the head at {head}");
                return Err(StoreError::value(column, reason));
            }
            Ok(())
        };
        let columns =
            [Column::BlockNumbers, Column::Transactions, Column::LogIndex, Column::AddressIndex];
        let indices = [Column::LogIndex, Column::AddressIndex];
        let by_height = [
            Column::Headers,
            Column::Bodies,
            Column::Certificates,
            Column::Receipts,
            Column::AccessLists,
            Column::AccessRecords,
            Column::Profiles,
        ];
        for column in columns.into_iter().chain(by_height) {
            let mut entries = 0u64;
            let result = self.database.scan_all(column, |key, _| {
                entries += 1;
                if indices.contains(&column) || by_height.contains(&column) {
                    above(column, key)?;
                }
                Ok(())
            });
            self.note("", result)?;
            let expected = match column {
                Column::BlockNumbers => self.report.blocks + self.headers,
                Column::Transactions => self.report.transactions,
                Column::LogIndex => {
                    self.report.log_entries = entries;
                    continue;
                }
                Column::AddressIndex => {
                    self.report.address_entries = entries;
                    continue;
                }
                _ => continue,
            };
            if entries != expected {
                self.find(format!(
                    "{}: expected {expected} entries, found {entries}",
                    column.name()
                ));
            }
        }
        Ok(())
    }

    /// The room of the records is what it was counted as.
    fn record_bytes(&self) -> Result<(), StoreError> {
        let Some(counted) = records::counted(self.database)? else { return Ok(()) };
        let oldest = self.database.horizon().oldest().of(Kept::Records);
        let found = records::between(self.database, oldest, self.head.height + 1)?;
        same(Column::Meta, "bytes of records", &counted, &found)
    }

    fn histories(&mut self) -> Result<(), StoreError> {
        for column in [Column::AccountHistory, Column::StorageHistory] {
            let (head, mut entries) = (self.head.height, 0u64);
            let result = self.database.scan_all(column, |key, value| {
                entries += 1;
                let height = layout::height_at_end(column, key)?;
                if height == 0 || height > head {
                    let reason = format!("an entry of block {height}, the head is {head}");
                    return Err(StoreError::value(column, reason));
                }
                match column {
                    Column::AccountHistory => layout::decode_account(column, value).map(|_| ()),
                    _ => layout::decode_slot(column, value).map(|_| ()),
                }
            });
            self.note("", result)?;
            self.report.history_entries += entries;
        }
        Ok(())
    }

    /// Beside each value lies the slot that its key was hashed from, about which the root says nothing.
    fn slots(&mut self) -> Result<(), StoreError> {
        let (database, column) = (self.database, Column::Storage);
        let decode = |bytes: &[u8]| layout::decode_account(Column::Accounts, bytes);
        let mut owner: (Vec<u8>, Option<AccountKey>) = (Vec::new(), None);
        let result = database.scan_all(column, |key, value| {
            let hash = key.get(..32).unwrap_or_default();
            if owner.0 != hash {
                let found = database.get_as(Column::Accounts, hash, decode)?.flatten();
                owner = (hash.to_vec(), found.map(|(address, _)| AccountKey::new(&address)));
            }
            let (_, slot) = layout::decode_slot_entry(column, value)?;
            // Nobody knows the address of an account that is not there.
            let expected = owner.1.as_ref().map(|account| layout::storage_key(account, &slot));
            if expected.is_some_and(|expected| expected != key) {
                return Err(StoreError::value(
                    column,
                    format!("slot {slot} lies under another key"),
                ));
            }
            Ok(())
        });
        self.note("", result)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    column: Column,
    what: &str,
    found: &T,
    expected: &T,
) -> Result<(), StoreError> {
    if found == expected {
        return Ok(());
    }
    Err(StoreError::value(column, format!("{what}: expected {expected:?}, found {found:?}")))
}
