//! The leaves of one section as bytes, written and verified.

use super::{CHUNK_BYTES_MAX, CHUNK_LEAVES_MAX, Section, SyncError};
use crate::hash::Preimage;
use crate::tree::node::Context;
use crate::tree::update::{Update, build};
use crate::{AccountKey, TreeKey};
use alloy_primitives::{Address, B256, U256};
use alloy_rlp::{Decodable, Encodable, Header};

const CONTEXT: Context<'static> = Context { source: None, epoch: 0 };

const HEADER: u8 = 0x00;
const CODE: u8 = 0x01;
const SUB_BASIC: u8 = 0;

/// A leaf, and what its key was hashed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncLeaf {
    /// Where.
    pub key: TreeKey,
    /// What; never zero.
    pub value: B256,
    /// What the key was hashed from.
    pub origin: Origin,
}

/// What a key was hashed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Leaves of the header zone that need no more than the account's hash.
    Header,
    /// The basic leaf of an account.
    Account(Address),
    /// A slot from 64 on.
    Slot(Address, U256),
    /// A chunk of a code.
    Code(CodeGroup),
}

/// 256 chunks of a code that lie together, the last ones perhaps missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeGroup {
    /// keccak256 of the code.
    pub code: B256,
    /// Length of the code in bytes.
    pub size: u32,
    /// Place of the group in the code, from 0.
    pub group: u32,
}

impl CodeGroup {
    /// The 32 bytes that the keys of all chunks of the group share.
    #[must_use]
    pub fn stem(&self) -> Option<B256> {
        let first = self.group.checked_mul(256)?;
        Some(B256::from_slice(&TreeKey::code_chunk(&self.code, first).as_slice()[1..33]))
    }
}

/// Puts the leaves of a section together, in key order.
#[derive(Debug, Default)]
pub struct ChunkWriter {
    stream: Vec<u8>,
    origins: Vec<u8>,
    last: Option<Origin>,
}

impl ChunkWriter {
    /// Adds the next leaf.
    pub fn push(&mut self, leaf: &SyncLeaf) {
        let (key, value) = (leaf.key.as_slice(), trimmed(&leaf.value));
        let payload_length = key.length() + value.length();
        Header { list: true, payload_length }.encode(&mut self.stream);
        key.encode(&mut self.stream);
        value.encode(&mut self.stream);
        match leaf.origin {
            Origin::Header => return,
            Origin::Account(address) => address.encode(&mut self.origins),
            Origin::Slot(address, slot) => {
                let known = matches!(self.last, Some(Origin::Slot(last, _)) if last == address);
                let of = if known { 0 } else { address.length() };
                Header { list: true, payload_length: slot.length() + of }.encode(&mut self.origins);
                slot.encode(&mut self.origins);
                if !known {
                    address.encode(&mut self.origins);
                }
            }
            Origin::Code(_) if self.last == Some(leaf.origin) => {}
            Origin::Code(CodeGroup { code, size, group }) => {
                let payload_length = code.length() + size.length() + group.length();
                Header { list: true, payload_length }.encode(&mut self.origins);
                code.encode(&mut self.origins);
                size.encode(&mut self.origins);
                group.encode(&mut self.origins);
            }
        }
        self.last = Some(leaf.origin);
    }

    /// The chunk.
    ///
    /// # Panics
    /// When it is longer than any chunk of [`CHUNK_LEAVES_MAX`] leaves.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let length = u32::try_from(self.stream.len()).expect("a chunk is limited");
        [&length.to_be_bytes()[..], &self.stream, &self.origins].concat()
    }
}

fn trimmed(value: &B256) -> &[u8] {
    let zeros = value.iter().take_while(|byte| **byte == 0).count();
    &value[zeros..]
}

impl Section {
    /// The leaves of a chunk, if it is the one of this section.
    ///
    /// # Errors
    /// [`SyncError::Chunk`] when it does not decode, is too large, or a key, a value or an origin is
    /// not as the plan says.
    pub fn verify(&self, chunk: &[u8]) -> Result<Vec<SyncLeaf>, SyncError> {
        self.read(chunk).map_err(|reason| SyncError::Chunk { place: self.place, reason })
    }

