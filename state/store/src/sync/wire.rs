//! Blocks that travel beside a state, as bytes that anybody may have made.
//!
//! ```text
//! listed block = borsh (version u8 = 1, header bytes, body bytes, receipts bytes, certificate option)
//! anchor       = listed block ‖ borsh list of header bytes: those before it, ascending
//!
//! header   RLP
//! body     RLP list (transactions, access list), as in block sync; an anchor's may lack the list
//! receipts RLP list
//! ```
//! Senders do not travel: who reads recovers them from the signatures.

use super::anchor::ANCESTORS_MAX;
use super::{Anchor, ListedBlock};
use crate::{Store, StoreError, layout};
use alloy_primitives::{Address, Bytes};
use alloy_rlp::{Decodable, Encodable};
use borsh::{BorshDeserialize, BorshSerialize};
use weft_types::limits::{BLOCK_GAS_LIMIT_MAX, BODY_BYTES_MAX, HEADER_BYTES_MAX};
use weft_types::{Block, BlockBody, CommitCertificate, Header, Receipt, SealedBlock, Transaction};

/// Version of these forms.
const VERSION: u8 = 1;

/// Most bytes of the receipts of a block: a byte of a log costs 8 gas, and every other part of a
/// receipt more for each of its bytes.
const RECEIPTS_BYTES_MAX: usize = (BLOCK_GAS_LIMIT_MAX / 8) as usize;
/// Certificate and lengths.
const REST_BYTES_MAX: usize = 64 << 10;

/// Most bytes of one listed block.
pub const LISTED_BYTES_MAX: usize =
    HEADER_BYTES_MAX + BODY_BYTES_MAX + RECEIPTS_BYTES_MAX + REST_BYTES_MAX;
/// Most bytes of an anchor.
pub const ANCHOR_BYTES_MAX: usize =
    LISTED_BYTES_MAX + ANCESTORS_MAX as usize * (HEADER_BYTES_MAX + 4) + 4;

/// Finds the senders of transactions by their signatures, or says what is wrong with one.
pub type Senders<'s> = dyn Fn(&[Transaction]) -> Result<Vec<Address>, String> + 's;

#[derive(BorshSerialize, BorshDeserialize)]
struct Wire {
    version: u8,
    header: Vec<u8>,
    body: Vec<u8>,
    receipts: Vec<u8>,
    certificate: Option<CommitCertificate>,
}

/// What a [`Wire`] says, each part decoded.
struct Parts {
    block: SealedBlock,
    senders: Vec<Address>,
    receipts: Vec<Receipt>,
    access_list: Bytes,
    certificate: Option<CommitCertificate>,
}

impl Wire {
    fn new(
        block: &SealedBlock,
        access_list: Bytes,
        receipts: &[Receipt],
        certificate: Option<CommitCertificate>,
    ) -> Self {
        let body = BlockBody {
            transactions: block.transactions().to_vec(),
            access_list,
            commands: block.commands().to_vec(),
        };
        Self {
            version: VERSION,
            header: header_bytes(block.header()),
            body: body.encode(),
            receipts: layout::encode_receipts(receipts),
            certificate,
        }
    }

    fn parts(self, senders: &Senders<'_>) -> Result<Parts, String> {
        if self.version != VERSION {
            return Err(format!("version {}, expected {VERSION}", self.version));
        }
        let header = header(&self.header)?;
        let body = BlockBody::decode(&self.body).map_err(|e| e.to_string())?;
        if self.receipts.len() > RECEIPTS_BYTES_MAX {
            return Err(format!("{} bytes of receipts", self.receipts.len()));
        }
        let mut rest = &self.receipts[..];
        let receipts: Vec<Receipt> =
            Decodable::decode(&mut rest).map_err(|e| format!("receipts: {e}"))?;
        if !rest.is_empty() {
            return Err(format!("receipts: {} bytes too many", rest.len()));
        }
        let senders = senders(&body.transactions)?;
        let block =
            Block { header, transactions: body.transactions, commands: body.commands }.seal();
        let (access_list, certificate) = (body.access_list, self.certificate);
        Ok(Parts { block, senders, receipts, access_list, certificate })
    }
}

