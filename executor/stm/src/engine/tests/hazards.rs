//! Hazards that need a block of their own; the crate's table names the tests of the others.

use std::hash::Hasher;

use super::*;

/// One of the places where a machine may panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    Worker,
    Base,
    Field,
    Apply,
    Holds,
    Execute,
}

/// A key whose hash says nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Colliding(u32);

impl std::hash::Hash for Colliding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        0_u32.hash(state);
    }
}

/// A block over a few cells whose keys all collide. It panics once where it is told to.
struct Cells {
    transactions: u32,
    panics: Option<(Site, u32)>,
    calls: AtomicU32,
}

impl Cells {
    fn new(transactions: u32) -> Self {
        Self { transactions, panics: None, calls: AtomicU32::new(0) }
    }

    fn reach(&self, site: Site) {
        if let Some((at, call)) = self.panics
            && at == site
        {
            let calls = self.calls.fetch_add(1, Ordering::SeqCst);
            assert!(calls != call, "expected in this test: {site:?}");
        }
    }
}

impl Vm for Cells {
    type Key = Colliding;
    type Base = i64;
    type Value = i64;
    type Delta = i64;
    type Observation = i64;
    type Output = i64;
    type Fatal = Unreadable;
    type Location = u32;
    type Worker<'r> = ();

    fn transactions(&self) -> u32 {
        self.transactions
    }
    fn worker(&self) {
        self.reach(Site::Worker);
    }
    fn base(&self, key: &Colliding) -> Result<i64, Unreadable> {
        self.reach(Site::Base);
        Ok(i64::from(key.0) * 1000)
    }
    fn field(&self, base: &i64, _: Field) -> i64 {
        self.reach(Site::Field);
        *base
    }
    fn location(&self, key: &Colliding, _: Field) -> u32 {
        key.0
    }
    fn apply(&self, value: &i64, delta: &i64) -> Option<i64> {
        self.reach(Site::Apply);
        Some(value + delta)
    }
    fn holds(&self, observation: &i64, value: &i64) -> bool {
        self.reach(Site::Holds);
        observation == value
    }
    fn execute<'r>(
        &'r self,
        (): &mut (),
        view: &mut View<'r, Self>,
    ) -> Result<Execution<Self>, Stop<Unreadable>> {
        self.reach(Site::Execute);
        let index = view.index();
        let (from, to) =
            (view.cell(&Colliding(index % 11))?, view.cell(&Colliding(11 + index * 5 % 7))?);
        let read = view.read(from, 0)?;
        view.observe(from, 0, read.seen, read.value);
        let mut writes = vec![Put { cell: to, field: 0, write: Write::Add(read.value % 13 + 1) }];
        if index.is_multiple_of(3) {
            writes.push(Put { cell: from, field: 0, write: Write::Set(read.value + 1) });
        }
        if index.is_multiple_of(4) {
            let read = view.read(to, 0)?;
            view.observe(to, 0, read.seen, read.value);
            return Ok(Execution { writes, output: read.value });
        }
        Ok(Execution { writes, output: read.value })
    }
}

#[derive(Debug, Default, PartialEq)]
struct Outputs(Vec<i64>);

impl Settle<Cells> for Outputs {
    fn settle(&mut self, _: u32, settled: Settled<'_, Cells>) -> Verdict {
        self.0.push(settled.output);
        Verdict::Include
    }
}

fn expected(transactions: u32) -> Outputs {
    let mut expected = Outputs::default();
    run_sequential(&Cells::new(transactions), &mut expected).unwrap();
    expected
}

#[test]
fn hazard_41_keys_that_collide_in_every_hash_stay_apart() {
    for workers in [2, 4, 8] {
        let block = Cells::new(200);
        let mut found = Outputs::default();
        let pool = Pool::new(workers).unwrap().oversubscribed();
        let (_, versions) = run(&pool, &block, &mut found, &options(workers)).unwrap();
        assert_eq!(found, expected(200), "{workers} workers");
        assert_eq!(versions.cells().count(), 18);
        for key in 0..18 {
            let cell = versions.find(&Colliding(key)).expect("touched");
            assert_eq!(*versions.base(cell), i64::from(key) * 1000);
        }
    }
}

