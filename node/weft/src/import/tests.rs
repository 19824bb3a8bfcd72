//! The chain of a fixture as files on disk.

use super::*;
use crate::cli::NodeArgs;
use serde_json::{Value, json};
use weft_store::{Maintenance, StoreOptions};
use weft_types::StateReader;

/// Genesis file, block file and the hash of the head.
struct Files {
    folder: tempfile::TempDir,
    genesis: PathBuf,
    chain: PathBuf,
    head: String,
}

fn files() -> Files {
    let fixture = Path::new("../../executor/replay/tests/fixtures/blockchain/payment.json");
    let tests: Value = serde_json::from_slice(&std::fs::read(fixture).unwrap()).unwrap();
    let test = tests.as_object().unwrap().values().next().unwrap();
    let bytes = |value: &Value| hex::decode(&value.as_str().unwrap()[2..]).unwrap();
    let rlp = bytes(&test["genesisRLP"]);
    let block: alloy_consensus::Block<weft_types::Transaction> =
        alloy_rlp::Decodable::decode(&mut &rlp[..]).unwrap();
    let header = block.header;
    let genesis = json!({
        "config": {
            "chainId": 1, "londonBlock": 0, "terminalTotalDifficulty": 0,
            "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0
        },
        "number": header.number, "parentHash": header.parent_hash,
        "timestamp": header.timestamp, "gasLimit": header.gas_limit,
        "coinbase": header.beneficiary, "baseFeePerGas": header.base_fee_per_gas,
        "alloc": test["pre"],
    });
    let folder = tempfile::tempdir().unwrap();
    let paths = ["genesis.json", "chain.rlp"].map(|name| folder.path().join(name));
    std::fs::write(&paths[0], genesis.to_string()).unwrap();
    let blocks = test["blocks"].as_array().unwrap();
    let chain: Vec<u8> = blocks.iter().flat_map(|block| bytes(&block["rlp"])).collect();
    std::fs::write(&paths[1], chain).unwrap();
    let [genesis, chain] = paths;
    let head = test["lastblockhash"].as_str().unwrap().to_owned();
    Files { folder, genesis, chain, head }
}

fn home(files: &Files) -> Home {
    Home::new(files.folder.path().join("home"))
}

#[test]
fn an_imported_chain_is_kept_under_its_own_headers_and_opens_again() {
    let files = files();
    let home = home(&files);
    let imported = import(&files.genesis, &files.chain, &home, Executor::new(1)).unwrap();
    assert_eq!(imported.summary, Summary { blocks: 2, transactions: 2, gas: 64_484 });
    let head = imported.store.head();
    assert_eq!(head.block.hash().to_string(), files.head);
    assert_ne!(head.block.header().state_root, head.tree.root(), "the root is Ethereum's");
    let first = imported.store.block(1).unwrap().unwrap();
    assert_eq!(first.foreign.unwrap().withdrawals.unwrap().len(), 0);
    let second = imported.store.block(2).unwrap().unwrap();
    let withdrawal = second.foreign.unwrap().withdrawals.unwrap()[0];
    let paid = |height| {
        let state: Arc<dyn StateReader> = imported.store.state_at(height).unwrap();
        state.account(&withdrawal.address).unwrap().unwrap_or_default().balance
    };
    assert!(paid(2) > paid(1), "history reaches back");
    let state_root = head.tree.root();
    drop((head, imported));

    let chain = read_genesis(&home.ethereum()).unwrap();
    let store = open_store(&home, &chain, StoreOptions::devnet()).unwrap();
    assert_eq!(store.head().block.hash().to_string(), files.head);
    assert_eq!(store.verify().unwrap(), state_root);
    drop(store);
    let check = Maintenance::open(&home.database(), &StoreOptions::devnet()).unwrap();
    assert_eq!(check.check().unwrap().findings, [] as [String; 0]);
}

