//! Requests and responses, and how they look inside a frame.
//!
//! The protocol name says the kind, so no tag is written. Numbers are little-endian (borsh).
//!
//! ```text
//! status        request, response   genesis_hash 32 ‖ height u64 ‖ hash 32
//! blocks        request             from u64 ‖ count u32
//! parts         request             block 32 ‖ len u32 ‖ bitmap of parts already held
//! transactions  request             count u32 ‖ count × hash 32
//! blocks, parts, transactions       count u32 ‖ count × (len u32 ‖ bytes)
//!               response
//! ```

use crate::error::MessageError;
use crate::limits::{
    BLOCKS_PER_REQUEST_MAX, BLOCKS_REQUEST_BYTES_MAX, BLOCKS_RESPONSE_BYTES_MAX,
    PARTS_HAVE_BYTES_MAX, PARTS_REQUEST_BYTES_MAX, PARTS_RESPONSE_BYTES_MAX,
    STATUS_FRAME_BYTES_MAX, TRANSACTIONS_PER_REQUEST_MAX, TRANSACTIONS_REQUEST_BYTES_MAX,
    TRANSACTIONS_RESPONSE_BYTES_MAX,
};
use borsh::{BorshDeserialize, BorshSerialize};
use weft_types::B256;
use weft_types::limits::PARTS_MAX;

/// The four kinds of request, each with its own protocol name and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestKind {
    /// What the peer's head is.
    Status,
    /// A range of decided blocks with their certificates.
    Blocks,
    /// Missing parts of a proposal.
    Parts,
    /// Transactions by hash.
    Transactions,
}

impl RequestKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Status, Self::Blocks, Self::Parts, Self::Transactions];

    /// Name in protocol strings and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Blocks => "blocks",
            Self::Parts => "parts",
            Self::Transactions => "transactions",
        }
    }

    /// Largest request frame, in bytes.
    pub const fn request_bytes_max(self) -> usize {
        match self {
            Self::Status => STATUS_FRAME_BYTES_MAX,
            Self::Blocks => BLOCKS_REQUEST_BYTES_MAX,
            Self::Parts => PARTS_REQUEST_BYTES_MAX,
            Self::Transactions => TRANSACTIONS_REQUEST_BYTES_MAX,
        }
    }

    /// Largest response frame, in bytes.
    pub const fn response_bytes_max(self) -> usize {
        match self {
            Self::Status => STATUS_FRAME_BYTES_MAX,
            Self::Blocks => BLOCKS_RESPONSE_BYTES_MAX,
            Self::Parts => PARTS_RESPONSE_BYTES_MAX,
            Self::Transactions => TRANSACTIONS_RESPONSE_BYTES_MAX,
        }
    }

    /// Most items in a response.
    pub const fn response_items_max(self) -> usize {
        match self {
            Self::Status => 1,
            Self::Blocks => BLOCKS_PER_REQUEST_MAX as usize,
            Self::Parts => PARTS_MAX,
            Self::Transactions => TRANSACTIONS_PER_REQUEST_MAX,
        }
    }
}

/// Where a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StatusMessage {
    /// Hash of block 0 of the peer's chain.
    pub genesis_hash: B256,
    /// Height of the peer's head.
    pub height: u64,
    /// Hash of the peer's head.
    pub hash: B256,
}

/// What one peer asks another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Asks for the peer's status and tells ours.
    Status(StatusMessage),
    /// Asks for `count` blocks from height `from` on, at most [`BLOCKS_PER_REQUEST_MAX`]; the
    /// answer may be shorter.
    Blocks {
        /// First height.
        from: u64,
        /// How many, at least 1.
        count: u32,
    },
    /// Asks for parts of a proposed block.
    Parts {
        /// The block.
        block: B256,
        /// Bitmap of the parts already held: part `i` is bit `i % 8` of byte `i / 8`.
        have: Vec<u8>,
    },
    /// Asks for transactions by hash, at most [`TRANSACTIONS_PER_REQUEST_MAX`].
    Transactions(Vec<B256>),
}

/// What the peer answers; always of the kind of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The peer's status.
    Status(StatusMessage),
    /// Encoded blocks with certificates, in height order.
    Blocks(Vec<Vec<u8>>),
    /// Encoded announcement and parts.
    Parts(Vec<Vec<u8>>),
    /// Encoded transactions.
    Transactions(Vec<Vec<u8>>),
}

impl Request {
    /// Kind of this request.
    pub const fn kind(&self) -> RequestKind {
        match self {
            Self::Status(_) => RequestKind::Status,
            Self::Blocks { .. } => RequestKind::Blocks,
            Self::Parts { .. } => RequestKind::Parts,
            Self::Transactions(_) => RequestKind::Transactions,
        }
    }