    fn read(&self, chunk: &[u8]) -> Result<Vec<SyncLeaf>, String> {
        if chunk.len() > CHUNK_BYTES_MAX {
            return Err(format!("{} bytes, limit {CHUNK_BYTES_MAX}", chunk.len()));
        }
        let (length, rest) = chunk.split_first_chunk::<4>().ok_or("it is cut off")?;
        let length = u32::from_be_bytes(*length) as usize;
        let (stream, origins) = rest.split_at_checked(length).ok_or("it is cut off")?;
        let pairs = self.pairs(stream)?;
        let mut origins = Origins { rest: origins, last: None };
        let mut leaves = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            leaves.push(SyncLeaf { key, value, origin: origins.next(&key)? });
        }
        if !origins.rest.is_empty() {
            return Err("origins are left over".into());
        }
        Ok(leaves)
    }

    /// Keys and values, verified.
    fn pairs(&self, mut stream: &[u8]) -> Result<Vec<(TreeKey, B256)>, String> {
        let mut pairs: Vec<(TreeKey, B256)> = Vec::new();
        while !stream.is_empty() {
            let (key, value) = pair(&mut stream)?;
            if !self.has(&key) {
                return Err(format!("key {key:?} lies in another section"));
            }
            if pairs.last().is_some_and(|(last, _)| *last >= key) {
                return Err(format!("keys do not ascend at {key:?}"));
            }
            if pairs.len() >= CHUNK_LEAVES_MAX as usize {
                return Err(format!("more than {CHUNK_LEAVES_MAX} leaves"));
            }
            pairs.push((key, value));
        }
        let updates: Vec<Update> = pairs
            .iter()
            .map(|(key, value)| Update { key: *key, leaf: Some(Preimage::leaf(key, value).hash()) })
            .collect();
        let node = build(self.bits, &updates, &CONTEXT).map_err(|error| error.to_string())?;
        let found = node.map_or(B256::ZERO, |node| *node.hash());
        if found != self.hash {
            return Err(format!("its leaves have hash {found}, expected {}", self.hash));
        }
        Ok(pairs)
    }
}

fn pair(stream: &mut &[u8]) -> Result<(TreeKey, B256), String> {
    let mut list = Header::decode_bytes(stream, true).map_err(|e| e.to_string())?;
    let key = Header::decode_bytes(&mut list, false).map_err(|e| e.to_string())?;
    let value = Header::decode_bytes(&mut list, false).map_err(|e| e.to_string())?;
    let key = TreeKey::from_slice(key).ok_or_else(|| format!("key of {} bytes", key.len()))?;
    let plain = list.is_empty() && value.len() <= 32 && value.first().is_some_and(|b| *b != 0);
    if !plain {
        return Err(format!("value of {key:?} is not in its one form"));
    }
    Ok((key, B256::left_padding_from(value)))
}

/// The origins that are left, and the last one.
struct Origins<'a> {
    rest: &'a [u8],
    last: Option<Origin>,
}

impl Origins<'_> {
    fn next(&mut self, key: &TreeKey) -> Result<Origin, String> {
        let bytes = key.as_slice();
        let (zone, stem) = (bytes[0], &bytes[1..33]);
        let wrong = || format!("origin of {key:?} is another or missing");
        let origin = match zone {
            HEADER if bytes[33] != SUB_BASIC => return Ok(Origin::Header),
            HEADER => {
                let address = Address::decode(&mut self.rest).map_err(|_| wrong())?;
                let is_own = AccountKey::new(&address).hash().as_slice() == stem;
                is_own.then_some(Origin::Account(address))
            }
            CODE => match self.last {
                Some(Origin::Code(group)) if group.stem().is_some_and(|s| s[..] == *stem) => {
                    return Ok(Origin::Code(group));
                }
                _ => {
                    let mut list =
                        Header::decode_bytes(&mut self.rest, true).map_err(|_| wrong())?;
                    let group = decode_group(&mut list).map_err(|_| wrong())?;
                    let is_own = list.is_empty() && group.stem().is_some_and(|s| s[..] == *stem);
                    is_own.then_some(Origin::Code(group))
                }
            },
            _ => {
                let mut list = Header::decode_bytes(&mut self.rest, true).map_err(|_| wrong())?;
                let slot = U256::decode(&mut list).map_err(|_| wrong())?;
                let address = match (list.is_empty(), self.last) {
                    (true, Some(Origin::Slot(last, _))) => last,
                    _ => Address::decode(&mut list).map_err(|_| wrong())?,
                };
                let is_own = list.is_empty() && AccountKey::new(&address).slot(&slot) == *key;
                is_own.then_some(Origin::Slot(address, slot))
            }
        };
        self.last = origin;
        origin.ok_or_else(wrong)
    }
}

fn decode_group(list: &mut &[u8]) -> alloy_rlp::Result<CodeGroup> {
    let code = B256::decode(list)?;
    Ok(CodeGroup { code, size: u32::decode(list)?, group: u32::decode(list)? })
}
