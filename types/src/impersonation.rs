//! Transactions without a signature, on a chain that takes commands.
//!
//! Such a transaction is an ordinary one in every respect but one: where the signature is, there is the sender. `r` is the
//! sender's address, `s` is zero, which no signature has, so that nothing signed can be mistaken for it. Its hash is
//! keccak256 of its encoding like that of any other, and no two senders share one. A block may hold it while its sender is
//! impersonated by the state of the parent ([`Settings::impersonates`](crate::Settings::impersonates)).

use crate::Transaction;
use alloy_primitives::{Address, Signature, U256};

/// What stands in place of the signature of `sender`.
#[must_use]
pub fn impersonated_signature(sender: Address) -> Signature {
    Signature::new(U256::from_be_slice(sender.as_slice()), U256::ZERO, false)
}

/// The sender that is named in place of a signature; `None` for a transaction that is signed.
#[must_use]
pub fn impersonated_sender(transaction: &Transaction) -> Option<Address> {
    let signature = transaction.signature();
    let word = signature.r().to_be_bytes::<32>();
    let named = signature.s().is_zero() && !signature.v() && word[..12] == [0; 12];
    named.then(|| Address::from_slice(&word[12..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::{
        TransactionError, decode_transaction, encode_transaction, recover_transaction,
    };
    use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy};

    #[test]
    fn the_sender_survives_encoding_and_no_signature_does_the_same() {
        let sender = Address::repeat_byte(0xab);
        let signature = impersonated_signature(sender);
        let dynamic = TxEip1559 { chain_id: 1, ..TxEip1559::default() };
        let legacy = TxLegacy { chain_id: Some(1), ..TxLegacy::default() };
        let all: [Transaction; 2] =
            [dynamic.clone().into_signed(signature).into(), legacy.into_signed(signature).into()];
        for transaction in all {
            let again = decode_transaction(&encode_transaction(&transaction)).unwrap();
            assert_eq!(impersonated_sender(&again), Some(sender));
            assert_eq!(again.tx_hash(), transaction.tx_hash());
            let refused = recover_transaction(again, 1);
            assert_eq!(refused.unwrap_err(), TransactionError::Signature);
        }
        let other = impersonated_signature(Address::ZERO);
        let other: Transaction = dynamic.clone().into_signed(other).into();
        assert_eq!(impersonated_sender(&other), Some(Address::ZERO));
        let signed: Transaction = dynamic.into_signed(Signature::test_signature()).into();
        assert_eq!(impersonated_sender(&signed), None);
    }
}
