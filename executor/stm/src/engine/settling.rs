//! The settle role: judge the lowest unsettled transaction, in order, one owner at a time.
//!
//! Source: the rolling commit that engines after the Block-STM paper added to it. The check made here is what the result
//! rests on; see the parent module.

use crate::in_order::expect_promises;
use crate::memory::Finding;
use crate::pace::Step;
use crate::report::Log;
use crate::settle::{Settle, Settled, Verdict};
use crate::sync::{MutexGuard, Ordering};
use crate::vm::Vm;

use super::{Broken, Done, End, Engine, Place, Slot, Status};

/// What the owner of the settle role holds.
pub(super) struct Settler<'s, S> {
    pub(super) settle: &'s mut S,
    /// For each settled transaction the incarnation that settled, and whether it was skipped.
    pub(super) settled: Vec<(u32, bool)>,
    pub(super) throttle: Throttle,
}

/// Decides how many workers take part, from how often settled transactions had to be executed again. Only counts decide;
/// they depend on the schedule, and the result does not depend on the decision.
pub(super) struct Throttle {
    /// Transactions to count over; 0 never throttles.
    sample: u32,
    counted: u32,
    repeated: u32,
    /// Transactions that are still left to one worker.
    remaining: u32,
    /// How many it will be next time.
    next: u32,
}

/// Transactions that are left to one worker at first, in samples.
const THROTTLE_MIN: u32 = 4;
/// And at most.
const THROTTLE_MAX: u32 = 256;

impl Throttle {
    pub(super) fn new(sample: u32) -> Self {
        let next = sample.saturating_mul(THROTTLE_MIN);
        Self { sample, counted: 0, repeated: 0, remaining: 0, next }
    }

    /// Counts a settled transaction; `Some` when the number of workers has to change.
    fn settled(&mut self, incarnation: u32) -> Option<u32> {
        if self.sample == 0 {
            return None;
        }
        if self.remaining > 0 {
            self.remaining -= 1;
            return (self.remaining == 0).then_some(u32::MAX);
        }
        self.counted += 1;
        self.repeated += incarnation;
        if self.counted < self.sample {
            return None;
        }
        let chain = self.repeated >= self.sample.div_ceil(2);
        self.counted = 0;
        self.repeated = 0;
        if !chain {
            self.next = self.sample.saturating_mul(THROTTLE_MIN);
            return None;
        }
        self.remaining = self.next;
        self.next = self.next.saturating_mul(2).min(self.sample.saturating_mul(THROTTLE_MAX));
        Some(1)
    }
}

/// What the check before settling found.
enum Check {
    /// The execution is final.
    Final,
    /// It is not: something it observed has changed.
    Broken(Broken),
    /// The run has ended.
    Ended,
}

impl<V: Vm, S: Settle<V>> Engine<'_, '_, V, S> {
    /// Settles what can be settled, or leaves it to the current owner of the role, who will look again. The result that may
    /// be settled is in its slot before this is called.
    pub(super) fn request_settle(&self, log: &mut Log, at: Place<'_>) {
        self.settle_role.request(|| {
            let mut settler = self.settler.lock();
            while !self.scheduler.has_ended() && self.settle_next(log, at, &mut settler) {}
        });
    }

    /// Settles the lowest unsettled transaction; `false` if it cannot be settled now.
    fn settle_next(&self, log: &mut Log, at: Place<'_>, settler: &mut Settler<'_, S>) -> bool {
        at.step(Step::Settle);
        // Relaxed: only the owner of the role writes it, and the role hands over what its last owner did.
        let index = self.frontier.load(Ordering::Relaxed);
        let Some(slot) = self.slots.get(index as usize) else { return false };
        let mut slot = slot.lock();
        if slot.status != Status::Executed {
            return false;
        }
        log.at = index;
        if slot.done.as_ref().is_none_or(|done| done.result.is_err()) {
            // A speculative failure. Everything below is settled now: the next incarnation decides (hazard 43).
            slot.retry();
            let incarnation = slot.incarnation;
            drop(slot);
            self.again(index, incarnation);
            return false;
        }
        match self.check_final(log, index, &slot) {
            Check::Final => {}
            Check::Broken(broken) => {
                let incarnation = self.abort(log, index, &mut slot, broken);
                drop(slot);
                self.again(index, incarnation);
                return false;
            }
            Check::Ended => return false,
        }
        self.settle_final(log, at, settler, slot)
    }

