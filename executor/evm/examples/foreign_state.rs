//! Executes a block on a state that another program keeps, here a plain map of accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::{eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use weft_evm::Executor;
use weft_types::{
    Account, ChainParams, Header, RecoveredTransaction, Round, StateError, StateReader,
};

/// The other program's state: balances, and code by hash.
struct Ledger {
    accounts: BTreeMap<Address, Account>,
    codes: BTreeMap<B256, Bytes>,
}

impl StateReader for Ledger {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        Ok(self.accounts.get(address).copied())
    }

    fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }

    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        self.codes.get(hash).cloned().ok_or(StateError::CodeMissing { hash: *hash })
    }

    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Ok(None)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (alice, bob) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let mut ledger = Ledger { accounts: BTreeMap::new(), codes: BTreeMap::new() };
    let rich = Account { balance: U256::from(1_000_000_000_000_000_000u64), ..Account::default() };
    ledger.accounts.insert(alice, rich);
    // Every block makes system calls to these two contracts.
    for (address, code) in [
        (
            eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
            &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE,
        ),
        (
            eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
            &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE,
        ),
    ] {
        let code_hash = keccak256(code);
        let code_size = u32::try_from(code.len())?;
        ledger
            .accounts
            .insert(address, Account { nonce: 1, code_hash, code_size, ..Account::default() });
        ledger.codes.insert(code_hash, code.clone());
    }
    let state: Arc<dyn StateReader> = Arc::new(ledger);

    let params = ChainParams::devnet();
    let parent =
        Header { gas_limit: params.gas_limit, base_fee_per_gas: Some(7), ..Header::default() };
    let proposer = Address::repeat_byte(3);
    let header = weft_types::header::next_header(
        &parent,
        parent.hash_slow(),
        &params,
        Round(0),
        proposer,
        1,
    );

    let payment = TxEip1559 {
        chain_id: params.chain_id,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(bob),
        value: U256::from(5),
        ..TxEip1559::default()
    };
    // A real program recovers the sender; see `weft_types::transaction::recover_transaction`.
    let signed = payment.into_signed(Signature::test_signature()).into();
    let payment = Arc::new(RecoveredTransaction::new_unchecked(signed, alice));

    let executor = Executor::new(0);
    let built = executor.build(&header, &[payment], &state, &params)?;
    assert_eq!(built.gas_used, 21_000);
    assert_eq!(built.diff.accounts.iter().filter(|change| change.before.is_none()).count(), 2);

    // Whoever receives the block executes it again and compares.
    let block = built.seal(header, B256::ZERO);
    let list = Some(built.access_list.as_ref());
    let verified = executor.verify(block.header(), &built.transactions, list, &state, &params)?;
    assert_eq!(verified.diff, built.diff);
    Ok(())
}
