use super::judge_json;
use super::recipe::{Recipe, alice, payment, recipe, sign};
use crate::judge::{Difference, Rejection, Stage};
use alloy_consensus::{
    BlobTransactionSidecar, Block, Header, SignableTransaction, TxEip1559, TxEip4844,
    TxEip4844WithSidecar, TxLegacy,
};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, Signature, U256};
use alloy_signer::SignerSync;
use weft_types::Transaction;
use weft_types::block::transactions_root;

const EXCEPTION: &str = "TransactionException.ANY";

/// The rejection of a first block in place of the right one. The right one must be accepted after it.
fn rejection_of(recipe: &Recipe, rlp: Vec<u8>) -> Rejection {
    let right = alloy_rlp::encode(&recipe.blocks[0]);
    let last = recipe.blocks[0].header.hash_slow();
    let cases = [(rlp.into(), None), (Bytes::from(right), None)];
    let Err(Difference { found, .. }) = judge_json(&recipe.to_json_with(&cases, last)) else {
        panic!("a wrong block was accepted");
    };
    // Once more as a block that is expected to be wrong: the judge keeps the rejection then.
    for exception in [EXCEPTION, "BlockException.INVALID_STATE_ROOT"]
        .into_iter()
        .chain(FIELDS.iter().map(|(exception, _)| *exception))
    {
        let cases = [(cases[0].0.clone(), Some(exception)), (cases[1].0.clone(), None)];
        if let Ok(mut rejections) = judge_json(&recipe.to_json_with(&cases, last)) {
            return rejections.remove(0);
        }
    }
    panic!("no exception answers for: {found}");
}

const FIELDS: [(&str, &str); 4] = [
    ("BlockException.INVALID_RECEIPTS_ROOT", "receiptsRoot"),
    ("BlockException.INVALID_LOG_BLOOM", "logsBloom"),
    ("BlockException.INVALID_REQUESTS", "requestsHash"),
    ("BlockException.INVALID_GAS_USED", "gasUsed"),
];

/// The first block with its header changed.
fn with_header(recipe: &Recipe, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut block = recipe.blocks[0].clone();
    change(&mut block.header);
    alloy_rlp::encode(block)
}

/// The first block with other transactions, and the root that belongs to them.
fn with_transactions(recipe: &Recipe, transactions: Vec<Transaction>) -> Vec<u8> {
    let mut block: Block<Transaction> = recipe.blocks[0].clone();
    block.header.transactions_root = transactions_root(&transactions);
    block.body.transactions = transactions;
    alloy_rlp::encode(block)
}

/// A block with a list of transactions that is encoded already, and with nothing else in its body.
fn assembled(header: &Header, transactions: Vec<u8>) -> Vec<u8> {
    let payload = [alloy_rlp::encode(header), transactions, vec![0xc0], vec![0xc0]].concat();
    let mut rlp = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut rlp);
    rlp.extend(payload);
    rlp
}

#[test]
fn the_chain_that_was_worked_out_by_hand_is_accepted() {
    assert_eq!(judge_json(&recipe().to_json()), Ok(Vec::new()));
}

#[test]
fn every_wrong_header_field_is_rejected_by_its_name() {
    type Break = fn(&mut Header);
    let broken: [(&str, Stage, Break); 23] = [
        ("parentHash", Stage::Rules, |h| h.parent_hash = B256::ZERO),
        ("sha3Uncles", Stage::Rules, |h| h.ommers_hash = B256::ZERO),
        ("stateRoot", Stage::Outcome, |h| h.state_root = B256::ZERO),
        ("transactionsRoot", Stage::Rules, |h| h.transactions_root = B256::ZERO),
        ("receiptsRoot", Stage::Outcome, |h| h.receipts_root = B256::ZERO),
        ("logsBloom", Stage::Outcome, |h| h.logs_bloom = Bloom::ZERO),
        ("difficulty", Stage::Rules, |h| h.difficulty = U256::from(1)),
        ("number", Stage::Rules, |h| h.number = 2),
        ("gasLimit", Stage::Rules, |h| h.gas_limit = 31_000_000),
        ("gasUsed", Stage::Outcome, |h| h.gas_used += 1),
        ("timestamp", Stage::Rules, |h| h.timestamp = 0),
        ("extraData", Stage::Rules, |h| h.extra_data = vec![0; 33].into()),
        ("nonce", Stage::Rules, |h| h.nonce = B64::repeat_byte(1)),
        ("baseFeePerGas", Stage::Rules, |h| h.base_fee_per_gas = Some(1_000)),
        ("withdrawalsRoot", Stage::Rules, |h| h.withdrawals_root = Some(B256::ZERO)),
        ("blobGasUsed", Stage::Rules, |h| h.blob_gas_used = Some(DATA_GAS_PER_BLOB)),
        ("excessBlobGas", Stage::Rules, |h| h.excess_blob_gas = Some(1)),
        ("requestsHash", Stage::Outcome, |h| h.requests_hash = Some(B256::ZERO)),
        ("requestsHash", Stage::Rules, |h| h.requests_hash = None),
        ("blockAccessListHash", Stage::Rules, |h| h.block_access_list_hash = Some(B256::ZERO)),
        // These change the outcome of the block, which then is not what the other fields say.
        ("stateRoot", Stage::Outcome, |h| h.beneficiary = Address::ZERO),
        ("gasUsed", Stage::Rules, |h| h.gas_used = 30_000_001),
        ("blobGasUsed", Stage::Rules, |h| h.blob_gas_used = Some(1)),
    ];
    let recipe = recipe();
    for (field, stage, change) in broken {
        let rejection = rejection_of(&recipe, with_header(&recipe, change));
        assert_eq!(rejection.fields, [field], "{rejection}");
        assert_eq!(rejection.stage, stage, "{rejection}");
    }
}

