//! A genesis file in geth's format: block 0, its state, and when the forks begin.

use super::work::WorkRules;
use crate::fixture::{AccountCase, Accounts};
use crate::judge::World;
use alloy_consensus::Header;
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, EMPTY_WITHDRAWALS};
use alloy_eips::eip1559::INITIAL_BASE_FEE;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, B64, B256, Bytes, U64, U256};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use weft_evm::{Activation, Fork, Forks, SpecId};
use weft_types::{Block, SealedBlock, StateDiff};

/// Forks of mainnet that begin with a block, in order: name, the file's key, rules.
///
/// The rules of Constantinople were never in force on mainnet; those of Petersburg stand in for them.
const BY_BLOCK: [(&str, &str, SpecId); 14] = [
    ("Homestead", "homesteadBlock", SpecId::HOMESTEAD),
    ("DAO", "daoForkBlock", SpecId::HOMESTEAD),
    ("Tangerine Whistle", "eip150Block", SpecId::TANGERINE),
    ("Spurious Dragon", "eip155Block", SpecId::SPURIOUS_DRAGON),
    ("Byzantium", "byzantiumBlock", SpecId::BYZANTIUM),
    ("Constantinople", "constantinopleBlock", SpecId::PETERSBURG),
    ("Petersburg", "petersburgBlock", SpecId::PETERSBURG),
    ("Istanbul", "istanbulBlock", SpecId::ISTANBUL),
    ("Muir Glacier", "muirGlacierBlock", SpecId::ISTANBUL),
    ("Berlin", "berlinBlock", SpecId::BERLIN),
    ("London", "londonBlock", SpecId::LONDON),
    ("Arrow Glacier", "arrowGlacierBlock", SpecId::LONDON),
    ("Gray Glacier", "grayGlacierBlock", SpecId::LONDON),
    ("Paris", "mergeNetsplitBlock", SpecId::MERGE),
];

/// Forks that begin at a time: name, the file's key, its key in the blob schedule, rules.
const BY_TIME: [(&str, &str, &str, SpecId); 9] = [
    ("Shanghai", "shanghaiTime", "shanghai", SpecId::SHANGHAI),
    ("Cancun", "cancunTime", "cancun", SpecId::CANCUN),
    ("Prague", "pragueTime", "prague", SpecId::PRAGUE),
    ("Osaka", "osakaTime", "osaka", SpecId::OSAKA),
    ("BPO1", "bpo1Time", "bpo1", SpecId::OSAKA),
    ("BPO2", "bpo2Time", "bpo2", SpecId::OSAKA),
    ("BPO3", "bpo3Time", "bpo3", SpecId::OSAKA),
    ("BPO4", "bpo4Time", "bpo4", SpecId::OSAKA),
    ("BPO5", "bpo5Time", "bpo5", SpecId::OSAKA),
];

/// By how many blocks forks delay the difficulty bomb (EIP-649, 1234, 2384, 3554, 4345, 5133).
const BOMB_DELAYS: [(&str, u64); 6] = [
    ("byzantiumBlock", 3_000_000),
    ("constantinopleBlock", 5_000_000),
    ("muirGlacierBlock", 9_000_000),
    ("londonBlock", 9_700_000),
    ("arrowGlacierBlock", 10_700_000),
    ("grayGlacierBlock", 11_400_000),
];

/// A genesis file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GenesisFileError {
    /// Not the format.
    #[error("not a genesis file in geth's format: {0}")]
    Json(#[from] serde_json::Error),
    /// The forks are not in the order of mainnet's.
    #[error("fork {later} begins before {earlier}, which comes first")]
    Order {
        /// The fork that comes first.
        earlier: &'static str,
        /// The fork that begins too early.
        later: &'static str,
    },
    /// The file does not say with which block the Merge comes.
    #[error(
        "config.mergeNetsplitBlock is missing: expected the number of the first block without proof of work, because forks by time follow"
    )]
    NoMergeBlock,
    /// Amsterdam, which this version does not execute by its final rules.
    #[error("config.amsterdamTime is set: chains are executed up to BPO5")]
    Unknown,
    /// A number is too large for its field.
    #[error("{field} does not fit 64 bits")]
    Number {
        /// The field.
        field: &'static str,
    },
}

