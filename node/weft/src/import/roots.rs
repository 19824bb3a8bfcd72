//! Merkle-Patricia roots of states that only a simulation leads to.

use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;
use weft_commitment::Commitment;
use weft_commitment::mpt::Mpt;
use weft_rpc::StateRoots;
use weft_types::StateDiff;

/// Heights whose tries are kept. They share what did not change only by accident, so each is as large
/// as the state.
const HEIGHTS_MAX: usize = 128;

/// The tries of the last blocks of an imported chain.
#[derive(Debug, Default)]
pub struct Roots {
    tries: BTreeMap<u64, Mpt>,
}

impl Roots {
    /// Keeps the trie after the block at `height`, and lets go of the oldest.
    pub fn keep(&mut self, height: u64, trie: Mpt) {
        self.tries.insert(height, trie);
        while self.tries.len() > HEIGHTS_MAX {
            self.tries.pop_first();
        }
    }
}

impl StateRoots for Roots {
    fn after(&self, height: u64, wiped: &[Address], changes: &StateDiff) -> Option<B256> {
        let mut trie = self.tries.get(&height)?.clone();
        wiped.iter().for_each(|address| trie.wipe(address));
        trie.after(changes).ok().map(|trie| trie.root())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_types::{Account, AccountDiff};

    #[test]
    fn a_root_follows_from_the_trie_of_its_height_while_that_is_kept() {
        let after = Some(Account { nonce: 1, ..Account::default() });
        let change = AccountDiff { address: Address::ZERO, before: None, after, slots: vec![] };
        let changes = StateDiff { accounts: vec![change], code: vec![] };
        let mut roots = Roots::default();
        for height in 0..=HEIGHTS_MAX as u64 {
            roots.keep(height, Mpt::default());
        }
        assert_eq!(roots.after(0, &[], &changes), None, "the oldest is gone");
        let expected = Mpt::default().after(&changes).unwrap().root();
        assert_eq!(roots.after(1, &[], &changes), Some(expected));
        assert_eq!(roots.after(2, &[], &StateDiff::default()), Some(Mpt::default().root()));
    }
}
