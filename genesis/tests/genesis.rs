//! Block 0 of known specifications, and what a person reads when a file is wrong.

use std::collections::BTreeMap;
use weft_genesis::{AllocAccount, ChainSpec, Genesis, GenesisError, system_contracts};
use weft_types::{Address, B256, Bytes, U256, Validator};

fn validator(seed: u8) -> Validator {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
    Validator { name: format!("v{seed}"), public_key: key.to_bytes(), power: 1 }
}

fn devnet() -> ChainSpec {
    let ether = U256::from(10u128.pow(18));
    let account = |n| (Address::repeat_byte(n), ether * U256::from(10_000));
    let accounts: Vec<_> = (1..=10).map(account).collect();
    ChainSpec::devnet((1..=4).map(validator).collect(), &accounts)
}

const MINIMAL: &str = r#"{
  "name": "test",
  "timestamp": 1767225600,
  "params": {
    "chainId": 4242, "gasLimit": 60000000, "blockIntervalMs": 250, "emptyBlockIntervalMs": 1000,
    "timeouts": {
      "proposeMs": 500, "proposeDeltaMs": 250, "prevoteMs": 250, "precommitMs": 250,
      "voteDeltaMs": 125, "rebroadcastMs": 1000
    }
  },
  "validators": [
    { "name": "v1", "publicKey": "0x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c", "power": 1 }
  ],
  "alloc": {
    "0x1111111111111111111111111111111111111111": { "balance": "0x64" },
    "2222222222222222222222222222222222222222": {
      "balance": "100", "nonce": 3, "code": "0x6001", "storage": { "0x0": "0x1", "7": 8, "9": "0" }
    }
  }
}"#;

/// The minimal file with one piece exchanged.
fn with(from: &str, to: &str) -> String {
    assert_eq!(MINIMAL.matches(from).count(), 1, "{from} must be there once");
    MINIMAL.replace(from, to)
}

#[test]
fn the_hash_of_the_devnet_is_pinned() {
    let genesis = Genesis::new(devnet()).unwrap();
    let header = genesis.block.header();
    let pinned = [HASH, STATE_ROOT, EXTRA_DATA];
    let found =
        [genesis.hash().to_string(), header.state_root.to_string(), header.extra_data.to_string()];
    assert_eq!(found, pinned, "a change here makes every existing chain unreadable");
}

const HASH: &str = "0x2fd0b95aed6167029f7a6f04ce77b0219661b5f233d3518b2f60bf204c0918d2";
const STATE_ROOT: &str = "0xae06ca7dacf1d6901f7587d002b1679b9c251a485b052020dc0b0795ecdcb66f";
const EXTRA_DATA: &str = "0x8bac01360c0abab936cbc22d59189ac48db66f039ccbbfbf7b67ade43a3f1bf5";

#[test]
fn the_minimal_file_has_block_zero_with_osaka_fields() {
    let genesis = Genesis::new(ChainSpec::from_json(MINIMAL).unwrap()).unwrap();
    let header = genesis.block.header();
    assert_eq!((header.number, header.parent_hash), (0, B256::ZERO));
    assert_eq!(header.base_fee_per_gas, Some(1_000_000_000));
    assert_eq!(header.state_root, genesis.tree.root());
    assert_eq!(header.extra_data.len(), 32);
    assert_eq!(header.block_access_list_hash, Some(alloy_primitives::keccak256([0xc0])));
    let no_requests = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(header.requests_hash, Some(no_requests.parse().unwrap()), "sha256 of nothing");
    assert_eq!(header.withdrawals_root, Some(alloy_primitives::keccak256([0x80])));
    assert_eq!((header.blob_gas_used, header.excess_blob_gas), (Some(0), Some(0)));
    assert_eq!(header.parent_beacon_block_root, Some(B256::ZERO));
}

