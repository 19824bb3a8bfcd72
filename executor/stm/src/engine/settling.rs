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

use super::throttle::Throttle;
use super::{Broken, Done, End, Engine, Place, Slot, Status};

/// What the owner of the settle role holds.
pub(super) struct Settler<'s, S> {
    pub(super) settle: &'s mut S,
    /// For each settled transaction the incarnation that settled, and whether it was skipped.
    pub(super) settled: Vec<(u32, bool)>,
    pub(super) throttle: Throttle,
}

/// Settled transactions after which those who sleep are told of chores: waking somebody costs as much as executing a few.
const CHORES_EVERY: u32 = 64;

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
        if slot.status == Status::Held {
            slot.status = Status::Ready;
            drop(slot);
            self.scheduler.give_back(index);
            return false;
        }
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
        } else if next.is_multiple_of(CHORES_EVERY) && self.vm.has_chores() {
            self.scheduler.nudge();
        }
        true
    }
}
