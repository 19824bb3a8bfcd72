//! A small chain whose every value is worked out by hand: what the judge is judged by.
//!
//! Block 1 pays 1,000 wei from Alice to Bob and calls a contract that logs and stores; block 2 is a withdrawal. The gas of the
//! call is 21,000 + 2 * 2 + 375 (PUSH0, PUSH0, LOG0) + 3 + 2 + 22,100 (PUSH1, PUSH0, SSTORE of a fresh slot) = 43,484.

use crate::fixture::{AccountCase, Accounts};
use crate::judge::world::World;
use alloy_consensus::constants::EMPTY_OMMER_ROOT_HASH;
use alloy_consensus::proofs::calculate_withdrawals_root;
use alloy_consensus::{
    Block, BlockBody, Header, Receipt, ReceiptEnvelope, SignableTransaction, TxEip1559,
};
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_eips::{eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U64, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weft_types::Transaction;
use weft_types::block::transactions_root;
use weft_types::receipt::{logs_bloom, receipts_root};

/// PUSH0 PUSH0 LOG0, PUSH1 1 PUSH0 SSTORE, STOP.
const CODE: [u8; 8] = [0x5f, 0x5f, 0xa0, 0x60, 0x01, 0x5f, 0x55, 0x00];
const ETHER: u64 = 1_000_000_000_000_000_000;
const CALL_GAS: u64 = 43_484;
const GAS: u64 = 21_000 + CALL_GAS;
/// Base fees: an empty genesis takes an eighth off, a nearly empty block 1 another.
const BASE_FEES: [u64; 3] = [1_000, 875, 767];

pub(crate) const BOB: Address = Address::repeat_byte(0xb0);
pub(crate) const CONTRACT: Address = Address::repeat_byte(0xc0);
pub(crate) const BENEFICIARY: Address = Address::repeat_byte(0xbe);
pub(crate) const WITHDRAWER: Address = Address::repeat_byte(0xdd);

/// A chain, the state before and after it, and its network.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) network: &'static str,
    pub(crate) pre: Accounts,
    pub(crate) post: Accounts,
    pub(crate) genesis: Block<Transaction>,
    pub(crate) blocks: Vec<Block<Transaction>>,
}

pub(crate) fn alice() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0xa1)).unwrap()
}

pub(crate) fn sign(transaction: TxEip1559) -> Transaction {
    let signature = alice().sign_hash_sync(&transaction.signature_hash()).unwrap();
    transaction.into_signed(signature).into()
}

pub(crate) fn payment(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(BOB),
        value: U256::from(1_000),
        ..TxEip1559::default()
    }
}

fn account(nonce: u64, balance: U256, code: &[u8]) -> AccountCase {
    AccountCase {
        nonce: U64::from(nonce),
        balance,
        code: Bytes::copy_from_slice(code),
        storage: BTreeMap::new(),
    }
}

fn root(accounts: &Accounts) -> B256 {
    World::new(accounts).root()
}

/// The contracts that every block since Prague calls.
pub(crate) fn system_contracts() -> Accounts {
    let withdrawals = &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE;
    let consolidations = &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE;
    Accounts::from([
        (eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, account(1, U256::ZERO, withdrawals)),
        (eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, account(1, U256::ZERO, consolidations)),
    ])
}

