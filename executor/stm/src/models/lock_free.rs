//! The parts whose atomics are weaker than a lock, under every order that the memory model allows: the scheduler, the settle
//! role, and the change counts of the memory.
//!
//! A lost wake-up shows as a deadlock, which the checker reports. `LOOM_MAX_PREEMPTIONS` sets how often a thread may be
//! interrupted where it does not wait (3 by default here).

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use loom::thread;

use crate::memory::{CellId, Finding, Memory};
use crate::role::Role;
use crate::scheduler::Scheduler;
use crate::sync::{Ahead, Mutex};
use crate::toy::{Register, Seen, Toy};
use crate::view::Observed;
use crate::vm::{Put, Write};

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(run);
}

/// What a worker does between claims: claims, or waits, until the run ends. Returns its claims.
fn work(scheduler: &Scheduler, worker: u32, mut claimed: impl FnMut(u32)) {
    while !scheduler.has_ended() {
        match scheduler.claim(worker) {
            Some(index) => claimed(index),
            None => scheduler.wait(worker),
        }
    }
}

#[test]
fn a_transaction_that_is_handed_back_wakes_a_sleeper_and_is_handed_out_once() {
    model(|| {
        let scheduler = Arc::new(Scheduler::new(1));
        assert_eq!(scheduler.claim(0), Some(0));
        let workers = [0, 1].map(|worker| {
            let scheduler = Arc::clone(&scheduler);
            thread::spawn(move || {
                let mut claims = 0;
                work(&scheduler, worker, |_| {
                    claims += 1;
                    scheduler.end();
                });
                claims
            })
        });
        scheduler.give_back(0);
        let claims: u32 = workers.map(|worker| worker.join().unwrap()).into_iter().sum();
        assert_eq!(claims, 1);
    });
}

#[test]
fn two_handed_back_at_once_are_both_handed_out() {
    model(|| {
        let scheduler = Arc::new(Scheduler::new(2));
        assert_eq!((scheduler.claim(0), scheduler.claim(0)), (Some(0), Some(1)));
        let claims = Arc::new(AtomicU32::new(0));
        let worker = {
            let (scheduler, claims) = (Arc::clone(&scheduler), Arc::clone(&claims));
            thread::spawn(move || {
                work(&scheduler, 0, |index| {
                    assert_eq!(claims.fetch_or(1 << index, Relaxed) & (1 << index), 0);
                    if claims.load(Relaxed) == 3 {
                        scheduler.end();
                    }
                });
            })
        };
        let other = Arc::clone(&scheduler);
        let other = thread::spawn(move || other.give_back(1));
        scheduler.give_back(0);
        other.join().unwrap();
        worker.join().unwrap();
        assert_eq!(claims.load(Relaxed), 3);
    });
}

#[test]
fn first_executions_are_handed_out_once_each() {
    model(|| {
        let scheduler = Arc::new(Scheduler::new(2));
        let claim = |worker| {
            let scheduler = Arc::clone(&scheduler);
            thread::spawn(move || [scheduler.claim(worker), scheduler.claim(worker)])
        };
        let workers = [claim(0), claim(1)];
        let claims = workers.map(|worker| worker.join().unwrap());
        let mut claims: Vec<u32> = claims.into_iter().flatten().flatten().collect();
        claims.sort_unstable();
        assert_eq!(claims, [0, 1]);
    });
}

