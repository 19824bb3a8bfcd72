use super::*;
use crate::plain::PlainLoop;
use crate::replay::{ReplayOptions, Replayer};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use serde_json::json;
use weft_evm::MemoryState;
use weft_types::receipt::{logs_bloom, receipts_root};
use weft_types::{RecoveredTransaction, StateReader};

/// Cancun, far from anything real.
const NUMBER: u64 = 19_500_000;
const CONTRACT: Address = Address::repeat_byte(0xc0);

/// Stores BLOCKHASH(NUMBER - 2) in slot 1 and logs slot 0: NUMBER-2 BLOCKHASH 1 SSTORE 0 SLOAD 0 MSTORE 32 0 LOG0.
const CODE: [u8; 18] = [
    0x60, 2, 0x43, 0x03, 0x40, 0x60, 1, 0x55, 0x5f, 0x54, 0x5f, 0x52, 0x60, 32, 0x5f, 0xa0, 0x00,
    0x00,
];

fn signer(n: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(n)).expect("the key is in range")
}

fn signed<T: SignableTransaction<Signature>>(n: u8, transaction: T) -> RecoveredTransaction
where
    Transaction: From<alloy_consensus::Signed<T>>,
{
    let signature = signer(n).sign_hash_sync(&transaction.signature_hash()).expect("a local key");
    let transaction = transaction.into_signed(signature).into();
    RecoveredTransaction::new_unchecked(transaction, signer(n).address())
}

/// A transaction of each type that Cancun knows, and a legacy one without a chain id.
fn cancun_transactions() -> Vec<RecoveredTransaction> {
    const GWEI: u128 = 1_000_000_000;
    let item = AccessListItem { address: CONTRACT, storage_keys: vec![B256::ZERO] };
    let to = TxKind::Call(Address::repeat_byte(0xee));
    vec![
        signed(
            1,
            TxLegacy {
                gas_price: 20 * GWEI,
                gas_limit: 21_000,
                to,
                value: U256::from(7),
                ..TxLegacy::default()
            },
        ),
        signed(
            1,
            TxLegacy {
                chain_id: Some(1),
                nonce: 1,
                gas_price: 20 * GWEI,
                gas_limit: 100_000,
                to: TxKind::Create,
                input: Bytes::from_static(&[0x60, 1, 0x5f, 0xf3]),
                ..TxLegacy::default()
            },
        ),
        signed(
            2,
            TxEip2930 {
                chain_id: 1,
                gas_price: 20 * GWEI,
                gas_limit: 100_000,
                to: TxKind::Call(CONTRACT),
                access_list: AccessList(vec![item]),
                ..TxEip2930::default()
            },
        ),
        signed(
            3,
            TxEip1559 {
                chain_id: 1,
                gas_limit: 21_000,
                max_fee_per_gas: 20 * GWEI,
                max_priority_fee_per_gas: GWEI,
                to,
                value: U256::from(1),
                ..TxEip1559::default()
            },
        ),
        signed(
            4,
            TxEip4844 {
                chain_id: 1,
                gas_limit: 21_000,
                max_fee_per_gas: 20 * GWEI,
                max_priority_fee_per_gas: GWEI,
                to: Address::repeat_byte(0xee),
                blob_versioned_hashes: vec![B256::repeat_byte(1)],
                max_fee_per_blob_gas: GWEI,
                ..TxEip4844::default()
            },
        ),
    ]
}

/// A transaction as a node's answer has it, written by alloy.
fn answer(transaction: &RecoveredTransaction) -> Value {
    let mut value = serde_json::to_value(transaction.inner()).expect("it is JSON");
    value["from"] = json!(transaction.signer());
    value
}

/// `block.json`, `prestate.json` and `blockhashes.json` of the block that lies in the tree.
fn tiny() -> [Value; 3] {
    let withdrawal =
        Withdrawal { index: 9, validator_index: 8, address: CONTRACT, amount: 1_000_000 };
    let transactions = cancun_transactions();
    let mut prestate = json!({
        CONTRACT.to_string(): {
            "balance": "0x0", "nonce": "0x0", "code": Bytes::from_static(&CODE), "storage": {"0x0": "0x2a"},
        },
    });
    let mut state = MemoryState::default();
    state.set_code(CONTRACT, Bytes::from_static(&CODE));
    state.set_nonce(CONTRACT, 0);
    state.set_storage(CONTRACT, U256::ZERO, U256::from(42));
    for n in 1..=4 {
        let balance = U256::from(10).pow(U256::from(18));
        state.set_balance(signer(n).address(), balance);
        prestate[signer(n).address().to_string()] = json!({"balance": balance});
    }
    state.set_block_hash(NUMBER - 2, keccak256("grandparent"));
    let plain: Vec<Transaction> = transactions.iter().map(|t| t.inner().clone()).collect();
    let mut header = Header {
        parent_hash: keccak256("parent"),
        beneficiary: Address::repeat_byte(0xbe),
        state_root: keccak256("not looked at"),
        transactions_root: calculate_transaction_root(&plain),
        withdrawals_root: Some(calculate_withdrawals_root(&[withdrawal])),
        number: NUMBER,
        gas_limit: 30_000_000,
        timestamp: 1_711_000_000,
        mix_hash: keccak256("prevrandao"),
        base_fee_per_gas: Some(10_000_000_000),
        blob_gas_used: Some(131_072),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(keccak256("beacon")),
        ..Header::default()
    };
    let load = Load {
        name: String::new(),
        header: header.clone(),
        transactions: transactions.iter().cloned().map(Arc::new).collect(),
        withdrawals: vec![withdrawal],
        rules: Rules::mainnet(NUMBER, header.timestamp),
        state: Arc::new(state),
    };
    let receipts = PlainLoop::default().receipts(&load.input(), &load.state).expect("it is valid");
    header.gas_used = receipts.last().expect("there are some").cumulative_gas_used();
    header.receipts_root = receipts_root(&receipts);
    header.logs_bloom = logs_bloom(&receipts);
    let mut block = serde_json::to_value(&header).expect("it is JSON");
    block["hash"] = json!(header.hash_slow());
    block["uncles"] = json!([]);
    block["transactions"] = transactions.iter().map(answer).collect();
    block["withdrawals"] = json!([withdrawal]);
    [block, prestate, json!({(NUMBER - 2).to_string(): keccak256("grandparent")})]
}