#[test]
fn the_state_of_block_zero_is_the_alloc_and_the_system_contracts() {
    let genesis = Genesis::new(ChainSpec::from_json(MINIMAL).unwrap()).unwrap();
    let accounts = &genesis.diff.accounts;
    assert_eq!(accounts.len(), 2 + 4);
    assert!(accounts.windows(2).all(|pair| pair[0].address < pair[1].address));
    assert!(genesis.diff.code.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(genesis.diff.code.len(), 5);
    let contract = accounts.iter().find(|a| a.address == Address::repeat_byte(0x22)).unwrap();
    let after = contract.after.unwrap();
    assert_eq!((after.nonce, after.balance, after.code_size), (3, U256::from(100), 2));
    assert_eq!(genesis.diff.code(&after.code_hash), Some(&Bytes::from_static(&[0x60, 0x01])));
    let slots: Vec<_> = contract.slots.iter().map(|s| (s.slot.to(), s.after.to())).collect();
    assert_eq!(slots, [(0u64, 1u64), (7, 8)], "a zero slot is no slot");
    for system in system_contracts() {
        let account = accounts.iter().find(|a| a.address == system.address).unwrap();
        assert_eq!(account.after.unwrap().nonce, 1, "{}", system.eip);
        assert!(account.slots.is_empty(), "{}: an excess of zero accepts requests", system.eip);
    }
}

#[test]
fn the_hash_covers_parameters_validators_and_state_but_not_names_of_the_chain_or_order() {
    let hash = |change: &dyn Fn(&mut ChainSpec)| {
        let mut spec = devnet();
        change(&mut spec);
        Genesis::new(spec).unwrap().hash()
    };
    let base = hash(&|_| {});
    assert_eq!(hash(&|s| s.name = "other".into()), base);
    assert_eq!(hash(&|s| s.validators.reverse()), base);
    assert_eq!(hash(&|s| drop(s.alloc.insert(Address::ZERO, AllocAccount::default()))), base);
    type Change = fn(&mut ChainSpec);
    let changes: [(&str, Change); 9] = [
        ("chain id", |s| s.params.chain_id += 1),
        ("gas limit", |s| s.params.gas_limit += 1),
        ("interval", |s| s.params.block_interval_ms += 1),
        ("timeout", |s| s.params.timeouts.prevote_ms += 1),
        ("timestamp", |s| s.timestamp += 1),
        ("power", |s| s.validators[0].power += 1),
        ("key", |s| s.validators[0].public_key = validator(9).public_key),
        ("validator's name", |s| s.validators[0].name = "w".into()),
        ("balance", |s| s.alloc.values_mut().next().unwrap().balance += U256::ONE),
    ];
    let mut seen = BTreeMap::from([(base, "nothing")]);
    for (what, change) in changes {
        assert_eq!(seen.insert(hash(&change), what), None, "{what}");
    }
}

#[test]
fn a_specification_survives_writing_and_reading() {
    for spec in [devnet(), ChainSpec::from_json(MINIMAL).unwrap()] {
        let text = spec.to_json();
        assert_eq!(ChainSpec::from_json(&text).as_ref(), Ok(&spec));
        assert_eq!(ChainSpec::from_json(&text).unwrap().to_json(), text);
    }
}

#[test]
fn a_wrong_file_is_answered_with_what_where_and_what_to_do() {
    let key = "0x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    let one = "0x1111111111111111111111111111111111111111";
    let two = r#""2222222222222222222222222222222222222222""#;
    let cases = [
        (
            with(r#""name": "test""#, r#""nam": "test""#),
            "genesis file: unknown field `nam`, expected one of `name`, `timestamp`, `params`, `validators`, `alloc` at line 2 column 7",
        ),
        (
            with(r#""power": 1"#, r#""power": 1, "stake": 2"#),
            "genesis file: unknown field `stake`, expected one of `name`, `publicKey`, `power` at line 12 column",
        ),
        (
            with(r#""0x64" }"#, r#""0x64", "secretKey": "0x1" }"#),
            "genesis file: unknown field `secretKey`, expected one of `balance`, `nonce`, `code`, `storage` at line 15 column",
        ),
        (
            with(r#""gasLimit": 60000000"#, r#""gasLimit": 60000000, "gasLimit": 1"#),
            "genesis file: duplicate field `gasLimit` at line 5 column",
        ),
        (
            with(two, &format!("\"{}\"", &one[2..])),
            "is given twice, expected once: remove one at line 16 column",
        ),
        (
            with(r#""7": 8"#, r#""0": 8"#),
            "genesis file: 0 is given twice, expected once: remove one at line 17 column",
        ),
        (
            with(one, "0x1111"),
            r#"genesis file: found "0x1111", expected an address: 40 hex digits, with or without "0x" at line 15 column"#,
        ),
        (
            with(one, "0x0x1111111111111111111111111111111111111111"),
            "expected an address: 40 hex digits",
        ),
        (
            with("\"0x64\"", "\"1e3\""),
            r#"genesis file: found "1e3", expected a quantity of at most 256 bits: "0x" and hex digits, or decimal digits at line 15 column"#,
        ),
        (with("\"0x64\"", "-1"), "expected a quantity of at most 256 bits"),
        (with("\"0x64\"", "\"0x\""), r#"found "0x", expected a quantity"#),
        (with("\"0x64\"", "\"1_0\""), r#"found "1_0", expected a quantity"#),
        (
            with("\"nonce\": 3", "\"nonce\": \"0x10000000000000000\""),
            "found 18446744073709551616, expected a quantity of at most 64 bits at line 17",
        ),
        (
            with("\"0x6001\"", "\"0x600\""),
            r#"found "0x600", expected code: an even number of hex digits"#,
        ),
        (
            with(key, "0x8a88"),
            r#"genesis file: found "0x8a88", expected an ed25519 public key: "0x" and 64 hex digits at line 12 column"#,
        ),
        (with(key, &key[2..]), "expected an ed25519 public key: \"0x\" and 64 hex digits"),
        (
            with(key, &format!("0x{}", "00".repeat(32))),
            "genesis validators: validator v1: public key is not a valid ed25519 key",
        ),
        (
            with(r#""power": 1"#, r#""power": 0"#),
            "genesis validators: validator v1 has power 0, expected at least 1",
        ),
        (
            with(r#""power": 1"#, r#""power": 9007199254740993"#),
            "genesis validators: total voting power exceeds 9007199254740992",
        ),
        (with("4242", "0"), "genesis params.chainId: found 0, expected 1 to 9007199254740991"),
        (
            with("4242", "9007199254740992"),
            "genesis params.chainId: found 9007199254740992, expected 1 to 9007199254740991",
        ),
        (
            with("60000000", "20999"),
            "genesis params.gasLimit: found 20999, expected 21000 to 2000000000",
        ),
        (
            with("60000000", "2000000001"),
            "genesis params.gasLimit: found 2000000001, expected 21000 to 2000000000",
        ),
        (
            with(r#""proposeMs": 500"#, r#""proposeMs": 0"#),
            "genesis params.timeouts.proposeMs: found 0, expected 1 to 3600000 (in milliseconds)",
        ),
        (
            with(r#""voteDeltaMs": 125"#, r#""voteDeltaMs": 3600001"#),
            "genesis params.timeouts.voteDeltaMs: found 3600001, expected 1 to 3600000 (in milliseconds)",
        ),
        (
            with(r#""emptyBlockIntervalMs": 1000"#, r#""emptyBlockIntervalMs": 249"#),
            "genesis params.emptyBlockIntervalMs: found 249, expected at least params.blockIntervalMs (250)",
        ),
        (
            with("1767225600", "1767225600000"),
            "genesis timestamp: found 1767225600000, expected 0 to 68719476736 (in seconds, not milliseconds)",
        ),
        (
            with("\"test\"", "\"\""),
            r#"genesis name: found "", expected 1 to 64 printable ASCII characters"#,
        ),
        (
            with("\"v1\"", "\"v\\n1\""),
            r#"genesis validators.name: found "v\n1", expected 1 to 64 printable ASCII characters"#,
        ),
        (
            with("\"nonce\": 3", "\"nonce\": \"0xffffffffffffffff\""),
            "genesis alloc: account 0x2222222222222222222222222222222222222222 has nonce 18446744073709551615, expected less than 2^64-1 (EIP-2681)",
        ),
        (
            with("0x6001", "0xef0100"),
            "genesis alloc: account 0x2222222222222222222222222222222222222222 has code starting with 0xef that is not a delegation, expected 0xef0100 and 20 bytes (EIP-3541, EIP-7702)",
        ),
        (
            with("0x6001", &"00".repeat(24_577)),
            "genesis alloc: account 0x2222222222222222222222222222222222222222 has 24577 bytes of code, expected at most 24576 (EIP-170)",
        ),
        (
            with(r#""balance": "0x64""#, r#""storage": { "1": 1 }"#),
            "genesis alloc: account 0x1111111111111111111111111111111111111111 has storage but neither code nor a nonce, expected one of them: give it its code or nonce 1, or remove the storage (EIP-7610)",
        ),
        (
            with(r#""balance": "0x64""#, r#""balance": "0x64", "storage": { "1": 1 }"#),
            "genesis alloc: account 0x1111111111111111111111111111111111111111 has storage but neither code nor a nonce, expected one of them: give it its code or nonce 1, or remove the storage (EIP-7610)",
        ),
        (
            with("\"0x64\"", "\"0xffffffffffffffffffffffffffffffff\""),
            "genesis alloc: balances up to and including 0x2222222222222222222222222222222222222222 sum to 340282366920938463463374607431768211555, expected at most 340282366920938463463374607431768211455: lower the balances",
        ),
        (MINIMAL[..200].to_owned(), "genesis file: EOF while parsing"),
        (format!("{MINIMAL} x"), "genesis file: trailing characters at line 20 column 3"),
    ];
    for (text, expected) in cases {
        let message = ChainSpec::from_json(&text).expect_err(expected).to_string();
        assert!(message.contains(expected), "found    {message}\nexpected {expected}");
    }
}

#[test]
fn validators_must_have_names_and_keys_of_their_own() {
    let mut spec = devnet();
    spec.validators[1].name = "v1".into();
    assert_eq!(
        Genesis::new(spec).unwrap_err().to_string(),
        "genesis validators: the name \"v1\" is given twice, expected a name of its own for each"
    );
    let mut spec = devnet();
    spec.validators[1].public_key = spec.validators[0].public_key;
    assert!(matches!(Genesis::new(spec), Err(GenesisError::Validators(_))));
    let empty = ChainSpec::devnet(vec![], &[]);
    assert_eq!(
        Genesis::new(empty).unwrap_err().to_string(),
        "genesis validators: expected 1 to 256 validators, found 0"
    );
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_read() {
    let text = " ".repeat(weft_genesis::GENESIS_BYTES_MAX + 1);
    assert!(matches!(ChainSpec::from_json(&text), Err(GenesisError::Oversized { .. })));
}

#[test]
fn a_delegation_may_stand_in_the_alloc() {
    let text = with("0x6001", &format!("0xef0100{}", "11".repeat(20)));
    let genesis = Genesis::new(ChainSpec::from_json(&text).unwrap()).unwrap();
    let account = genesis.diff.accounts.iter().find(|a| a.address == Address::repeat_byte(0x22));
    assert_eq!(account.unwrap().after.unwrap().code_size, 23);
}

proptest::proptest! {
    #[test]
    fn every_quantity_reads_the_same_in_hex_and_in_decimal(limbs: [u64; 2]) {
        let balance = U256::from(limbs[0]) << 63 | U256::from(limbs[1] >> 1);
        let read = |text: String| {
            let spec = ChainSpec::from_json(&with("\"0x64\"", &format!("\"{text}\""))).unwrap();
            spec.alloc[&Address::repeat_byte(0x11)].balance
        };
        proptest::prop_assert_eq!(read(format!("{balance}")), balance);
        proptest::prop_assert_eq!(read(format!("{balance:#x}")), balance);
    }

    #[test]
    fn no_cut_or_change_of_a_file_panics(at in 0usize..MINIMAL.len(), byte in 32u8..127) {
        let mut bytes = MINIMAL.as_bytes().to_vec();
        bytes[at] = byte;
        let text = String::from_utf8(bytes).unwrap();
        if let Ok(spec) = ChainSpec::from_json(&text) {
            proptest::prop_assert!(Genesis::new(spec).is_ok());
        }
        proptest::prop_assert!(ChainSpec::from_json(&MINIMAL[..at]).is_err());
    }
}
