//! Signs transactions as a wallet would.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TypedTransaction};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};

/// Chain id of the tests.
pub const CHAIN_ID: u64 = 31_337;

/// An account of the test mnemonic.
#[must_use]
pub fn account(index: u32) -> PrivateKeySigner {
    MnemonicBuilder::<English>::default()
        .phrase(weft::accounts::TEST_MNEMONIC)
        .index(index)
        .and_then(|builder| builder.build())
        .expect("the test mnemonic is valid")
}

/// A plain transfer of 1 wei with ample fees.
#[must_use]
pub fn transfer(nonce: u64, to: Address) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(to),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

/// Signs and encodes for `eth_sendRawTransaction`.
///
/// # Panics
/// When signing fails, which a local key does not.
#[must_use]
pub fn sign(signer: &PrivateKeySigner, transaction: TxEip1559) -> Bytes {
    let signature =
        signer.sign_hash_sync(&transaction.signature_hash()).expect("a local key signs");
    let envelope: weft_types::Transaction =
        TypedTransaction::Eip1559(transaction).into_signed(signature).into();
    envelope.encoded_2718().into()
}

/// A signed blob transaction, which Weft refuses.
///
/// # Panics
/// When signing fails, which a local key does not.
#[must_use]
pub fn sign_blob(signer: &PrivateKeySigner) -> Bytes {
    let transaction = TxEip4844 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_fee_per_blob_gas: 1,
        blob_versioned_hashes: vec![alloy_primitives::B256::with_last_byte(1)],
        ..TxEip4844::default()
    };
    let signature =
        signer.sign_hash_sync(&transaction.signature_hash()).expect("a local key signs");
    let envelope: weft_types::Transaction = transaction.into_signed(signature).into();
    envelope.encoded_2718().into()
}

/// The same for another chain.
#[must_use]
pub fn with_chain_id(transaction: TxEip1559, chain_id: u64) -> TxEip1559 {
    TxEip1559 { chain_id, ..transaction }
}

/// The same with another gas limit.
#[must_use]
pub fn with_gas(transaction: TxEip1559, gas_limit: u64) -> TxEip1559 {
    TxEip1559 { gas_limit, ..transaction }
}

/// The same with another fee cap, in wei; the tip is capped with it.
#[must_use]
pub fn with_fee(transaction: TxEip1559, fee: u128) -> TxEip1559 {
    TxEip1559 { max_fee_per_gas: fee, max_priority_fee_per_gas: fee, ..transaction }
}

/// The same with so many bytes of input.
#[must_use]
pub fn with_input(transaction: TxEip1559, bytes: usize) -> TxEip1559 {
    TxEip1559 { input: vec![0; bytes].into(), ..transaction }
}
