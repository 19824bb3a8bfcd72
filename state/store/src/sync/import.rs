//! A new store from the state of other nodes.

use super::Anchor;
use crate::columns::Column;
use crate::commit::import_batch;
use crate::database::Database;
use crate::leaves::code_stems;
use crate::open::open_database;
use crate::{GenesisState, StoreError, StoreOptions, layout};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use rocksdb::WriteBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use weft_commitment::sync::{Origin, Plan, Section, SyncError, SyncLeaf};
use weft_commitment::{AccountKey, AccountLeaves};
use weft_types::Account;

/// Longest code that is taken, in bytes.
const CODE_BYTES_MAX: u32 = 1 << 20;
/// Most bytes of codes that wait in memory for the end of the import.
const CODES_BYTES_MAX: usize = 1 << 30;
/// Bytes of code in one chunk of a code.
const CHUNK_BYTES: usize = 31;

/// A store that is being made. Until [`Self::finish`] the directory is refused by
/// [`Store::open`](crate::Store::open).
pub struct Import {
    database: Database,
    anchor: Anchor,
    sections: Vec<Section>,
    missing: BTreeSet<usize>,
    /// Accounts of which only some leaves have arrived: those that a border of chunks divides.
    halves: BTreeMap<B256, Half>,
    /// Codes as far as they have arrived.
    codes: BTreeMap<B256, Code>,
    codes_bytes: usize,
    /// Codes that accounts have, with their sizes.
    used: BTreeMap<B256, u32>,
}

/// The leaves of one account so far.
#[derive(Clone, Copy, Default)]
struct Half {
    address: Option<Address>,
    leaves: AccountLeaves,
}

/// A code so far.
struct Code {
    bytes: Vec<u8>,
    /// The chunk that said how long it is.
    place: usize,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import")
            .field("height", &self.anchor.block.height().0)
            .field("missing", &self.missing.len())
            .finish_non_exhaustive()
    }
}

impl Import {
    /// Begins a store in an empty directory. The caller knows from its certificate that the anchor's
    /// block was decided.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] when the anchor contradicts itself, [`StoreError::Sync`] when
    /// the plan does not lead to its state root, [`StoreError::Damaged`] when the directory is not
    /// empty, or another [`StoreError`] when it cannot be used.
    pub fn begin(
        directory: &Path,
        anchor: Anchor,
        plan: &Plan,
        options: &StoreOptions,
    ) -> Result<Self, StoreError> {
        anchor.validate()?;
        let sections = plan.sections(anchor.block.header().state_root)?;
        let (database, fresh) = open_database(directory, options)?;
        if !fresh {
            let what = "an import needs an empty directory, this one holds a chain".into();
            return Err(StoreError::Damaged { what });
        }
        let mut batch = WriteBatch::default();
        let height = anchor.block.height().0.to_be_bytes();
        batch.put_cf(database.column(Column::Meta), layout::META_IMPORT, height);
        database.write("begin of an import", batch, true)?;
        Ok(Self {
            missing: (0..sections.len()).collect(),
            database,
            anchor,
            sections,
            halves: BTreeMap::new(),
            codes: BTreeMap::new(),
            codes_bytes: 0,
            used: BTreeMap::new(),
        })
    }

    /// Places of the plan whose chunks have not arrived, ascending.
    pub fn missing(&self) -> impl Iterator<Item = usize> {
        self.missing.iter().copied()
    }

    /// Takes the chunk of one place. A chunk that is refused changes nothing: ask somebody else for
    /// it. One that was taken before is passed over.
    ///
    /// # Errors
    /// [`StoreError::Sync`] with the place when the chunk is refused, [`StoreError::Database`] when
    /// the disk fails.
    pub fn take(&mut self, place: usize, chunk: &[u8]) -> Result<(), StoreError> {
        if !self.missing.contains(&place) && place < self.sections.len() {
            return Ok(());
        }
        let section = self.sections.get(place).ok_or_else(|| SyncError::Chunk {
            place,
            reason: format!("the plan has {} places", self.sections.len()),
        })?;
        let leaves = section.verify(chunk)?;
        self.check_codes(place, &leaves)?;
        let mut batch = WriteBatch::default();
        for leaf in &leaves {
            self.leaf(place, leaf, &mut batch);
        }
        self.database.write("import of a chunk", batch, false)?;
        self.missing.remove(&place);
        Ok(())
    }

    /// Sizes of codes are not part of what is hashed: they are limited here and verified at the end.
    fn check_codes(&self, place: usize, leaves: &[SyncLeaf]) -> Result<(), SyncError> {
        let mut bytes = self.codes_bytes;
        let mut last = None;
        for leaf in leaves {
            let Origin::Code(group) = leaf.origin else { continue };
            let refuse = |reason: String| Err(SyncError::Chunk { place, reason });
            let known = self.codes.get(&group.code).map(|code| code.bytes.len());
            let chunk = group.group as usize * 256 + usize::from(leaf.key.as_slice()[33]);
            let fits = chunk * CHUNK_BYTES < group.size as usize;
            if group.size > CODE_BYTES_MAX
                || !fits
                || known.is_some_and(|k| k != group.size as usize)
            {
                return refuse(format!("code {} of {} bytes", group.code, group.size));
            }
            if known.is_none() && last != Some(group.code) {
                bytes += group.size as usize;
            }
            last = Some(group.code);
            if bytes > CODES_BYTES_MAX {
                return refuse(format!("more than {CODES_BYTES_MAX} bytes of code"));
            }
        }
        Ok(())
    }

