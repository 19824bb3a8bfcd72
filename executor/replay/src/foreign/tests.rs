//! A small chain as a genesis file and blocks: the one that the judge is judged by.

use super::{ForeignChain, Importer};
use crate::fixture::{BlockchainTest, read_tests};
use alloy_consensus::{Block, Header};
use alloy_rlp::Decodable;
use serde_json::{Value, json};
use std::path::Path;
use weft_evm::Executor;
use weft_types::{StateDiff, Transaction};

fn fixture() -> BlockchainTest {
    let file = Path::new("tests/fixtures/blockchain/payment.json");
    read_tests(file).unwrap().into_values().next().unwrap()
}

fn decode(rlp: &[u8]) -> Block<Transaction> {
    Block::decode(&mut &rlp[..]).unwrap()
}

/// The genesis of the fixture in geth's format.
fn genesis_file(test: &BlockchainTest) -> Value {
    let header: Header = decode(&test.genesis_rlp).header;
    let alloc: serde_json::Map<String, Value> = test
        .pre
        .iter()
        .map(|(address, account)| {
            let address = format!("{address:x}");
            let entry = json!({
                "nonce": account.nonce, "balance": account.balance.to_string(),
                "code": account.code, "storage": account.storage,
            });
            (address, entry)
        })
        .collect();
    json!({
        "config": {
            "chainId": 1, "londonBlock": 0, "terminalTotalDifficulty": 0,
            "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0
        },
        "number": header.number, "parentHash": header.parent_hash,
        "timestamp": header.timestamp, "extraData": header.extra_data,
        "gasLimit": format!("{:#x}", header.gas_limit), "difficulty": "0x0",
        "coinbase": header.beneficiary, "mixHash": header.mix_hash,
        "baseFeePerGas": format!("{:#x}", header.base_fee_per_gas.unwrap()),
        "alloc": alloc,
    })
}

fn importer(test: &BlockchainTest) -> Importer {
    let text = genesis_file(test).to_string();
    let chain = ForeignChain::from_json(text.as_bytes()).unwrap();
    assert_eq!(chain.genesis().header(), &decode(&test.genesis_rlp).header);
    Importer::new(chain, Executor::new(2).with_min_parallel_transactions(0))
}

#[test]
fn a_chain_from_a_genesis_file_leads_to_the_head_that_it_names() {
    let test = fixture();
    let mut importer = importer(&test);
    let mut head = None;
    for block in &test.blocks {
        let imported = importer.import(&block.rlp).unwrap();
        assert_eq!(imported.senders.len(), imported.block.transactions().len());
        assert!(imported.body.withdrawals.is_some());
        assert_ne!(imported.diff, StateDiff::default());
        head = Some(imported.block.hash());
    }
    assert_eq!(head, Some(test.lastblockhash));
}

#[test]
fn every_wrong_field_of_a_header_is_named() {
    let test = fixture();
    type Change = fn(&mut Header);
    let changes: [(&str, Change); 9] = [
        ("parentHash", |header| header.parent_hash = Default::default()),
        ("gasUsed", |header| header.gas_used += 1),
        ("receiptsRoot", |header| header.receipts_root = Default::default()),
        ("logsBloom", |header| header.logs_bloom = Default::default()),
        ("stateRoot", |header| header.state_root = Default::default()),
        ("transactionsRoot", |header| header.transactions_root = Default::default()),
        ("withdrawalsRoot", |header| header.withdrawals_root = Some(Default::default())),
        ("requestsHash", |header| header.requests_hash = Some(Default::default())),
        ("baseFeePerGas", |header| header.base_fee_per_gas = Some(1)),
    ];
    for (field, change) in changes {
        let mut block = decode(&test.blocks[0].rlp);
        change(&mut block.header);
        let rejection = importer(&test).import(&alloy_rlp::encode(&block)).unwrap_err();
        assert_eq!(rejection.fields, [field], "{rejection}");
    }
}

#[test]
fn a_block_that_was_refused_leaves_the_importer_where_it_was() {
    let test = fixture();
    let mut importer = importer(&test);
    assert!(importer.import(&test.blocks[1].rlp).is_err(), "block 2 before block 1");
    for block in &test.blocks {
        importer.import(&block.rlp).unwrap();
    }
}
