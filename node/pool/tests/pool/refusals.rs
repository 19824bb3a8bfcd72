//! Every refusal: its words, its code, and whom it blames.

use crate::support::{CHAIN_ID, GWEI, State, address, admit, head, legacy, sign, transfer};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip7702};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Bytes, TxKind, U256};
use weft_pool::{Blame, Origin, Pool, PoolError, PoolLimits, transaction_code};
use weft_types::limits::TRANSACTION_BYTES_MAX;
use weft_types::{RecoveredTransaction, StateError, TransactionError};

const ETHER: u128 = 1_000_000_000 * GWEI;

fn call(input: Vec<u8>, gas_limit: u64) -> TxEip1559 {
    TxEip1559 { input: input.into(), gas_limit, ..transfer(5, 2 * GWEI, GWEI) }
}

fn create(bytes: usize, gas_limit: u64) -> TxEip1559 {
    TxEip1559 { to: TxKind::Create, ..call(vec![0; bytes], gas_limit) }
}

fn delegate(authorizations: usize) -> TxEip7702 {
    let authorization = Authorization { chain_id: U256::ZERO, address: address(9), nonce: 0 };
    let signed = SignedAuthorization::new_unchecked(authorization, 0, U256::ONE, U256::ONE);
    TxEip7702 {
        chain_id: CHAIN_ID,
        nonce: 5,
        gas_limit: 21_000 + 25_000 * authorizations as u64,
        max_fee_per_gas: 2 * GWEI,
        authorization_list: vec![signed; authorizations],
        ..TxEip7702::default()
    }
}

fn state() -> State {
    let mut state = State::default();
    state.set(1, 5, ETHER);
    state.set(2, 5, 1_000_000);
    state.set(3, 0, ETHER);
    state.set_code(3, Bytes::from_static(&[0x60, 0x00]));
    state
}

fn blob() -> RecoveredTransaction {
    let signature = alloy_primitives::Signature::test_signature();
    RecoveredTransaction::new_unchecked(
        TxEip4844 { chain_id: CHAIN_ID, ..TxEip4844::default() }.into_signed(signature).into(),
        address(1),
    )
}

