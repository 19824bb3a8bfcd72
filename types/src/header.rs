//! The block header: Ethereum's Osaka fields plus the block access list's hash (EIP-7928).
//!
//! What differs from Ethereum: `stateRoot` is the BLAKE3 commitment of `weft-commitment`,
//! `timestamp` may equal the parent's (blocks come several times a second), `extraData` names the
//! software and the round, `parentBeaconBlockRoot` is zero or names the commands of a development
//! chain, and `prevRandao` is a hash of the parent (see [`prev_randao`]).

use crate::command::{Command, commands_root};
use crate::limits::CLOCK_DRIFT_SECONDS_MAX;
use crate::{ChainParams, Round, Settings};
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS};
use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::{Address, B64, B256, Bytes, U256};

/// Block header as alloy encodes it; its hash is keccak256 of the RLP.
pub type Header = alloy_consensus::Header;

/// Base fee of the first block after genesis, in wei (EIP-1559).
pub const INITIAL_BASE_FEE: u64 = 1_000_000_000;

/// First bytes of `extraData`; the round follows.
const EXTRA_PREFIX: &[u8] = b"weft/0.1 r";

/// A header breaks a rule of the chain.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// A field has not the value that the parent or the rules demand.
    #[error("header field {field}: expected {expected}, found {found}")]
    Field {
        /// Name of the field in JSON-RPC spelling.
        field: &'static str,
        /// Value demanded by the rules.
        expected: String,
        /// Value in the header.
        found: String,
    },
    /// The timestamp is older than the parent's.
    #[error("header timestamp {found} is before its parent's {parent}")]
    TimestampBeforeParent {
        /// Parent's timestamp, in seconds.
        parent: u64,
        /// Timestamp found, in seconds.
        found: u64,
    },
    /// The timestamp is too far ahead of this node's clock.
    #[error(
        "header timestamp {found} is ahead of the clock {now} by more than {CLOCK_DRIFT_SECONDS_MAX} s"
    )]
    TimestampAhead {
        /// This node's clock, in seconds.
        now: u64,
        /// Timestamp found, in seconds.
        found: u64,
    },
}

/// Base fee of the block after `parent` (EIP-1559), in wei.
#[must_use]
pub fn next_base_fee(parent: &Header) -> u64 {
    parent.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or(INITIAL_BASE_FEE)
}

/// `prevRandao` of the block after the one with this hash: BLAKE3 over a domain and the hash.
///
/// Predictable by anybody who knows the parent: contracts must not use it as a secret.
#[must_use]
pub fn prev_randao(parent_hash: &B256) -> B256 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"weft/prevrandao/v1");
    hasher.update(parent_hash.as_slice());
    B256::from(*hasher.finalize().as_bytes())
}

/// `extraData` of a block that was first proposed in `round`.
#[must_use]
pub fn extra_data(round: Round) -> Bytes {
    let mut data = EXTRA_PREFIX.to_vec();
    data.extend_from_slice(round.to_string().as_bytes());
    data.into()
}

/// The header of the next block with every field that does not depend on its content: the block
/// environment of its transactions. Roots, bloom, gas used and hashes are left at their defaults.
#[must_use]
pub fn next_header(
    parent: &Header,
    parent_hash: B256,
    params: &ChainParams,
    round: Round,
    beneficiary: Address,
    now_seconds: u64,
) -> Header {
    Header {
        parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary,
        difficulty: U256::ZERO,
        number: parent.number + 1,
        gas_limit: params.gas_limit,
        timestamp: now_seconds.max(parent.timestamp),
        extra_data: extra_data(round),
        mix_hash: prev_randao(&parent_hash),
        nonce: B64::ZERO,
        base_fee_per_gas: Some(next_base_fee(parent)),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    }
}

