//! A bounded queue of items with sizes; the caller names the policy for a full one.

use std::collections::VecDeque;

/// First in, first out, bounded by count and by bytes.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
}

impl<T> Lane<T> {
    pub(crate) fn new(count_max: usize, bytes_max: usize) -> Self {
        Self { items: VecDeque::new(), bytes: 0, count_max, bytes_max }
    }

    /// Adds an item unless the lane is full.
    ///
    /// # Errors
    /// Gives the item back when the lane is full.
    pub(crate) fn push_or_refuse(&mut self, item: T, bytes: usize) -> Result<(), T> {
        if self.items.len() >= self.count_max || self.bytes + bytes > self.bytes_max {
            return Err(item);
        }
        self.bytes += bytes;
        self.items.push_back((item, bytes));
        Ok(())
    }

    /// Adds an item and returns the oldest ones that had to give way for it, or the item itself
    /// when it alone is over the limit.
    pub(crate) fn push_over_oldest(&mut self, item: T, bytes: usize) -> Vec<T> {
        if bytes > self.bytes_max {
            return vec![item];
        }
        let mut dropped = Vec::new();
        while self.items.len() >= self.count_max || self.bytes + bytes > self.bytes_max {
            match self.pop() {
                Some(oldest) => dropped.push(oldest),
                None => return vec![item],
            }
        }
        self.bytes += bytes;
        self.items.push_back((item, bytes));
        dropped
    }

    /// Takes the oldest item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (item, bytes) = self.items.pop_front()?;
        self.bytes -= bytes;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lane_refuses_by_count_and_by_bytes() {
        let mut lane = Lane::new(2, 10);
        assert_eq!(lane.push_or_refuse('a', 6), Ok(()));
        assert_eq!(lane.push_or_refuse('b', 6), Err('b'));
        assert_eq!(lane.push_or_refuse('c', 4), Ok(()));
        assert_eq!(lane.push_or_refuse('d', 0), Err('d'));
        assert_eq!((lane.pop(), lane.pop(), lane.pop()), (Some('a'), Some('c'), None));
        assert_eq!(lane.push_or_refuse('e', 10), Ok(()));
    }

    #[test]
    fn the_oldest_give_way_until_the_new_one_fits() {
        let mut lane = Lane::new(3, 10);
        for item in ['a', 'b', 'c'] {
            assert!(lane.push_over_oldest(item, 3).is_empty());
        }
        assert_eq!(lane.push_over_oldest('d', 7), ['a', 'b']);
        assert_eq!(lane.push_over_oldest('e', 11), ['e']);
        assert_eq!((lane.pop(), lane.pop(), lane.pop()), (Some('c'), Some('d'), None));
    }
}
