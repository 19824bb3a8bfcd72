//! The rules of Ethereum for a header and its ommers before the Merge. The seal itself is not judged.
//!
//! **Source:** `validate_header`, `validate_ommers` and `calculate_block_difficulty` of each fork in
//! ethereum/execution-specs.

use crate::header_rules::{verify_presence, within};
use crate::judge::Fork;
use alloy_consensus::Header;
use alloy_consensus::constants::EMPTY_OMMER_ROOT_HASH;
use alloy_eips::eip1559::{BaseFeeParams, INITIAL_BASE_FEE};
use alloy_primitives::{B256, U256, keccak256};
use std::collections::VecDeque;
use weft_evm::SpecId;
use weft_types::HeaderError;
use weft_types::header::{equal, equal_option};

/// Lowest difficulty of a block.
const DIFFICULTY_MIN: u64 = 131_072;

/// A block's difficulty moves by steps of this part of its parent's.
const DIFFICULTY_DIVISOR: u64 = 2_048;

/// Blocks after which the difficulty bomb doubles.
const BOMB_PERIOD: u64 = 100_000;

/// Ancestors that an ommer may branch off from.
pub(super) const OMMER_DEPTH: usize = 6;

/// Most ommers of a block.
const OMMERS_MAX: usize = 2;

/// A block as far as its descendants' ommers are judged by it.
#[derive(Clone, Debug)]
pub(super) struct Ancestor {
    pub(super) hash: B256,
    pub(super) header: Header,
    pub(super) ommers: Vec<B256>,
}

/// Where the rules of headers change besides the forks of execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WorkRules {
    /// First block with a base fee.
    pub(super) london: Option<u64>,
    /// From which block the difficulty bomb is delayed by how many blocks, ascending.
    pub(super) bomb_delays: Vec<(u64, u64)>,
}

impl WorkRules {
    /// Judges a header by its parent's.
    ///
    /// # Errors
    /// [`HeaderError`] naming the field.
    pub(super) fn verify(
        &self,
        parent: &Header,
        parent_hash: B256,
        header: &Header,
        fork: &Fork,
    ) -> Result<(), HeaderError> {
        equal("parentHash", &parent_hash, &header.parent_hash)?;
        equal("number", &(parent.number + 1), &header.number)?;
        within("timestamp", header.timestamp > parent.timestamp, header.timestamp, || {
            format!("more than {}", parent.timestamp)
        })?;
        let extra = header.extra_data.len();
        within("extraData", extra <= 32, format!("{extra} bytes"), || "at most 32 bytes".into())?;
        let first_with_fee = self.london == Some(header.number);
        let before = if first_with_fee { parent.gas_limit * 2 } else { parent.gas_limit };
        let (limit, bound) = (header.gas_limit, before / 1_024);
        within("gasLimit", limit.abs_diff(before) < bound, limit, || {
            format!("less than {bound} from {before}")
        })?;
        within("gasLimit", limit >= 5_000, limit, || "at least 5000".to_owned())?;
        within("gasUsed", header.gas_used <= limit, header.gas_used, || {
            format!("at most {limit}")
        })?;
        let base_fee = match () {
            () if first_with_fee => Some(INITIAL_BASE_FEE),
            () if fork.has(SpecId::LONDON) => parent.next_block_base_fee(BaseFeeParams::ethereum()),
            () => None,
        };
        equal_option("baseFeePerGas", base_fee, header.base_fee_per_gas)?;
        let difficulty = self.difficulty(parent, header.number, header.timestamp, fork);
        equal("difficulty", &difficulty, &header.difficulty)?;
        verify_presence(header, fork)
    }

    /// The difficulty of a block of this number and time.
    fn difficulty(&self, parent: &Header, number: u64, timestamp: u64, fork: &Fork) -> U256 {
        let step = parent.difficulty / U256::from(DIFFICULTY_DIVISOR);
        let seconds = timestamp.saturating_sub(parent.timestamp) as i64;
        let factor: i64 = if fork.has(SpecId::BYZANTIUM) {
            let has_ommers = parent.ommers_hash != EMPTY_OMMER_ROOT_HASH;
            (1 + i64::from(has_ommers) - seconds / 9).max(-99)
        } else if fork.has(SpecId::HOMESTEAD) {
            (1 - seconds / 10).max(-99)
        } else if seconds < 13 {
            1
        } else {
            -1
        };
        let change = step * U256::from(factor.unsigned_abs());
        let moved = if factor < 0 {
            parent.difficulty.saturating_sub(change)
        } else {
            parent.difficulty + change
        };
        let moved = moved.max(U256::from(DIFFICULTY_MIN));
        let delay = self.bomb_delays.iter().rev().find(|(from, _)| number >= *from);
        let period = number.saturating_sub(delay.map_or(0, |(_, blocks)| *blocks)) / BOMB_PERIOD;
        match period.checked_sub(2) {
            Some(exponent) => moved + (U256::from(1) << exponent.min(255) as usize),
            None => moved,
        }
    }