/// The deterministic half of the record of each block, and how many of them are stored.
fn records(files: &Files, home: &str, level: weft_evm::RecordLevel) -> (Vec<Value>, usize) {
    let home = Home::new(files.folder.path().join(home));
    let executor = Executor::new(1).with_record(level);
    let imported = import(&files.genesis, &files.chain, &home, executor).unwrap();
    let store = &imported.store;
    let stored = (1..=2).filter(|height| store.access_record(*height).unwrap().is_some()).count();
    let served = serve::Served { store, forks: imported.chain.forks(), roots: None };
    let halves = crate::node::runtime().unwrap().block_on(async {
        let config = weft_rpc::RpcConfig::new("127.0.0.1:0".parse().unwrap());
        let server = serve::start(&served, config).await.unwrap();
        let url = format!("http://{}", server.local_addr());
        let mut client = crate::load::client::Client::connect(&url).await.unwrap();
        let mut halves = Vec::new();
        for height in ["0x1", "0x2"] {
            let mut record = client.call("weft_getBlockRecord", &json!([height])).await.unwrap();
            halves.push(record["deterministic"].take());
        }
        server.stop().await;
        halves
    });
    (halves, stored)
}

#[test]
fn the_records_of_an_imported_chain_with_withdrawals_are_derived_as_they_would_be_stored() {
    let files = files();
    let (stored, two) = records(&files, "full", weft_evm::RecordLevel::Full);
    let (derived, none) = records(&files, "counts", weft_evm::RecordLevel::Counts);
    // One of the blocks is empty: its record says nothing, and is stored.
    assert_eq!((two, none), (2, 1));
    let count = |half: &Value| half["transactions"].as_array().unwrap().len();
    assert_eq!(stored.iter().map(count).sum::<usize>(), 2);
    assert_eq!(derived, stored);
}

#[test]
fn a_node_refuses_an_imported_home_and_says_what_serves_it() {
    let files = files();
    let home = home(&files);
    import(&files.genesis, &files.chain, &home, Executor::new(1)).unwrap();
    let args = NodeArgs {
        home: home.root().to_owned(),
        rpc: None,
        p2p: None,
        record: None,
        workers: None,
        log: None,
        unsafe_reset_signing: false,
        public: false,
    };
    let failure = crate::node::run(&args).unwrap_err();
    assert_eq!(failure.status, ExitStatus::Config);
    assert!(failure.fix.unwrap().starts_with("weft serve --home "));
    let again = import(&files.genesis, &files.chain, &home, Executor::new(1)).err().unwrap();
    assert_eq!(again.what, "this folder already is a home");
}

#[test]
fn a_wrong_block_is_named_with_its_field_and_status_8() {
    let files = files();
    let mut chain = std::fs::read(&files.chain).unwrap();
    let last = chain.len() - 1;
    chain[last] ^= 1;
    std::fs::write(&files.chain, &chain).unwrap();
    let failure = import(&files.genesis, &files.chain, &home(&files), Executor::new(1));
    let failure = failure.err().unwrap();
    assert_eq!(failure.status as u8, 8);
    let text = failure.to_string();
    assert!(text.contains("block 2") && text.contains("field     withdrawalsRoot"), "{text}");
}

#[test]
fn a_file_that_ends_within_a_block_is_an_error_and_no_chain_is_trusted_unasked() {
    let files = files();
    let chain = std::fs::read(&files.chain).unwrap();
    std::fs::write(&files.chain, &chain[..chain.len() - 1]).unwrap();
    let failure = import(&files.genesis, &files.chain, &home(&files), Executor::new(1));
    assert!(failure.err().unwrap().what.contains("the file ends within a block"));
    let args = ImportArgs {
        genesis: files.genesis,
        chain: files.chain,
        trust_state_roots: false,
        home: None,
        serve: None,
        workers: 1,
    };
    let failure = run(&args).unwrap_err();
    assert!(failure.fix.unwrap().contains("--trust-state-roots"));
}