/// Whatever panics, and whenever: the run ends, with the result of the sequential run or with the panic, and the pool is as
/// good as before.
#[test]
fn hazard_44_a_panic_at_any_task_ends_the_run_or_is_tried_again() {
    let pool = Pool::new(4).unwrap().oversubscribed();
    let sites = [Site::Worker, Site::Base, Site::Field, Site::Apply, Site::Holds, Site::Execute];
    for site in sites {
        let mut surfaced = 0;
        for call in 0..40 {
            let block = Cells { panics: Some((site, 3 * call)), ..Cells::new(60) };
            let mut found = Outputs::default();
            match run(&pool, &block, &mut found, &options(4)) {
                Ok(_) => assert_eq!(found, expected(60), "{site:?} {call}"),
                Err(RunError::Panicked { message, .. }) => {
                    assert_eq!(message, format!("expected in this test: {site:?}"));
                    assert_eq!(found.0, expected(60).0[..found.0.len()], "{site:?} {call}");
                    surfaced += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(site != Site::Holds || surfaced > 0, "a panic of the validation itself surfaces");
        let mut found = Outputs::default();
        run(&pool, &Cells::new(60), &mut found, &options(4)).unwrap();
        assert_eq!(found, expected(60), "after {site:?}");
    }
}

/// A sender's transactions with a gap in the nonces, or without the funds, at the first, a middle or the last place:
/// whatever the settler says of the invalid ones, the run ends, and nobody executes more often than allowed.
#[test]
fn hazard_08_a_nonce_gap_or_an_unfunded_sender_at_any_place_ends_within_the_bound() {
    const TRANSACTIONS: i64 = 60;
    const PRICE: i64 = 10;
    let block = |gap: Option<i64>, funds: i64| {
        let bodies = (0..TRANSACTIONS).map(move |index| {
            body(move |view| {
                let nonce = index + i64::from(gap.is_some_and(|gap| index >= gap));
                if view.settled() {
                    if see(view, "nonce")? != nonce {
                        return result(view, -1, []);
                    }
                } else {
                    let cell = view.cell(&"nonce")?;
                    view.assume(cell, 0, nonce..=nonce);
                }
                let bound = |spent| if spent < funds { 0..=funds - 1 } else { spent..=spent };
                if see_in(view, "spent", bound)? >= funds {
                    return result(view, -2, []);
                }
                let next = Write::Set(nonce + 1);
                result(view, nonce, [("nonce", next), ("spent", Write::Add(PRICE))])
            })
        });
        Script { bodies: bodies.collect() }
    };
    let mut cases = vec![(None, i64::MAX)];
    cases.extend([0, 1, 30, TRANSACTIONS - 1].map(|gap| (Some(gap), i64::MAX)));
    cases.extend([0, 1, 30, TRANSACTIONS - 1].map(|paid| (None, paid * PRICE)));
    for (gap, funds) in cases {
        let script = block(gap, funds);
        let mut all = include_all();
        run_sequential(&script, &mut all).unwrap();
        let verdicts: Vec<bool> = all.outputs.iter().map(|(_, output)| *output < 0).collect();
        for (max_incarnations, on_invalid) in
            [(16, Verdict::Skip), (2, Verdict::Skip), (16, Verdict::Stop)]
        {
            let verdict = |index: u32| {
                if verdicts[index as usize] { on_invalid } else { Verdict::Include }
            };
            let mut expected = Judge { outputs: Vec::new(), verdict };
            run_sequential(&script, &mut expected).unwrap();
            let mut judge = Judge { outputs: Vec::new(), verdict };
            let options = Options { max_incarnations, ..options(4) };
            let report = run_script(&script, &mut judge, &options).unwrap();
            assert_eq!(judge.outputs, expected.outputs, "gap {gap:?}, funds {funds}, {options:?}");
            for run in &report.incarnations {
                assert!(run.incarnation <= max_incarnations, "{run:?}");
            }
        }
    }
}

/// The first read of a transaction comes before, the second after a write of the one below it: both answers are observed,
/// they cannot both hold, and no such result settles.
#[test]
fn hazard_39_answers_that_contradict_each_other_are_read_again() {
    let (read, written) = (Event::default(), Event::default());
    let (first, second) = (read.clone(), written.clone());
    let script = Script {
        bodies: vec![
            body(move |view| {
                read.wait();
                result(view, 0, [("x", Write::Set(1))])
            }),
            body(move |view| {
                let before = see(view, "x")?;
                first.happens();
                if view.incarnation() == 0 {
                    second.wait();
                    // The write is there, or about to be.
                    while look(view, "x")? == 0 {
                        std::thread::yield_now();
                    }
                }
                let after = see(view, "x")?;
                result(view, 10 * before + after, [])
            }),
        ],
    };
    let verdict = move |index| {
        if index == 0 {
            written.happens();
        }
        Verdict::Include
    };
    let mut judge = Judge { outputs: Vec::new(), verdict };
    let report = run_script(&script, &mut judge, &options(2)).unwrap();
    assert_eq!(judge.outputs, [(0, 0), (1, 11)]);
    assert!(matches!(outcome(&report, 1, 0), Outcome::Aborted { location: "x", .. }));
}

/// What a cell was before the block stays what it was, whatever has settled since, and is asked for once.
#[test]
fn hazard_40_the_base_does_not_move_under_its_readers() {
    let bodies = (0..50).map(|index| {
        body(move |view| {
            let x = see(view, "x")?;
            let cell = view.cell(&"x")?;
            let base = view.with_base(cell, |key, base| (*key, *base));
            assert_eq!(base, ("x", 0));
            result(view, x, [("x", Write::Set(index + 1))])
        })
    });
    let script = Script { bodies: bodies.collect() };
    assert_eq!(outputs(4, &script).0, (0..50).collect::<Vec<i64>>());
}

/// A machine that is interrupted by a panic is not used again: the scripted one refuses to start where it did not end.
#[test]
fn hazard_48_a_machine_that_panicked_is_thrown_away() {
    let mut script = second_runs_first(|view| {
        assert!(view.incarnation() > 0, "expected in this test: a speculative panic");
        result(view, 1, [])
    });
    script.bodies.extend((2..100).map(|index| {
        body(move |view| {
            std::thread::yield_now();
            result(view, index, [])
        })
    }));
    let (outputs, report) = outputs(2, &script);
    assert_eq!(outputs, (0..100).collect::<Vec<i64>>());
    assert_eq!(outcome(&report, 1, 0), &Outcome::Panicked);
}