const FILES: [&str; 3] = ["block.json", "prestate.json", "blockhashes.json"];

fn in_tree() -> PathBuf {
    Path::new("tests/blocks/mainnet").join(NUMBER.to_string())
}

/// Writes the tiny block after a change, and reads it.
fn changed(change: impl FnOnce(&mut [Value; 3])) -> Result<Load, BlockError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut values = tiny();
    change(&mut values);
    for (file, value) in FILES.iter().zip(&values) {
        std::fs::write(folder.path().join(file), value.to_string()).expect("it can be written");
    }
    read_block(folder.path())
}

/// What the error says behind the name of the block, which is a random folder here.
fn refusal(change: impl FnOnce(&mut [Value; 3])) -> String {
    let error = changed(change).expect_err("the change must be noticed").to_string();
    error.split_once(": ").expect("it names the block").1.to_owned()
}

#[test]
fn the_block_in_the_tree_is_the_one_made_here() {
    for (file, value) in FILES.iter().zip(tiny()) {
        let path = in_tree().join(file);
        if std::env::var_os("WEFT_WRITE_BLOCK").is_some() {
            std::fs::create_dir_all(in_tree()).unwrap();
            let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
            std::fs::write(&path, text).unwrap();
        }
        let found: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(found, value, "{file}: write it anew with WEFT_WRITE_BLOCK=1");
    }
}

#[test]
fn a_block_is_read_with_its_senders_state_and_hashes() {
    let load = read_block(&in_tree()).unwrap();
    assert_eq!(load.name, NUMBER.to_string());
    assert_eq!(load.rules, Rules::mainnet(NUMBER, 1_711_000_000));
    let senders: Vec<Address> = load.transactions.iter().map(|t| t.signer()).collect();
    assert_eq!(senders, [1, 1, 2, 3, 4].map(|n| signer(n).address()));
    let expected = cancun_transactions();
    assert!(load.transactions.iter().zip(&expected).all(|(found, made)| **found == *made));
    assert_eq!(load.withdrawals[0].amount, 1_000_000);
    let contract = load.state.account(&CONTRACT).unwrap().unwrap();
    // A contract made before EIP-161 has no nonce of its own.
    assert_eq!((contract.nonce, contract.code_size), (0, CODE.len() as u32));
    assert_eq!(load.state.storage(&CONTRACT, &U256::ZERO).unwrap(), U256::from(42));
    let hash = load.state.block_hash(NUMBER - 2).unwrap();
    assert_eq!(hash, Some(keccak256("grandparent")));
}

#[test]
fn the_tiny_block_replays_in_every_way() {
    let load = read_block(&in_tree()).unwrap();
    let workers = vec![1, 2];
    let (compare, with_list, oversubscribe) = (true, true, true);
    let options = ReplayOptions { workers, compare, with_list, repeat: 2, oversubscribe };
    let replayer = Replayer::new(options);
    let report = replayer.replay(&load).unwrap();
    assert_eq!((report.transactions, report.gas_used), (5, load.header.gas_used));
    assert_eq!(report.parallel.len(), 4);
    let mut wrong = load;
    wrong.header.receipts_root = B256::ZERO;
    let error = replayer.replay(&wrong).unwrap_err().to_string();
    assert!(
        error.starts_with("block 19500000: receiptsRoot: oracle differs from the header"),
        "{error}"
    );
    wrong.header.gas_used += 1;
    let error = replayer.replay(&wrong).unwrap_err().to_string();
    assert!(
        error.starts_with("block 19500000: gasUsed: oracle differs from the header"),
        "{error}"
    );
}

