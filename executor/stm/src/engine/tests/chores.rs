//! Work beside executions.

use super::*;

/// Two transactions, of which the first ends only when all chores are done.
struct Household {
    left: AtomicU32,
    waiting: bool,
}

impl Vm for Household {
    type Key = u8;
    type Base = i64;
    type Value = i64;
    type Delta = i64;
    type Observation = i64;
    type Output = ();
    type Fatal = Unreadable;
    type Location = u8;
    type Worker<'r> = ();

    fn transactions(&self) -> u32 {
        2
    }
    fn worker(&self) {}
    fn base(&self, _: &u8) -> Result<i64, Unreadable> {
        Ok(0)
    }
    fn field(&self, base: &i64, _: Field) -> i64 {
        *base
    }
    fn location(&self, key: &u8, _: Field) -> u8 {
        *key
    }
    fn apply(&self, value: &i64, delta: &i64) -> Option<i64> {
        value.checked_add(*delta)
    }
    fn holds(&self, observation: &i64, value: &i64) -> bool {
        observation == value
    }
    fn has_chores(&self) -> bool {
        self.left.load(Ordering::SeqCst) > 0
    }
    fn chore(&self) -> bool {
        let fewer = |left: u32| left.checked_sub(1);
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok()
    }
    fn execute<'r>(
        &'r self,
        (): &mut (),
        view: &mut View<'r, Self>,
    ) -> Result<Execution<Self>, Stop<Unreadable>> {
        let begin = Instant::now();
        while self.waiting && view.index() == 0 && self.has_chores() {
            assert!(begin.elapsed() < Duration::from_secs(20), "nobody does the chores");
            std::thread::yield_now();
        }
        Ok(Execution { writes: Vec::new(), output: () })
    }
}

struct Content;

impl Settle<Household> for Content {
    fn settle(&mut self, _: u32, _: Settled<'_, Household>) -> Verdict {
        Verdict::Include
    }
}

#[test]
fn a_worker_with_nothing_to_execute_does_chores() {
    let household = Household { left: AtomicU32::new(5), waiting: true };
    let pool = Pool::new(2).unwrap().oversubscribed();
    run(&pool, &household, &mut Content, &options(2)).unwrap();
    assert_eq!(household.left.into_inner(), 0);
}

#[test]
fn no_run_waits_for_chores() {
    let household = Household { left: AtomicU32::new(u32::MAX), waiting: false };
    let pool = Pool::new(2).unwrap().oversubscribed();
    let (report, _) = run(&pool, &household, &mut Content, &options(2)).unwrap();
    assert_eq!(report.settled, 2);
}