    /// The frame's contents.
    ///
    /// # Errors
    /// [`MessageError`] when a count is over its limit; a receiver would refuse it.
    pub fn encode(&self) -> Result<Vec<u8>, MessageError> {
        let bytes = match self {
            Self::Status(status) => encoded(status),
            Self::Blocks { from, count } => {
                check_blocks_count(*count)?;
                encoded(&(*from, *count))
            }
            Self::Parts { block, have } => {
                check_count("parts bitmap length", have.len(), PARTS_HAVE_BYTES_MAX)?;
                encoded(&(block, have))
            }
            Self::Transactions(hashes) => {
                check_count("transaction hashes", hashes.len(), TRANSACTIONS_PER_REQUEST_MAX)?;
                encoded(hashes)
            }
        };
        check_frame(bytes.len(), self.kind().request_bytes_max())?;
        Ok(bytes)
    }

    /// Reads a request of one kind from a frame's contents.
    ///
    /// # Errors
    /// [`MessageError`] when it is not exactly one such request within its limits; the sender is
    /// to blame.
    pub fn decode(kind: RequestKind, frame: &[u8]) -> Result<Self, MessageError> {
        check_frame(frame.len(), kind.request_bytes_max())?;
        let mut reader = Reader(frame);
        let request = match kind {
            RequestKind::Status => Self::Status(reader.status()?),
            RequestKind::Blocks => {
                let from = u64::from_le_bytes(reader.array("from")?);
                let count = reader.u32("count")?;
                check_blocks_count(count)?;
                Self::Blocks { from, count }
            }
            RequestKind::Parts => {
                let block = B256::from(reader.array("block")?);
                let len = reader.count("parts bitmap length", PARTS_HAVE_BYTES_MAX)?;
                Self::Parts { block, have: reader.bytes("parts bitmap", len)?.to_vec() }
            }
            RequestKind::Transactions => {
                let count = reader.count("transaction hashes", TRANSACTIONS_PER_REQUEST_MAX)?;
                let hashes = (0..count).map(|_| reader.array("hash").map(B256::from));
                Self::Transactions(hashes.collect::<Result<_, _>>()?)
            }
        };
        reader.end()?;
        Ok(request)
    }
}

impl Response {
    /// Kind of this response.
    pub const fn kind(&self) -> RequestKind {
        match self {
            Self::Status(_) => RequestKind::Status,
            Self::Blocks(_) => RequestKind::Blocks,
            Self::Parts(_) => RequestKind::Parts,
            Self::Transactions(_) => RequestKind::Transactions,
        }
    }

    /// The frame's contents.
    ///
    /// # Errors
    /// [`MessageError`] when it has too many items or bytes; a receiver would refuse it.
    pub fn encode(&self) -> Result<Vec<u8>, MessageError> {
        self.verify()?;
        Ok(match self {
            Self::Status(status) => encoded(status),
            Self::Blocks(items) | Self::Parts(items) | Self::Transactions(items) => encoded(items),
        })
    }

    /// Compares the response with the limits of its kind without encoding it.
    ///
    /// # Errors
    /// [`MessageError`] when it has too many items or bytes; a receiver would refuse it.
    pub fn verify(&self) -> Result<(), MessageError> {
        let kind = self.kind();
        if let Self::Blocks(items) | Self::Parts(items) | Self::Transactions(items) = self {
            check_count("response items", items.len(), kind.response_items_max())?;
        }
        check_frame(self.encoded_bytes(), kind.response_bytes_max())
    }

    /// Reads a response of one kind from a frame's contents.
    ///
    /// # Errors
    /// [`MessageError`] when it is not exactly one such response within its limits; the sender is
    /// to blame.
    pub fn decode(kind: RequestKind, frame: &[u8]) -> Result<Self, MessageError> {
        check_frame(frame.len(), kind.response_bytes_max())?;
        let mut reader = Reader(frame);
        let response = match kind {
            RequestKind::Status => Self::Status(reader.status()?),
            RequestKind::Blocks => Self::Blocks(reader.items(kind)?),
            RequestKind::Parts => Self::Parts(reader.items(kind)?),
            RequestKind::Transactions => Self::Transactions(reader.items(kind)?),
        };
        reader.end()?;
        Ok(response)
    }

    /// Size of the encoding, in bytes, without encoding it.
    pub fn encoded_bytes(&self) -> usize {
        match self {
            Self::Status(_) => 72,
            Self::Blocks(items) | Self::Parts(items) | Self::Transactions(items) => {
                4 + items.iter().map(|item| 4 + item.len()).sum::<usize>()
            }
        }
    }
}

fn encoded(value: &impl BorshSerialize) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory cannot fail and lengths were compared with u32")
}

fn check_frame(size_bytes: usize, size_bytes_max: usize) -> Result<(), MessageError> {
    if size_bytes > size_bytes_max {
        return Err(MessageError::FrameTooLarge { size_bytes, size_bytes_max });
    }
    Ok(())
}

fn check_count(field: &'static str, found: usize, limit: usize) -> Result<(), MessageError> {
    if found > limit {
        return Err(MessageError::Count { field, found, limit });
    }
    Ok(())
}

fn check_blocks_count(count: u32) -> Result<(), MessageError> {
    let (found, limit) = (count as usize, BLOCKS_PER_REQUEST_MAX as usize);
    if found == 0 || found > limit {
        return Err(MessageError::Count { field: "block count", found, limit });
    }
    Ok(())
}