/// [`next_header`] on a chain that takes commands: the parent's settings decide what they have set, and the commands of
/// the block itself are named by `parentBeaconBlockRoot`.
#[must_use]
pub fn next_header_under(
    parent: &Header,
    parent_hash: B256,
    params: &ChainParams,
    (settings, commands): (&Settings, &[Command]),
    (round, beneficiary): (Round, Address),
    now_seconds: u64,
) -> Header {
    let height = parent.number + 1;
    let clock = settings.clock(now_seconds);
    let plain = next_header(parent, parent_hash, params, round, beneficiary, clock);
    let base_fee = settings.base_fee_at(height).or(plain.base_fee_per_gas);
    Header {
        beneficiary: settings.coinbase.unwrap_or(beneficiary),
        gas_limit: settings.gas_limit.unwrap_or(plain.gas_limit),
        timestamp: settings.fixed_timestamp(parent, commands).unwrap_or(plain.timestamp),
        base_fee_per_gas: base_fee,
        parent_beacon_block_root: Some(commands_root(commands)),
        ..plain
    }
}

/// Checks every field that can be judged without executing the block.
///
/// `now_seconds` is the validator's clock, or `None` for a block that is already decided.
///
/// # Errors
/// [`HeaderError`] naming the field; the proposer is to blame.
pub fn validate_header(
    parent: &Header,
    parent_hash: B256,
    header: &Header,
    params: &ChainParams,
    now_seconds: Option<u64>,
) -> Result<(), HeaderError> {
    let nothing = (&Settings::default(), [].as_slice());
    validate_header_under(parent, parent_hash, header, params, nothing, now_seconds)
}

/// [`validate_header`] on a chain that takes commands; see [`next_header_under`].
///
/// # Errors
/// [`HeaderError`] naming the field; the proposer is to blame.
pub fn validate_header_under(
    parent: &Header,
    parent_hash: B256,
    header: &Header,
    params: &ChainParams,
    (settings, commands): (&Settings, &[Command]),
    now_seconds: Option<u64>,
) -> Result<(), HeaderError> {
    let fixed = settings.fixed_timestamp(parent, commands);
    if let Some(fixed) = fixed {
        equal("timestamp", &fixed, &header.timestamp)?;
    }
    if header.timestamp < parent.timestamp {
        return Err(HeaderError::TimestampBeforeParent {
            parent: parent.timestamp,
            found: header.timestamp,
        });
    }
    if let Some(now) = now_seconds.filter(|_| fixed.is_none()).map(|now| settings.clock(now))
        && header.timestamp > now.saturating_add(CLOCK_DRIFT_SECONDS_MAX)
    {
        return Err(HeaderError::TimestampAhead { now, found: header.timestamp });
    }
    let round = parse_round(&header.extra_data).ok_or_else(|| HeaderError::Field {
        field: "extraData",
        expected: format!("{}<round>", String::from_utf8_lossy(EXTRA_PREFIX)),
        found: header.extra_data.to_string(),
    })?;
    let (by, under) = ((round, header.beneficiary), (settings, commands));
    let expected = next_header_under(parent, parent_hash, params, under, by, header.timestamp);
    equal("miner", &expected.beneficiary, &header.beneficiary)?;
    equal("parentHash", &expected.parent_hash, &header.parent_hash)?;
    equal("sha3Uncles", &expected.ommers_hash, &header.ommers_hash)?;
    equal("difficulty", &expected.difficulty, &header.difficulty)?;
    equal("number", &expected.number, &header.number)?;
    equal("gasLimit", &expected.gas_limit, &header.gas_limit)?;
    equal("mixHash", &expected.mix_hash, &header.mix_hash)?;
    equal("nonce", &expected.nonce, &header.nonce)?;
    equal_option("baseFeePerGas", expected.base_fee_per_gas, header.base_fee_per_gas)?;
    equal_option("withdrawalsRoot", expected.withdrawals_root, header.withdrawals_root)?;
    equal_option("blobGasUsed", expected.blob_gas_used, header.blob_gas_used)?;
    equal_option("excessBlobGas", expected.excess_blob_gas, header.excess_blob_gas)?;
    equal_option(
        "parentBeaconBlockRoot",
        expected.parent_beacon_block_root,
        header.parent_beacon_block_root,
    )?;
    equal_option("slotNumber", None, header.slot_number)
}

