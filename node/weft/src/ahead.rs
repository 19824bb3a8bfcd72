//! What a block is going to read, as far as it can be known before it runs: hints for the store,
//! which reads it ahead of the executor.

use alloy_consensus::Transaction as _;
use alloy_eip7928::AccountChanges;
use alloy_primitives::{Address, U256};
use alloy_rlp::Decodable;
use std::sync::Arc;
use weft_types::{RecoveredTransaction, Touched};

/// Blocks with fewer transactions are not worth waking other threads.
pub const TRANSACTIONS_MIN: usize = 32;

/// Access lists with fewer bytes are not worth it either.
pub const LIST_BYTES_MIN: usize = 16 * 1024;

/// Most EIP-7702 authorities recovered from their signatures in one block: each costs tens of
/// microseconds.
const AUTHORITIES_MAX: usize = 256;

/// Every account and slot that a block access list names; none when it cannot be decoded, which the
/// executor reports.
#[must_use]
pub fn of_list(list: &[u8]) -> Vec<Touched> {
    let accounts = Vec::<AccountChanges>::decode(&mut &list[..]).unwrap_or_default();
    let one = |account: AccountChanges| {
        let address = account.address;
        let written = account.storage_changes.into_iter().map(|change| change.slot);
        let slots = written.chain(account.storage_reads);
        let slots: Vec<Touched> = slots.map(|slot| Touched::Slot(address, slot)).collect();
        std::iter::once(Touched::Account(address)).chain(slots)
    };
    accounts.into_iter().flat_map(one).collect()
}

/// What transactions show of what they will read: senders, receivers, access lists (EIP-2930),
/// authorities and the code they delegate to (EIP-7702).
#[must_use]
pub fn of_transactions(transactions: &[Arc<RecoveredTransaction>]) -> Vec<Touched> {
    let mut touched = Vec::with_capacity(transactions.len() * 2);
    let mut authorities = 0;
    for transaction in transactions {
        touched.push(Touched::Account(transaction.signer()));
        let transaction = transaction.inner();
        touched.extend(transaction.to().map(Touched::Account));
        for item in transaction.access_list().iter().flat_map(|list| list.iter()) {
            touched.push(Touched::Account(item.address));
            let slot = |key: &alloy_primitives::B256| {
                Touched::Slot(item.address, U256::from_be_bytes(key.0))
            };
            touched.extend(item.storage_keys.iter().map(slot));
        }
        for authorization in transaction.authorization_list().unwrap_or_default() {
            if authorities == AUTHORITIES_MAX {
                break;
            }
            authorities += 1;
            touched.extend(authorization.recover_authority().ok().map(Touched::Account));
            if *authorization.address() != Address::ZERO {
                touched.push(Touched::Account(*authorization.address()));
            }
        }
    }
    touched
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{SignableTransaction, TxEip7702};
    use alloy_eip7928::{BlockAccessIndex, SlotChanges, StorageChange};
    use alloy_eips::eip2930::{AccessList, AccessListItem};
    use alloy_eips::eip7702::Authorization;
    use alloy_primitives::{B256, Signature};
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;

    const A: Address = Address::repeat_byte(0xa);
    const B: Address = Address::repeat_byte(0xb);

    #[test]
    fn a_list_names_accounts_written_and_read_slots() {
        let changes = vec![StorageChange::new(BlockAccessIndex(1), U256::from(9))];
        let account = AccountChanges {
            storage_changes: vec![SlotChanges { slot: U256::from(7), changes }],
            storage_reads: vec![U256::from(8)],
            ..AccountChanges::new(A)
        };
        let list = alloy_rlp::encode(vec![account, AccountChanges::new(B)]);
        let expected = [
            Touched::Account(A),
            Touched::Slot(A, U256::from(7)),
            Touched::Slot(A, U256::from(8)),
            Touched::Account(B),
        ];
        assert_eq!(of_list(&list), expected);
        assert_eq!(of_list(&list[..list.len() - 1]), []);
    }

    #[test]
    fn a_transaction_shows_sender_receiver_lists_and_authorities() {
        let authority = PrivateKeySigner::from_bytes(&B256::repeat_byte(3)).unwrap();
        let target = Address::repeat_byte(0x77);
        let authorization = Authorization { chain_id: U256::from(1), address: target, nonce: 0 };
        let signature = authority.sign_hash_sync(&authorization.signature_hash()).unwrap();
        let item = AccessListItem { address: B, storage_keys: vec![B256::with_last_byte(5)] };
        let transaction = TxEip7702 {
            to: A,
            access_list: AccessList(vec![item]),
            authorization_list: vec![authorization.into_signed(signature)],
            ..TxEip7702::default()
        };
        let signed = transaction.into_signed(Signature::new(U256::from(1), U256::from(2), false));
        let sender = Address::repeat_byte(0x55);
        let recovered = Arc::new(RecoveredTransaction::new_unchecked(signed.into(), sender));
        let expected = [
            Touched::Account(sender),
            Touched::Account(A),
            Touched::Account(B),
            Touched::Slot(B, U256::from(5)),
            Touched::Account(authority.address()),
            Touched::Account(target),
        ];
        assert_eq!(of_transactions(&[recovered]), expected);
    }
}