#[test]
fn every_refusal_has_its_words_its_code_and_its_blame() {
    let other_chain = TxEip1559 { chain_id: 1, ..transfer(5, 2 * GWEI, GWEI) };
    let unprotected = alloy_consensus::TxLegacy { chain_id: None, ..legacy(5, 2 * GWEI) };
    let heavy = TxEip1559 { gas_limit: (1 << 24) + 1, ..transfer(5, 2 * GWEI, GWEI) };
    let (caller, peer) = (Blame::Caller, Blame::Peer);
    let one = "0x0101010101010101010101010101010101010101";
    let cases: Vec<(RecoveredTransaction, String, i32, Blame)> = vec![
        (sign(1, transfer(4, 2 * GWEI, GWEI)), "nonce too low: next nonce 5, tx nonce 4".into(), 1, caller),
        (sign(1, transfer(5, GWEI / 2 - 1, 0)), format!("max fee per gas less than block base fee: address {one}, maxFeePerGas: 499999999, baseFee: 1000000000"), 806, caller),
        (sign(1, legacy(5, GWEI / 2 - 1)), format!("max fee per gas less than block base fee: address {one}, maxFeePerGas: 499999999, baseFee: 1000000000"), 806, caller),
        (sign(2, transfer(5, 2 * GWEI, GWEI)), "insufficient funds for gas * price + value: have 1000000 want 42000000000000".into(), 809, caller),
        (sign(7, transfer(5, 2 * GWEI, GWEI)), "insufficient funds for gas * price + value: have 0 want 42000000000000".into(), 809, caller),
        (sign(1, TxEip1559 { value: U256::MAX, ..transfer(5, 2 * GWEI, GWEI) }), format!("insufficient funds for gas * price + value: have {ETHER} want {}", U256::MAX), 809, caller),
        (sign(3, transfer(0, 2 * GWEI, GWEI)), format!("sender not an eoa: address 0x0303030303030303030303030303030303030303, codehash: {}", alloy_primitives::keccak256([0x60, 0])), 1001, caller),
        (sign(1, call(vec![], 20_999)), "intrinsic gas too low: have 20999, want 21000".into(), 800, peer),
        (sign(1, call(vec![1; 100], 22_599)), "intrinsic gas too low: have 22599, want 22600".into(), 800, peer),
        (sign(1, call(vec![1; 100], 24_999)), "insufficient gas for floor data gas cost: have 24999, want 25000".into(), 800, peer),
        (sign(1, create(0, 52_999)), "intrinsic gas too low: have 52999, want 53000".into(), 800, peer),
        (sign(1, create(49_153, 1_000_000)), "max initcode size exceeded: code size 49153, limit 49152".into(), -32_000, peer),
        (sign(1, delegate(0)), format!("EIP-7702 transaction with empty auth list (sender {one})"), -32_000, peer),
        (sign(1, transfer(u64::MAX, 2 * GWEI, GWEI)), format!("nonce has max value: address {one}, nonce: 18446744073709551615"), -32_000, peer),
        (sign(1, call(vec![1; TRANSACTION_BYTES_MAX], 10_000_000)), "oversized data: transaction size 131189, limit 131072".into(), -32_000, peer),
        (sign(1, other_chain), "invalid chain id for signer: have 1 want 31337".into(), -32_000, peer),
        (sign(1, unprotected), "only replay-protected (EIP-155) transactions allowed over RPC".into(), -32_000, peer),
        (sign(1, heavy), "transaction gas limit too high (cap: 16777216, tx: 16777217)".into(), -32_000, peer),
        (sign(1, transfer(5, 2 * GWEI, 2 * GWEI + 1)), "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: 2000000001, maxFeePerGas: 2000000000".into(), 804, peer),
        (blob(), "transaction type not supported: type 3 (blob) transactions are not accepted on this chain; send calldata in a type 2 transaction".into(), -32_000, peer),
    ];
    for (tx, words, code, blame) in cases {
        let pool = Pool::new(CHAIN_ID, PoolLimits::default());
        let error = admit(&pool, &state(), tx).expect_err(&words);
        assert_eq!((error.to_string(), error.code(), error.blame()), (words, code, blame));
        assert!(pool.is_empty());
    }
}

#[test]
fn a_transaction_of_more_gas_than_a_block_is_refused() {
    let pool = Pool::new(CHAIN_ID, PoolLimits::default());
    let small = weft_types::Header { gas_limit: 100_000, ..head(1, 1) };
    let tx = sign(1, call(vec![], 100_001));
    let error = pool.admit(tx, Origin::Peer, &state(), &small).unwrap_err();
    let words = "exceeds block gas limit: transaction gas limit 100001, block gas limit 100000";
    assert_eq!((error.to_string().as_str(), error.code()), (words, 803));
    assert_eq!(error.blame(), Blame::Peer, "the limit is a parameter of the chain");
}

#[test]
fn what_is_held_is_already_known() {
    let pool = Pool::new(CHAIN_ID, PoolLimits::default());
    let tx = sign(1, transfer(5, 2 * GWEI, GWEI));
    admit(&pool, &state(), tx.clone()).unwrap();
    let error = admit(&pool, &state(), tx).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.code()), ("already known", 1000));
    assert_eq!(error.blame(), Blame::Caller);
}