/// Compares one header field.
///
/// # Errors
/// [`HeaderError::Field`] when the values differ.
pub fn equal<T: PartialEq + ToString>(
    field: &'static str,
    expected: &T,
    found: &T,
) -> Result<(), HeaderError> {
    if expected == found {
        return Ok(());
    }
    Err(HeaderError::Field { field, expected: expected.to_string(), found: found.to_string() })
}

/// Compares one optional header field.
///
/// # Errors
/// [`HeaderError::Field`] when the values differ.
pub fn equal_option<T: PartialEq + std::fmt::Debug>(
    field: &'static str,
    expected: Option<T>,
    found: Option<T>,
) -> Result<(), HeaderError> {
    if expected == found {
        return Ok(());
    }
    let show = |v: Option<T>| v.map_or_else(|| "none".to_owned(), |v| format!("{v:?}"));
    Err(HeaderError::Field { field, expected: show(expected), found: show(found) })
}

fn parse_round(extra: &[u8]) -> Option<Round> {
    let digits = std::str::from_utf8(extra.strip_prefix(EXTRA_PREFIX)?).ok()?;
    let round = digits.parse::<u32>().ok()?;
    (round.to_string() == digits).then_some(Round(round))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent() -> Header {
        Header {
            number: 7,
            gas_limit: 60_000_000,
            gas_used: 45_000_000,
            timestamp: 100,
            base_fee_per_gas: Some(1_000_000_000),
            ..Header::default()
        }
    }

    #[test]
    fn the_next_header_is_valid_for_its_parent() {
        let (parent, params) = (parent(), ChainParams::devnet());
        let hash = parent.hash_slow();
        let next = next_header(&parent, hash, &params, Round(3), Address::repeat_byte(1), 101);
        assert_eq!(validate_header(&parent, hash, &next, &params, Some(101)), Ok(()));
        assert_eq!(
            next.base_fee_per_gas,
            Some(1_062_500_000),
            "half above target adds a sixteenth"
        );
    }

    #[test]
    fn every_fixed_field_is_judged() {
        let (parent, params) = (parent(), ChainParams::devnet());
        let hash = parent.hash_slow();
        let good = next_header(&parent, hash, &params, Round(0), Address::ZERO, 101);
        type Break = fn(&mut Header);
        let broken: [(&str, Break); 9] = [
            ("parentHash", |h| h.parent_hash = B256::ZERO),
            ("number", |h| h.number += 1),
            ("gasLimit", |h| h.gas_limit += 1),
            ("mixHash", |h| h.mix_hash = B256::ZERO),
            ("baseFeePerGas", |h| h.base_fee_per_gas = None),
            ("withdrawalsRoot", |h| h.withdrawals_root = None),
            ("parentBeaconBlockRoot", |h| h.parent_beacon_block_root = Some(B256::repeat_byte(1))),
            ("extraData", |h| h.extra_data = Bytes::from_static(b"weft/0.1 r01")),
            ("slotNumber", |h| h.slot_number = Some(1)),
        ];
        for (name, break_it) in broken {
            let mut header = good.clone();
            break_it(&mut header);
            match validate_header(&parent, hash, &header, &params, Some(101)) {
                Err(HeaderError::Field { field, .. }) => assert_eq!(field, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_clock_bounds_a_proposal_but_not_a_decided_block() {
        let (parent, params) = (parent(), ChainParams::devnet());
        let hash = parent.hash_slow();
        let ahead = next_header(&parent, hash, &params, Round(0), Address::ZERO, 200);
        assert!(matches!(
            validate_header(&parent, hash, &ahead, &params, Some(100)),
            Err(HeaderError::TimestampAhead { .. })
        ));
        assert_eq!(validate_header(&parent, hash, &ahead, &params, None), Ok(()));
        let mut behind = ahead;
        behind.timestamp = 99;
        assert!(matches!(
            validate_header(&parent, hash, &behind, &params, None),
            Err(HeaderError::TimestampBeforeParent { .. })
        ));
    }
}
