//! The order of time: whoever's clock is earliest goes on.

use crate::pace::Step;

use super::baton::Order;

/// What executions cost, in a unit of the caller's choice (gas, recorded microseconds).
pub trait Costs: Sync {
    /// An execution of transaction `index` to its end, whether it counts in the end or not.
    fn execution(&self, index: u32) -> u64;

    /// One that ended at a read that had to wait. Where in the transaction the read was is not known, so this is a full
    /// execution unless the caller knows better.
    fn blocked(&self, index: u32) -> u64 {
        self.execution(index)
    }
}

impl<F: Fn(u32) -> u64 + Sync> Costs for F {
    fn execution(&self, index: u32) -> u64 {
        self(index)
    }
}

/// One clock for each worker.
pub(super) struct Clock<'c, C: ?Sized> {
    costs: &'c C,
    times: Vec<u64>,
    busy: u64,
}

impl<'c, C: Costs + ?Sized> Clock<'c, C> {
    pub(super) fn new(workers: usize, costs: &'c C) -> Self {
        Self { costs, times: vec![0; workers], busy: 0 }
    }

    /// The time on the latest clock, and the time that all workers together spent executing.
    pub(super) fn total(&self) -> (u64, u64) {
        (self.times.iter().copied().max().unwrap_or(0), self.busy)
    }
}

impl<C: Costs + ?Sized> Order for Clock<'_, C> {
    fn arrives(&mut self, worker: usize, step: Step) {
        if let Step::Finish { index, blocked } = step {
            let cost =
                if blocked { self.costs.blocked(index) } else { self.costs.execution(index) };
            self.times[worker] += cost;
            self.busy += cost;
        }
    }

    fn wakes(&mut self, worker: usize, by: usize) {
        self.times[worker] = self.times[worker].max(self.times[by]);
    }

    /// The earliest; of several at the same time what ends before what begins, and then the lowest number.
    fn choose(&mut self, ready: &[(usize, Step)]) -> usize {
        let begins = |step| matches!(step, Step::Claim | Step::Read { .. });
        let earliest = (0..ready.len()).min_by_key(|at| {
            let (worker, step) = ready[*at];
            (self.times[worker], begins(step), worker)
        });
        earliest.expect("somebody is ready")
    }
}