#[test]
fn a_replacement_must_raise_both_fees_by_a_tenth() {
    let attempts = [(219, 110, Some((220, 110))), (220, 109, Some((220, 110))), (220, 110, None)];
    for (max_fee, tip, refused) in attempts {
        let pool = Pool::new(CHAIN_ID, PoolLimits::default());
        let head = head(1, 7);
        let admit = |tx| pool.admit(tx, Origin::Rpc, &state(), &head);
        let old = admit(sign(1, transfer(5, 200, 100))).unwrap();
        let new = admit(sign(1, transfer(5, max_fee, tip)));
        let Some((max_fee_min, tip_min)) = refused else {
            assert_eq!(new.unwrap().replaced, Some(old.hash));
            assert_eq!(pool.len(), 1);
            continue;
        };
        let error = new.unwrap_err();
        let words = format!(
            "replacement transaction underpriced: expected maxFeePerGas >= {max_fee_min} and maxPriorityFeePerGas >= {tip_min}, found {max_fee} and {tip}"
        );
        assert_eq!((error.to_string(), error.code()), (words, -32_000));
        assert_eq!(error.blame(), Blame::Caller);
    }
}

#[test]
fn a_legacy_transaction_is_replaced_by_the_same_rule() {
    // (price of the old one, price of the new one, whether it is enough)
    for (old, new, enough) in
        [(100, 109, false), (100, 110, true), (105, 115, false), (105, 116, true)]
    {
        let pool = Pool::new(CHAIN_ID, PoolLimits::default());
        let head = head(1, 7);
        let admit = |tx| pool.admit(tx, Origin::Rpc, &state(), &head);
        admit(sign(1, legacy(5, old))).unwrap();
        let outcome = admit(sign(1, legacy(5, new)));
        assert_eq!(outcome.is_ok(), enough, "{old} -> {new}");
    }
    // A dynamic fee in the place of a price must raise it as fee cap and as tip.
    let pool = Pool::new(CHAIN_ID, PoolLimits::default());
    let head = head(1, 7);
    let admit = |tx| pool.admit(tx, Origin::Rpc, &state(), &head);
    admit(sign(1, legacy(5, 100))).unwrap();
    let error = admit(sign(1, transfer(5, 200, 100))).unwrap_err();
    assert!(matches!(error, PoolError::ReplacementUnderpriced { tip_min: 110, .. }), "{error}");
    let new = sign(1, transfer(5, 110, 110));
    assert!(pool.admit(new, Origin::Rpc, &state(), &head).unwrap().replaced.is_some());
}

#[test]
fn a_replacement_of_a_tip_of_nothing_must_offer_something() {
    let pool = Pool::new(CHAIN_ID, PoolLimits::default());
    admit(&pool, &state(), sign(1, transfer(5, 2 * GWEI, 0))).unwrap();
    let same_tip = admit(&pool, &state(), sign(1, transfer(5, 3 * GWEI, 0)));
    assert!(matches!(same_tip, Err(PoolError::ReplacementUnderpriced { tip_min: 1, .. })));
    admit(&pool, &state(), sign(1, transfer(5, 3 * GWEI, 1))).unwrap();
}

#[test]
fn a_sender_may_hold_so_many_and_no_more() {
    let limits = PoolLimits { per_sender: 2, ..PoolLimits::default() };
    let pool = Pool::new(CHAIN_ID, limits);
    for nonce in [6, 7] {
        admit(&pool, &state(), sign(1, transfer(nonce, 2 * GWEI, GWEI))).unwrap();
    }
    let error = admit(&pool, &state(), sign(1, transfer(8, 2 * GWEI, GWEI))).unwrap_err();
    let words = "account limit exceeded: address 0x0101010101010101010101010101010101010101 has 2 transactions in the pool, limit 2";
    assert_eq!((error.to_string().as_str(), error.code()), (words, -32_000));
    assert_eq!(error.blame(), Blame::Caller);
    let missing = admit(&pool, &state(), sign(1, transfer(5, 2 * GWEI, GWEI))).unwrap();
    assert!(missing.ready, "the nonce that the others wait for gets in");
    assert_eq!((missing.evicted.len(), pool.len(), pool.ready_count()), (1, 2, 2));
}

