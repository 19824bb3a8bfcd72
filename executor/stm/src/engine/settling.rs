//! The settle role: judge the lowest unsettled transaction, in order, one owner at a time.
//!
//! Source: the rolling commit that engines after the Block-STM paper added to it. The check made here is what the result
//! rests on; see the parent module.

use crate::error::RunError;
use crate::memory::Finding;
use crate::report::{Log, Reason};
use crate::settle::{Settle, Settled, Verdict};
use crate::sync::{MutexGuard, Ordering};
use crate::vm::Vm;

use super::{Broken, Done, End, Engine, Slot, Status};

/// What the owner of the settle role holds.
pub(super) struct Settler<'a, S> {
    pub(super) settle: &'a mut S,
    /// For each settled transaction the incarnation that settled, and whether it was skipped.
    pub(super) settled: Vec<(u32, bool)>,
    /// Transactions of the current sample that were executed more than once.
    pub(super) repeated: u32,
}

/// What the check before settling found.
enum Check<V: Vm> {
    /// The execution is final.
    Final,
    /// It is not: something it observed, or the value under one of its deltas, has changed.
    Broken(Broken<V::Location>),
    /// The run has ended.
    Ended,
}

impl<V: Vm, S: Settle<V>> Engine<'_, V, S> {
    /// Settles what can be settled, or leaves it to the current owner of the role, who will look again: the counter is
    /// raised after the result is in its slot, and the owner lets go only of the count that it has seen.
    pub(super) fn request_settle(&self, log: &mut Log<V::Location>) {
        if self.settle_requests.fetch_add(1, Ordering::AcqRel) != 0 {
            return;
        }
        loop {
            let seen = self.settle_requests.load(Ordering::Acquire);
            let mut settler = self.settler.lock();
            while !self.scheduler.has_ended() && self.settle_next(log, &mut settler) {}
            drop(settler);
            if self
                .settle_requests
                .compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return;
            }
        }
    }

    /// Settles the lowest unsettled transaction; `false` if it cannot be settled now.
    fn settle_next(&self, log: &mut Log<V::Location>, settler: &mut Settler<'_, S>) -> bool {
        // Relaxed: only the owner of the role writes it, and the role was handed over through the request counter.
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
        log.validations += 1;
        match self.check_final(index, &slot) {
            Check::Final => {}
            Check::Broken(broken) => {
                let incarnation = self.abort(log, index, &mut slot, broken);
                drop(slot);
                self.again(index, incarnation);
                return false;
            }
            Check::Ended => return false,
        }
        self.settle_final(log, settler, index, slot)
    }

    /// The truth: does everything that the execution rests on hold on the settled values? Nothing unsettled is below
    /// `index`, so what the memory answers are the settled values themselves.
    fn check_final(&self, index: u32, slot: &Slot<V>) -> Check<V> {
        let Some(done) = slot.done.as_ref() else { return Check::Ended };
        for observed in &done.observations {
            match self.memory.check(self.vm, observed, index, false) {
                Ok(Finding::Holds) => {}
                Ok(Finding::Broken { writer }) if !done.final_view => {
                    return Check::Broken(Broken { location: observed.location.clone(), writer });
                }
                Ok(Finding::Broken { .. }) => {
                    let location = format!("{:?}", observed.location);
                    self.end(End::Failed(RunError::Inconsistent { index, location }));
                    return Check::Ended;
                }
                Err(source) => {
                    self.end(End::Failed(RunError::Fatal { index, source }));
                    return Check::Ended;
                }
            }
        }
        match self.memory.misfit(self.vm, &slot.published) {
            Ok(None) => Check::Final,
            Ok(Some(location)) if !done.final_view => {
                Check::Broken(Broken { location: location.clone(), writer: None })
            }
            Ok(Some(location)) => {
                let location = format!("{location:?}");
                self.end(End::Failed(RunError::OutOfRange { index, location }));
                Check::Ended
            }
            Err(source) => {
                self.end(End::Failed(RunError::Fatal { index, source }));
                Check::Ended
            }
        }
    }

    /// Hands a final execution to the settler and carries out the verdict.
    fn settle_final(
        &self,
        log: &mut Log<V::Location>,
        settler: &mut Settler<'_, S>,
        index: u32,
        mut slot: MutexGuard<'_, Slot<V>>,
    ) -> bool {
        let Some(Done { result: Ok(output), observations, .. }) = slot.done.take() else {
            return false;
        };
        slot.status = Status::Settled;
        let incarnation = slot.incarnation;
        let writes = std::mem::take(&mut slot.published);
        let waiting = std::mem::take(&mut slot.waiting);
        drop(slot);
        let verdict = settler.settle.settle(
            index,
            Settled { output, writes: &writes, observations: &observations, incarnation },
        );
        settler.settled.push((incarnation, verdict == Verdict::Skip));
        let mut stale = Vec::new();
        match verdict {
            Verdict::Include => self.memory.settle(self.vm, index, &writes),
            Verdict::Skip => self.memory.discard(index, &writes, &mut stale),
            Verdict::Stop => {
                self.end(End::Stopped);
                return false;
            }
        }
        let next = index + 1;
        // Release pairs with the Acquire in `execute`: whoever sees the count sees the folded values.
        self.frontier.store(next, Ordering::Release);
        waiting.into_iter().for_each(|parked| self.wake(parked));
        self.validate(log, stale);
        if next as usize == self.slots.len() {
            self.end(End::Complete);
        } else if self.is_chain(settler, next, incarnation) {
            self.end(End::Sequential { reason: Reason::Conflicts { index } });
        }
        true
    }

    /// Counts a settled transaction, and says at the end of a sample whether going on in parallel is worth it. Only counts
    /// decide; they depend on the schedule, and the result does not depend on the decision.
    fn is_chain(&self, settler: &mut Settler<'_, S>, settled: u32, incarnation: u32) -> bool {
        settler.repeated += u32::from(incarnation > 0);
        if self.conflict_sample == 0 || !settled.is_multiple_of(self.conflict_sample) {
            return false;
        }
        std::mem::take(&mut settler.repeated) >= self.conflict_sample.div_ceil(2)
    }
}