/// The genesis of a chain of Ethereum.
#[derive(Clone, Debug)]
pub struct ForeignChain {
    pub(super) forks: Forks,
    pub(super) work: WorkRules,
    pub(super) terminal_difficulty: Option<U256>,
    pub(super) alloc: Accounts,
    genesis: SealedBlock,
}

/// A number in any of the forms that genesis files use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Number(U256);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    config: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    number: Number,
    #[serde(default)]
    parent_hash: B256,
    #[serde(default)]
    nonce: Number,
    #[serde(default)]
    timestamp: Number,
    #[serde(default)]
    extra_data: Bytes,
    gas_limit: Number,
    #[serde(default)]
    gas_used: Number,
    #[serde(default)]
    difficulty: Number,
    #[serde(default)]
    mix_hash: B256,
    #[serde(default)]
    coinbase: Address,
    #[serde(default)]
    base_fee_per_gas: Option<Number>,
    #[serde(default)]
    excess_blob_gas: Option<Number>,
    #[serde(default)]
    blob_gas_used: Option<Number>,
    alloc: BTreeMap<Address, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    balance: Number,
    #[serde(default)]
    nonce: Number,
    #[serde(default)]
    code: Bytes,
    #[serde(default)]
    storage: BTreeMap<Number, Number>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobEntry {
    target: u64,
    max: u64,
    base_fee_update_fraction: u64,
}

impl ForeignChain {
    /// Reads a genesis file.
    ///
    /// # Errors
    /// [`GenesisFileError`] saying what is wrong.
    pub fn from_json(text: &[u8]) -> Result<Self, GenesisFileError> {
        let file: File = serde_json::from_slice(text)?;
        let config = Config(&file.config);
        if config.number("amsterdamTime")?.is_some() {
            return Err(GenesisFileError::Unknown);
        }
        let forks = config.forks()?;
        let work =
            WorkRules { london: config.number("londonBlock")?, bomb_delays: config.bomb_delays()? };
        let terminal: Option<Number> = config.get("terminalTotalDifficulty")?;
        let alloc: Accounts = file.alloc.iter().map(|(a, entry)| (*a, entry.account())).collect();
        let header = file.header(&forks)?;
        let genesis = Block { header, transactions: Vec::new(), commands: Vec::new() }.seal();
        Ok(Self { forks, work, terminal_difficulty: terminal.map(|t| t.0), alloc, genesis })
    }

    /// The forks of the chain.
    #[must_use]
    pub const fn forks(&self) -> &Forks {
        &self.forks
    }

    /// Block 0.
    #[must_use]
    pub const fn genesis(&self) -> &SealedBlock {
        &self.genesis
    }

    /// The state of block 0, as a change of the empty one.
    #[must_use]
    pub fn state(&self) -> StateDiff {
        let mut state = World::change_of(&self.alloc);
        // Empty accounts (EIP-161) are part of the state before Spurious Dragon, but no store keeps them.
        state.accounts.retain(|change| change.after.is_some_and(|account| !account.is_empty()));
        state
    }
}

