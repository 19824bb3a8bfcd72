//! Blocks executed by the real executor on a state in memory.

use crate::Block;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eip7928::AccountChanges;
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256};
use alloy_rlp::Decodable;
use std::sync::Arc;
use weft_evm::{Executed, Executor, MemoryState};
use weft_types::header::next_header;
use weft_types::{
    ChainParams, Header, RecoveredTransaction, Round, StateReader, Transaction, TxIndex,
};

/// Adds 1 to slot 0.
pub(super) const COUNTER: [u8; 8] = hex!("5f546001015f5500");
/// Reads the slots of the first two input words, adds their values and 1, writes the slot of the third.
pub(super) const ADDER: [u8; 16] = hex!("5f355460203554016001016040355500");
/// Takes a guard in slot 0, sets the caller's own slot to 1, and puts the guard back to 1.
pub(super) const GUARDED: [u8; 13] = hex!("60025f556001335560015f5500");
/// Burns its gas down to 100,000.
pub(super) const BURNER: [u8; 9] = hex!("5b620186a05a115f57");

/// The contract of most tests.
pub(super) const CONTRACT: Address = Address::repeat_byte(0xcc);
/// Who gets the fees of [`fee_token`].
pub(super) const TREASURY: Address = Address::repeat_byte(0x7e);

/// Wrapped ether: adds the value to `balanceOf[caller]` at position 3 and emits `Deposit`.
pub(super) fn weth() -> Vec<u8> {
    let mut code = hex!("335f52600360205260405f20805434019055345f52337f").to_vec();
    code.extend(keccak256("Deposit(address,uint256)"));
    code.extend(hex!("60205fa200"));
    code
}

/// A token that moves nothing but a fee: `balances[TREASURY]` at position 0 rises by the second argument.
pub(super) fn fee_token() -> Vec<u8> {
    let slot = mapping_slot(&TREASURY, 0).to_be_bytes::<32>();
    let mut code = hex!("6024357f").to_vec();
    code.extend(slot);
    code.extend(hex!("54017f"));
    code.extend(slot);
    code.extend(hex!("557f"));
    code.extend(TREASURY.into_word());
    code.extend(hex!("337f"));
    code.extend(keccak256("Transfer(address,address,uint256)"));
    code.extend(hex!("5f5fa300"));
    code
}

/// A collection: slot 6 rises by 1 with each mint, which emits `Transfer` of ERC-721.
pub(super) fn collection() -> Vec<u8> {
    let mut code = hex!("60065460010160065500").to_vec();
    code.pop();
    code.extend(hex!("5f335f7f"));
    code.extend(keccak256("Transfer(address,address,uint256)"));
    code.extend(hex!("5f5fa400"));
    code
}

/// A pair: its reserves in slot 8 change by the second argument, and it emits `Sync`.
pub(super) fn pair() -> Vec<u8> {
    let mut code = hex!("602435600854016008557f").to_vec();
    code.extend(keccak256("Sync(uint112,uint112)"));
    code.extend(hex!("5f5fa100"));
    code
}

/// Slot of `mapping[key]` at a position.
pub(super) fn mapping_slot(key: &Address, position: u8) -> U256 {
    let mut bytes = [0u8; 64];
    bytes[12..32].copy_from_slice(key.as_slice());
    bytes[63] = position;
    U256::from_be_bytes(keccak256(bytes).0)
}

/// The `n`-th user.
pub(super) fn user(n: u8) -> Address {
    Address::with_last_byte(n).create(u64::from(n) + 1)
}

/// Input of the adder: reads `a` and `b`, writes `to`.
pub(super) fn add(a: u64, b: u64, to: u64) -> Bytes {
    [a, b, to].iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect()
}

/// Input of a function with numbers as arguments.
pub(super) fn input(signature: &str, words: &[u64]) -> Bytes {
    let mut bytes = keccak256(signature)[..4].to_vec();
    words.iter().for_each(|word| bytes.extend(U256::from(*word).to_be_bytes::<32>()));
    bytes.into()
}

/// A transaction to be: sender, nonce, target, value and input.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) from: Address,
    pub(super) nonce: u64,
    pub(super) to: Address,
    pub(super) value: u64,
    pub(super) input: Bytes,
    pub(super) gas: u64,
}

