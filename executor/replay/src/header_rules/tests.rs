use super::*;
use crate::fixture::Config;
use alloy_primitives::Bytes;

const OSAKA: &str = "Osaka";

fn fork(name: &str) -> Fork {
    Fork::named(name, &Config::default()).unwrap()
}

fn parent(name: &str) -> Header {
    let fork = fork(name);
    Header {
        number: 7,
        timestamp: 100,
        gas_limit: 30_000_000,
        gas_used: 15_000_000,
        base_fee_per_gas: Some(1_000),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        withdrawals_root: fork.has(SpecId::SHANGHAI).then_some(B256::ZERO),
        blob_gas_used: fork.has(SpecId::CANCUN).then_some(0),
        excess_blob_gas: fork.has(SpecId::CANCUN).then_some(0),
        parent_beacon_block_root: fork.has(SpecId::CANCUN).then_some(B256::ZERO),
        requests_hash: fork.has(SpecId::PRAGUE).then_some(B256::ZERO),
        ..Header::default()
    }
}

fn child(parent: &Header) -> Header {
    Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        timestamp: parent.timestamp + 1,
        ..parent.clone()
    }
}

/// The field that a header is refused for.
fn refused(parent: &Header, header: &Header, fork: &Fork) -> Option<&'static str> {
    match verify_header(parent, parent.hash_slow(), header, fork) {
        Ok(()) => None,
        Err(HeaderError::Field { field, .. }) => Some(field),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_right_header_is_accepted_in_every_fork() {
    for name in ["Paris", "Shanghai", "Cancun", "Prague", OSAKA] {
        let parent = parent(name);
        assert_eq!(refused(&parent, &child(&parent), &fork(name)), None, "{name}");
    }
}

#[test]
fn each_wrong_field_is_refused_by_its_name() {
    type Break = fn(&mut Header);
    let broken: [(&str, Break); 20] = [
        ("parentHash", |h| h.parent_hash = B256::ZERO),
        ("number", |h| h.number += 1),
        ("timestamp", |h| h.timestamp -= 1),
        ("extraData", |h| h.extra_data = Bytes::from(vec![0; 33])),
        ("gasLimit", |h| h.gas_limit += 30_000_000 / 1_024),
        ("gasLimit", |h| h.gas_limit -= 30_000_000 / 1_024),
        ("gasUsed", |h| h.gas_used = h.gas_limit + 1),
        ("baseFeePerGas", |h| h.base_fee_per_gas = Some(1_001)),
        ("baseFeePerGas", |h| h.base_fee_per_gas = None),
        ("difficulty", |h| h.difficulty = U256::from(1)),
        ("nonce", |h| h.nonce = B64::with_last_byte(1)),
        ("sha3Uncles", |h| h.ommers_hash = B256::ZERO),
        ("withdrawalsRoot", |h| h.withdrawals_root = None),
        ("blobGasUsed", |h| h.blob_gas_used = None),
        ("blobGasUsed", |h| h.blob_gas_used = Some(1)),
        ("blobGasUsed", |h| h.blob_gas_used = Some(10 * DATA_GAS_PER_BLOB)),
        ("excessBlobGas", |h| h.excess_blob_gas = Some(1)),
        ("parentBeaconBlockRoot", |h| h.parent_beacon_block_root = None),
        ("requestsHash", |h| h.requests_hash = None),
        ("blockAccessListHash", |h| h.block_access_list_hash = Some(B256::ZERO)),
    ];
    let parent = parent(OSAKA);
    for (name, break_it) in broken {
        let mut header = child(&parent);
        break_it(&mut header);
        assert_eq!(refused(&parent, &header, &fork(OSAKA)), Some(name));
    }
}

#[test]
fn the_gas_limit_has_a_floor() {
    let parent = Header { gas_limit: 5_000, gas_used: 2_500, ..parent(OSAKA) };
    let header = Header { gas_limit: 4_999, ..child(&parent) };
    assert_eq!(refused(&parent, &header, &fork(OSAKA)), Some("gasLimit"));
}

#[test]
fn excess_blob_gas_follows_the_parent_and_in_osaka_the_reserve_price() {
    let blob = DATA_GAS_PER_BLOB;
    let parent = Header { blob_gas_used: Some(9 * blob), ..parent("Prague") };
    let over_target =
        Header { blob_gas_used: Some(0), excess_blob_gas: Some(3 * blob), ..child(&parent) };
    assert_eq!(refused(&parent, &over_target, &fork("Prague")), None);
    // With a base fee of 1,000 wei a blob costs less than its share of execution gas: nothing is taken off but a third.
    assert_eq!(refused(&parent, &over_target, &fork(OSAKA)), None, "9 * (9 - 6) / 9 is 3, too");
    let parent = Header { blob_gas_used: Some(6 * blob), ..parent };
    let at_target = Header { excess_blob_gas: Some(0), blob_gas_used: Some(0), ..child(&parent) };
    assert_eq!(refused(&parent, &at_target, &fork("Prague")), None);
    assert_eq!(refused(&parent, &at_target, &fork(OSAKA)), Some("excessBlobGas"));
    let reserved = Header { excess_blob_gas: Some(2 * blob), ..at_target };
    assert_eq!(refused(&parent, &reserved, &fork(OSAKA)), None);
}

#[test]
fn a_body_must_be_what_its_header_says() {
    let parent = parent(OSAKA);
    let withdrawals = Withdrawals::default();
    let right = Header {
        transactions_root: transactions_root(&[]),
        withdrawals_root: Some(calculate_withdrawals_root(&withdrawals)),
        ..child(&parent)
    };
    let body = Body {
        transactions: &[],
        ommers: &[],
        withdrawals: Some(&withdrawals),
        size_bytes: BLOCK_BYTES_MAX,
    };
    let refused = |header: &Header, body: Body<'_>| match verify_body(header, body, &fork(OSAKA)) {
        Ok(()) => None,
        Err(HeaderError::Field { field, .. }) => Some(field),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(refused(&right, body), None);
    let large = Body { size_bytes: BLOCK_BYTES_MAX + 1, ..body };
    assert_eq!(refused(&right, large), Some("size"));
    let ommers = [Header::default()];
    assert_eq!(refused(&right, Body { ommers: &ommers, ..body }), Some("uncles"));
    assert_eq!(refused(&right, Body { withdrawals: None, ..body }), Some("withdrawalsRoot"));
    let wrong = Header { transactions_root: B256::ZERO, ..right.clone() };
    assert_eq!(refused(&wrong, body), Some("transactionsRoot"));
    let blobs = Header { blob_gas_used: Some(DATA_GAS_PER_BLOB), ..right };
    assert_eq!(refused(&blobs, body), Some("blobGasUsed"));
}