    /// The truth: does everything that the execution rests on hold on the settled values? Nothing unsettled is below
    /// `index`, so what the memory answers are the settled values themselves.
    fn check_final(&self, log: &mut Log, index: u32, slot: &Slot<V>) -> Check {
        let Some(done) = slot.done.as_ref() else { return Check::Ended };
        if !done.final_view {
            log.validations += 1;
            for observed in &done.observations {
                if let Finding::Broken { writer } = self.memory.check(self.vm, observed, index) {
                    let (cell, field) = (observed.cell, observed.field);
                    return Check::Broken(Broken { cell, field, writer });
                }
            }
        }
        match expect_promises(self.vm, &self.memory, index, &done.observations, &slot.published) {
            Ok(()) => Check::Final,
            Err(error) => {
                self.end(End::Failed(error));
                Check::Ended
            }
        }
    }

    /// Hands a final execution to the settler and carries out the verdict.
    fn settle_final(
        &self,
        log: &mut Log,
        at: Place<'_>,
        settler: &mut Settler<'_, S>,
        mut slot: MutexGuard<'_, Slot<V>>,
    ) -> bool {
        let index = log.at;
        let Some(Done { result: Ok(output), observations, .. }) = slot.done.take() else {
            return false;
        };
        slot.status = Status::Settled;
        let incarnation = slot.incarnation;
        let writes = std::mem::take(&mut slot.published);
        let waiting = std::mem::take(&mut slot.waiting);
        drop(slot);
        let given = Settled { output, writes: &writes, observations, incarnation };
        let verdict = settler.settle.settle(index, given);
        settler.settled.push((incarnation, verdict == Verdict::Skip));
        let mut stale = Vec::new();
        if verdict != Verdict::Include {
            self.memory.discard(index, &writes, &mut stale);
        }
        if verdict == Verdict::Stop {
            self.end(End::Stopped);
            return false;
        }
        let next = index + 1;
        // Release pairs with the Acquire in `execute`: whoever sees the count sees the settled writes.
        self.frontier.store(next, Ordering::Release);
        waiting.into_iter().for_each(|parked| self.wake(parked));
        self.validate(log, at, stale);
        if next as usize == self.slots.len() {
            self.end(End::Complete);
        } else if let Some(active) = settler.throttle.settled(incarnation) {
            self.scheduler.limit(active);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settles `transactions` that took `incarnation` executions before the last one, and notes each change of the number
    /// of workers with how many had settled by then.
    fn settle(throttle: &mut Throttle, transactions: u32, incarnation: u32) -> Vec<(u32, u32)> {
        let settled = 1..=transactions;
        settled.filter_map(|at| throttle.settled(incarnation).map(|active| (at, active))).collect()
    }

    #[test]
    fn a_chain_is_left_to_one_worker_and_the_others_come_back_afterwards() {
        let mut throttle = Throttle::new(8);
        assert_eq!(settle(&mut throttle, 8, 1), [(8, 1)]);
        assert_eq!(settle(&mut throttle, 32, 0), [(32, u32::MAX)]);
        assert_eq!(settle(&mut throttle, 1000, 0), []);
    }

    #[test]
    fn the_others_stay_away_twice_as_long_each_time_it_is_still_a_chain() {
        let mut throttle = Throttle::new(2);
        let mut away = Vec::new();
        for _ in 0..10 {
            assert_eq!(settle(&mut throttle, 2, 3), [(2, 1)]);
            let mut transactions = 1;
            while throttle.settled(0).is_none() {
                transactions += 1;
            }
            away.push(transactions);
        }
        assert_eq!(away, [8, 16, 32, 64, 128, 256, 512, 512, 512, 512]);
        // One sample without conflicts, and the next chain is given the short time again.
        assert_eq!(settle(&mut throttle, 2, 0), []);
        assert_eq!(settle(&mut throttle, 2, 1), [(2, 1)]);
        assert_eq!(settle(&mut throttle, 8, 0), [(8, u32::MAX)]);
    }

    #[test]
    fn fewer_re_executions_than_half_of_a_sample_are_no_chain() {
        let mut throttle = Throttle::new(9);
        let pattern = [0, 0, 4, 0, 0, 0, 0, 0, 0];
        assert!(pattern.iter().all(|incarnation| throttle.settled(*incarnation).is_none()));
        // The next sample counts for itself.
        assert!(pattern.iter().all(|incarnation| throttle.settled(*incarnation).is_none()));
        let pattern = [0, 0, 4, 0, 1, 0, 0, 0, 0];
        let changes: Vec<_> = pattern.iter().map(|run| throttle.settled(*run)).collect();
        assert_eq!(changes[8], Some(1));
        assert_eq!(changes[..8], [None; 8]);
    }

    #[test]
    fn what_runs_while_the_others_are_away_is_not_counted() {
        let mut throttle = Throttle::new(1);
        assert_eq!(throttle.settled(1), Some(1));
        assert_eq!(settle(&mut throttle, 4, 7), [(4, u32::MAX)]);
        assert_eq!(throttle.settled(0), None);
    }

    #[test]
    fn a_sample_of_zero_never_sends_anybody_away() {
        assert_eq!(settle(&mut Throttle::new(0), 5000, 9), []);
    }
}