/// Reads from a frame that is already in memory; compares each count before it allocates.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], MessageError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(MessageError::Short { field })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], MessageError> {
        let bytes = self.bytes(field, N)?;
        Ok(bytes.try_into().expect("exactly N bytes were taken"))
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, MessageError> {
        self.array(field).map(u32::from_le_bytes)
    }

    fn count(&mut self, field: &'static str, limit: usize) -> Result<usize, MessageError> {
        let found = self.u32(field)? as usize;
        check_count(field, found, limit)?;
        Ok(found)
    }

    fn status(&mut self) -> Result<StatusMessage, MessageError> {
        Ok(StatusMessage {
            genesis_hash: B256::from(self.array("genesis hash")?),
            height: u64::from_le_bytes(self.array("height")?),
            hash: B256::from(self.array("hash")?),
        })
    }

    fn items(&mut self, kind: RequestKind) -> Result<Vec<Vec<u8>>, MessageError> {
        let count = self.count("response items", kind.response_items_max())?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            let len = self.u32("item length")? as usize;
            items.push(self.bytes("item", len)?.to_vec());
        }
        Ok(items)
    }

    fn end(self) -> Result<(), MessageError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(MessageError::Trailing { bytes: self.0.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(height: u64) -> StatusMessage {
        StatusMessage { genesis_hash: B256::repeat_byte(1), height, hash: B256::repeat_byte(2) }
    }

    #[test]
    fn every_request_and_response_is_read_back_as_written() {
        for request in [
            Request::Status(status(7)),
            Request::Blocks { from: 9, count: BLOCKS_PER_REQUEST_MAX },
            Request::Parts { block: B256::repeat_byte(3), have: vec![0xa5; PARTS_HAVE_BYTES_MAX] },
            Request::Transactions(vec![B256::repeat_byte(4); TRANSACTIONS_PER_REQUEST_MAX]),
        ] {
            let frame = request.encode().unwrap();
            assert_eq!(Request::decode(request.kind(), &frame), Ok(request));
        }
        for response in [
            Response::Status(status(8)),
            Response::Blocks(vec![vec![1; 10], vec![]]),
            Response::Parts(vec![vec![2; 1000]; 3]),
            Response::Transactions(vec![]),
        ] {
            let frame = response.encode().unwrap();
            assert_eq!(frame.len(), response.encoded_bytes());
            assert_eq!(Response::decode(response.kind(), &frame), Ok(response));
        }
    }

    #[test]
    fn a_request_over_its_limits_is_refused_by_both_ends() {
        let zero = Request::Blocks { from: 1, count: 0 };
        let many = Request::Blocks { from: 1, count: BLOCKS_PER_REQUEST_MAX + 1 };
        for request in [zero, many] {
            assert!(matches!(request.encode(), Err(MessageError::Count { .. })));
        }
        let hashes = vec![B256::ZERO; TRANSACTIONS_PER_REQUEST_MAX + 1];
        let frame = encoded(&hashes);
        assert!(Request::Transactions(hashes).encode().is_err());
        assert!(Request::decode(RequestKind::Transactions, &frame).is_err());
    }

    #[test]
    fn many_empty_items_are_refused_before_they_are_allocated() {
        let frame = encoded(&vec![Vec::<u8>::new(); 100_000]);
        let refused = Response::decode(RequestKind::Blocks, &frame);
        assert!(matches!(refused, Err(MessageError::Count { found: 100_000, .. })), "{refused:?}");
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut frame = Request::Status(status(1)).encode().unwrap();
        frame.push(0);
        let refused = Request::decode(RequestKind::Status, &frame);
        assert_eq!(refused, Err(MessageError::Trailing { bytes: 1 }));
    }

    #[test]
    fn a_response_over_its_size_is_refused_by_both_ends() {
        let response = Response::Parts(vec![vec![0; 1024 * 1024]; 3]);
        assert!(matches!(response.encode(), Err(MessageError::FrameTooLarge { .. })));
        let frame = vec![0; PARTS_RESPONSE_BYTES_MAX + 1];
        assert!(Response::decode(RequestKind::Parts, &frame).is_err());
    }

    proptest! {
        #[test]
        fn random_frames_never_panic_and_what_decodes_encodes_to_the_same_bytes(
            frame in proptest::collection::vec(any::<u8>(), 0..600), kind in 0usize..4,
        ) {
            let kind = RequestKind::ALL[kind];
            if let Ok(request) = Request::decode(kind, &frame) {
                prop_assert_eq!(request.encode().unwrap(), frame.clone());
            }
            if let Ok(response) = Response::decode(kind, &frame) {
                prop_assert_eq!(response.encode().unwrap(), frame);
            }
        }

        #[test]
        fn frames_with_small_counts_never_panic(
            count in 0u32..4, rest in proptest::collection::vec(0u8..6, 0..64), kind in 0usize..4,
        ) {
            let mut frame = count.to_le_bytes().to_vec();
            frame.extend(rest);
            let kind = RequestKind::ALL[kind];
            if let Ok(response) = Response::decode(kind, &frame) {
                prop_assert_eq!(response.encode().unwrap(), frame);
            }
        }
    }
}