/// A call of [`CONTRACT`] by user `n`, as their first transaction.
pub(super) fn call(n: u8, input: Bytes) -> Draft {
    Draft { from: user(n), nonce: 0, to: CONTRACT, value: 0, input, gas: 400_000 }
}

impl Draft {
    fn sign(&self) -> Arc<RecoveredTransaction> {
        let transaction: Transaction = TxEip1559 {
            chain_id: ChainParams::devnet().chain_id,
            nonce: self.nonce,
            gas_limit: self.gas,
            max_fee_per_gas: 1_000_000,
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(self.to),
            value: U256::from(self.value),
            input: self.input.clone(),
            ..TxEip1559::default()
        }
        .into_signed(Signature::test_signature())
        .into();
        Arc::new(RecoveredTransaction::new_unchecked(transaction, self.from))
    }
}

/// A state with rich users and one contract.
#[derive(Clone)]
pub(super) struct World {
    pub(super) state: MemoryState,
}

/// A block with everything that the analysis takes.
pub(super) struct Ran {
    pub(super) executed: Executed,
    transactions: Vec<Transaction>,
    senders: Vec<Address>,
    pub(super) list: Vec<AccountChanges>,
}

impl Ran {
    pub(super) fn block(&self) -> Block<'_> {
        Block {
            transactions: &self.transactions,
            senders: &self.senders,
            receipts: &self.executed.receipts,
            access: &self.executed.access_record,
            list: &self.list,
        }
    }
}

impl World {
    pub(super) fn new(code: &[u8]) -> Self {
        let mut state = MemoryState::default();
        for (address, code) in [
            (eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
            (eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE),
            (
                eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE,
            ),
            (
                eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
                &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE,
            ),
        ] {
            state.set_code(address, code.clone());
        }
        for n in 0..32 {
            state.set_balance(user(n), U256::from(10).pow(U256::from(20)));
        }
        state.set_code(CONTRACT, Bytes::copy_from_slice(code));
        Self { state }
    }

    /// Builds a block of all the drafts, with so many workers.
    pub(super) fn run_with(&self, workers: usize, drafts: &[Draft]) -> Ran {
        let params = ChainParams::devnet();
        let parent = Header {
            number: 7,
            gas_limit: params.gas_limit,
            base_fee_per_gas: Some(1_000),
            timestamp: 1_000,
            ..Header::default()
        };
        let fees = Address::repeat_byte(0xcb);
        let header = next_header(&parent, parent.hash_slow(), &params, Round(0), fees, 1_001);
        let candidates: Vec<_> = drafts.iter().map(Draft::sign).collect();
        let state: Arc<dyn StateReader> = Arc::new(self.state.clone());
        let executor = Executor::new(workers).with_min_parallel_transactions(2);
        let executed = executor.build(&header, &candidates, &state, &params).unwrap();
        assert_eq!(executed.transactions.len(), drafts.len(), "{:?}", executed.skipped);
        // The other nodes: one with the access list, one without.
        let sealed = executed.seal(header, B256::ZERO);
        for list in [Some(&executed.access_list[..]), None] {
            let other = executor.verify(sealed.header(), &candidates, list, &state, &params);
            assert_eq!(other.unwrap().access_record, executed.access_record);
        }
        Ran {
            transactions: executed.plain_transactions(),
            senders: drafts.iter().map(|draft| draft.from).collect(),
            list: Vec::<AccountChanges>::decode(&mut &executed.access_list[..]).unwrap(),
            executed,
        }
    }

    /// The same with 1, 2 and 4 workers, which must not differ.
    pub(super) fn run(&self, drafts: &[Draft]) -> Ran {
        let ran = self.run_with(1, drafts);
        for workers in [2, 4] {
            let other = self.run_with(workers, drafts);
            assert_eq!(other.executed.access_record, ran.executed.access_record, "{workers}");
            assert_eq!(other.list, ran.list, "{workers} workers");
        }
        ran
    }
}

/// Places in a block.
pub(super) fn places(indices: &[u32]) -> Vec<TxIndex> {
    indices.iter().map(|index| TxIndex(*index)).collect()
}
