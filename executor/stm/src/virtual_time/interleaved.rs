//! Orders drawn from a seed.

use crate::pace::Step;
use crate::seed::{Numbers, mix};

use super::baton::Order;

/// What was decided in a run: two runs with equal decisions took the same steps in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// Steps taken.
    pub steps: u64,
    /// A digest of who took which step, in order.
    pub digest: u64,
}

/// Draws who goes on.
pub(super) struct Seeded {
    numbers: Numbers,
    habit: Habit,
    last: usize,
    decisions: Decisions,
}

/// How the next one is drawn. Different habits find different mistakes: evenly drawn steps keep all workers close together,
/// the others let one run far ahead while another is held in the middle of something.
enum Habit {
    /// Each with the same chance.
    Even,
    /// Mostly the same one again: in so many of 16 steps.
    Steady(u64),
    /// The one with the highest priority; in one of 16 steps whoever has it falls to the lowest.
    ///
    /// **Source**: Burckhardt et al., *A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010.
    Ranked { priorities: Vec<u64>, lowest: u64 },
}

impl Seeded {
    pub(super) fn new(seed: u64, workers: usize) -> Self {
        let mut numbers = Numbers::new(seed);
        let habit = match numbers.below(4) {
            0 => Habit::Even,
            1 => Habit::Steady(8),
            2 => Habit::Steady(14),
            _ => {
                let priorities =
                    (0..workers).map(|_| u64::MAX / 2 + numbers.below(1 << 40)).collect();
                Habit::Ranked { priorities, lowest: u64::MAX / 2 }
            }
        };
        Self { numbers, habit, last: 0, decisions: Decisions { steps: 0, digest: seed } }
    }

    pub(super) fn decisions(&self) -> Decisions {
        self.decisions
    }

    /// A place in a list of this length.
    fn any(&mut self, ready: &[(usize, Step)]) -> usize {
        usize::try_from(self.numbers.below(ready.len() as u64)).expect("below a length")
    }
}

impl Order for Seeded {
    fn arrives(&mut self, _: usize, _: Step) {}

    fn wakes(&mut self, _: usize, _: usize) {}

    fn choose(&mut self, ready: &[(usize, Step)]) -> usize {
        let same = ready.iter().position(|(worker, _)| *worker == self.last);
        let chosen = match (&mut self.habit, same) {
            (Habit::Steady(often), Some(same)) if self.numbers.below(16) < *often => same,
            (Habit::Even | Habit::Steady(_), _) => self.any(ready),
            (Habit::Ranked { priorities, lowest }, _) => {
                if self.numbers.below(16) == 0 {
                    *lowest -= 1;
                    priorities[self.last] = *lowest;
                }
                let highest = (0..ready.len()).max_by_key(|at| priorities[ready[*at].0]);
                highest.expect("somebody is ready")
            }
        };
        let (worker, step) = ready[chosen];
        self.last = worker;
        let step = match step {
            Step::Claim => 0,
            Step::Validate => 1,
            Step::Settle => 2,
            Step::Read { index } => 3 + 4 * u64::from(index),
            Step::Finish { index, blocked } => 4 + u64::from(blocked) + 4 * u64::from(index),
        };
        let decision = mix(step) ^ worker as u64;
        self.decisions.steps += 1;
        self.decisions.digest = mix(self.decisions.digest ^ decision);
        chosen
    }
}
