//! The conveniences of a development chain, and their refusal elsewhere.

use crate::world::{World, alice, bob, deploy, dynamic, hash, logger, raw, sign, transfer};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, hex, keccak256};
use alloy_signer::SignerSync;
use serde_json::{Value, json};

const SOMEONE: Address = address!("00000000000000000000000000000000000a11ce");

async fn balance(world: &World, address: Address) -> Value {
    world.ok("eth_getBalance", json!([address, "latest"])).await
}

async fn timestamp(world: &World) -> u64 {
    let block = world.ok("eth_getBlockByNumber", json!(["latest", false])).await;
    number(&block["timestamp"])
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_is_read_right_after_under_every_spelling() {
    let world = World::development().await;
    for (wei, name) in
        ["anvil_setBalance", "hardhat_setBalance", "tenderly_setBalance"].iter().enumerate()
    {
        let value = format!("{:#x}", wei + 1);
        world.ok(name, json!([SOMEONE, value])).await;
        assert_eq!(balance(&world, SOMEONE).await, json!(value), "{name}");
    }
    world.ok("anvil_addBalance", json!([SOMEONE, "0x10"])).await;
    assert_eq!(balance(&world, SOMEONE).await, json!("0x13"));
    world.ok("anvil_setNonce", json!([SOMEONE, "0x7"])).await;
    let nonce = world.ok("eth_getTransactionCount", json!([SOMEONE, "latest"])).await;
    assert_eq!(nonce, json!("0x7"));
    world.ok("anvil_setCode", json!([SOMEONE, "0x6001"])).await;
    assert_eq!(world.ok("eth_getCode", json!([SOMEONE, "latest"])).await, json!("0x6001"));
    let (slot, value) = (B256::with_last_byte(3), B256::repeat_byte(9));
    let set = world.ok("hardhat_setStorageAt", json!([SOMEONE, "0x3", value])).await;
    assert_eq!(set, json!(true));
    let found = world.ok("eth_getStorageAt", json!([SOMEONE, slot, "latest"])).await;
    assert_eq!(found, json!(value));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_the_access_list_at_index_zero_and_named_by_the_header() {
    let world = World::development().await;
    world.ok("anvil_setBalance", json!([SOMEONE, "0x5"])).await;
    let list = world.ok("eth_getBlockAccessList", json!(["latest"])).await;
    let found = list.as_array().unwrap().iter().find(|a| a["address"] == json!(SOMEONE)).unwrap();
    assert_eq!(found["balanceChanges"], json!([{ "index": "0x0", "value": "0x5" }]));
    let block = world.ok("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_ne!(block["parentBeaconBlockRoot"], json!(B256::ZERO));
    let empty = world.ok("eth_getBlockByNumber", json!(["0x0", false])).await;
    assert_eq!(empty["parentBeaconBlockRoot"], json!(B256::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_goes_where_it_is_told() {
    let world = World::development().await;
    world.ok("evm_mine", json!([])).await;
    let before = timestamp(&world).await;
    assert_eq!(world.ok("evm_increaseTime", json!([3_600])).await, json!(3_600));
    world.ok("evm_mine", json!([])).await;
    let later = timestamp(&world).await;
    assert!((before + 3_600..before + 3_660).contains(&later), "{before} {later}");
    world.ok("evm_setNextBlockTimestamp", json!([later + 1_000])).await;
    world.ok("anvil_mine", json!([])).await;
    assert_eq!(timestamp(&world).await, later + 1_000);
    world.ok("evm_mine", json!([{ "timestamp": later + 5_000 }])).await;
    assert_eq!(timestamp(&world).await, later + 5_000);
    world.ok("evm_mine", json!([])).await;
    assert!(timestamp(&world).await < later + 5_060, "the clock goes on from there");
    let height = number(&world.ok("eth_blockNumber", json!([])).await);
    let start = timestamp(&world).await;
    world.ok("hardhat_mine", json!(["0x4", "0x3c"])).await;
    assert_eq!(number(&world.ok("eth_blockNumber", json!([])).await), height + 4);
    assert!((start + 180..start + 200).contains(&timestamp(&world).await));
    let (code, message) = world.error("evm_setNextBlockTimestamp", json!([5])).await;
    assert_eq!(code, -32000);
    assert!(message.contains("is lower than previous block's timestamp"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_block_is_made_with_what_was_set() {
    let world = World::development().await;
    world.ok("anvil_setBlockGasLimit", json!(["0x1c9c380"])).await;
    world.ok("anvil_setCoinbase", json!([SOMEONE])).await;
    world.ok("anvil_setNextBlockBaseFeePerGas", json!(["0x0"])).await;
    let pending = world.ok("eth_getBlockByNumber", json!(["pending", false])).await;
    assert_eq!(pending["baseFeePerGas"], json!("0x0"));
    world.ok("evm_mine", json!([])).await;
    let block = world.ok("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(block["gasLimit"], json!("0x1c9c380"));
    assert_eq!(block["miner"], json!(SOMEONE));
    assert_eq!(block["baseFeePerGas"], json!("0x0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_automine_only_a_mined_block_takes_transactions() {
    let world = World::development().await;
    assert_eq!(world.ok("anvil_getAutomine", json!([])).await, json!(true));
    world.ok("evm_setAutomine", json!([false])).await;
    assert_eq!(world.ok("anvil_getAutomine", json!([])).await, json!(false));
    world.ok("eth_sendRawTransaction", json!([raw(&transfer(0, 5))])).await;
    world.ok("anvil_setBalance", json!([SOMEONE, "0x5"])).await;
    let receipt = json!([hash(&transfer(0, 5))]);
    assert_eq!(world.ok("eth_getTransactionReceipt", receipt.clone()).await, Value::Null);
    world.ok("evm_mine", json!([])).await;
    assert!(world.ok("eth_getTransactionReceipt", receipt).await.is_object());
    let sent = transfer(1, 6);
    world.ok("eth_sendRawTransaction", json!([raw(&sent)])).await;
    let dropped = world.ok("anvil_dropTransaction", json!([hash(&sent)])).await;
    assert_eq!(dropped, json!(hash(&sent)));
    assert_eq!(world.ok("anvil_dropTransaction", json!([hash(&sent)])).await, Value::Null);
    assert_eq!(world.pool.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impersonated_sender_needs_no_key() {
    let world = World::development().await;
    let send = json!([{ "from": SOMEONE, "to": bob().address(), "value": "0x1" }]);
    let (_, message) = world.error("eth_sendTransaction", send.clone()).await;
    assert!(message.starts_with("unknown account"), "{message}");
    world.ok("anvil_setBalance", json!([SOMEONE, "0xde0b6b3a7640000"])).await;
    world.ok("anvil_setCode", json!([SOMEONE, "0x00"])).await;
    world.ok("anvil_impersonateAccount", json!([SOMEONE])).await;
    let sent = world.ok("eth_sendTransaction", send.clone()).await;
    world.ok("evm_mine", json!([])).await;
    let receipt = world.ok("eth_getTransactionReceipt", json!([sent])).await;
    assert_eq!((&receipt["status"], &receipt["from"]), (&json!("0x1"), &json!(SOMEONE)));
    let found = world.ok("eth_getTransactionByHash", json!([sent])).await;
    assert_eq!((&found["from"], &found["s"]), (&json!(SOMEONE), &json!("0x0")));
    let bytes = world.ok("eth_getRawTransactionByHash", json!([sent])).await;
    let bytes = hex::decode(bytes.as_str().unwrap()).unwrap();
    assert_eq!(json!(keccak256(bytes)), sent, "hashed like any other");
    world.ok("anvil_stopImpersonatingAccount", json!([SOMEONE])).await;
    world.error("eth_sendTransaction", send.clone()).await;
    world.ok("anvil_autoImpersonateAccount", json!([true])).await;
    world.ok("eth_sendTransaction", send).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unlocked_accounts_send_and_sign() {
    let world = World::development().await;
    let [alice, bob] = [alice(), bob()].map(|signer| (signer.address(), signer));
    assert_eq!(world.ok("eth_accounts", json!([])).await, json!([alice.0, bob.0]));
    let sent = world
        .ok("eth_sendTransaction", json!([{ "from": alice.0, "to": SOMEONE, "value": "0x9" }]));
    let sent = sent.await;
    world.ok("evm_mine", json!([])).await;
    assert!(world.ok("eth_getTransactionReceipt", json!([sent])).await.is_object());
    assert_eq!(balance(&world, SOMEONE).await, json!("0x9"));
    let expected = hex::encode_prefixed(bob.1.sign_message_sync(b"hello").unwrap().as_bytes());
    let message = hex::encode_prefixed(b"hello");
    assert_eq!(world.ok("personal_sign", json!([message, bob.0])).await, json!(expected));
    assert_eq!(world.ok("eth_sign", json!([bob.0, message])).await, json!(expected));
    let request = json!([{ "from": bob.0, "to": SOMEONE, "value": "0x1", "gas": "0x5208" }]);
    let signed = world.ok("eth_signTransaction", request).await;
    world.ok("eth_sendRawTransaction", json!([signed])).await;
    let (_, refused) = world.error("eth_sign", json!([SOMEONE, message])).await;
    assert!(refused.starts_with("unknown account"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_beyond_the_next_one_is_refused_with_what_to_do_about_it() {
    let world = World::development().await;
    let request = json!([{ "from": alice().address(), "to": SOMEONE, "nonce": "0x7" }]);
    let failure = world.failure("eth_sendTransaction", request).await;
    assert_eq!(failure["code"], json!(2));
    assert_eq!(failure["message"], json!("nonce too high: next nonce 0, tx nonce 7"));
    assert_eq!(
        (&failure["data"]["expected"], &failure["data"]["got"]),
        (&json!("0x0"), &json!("0x7"))
    );
    let hint = failure["data"]["hint"].as_str().unwrap();
    assert!(hint.contains("Clear activity"), "{hint}");
}

/// The example of EIP-712, whose hash the proposal gives.
#[tokio::test(flavor = "multi_thread")]
async fn typed_data_is_signed_as_the_proposal_says() {
    let world = World::development().await;
    let data = json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" }, { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" }, { "name": "verifyingContract", "type": "address" },
            ],
            "Person": [{ "name": "name", "type": "string" }, { "name": "wallet", "type": "address" }],
            "Mail": [
                { "name": "from", "type": "Person" }, { "name": "to", "type": "Person" },
                { "name": "contents", "type": "string" },
            ],
        },
        "primaryType": "Mail",
        "domain": {
            "name": "Ether Mail", "version": "1", "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
        },
        "message": {
            "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
            "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
            "contents": "Hello, Bob!",
        },
    });
    let hash = B256::from(hex!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"));
    let expected = hex::encode_prefixed(alice().sign_hash_sync(&hash).unwrap().as_bytes());
    let who = alice().address();
    assert_eq!(world.ok("eth_signTypedData_v4", json!([who, data])).await, json!(expected));
    let text = data.to_string();
    assert_eq!(world.ok("eth_signTypedData_v4", json!([who, text])).await, json!(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_balance_is_found_and_set_and_what_is_no_token_is_refused() {
    let world = World::development().await;
    // balanceOf(account): the value of slot keccak256(account, 3).
    let token = address!("00000000000000000000000000000000000070c3");
    let code = "0x600435600052600360205260406000205460005260206000f3";
    world.ok("anvil_setCode", json!([token, code])).await;
    world.ok("anvil_dealERC20", json!([SOMEONE, token, "0x3e8"])).await;
    let slot =
        keccak256([B256::left_padding_from(SOMEONE.as_slice()), B256::with_last_byte(3)].concat());
    let value = world.ok("eth_getStorageAt", json!([token, slot, "latest"])).await;
    assert_eq!(value, json!(B256::from(U256::from(1_000))));
    let (_, message) =
        world.error("anvil_dealERC20", json!([SOMEONE, bob().address(), "0x1"])).await;
    assert!(message.contains("it is no ERC-20 token"), "{message}");
    // Always 7.
    world.ok("anvil_setCode", json!([token, "0x600760005260206000f3"])).await;
    let (_, message) = world.error("anvil_dealERC20", json!([SOMEONE, token, "0x1"])).await;
    assert!(message.contains("the token computes it"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_the_reason() {
    let world = World::development().await;
    for (method, params, reason) in [
        ("evm_snapshot", json!([]), "a block is final"),
        ("evm_revert", json!(["0x1"]), "a block is final"),
        ("anvil_reorg", json!([]), "weft never reorgs"),
        ("anvil_setMinGasPrice", json!(["0x1"]), "EIP-1559"),
        ("anvil_setBalance", json!([SOMEONE, U256::MAX]), "more than commands may make"),
        ("anvil_mine", json!(["0x100000"]), "expected 1 to 4096"),
        ("anvil_setCode", json!([SOMEONE, "0xef0100"]), "delegation"),
        (
            "anvil_setCode",
            json!(["0x0000000000000000000000000000000077656674", "0x00"]),
            "belongs to the protocol",
        ),
    ] {
        let (_, message) = world.error(method, params).await;
        assert!(message.contains(reason), "{method}: {message}");
    }
    world.commit(vec![deploy(0)]);
    let (_, message) = world.error("anvil_setNonce", json!([logger(), "0x0"])).await;
    assert!(message.contains("included twice"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_chain_has_none_of_it() {
    let world = World::empty().await;
    for (method, params) in [
        ("anvil_setBalance", json!([SOMEONE, "0x1"])),
        ("evm_mine", json!([])),
        ("hardhat_impersonateAccount", json!([SOMEONE])),
        ("anvil_nodeInfo", json!([])),
    ] {
        let (code, message) = world.error(method, params).await;
        assert_eq!(code, -32004, "{method}");
        assert!(message.contains("its genesis does not say devnetCheats"), "{method}: {message}");
    }
    assert_eq!(world.ok("eth_accounts", json!([])).await, json!([]));
    world.error("personal_sign", json!(["0x00", alice().address()])).await;
    world.error("weft_fundAddress", json!([SOMEONE])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_says_what_it_is_to_tools() {
    let world = World::development().await;
    let info = world.ok("anvil_nodeInfo", json!([])).await;
    assert_eq!(info["environment"]["chainId"], json!("0x7a69"));
    assert_eq!(info["currentBlockNumber"], json!("0x0"));
    let metadata = world.ok("hardhat_metadata", json!([])).await;
    assert_eq!(metadata["chainId"], json!(31_337));
    assert!(metadata["clientVersion"].as_str().unwrap().starts_with("weft/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_fee_that_was_set_is_in_every_price() {
    let world = World::development().await;
    world.ok("anvil_setNextBlockBaseFeePerGas", json!(["0x77359400"])).await;
    assert_eq!(world.ok("eth_baseFee", json!([])).await, json!("0x77359400"));
    assert!(number(&world.ok("eth_gasPrice", json!([])).await) > 0x7735_9400);
    let history = world.ok("eth_feeHistory", json!(["0x1", "latest"])).await;
    assert_eq!(history["baseFeePerGas"][1], json!("0x77359400"));
    let request = json!([{ "from": bob().address(), "to": SOMEONE, "value": "0x1" }]);
    let filled = world.ok("eth_fillTransaction", request).await;
    assert!(number(&filled["tx"]["maxFeePerGas"]) > 2 * 0x7735_9400);
    world.ok("evm_mine", json!([])).await;
    let history = world.ok("eth_feeHistory", json!(["0x1", "0x1"])).await;
    assert_eq!(history["baseFeePerGas"][1], json!("0x77359400"), "what the block then had");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_plain_transfers_than_fit_raise_the_suggested_tip() {
    let world = World::development().await;
    world.ok("evm_setBlockGasLimit", json!(["0x186a0"])).await;
    (0..4).for_each(|nonce| world.pool_one(transfer(nonce, 1)));
    let four = number(&world.ok("eth_maxPriorityFeePerGas", json!([])).await);
    assert_eq!(four, 100_000_000, "four fit into 100,000 gas");
    world.ok("evm_setAutomine", json!([false])).await;
    world.ok("evm_setBlockGasLimit", json!(["0xf618"])).await;
    (0..4).for_each(|nonce| {
        let tx = dynamic(nonce, TxKind::Call(SOMEONE), 1, Bytes::new());
        let plain = alloy_consensus::TxEip1559 { gas_limit: 21_000, ..tx };
        world.pool_one(sign(plain, &alice()));
    });
    let more = number(&world.ok("eth_maxPriorityFeePerGas", json!([])).await);
    assert!(more > 1_000_000_000, "{more}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_traced_with_what_its_commands_changed() {
    let world = World::development().await;
    let call = dynamic(0, TxKind::Call(SOMEONE), 0, Bytes::new());
    world.pool_one(sign(call, &bob()));
    // Returns 42.
    world.ok("anvil_setCode", json!([SOMEONE, "0x602a60005260206000f3"])).await;
    let block = world.ok("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(block["transactions"].as_array().unwrap().len(), 1, "the command and a call");
    let output = json!(B256::with_last_byte(42));
    let tracer = json!({ "tracer": "callTracer" });
    let raw = world.ok("debug_getRawBlock", json!(["latest"])).await;
    for (method, of) in [("debug_traceBlockByNumber", json!("latest")), ("debug_traceBlock", raw)] {
        let traces = world.ok(method, json!([of, tracer])).await;
        assert_eq!(traces[0]["result"]["output"], output, "{method}");
    }
    let traces = world.ok("trace_block", json!(["latest"])).await;
    assert_eq!(traces[0]["result"]["output"], output);
    let replayed = world.ok("trace_replayBlockTransactions", json!(["latest", ["trace"]])).await;
    assert_eq!(replayed[0]["output"], output);
}