#[test]
fn every_type_of_transaction_reads_as_alloy_writes_it() {
    let source = Source { block: "1".to_owned(), file: "block.json" };
    let authorization = Authorization { chain_id: U256::ONE, address: CONTRACT, nonce: 5 };
    let signature = signer(6).sign_hash_sync(&authorization.signature_hash()).unwrap();
    let delegation = signed(
        5,
        TxEip7702 {
            chain_id: 1,
            gas_limit: 100_000,
            to: CONTRACT,
            authorization_list: vec![authorization.into_signed(signature)],
            ..TxEip7702::default()
        },
    );
    for made in cancun_transactions().into_iter().chain([delegation]) {
        let value = answer(&made);
        let object = Object::new(&source, "", &value).unwrap();
        let found = transaction::read_transaction(&object, weft_evm::SpecId::PRAGUE);
        assert_eq!(found, Ok(made));
    }
}

#[test]
fn a_changed_header_or_list_is_noticed() {
    let text = refusal(|[block, ..]| block["gasUsed"] = json!("0x1"));
    assert!(text.starts_with("block.json: hash: the file says 0x"), "{text}");
    let text = refusal(|[block, ..]| {
        block["transactions"].as_array_mut().unwrap().pop();
    });
    assert!(text.starts_with("block.json: transactionsRoot: the file says 0x"), "{text}");
    let text = refusal(|[block, ..]| block["withdrawals"] = json!([]));
    assert!(text.starts_with("block.json: withdrawalsRoot: the file says 0x"), "{text}");
}

#[test]
fn a_changed_transaction_is_noticed_by_its_hash_or_its_sender() {
    let text = refusal(|[block, ..]| block["transactions"][3]["value"] = json!("0x2"));
    assert!(text.starts_with("block.json: transactions[3].hash: the file says 0x"), "{text}");
    let text = refusal(|[block, ..]| block["transactions"][0]["from"] = json!(CONTRACT));
    assert!(text.starts_with("block.json: transactions[0].from: the file says 0xC0"), "{text}");
}

#[test]
fn a_field_that_is_missing_or_malformed_is_named() {
    let text = refusal(|[block, ..]| drop(block.as_object_mut().unwrap().remove("miner")));
    assert_eq!(text, "block.json: miner is missing");
    let text = refusal(|[block, ..]| block["transactions"][2]["gas"] = json!("lots"));
    let expected = "block.json: transactions[2].gas: expected a number of up to 64 bits in hex, found \"lots\"";
    assert_eq!(text, expected);
    let text = refusal(|[block, ..]| block["transactions"][1] = json!(7));
    assert_eq!(text, "block.json: transactions[1]: expected an object, found 7");
    let text = refusal(|[block, ..]| block["transactions"][1]["type"] = json!("0x7"));
    assert_eq!(text, "block.json: transactions[1].type: expected 0x0 to 0x4, found 0x7");
    let text = refusal(|[_, _, hashes]| hashes["7"] = json!("0x12"));
    assert_eq!(text, "blockhashes.json: 7: expected 32 bytes in hex, found \"0x12\"");
}

#[test]
fn a_malformed_account_is_named_with_its_field() {
    let address = CONTRACT.to_string();
    let text = refusal(|[_, prestate, _]| prestate[&address]["nonce"] = json!("0xzz"));
    assert!(text.starts_with(&format!("prestate.json: {address}.nonce: expected hex")), "{text}");
    let text = refusal(|[_, prestate, _]| prestate[&address] = json!({"nonce": "0x1"}));
    assert_eq!(text, format!("prestate.json: {address}.balance is missing"));
    let text = refusal(|[_, prestate, _]| prestate["0x12"] = json!({"balance": "0x1"}));
    assert_eq!(text, "prestate.json: key: expected an address, found 0x12");
}

#[test]
fn a_file_that_is_missing_or_no_json_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("block.json"), "{").unwrap();
    std::fs::write(folder.path().join("prestate.json"), "{}").unwrap();
    let text = read_block(folder.path()).unwrap_err().to_string();
    assert!(text.contains("block.json is not JSON: EOF"), "{text}");
    std::fs::write(folder.path().join("block.json"), tiny()[0].to_string()).unwrap();
    std::fs::remove_file(folder.path().join("prestate.json")).unwrap();
    let text = read_block(folder.path()).unwrap_err().to_string();
    assert!(text.starts_with("cannot read") && text.contains("prestate.json"), "{text}");
}

#[test]
fn blocks_are_found_in_order_of_their_numbers_in_the_folder_or_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let mainnet = folder.path().join("mainnet");
    for name in ["10", "9", "notes"] {
        std::fs::create_dir_all(mainnet.join(name)).unwrap();
        std::fs::write(mainnet.join(name).join("block.json"), "{}").unwrap();
    }
    std::fs::create_dir_all(mainnet.join("11")).unwrap();
    let expected = [mainnet.join("9"), mainnet.join("10")];
    assert_eq!(find_blocks(&mainnet).unwrap(), expected);
    assert_eq!(find_blocks(folder.path()).unwrap(), expected);
    assert_eq!(find_blocks(&mainnet.join("9")).unwrap(), expected[..1]);
    let none = find_blocks(&mainnet.join("11")).unwrap_err();
    assert_eq!(none, BlockError::NoBlocks { path: mainnet.join("11") });
    assert!(matches!(find_blocks(&mainnet.join("12")), Err(BlockError::Read { .. })));
}