#[test]
fn bytes_that_are_not_exactly_one_block_are_rejected() {
    let recipe = recipe();
    let right = alloy_rlp::encode(&recipe.blocks[0]);
    let trailing = [right.as_slice(), &[0]].concat();
    let cut = right[..right.len() - 1].to_vec();
    for wrong in [trailing, cut, Vec::new(), vec![0xc0]] {
        assert_eq!(rejection_of(&recipe, wrong).stage, Stage::Decoding);
    }
}

#[test]
fn a_blob_transaction_that_carries_its_sidecar_is_rejected() {
    let recipe = recipe();
    let mut block = recipe.blocks[0].clone();
    block.body.transactions.clear();
    let blob = TxEip4844 { chain_id: 1, gas_limit: 21_000, ..TxEip4844::default() };
    let carried = TxEip4844WithSidecar { tx: blob, sidecar: BlobTransactionSidecar::default() };
    let signed = carried.into_signed(Signature::test_signature());
    let mut network = Vec::new();
    signed.eip2718_encode(&mut network);
    let transactions = alloy_rlp::encode(vec![Bytes::from(network)]);
    let rlp = assembled(&block.header, transactions);
    assert_eq!(rejection_of(&recipe, rlp).stage, Stage::Decoding);
}

#[test]
fn a_legacy_transaction_inside_a_string_is_rejected() {
    let recipe = recipe();
    let TxEip1559 { gas_limit, to, value, .. } = payment(0);
    let legacy = TxLegacy {
        chain_id: Some(1),
        gas_price: 2_000,
        gas_limit,
        to,
        value,
        ..TxLegacy::default()
    };
    let signature = alice().sign_hash_sync(&legacy.signature_hash()).unwrap();
    let legacy: Transaction = legacy.into_signed(signature).into();
    let bytes = Bytes::from(alloy_rlp::encode(&legacy));
    let header = |h: &mut Header| h.transactions_root = transactions_root(&[legacy]);
    let mut block = recipe.blocks[0].clone();
    header(&mut block.header);
    let transactions = alloy_rlp::encode(vec![bytes]);
    let rlp = assembled(&block.header, transactions);
    assert_eq!(rejection_of(&recipe, rlp).stage, Stage::Decoding);
}

