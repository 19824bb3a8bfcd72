//! Failures, panics and broken promises: none of them is believed before it is certain.

use super::*;

#[test]
fn a_speculative_failure_is_no_verdict() {
    let script = second_runs_first(|view| match see(view, "x")? {
        0 => Err(Stop::Fatal(Unreadable("x"))),
        x => result(view, x, []),
    });
    let (outputs, report) = outputs(2, &script);
    assert_eq!(outputs, [0, 1]);
    assert_eq!(outcome(&report, 1, 0), &Outcome::Failed);
}

#[test]
fn a_speculative_failure_that_observed_nothing_is_tried_again() {
    let script = second_runs_first(|view| match look(view, "x")? {
        0 => Err(Stop::Fatal(Unreadable("x"))),
        x => result(view, x, []),
    });
    assert_eq!(outputs(2, &script).0, [0, 1]);
}

#[test]
fn a_snapshot_that_fails_where_the_block_never_reads_does_not_matter() {
    let script = second_runs_first(|view| match see(view, "x")? {
        0 => see_result(view, "unreadable", []),
        x => result(view, x, []),
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
                if index == 7 { see_result(view, "unreadable", []) } else { result(view, 0, []) }
            },
        )
    });
    let script = Script { bodies: bodies.collect() };
    let mut judge = include_all();
    let error = run_script(&script, &mut judge, &options(4)).unwrap_err();
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
        result(view, x, [])
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
                result(view, x, [("x", Write::Set(x + 1))])
            })
        });
        let script = Script { bodies: bodies.collect() };
        let mut judge = include_all();
        let error = run_script(&script, &mut judge, &options(workers)).unwrap_err();
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
    let script = Script { bodies: (0..40).map(|_| body(|view| result(view, 0, []))).collect() };
    let verdict = |index| {
        assert!(index != 11, "expected in this test: settler");
        Verdict::Include
    };
    let mut judge = Judge { outputs: Vec::new(), verdict };
    let error = run_script(&script, &mut judge, &options(4)).unwrap_err();
    assert!(matches!(error, RunError::Panicked { index: 11, .. }), "{error:?}");
}

#[test]
fn a_transaction_over_its_incarnations_runs_once_more_when_all_below_is_settled() {
    for max_incarnations in [0, 1] {
        let script = second_runs_first(|view| see_result(view, "x", []));
        let mut judge = include_all();
        let options = Options { max_incarnations, ..options(2) };
        let report = run_script(&script, &mut judge, &options).unwrap();
        assert_eq!(judge.outputs, [(0, 0), (1, 1)]);
        assert_eq!((report.executions, report.sequential), (3, None));
        assert_eq!(outcome(&report, 1, 1), &Outcome::Settled);
    }
}

/// The third transaction is wrong about what it read and may not run again before the first is settled, which waits for the
/// fourth: that one goes on.
#[test]
fn a_transaction_that_is_held_holds_nobody_else() {
    let (ran, beyond) = (Event::default(), Event::default());
    let (run_once, passed) = (ran.clone(), beyond.clone());
    let script = Script {
        bodies: vec![
            body(move |view| {
                beyond.wait();
                result(view, 0, [])
            }),
            body(move |view| {
                ran.wait();
                result(view, 0, [("x", Write::Set(1))])
            }),
            body(move |view| {
                let x = see(view, "x")?;
                run_once.happens();
                result(view, x, [("y", Write::Set(x))])
            }),
            body(move |view| {
                while look(view, "x")? == 0 {
                    std::thread::yield_now();
                }
                passed.happens();
                result(view, 3, [])
            }),
        ],
    };
    let mut judge = include_all();
    let options = Options { max_incarnations: 1, ..options(4) };
    let report = run_script(&script, &mut judge, &options).unwrap();
    assert_eq!(judge.outputs, [(0, 0), (1, 0), (2, 1), (3, 3)]);
    assert_eq!(outcome(&report, 3, 0), &Outcome::Settled);
    assert!(report.executions <= 5, "{}", report.executions);
}

/// Transaction 2 takes without looking what transaction 0 has not brought yet; a reader above it cannot know a value
/// before both are settled, and is called then.
#[test]
fn a_reader_above_a_delta_that_does_not_fit_yet_waits_until_it_settles() {
    let tried = Event::default();
    let met = tried.clone();
    let script = Script {
        bodies: vec![
            body(move |view| {
                met.wait();
                result(view, 0, [("x", Write::Set(1))])
            }),
            body(|view| result(view, 0, [("x", Write::Add(-1))])),
            body(move |view| {
                while view.incarnation() == 0 {
                    if let Err(stop) = look(view, "x") {
                        tried.happens();
                        return Err(stop);
                    }
                    std::thread::yield_now();
                }
                see_result(view, "x", [])
            }),
        ],
    };
    let (outputs, report) = outputs(3, &script);
    assert_eq!(outputs, [0, 0, 0]);
    assert_eq!(outcome(&report, 2, 0), &Outcome::Blocked { on: 1 });
    assert_eq!(outcome(&report, 1, 0), &Outcome::Settled);
}

#[test]
fn a_delta_that_does_not_fit_is_an_error_on_settled_values_only() {
    let script = second_runs_first(|view| result(view, 0, [("x", Write::Add(-1))]));
    assert_eq!(outputs(2, &script).0, [0, 0]);

    let bodies = vec![
        body(|view| result(view, 0, [])),
        body(|view| result(view, 0, [("x", Write::Add(-1))])),
    ];
    let script = Script { bodies };
    let expected = run_sequential(&script, &mut include_all()).unwrap_err();
    let error = run_script(&script, &mut include_all(), &options(2)).unwrap_err();
    assert!(
        matches!(&error, RunError::OutOfRange { index: 1, location } if location == "\"x\""),
        "{error:?}"
    );
    assert_eq!(format!("{error:?}"), format!("{expected:?}"));
}

#[test]
fn an_observation_that_is_not_true_of_settled_values_is_an_error() {
    let bodies = (0..4).map(|index| {
        body(move |view| {
            if index == 2 {
                see_in(view, "x", |_| 5..=5)?;
            }
            result(view, 0, [])
        })
    });
    let script = Script { bodies: bodies.collect() };
    let error = run_script(&script, &mut include_all(), &options(2)).unwrap_err();
    assert!(matches!(error, RunError::Inconsistent { index: 2, .. }), "{error:?}");
}