/// A header of Osaka with nothing in its block, on a parent.
pub(crate) fn empty_header(parent: &Header, state_root: B256, base_fee: u64) -> Header {
    Header {
        parent_hash: parent.hash_slow(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: BENEFICIARY,
        state_root,
        number: parent.number + 1,
        gas_limit: 30_000_000,
        timestamp: parent.timestamp + 12,
        base_fee_per_gas: Some(base_fee),
        withdrawals_root: Some(calculate_withdrawals_root(&[])),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

pub(crate) fn empty_block(header: Header) -> Block<Transaction> {
    let body = BlockBody { withdrawals: Some(Vec::new().into()), ..BlockBody::default() };
    Block { header, body }
}

/// The genesis of these accounts.
pub(crate) fn genesis(accounts: &Accounts) -> Block<Transaction> {
    let mut header = empty_header(&Header::default(), root(accounts), BASE_FEES[0]);
    header.number = 0;
    header.parent_hash = B256::ZERO;
    header.timestamp = 0;
    empty_block(header)
}

/// The chain.
pub(crate) fn recipe() -> Recipe {
    let mut pre = system_contracts();
    pre.insert(alice().address(), account(0, U256::from(ETHER), &[]));
    pre.insert(CONTRACT, account(1, U256::ZERO, &CODE));
    let genesis = genesis(&pre);

    let call = TxEip1559 {
        gas_limit: 100_000,
        to: TxKind::Call(CONTRACT),
        value: U256::ZERO,
        ..payment(1)
    };
    let transactions = vec![sign(payment(0)), sign(call)];
    let mut between = pre.clone();
    let paid = 1_000 + GAS * (BASE_FEES[1] + 1);
    between.insert(alice().address(), account(2, U256::from(ETHER - paid), &[]));
    between.insert(BOB, account(0, U256::from(1_000), &[]));
    between.insert(BENEFICIARY, account(0, U256::from(GAS), &[]));
    between.get_mut(&CONTRACT).unwrap().storage.insert(U256::ZERO, U256::from(1));
    let log = Log::new_unchecked(CONTRACT, Vec::new(), Bytes::new());
    let receipts = [(21_000, Vec::new()), (GAS, vec![log])].map(|(cumulative_gas_used, logs)| {
        let receipt = Receipt { status: true.into(), cumulative_gas_used, logs };
        ReceiptEnvelope::Eip1559(receipt.with_bloom())
    });
    let first = Header {
        gas_used: GAS,
        transactions_root: transactions_root(&transactions),
        receipts_root: receipts_root(&receipts),
        logs_bloom: logs_bloom(&receipts),
        ..empty_header(&genesis.header, root(&between), BASE_FEES[1])
    };
    let mut first = empty_block(first);
    first.body.transactions = transactions;

    let mut post = between;
    post.insert(WITHDRAWER, account(0, U256::from(3_000_000_000_u64), &[]));
    let withdrawal = Withdrawal { index: 0, validator_index: 5, address: WITHDRAWER, amount: 3 };
    let mut second = empty_block(Header {
        withdrawals_root: Some(calculate_withdrawals_root(&[withdrawal])),
        ..empty_header(&first.header, root(&post), BASE_FEES[2])
    });
    second.body.withdrawals = Some(vec![withdrawal].into());
    Recipe { network: "Osaka", pre, post, genesis, blocks: vec![first, second] }
}

impl Recipe {
    /// The chain as a blockchain test, its blocks given as RLP and what to expect of each.
    pub(crate) fn to_json_with(&self, blocks: &[(Bytes, Option<&str>)], last: B256) -> Value {
        let block = |(rlp, exception): &(Bytes, Option<&str>)| match exception {
            None => json!({ "rlp": rlp }),
            Some(exception) => json!({ "rlp": rlp, "expectException": exception }),
        };
        json!({
            "network": self.network,
            "config": { "chainid": "0x01" },
            "genesisRLP": Bytes::from(alloy_rlp::encode(&self.genesis)),
            "pre": accounts_json(&self.pre),
            "blocks": blocks.iter().map(block).collect::<Vec<_>>(),
            "lastblockhash": last,
        })
    }

    /// The chain as it is.
    pub(crate) fn to_json(&self) -> Value {
        let blocks: Vec<_> =
            self.blocks.iter().map(|b| (alloy_rlp::encode(b).into(), None)).collect();
        let last = self.blocks.last().unwrap().header.hash_slow();
        let mut json = self.to_json_with(&blocks, last);
        json["postState"] = accounts_json(&self.post);
        json
    }
}

pub(crate) fn accounts_json(accounts: &Accounts) -> Value {
    let account = |case: &AccountCase| {
        let storage: BTreeMap<_, _> = case.storage.iter().collect();
        json!({
            "nonce": case.nonce,
            "balance": case.balance,
            "code": case.code,
            "storage": storage,
        })
    };
    accounts.iter().map(|(address, case)| (address.to_string(), account(case))).collect()
}

/// The payment alone as a state test: the same in London and Osaka, and not yet a transaction in Berlin.
pub(crate) fn state_json() -> Value {
    let signed = sign(payment(0));
    let bytes = Bytes::from(alloy_eips::eip2718::Encodable2718::encoded_2718(&signed));
    let pre = Accounts::from([(alice().address(), account(0, U256::from(ETHER), &[]))]);
    let paid = 1_000 + 21_000 * (10 + 1);
    let post = Accounts::from([
        (alice().address(), account(1, U256::from(ETHER - paid), &[])),
        (BOB, account(0, U256::from(1_000), &[])),
        (BENEFICIARY, account(0, U256::from(21_000), &[])),
    ]);
    let indexes = json!({ "data": 0, "gas": 0, "value": 0 });
    let logs = EMPTY_OMMER_ROOT_HASH;
    let paid = json!({
        "hash": root(&post), "logs": logs, "txbytes": bytes, "indexes": indexes,
        "state": accounts_json(&post),
    });
    let refused = json!({
        "hash": root(&pre), "logs": logs, "txbytes": bytes, "indexes": indexes,
        "expectException": "TransactionException.TYPE_2_TX_PRE_FORK",
    });
    json!({
        "env": {
            "currentCoinbase": BENEFICIARY,
            "currentGasLimit": "0x01c9c380",
            "currentNumber": "0x01",
            "currentTimestamp": "0x03e8",
            "currentRandom": B256::repeat_byte(7),
            "currentDifficulty": "0x00",
            "currentBaseFee": "0x0a",
        },
        "config": { "chainid": "0x01" },
        "pre": accounts_json(&pre),
        "transaction": {
            "nonce": "0x00",
            "maxFeePerGas": "0x07d0",
            "maxPriorityFeePerGas": "0x01",
            "gasLimit": ["0x5208"],
            "to": BOB,
            "value": ["0x03e8"],
            "data": ["0x"],
            "sender": alice().address(),
        },
        "post": { "Berlin": [refused], "London": [paid], "Osaka": [paid] },
    })
}