#[test]
fn the_end_wakes_everybody_who_sleeps() {
    model(|| {
        let scheduler = Arc::new(Scheduler::new(0));
        let workers = [0, 1].map(|worker| {
            let scheduler = Arc::clone(&scheduler);
            thread::spawn(move || work(&scheduler, worker, |_| panic!("there is nothing to claim")))
        });
        scheduler.end();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

/// A transaction that is handed back while the others have to stay away must reach the one that may work, even if one of
/// the others is called first.
#[test]
fn a_call_is_not_swallowed_by_a_worker_that_has_to_stay_away() {
    model(|| {
        let scheduler = Arc::new(Scheduler::new(1));
        assert_eq!(scheduler.claim(0), Some(0));
        let workers = [0, 1].map(|worker| {
            let scheduler = Arc::clone(&scheduler);
            thread::spawn(move || work(&scheduler, worker, |_| scheduler.end()))
        });
        scheduler.limit(1);
        scheduler.give_back(0);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

#[test]
fn those_who_stayed_away_come_back_for_what_is_left() {
    model(|| {
        let scheduler = Arc::new(Scheduler::new(1));
        scheduler.limit(1);
        // Only this worker is there, and it has to stay away.
        let worker = {
            let scheduler = Arc::clone(&scheduler);
            thread::spawn(move || work(&scheduler, 1, |_| scheduler.end()))
        };
        scheduler.limit(u32::MAX);
        worker.join().unwrap();
    });
}

/// The settle role with plain (relaxed) data: what a request is about, and what owners hand to each other, must be visible
/// through the role alone.
#[test]
fn whoever_has_the_role_sees_every_request_and_what_the_owner_before_did() {
    model(|| {
        const REQUESTS: u32 = 3;
        struct Shared {
            role: Role,
            executed: [AtomicBool; REQUESTS as usize],
            settled: AtomicU32,
            busy: AtomicBool,
        }
        let shared = Arc::new(Shared {
            role: Role::new(),
            executed: [false; REQUESTS as usize].map(AtomicBool::new),
            settled: AtomicU32::new(0),
            busy: AtomicBool::new(false),
        });
        let request = |index: u32| {
            let shared = Arc::clone(&shared);
            move || {
                shared.executed[index as usize].store(true, Relaxed);
                shared.role.request(|| {
                    assert!(!shared.busy.swap(true, Relaxed), "two own the role");
                    let mut settled = shared.settled.load(Relaxed);
                    while settled < REQUESTS && shared.executed[settled as usize].load(Relaxed) {
                        settled += 1;
                    }
                    shared.settled.store(settled, Relaxed);
                    shared.busy.store(false, Relaxed);
                });
            }
        };
        let others = [thread::spawn(request(1)), thread::spawn(request(2))];
        request(0)();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(shared.settled.load(Relaxed), REQUESTS);
    });
}

const REGISTER: Register = 0;

/// Memory, and the cell of the register.
fn memory() -> (Arc<Memory<Toy>>, Arc<Toy>, CellId) {
    let (memory, vm) = (Memory::new(0), Toy::new(Vec::new()));
    let cell = memory.cell(&vm, &mut Ahead::default(), &REGISTER).unwrap();
    (Arc::new(memory), Arc::new(vm), cell)
}

fn set(cell: CellId, value: u64) -> [Put<Toy>; 1] {
    [Put { cell, field: 0, write: Write::Set(value) }]
}

/// Reads as transaction 1, and registers what was read. `None` if the read had to wait.
fn observe(memory: &Memory<Toy>, vm: &Toy, cell: CellId) -> Option<(Observed<Toy>, bool)> {
    let read = memory.reading(vm, cell, 1).value(0).ok()?;
    let observation = Seen::Exactly(read.value);
    let mut observed = [Observed { cell, field: 0, seen: read.seen, assumed: false, observation }];
    let broken = memory.register(vm, 1, &mut observed).is_some();
    let [observed] = observed;
    Some((observed, broken))
}

#[test]
fn a_reader_sees_the_write_or_the_writer_finds_the_reader() {
    model(|| {
        let (memory, vm, cell) = memory();
        let writer = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || {
                let mut stale = Vec::new();
                memory.publish((0, 0), &set(cell, 777), &[], false, &mut stale);
                stale
            })
        };
        let (observed, broken) = observe(&memory, &vm, cell).expect("there is no estimate");
        let stale = writer.join().unwrap();
        let old = observed.observation != Seen::Exactly(777);
        if old && !broken {
            assert_eq!(stale, [(1, cell, 0)], "the reader is wrong, and nobody noticed");
        }
        let holds = matches!(memory.check(&vm, &observed, 1), Finding::Holds { .. });
        assert_eq!(holds, !old);
    });
}

/// The check before settling takes no lock where the count has not changed: it must see the counts of all writes that are
/// settled below, whoever settled them.
#[test]
fn the_check_without_a_lock_sees_every_write_that_settled_before() {
    struct Shared {
        memory: Arc<Memory<Toy>>,
        vm: Arc<Toy>,
        observed: Observed<Toy>,
        role: Role,
        /// Stands for the slot of transaction 0.
        executed: Mutex<bool>,
        settled: AtomicBool,
    }
    impl Shared {
        /// Settles transaction 0 if it is executed, and then checks transaction 1.
        fn settle(&self) {
            if self.settled.load(Relaxed) || *self.executed.lock() {
                self.settled.store(true, Relaxed);
                let found = self.memory.check(&self.vm, &self.observed, 1);
                assert_eq!(found, Finding::Broken { writer: Some(0) });
            }
        }
    }
    model(|| {
        let (memory, vm, cell) = memory();
        let (observed, broken) = observe(&memory, &vm, cell).expect("there is no estimate");
        assert!(!broken);
        let shared = Arc::new(Shared {
            memory,
            vm,
            observed,
            role: Role::new(),
            executed: Mutex::new(false),
            settled: AtomicBool::new(false),
        });
        let writer = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            writer.memory.publish((0, 0), &set(cell, 777), &[], false, &mut Vec::new());
            *writer.executed.lock() = true;
            writer.role.request(|| writer.settle());
        });
        shared.role.request(|| shared.settle());
        writer.join().unwrap();
    });
}

#[test]
fn a_reader_beside_an_abort_waits_or_is_found_by_the_next_incarnation() {
    model(|| {
        let (memory, vm, cell) = memory();
        memory.publish((0, 0), &set(cell, 777), &[], false, &mut Vec::new());
        let writer = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || {
                memory.mark_estimates(0, &set(cell, 777));
                let (now, previous) = (set(cell, 778), set(cell, 777));
                let mut stale = Vec::new();
                memory.publish((0, 1), &now, &previous, false, &mut stale);
                stale
            })
        };
        let observed = observe(&memory, &vm, cell);
        let stale = writer.join().unwrap();
        let Some((observed, broken)) = observed else { return };
        match observed.observation {
            Seen::Exactly(778) => assert!(!broken),
            Seen::Exactly(777) => assert!(broken || stale == [(1, cell, 0)]),
            other => panic!("nobody wrote {other:?}"),
        }
    });
}

#[test]
fn whoever_asks_first_for_a_cell_makes_it_for_all() {
    model(|| {
        let (memory, vm) = (Arc::new(Memory::<Toy>::new(0)), Arc::new(Toy::new(Vec::new())));
        let ask = || {
            let (memory, vm) = (Arc::clone(&memory), Arc::clone(&vm));
            move || {
                let cell = memory.cell(&vm, &mut Ahead::default(), &7).unwrap();
                assert_eq!(memory.key(cell), &7);
                cell
            }
        };
        let other = thread::spawn(ask());
        assert_eq!(ask()(), other.join().unwrap());
        let cells = (0..u32::try_from(memory.end()).unwrap()).map(CellId);
        assert_eq!(cells.filter(|cell| memory.is_cell(*cell)).count(), 1);
    });
}
