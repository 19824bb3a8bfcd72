//! Which transaction a free worker takes next, and how a worker without work waits.
//!
//! Source: Block-STM Algorithm 4 (`Scheduler`), reduced to what remains when validation is pushed by writes: one cursor over
//! first executions and a heap of transactions that were handed back. There are no counters of active tasks from which the
//! end would be guessed (hazard 36): a run ends when its settler says so.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::sync::{
    AtomicBool, AtomicU32, AtomicUsize, CachePadded, Condvar, Mutex, Ordering, SPINS, spin_loop,
};

/// Hands out transactions that are ready, lowest index first.
///
/// Lowest first because a low transaction is waited for by all higher ones, and because what it reads is likely final.
pub(crate) struct Scheduler {
    /// First transaction that was never handed out. Changed by any worker.
    cursor: CachePadded<AtomicU32>,
    /// Length of the heap. A *hint*, written under the lock: it saves the lock while the heap is empty.
    returned_len: CachePadded<AtomicUsize>,
    /// The run is over. Set under the lock, once.
    ended: AtomicBool,
    /// The truth about transactions to run again; also what idle workers sleep on.
    returned: Mutex<Returned>,
    wake: Condvar,
    /// Workers with a lower number than this take part; the others wait. Written by the owner of the settle role.
    active: CachePadded<AtomicU32>,
    transactions: u32,
}

struct Returned {
    heap: BinaryHeap<Reverse<u32>>,
    sleeping: usize,
}

impl Scheduler {
    /// A scheduler of transactions `0..transactions`, all ready.
    pub(crate) fn new(transactions: u32) -> Self {
        Self {
            cursor: CachePadded::new(AtomicU32::new(0)),
            returned_len: CachePadded::new(AtomicUsize::new(0)),
            ended: AtomicBool::new(false),
            returned: Mutex::new(Returned { heap: BinaryHeap::new(), sleeping: 0 }),
            wake: Condvar::new(),
            active: CachePadded::new(AtomicU32::new(u32::MAX)),
            transactions,
        }
    }

    /// A ready transaction for `worker`, now its to execute. Each is handed out once for each time it became ready.
    pub(crate) fn claim(&self, worker: u32) -> Option<u32> {
        if self.has_ended() || !self.is_active(worker) {
            return None;
        }
        // What was handed back was claimed from the cursor before, so it is below the cursor: it goes first.
        // Acquire pairs with the Release in `give_back`.
        if self.returned_len.load(Ordering::Acquire) > 0 {
            let mut returned = self.returned.lock();
            let popped = returned.heap.pop();
            self.returned_len.store(returned.heap.len(), Ordering::Release);
            if let Some(Reverse(index)) = popped {
                return Some(index);
            }
        }
        // Relaxed: the cursor carries no data with it; the transaction's own lock does.
        self.cursor
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                (next < self.transactions).then(|| next + 1)
            })
            .ok()
    }

    /// Makes `index`, which was handed out before, ready again.
    pub(crate) fn give_back(&self, index: u32) {
        let mut returned = self.returned.lock();
        returned.heap.push(Reverse(index));
        self.returned_len.store(returned.heap.len(), Ordering::Release);
        if returned.sleeping > 0 {
            // One that may not take part at present must not swallow the call.
            if self.active.load(Ordering::Relaxed) == u32::MAX {
                self.wake.notify_one();
            } else {
                self.wake.notify_all();
            }
        }
    }

    /// Waits until there may be something to do or the run has ended: a brief, bounded spin, then sleep (performance note B9:
    /// engines that spin burn every core on a block that is one chain).
    pub(crate) fn wait(&self, worker: u32) {
        for _ in 0..SPINS {
            if self.has_ended() || self.has_work(worker, self.returned_len.load(Ordering::Relaxed))
            {
                return;
            }
            spin_loop();
        }
        let mut returned = self.returned.lock();
        if !self.has_ended() && !self.has_work(worker, returned.heap.len()) {
            returned.sleeping += 1;
            self.wake.wait(&mut returned);
            returned.sleeping -= 1;
        }
    }

    /// Wakes those who sleep for something else than transactions.
    pub(crate) fn nudge(&self) {
        let returned = self.returned.lock();
        if returned.sleeping > 0 {
            self.wake.notify_all();
        }
    }

    fn has_work(&self, worker: u32, returned: usize) -> bool {
        self.is_active(worker)
            && (returned > 0 || self.cursor.load(Ordering::Relaxed) < self.transactions)
    }

    /// Whether `worker` may take part at present.
    fn is_active(&self, worker: u32) -> bool {
        // Relaxed: a hint. `limit` takes the lock on which the others sleep.
        worker < self.active.load(Ordering::Relaxed)
    }

    /// Lets only workers below `active` take part from now on.
    pub(crate) fn limit(&self, active: u32) {
        let _returned = self.returned.lock();
        self.active.store(active, Ordering::Relaxed);
        self.wake.notify_all();
    }

    /// Ends the run: nothing is handed out any more, and everybody who sleeps wakes up.
    pub(crate) fn end(&self) {
        let _returned = self.returned.lock();
        self.ended.store(true, Ordering::Release);
        self.wake.notify_all();
    }

    /// Whether the run has ended.
    pub(crate) fn has_ended(&self) -> bool {
        // Pairs with the Release in `end`; workers learn why from the engine's own lock.
        self.ended.load(Ordering::Acquire)
    }

    /// The flag behind [`has_ended`](Self::has_ended), for views.
    pub(crate) fn ended_flag(&self) -> &AtomicBool {
        &self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_ready_transaction_goes_first() {
        let scheduler = Scheduler::new(4);
        assert_eq!(
            (scheduler.claim(0), scheduler.claim(0), scheduler.claim(0)),
            (Some(0), Some(1), Some(2))
        );
        scheduler.give_back(2);
        scheduler.give_back(0);
        let claims: Vec<_> = std::iter::from_fn(|| scheduler.claim(0)).collect();
        assert_eq!(claims, [0, 2, 3]);
    }

    #[test]
    fn nothing_is_handed_out_after_the_end() {
        let scheduler = Scheduler::new(2);
        scheduler.end();
        assert_eq!(scheduler.claim(0), None);
    }

    #[test]
    fn a_nudge_wakes_who_sleeps_without_giving_work() {
        let scheduler = Scheduler::new(0);
        let back = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                scheduler.wait(0);
                back.store(true, Ordering::Release);
            });
            while scheduler.returned.lock().sleeping == 0 {
                std::thread::yield_now();
            }
            assert!(!back.load(Ordering::Acquire));
            scheduler.nudge();
            while !back.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        });
        assert_eq!(scheduler.claim(0), None);
    }

    #[test]
    fn sleepers_wake_for_work_and_for_the_end() {
        for _ in 0..200 {
            let scheduler = Scheduler::new(1);
            assert_eq!(scheduler.claim(0), Some(0));
            std::thread::scope(|scope| {
                let worker = scope.spawn(|| {
                    let mut claimed = 0;
                    while !scheduler.has_ended() {
                        match scheduler.claim(0) {
                            Some(_) => claimed += 1,
                            None => scheduler.wait(0),
                        }
                    }
                    claimed
                });
                scheduler.give_back(0);
                while scheduler.returned_len.load(Ordering::Relaxed) > 0 {
                    std::thread::yield_now();
                }
                scheduler.end();
                assert_eq!(worker.join().unwrap(), 1);
            });
        }
    }
}
