//! A list that many threads lengthen at once, and whose elements never move.
//!
//! The same for model checkers: it stands on the standard library's cells, which they take for granted.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Elements of a chunk. Whoever needs the first of them makes all places, and others may wait for that: few.
const CHUNK: usize = 256;

/// Chunks of a shelf.
const SHELF: usize = 256;

/// Shelves.
const SHELVES: usize = 256;

/// Most elements: more than a block of 30 gigagas can touch.
const MAX: usize = CHUNK * SHELF * SHELVES;

/// Places for elements.
type Chunk<T> = Box<[OnceLock<T>]>;

/// Places for chunks.
type Shelf<T> = Box<[OnceLock<Chunk<T>>]>;

/// Elements that are found by number.
pub(crate) struct Arena<T> {
    shelves: Box<[OnceLock<Shelf<T>>]>,
    /// Numbers given out. There need not be an element behind each of them.
    taken: AtomicUsize,
}

/// Numbers that one thread has taken ahead, so that it meets the others less often.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    numbers: Range<usize>,
}

/// Numbers taken at once.
const AHEAD: usize = 32;

/// `n` places for what is yet to come.
fn places<T>(n: usize) -> Box<[OnceLock<T>]> {
    (0..n).map(|_| OnceLock::new()).collect()
}

impl<T> Arena<T> {
    /// An empty arena.
    pub(crate) fn new() -> Self {
        Self { shelves: places(SHELVES), taken: AtomicUsize::new(0) }
    }

    /// Adds an element and returns its number, the next of those that the caller has taken ahead.
    pub(crate) fn push(&self, ahead: &mut Ahead, value: T) -> usize {
        let at = ahead.numbers.next().unwrap_or_else(|| {
            let first = self.taken.fetch_add(AHEAD, Ordering::Relaxed);
            assert!(first + AHEAD <= MAX, "more than {MAX} elements");
            ahead.numbers = first + 1..first + AHEAD;
            first
        });
        let shelf = self.shelves[at / CHUNK / SHELF].get_or_init(|| places(SHELF));
        let chunk = shelf[at / CHUNK % SHELF].get_or_init(|| places(CHUNK));
        // Release in `get_or_init` pairs with the Acquire in `get`.
        let mut value = Some(value);
        chunk[at % CHUNK].get_or_init(|| value.take().expect("called once"));
        assert!(value.is_none(), "each number is given out once");
        at
    }

    /// The element with this number, if there is one.
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        let shelf = self.shelves.get(at / CHUNK / SHELF)?.get()?;
        shelf[at / CHUNK % SHELF].get()?[at % CHUNK].get()
    }

    /// A number above those of all elements, once nobody adds any more.
    pub(crate) fn end(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// All elements, once nobody adds any more.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.end()).filter_map(|at| self.get(at))
    }

    /// Drops all elements, and keeps places for at most so many.
    pub(crate) fn clear(&mut self, kept: usize) {
        let end = std::mem::take(self.taken.get_mut());
        let chunks =
            self.shelves.iter_mut().filter_map(OnceLock::get_mut).flat_map(|s| s.iter_mut());
        for (at, chunk) in chunks.enumerate() {
            if (at + 1) * CHUNK > kept {
                chunk.take();
            } else if at * CHUNK < end
                && let Some(chunk) = chunk.get_mut()
            {
                chunk.iter_mut().for_each(|place| *place = OnceLock::new());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_add_is_found_by_its_number() {
        let mut arena = Arena::new();
        for kept in [10_000, 300, 0] {
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let arena = &arena;
                    scope.spawn(move || {
                        let mut ahead = Ahead::default();
                        for n in 0..1000 {
                            let value = 10_000 * thread + n;
                            assert_eq!(arena.get(arena.push(&mut ahead, value)), Some(&value));
                        }
                    });
                }
            });
            assert!((4000..4000 + 4 * AHEAD).contains(&arena.end()));
            let mut all: Vec<_> = arena.iter().copied().collect();
            all.sort_unstable();
            let expected = (0..4).flat_map(|t| (0..1000).map(move |n| 10_000 * t + n));
            assert!(all.into_iter().eq(expected));
            assert_eq!(arena.get(arena.end()), None);
            arena.clear(kept);
            assert_eq!((arena.end(), arena.get(0), arena.iter().count()), (0, None, 0));
        }
    }

    #[test]
    fn a_cleared_arena_keeps_no_more_places_than_asked_for() {
        let chunks = |arena: &Arena<u8>| {
            let shelves = arena.shelves.iter().filter_map(OnceLock::get);
            shelves.flatten().filter(|chunk| chunk.get().is_some()).count()
        };
        let mut arena = Arena::new();
        let mut ahead = Ahead::default();
        for _ in 0..3 * CHUNK {
            arena.push(&mut ahead, 1);
        }
        assert_eq!(chunks(&arena), 3);
        arena.clear(3 * CHUNK);
        assert_eq!(chunks(&arena), 3);
        arena.clear(CHUNK + 1);
        assert_eq!(chunks(&arena), 1);
    }
}