impl File {
    fn header(&self, forks: &Forks) -> Result<Header, GenesisFileError> {
        let field = |field, number: &Number| number.to_u64(field);
        let optional = |name, number: &Option<Number>, default| {
            number.as_ref().map_or(Ok(default), |number| number.to_u64(name))
        };
        let (number, timestamp) =
            (field("number", &self.number)?, field("timestamp", &self.timestamp)?);
        let spec = forks.at(number, timestamp).spec;
        let (cancun, prague) =
            (spec.is_enabled_in(SpecId::CANCUN), spec.is_enabled_in(SpecId::PRAGUE));
        let base_fee = optional("baseFeePerGas", &self.base_fee_per_gas, INITIAL_BASE_FEE)?;
        let excess = optional("excessBlobGas", &self.excess_blob_gas, 0)?;
        let used = optional("blobGasUsed", &self.blob_gas_used, 0)?;
        Ok(Header {
            parent_hash: self.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: self.coinbase,
            state_root: World::new(&self.alloc.iter().map(|(a, e)| (*a, e.account())).collect())
                .root(),
            transactions_root: EMPTY_ROOT_HASH,
            receipts_root: EMPTY_ROOT_HASH,
            difficulty: self.difficulty.0,
            number,
            gas_limit: field("gasLimit", &self.gas_limit)?,
            gas_used: field("gasUsed", &self.gas_used)?,
            timestamp,
            extra_data: self.extra_data.clone(),
            mix_hash: self.mix_hash,
            nonce: B64::from(field("nonce", &self.nonce)?),
            base_fee_per_gas: spec.is_enabled_in(SpecId::LONDON).then_some(base_fee),
            withdrawals_root: spec.is_enabled_in(SpecId::SHANGHAI).then_some(EMPTY_WITHDRAWALS),
            blob_gas_used: cancun.then_some(used),
            excess_blob_gas: cancun.then_some(excess),
            parent_beacon_block_root: cancun.then_some(B256::ZERO),
            requests_hash: prague.then_some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        })
    }
}

impl Entry {
    fn account(&self) -> AccountCase {
        AccountCase {
            nonce: U64::from(self.nonce.0.saturating_to::<u64>()),
            balance: self.balance.0,
            code: self.code.clone(),
            storage: self.storage.iter().map(|(slot, value)| (slot.0, value.0)).collect(),
        }
    }
}

/// The file's `config`.
struct Config<'a>(&'a BTreeMap<String, serde_json::Value>);

impl Config<'_> {
    fn get<T: serde::de::DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<T>, serde_json::Error> {
        let value = self.0.get(key).filter(|value| !value.is_null());
        value.map(|value| serde_json::from_value(value.clone())).transpose()
    }

    fn number(&self, key: &'static str) -> Result<Option<u64>, GenesisFileError> {
        self.get::<Number>(key)?.map(|number| number.to_u64(key)).transpose()
    }

    fn forks(&self) -> Result<Forks, GenesisFileError> {
        let mut forks: Vec<Fork> = Vec::new();
        for (name, key, spec) in BY_BLOCK {
            let from = match (key, self.number(key)?) {
                // Newer files of chains that never had proof of work leave it out.
                ("mergeNetsplitBlock", None) if self.merged_from_the_start()? => Some(0),
                (_, from) => from,
            };
            if let Some(from) = from {
                forks.push(Fork { name, from: Activation::Block(from), spec, blobs: None });
            }
        }
        let schedule: BTreeMap<String, BlobEntry> = self.get("blobSchedule")?.unwrap_or_default();
        for (name, key, blobs, spec) in BY_TIME {
            let Some(from) = self.number(key)? else { continue };
            if forks.last().is_none_or(|fork| !fork.spec.is_enabled_in(SpecId::MERGE)) {
                return Err(GenesisFileError::NoMergeBlock);
            }
            let blobs = blob_params(name, spec, schedule.get(blobs));
            forks.push(Fork { name, from: Activation::Time(from), spec, blobs });
        }
        for pair in forks.windows(2) {
            let backwards = match (pair[0].from, pair[1].from) {
                (Activation::Block(a), Activation::Block(b)) => a > b,
                (Activation::Time(a), Activation::Time(b)) => a > b,
                _ => false,
            };
            if backwards {
                let (earlier, later) = (pair[0].name, pair[1].name);
                return Err(GenesisFileError::Order { earlier, later });
            }
        }
        let chain_id = self.number("chainId")?.unwrap_or(1);
        let deposits = self.get("depositContractAddress")?;
        Ok(Forks::ethereum(chain_id, deposits, self.number("daoForkBlock")?, forks))
    }

    fn merged_from_the_start(&self) -> Result<bool, GenesisFileError> {
        let terminal: Option<Number> = self.get("terminalTotalDifficulty")?;
        Ok(terminal.is_some_and(|terminal| terminal.0.is_zero()))
    }

    fn bomb_delays(&self) -> Result<Vec<(u64, u64)>, GenesisFileError> {
        let mut delays = Vec::new();
        for (key, blocks) in BOMB_DELAYS {
            if let Some(from) = self.number(key)? {
                delays.push((from, blocks));
            }
        }
        Ok(delays)
    }
}

