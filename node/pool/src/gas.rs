//! What a transaction costs before its first instruction, under Osaka rules.
//!
//! The executor computes the same numbers; the pool has its own arithmetic because it must not
//! depend on the executor. The equivalence tests of the whole system hold them against each other.

use alloy_consensus::Transaction as _;
use weft_types::Transaction;

/// Every transaction (Yellow Paper, `G_transaction`).
const TRANSACTION: u64 = 21_000;
/// Added for a contract creation (EIP-2).
const CREATE: u64 = 32_000;
/// One calldata token; a zero byte is one token (EIP-7623).
const TOKEN: u64 = 4;
/// Tokens of a byte that is not zero (EIP-2028, EIP-7623).
const TOKENS_PER_NONZERO_BYTE: u64 = 4;
/// One token under the floor (EIP-7623).
const TOKEN_FLOOR: u64 = 10;
/// Each begun 32-byte word of creation code (EIP-3860).
const INITCODE_WORD: u64 = 2;
/// One address in an access list (EIP-2930).
const ACCESS_LIST_ADDRESS: u64 = 2_400;
/// One slot in an access list (EIP-2930).
const ACCESS_LIST_SLOT: u64 = 1_900;
/// One authorisation, whether it turns out valid or not (EIP-7702, `PER_EMPTY_ACCOUNT_COST`).
const AUTHORIZATION: u64 = 25_000;

/// Longest creation code in bytes (EIP-3860).
pub const INITCODE_BYTES_MAX: usize = 49_152;

/// The two lower bounds of a transaction's gas limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntrinsicGas {
    /// Charged before the first instruction.
    pub intrinsic: u64,
    /// Least gas that is charged in the end for this much calldata (EIP-7623).
    pub floor: u64,
}

/// Computes both bounds. Cannot overflow: the size of a transaction bounds every count.
///
/// # Example
/// ```
/// use alloy_consensus::{SignableTransaction, TxEip1559};
/// use alloy_primitives::{Address, Signature};
/// use weft_pool::gas::intrinsic_gas;
///
/// let transfer = TxEip1559 { to: Address::ZERO.into(), ..TxEip1559::default() };
/// let signed = transfer.into_signed(Signature::test_signature()).into();
/// assert_eq!(intrinsic_gas(&signed).intrinsic, 21_000);
/// ```
#[must_use]
pub fn intrinsic_gas(transaction: &Transaction) -> IntrinsicGas {
    let input = transaction.input();
    let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
    let tokens = zeros + (input.len() as u64 - zeros) * TOKENS_PER_NONZERO_BYTE;
    let mut intrinsic = TRANSACTION + tokens * TOKEN;
    if transaction.is_create() {
        intrinsic += CREATE + INITCODE_WORD * (input.len() as u64).div_ceil(32);
    }
    if let Some(list) = transaction.access_list() {
        let slots: u64 = list.0.iter().map(|item| item.storage_keys.len() as u64).sum();
        intrinsic += list.0.len() as u64 * ACCESS_LIST_ADDRESS + slots * ACCESS_LIST_SLOT;
    }
    let authorizations = transaction.authorization_list().map_or(0, <[_]>::len) as u64;
    intrinsic += authorizations * AUTHORIZATION;
    IntrinsicGas { intrinsic, floor: TRANSACTION + tokens * TOKEN_FLOOR }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702};
    use alloy_eips::eip2930::{AccessList, AccessListItem};
    use alloy_eips::eip7702::{Authorization, SignedAuthorization};
    use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};

    fn call(input: Vec<u8>, access_list: AccessList) -> Transaction {
        let to = TxKind::Call(Address::ZERO);
        let tx = TxEip1559 { to, input: input.into(), access_list, ..TxEip1559::default() };
        tx.into_signed(Signature::test_signature()).into()
    }

    fn create(input: Vec<u8>) -> Transaction {
        let tx = TxEip1559 { to: TxKind::Create, input: input.into(), ..TxEip1559::default() };
        tx.into_signed(Signature::test_signature()).into()
    }

    #[test]
    fn calldata_costs_what_eip_7623_says() {
        let empty = AccessList::default;
        let cases = [
            (call(vec![], empty()), 21_000, 21_000),
            (call(vec![0; 100], empty()), 21_400, 22_000),
            (call(vec![1; 100], empty()), 22_600, 25_000),
            (call([vec![0; 3], vec![9; 2]].concat(), empty()), 21_044, 21_110),
        ];
        for (tx, intrinsic, floor) in cases {
            assert_eq!(intrinsic_gas(&tx), IntrinsicGas { intrinsic, floor }, "{:?}", tx.input());
        }
    }

    #[test]
    fn creation_costs_32000_and_two_gas_a_begun_word() {
        assert_eq!(intrinsic_gas(&create(vec![])).intrinsic, 53_000);
        assert_eq!(intrinsic_gas(&create(vec![0; 32])).intrinsic, 53_000 + 32 * 4 + 2);
        assert_eq!(intrinsic_gas(&create(vec![0; 33])).intrinsic, 53_000 + 33 * 4 + 4);
        let largest = intrinsic_gas(&create(vec![1; INITCODE_BYTES_MAX]));
        assert_eq!(largest.intrinsic, 53_000 + 49_152 * 16 + 2 * 1_536);
        assert_eq!(largest.floor, 21_000 + 49_152 * 40);
    }

    #[test]
    fn access_lists_cost_by_address_and_slot() {
        let item = |slots| AccessListItem {
            address: Address::ZERO,
            storage_keys: vec![B256::ZERO; slots],
        };
        let list = AccessList(vec![item(0), item(3)]);
        assert_eq!(intrinsic_gas(&call(vec![], list)).intrinsic, 21_000 + 2 * 2_400 + 3 * 1_900);
    }

    #[test]
    fn each_authorization_costs_25000() {
        let authorization =
            Authorization { chain_id: U256::ZERO, address: Address::ZERO, nonce: 0 };
        let signed = SignedAuthorization::new_unchecked(authorization, 0, U256::ONE, U256::ONE);
        let authorization_list = vec![signed; 2];
        let tx = TxEip7702 { authorization_list, input: Bytes::new(), ..TxEip7702::default() };
        let tx = tx.into_signed(Signature::test_signature()).into();
        assert_eq!(intrinsic_gas(&tx).intrinsic, 71_000);
        assert_eq!(intrinsic_gas(&tx).floor, 21_000);
    }
}
