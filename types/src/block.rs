//! Blocks and the bodies that travel beside their headers.
//!
//! Body layout (the payload of the proposal parts and of block sync):
//!
//! ```text
//! body = RLP list [ transactions: [ bytes(EIP-2718) ... ], access_list: bytes(RLP of EIP-7928), commands: bytes ]
//! ```
//!
//! `commands` are those of a development chain ([`crate::command`]); a block without any leaves the field out.
//!
//! An empty `access_list` string means that the list was not kept; the block can still be verified
//! by speculative execution.

use crate::command::{Command, CommandError, decode_commands, encode_commands};
use crate::limits::{BLOCK_TRANSACTIONS_MAX, BODY_BYTES_MAX};
use crate::transaction::{TransactionError, decode_transaction, encode_transaction};
use crate::{Header, Height, Transaction};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Encodable};

/// A header and the transactions it commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// Transactions in block order.
    pub transactions: Vec<Transaction>,
    /// Commands of a development chain, which come before the transactions.
    pub commands: Vec<Command>,
}

/// A block together with its hash, computed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBlock {
    hash: B256,
    block: Block,
}

/// What travels beside a header: transactions and the block access list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockBody {
    /// Transactions in block order.
    pub transactions: Vec<Transaction>,
    /// RLP of the block access list (EIP-7928); empty when it was not kept.
    pub access_list: Bytes,
    /// Commands of a development chain.
    pub commands: Vec<Command>,
}

/// Bytes are not a block body.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BlockError {
    /// Larger than the limit.
    #[error("block body of {size} bytes exceeds the limit of {limit}")]
    Oversized {
        /// Size found.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// More transactions than any block can hold.
    #[error("block body has more than {limit} transactions")]
    TooManyTransactions {
        /// The limit.
        limit: usize,
    },
    /// Not the layout of a body.
    #[error("block body is malformed: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
    /// A transaction does not decode.
    #[error("block body: transaction {index}: {error}")]
    Transaction {
        /// Place in the body.
        index: usize,
        /// The reason.
        error: TransactionError,
    },
    /// The commands do not decode.
    #[error("block body: {0}")]
    Commands(#[from] CommandError),
}

impl From<alloy_rlp::Error> for BlockError {
    fn from(error: alloy_rlp::Error) -> Self {
        Self::Malformed { reason: error.to_string() }
    }
}

impl Block {
    /// Computes the hash once and keeps it.
    #[must_use]
    pub fn seal(self) -> SealedBlock {
        SealedBlock { hash: self.header.hash_slow(), block: self }
    }
}

impl SealedBlock {
    /// keccak256 of the RLP header: the block's identity for RPC and consensus.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Number of the block.
    #[must_use]
    pub const fn height(&self) -> Height {
        Height(self.block.header.number)
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.block.header
    }

    /// Transactions in block order.
    #[must_use]
    pub fn transactions(&self) -> &[Transaction] {
        &self.block.transactions
    }

    /// Commands of a development chain, in their order.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.block.commands
    }

    /// The block without its hash.
    #[must_use]
    pub fn into_block(self) -> Block {
        self.block
    }
}

/// Merkle-Patricia root over the transactions, as Ethereum tools expect.
#[must_use]
pub fn transactions_root(transactions: &[Transaction]) -> B256 {
    alloy_consensus::proofs::calculate_transaction_root(transactions)
}

impl BlockBody {
    /// Encodes the body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let transactions: Vec<Bytes> = self.transactions.iter().map(encode_transaction).collect();
        let mut out = Vec::with_capacity(transactions.iter().map(|t| t.len()).sum::<usize>() + 64);
        let commands =
            (!self.commands.is_empty()).then(|| Bytes::from(encode_commands(&self.commands)));
        let payload_length = transactions.length()
            + self.access_list.length()
            + commands.as_ref().map_or(0, Encodable::length);
        alloy_rlp::Header { list: true, payload_length }.encode(&mut out);
        transactions.encode(&mut out);
        self.access_list.encode(&mut out);
        if let Some(commands) = commands {
            commands.encode(&mut out);
        }
        out
    }

    /// Decodes a body.
    ///
    /// # Errors
    /// [`BlockError`]; the sender is to blame.
    pub fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(BlockError::Oversized { size: bytes.len(), limit: BODY_BYTES_MAX });
        }
        let mut rest = bytes;
        let mut fields = alloy_rlp::Header::decode_bytes(&mut rest, true)?;
        if !rest.is_empty() {
            return Err(BlockError::Malformed { reason: "trailing bytes".into() });
        }
        let mut list = alloy_rlp::Header::decode_bytes(&mut fields, true)?;
        let mut transactions = Vec::new();
        while !list.is_empty() {
            if transactions.len() == BLOCK_TRANSACTIONS_MAX {
                return Err(BlockError::TooManyTransactions { limit: BLOCK_TRANSACTIONS_MAX });
            }
            let raw = alloy_rlp::Header::decode_bytes(&mut list, false)?;
            let index = transactions.len();
            let transaction = decode_transaction(raw)
                .map_err(|error| BlockError::Transaction { index, error })?;
            transactions.push(transaction);
        }
        let access_list = Bytes::decode(&mut fields)?;
        let commands = match fields {
            [] => Vec::new(),
            _ => decode_commands(alloy_rlp::Header::decode_bytes(&mut fields, false)?)?,
        };
        if !fields.is_empty() {
            return Err(BlockError::Malformed { reason: "trailing fields".into() });
        }
        Ok(Self { transactions, access_list, commands })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;
    use alloy_consensus::{SignableTransaction, TxEip1559};
    use alloy_primitives::{Signature, U256};

    fn transaction(nonce: u64) -> Transaction {
        let tx = TxEip1559 { chain_id: 1, nonce, gas_limit: 21_000, ..TxEip1559::default() };
        tx.into_signed(Signature::new(U256::from(1), U256::from(2), false)).into()
    }

    #[test]
    fn a_body_decodes_to_what_was_encoded() {
        let body = BlockBody {
            transactions: (0..3).map(transaction).collect(),
            access_list: Bytes::from_static(&[0xc0]),
            commands: Vec::new(),
        };
        let commands = vec![Command { salt: 1, last_height: 2, action: Action::DropTransactions }];
        let commanded = BlockBody { commands, ..body.clone() };
        assert!(commanded.encode().len() > body.encode().len());
        assert_eq!(BlockBody::decode(&commanded.encode()), Ok(commanded));
        assert_eq!(BlockBody::decode(&body.encode()), Ok(body));
        assert_eq!(BlockBody::decode(&BlockBody::default().encode()), Ok(BlockBody::default()));
    }

    #[test]
    fn a_body_with_anything_behind_it_is_refused() {
        let mut bytes =
            BlockBody { transactions: vec![transaction(0)], ..Default::default() }.encode();
        bytes.push(0);
        assert!(matches!(BlockBody::decode(&bytes), Err(BlockError::Malformed { .. })));
    }

    #[test]
    fn every_truncation_of_a_body_is_refused() {
        let bytes = BlockBody { transactions: vec![transaction(0)], ..Default::default() }.encode();
        for end in 0..bytes.len() {
            assert!(BlockBody::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }
}