/// Blob settings of a fork: the file's, or those that came with the fork.
fn blob_params(name: &str, spec: SpecId, entry: Option<&BlobEntry>) -> Option<BlobParams> {
    let mut params = match name {
        "BPO1" => BlobParams::bpo1(),
        "BPO2" | "BPO3" | "BPO4" | "BPO5" => BlobParams::bpo2(),
        _ if spec.is_enabled_in(SpecId::OSAKA) => BlobParams::osaka(),
        _ if spec.is_enabled_in(SpecId::PRAGUE) => BlobParams::prague(),
        _ if spec.is_enabled_in(SpecId::CANCUN) => BlobParams::cancun(),
        _ => return None,
    };
    if let Some(entry) = entry {
        params.target_blob_count = entry.target;
        params.max_blob_count = entry.max;
        params.update_fraction = u128::from(entry.base_fee_update_fraction);
    }
    Some(params)
}

impl Number {
    fn to_u64(self, field: &'static str) -> Result<u64, GenesisFileError> {
        u64::try_from(self.0).map_err(|_| GenesisFileError::Number { field })
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, as such or in a string, decimal or 0x and hexadecimal")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(U256::from(number)))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Number, E> {
                // Total difficulties above 2^64 are written as plain numbers.
                U256::try_from(number).map(Number).map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                let parsed = match text.strip_prefix("0x") {
                    Some("") => Ok(U256::ZERO),
                    Some(digits) => U256::from_str_radix(digits, 16),
                    None => U256::from_str_radix(text, 10),
                };
                parsed.map(Number).map_err(|error| E::custom(format!("{text:?}: {error}")))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(config: &str) -> Result<ForeignChain, GenesisFileError> {
        let text = format!(
            r#"{{"config":{config},"gasLimit":"0x1388","difficulty":"131072",
            "alloc":{{"0000000000000000000000000000000000000001":{{"balance":"0x0a"}}}}}}"#
        );
        ForeignChain::from_json(text.as_bytes())
    }

    #[test]
    fn mainnets_first_block_has_the_fields_of_its_fork() {
        let frontier = chain(r#"{"chainId":1,"homesteadBlock":5}"#).unwrap();
        let header = frontier.genesis().header();
        assert_eq!((header.difficulty, header.base_fee_per_gas), (U256::from(131_072), None));
        assert_eq!(frontier.forks().at(4, 0).name, "Frontier");
        assert_eq!(frontier.forks().at(5, 0).name, "Homestead");
        let text = r#"{"chainId":"0x5","londonBlock":0,"terminalTotalDifficulty":0,
            "shanghaiTime":0,"cancunTime":0,"blobSchedule":{"cancun":
            {"target":3,"max":6,"baseFeeUpdateFraction":99}}}"#;
        let cancun = chain(text).unwrap();
        let header = cancun.genesis().header();
        assert_eq!(header.base_fee_per_gas, Some(INITIAL_BASE_FEE));
        assert_eq!((header.excess_blob_gas, header.requests_hash), (Some(0), None));
        assert_eq!(cancun.forks().rules(0, 0).blob_base_fee_update_fraction, 99);
        assert_eq!(cancun.forks().chain_id(), 5);
    }

    #[test]
    fn forks_out_of_order_and_a_merge_that_is_not_said_are_refused() {
        let order = chain(r#"{"homesteadBlock":5,"eip150Block":4}"#).unwrap_err();
        assert_eq!(
            order.to_string(),
            "fork Tangerine Whistle begins before Homestead, which comes first"
        );
        let merge = chain(r#"{"londonBlock":0,"shanghaiTime":5}"#).unwrap_err();
        assert!(matches!(merge, GenesisFileError::NoMergeBlock), "{merge}");
    }
}