#[test]
fn a_wrong_signature_is_rejected_before_anything_runs() {
    let recipe = recipe();
    let other_chain = sign(TxEip1559 { chain_id: 2, ..payment(0) });
    let right = sign(payment(0));
    let high = {
        // (r, n - s) signs the same message, and since Homestead may not be used.
        let order = U256::from_be_bytes(alloy_primitives::hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let low = right.signature();
        let high = Signature::new(low.r(), order - low.s(), !low.v());
        payment(0).into_signed(high).into()
    };
    for wrong in [other_chain, high] {
        let rejection = rejection_of(&recipe, with_transactions(&recipe, vec![wrong]));
        assert_eq!(rejection.stage, Stage::Sender, "{rejection}");
    }
}

#[test]
fn an_invalid_transaction_is_rejected_by_execution() {
    let recipe = recipe();
    for wrong in [
        sign(payment(1)),
        sign(TxEip1559 { gas_limit: 20_999, ..payment(0) }),
        sign(TxEip1559 { max_fee_per_gas: 874, ..payment(0) }),
        sign(TxEip1559 { max_priority_fee_per_gas: 2_001, ..payment(0) }),
        sign(TxEip1559 { value: U256::from(u64::MAX), ..payment(0) }),
        sign(TxEip1559 { gas_limit: 16_777_217, ..payment(0) }),
    ] {
        let rejection = rejection_of(&recipe, with_transactions(&recipe, vec![wrong]));
        assert_eq!(rejection.stage, Stage::Execution, "{rejection}");
    }
}

#[test]
fn a_block_without_a_system_contract_is_rejected() {
    for address in super::recipe::system_contracts().into_keys() {
        let mut recipe = recipe();
        recipe.pre.remove(&address);
        recipe.genesis = super::recipe::genesis(&recipe.pre);
        let parent = recipe.genesis.header.clone();
        let mut block = recipe.blocks[0].clone();
        block.header.parent_hash = parent.hash_slow();
        let cases =
            [(alloy_rlp::encode(&block).into(), Some("BlockException.SYSTEM_CONTRACT_EMPTY"))];
        let rejections = judge_json(&recipe.to_json_with(&cases, parent.hash_slow())).unwrap();
        assert_eq!(rejections[0].stage, Stage::Execution);
        assert!(rejections[0].reason.contains(&address.to_string()), "{}", rejections[0]);
    }
}

#[test]
fn withdrawals_must_be_the_ones_in_the_header() {
    let mut recipe = recipe();
    let last = recipe.blocks[0].header.hash_slow();
    let first = (alloy_rlp::encode(&recipe.blocks[0]).into(), None);
    let exception = Some("BlockException.INVALID_WITHDRAWALS_ROOT");
    let mut wrong: Vec<Withdrawal> =
        recipe.blocks[1].body.withdrawals.clone().unwrap().into_inner();
    wrong[0].amount += 1;
    for withdrawals in [None, Some(Vec::new().into()), Some(wrong.into())] {
        recipe.blocks[1].body.withdrawals = withdrawals;
        let second = (alloy_rlp::encode(&recipe.blocks[1]).into(), exception);
        let rejections = judge_json(&recipe.to_json_with(&[first.clone(), second], last)).unwrap();
        assert_eq!(rejections[0].fields, ["withdrawalsRoot"]);
    }
}

#[test]
fn what_the_test_says_of_the_whole_chain_is_compared_too() {
    let recipe = recipe();
    let right = recipe.to_json();
    let differing = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = right.clone();
        change(&mut json);
        judge_json(&json).expect_err("a wrong test was passed").field
    };
    assert_eq!(differing(&|t| t["lastblockhash"] = serde_json::json!(B256::ZERO)), "lastblockhash");
    assert_eq!(differing(&|t| t["postStateHash"] = serde_json::json!(B256::ZERO)), "postStateHash");
    assert_eq!(differing(&|t| t["network"] = "Mars".into()), "network");
    assert_eq!(differing(&|t| t["genesisRLP"] = "0xc0".into()), "genesis");
    let bob = super::recipe::BOB.to_string();
    let missing = format!("postState: {bob}");
    assert_eq!(differing(&|t| drop(t["postState"].as_object_mut().unwrap().remove(&bob))), missing);
    let pre = "genesis: stateRoot";
    assert_eq!(differing(&|t| t["pre"].as_object_mut().unwrap().clear()), pre);
    let accepted = "block 1 of 2: verdict";
    assert_eq!(differing(&|t| t["blocks"][0]["expectException"] = EXCEPTION.into()), accepted);
}

#[test]
fn a_longer_branch_becomes_the_head_and_a_shorter_one_does_not() {
    let recipe = recipe();
    let mut side = recipe.blocks[0].clone();
    side.header.extra_data = Bytes::from_static(b"side");
    let rlp = |block: &Block<Transaction>| (Bytes::from(alloy_rlp::encode(block)), None);
    let [first, second] = [&recipe.blocks[0], &recipe.blocks[1]];
    let last = second.header.hash_slow();
    let orders = [[rlp(first), rlp(&side), rlp(second)], [rlp(&side), rlp(first), rlp(second)]];
    for order in orders {
        assert_eq!(judge_json(&recipe.to_json_with(&order, last)), Ok(Vec::new()));
    }
    let tie = [rlp(&side), rlp(first)];
    let head = side.header.hash_slow();
    assert_eq!(judge_json(&recipe.to_json_with(&tie, head)), Ok(Vec::new()));
}
