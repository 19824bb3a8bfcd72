//! A list that many threads lengthen at once, and whose elements never move.
//!
//! The same for model checkers: it stands on the standard library's cells, which they take for granted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Elements of the first chunk; each further chunk is twice as long as the one before. Memory is asked for chunk by chunk,
/// and never for more than about twice what is used.
const FIRST: usize = 64;

/// Chunks for more than 2^32 elements.
const CHUNKS: usize = 27;

/// Elements that are found by number.
pub(crate) struct Arena<T> {
    chunks: [OnceLock<Box<[OnceLock<T>]>>; CHUNKS],
    /// Numbers given out. A number may be taken a moment before its element is there.
    taken: AtomicUsize,
}

/// The chunk of element `at`, and its place there.
fn place(at: usize) -> (usize, usize) {
    let chunk = (at / FIRST + 1).ilog2() as usize;
    (chunk, at - FIRST * ((1 << chunk) - 1))
}

impl<T> Arena<T> {
    /// An empty arena.
    pub(crate) fn new() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS], taken: AtomicUsize::new(0) }
    }

    /// Adds an element and returns its number.
    pub(crate) fn push(&self, value: T) -> usize {
        let at = self.taken.fetch_add(1, Ordering::Relaxed);
        let (chunk, place) = place(at);
        let elements = self.chunks[chunk]
            .get_or_init(|| (0..FIRST << chunk).map(|_| OnceLock::new()).collect());
        // Release in `set` pairs with the Acquire in `get`.
        assert!(elements[place].set(value).is_ok(), "each number is given out once");
        at
    }

    /// The element with this number.
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        let (chunk, place) = place(at);
        self.chunks.get(chunk)?.get()?.get(place)?.get()
    }

    /// Number of elements, once nobody adds any more.
    pub(crate) fn count(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// All elements with their numbers, once nobody adds any more.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        (0..self.count()).filter_map(|at| Some((at, self.get(at)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_each_other_without_a_gap() {
        let places: Vec<_> = (0..1000).map(place).collect();
        let expected = (0..).flat_map(|chunk| (0..FIRST << chunk).map(move |at| (chunk, at)));
        assert!(places.into_iter().eq(expected.take(1000)));
    }

    #[test]
    fn what_many_threads_add_is_found_by_its_number() {
        let arena = Arena::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let arena = &arena;
                scope.spawn(move || {
                    for n in 0..1000 {
                        let value = 10_000 * thread + n;
                        assert_eq!(arena.get(arena.push(value)), Some(&value));
                    }
                });
            }
        });
        assert_eq!(arena.count(), 4000);
        let mut all: Vec<_> = arena.iter().map(|(_, value)| *value).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq((0..4).flat_map(|t| (0..1000).map(move |n| 10_000 * t + n))));
        assert_eq!(arena.get(4000), None);
    }
}
