//! Threads that read ahead: they fill the cache with what a block will read.

use crate::view::StateView;
use alloy_primitives::{Address, U256};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use weft_types::{Touched, TouchedList};

/// Keys that one thread asks for at once.
const CHUNK: usize = 256;

/// Chunks that may wait. What does not fit is not read ahead: that is slower, never wrong.
const WAITING_MAX: usize = 4096;

/// One piece of work.
pub(crate) enum Job {
    /// Find out what will be read and cut it into chunks.
    Plan(StateView, TouchedList),
    /// Read accounts and their codes.
    Accounts(StateView, Vec<Address>),
    /// Read slots.
    Slots(StateView, Vec<(Address, U256)>),
}

/// The jobs that wait. The threads hold nothing else, so that an idle thread keeps no database open.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// No thread takes jobs: there are none, or they were told to end.
    closed: bool,
}

/// The threads; they end when this is dropped.
pub(crate) struct Readers {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Queue {
    /// Gives a job away; drops it when too many wait already or nobody takes any.
    pub(crate) fn push(&self, job: Job) {
        let mut waiting = self.waiting.lock();
        if waiting.closed || waiting.jobs.len() >= WAITING_MAX {
            return;
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.arrived.notify_one();
    }

    fn pop(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            self.arrived.wait(&mut waiting);
        }
    }
}

impl Readers {
    /// Starts so many threads, or as many as the operating system gives.
    pub(crate) fn start(threads: usize) -> Self {
        let queue = Arc::new(Queue::default());
        let start = |number| {
            let queue = Arc::clone(&queue);
            let run = move || {
                while let Some(job) = queue.pop() {
                    work(job, &queue);
                }
            };
            std::thread::Builder::new().name(format!("weft-read-{number}")).spawn(run).ok()
        };
        let threads: Vec<JoinHandle<()>> = (0..threads).map_while(start).collect();
        queue.waiting.lock().closed = threads.is_empty();
        Self { queue, threads }
    }

    pub(crate) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let jobs = {
            let mut waiting = self.queue.waiting.lock();
            waiting.closed = true;
            std::mem::take(&mut waiting.jobs)
        };
        drop(jobs);
        self.queue.arrived.notify_all();
        for thread in self.threads.drain(..) {
            // A panic in a thread has cost only what it would have read ahead.
            let _ = thread.join();
        }
    }
}

fn work(job: Job, queue: &Queue) {
    match job {
        Job::Plan(view, list) => plan(&view, list(), queue),
        Job::Accounts(view, accounts) => view.read_accounts_ahead(&accounts),
        Job::Slots(view, slots) => view.read_slots_ahead(&slots),
    }
}

/// Cuts what is not cached yet into chunks.
fn plan(view: &StateView, mut touched: Vec<Touched>, queue: &Queue) {
    touched.sort_unstable();
    touched.dedup();
    let (mut accounts, mut slots) = (Vec::new(), Vec::new());
    for place in touched.into_iter().filter(|place| !view.has_cached(place)) {
        match place {
            Touched::Account(address) => accounts.push(address),
            Touched::Slot(address, slot) => slots.push((address, slot)),
        }
    }
    for chunk in accounts.chunks(CHUNK) {
        queue.push(Job::Accounts(view.clone(), chunk.to_vec()));
    }
    for chunk in slots.chunks(CHUNK) {
        queue.push(Job::Slots(view.clone(), chunk.to_vec()));
    }
}
