//! The block whose state is moved to another node.

use crate::Store;
use crate::StoreError;
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_primitives::Address;
use weft_types::block::transactions_root;
use weft_types::{CommitCertificate, Header, Receipt, SealedBlock};

/// Headers before a block that its successors can name (`BLOCKHASH`).
pub(crate) const ANCESTORS_MAX: u64 = 256;

/// A block with what a store needs of it besides its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The block. Who imports must know from its certificate that it was decided.
    pub block: SealedBlock,
    /// Senders of its transactions.
    pub senders: Vec<Address>,
    /// Its receipts.
    pub receipts: Vec<Receipt>,
    /// Why it is final; `None` for genesis.
    pub certificate: Option<CommitCertificate>,
    /// The headers before it, ascending, the last one its parent's: 256, or all there are.
    pub ancestors: Vec<Header>,
}

impl Anchor {
    /// Checks what can be checked against the block itself.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`].
    pub(super) fn validate(&self) -> Result<(), StoreError> {
        let header = self.block.header();
        let height = header.number;
        let refuse = |reason: String| Err(StoreError::Inconsistent { height, reason });
        let transactions = self.block.transactions();
        validate_body(&self.block, &self.senders, &self.receipts)?;
        if transactions_root(transactions) != header.transactions_root && height > 0 {
            return refuse("its transactions are not those of its header".into());
        }
        if self.ancestors.len() as u64 != height.min(ANCESTORS_MAX) {
            return refuse(format!("{} headers before it", self.ancestors.len()));
        }
        let mut parent = header.parent_hash;
        for (below, ancestor) in self.ancestors.iter().rev().enumerate() {
            let found = ancestor.hash_slow();
            if found != parent || ancestor.number + below as u64 + 1 != height {
                return refuse(format!("header {} before it does not lead to it", below + 1));
            }
            parent = ancestor.parent_hash;
        }
        match &self.certificate {
            Some(certificate) if certificate.block != self.block.hash() => {
                refuse(format!("its certificate is for block {}", certificate.block))
            }
            None if height > 0 => refuse("it has no certificate".into()),
            _ => Ok(()),
        }
    }
}

/// Checks that senders and receipts are those of the block.
pub(super) fn validate_body(
    block: &SealedBlock,
    senders: &[Address],
    receipts: &[Receipt],
) -> Result<(), StoreError> {
    let height = block.height().0;
    let refuse = |reason: String| Err(StoreError::Inconsistent { height, reason });
    let expected = block.transactions().len();
    for (what, found) in [("senders", senders.len()), ("receipts", receipts.len())] {
        if found != expected {
            return refuse(format!("{expected} transactions, {found} {what}"));
        }
    }
    let (expected, found) = (block.header().receipts_root, calculate_receipt_root(receipts));
    if expected != found && height > 0 {
        return refuse(format!("receipts have root {found}, expected {expected}"));
    }
    Ok(())
}

impl Store {
    /// The block at `height` as an anchor, while its receipts are kept.
    pub(super) fn anchor(&self, height: u64) -> Result<Anchor, StoreError> {
        let missing = |what: &str| StoreError::Damaged { what: format!("no {what} of {height}") };
        let stored = self.block(height)?.ok_or_else(|| missing("block"))?;
        let mut ancestors = Vec::new();
        for number in height.saturating_sub(ANCESTORS_MAX)..height {
            ancestors.push(self.header(number)?.ok_or_else(|| missing("ancestor"))?);
        }
        Ok(Anchor {
            block: stored.block,
            senders: stored.senders,
            receipts: self.receipts(height)?.ok_or_else(|| missing("receipts"))?,
            certificate: self.certificate(height)?,
            ancestors,
        })
    }
}
