//! How many workers a block is worth.

/// Decides how many workers take part, from how often settled transactions were executed. Only counts decide; they depend
/// on the schedule, and no result depends on the decision.
///
/// If each settled transaction takes `r` executions, `n` workers get no further than `n / r` would without repetition. A
/// chain on `n` workers takes nearly `n` executions each: then all but one are sent away. So they are when all together are
/// worth less than 1.6: working together has its own price, which counts of executions do not show. Where most of many workers are
/// wasted, enough stay for twice what was got. Re-execution alone is no reason: eight chains on eight workers repeat every
/// other execution, and are five times as fast as one worker.
pub(super) struct Throttle {
    /// Transactions to count over, for up to 15 workers; 0 never throttles.
    sample: u32,
    /// Workers when all take part.
    workers: u32,
    /// Workers that take part.
    active: u32,
    /// Transactions that are not counted, because they were executed while more took part.
    passed_over: u32,
    counted: u32,
    executions: u32,
    /// Transactions until all take part again; 0 while they do.
    remaining: u32,
    /// How many it was when it began.
    away: u32,
    /// And will be next time.
    next: u32,
}

/// Transactions for which workers stay away at first, in samples. Twice as many each time it proves right, without an end:
/// never longer than what has been a chain so far.
const AWAY_MIN: u32 = 4;

impl Throttle {
    pub(super) fn new(sample: u32, workers: u32) -> Self {
        let next = sample.saturating_mul(AWAY_MIN);
        Self {
            sample,
            workers,
            active: workers,
            passed_over: 0,
            counted: 0,
            executions: 0,
            remaining: 0,
            away: 0,
            next,
        }
    }

    /// Counts a transaction that settled with this incarnation; `Some` when the number of workers has to change.
    pub(super) fn settled(&mut self, incarnation: u32) -> Option<u32> {
        if self.sample == 0 {
            return None;
        }
        if self.remaining > 0 {
            self.remaining -= 1;
            if self.remaining == 0 {
                self.change(self.workers);
                return Some(u32::MAX);
            }
        }
        if self.passed_over > 0 || self.active == 1 {
            self.passed_over = self.passed_over.saturating_sub(1);
            return None;
        }
        self.counted += 1;
        self.executions = self.executions.saturating_add(incarnation + 1);
        // With many workers a few transactions say little: their executions began long before they settled.
        let enough = self.sample.saturating_mul((self.active / 8).max(1));
        if self.counted < enough {
            return None;
        }
        self.judge()
    }

    /// Decides on a full sample.
    fn judge(&mut self) -> Option<u32> {
        let useful = self.useful();
        self.counted = 0;
        self.executions = 0;
        if useful == self.active {
            if self.active == self.workers {
                self.next = self.sample.saturating_mul(AWAY_MIN);
            }
            return None;
        }
        if self.active == self.workers {
            self.away = self.next;
            self.next = self.next.saturating_mul(2);
        }
        self.remaining = self.away;
        self.change(useful);
        Some(useful)
    }

    fn change(&mut self, active: u32) {
        if active < self.active {
            self.passed_over = self.sample.max(self.active);
        }
        self.active = active;
        self.counted = 0;
        self.executions = 0;
    }

