//! A bounded memory that forgets what was written longest ago.

use alloy_primitives::B256;
use std::collections::{BTreeMap, HashMap};

/// Values by hash; at most `limit` of them, the most recently written ones.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    limit: usize,
    clock: u64,
    values: HashMap<B256, (u64, V)>,
    order: BTreeMap<u64, B256>,
}

impl<V> Recent<V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, clock: 0, values: HashMap::new(), order: BTreeMap::new() }
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<&V> {
        self.values.get(hash).map(|(_, value)| value)
    }

    /// Writes a value and makes it the newest one.
    pub(crate) fn insert(&mut self, hash: B256, value: V) {
        self.clock += 1;
        if let Some((written, _)) = self.values.insert(hash, (self.clock, value)) {
            self.order.remove(&written);
        }
        self.order.insert(self.clock, hash);
        while self.order.len() > self.limit {
            let (_, oldest) = self.order.pop_first().expect("it is longer than its limit");
            self.values.remove(&oldest);
        }
    }

    pub(crate) fn remove(&mut self, hash: &B256) {
        if let Some((written, _)) = self.values.remove(hash) {
            self.order.remove(&written);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.values.len(), self.order.len());
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u8) -> B256 {
        B256::repeat_byte(n)
    }

    #[test]
    fn the_oldest_write_is_forgotten_first() {
        let mut recent = Recent::new(2);
        recent.insert(hash(1), 'a');
        recent.insert(hash(2), 'b');
        recent.insert(hash(1), 'c');
        recent.insert(hash(3), 'd');
        assert_eq!(recent.len(), 2);
        assert_eq!(recent.get(&hash(1)), Some(&'c'), "written again, so newer than 2");
        assert_eq!(recent.get(&hash(2)), None);
        recent.remove(&hash(1));
        assert_eq!((recent.len(), recent.get(&hash(1))), (1, None));
    }

    #[test]
    fn a_memory_of_nothing_remembers_nothing() {
        let mut recent = Recent::new(0);
        recent.insert(hash(1), 'a');
        assert_eq!(recent.len(), 0);
    }
}
