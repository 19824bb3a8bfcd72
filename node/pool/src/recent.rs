//! A bounded memory that forgets what was written longest ago.

use alloy_primitives::B256;
use alloy_primitives::map::B256Map;
use std::collections::VecDeque;

/// Values by hash; at most `limit` of them, the most recently written ones.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    limit: usize,
    clock: u64,
    /// Each value with the moment of its last write.
    values: B256Map<(u64, V)>,
    /// Writes in their order; those that were overwritten or removed since are passed over.
    order: VecDeque<(u64, B256)>,
}

impl<V> Recent<V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, clock: 0, values: B256Map::default(), order: VecDeque::new() }
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<&V> {
        self.values.get(hash).map(|(_, value)| value)
    }

    /// Writes a value and makes it the newest one.
    pub(crate) fn insert(&mut self, hash: B256, value: V) {
        self.clock += 1;
        self.values.insert(hash, (self.clock, value));
        self.order.push_back((self.clock, hash));
        while self.values.len() > self.limit {
            let (written, oldest) = self.order.pop_front().expect("every value has its write");
            if self.is_current(written, &oldest) {
                self.values.remove(&oldest);
            }
        }
        // Overwritten and removed ones must not pile up behind one old value.
        if self.order.len() > 2 * self.limit + 64 {
            let (values, order) = (&self.values, &mut self.order);
            order.retain(|(written, hash)| values.get(hash).is_some_and(|(at, _)| at == written));
        }
    }

    pub(crate) fn remove(&mut self, hash: &B256) {
        self.values.remove(hash);
    }

    fn is_current(&self, written: u64, hash: &B256) -> bool {
        self.values.get(hash).is_some_and(|(at, _)| *at == written)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        assert!(self.order.len() <= 2 * self.limit + 64);
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
    fn writing_the_same_again_and_again_takes_no_room() {
        let mut recent = Recent::new(2);
        recent.insert(hash(9), 9);
        for n in 0..10_000 {
            recent.insert(hash(1), n);
            recent.remove(&hash((n % 7) as u8 + 10));
        }
        assert_eq!(
            (recent.len(), recent.get(&hash(1)), recent.get(&hash(9))),
            (2, Some(&9_999), Some(&9))
        );
        recent.insert(hash(2), 0);
        assert_eq!((recent.len(), recent.get(&hash(9))), (2, None), "9 was written longest ago");
    }

    #[test]
    fn a_memory_of_nothing_remembers_nothing() {
        let mut recent = Recent::new(0);
        recent.insert(hash(1), 'a');
        assert_eq!(recent.len(), 0);
    }
}