fn header_bytes(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    bytes
}

fn header(bytes: &[u8]) -> Result<Header, String> {
    if bytes.len() > HEADER_BYTES_MAX {
        return Err(format!("header of {} bytes, limit {HEADER_BYTES_MAX}", bytes.len()));
    }
    let mut rest = bytes;
    let header = Header::decode(&mut rest).map_err(|e| format!("header: {e}"))?;
    if rest.is_empty() { Ok(header) } else { Err(format!("header: {} bytes too many", rest.len())) }
}

fn limited(bytes: &[u8], limit: usize) -> Result<(), String> {
    if bytes.len() > limit {
        return Err(format!("{} bytes, limit {limit}", bytes.len()));
    }
    Ok(())
}

impl Anchor {
    /// The anchor as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let wire = Wire::new(&self.block, Bytes::new(), &self.receipts, self.certificate.clone());
        let ancestors: Vec<Vec<u8>> = self.ancestors.iter().map(header_bytes).collect();
        borsh::to_vec(&(wire, ancestors)).expect("writing to memory cannot fail")
    }

    /// An anchor from bytes. Whether its parts belong together, [`super::Import::begin`] looks at.
    ///
    /// # Errors
    /// What does not decode, or which sender cannot be recovered.
    pub fn decode(bytes: &[u8], senders: &Senders<'_>) -> Result<Self, String> {
        limited(bytes, ANCHOR_BYTES_MAX)?;
        let (wire, ancestors): (Wire, Vec<Vec<u8>>) =
            borsh::from_slice(bytes).map_err(|e| e.to_string())?;
        let ancestors = ancestors.iter().map(|bytes| header(bytes)).collect::<Result<_, _>>()?;
        let Parts { block, senders, receipts, certificate, .. } = wire.parts(senders)?;
        Ok(Self { block, senders, receipts, certificate, ancestors })
    }
}

impl ListedBlock {
    /// The block as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (list, certificate) = (self.access_list.clone(), Some(self.certificate.clone()));
        let wire = Wire::new(&self.block, list, &self.receipts, certificate);
        borsh::to_vec(&wire).expect("writing to memory cannot fail")
    }

    /// A block from bytes. Whether its parts belong together, [`Store::commit_listed`] looks at.
    ///
    /// # Errors
    /// What does not decode or is missing, or which sender cannot be recovered.
    pub fn decode(bytes: &[u8], senders: &Senders<'_>) -> Result<Self, String> {
        limited(bytes, LISTED_BYTES_MAX)?;
        let wire: Wire = borsh::from_slice(bytes).map_err(|e| e.to_string())?;
        let Parts { block, senders, receipts, access_list, certificate } = wire.parts(senders)?;
        let certificate = certificate.ok_or("there is no certificate")?;
        Ok(Self { block, senders, certificate, receipts, access_list })
    }
}

impl Store {
    /// The block at `height` with what others need to apply it without executing; `None` when this
    /// store has no block there.
    ///
    /// # Errors
    /// [`StoreError::NoList`] when its list is not kept, [`StoreError::Pruned`] when that or its
    /// receipts were dropped, or another [`StoreError`] when the store cannot answer.
    pub fn listed(&self, height: u64) -> Result<Option<ListedBlock>, StoreError> {
        let Some(stored) = self.block(height)? else { return Ok(None) };
        let missing = |what: &str| StoreError::Damaged { what: format!("no {what} of {height}") };
        let no_list = || StoreError::NoList { height, reason: "it is not kept".into() };
        Ok(Some(ListedBlock {
            block: stored.block,
            senders: stored.senders,
            certificate: self.certificate(height)?.ok_or_else(|| missing("certificate"))?,
            receipts: self.receipts(height)?.ok_or_else(|| missing("receipts"))?,
            access_list: self.access_list(height)?.ok_or_else(no_list)?,
        }))
    }
}
