//! Code as leaves: chunks of 31 bytes (EIP-8297), and the EIP-7702 designator that has none.

use crate::TreeKey;
use alloy_primitives::B256;

/// Length of an EIP-7702 designator in bytes: `ef0100` and an address.
pub(crate) const DELEGATION_LEN: usize = 23;
const DELEGATION_PREFIX: [u8; 3] = [0xef, 0x01, 0x00];

const CHUNK_LEN: usize = 31;
const PUSH1: u8 = 0x60;
const PUSH32: u8 = 0x7f;

/// Whether a code is an EIP-7702 designator. No contract can have such code (EIP-3541).
#[must_use]
pub fn is_delegation(code: &[u8]) -> bool {
    code.len() == DELEGATION_LEN && code.starts_with(&DELEGATION_PREFIX)
}

/// Splits a code into chunks: the number of leading bytes that are data of a PUSH begun earlier (at
/// most 31), then 31 bytes of code, the last ones padded with zeros.
#[must_use]
pub fn chunk_code(code: &[u8]) -> Vec<B256> {
    let mut chunks = Vec::with_capacity(code.len().div_ceil(CHUNK_LEN));
    // First place that is not PUSH data of what was seen so far.
    let mut executable = 0usize;
    for (chunk, bytes) in code.chunks(CHUNK_LEN).enumerate() {
        let start = chunk * CHUNK_LEN;
        let mut value = [0u8; 32];
        value[0] = executable.saturating_sub(start).min(CHUNK_LEN) as u8;
        value[1..=bytes.len()].copy_from_slice(bytes);
        chunks.push(B256::from(value));
        while executable < start + bytes.len() {
            executable += match code[executable] {
                push @ PUSH1..=PUSH32 => usize::from(push - PUSH1) + 2,
                _ => 1,
            };
        }
    }
    chunks
}

/// The leaves of a code, in chunk order; none for an EIP-7702 designator. Chunks of value zero are
/// left out: zero is the same as no leaf.
pub fn code_leaves(code_hash: &B256, code: &[u8]) -> Vec<(TreeKey, B256)> {
    if is_delegation(code) {
        return Vec::new();
    }
    let chunks = chunk_code(code).into_iter().enumerate();
    chunks
        .filter(|(_, value)| !value.is_zero())
        .map(|(chunk, value)| (TreeKey::code_chunk(code_hash, chunk as u32), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The draft's own formulation: a counter for every byte.
    fn chunk_by_counters(code: &[u8]) -> Vec<B256> {
        let mut padded = code.to_vec();
        padded.resize(code.len().div_ceil(31) * 31, 0);
        let mut data = vec![0usize; padded.len() + 32];
        let mut place = 0;
        while place < padded.len() {
            let push = match padded[place] {
                op @ 0x60..=0x7f => usize::from(op - 0x5f),
                _ => 0,
            };
            place += 1;
            for x in 0..push {
                data[place + x] = push - x;
            }
            place += push;
        }
        let chunk = |start: usize| {
            let mut value = vec![data[start].min(31) as u8];
            value.extend_from_slice(&padded[start..start + 31]);
            B256::from_slice(&value)
        };
        (0..padded.len()).step_by(31).map(chunk).collect()
    }

    proptest! {
        #[test]
        fn chunks_equal_the_drafts_formulation(
            code in prop::collection::vec(prop_oneof![any::<u8>(), 0x5fu8..0x81], 0..400),
        ) {
            prop_assert_eq!(chunk_code(&code), chunk_by_counters(&code));
        }
    }

    #[test]
    fn push_data_that_runs_over_a_chunk_is_counted_in_the_next_one() {
        let mut code = vec![0u8; 30];
        code.push(0x7f);
        code.extend_from_slice(&[0xaa; 40]);
        let chunks = chunk_code(&code);
        assert_eq!(chunks.iter().map(|c| c[0]).collect::<Vec<_>>(), [0, 31, 1]);
    }

    #[test]
    fn only_a_designator_of_exactly_23_bytes_is_a_delegation() {
        let mut code = vec![0xef, 0x01, 0x00];
        code.extend_from_slice(&[0x11; 20]);
        assert!(is_delegation(&code));
        assert!(code_leaves(&B256::ZERO, &code).is_empty());
        code.push(0);
        assert!(!is_delegation(&code));
        assert_eq!(code_leaves(&B256::ZERO, &code).len(), 1);
    }

    #[test]
    fn a_chunk_of_zeros_has_no_leaf() {
        let mut code = vec![0u8; 31];
        code.push(1);
        let leaves = code_leaves(&B256::ZERO, &code);
        assert_eq!(leaves.len(), 1);
        assert_eq!(leaves[0].0, TreeKey::code_chunk(&B256::ZERO, 1));
    }
}
