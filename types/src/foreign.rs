//! What blocks of Ethereum have and blocks of this chain never do.
//!
//! A store can hold a chain of Ethereum that was executed here to judge this program by. Its blocks
//! keep everything that their headers commit to.

use crate::{Header, Transaction};
use alloy_eips::eip4895::Withdrawals;
use alloy_rlp::{Decodable, Encodable};

/// The parts of an Ethereum block beside header and transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignBody {
    /// Headers of the ommers; none since the Merge.
    pub ommers: Vec<Header>,
    /// Withdrawals (EIP-4895); `None` before Shanghai.
    pub withdrawals: Option<Withdrawals>,
}

impl ForeignBody {
    /// RLP of the whole body as Ethereum's nodes exchange it: transactions, ommers, and withdrawals
    /// where there are any. Blob transactions are in it without their sidecars.
    #[must_use]
    pub fn encode_with(&self, transactions: &[Transaction]) -> Vec<u8> {
        alloy_rlp::encode(self.body(transactions))
    }

    /// RLP of the whole block under `header`.
    #[must_use]
    pub fn encode_block(&self, header: &Header, transactions: &[Transaction]) -> Vec<u8> {
        alloy_rlp::encode(self.block(header, transactions))
    }

    /// Bytes of [`Self::encode_block`].
    #[must_use]
    pub fn block_length(&self, header: &Header, transactions: &[Transaction]) -> usize {
        self.block(header, transactions).length()
    }

    /// Decodes what [`Self::encode_with`] gave.
    ///
    /// # Errors
    /// What the decoder says, also when something is left over.
    pub fn decode_with(mut bytes: &[u8]) -> alloy_rlp::Result<(Vec<Transaction>, Self)> {
        let body = alloy_consensus::BlockBody::<Transaction>::decode(&mut bytes)?;
        if !bytes.is_empty() {
            return Err(alloy_rlp::Error::Custom("trailing bytes"));
        }
        Ok((body.transactions, Self { ommers: body.ommers, withdrawals: body.withdrawals }))
    }

    fn body(&self, transactions: &[Transaction]) -> alloy_consensus::BlockBody<Transaction> {
        alloy_consensus::BlockBody {
            transactions: transactions.to_vec(),
            ommers: self.ommers.clone(),
            withdrawals: self.withdrawals.clone(),
        }
    }

    fn block(
        &self,
        header: &Header,
        transactions: &[Transaction],
    ) -> alloy_consensus::Block<Transaction> {
        alloy_consensus::Block { header: header.clone(), body: self.body(transactions) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{SignableTransaction, TxEip4844};
    use alloy_eips::eip4895::Withdrawal;
    use alloy_primitives::{B256, Signature, U256};

    #[test]
    fn a_body_with_everything_in_it_decodes_to_itself() {
        let blob =
            TxEip4844 { blob_versioned_hashes: vec![B256::repeat_byte(1)], ..TxEip4844::default() };
        let signature = Signature::new(U256::from(1), U256::from(2), false);
        let transactions: Vec<Transaction> = vec![blob.into_signed(signature).into()];
        let withdrawal = Withdrawal { index: 3, amount: 7, ..Withdrawal::default() };
        for withdrawals in [None, Some(vec![].into()), Some(vec![withdrawal].into())] {
            let body = ForeignBody { ommers: vec![Header::default()], withdrawals };
            let bytes = body.encode_with(&transactions);
            assert_eq!(ForeignBody::decode_with(&bytes), Ok((transactions.clone(), body)));
            assert!(ForeignBody::decode_with(&[&bytes[..], &[0]].concat()).is_err(), "a byte more");
        }
    }
}
