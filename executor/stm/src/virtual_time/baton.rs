//! Real threads of which one runs at a time: whoever holds the baton.

use crate::pace::{Pace, Step};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Says who goes on. Called with everybody else standing still.
pub(super) trait Order: Send {
    /// `worker` has come to `step` and can go on from there.
    fn arrives(&mut self, worker: usize, step: Step);

    /// `worker` found nothing to do; `by` has since done something that may have changed that.
    fn wakes(&mut self, worker: usize, by: usize);

    /// The place in `ready` of the worker that takes its step now. `ready` is not empty, and ascending by worker.
    fn choose(&mut self, ready: &[(usize, Step)]) -> usize;
}

/// Hands the right to run from worker to worker, as an [`Order`] says.
pub(super) struct Baton<O> {
    state: Mutex<State<O>>,
    /// One for each worker, so that only the one who is meant wakes up.
    turn: Vec<Condvar>,
}

struct State<O> {
    places: Vec<Place>,
    /// Who runs; nobody until all have come to their first step.
    holder: Option<usize>,
    order: O,
    ready: Vec<(usize, Step)>,
}

/// Where a worker is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not yet at its first step.
    Starting,
    /// Before a step that it can take.
    Ready(Step),
    /// Taking a step.
    Taking(Step),
    /// Without anything to do.
    Idle,
    /// No longer in the run.
    Left,
}

impl Place {
    /// Whether others may find something to do after it.
    fn brings_work(self) -> bool {
        match self {
            Self::Taking(step) => {
                matches!(step, Step::Finish { .. } | Step::Validate | Step::Settle)
            }
            _ => false,
        }
    }
}

impl<O: Order> Baton<O> {
    pub(super) fn new(workers: usize, order: O) -> Self {
        Self {
            state: Mutex::new(State {
                places: vec![Place::Starting; workers],
                holder: None,
                order,
                ready: Vec::with_capacity(workers),
            }),
            turn: (0..workers).map(|_| Condvar::new()).collect(),
        }
    }

    /// The order, once the run is over.
    pub(super) fn into_order(self) -> O {
        self.state.into_inner().order
    }

    /// Puts `worker` down at `place`, wakes those for whom there may be work, and passes the baton on.
    fn put(&self, worker: usize, place: Place) -> MutexGuard<'_, State<O>> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let before = std::mem::replace(&mut state.places[worker], place);
        if before.brings_work() || place == Place::Left {
            for other in 0..state.places.len() {
                if state.places[other] == Place::Idle && other != worker {
                    state.places[other] = Place::Ready(Step::Claim);
                    state.order.wakes(other, worker);
                }
            }
        }
        if let Place::Ready(step) = place {
            state.order.arrives(worker, step);
        }
        if !state.places.contains(&Place::Starting) {
            self.pass_on(state, worker);
        }
        guard
    }

    fn pass_on(&self, state: &mut State<O>, from: usize) {
        state.ready.clear();
        for (worker, place) in state.places.iter().enumerate() {
            if let Place::Ready(step) = place {
                state.ready.push((worker, *step));
            }
        }
        if state.ready.is_empty() {
            let left = state.places.iter().all(|place| *place == Place::Left);
            assert!(left, "every worker waits, and none has anything to do");
            state.holder = None;
            return;
        }
        let chosen = state.order.choose(&state.ready);
        let (worker, step) = state.ready[chosen];
        state.places[worker] = Place::Taking(step);
        state.holder = Some(worker);
        if worker != from {
            self.turn[worker].notify_one();
        }
    }

    fn wait(&self, worker: usize, mut state: MutexGuard<'_, State<O>>) {
        while state.holder != Some(worker) {
            self.turn[worker].wait(&mut state);
        }
    }
}

impl<O: Order> Pace for Baton<O> {
    fn step(&self, worker: u32, step: Step) {
        let worker = worker as usize;
        self.wait(worker, self.put(worker, Place::Ready(step)));
    }

    fn idle(&self, worker: u32) {
        let worker = worker as usize;
        self.wait(worker, self.put(worker, Place::Idle));
    }

    fn leave(&self, worker: u32) {
        drop(self.put(worker as usize, Place::Left));
    }
}