    /// Judges the ommers of a block; `ancestors` are the blocks before it, its parent last.
    ///
    /// # Errors
    /// [`HeaderError`] naming `uncles` or `sha3Uncles`.
    pub(super) fn verify_ommers(
        &self,
        header: &Header,
        ommers: &[Header],
        ancestors: &VecDeque<Ancestor>,
    ) -> Result<(), HeaderError> {
        let mut bytes = Vec::new();
        alloy_rlp::encode_list(ommers, &mut bytes);
        equal("sha3Uncles", &keccak256(bytes), &header.ommers_hash)?;
        let count = ommers.len();
        within("uncles", count <= OMMERS_MAX, format!("{count} headers"), || {
            format!("at most {OMMERS_MAX}")
        })?;
        let mut seen: Vec<B256> = ancestors.iter().map(|ancestor| ancestor.hash).collect();
        seen.extend(ancestors.iter().flat_map(|ancestor| ancestor.ommers.iter().copied()));
        for ommer in ommers {
            let hash = ommer.hash_slow();
            within("uncles", !seen.contains(&hash), hash, || {
                "a header that is neither an ancestor nor an ommer already".to_owned()
            })?;
            seen.push(hash);
            // The block's own parent is none: its children are the block's siblings.
            let parents = ancestors.iter().rev().skip(1).take(OMMER_DEPTH);
            let known = parents
                .into_iter()
                .any(|a| a.hash == ommer.parent_hash && a.header.number + 1 == ommer.number);
            within("uncles", known, format!("a child of {}", ommer.parent_hash), || {
                format!("a child of one of the {OMMER_DEPTH} blocks before the parent")
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_evm::Rules;

    fn fork(spec: SpecId) -> Fork {
        let blobs = alloy_eips::eip7840::BlobParams::cancun();
        Fork { name: "", spec, blobs, chain_id: Rules::ethereum(spec, 1).chain_id }
    }

    fn parent(difficulty: u64, ommers_hash: B256) -> Header {
        Header {
            difficulty: U256::from(difficulty),
            timestamp: 100,
            ommers_hash,
            ..Header::default()
        }
    }

    /// Blocks 1 and 1,920,000 of mainnet, and what the ommers of a parent do since Byzantium.
    #[test]
    fn difficulties_are_those_of_mainnet() {
        let rules = WorkRules { london: None, bomb_delays: vec![(4_370_000, 3_000_000)] };
        let genesis = parent(17_179_869_184, EMPTY_OMMER_ROOT_HASH);
        let first = rules.difficulty(&genesis, 1, 1_438_269_988, &fork(SpecId::FRONTIER));
        assert_eq!(first, U256::from(17_171_480_576u64));
        let before = parent(62_382_916_183_238, EMPTY_OMMER_ROOT_HASH);
        let bombed = rules.difficulty(&before, 1_920_000, 101, &fork(SpecId::HOMESTEAD));
        assert_eq!(bombed, U256::from(62_413_376_722_602u64));
        let byzantium = fork(SpecId::BYZANTIUM);
        let with_ommer = parent(131_072 * 2, B256::repeat_byte(1));
        let delayed = rules.difficulty(&with_ommer, 4_370_000, 110, &byzantium);
        // Period (4,370,000 - 3,000,000) / 100,000 is 13.
        assert_eq!(delayed, U256::from(131_072 * 2 + 128 + (1 << 11)));
        let slow = rules.difficulty(&with_ommer, 9, 10_000, &byzantium);
        assert_eq!(slow, U256::from(131_072 * 2 - 128 * 99));
        let lowest = parent(131_072, EMPTY_OMMER_ROOT_HASH);
        assert_eq!(rules.difficulty(&lowest, 9, 10_000, &byzantium), U256::from(DIFFICULTY_MIN));
    }

    #[test]
    fn an_ommer_is_a_recent_sibling_that_nobody_named_yet() {
        let rules = WorkRules::default();
        let header = |number: u64, parent_hash: B256, nonce: u64| Header {
            number,
            parent_hash,
            gas_used: nonce,
            ..Header::default()
        };
        let mut ancestors = VecDeque::new();
        let mut parent = B256::ZERO;
        for number in 0..9 {
            let block = header(number, parent, 0);
            parent = block.hash_slow();
            ancestors.push_back(Ancestor { hash: parent, header: block, ommers: vec![] });
        }
        let verdict = |ommers: &[Header], ancestors: &VecDeque<Ancestor>| {
            let mut bytes = Vec::new();
            alloy_rlp::encode_list(ommers, &mut bytes);
            let block = Header { ommers_hash: keccak256(bytes), number: 9, ..Header::default() };
            rules.verify_ommers(&block, ommers, ancestors)
        };
        let sibling = |number: usize| header(number as u64, ancestors[number - 1].hash, 7);
        assert_eq!(verdict(&[], &ancestors), Ok(()));
        assert_eq!(verdict(&[sibling(8), sibling(3)], &ancestors), Ok(()));
        assert!(verdict(&[sibling(2)], &ancestors).is_err(), "seven blocks back");
        assert!(verdict(&[sibling(8), sibling(8)], &ancestors).is_err(), "twice");
        assert!(verdict(&[ancestors[8].header.clone()], &ancestors).is_err(), "an ancestor");
        let own_sibling = header(9, ancestors[8].hash, 7);
        assert!(verdict(&[own_sibling], &ancestors).is_err(), "of the block itself");
        let three = [sibling(8), sibling(7), sibling(6)];
        assert!(verdict(&three, &ancestors).is_err(), "too many");
        let mut named = ancestors.clone();
        named[8].ommers.push(sibling(7).hash_slow());
        assert!(verdict(&[sibling(7)], &named).is_err(), "named by the parent");
        let wrong = Header { ommers_hash: B256::ZERO, ..Header::default() };
        assert!(rules.verify_ommers(&wrong, &[], &ancestors).is_err(), "the hash");
    }
}
