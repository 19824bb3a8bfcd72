//! The chain specification: what a person writes.

use crate::alloc::{self, AllocAccount};
use crate::error::GenesisError;
use crate::json;
use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use weft_types::limits::BLOCK_GAS_LIMIT_MAX;
use weft_types::{ChainParams, Validator, ValidatorSet};

/// Largest genesis file, in bytes.
pub const GENESIS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Highest chain id: what a JavaScript number holds exactly, so that wallets accept the chain.
pub const CHAIN_ID_MAX: u64 = (1 << 53) - 1;

/// Lowest block gas limit: one transfer must fit.
pub const GAS_LIMIT_MIN: u64 = 21_000;

/// Longest interval or timeout, in milliseconds: one hour.
pub const DURATION_MS_MAX: u64 = 3_600_000;

/// Latest timestamp, in seconds. A value above is most likely in milliseconds.
pub const TIMESTAMP_MAX: u64 = 1 << 36;

/// Longest name of a chain or a validator, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Timestamp of the devnet's block 0: 2026-01-01T00:00:00Z, in seconds.
pub const DEVNET_TIMESTAMP: u64 = 1_767_225_600;

/// Everything that names a chain. Two nodes with equal specifications are on one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSpec {
    /// Name for people; not part of the genesis hash.
    #[serde(default = "unnamed")]
    pub name: String,
    /// Timestamp of block 0, in seconds.
    #[serde(deserialize_with = "json::quantity_u64")]
    pub timestamp: u64,
    /// Parameters that all nodes share.
    pub params: ChainParams,
    /// Who validates.
    #[serde(with = "validators")]
    pub validators: Vec<Validator>,
    /// The accounts of block 0.
    #[serde(deserialize_with = "json::unique_map::<_, Address, AllocAccount, AllocAccount>")]
    pub alloc: BTreeMap<Address, AllocAccount>,
}

fn unnamed() -> String {
    "unnamed".to_owned()
}

/// Validators as the file writes them.
mod validators {
    use super::{Deserialize, Serialize, Validator, json};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Entry {
        name: String,
        #[serde(with = "json::public_key")]
        public_key: [u8; 32],
        power: u64,
    }

    pub(super) fn serialize<S: serde::Serializer>(
        all: &[Validator],
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_seq(all.iter().map(|v| Entry {
            name: v.name.clone(),
            public_key: v.public_key,
            power: v.power,
        }))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        d: D,
    ) -> Result<Vec<Validator>, D::Error> {
        let entries = Vec::<Entry>::deserialize(d)?;
        let validator =
            |e: Entry| Validator { name: e.name, public_key: e.public_key, power: e.power };
        Ok(entries.into_iter().map(validator).collect())
    }
}

impl ChainSpec {
    /// Reads and checks a specification.
    ///
    /// # Errors
    /// [`GenesisError`] saying what is wrong, where, and what is expected.
    pub fn from_json(text: &str) -> Result<Self, GenesisError> {
        if text.len() > GENESIS_BYTES_MAX {
            return Err(GenesisError::Oversized { size: text.len(), limit: GENESIS_BYTES_MAX });
        }
        let spec: Self = serde_json::from_str(text)
            .map_err(|error| GenesisError::Json { reason: error.to_string() })?;
        spec.check()?;
        Ok(spec)
    }

    /// Writes the specification, indented, with one spelling for everything.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("every name in it is a string");
        text.push('\n');
        text
    }

    /// A local chain with [`ChainParams::devnet`] and these accounts. Later entries for one address
    /// replace earlier ones.
    #[must_use]
    pub fn devnet(validators: Vec<Validator>, accounts: &[(Address, U256)]) -> Self {
        let account = |balance| AllocAccount { balance, ..AllocAccount::default() };
        Self {
            name: "devnet".to_owned(),
            timestamp: DEVNET_TIMESTAMP,
            params: ChainParams::devnet(),
            validators,
            alloc: accounts.iter().map(|(a, balance)| (*a, account(*balance))).collect(),
        }
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// [`GenesisError`] for the first one that does not hold.
    pub fn check(&self) -> Result<(), GenesisError> {
        name("name", &self.name)?;
        range("timestamp", self.timestamp, 0, TIMESTAMP_MAX, " (in seconds, not milliseconds)")?;
        check_params(&self.params)?;
        let mut names: Vec<&str> = Vec::with_capacity(self.validators.len());
        for validator in &self.validators {
            name("validators.name", &validator.name)?;
            names.push(&validator.name);
        }
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(GenesisError::ValidatorName { name: pair[0].to_owned() });
        }
        ValidatorSet::new(self.validators.clone())?;
        alloc::check(&self.alloc)
    }
}

fn check_params(params: &ChainParams) -> Result<(), GenesisError> {
    range("params.chainId", params.chain_id, 1, CHAIN_ID_MAX, "")?;
    range("params.gasLimit", params.gas_limit, GAS_LIMIT_MIN, BLOCK_GAS_LIMIT_MAX, "")?;
    let timeouts = &params.timeouts;
    let durations = [
        ("params.blockIntervalMs", params.block_interval_ms),
        ("params.emptyBlockIntervalMs", params.empty_block_interval_ms),
        ("params.timeouts.proposeMs", timeouts.propose_ms),
        ("params.timeouts.proposeDeltaMs", timeouts.propose_delta_ms),
        ("params.timeouts.prevoteMs", timeouts.prevote_ms),
        ("params.timeouts.precommitMs", timeouts.precommit_ms),
        ("params.timeouts.voteDeltaMs", timeouts.vote_delta_ms),
        ("params.timeouts.rebroadcastMs", timeouts.rebroadcast_ms),
    ];
    for (field, found) in durations {
        range(field, found, 1, DURATION_MS_MAX, " (in milliseconds)")?;
    }
    let (empty_ms, block_ms) = (params.empty_block_interval_ms, params.block_interval_ms);
    if empty_ms < block_ms {
        return Err(GenesisError::EmptyBlockInterval { empty_ms, block_ms });
    }
    Ok(())
}

fn range(
    field: &'static str,
    found: u64,
    min: u64,
    max: u64,
    hint: &'static str,
) -> Result<(), GenesisError> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(GenesisError::Range { field, found, min, max, hint })
}

fn name(field: &'static str, found: &str) -> Result<(), GenesisError> {
    let printable = found.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !found.is_empty() && found.len() <= NAME_BYTES_MAX && printable {
        return Ok(());
    }
    Err(GenesisError::Name { field, found: json::shown(found), limit: NAME_BYTES_MAX })
}
