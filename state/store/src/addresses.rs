//! Finding the blocks that touch an address, without looking at the others.
//!
//! For each address that a block's access list (EIP-7928) or one of its transactions names there is one entry: eight bytes of
//! a hash, then the height, so that the blocks of one address lie side by side and are walked in either direction. Senders,
//! and accounts whose code changes, have entries of their own besides. Eight bytes may be shared by two addresses: a block
//! that is found *may* touch the address, one that is not found does not.
//!
//! What every block touches by itself would only make the index long: the fee recipient and the system contracts have
//! entries for the blocks whose transactions name them, and for no others.

use crate::columns::Column;
use crate::database::{Database, Direction};
use crate::retention::Kept;
use crate::store::Store;
use crate::{StoreError, layout};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
use alloy_primitives::{Address, TxKind};
use alloy_rlp::Header as ListHeader;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use weft_types::SealedBlock;

/// Bytes of a hash that stand for an address.
const TAG_BYTES: usize = 8;
/// Most blocks that one call returns.
pub const TOUCHING_MAX: usize = 10_000;

type Tag = [u8; TAG_BYTES];

/// How a block touches an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// At all: it is named by a transaction, or its state was read or changed.
    Any = 0,
    /// It sent a transaction.
    Sent = 1,
    /// Its code changed: it was created, destroyed, or delegated (EIP-7702).
    Code = 2,
}

/// Entries of one block, ascending. A list that is not there, or does not decode, has nothing to add to what the transactions
/// name.
pub(crate) fn entries(block: &SealedBlock, senders: &[Address], list: &[u8]) -> BTreeSet<Tag> {
    let mut entries = BTreeSet::new();
    for (transaction, sender) in block.transactions().iter().zip(senders) {
        entries.insert(tag(Touch::Any, sender));
        entries.insert(tag(Touch::Sent, sender));
        let target = match alloy_consensus::Transaction::kind(transaction) {
            TxKind::Call(to) => to,
            TxKind::Create => sender.create(alloy_consensus::Transaction::nonce(transaction)),
        };
        entries.insert(tag(Touch::Any, &target));
    }
    let by_itself = [
        block.header().beneficiary,
        BEACON_ROOTS_ADDRESS,
        HISTORY_STORAGE_ADDRESS,
        WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    ];
    for (address, code_changes) in outline(list).unwrap_or_default() {
        if !by_itself.contains(&address) {
            entries.insert(tag(Touch::Any, &address));
        }
        if code_changes {
            entries.insert(tag(Touch::Code, &address));
        }
    }
    entries
}

/// The accounts of a list, and whether their code changes: walks over everything else.
fn outline(list: &[u8]) -> Result<Vec<(Address, bool)>, alloy_rlp::Error> {
    let mut accounts = Vec::new();
    if list.is_empty() {
        return Ok(accounts);
    }
    let mut rest = ListHeader::decode_bytes(&mut &*list, true)?;
    while !rest.is_empty() {
        let mut fields = ListHeader::decode_bytes(&mut rest, true)?;
        let address = <Address as alloy_rlp::Decodable>::decode(&mut fields)?;
        // Storage changes, storage reads, balances, nonces; then code.
        for _ in 0..4 {
            ListHeader::decode_bytes(&mut fields, true)?;
        }
        let codes = ListHeader::decode_bytes(&mut fields, true)?;
        accounts.push((address, !codes.is_empty()));
    }
    Ok(accounts)
}

/// Key of an entry.
pub(crate) fn key(tag: &Tag, height: u64) -> [u8; TAG_BYTES + 8] {
    let mut key = [0; TAG_BYTES + 8];
    key[..TAG_BYTES].copy_from_slice(tag);
    key[TAG_BYTES..].copy_from_slice(&height.to_be_bytes());
    key
}

fn tag(touch: Touch, address: &Address) -> Tag {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[touch as u8]);
    hasher.update(address.as_slice());
    let hash = hasher.finalize();
    let (tag, _) = hash.as_bytes().split_first_chunk().expect("a hash is longer than a tag");
    *tag
}

fn walk(
    database: &Database,
    (touch, address): (Touch, &Address),
    (from, to): (u64, u64),
    direction: Direction,
    limit: usize,
) -> Result<Vec<u64>, StoreError> {
    let (column, tag) = (Column::AddressIndex, tag(touch, address));
    let mut found = Vec::new();
    if from > to || limit == 0 {
        return Ok(found);
    }
    database.walk(column, (&key(&tag, from), &key(&tag, to)), direction, |key| {
        found.push(layout::height_at_end(column, key)?);
        let full = found.len() >= limit;
        Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// Both answer with at most `limit`, and never more than [`TOUCHING_MAX`], heights of durable blocks. Blocks below the oldest
/// height of the logs are not found any more: see [`Store::oldest`].
impl Store {
    /// Heights from `from` upwards whose blocks may touch the address, ascending.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn touching_from(
        &self,
        touch: Touch,
        address: &Address,
        from: u64,
        limit: usize,
    ) -> Result<Vec<u64>, StoreError> {
        let range = (from.max(self.oldest().of(Kept::Logs)), self.head().block.height().0);
        let limit = limit.min(TOUCHING_MAX);
        walk(self.database(), (touch, address), range, Direction::Up, limit)
    }

    /// Heights from `to` downwards whose blocks may touch the address, descending.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot answer.
    pub fn touching_to(
        &self,
        touch: Touch,
        address: &Address,
        to: u64,
        limit: usize,
    ) -> Result<Vec<u64>, StoreError> {
        let range = (self.oldest().of(Kept::Logs), to.min(self.head().block.height().0));
        let limit = limit.min(TOUCHING_MAX);
        walk(self.database(), (touch, address), range, Direction::Down, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eip7928::{AccountChanges, BlockAccessIndex, CodeChange, NonceChange};
    use alloy_primitives::Bytes;
    use alloy_rlp::Encodable;
    use weft_types::{Block, Header};

    #[test]
    fn the_outline_finds_every_account_and_who_has_new_code() {
        let [plain, coded] = [1, 2].map(Address::repeat_byte);
        let at = BlockAccessIndex(1);
        let nonce = NonceChange { block_access_index: at, new_nonce: 7 };
        let code = CodeChange { block_access_index: at, new_code: Bytes::from_static(&[1, 2]) };
        let list = vec![
            AccountChanges { address: plain, nonce_changes: vec![nonce], ..Default::default() },
            AccountChanges { address: coded, code_changes: vec![code], ..Default::default() },
        ];
        let mut bytes = Vec::new();
        list.encode(&mut bytes);
        assert_eq!(outline(&bytes), Ok(vec![(plain, false), (coded, true)]));
        for end in 1..bytes.len() {
            assert!(outline(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_every_block_touches_by_itself_has_no_entry() {
        let fees = Address::repeat_byte(0xfe);
        let header = Header { beneficiary: fees, ..Header::default() };
        let block = Block { header, transactions: vec![], commands: vec![] }.seal();
        let account = |address| AccountChanges { address, ..Default::default() };
        let list = vec![account(HISTORY_STORAGE_ADDRESS), account(fees)];
        let mut bytes = Vec::new();
        list.encode(&mut bytes);
        assert!(entries(&block, &[], &bytes).is_empty());
        let list = vec![account(Address::repeat_byte(3))];
        bytes.clear();
        list.encode(&mut bytes);
        assert_eq!(entries(&block, &[], &bytes).len(), 1);
    }
}