    /// Workers that are worth it, by the sample.
    fn useful(&self) -> u32 {
        // What the workers got done together, in fifths of what one does.
        let fifths = u64::from(self.active) * u64::from(self.counted) * 5;
        let fifths = fifths / u64::from(self.executions);
        if fifths < 8 {
            1
        } else if fifths * 4 < u64::from(self.active) * 5 {
            u32::try_from((2 * fifths).div_ceil(5)).expect("fewer than the workers")
        } else {
            self.active
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settles `transactions` with this incarnation, and notes each change of the number of workers with how many had
    /// settled by then.
    fn settle(throttle: &mut Throttle, transactions: u32, incarnation: u32) -> Vec<(u32, u32)> {
        let settled = 1..=transactions;
        settled.filter_map(|at| throttle.settled(incarnation).map(|active| (at, active))).collect()
    }

    #[test]
    fn a_chain_is_left_to_one_worker_and_the_others_come_back_afterwards() {
        for workers in [2, 3, 4, 8] {
            let mut throttle = Throttle::new(8, workers);
            assert_eq!(settle(&mut throttle, 8, workers - 1), [(8, 1)]);
            assert_eq!(settle(&mut throttle, 32, 0), [(32, u32::MAX)]);
            assert_eq!(settle(&mut throttle, 1000, 0), []);
        }
    }

    #[test]
    fn the_others_stay_away_twice_as_long_each_time_it_is_still_a_chain() {
        let mut throttle = Throttle::new(2, 4);
        let mut away = Vec::new();
        for _ in 0..8 {
            assert_eq!(settle(&mut throttle, 2, 3), [(2, 1)]);
            let mut transactions = 1;
            while throttle.settled(0).is_none() {
                transactions += 1;
            }
            away.push(transactions);
        }
        assert_eq!(away, [8, 16, 32, 64, 128, 256, 512, 1024]);
        // One sample without conflicts, and the next chain is given the short time again.
        assert_eq!(settle(&mut throttle, 2, 0), []);
        assert_eq!(settle(&mut throttle, 2, 3), [(2, 1)]);
        assert_eq!(settle(&mut throttle, 8, 0), [(8, u32::MAX)]);
    }

    #[test]
    fn re_executions_that_leave_something_to_gain_send_nobody_away() {
        // One and a half executions each: eight workers are worth 5.33.
        let mut throttle = Throttle::new(16, 8);
        let pattern = (0..16).map(|at| throttle.settled(at % 2)).collect::<Vec<_>>();
        assert_eq!(pattern, [None; 16]);
        // Two workers are worth 1.6, or a little less.
        let mut throttle = Throttle::new(100, 2);
        let of_100 = |throttle: &mut Throttle, again: u32| {
            (0..100).filter_map(|at| throttle.settled(u32::from(at < again))).collect::<Vec<_>>()
        };
        assert_eq!(of_100(&mut throttle, 25), []);
        assert_eq!(of_100(&mut throttle, 26), [1]);
    }

    #[test]
    fn of_many_workers_with_little_to_do_enough_stay_for_twice_as_much() {
        // 64 workers with 25 executions each do the work of 2.56.
        assert_eq!(settle(&mut Throttle::new(4, 64), 32, 24), [(32, 5)]);
        // 16 with 8 do that of two; 16 with 3 that of 5.3, which is more than a quarter.
        assert_eq!(settle(&mut Throttle::new(4, 16), 8, 7), [(8, 4)]);
        assert_eq!(settle(&mut Throttle::new(4, 16), 8, 2), []);
    }

    /// A chain looks better than it is while the first of it settle, and worse right after workers left.
    #[test]
    fn who_stays_is_judged_again_once_the_executions_of_the_others_are_through() {
        let mut throttle = Throttle::new(8, 16);
        assert_eq!(settle(&mut throttle, 16, 7), [(16, 4)]);
        assert_eq!(settle(&mut throttle, 16, 15), [], "these were executed by all");
        assert_eq!(settle(&mut throttle, 8, 3), [(8, 1)]);
        assert_eq!(settle(&mut throttle, 32, 0), [(32, u32::MAX)]);
    }

    #[test]
    fn what_runs_while_the_others_are_away_is_not_counted() {
        let mut throttle = Throttle::new(1, 2);
        assert_eq!(throttle.settled(1), Some(1));
        assert_eq!(settle(&mut throttle, 4, 7), [(4, u32::MAX)]);
        assert_eq!(throttle.settled(0), None);
    }

    #[test]
    fn a_sample_of_zero_never_sends_anybody_away() {
        assert_eq!(settle(&mut Throttle::new(0, 8), 5000, 9), []);
    }
}
