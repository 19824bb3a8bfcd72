//! The result of one transaction in a block.

/// Consensus receipt (EIP-2718 envelope, with its bloom) as Ethereum encodes it.
pub type Receipt = alloy_consensus::ReceiptEnvelope;

/// Receipts trie root over a block's receipts (Merkle-Patricia, as Ethereum tools expect).
#[must_use]
pub fn receipts_root(receipts: &[Receipt]) -> alloy_primitives::B256 {
    alloy_consensus::proofs::calculate_receipt_root(receipts)
}

/// Union of the receipts' blooms.
#[must_use]
pub fn logs_bloom(receipts: &[Receipt]) -> alloy_primitives::Bloom {
    receipts
        .iter()
        .fold(alloy_primitives::Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom())
}
