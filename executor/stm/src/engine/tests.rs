//! Blocks whose schedule is forced: transactions and the settler wait for each other at chosen points.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::{Settled, Verdict, run_sequential};

/// What a scripted transaction returns.
type Executed = Result<Execution<Script>, Stop<Unreadable>>;
/// What a scripted transaction is.
type Body = Box<dyn Fn(&mut View<'_, Script>) -> Executed + Sync>;

/// A block of closures over named values of `i64` that start at 0 and must not fall below it.
struct Script {
    bodies: Vec<Body>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} cannot be read")]
struct Unreadable(&'static str);

/// What was seen: a lower bound and an upper bound.
type Range = std::ops::RangeInclusive<i64>;

impl Vm for Script {
    type Location = &'static str;
    type Value = i64;
    type Delta = i64;
    type Observation = Range;
    type Output = i64;
    type Fatal = Unreadable;
    type Worker = ();

    fn transactions(&self) -> u32 {
        count(self.bodies.len())
    }
    fn worker(&self) {}
    fn base(&self, location: &&'static str) -> Result<i64, Unreadable> {
        if *location == "unreadable" { Err(Unreadable(location)) } else { Ok(0) }
    }
    fn apply(&self, value: &i64, delta: &i64) -> Option<i64> {
        value.checked_add(*delta).filter(|sum| *sum >= 0)
    }
    fn holds(&self, observation: &Range, value: &i64) -> bool {
        observation.contains(value)
    }
    fn execute(&self, _: &mut (), index: u32, view: &mut View<'_, Self>) -> Executed {
        (self.bodies[index as usize])(view)
    }
}

/// Reads and observes exactly.
fn see(view: &mut View<'_, Script>, location: &'static str) -> Result<i64, Stop<Unreadable>> {
    let value = view.read(&location)?;
    view.observe(location, value..=value);
    Ok(value)
}

/// An execution with this output and these writes.
fn result(
    output: i64,
    writes: impl IntoIterator<Item = (&'static str, Write<Script>)>,
) -> Executed {
    Ok(Execution { writes: writes.into_iter().collect(), output })
}

fn body(run: impl Fn(&mut View<'_, Script>) -> Executed + Sync + 'static) -> Body {
    Box::new(run)
}

/// Something that happens once and that others wait for.
#[derive(Clone, Default)]
struct Event(Arc<AtomicBool>);

impl Event {
    fn happens(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
    /// Waits for it; a schedule that never brings it fails the test instead of hanging it.
    fn wait(&self) {
        let begin = Instant::now();
        while !self.0.load(Ordering::SeqCst) {
            assert!(begin.elapsed() < Duration::from_secs(20), "the awaited event did not happen");
            std::thread::yield_now();
        }
    }
}

/// Keeps the outputs, and asks a closure for the verdict.
struct Judge<F> {
    outputs: Vec<(u32, i64)>,
    verdict: F,
}

impl<F: FnMut(u32) -> Verdict> Settle<Script> for Judge<F> {
    fn settle(&mut self, index: u32, settled: Settled<'_, Script>) -> Verdict {
        self.outputs.push((index, settled.output));
        (self.verdict)(index)
    }
}

fn include_all() -> Judge<impl FnMut(u32) -> Verdict> {
    Judge { outputs: Vec::new(), verdict: |_| Verdict::Include }
}

fn options(workers: usize) -> Options {
    Options { workers, conflict_sample: 0, ..Options::default() }
}

/// Runs the block on `workers` workers and returns the outputs in block order.
fn outputs(workers: usize, script: &Script) -> (Vec<i64>, Report<&'static str>) {
    let mut judge = include_all();
    let report = run(&Pool::new(workers).unwrap(), script, &mut judge, &options(workers)).unwrap();
    (judge.outputs.into_iter().map(|(_, output)| output).collect(), report)
}

fn outcome<'r>(
    report: &'r Report<&'static str>,
    index: u32,
    incarnation: u32,
) -> &'r Outcome<&'static str> {
    let mut runs = report.incarnations.iter();
    &runs.find(|run| (run.index, run.incarnation) == (index, incarnation)).expect("it ran").outcome
}

/// Two transactions: the second runs for the first time, to its end, before the first one writes 1 to `x`.
fn second_runs_first(
    second: impl Fn(&mut View<'_, Script>) -> Executed + Sync + 'static,
) -> Script {
    let ran = Event::default();
    let run_once = ran.clone();
    /// Says so even when the body panics.
    struct Announce(Event);
    impl Drop for Announce {
        fn drop(&mut self) {
            self.0.happens();
        }
    }
    Script {
        bodies: vec![
            body(move |_| {
                ran.wait();
                result(0, [("x", Write::Set(1))])
            }),
            body(move |view| {
                let _announce = Announce(run_once.clone());
                second(view)
            }),
        ],
    }
}

#[test]
fn a_stale_read_is_executed_again() {
    let script = second_runs_first(|view| result(see(view, "x")?, []));
    let (outputs, report) = outputs(2, &script);
    assert_eq!(outputs, [0, 1]);
    assert_eq!(
        outcome(&report, 1, report.incarnations.last().unwrap().incarnation),
        &Outcome::Settled
    );
}

#[test]
fn a_reader_that_meets_an_estimate_waits_for_its_writer() {
    let (stale, again, met) = (Event::default(), Event::default(), Event::default());
    let (read, running, tried) = (stale.clone(), again.clone(), met.clone());
    let script = Script {
        bodies: vec![
            body(move |_| {
                stale.wait();
                result(0, [("x", Write::Set(1))])
            }),
            // Aborted by the first transaction; its second incarnation lasts until the third has met the estimate.
            body(move |view| {
                let x = see(view, "x")?;
                read.happens();
                if view.incarnation() > 0 {
                    running.happens();
                    met.wait();
                }
                result(x, [("y", Write::Set(10 + x))])
            }),
            body(move |view| {
                again.wait();
                let y = see(view, "y");
                tried.happens();
                result(y?, [])
            }),
        ],
    };
    let (outputs, report) = outputs(3, &script);
    assert_eq!(outputs, [0, 1, 11]);
    assert_eq!(outcome(&report, 2, 0), &Outcome::Blocked { on: 1 });
    assert_eq!(outcome(&report, 2, 1), &Outcome::Settled);
}

#[test]
fn a_location_read_but_not_observed_is_no_dependency() {
    let script = second_runs_first(|view| {
        view.read(&"x")?;
        result(5, [])
    });
    assert_eq!(outputs(2, &script).1.re_executions(), 0);
}

#[test]
fn an_observation_that_still_holds_survives_a_new_value() {
    let script = second_runs_first(|view| {
        view.read(&"x")?;
        view.observe("x", 0..=9);
        result(5, [])
    });
    assert_eq!(outputs(2, &script).1.re_executions(), 0);
}

#[test]
fn a_speculative_failure_is_no_verdict() {
    let script = second_runs_first(|view| match see(view, "x")? {
        0 => Err(Stop::Fatal(Unreadable("x"))),
        x => result(x, []),
    });
    let (outputs, report) = outputs(2, &script);
    assert_eq!(outputs, [0, 1]);
    assert_eq!(outcome(&report, 1, 0), &Outcome::Failed);
}

#[test]
fn a_speculative_failure_that_observed_nothing_is_tried_again() {
    let script = second_runs_first(|view| match view.read(&"x")? {
        0 => Err(Stop::Fatal(Unreadable("x"))),
        x => result(x, []),
    });
    assert_eq!(outputs(2, &script).0, [0, 1]);
}

#[test]
fn a_snapshot_that_fails_where_the_block_never_reads_does_not_matter() {
    let script = second_runs_first(|view| match see(view, "x")? {
        0 => result(see(view, "unreadable")?, []),
        x => result(x, []),
    });
    let (outputs, report) = outputs(2, &script);
    assert_eq!(outputs, [0, 1]);
    assert_eq!(outcome(&report, 1, 0), &Outcome::Failed);
}

#[test]
fn a_snapshot_that_fails_on_settled_values_ends_the_run() {
    let bodies = (0..20).map(|index| {
        body(
            move |view| {
                if index == 7 { result(see(view, "unreadable")?, []) } else { result(0, []) }
            },
        )
    });
    let script = Script { bodies: bodies.collect() };
    let mut judge = include_all();
    let error = run(&Pool::new(4).unwrap(), &script, &mut judge, &options(4)).unwrap_err();
    assert!(
        matches!(error, RunError::Fatal { index: 7, source: Unreadable("unreadable") }),
        "{error:?}"
    );
    assert_eq!(judge.outputs.len(), 7);
}

#[test]
fn a_speculative_panic_is_tried_again() {
    let script = second_runs_first(|view| {
        let x = see(view, "x")?;
        assert!(x > 0, "expected in this test: speculative panic");
        result(x, [])
    });
    let (outputs, report) = outputs(2, &script);
    assert_eq!(outputs, [0, 1]);
    assert_eq!(outcome(&report, 1, 0), &Outcome::Panicked);
}

#[test]
fn a_panic_on_settled_values_surfaces_and_nobody_hangs() {
    for workers in [2, 4, 8] {
        let bodies = (0..40).map(|index| {
            body(move |view| {
                let x = see(view, "x")?;
                assert!(index != 20, "expected in this test: x is {x}");
                result(x, [("x", Write::Set(x + 1))])
            })
        });
        let script = Script { bodies: bodies.collect() };
        let mut judge = include_all();
        let error =
            run(&Pool::new(workers).unwrap(), &script, &mut judge, &options(workers)).unwrap_err();
        match error {
            RunError::Panicked { index: 20, message } => {
                assert_eq!(message, "expected in this test: x is 20");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(judge.outputs.len(), 20);
    }
}

#[test]
fn a_settler_that_panics_surfaces_and_nobody_hangs() {
    let script = Script { bodies: (0..40).map(|_| body(|_| result(0, []))).collect() };
    let verdict = |index| {
        assert!(index != 11, "expected in this test: settler");
        Verdict::Include
    };
    let mut judge = Judge { outputs: Vec::new(), verdict };
    let error = run(&Pool::new(4).unwrap(), &script, &mut judge, &options(4)).unwrap_err();
    assert!(matches!(error, RunError::Panicked { index: 11, .. }), "{error:?}");
}

#[test]
fn a_transaction_over_its_incarnations_hands_the_rest_to_the_sequential_run() {
    let script = second_runs_first(|view| result(see(view, "x")?, []));
    let mut judge = include_all();
    let options = Options { max_incarnations: 1, ..options(2) };
    let report = run(&Pool::new(2).unwrap(), &script, &mut judge, &options).unwrap();
    assert_eq!(judge.outputs, [(0, 0), (1, 1)]);
    let fallback = report.sequential.expect("the second transaction may run once only");
    assert_eq!(fallback.reason, Reason::Incarnations { index: 1 });
    assert!(fallback.from <= 1);
    assert_eq!(outcome(&report, 1, 1), &Outcome::Settled);
}

#[test]
fn a_block_that_is_mostly_a_chain_goes_on_sequentially_and_an_independent_one_does_not() {
    let script = second_runs_first(|view| result(see(view, "x")?, []));
    let options = Options { conflict_sample: 1, ..options(2) };
    let mut bodies = script.bodies;
    bodies.push(body(|view| result(see(view, "other")?, [])));
    let script = Script { bodies };
    let mut judge = include_all();
    let report = run(&Pool::new(2).unwrap(), &script, &mut judge, &options).unwrap();
    assert_eq!(judge.outputs, [(0, 0), (1, 1), (2, 0)]);
    let fallback = report.sequential.expect("the second transaction was executed twice");
    assert_eq!((fallback.from, fallback.reason), (2, Reason::Conflicts { index: 1 }));

    let bodies = (0..300).map(|_| body(|_| result(0, [("fees", Write::Add(3))])));
    let script = Script { bodies: bodies.collect() };
    let report = run(&Pool::new(2).unwrap(), &script, &mut include_all(), &options).unwrap();
    assert_eq!(report.sequential, None);
}

#[test]
fn fees_as_deltas_cause_no_execution_twice() {
    let bodies = (0..300).map(|_| body(|_| result(0, [("fees", Write::Add(3))])));
    let mut bodies: Vec<Body> = bodies.collect();
    bodies.push(body(|view| result(see(view, "other")?, [])));
    let script = Script { bodies };
    let report = outputs(4, &script).1;
    assert_eq!(report.incarnations.len(), 301);
}

#[test]
fn a_reader_of_deltas_sees_their_exact_sum() {
    let bodies = (0..200).map(|index| {
        body(move |view| {
            if index % 50 == 49 {
                return result(see(view, "fees")?, [("fees", Write::Add(1))]);
            }
            result(0, [("fees", Write::Add(3))])
        })
    });
    let script = Script { bodies: bodies.collect() };
    for workers in [1, 2, 3, 8] {
        let sums: Vec<i64> =
            outputs(workers, &script).0.into_iter().filter(|sum| *sum > 0).collect();
        assert_eq!(sums, [147, 295, 443, 591]);
    }
}

/// The second transaction spends what the first one earns, and runs before it has. Folding the two in any other order
/// would pass through a negative value.
#[test]
fn deltas_fold_in_block_order_through_a_value_that_is_never_negative() {
    let (early, earned) = (Event::default(), Event::default());
    let (ran, wait) = (early.clone(), earned.clone());
    let script = Script {
        bodies: vec![
            body(move |_| {
                early.wait();
                result(0, [("purse", Write::Add(5))])
            }),
            body(move |view| {
                let purse = view.read(&"purse")?;
                ran.happens();
                if purse < 3 {
                    view.observe("purse", purse..=purse);
                    return result(-1, []);
                }
                view.observe("purse", 3..=i64::MAX);
                earned.happens();
                result(purse, [("purse", Write::Add(-3))])
            }),
            body(move |view| {
                if view.incarnation() == 0 {
                    wait.wait();
                }
                result(see(view, "purse")?, [])
            }),
        ],
    };
    assert_eq!(outputs(3, &script).0, [0, 5, 2]);
}

#[test]
fn a_delta_that_does_not_fit_is_an_error_on_settled_values_only() {
    let script = second_runs_first(|_| result(0, [("x", Write::Add(-1))]));
    assert_eq!(outputs(2, &script).0, [0, 0]);

    let bodies = vec![body(|_| result(0, [])), body(|_| result(0, [("x", Write::Add(-1))]))];
    let script = Script { bodies };
    let expected = run_sequential(&script, &mut include_all()).unwrap_err();
    let error = run(&Pool::new(2).unwrap(), &script, &mut include_all(), &options(2)).unwrap_err();
    assert!(
        matches!(&error, RunError::OutOfRange { index: 1, location } if location == "\"x\""),
        "{error:?}"
    );
    assert_eq!(format!("{error:?}"), format!("{expected:?}"));
}

#[test]
fn skipped_writes_vanish_and_their_readers_run_again() {
    let (judging, read) = (Event::default(), Event::default());
    let (begun, done) = (judging.clone(), read.clone());
    let script = Script {
        bodies: vec![
            body(|_| result(0, [("x", Write::Set(7))])),
            body(move |view| {
                if view.incarnation() == 0 {
                    judging.wait();
                }
                let x = see(view, "x")?;
                if view.incarnation() == 0 {
                    assert_eq!(x, 7, "the write is visible until it is skipped");
                }
                read.happens();
                result(x, [])
            }),
        ],
    };
    let verdict = move |index| {
        if index == 0 {
            begun.happens();
            done.wait();
            return Verdict::Skip;
        }
        Verdict::Include
    };
    let mut judge = Judge { outputs: Vec::new(), verdict };
    let report = run(&Pool::new(2).unwrap(), &script, &mut judge, &options(2)).unwrap();
    assert_eq!(judge.outputs, [(0, 0), (1, 0)]);
    assert_eq!(outcome(&report, 0, 0), &Outcome::Skipped);
    assert_eq!(outcome(&report, 1, 0), &Outcome::Aborted { location: "x", writer: None });
}

#[test]
fn stop_ends_the_run_at_once_and_cancels_what_still_executes() {
    let endless = Event::default();
    let started = endless.clone();
    let bodies = (0..100).map(|index| {
        let endless = endless.clone();
        body(move |view| {
            if index == 50 {
                endless.happens();
                while !view.cancelled() {
                    std::thread::yield_now();
                }
            }
            result(index, [])
        })
    });
    let script = Script { bodies: bodies.collect() };
    let verdict = move |index| {
        if index < 3 {
            return Verdict::Include;
        }
        started.wait();
        Verdict::Stop
    };
    let mut judge = Judge { outputs: Vec::new(), verdict };
    let report = run(&Pool::new(2).unwrap(), &script, &mut judge, &options(2)).unwrap();
    assert_eq!((report.settled, judge.outputs.len()), (4, 4));
    assert_eq!(outcome(&report, 50, 0), &Outcome::Discarded);
}

/// Found by random blocks: while the settler is about to say stop, another worker asks for the sequential run.
#[test]
fn stop_outweighs_a_fallback_at_the_same_moment() {
    let (judging, stale, ended) = (Event::default(), Event::default(), Event::default());
    let (begun, read, seen, cancelled) =
        (judging.clone(), stale.clone(), judging.clone(), ended.clone());
    let script = Script {
        bodies: vec![
            body(|_| result(0, [])),
            body(move |_| {
                begun.wait();
                read.wait();
                // Enough for the reader to finish and to register; if not, it finds the write when it does.
                std::thread::sleep(Duration::from_millis(5));
                result(1, [("x", Write::Set(1))])
            }),
            body(move |view| {
                seen.wait();
                let x = see(view, "x")?;
                stale.happens();
                result(x, [])
            }),
            body(move |view| {
                while !view.cancelled() {
                    std::thread::yield_now();
                }
                cancelled.happens();
                result(3, [])
            }),
        ],
    };
    let verdict = move |_| {
        judging.happens();
        ended.wait();
        Verdict::Stop
    };
    let mut judge = Judge { outputs: Vec::new(), verdict };
    let options = Options { max_incarnations: 1, ..options(4) };
    let report = run(&Pool::new(4).unwrap(), &script, &mut judge, &options).unwrap();
    assert_eq!(judge.outputs, [(0, 0)]);
    assert_eq!((report.settled, report.sequential), (1, None));
}

/// A sender with many transactions: each assumes the nonce that the ones before it will leave.
#[test]
fn true_assumptions_cost_nothing_and_false_ones_run_again() {
    let runs = Arc::new(AtomicU32::new(0));
    let bodies = (0..100_i64).map(|index| {
        let runs = Arc::clone(&runs);
        body(move |view| {
            runs.fetch_add(1, Ordering::Relaxed);
            // Transaction 60 repeats nonce 59, so that it and all after it are mistaken.
            let nonce = if index < 60 { index } else { index - 1 };
            if view.settled() {
                let actual = see(view, "nonce")?;
                if actual != nonce {
                    return result(-1, []);
                }
            } else {
                view.assume("nonce", nonce..=nonce);
            }
            result(nonce, [("nonce", Write::Set(nonce + 1))])
        })
    });
    let script = Script { bodies: bodies.collect() };
    let mut expected = include_all();
    run_sequential(&script, &mut expected).unwrap();
    assert_eq!(expected.outputs[60], (60, -1));
    runs.store(0, Ordering::Relaxed);
    let (outputs, report) = outputs(4, &script);
    assert_eq!(outputs, expected.outputs.iter().map(|(_, output)| *output).collect::<Vec<_>>());
    assert!(report.incarnations.iter().all(|run| run.index >= 60 || run.incarnation == 0));
    assert_eq!(report.re_executions() + 100, u64::from(runs.load(Ordering::Relaxed)));
}

#[test]
fn an_observation_that_is_not_true_of_settled_values_is_an_error() {
    let bodies = (0..4).map(|index| {
        body(move |view| {
            if index == 2 {
                view.observe("x", 5..=5);
            }
            result(0, [])
        })
    });
    let script = Script { bodies: bodies.collect() };
    let error = run(&Pool::new(2).unwrap(), &script, &mut include_all(), &options(2)).unwrap_err();
    assert!(matches!(error, RunError::Inconsistent { index: 2, .. }), "{error:?}");
}

#[test]
fn a_value_written_again_unchanged_disturbs_nobody() {
    // 0 writes x late; 1 reads x, and writes the same y whatever it finds; 2 reads y before and after.
    let read_y = Event::default();
    let wait = read_y.clone();
    let script = Script {
        bodies: vec![
            body(move |_| {
                wait.wait();
                std::thread::sleep(Duration::from_millis(5));
                result(0, [("x", Write::Set(1))])
            }),
            body(move |view| result(see(view, "x")?, [("y", Write::Set(4))])),
            body(move |view| {
                while view.read(&"y")? == 0 {
                    std::thread::yield_now();
                }
                let value = see(view, "y")?;
                read_y.happens();
                result(value, [])
            }),
        ],
    };
    let (outputs, report) = outputs(3, &script);
    assert_eq!(outputs, [0, 1, 4]);
    assert_eq!(report.incarnations.iter().filter(|run| run.index == 2).count(), 1);
}

#[test]
fn an_empty_block_and_a_small_one_need_no_workers() {
    let empty = Script { bodies: Vec::new() };
    let report = run(&Pool::new(2).unwrap(), &empty, &mut include_all(), &options(2)).unwrap();
    assert_eq!(report.settled, 0);
    let one = Script { bodies: vec![body(|_| result(9, []))] };
    let mut judge = include_all();
    let report = run(&Pool::new(2).unwrap(), &one, &mut judge, &options(2)).unwrap();
    assert_eq!(judge.outputs, [(0, 9)]);
    assert_eq!(report.sequential.map(|fallback| fallback.reason), Some(Reason::FewTransactions));
}

#[test]
fn a_pool_runs_block_after_block() {
    let pool = Pool::new(3).unwrap();
    for round in 0..200 {
        let bodies = (0..10).map(|_| {
            body(move |view| {
                let x = see(view, "x")?;
                result(x, [("x", Write::Set(x + round))])
            })
        });
        let script = Script { bodies: bodies.collect() };
        let mut judge = include_all();
        run(&pool, &script, &mut judge, &options(3)).unwrap();
        assert_eq!(judge.outputs.last(), Some(&(9, 9 * round)));
    }
}