#[test]
fn a_full_pool_names_the_tip_that_was_too_low() {
    let limits = PoolLimits { transactions: 1, ..PoolLimits::default() };
    let pool = Pool::new(CHAIN_ID, limits);
    let state = State::rich(&[1, 2], ETHER);
    admit(&pool, &state, sign(1, transfer(0, 2 * GWEI, 5))).unwrap();
    let error = admit(&pool, &state, sign(2, transfer(0, 2 * GWEI, 5))).unwrap_err();
    let words =
        "transaction underpriced: txpool is full and tip 5 is not above the lowest one held";
    assert_eq!((error.to_string().as_str(), error.code()), (words, 802));
    assert_eq!(error.blame(), Blame::Caller);
    admit(&pool, &state, sign(2, transfer(0, 2 * GWEI, 6))).unwrap();
}

#[test]
fn a_state_that_cannot_be_read_is_the_fault_of_the_node() {
    let pool = Pool::new(CHAIN_ID, PoolLimits::default());
    let broken = State { broken: true, ..state() };
    let error = admit(&pool, &broken, sign(1, transfer(5, 2 * GWEI, GWEI))).unwrap_err();
    let words = "state read failed: disk on fire";
    assert_eq!((error.to_string().as_str(), error.code()), (words, -32_603));
    assert_eq!(error.blame(), Blame::Node);
}

#[test]
fn a_delegated_sender_is_admitted_and_other_code_of_that_length_is_not() {
    let pool = Pool::new(CHAIN_ID, PoolLimits::default());
    let mut state = state();
    state.set_code(1, [&[0xef, 1, 0][..], &[7; 20]].concat().into());
    admit(&pool, &state, sign(1, delegate(1))).unwrap();
    state.set_code(3, [&[0x60, 1, 0][..], &[7; 20]].concat().into());
    let error = admit(&pool, &state, sign(3, transfer(0, 2 * GWEI, GWEI))).unwrap_err();
    assert!(matches!(error, PoolError::SenderNotEoa { .. }));
}

#[test]
fn what_fits_exactly_is_admitted() {
    let gas = 21_000 * 2 * GWEI;
    let mut state = State::default();
    state.set(1, 5, gas + 1);
    let exact = TxEip1559 { value: U256::ONE, ..transfer(5, 2 * GWEI, GWEI) };
    let pool = Pool::new(CHAIN_ID, PoolLimits::default());
    assert!(admit(&pool, &state, sign(1, exact)).unwrap().ready);
    for largest in [create(49_152, 1_000_000), call(vec![], 1 << 24), call(vec![1; 100], 25_000)] {
        let pool = Pool::new(CHAIN_ID, PoolLimits::default());
        assert!(admit(&pool, &self::state(), sign(1, largest)).unwrap().ready);
    }
}

#[test]
fn every_transaction_error_has_a_code() {
    let cases = [
        (TransactionError::Decode { reason: "x".into() }, -32_000),
        (TransactionError::Oversized { size: 2, limit: 1 }, -32_000),
        (TransactionError::BlobUnsupported, -32_000),
        (TransactionError::TypeUnsupported { ty: 9 }, -32_000),
        (TransactionError::Signature, 1001),
        (TransactionError::ChainId { have: 1, want: 2 }, -32_000),
        (TransactionError::Unprotected, -32_000),
        (TransactionError::GasLimitTooHigh { gas_limit: 2, cap: 1 }, -32_000),
        (TransactionError::TipAboveFee { tip: 2, fee: 1 }, 804),
    ];
    for (error, code) in cases {
        assert_eq!(transaction_code(&error), code, "{error}");
        let words = error.to_string();
        let error = PoolError::from(error);
        assert_eq!((error.code(), error.blame(), error.to_string()), (code, Blame::Peer, words));
    }
    let state = StateError::Pruned { height: 1, oldest: 2 };
    assert_eq!(PoolError::from(state).code(), -32_603);
}
