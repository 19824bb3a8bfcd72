//! A block from its bytes, and its senders from their signatures.

use super::fork::Fork;
use super::rejection::{Rejection, Stage};
use crate::header_rules::Body;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Block, Header, Transaction as _};
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Decodable;
use std::sync::Arc;
use weft_evm::SpecId;
use weft_types::{RecoveredTransaction, Transaction};

/// A decoded block and its hash.
#[derive(Clone, Debug)]
pub(crate) struct DecodedBlock {
    pub(crate) block: Block<Transaction>,
    pub(crate) hash: B256,
    pub(crate) size_bytes: usize,
}

impl DecodedBlock {
    /// Decodes a block. A blob transaction with its sidecar is not one that a block can hold.
    ///
    /// # Errors
    /// [`Rejection`] when the bytes are not a block, or not the one encoding of it.
    pub(crate) fn decode(rlp: &[u8]) -> Result<Self, Rejection> {
        let mut rest = rlp;
        let block = Block::<Transaction>::decode(&mut rest)
            .map_err(|error| Rejection::new(Stage::Decoding, error))?;
        // The encoding is the only one: this refuses what is behind the block, and what a decoder may let through.
        if alloy_rlp::encode(&block) != rlp {
            let reason = "the block is encoded in another way, or something is behind it";
            return Err(Rejection::new(Stage::Decoding, reason));
        }
        let hash = keccak256(alloy_rlp::encode(&block.header));
        Ok(Self { block, hash, size_bytes: rlp.len() })
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.block.header
    }

    /// The body, for the header rules.
    pub(crate) fn body(&self) -> Body<'_> {
        Body {
            transactions: &self.block.body.transactions,
            ommers: &self.block.body.ommers,
            withdrawals: self.block.body.withdrawals.as_ref(),
            size_bytes: self.size_bytes,
        }
    }

    /// The transactions with their senders.
    ///
    /// # Errors
    /// [`Rejection`] naming the first transaction whose signature is wrong.
    pub(crate) fn recover(&self, fork: &Fork) -> Result<Vec<Arc<RecoveredTransaction>>, Rejection> {
        let transactions = self.block.body.transactions.iter().enumerate();
        transactions
            .map(|(index, transaction)| {
                recover(transaction.clone(), fork).map(Arc::new).map_err(|mut rejection| {
                    rejection.reason = format!("transaction {index}: {}", rejection.reason);
                    rejection
                })
            })
            .collect()
    }
}

/// Recovers the sender of one transaction: the signature must be valid, low (EIP-2, since Homestead) and for this chain
/// (EIP-155, since Spurious Dragon).
///
/// # Errors
/// [`Rejection`] saying which of these does not hold.
pub(crate) fn recover(
    transaction: Transaction,
    fork: &Fork,
) -> Result<RecoveredTransaction, Rejection> {
    let refuse = |reason: String| Rejection::new(Stage::Sender, reason);
    if let Some(chain_id) = transaction.chain_id() {
        if !fork.has(SpecId::SPURIOUS_DRAGON) {
            return Err(refuse(format!("signed for a chain (EIP-155) in {}", fork.name)));
        }
        if chain_id != fork.chain_id {
            return Err(refuse(format!("chain id: expected {}, found {chain_id}", fork.chain_id)));
        }
    }
    let signer = if fork.has(SpecId::HOMESTEAD) {
        transaction.recover_signer()
    } else {
        transaction.recover_signer_unchecked()
    };
    let signer = signer.map_err(|error| refuse(error.to_string()))?;
    Ok(RecoveredTransaction::new_unchecked(transaction, signer))
}