    fn leaf(&mut self, place: usize, leaf: &SyncLeaf, batch: &mut WriteBatch) {
        let bytes = leaf.key.as_slice();
        let hash = B256::from_slice(&bytes[1..33]);
        match leaf.origin {
            Origin::Slot(_, slot) => {
                let value = layout::encode_slot(&slot, &U256::from_be_bytes(leaf.value.0));
                let storage = self.database.column(Column::Storage);
                batch.put_cf(storage, layout::flat_key(&leaf.key), value);
            }
            Origin::Header if bytes[33] >= AccountLeaves::SLOTS => {
                let slot = U256::from(bytes[33] - AccountLeaves::SLOTS);
                let value = layout::encode_slot(&slot, &U256::from_be_bytes(leaf.value.0));
                let storage = self.database.column(Column::Storage);
                batch.put_cf(storage, layout::flat_key(&leaf.key), value);
            }
            Origin::Code(group) => {
                let codes = &mut self.codes_bytes;
                let code = self.codes.entry(group.code).or_insert_with(|| {
                    *codes += group.size as usize;
                    Code { bytes: vec![0; group.size as usize], place }
                });
                let start = (group.group as usize * 256 + usize::from(bytes[33])) * CHUNK_BYTES;
                let rest = code.bytes.get_mut(start..).unwrap_or_default();
                let length = rest.len().min(CHUNK_BYTES);
                rest[..length].copy_from_slice(&leaf.value[1..=length]);
            }
            Origin::Header | Origin::Account(_) => {
                let mut half = self.halves.remove(&hash).unwrap_or_default();
                if let Origin::Account(address) = leaf.origin {
                    half.address = Some(address);
                }
                half.leaves.set(bytes[33], leaf.value);
                match (half.address, half.leaves.account()) {
                    (Some(address), Some((account, designator))) => {
                        self.account(&address, &account, designator, batch);
                    }
                    _ => drop(self.halves.insert(hash, half)),
                }
            }
        }
    }

    fn account(
        &mut self,
        address: &Address,
        account: &Account,
        designator: Option<Bytes>,
        batch: &mut WriteBatch,
    ) {
        let key = AccountKey::new(address);
        let value = layout::encode_account(address, account);
        batch.put_cf(self.database.column(Column::Accounts), key.hash(), value);
        match designator {
            Some(code) => {
                batch.put_cf(self.database.column(Column::Code), account.code_hash, code);
            }
            None if account.has_code() => {
                self.used.insert(account.code_hash, account.code_size);
            }
            None => {}
        }
    }

    /// Makes the store usable: from now on [`Store::open`](crate::Store::open) takes the directory,
    /// with the anchor as its head. Opening computes the root of everything once more.
    ///
    /// # Errors
    /// [`StoreError::Sync`] when chunks are missing or a code is not what its hash says,
    /// [`StoreError::Damaged`] when accounts are not whole, [`StoreError::Database`] when the disk
    /// fails.
    pub fn finish(mut self, genesis: GenesisState<'_>) -> Result<(), StoreError> {
        if let Some(place) = self.missing.first() {
            let reason = format!("it has not arrived, nor have {} more", self.missing.len() - 1);
            return Err(SyncError::Chunk { place: *place, reason }.into());
        }
        if let Some(hash) = self.halves.keys().next() {
            let what = format!("account {hash} has no basic leaf or no code hash");
            return Err(StoreError::Damaged { what });
        }
        self.write_codes()?;
        let mut batch = import_batch(&self.database, genesis, &self.anchor);
        batch.delete_cf(self.database.column(Column::Meta), layout::META_IMPORT);
        self.database.write("end of an import", batch, true)
    }

    fn write_codes(&mut self) -> Result<(), StoreError> {
        for (hash, size) in std::mem::take(&mut self.used) {
            // A code of zeros has no leaves.
            let zeros = || Code { bytes: vec![0; size.min(CODE_BYTES_MAX) as usize], place: 0 };
            self.codes.entry(hash).or_insert_with(zeros);
        }
        let height = self.anchor.block.height().0;
        for (hash, code) in std::mem::take(&mut self.codes) {
            let found = keccak256(&code.bytes);
            if found != hash {
                let bytes = code.bytes.len();
                let reason = format!("code {hash} of {bytes} bytes has hash {found}");
                return Err(SyncError::Chunk { place: code.place, reason }.into());
            }
            let mut batch = WriteBatch::default();
            for (stem, group) in code_stems(&hash, &code.bytes) {
                let value = layout::encode_code_stem(&group, height);
                batch.put_cf(self.database.column(Column::CodeStems), stem, value);
            }
            batch.put_cf(self.database.column(Column::Code), hash, code.bytes);
            self.database.write("import of a code", batch, false)?;
        }
        Ok(())
    }
}
