//! Forks by the names that test suites use.

use crate::fixture::Config;
use crate::judge::amsterdam;
use alloy_eips::eip6110::MAINNET_DEPOSIT_CONTRACT_ADDRESS;
use alloy_eips::eip7840::BlobParams;
use weft_evm::{Rules, SpecId};

/// Names of the forks, as ethereum/tests and execution-specs write them.
///
/// The forks that only change the blob schedule (EIP-7892) run under the rules of Osaka. Amsterdam is here for its block access
/// lists: see [`amsterdam`].
const FORKS: [(&str, SpecId); 20] = [
    ("Frontier", SpecId::FRONTIER),
    ("Homestead", SpecId::HOMESTEAD),
    ("EIP150", SpecId::TANGERINE),
    ("TangerineWhistle", SpecId::TANGERINE),
    ("EIP158", SpecId::SPURIOUS_DRAGON),
    ("SpuriousDragon", SpecId::SPURIOUS_DRAGON),
    ("Byzantium", SpecId::BYZANTIUM),
    ("ConstantinopleFix", SpecId::PETERSBURG),
    ("Istanbul", SpecId::ISTANBUL),
    ("Berlin", SpecId::BERLIN),
    ("London", SpecId::LONDON),
    ("Paris", SpecId::MERGE),
    ("Merge", SpecId::MERGE),
    ("Shanghai", SpecId::SHANGHAI),
    ("Cancun", SpecId::CANCUN),
    ("Prague", SpecId::PRAGUE),
    ("Osaka", SpecId::OSAKA),
    ("BPO1", SpecId::OSAKA),
    ("BPO2", SpecId::OSAKA),
    (amsterdam::NAME, SpecId::AMSTERDAM),
];

/// One fork of a test's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fork {
    /// Its name in the suite.
    pub(crate) name: &'static str,
    /// The rules of execution.
    pub(crate) spec: SpecId,
    /// Blob settings, from the test's schedule or else those that came with the fork. Read from Cancun on.
    pub(crate) blobs: BlobParams,
    /// Chain id of the test.
    pub(crate) chain_id: u64,
}

/// The forks of a test by time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    first: Fork,
    /// The fork that follows, and from which time on, in seconds.
    then: Option<(u64, Fork)>,
}

impl Fork {
    /// The fork that a suite calls so; `None` when it is not known.
    pub(crate) fn named(name: &str, config: &Config) -> Option<Self> {
        let (name, spec) = FORKS.into_iter().find(|(known, _)| *known == name)?;
        let mut blobs = match name {
            "BPO1" => BlobParams::bpo1(),
            "BPO2" | amsterdam::NAME => BlobParams::bpo2(),
            _ if spec.is_enabled_in(SpecId::OSAKA) => BlobParams::osaka(),
            _ if spec.is_enabled_in(SpecId::PRAGUE) => BlobParams::prague(),
            _ => BlobParams::cancun(),
        };
        if let Some(case) = config.blob_schedule.get(name) {
            blobs.target_blob_count = case.target.to();
            blobs.max_blob_count = case.max.to();
            blobs.update_fraction = case.base_fee_update_fraction.to();
        }
        let chain_id = config.chainid.map_or(1, |id| id.to());
        Some(Self { name, spec, blobs, chain_id })
    }

    /// Whether the rules of `spec` hold.
    pub(crate) fn has(&self, spec: SpecId) -> bool {
        self.spec.is_enabled_in(spec)
    }

    /// Whether headers carry the hash of a block access list (EIP-7928).
    pub(crate) fn has_access_list(&self) -> bool {
        self.name == amsterdam::NAME
    }

    /// The rules of a block in this fork.
    pub(crate) fn rules(&self) -> Rules {
        let fraction = u64::try_from(self.blobs.update_fraction).expect("read from 64 bits");
        let osaka = self.has(SpecId::OSAKA);
        Rules {
            blob_base_fee_update_fraction: fraction,
            blobs_per_transaction_max: osaka.then_some(self.blobs.max_blobs_per_tx),
            deposit_contract: self.has(SpecId::PRAGUE).then_some(MAINNET_DEPOSIT_CONTRACT_ADDRESS),
            gas_params: self.has_access_list().then(amsterdam::gas_params),
            ..Rules::ethereum(self.spec, self.chain_id)
        }
    }
}

impl Schedule {
    /// Reads the name of a network: a fork, or `<fork>To<fork>AtTime<seconds>` with an optional `k` for thousands. `None` when
    /// it is not known, or is not ruled by time alone: proof of work is not judged here.
    pub(crate) fn parse(network: &str, config: &Config) -> Option<Self> {
        let merged = |name: &str| Fork::named(name, config).filter(|fork| fork.has(SpecId::MERGE));
        let Some((first, rest)) = network.split_once("To") else {
            return Some(Self { first: merged(network)?, then: None });
        };
        let (second, time) = rest.split_once("AtTime")?;
        let seconds = match time.strip_suffix('k') {
            Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1_000)?,
            None => time.parse().ok()?,
        };
        Some(Self { first: merged(first)?, then: Some((seconds, merged(second)?)) })
    }

    /// The fork of a block of this time, in seconds.
    pub(crate) fn at(&self, timestamp: u64) -> &Fork {
        match &self.then {
            Some((from, fork)) if timestamp >= *from => fork,
            _ => &self.first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_changes_the_fork_at_its_time() {
        let schedule = Schedule::parse("PragueToOsakaAtTime15k", &Config::default()).unwrap();
        assert_eq!(schedule.at(14_999).name, "Prague");
        assert_eq!(schedule.at(15_000).name, "Osaka");
        assert_eq!(schedule.at(14_999).rules().blobs_per_transaction_max, None);
        assert_eq!(schedule.at(15_000).rules().blobs_per_transaction_max, Some(6));
    }

    #[test]
    fn unknown_networks_and_proof_of_work_are_not_guessed() {
        for network in
            ["Prag", "PragueToOsaka", "PragueToOsakaAtTimeSoon", "London", "BerlinToLondonAt5"]
        {
            assert_eq!(Schedule::parse(network, &Config::default()), None, "{network}");
        }
    }

    #[test]
    fn the_schedule_of_the_test_comes_before_the_forks_own() {
        let text = r#"{"chainid":"0x05","blobSchedule":{"Osaka":
            {"target":"0x01","max":"0x02","baseFeeUpdateFraction":"0x03"}}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        let fork = Fork::named("Osaka", &config).unwrap();
        assert_eq!((fork.blobs.target_blob_count, fork.blobs.max_blob_count), (1, 2));
        let rules = fork.rules();
        assert_eq!((rules.chain_id, rules.blob_base_fee_update_fraction), (5, 3));
    }
}
