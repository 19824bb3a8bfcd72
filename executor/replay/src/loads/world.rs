//! Putting a block and the state below it together.

use super::contracts::Contract;
use crate::load::Load;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};
use std::sync::Arc;
use weft_evm::{MemoryState, Rules, SpecId};
use weft_types::{Header, RecoveredTransaction, Transaction};

const CHAIN_ID: u64 = 1;

/// Time of the block, in seconds.
pub(super) const TIMESTAMP: u64 = 1_800_000_000;

/// In wei: high enough that every transaction pays a fee, low enough that no balance runs out.
const BASE_FEE: u64 = 1_000;

/// One ether, in wei.
pub(super) const ETHER: u64 = 1_000_000_000_000_000_000;

/// A block in the making.
pub(super) struct World {
    name: &'static str,
    state: MemoryState,
    nonces: HashMap<Address, u64>,
    transactions: Vec<Arc<RecoveredTransaction>>,
    gas_limit: u64,
}

/// What a transaction does.
pub(super) struct Call {
    pub(super) to: Address,
    pub(super) value: U256,
    pub(super) input: Bytes,
    pub(super) gas_limit: u64,
}

/// The `n`-th address of a family. Hashed, as real addresses are spread.
pub(super) fn address(family: &str, n: u64) -> Address {
    Address::from_word(keccak256([family.as_bytes(), &n.to_be_bytes()].concat()))
}

impl World {
    pub(super) fn new(name: &'static str) -> Self {
        let mut world = Self {
            name,
            state: MemoryState::default(),
            nonces: HashMap::default(),
            transactions: Vec::new(),
            gas_limit: 0,
        };
        let system = [
            (eip4788::BEACON_ROOTS_ADDRESS, eip4788::BEACON_ROOTS_CODE.clone()),
            (eip2935::HISTORY_STORAGE_ADDRESS, eip2935::HISTORY_STORAGE_CODE.clone()),
            (
                eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE.clone(),
            ),
            (
                eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
                eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE.clone(),
            ),
        ];
        for (address, code) in system {
            world.state.set_code(address, code);
        }
        world
    }

    /// A user with 100 ether.
    pub(super) fn user(&mut self, n: u64) -> Address {
        let user = address("user", n);
        self.state.set_balance(user, U256::from(ETHER) * U256::from(100));
        user
    }

    pub(super) fn deploy(&mut self, contract: Contract, n: u64) -> Address {
        let at = address(contract.name(), n);
        self.state.set_code(at, contract.code());
        at
    }

    pub(super) fn set_balance(&mut self, of: Address, balance: U256) {
        self.state.set_balance(of, balance);
    }

    pub(super) fn store(&mut self, contract: Address, slot: U256, value: impl Into<U256>) {
        self.state.set_storage(contract, slot, value.into());
    }

    /// Appends a transaction with the sender's next nonce.
    pub(super) fn send(&mut self, from: Address, call: Call) {
        let nonce = self.nonces.entry(from).or_default();
        let transaction: Transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: *nonce,
            gas_limit: call.gas_limit,
            max_fee_per_gas: u128::from(2 * BASE_FEE),
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(call.to),
            value: call.value,
            input: call.input,
            ..TxEip1559::default()
        }
        .into_signed(Signature::test_signature())
        .into();
        *nonce += 1;
        self.gas_limit += call.gas_limit;
        self.transactions.push(Arc::new(RecoveredTransaction::new_unchecked(transaction, from)));
    }

    pub(super) fn finish(self) -> Load {
        let header = Header {
            parent_hash: keccak256(self.name),
            beneficiary: address("beneficiary", 0),
            number: 24_000_000,
            gas_limit: self.gas_limit,
            timestamp: TIMESTAMP,
            mix_hash: keccak256("prevrandao"),
            base_fee_per_gas: Some(BASE_FEE),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(keccak256("beacon root")),
            ..Header::default()
        };
        Load {
            name: self.name.to_owned(),
            header,
            transactions: self.transactions,
            withdrawals: Vec::new(),
            state: Arc::new(self.state),
            rules: Rules::ethereum(SpecId::OSAKA, CHAIN_ID),
        }
    }
}
