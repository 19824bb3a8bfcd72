//! What a transaction reads, and when it has to read again.

use super::*;

#[test]
fn a_stale_read_is_executed_again() {
    let script = second_runs_first(|view| see_result(view, "x", []));
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
            body(move |view| {
                stale.wait();
                result(view, 0, [("x", Write::Set(1))])
            }),
            // Aborted by the first transaction; its second incarnation lasts until the third has met the estimate.
            body(move |view| {
                let x = see(view, "x")?;
                read.happens();
                if view.incarnation() > 0 {
                    running.happens();
                    met.wait();
                }
                result(view, x, [("y", Write::Set(10 + x))])
            }),
            body(move |view| {
                again.wait();
                let y = see(view, "y");
                tried.happens();
                result(view, y?, [])
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
        look(view, "x")?;
        result(view, 5, [])
    });
    assert_eq!(outputs(2, &script).1.re_executions, 0);
}

#[test]
fn an_observation_that_still_holds_survives_a_new_value() {
    let script = second_runs_first(|view| {
        see_in(view, "x", |_| 0..=9)?;
        result(view, 5, [])
    });
    assert_eq!(outputs(2, &script).1.re_executions, 0);
}

#[test]
fn fees_as_deltas_cause_no_execution_twice() {
    let bodies = (0..300).map(|_| body(|view| result(view, 0, [("fees", Write::Add(3))])));
    let mut bodies: Vec<Body> = bodies.collect();
    bodies.push(body(|view| see_result(view, "other", [])));
    let script = Script { bodies };
    let report = outputs(4, &script).1;
    assert_eq!(report.incarnations.len(), 301);
}

#[test]
fn a_reader_of_deltas_sees_their_exact_sum() {
    let bodies = (0..200).map(|index| {
        body(move |view| {
            if index % 50 == 49 {
                return see_result(view, "fees", [("fees", Write::Add(1))]);
            }
            result(view, 0, [("fees", Write::Add(3))])
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
            body(move |view| {
                early.wait();
                result(view, 0, [("purse", Write::Add(5))])
            }),
            body(move |view| {
                let bound = |purse| if purse < 3 { purse..=purse } else { 3..=i64::MAX };
                let purse = see_in(view, "purse", bound)?;
                ran.happens();
                if purse < 3 {
                    return result(view, -1, []);
                }
                earned.happens();
                result(view, purse, [("purse", Write::Add(-3))])
            }),
            body(move |view| {
                if view.incarnation() == 0 {
                    wait.wait();
                }
                see_result(view, "purse", [])
            }),
        ],
    };
    assert_eq!(outputs(3, &script).0, [0, 5, 2]);
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
                    return result(view, -1, []);
                }
            } else {
                let cell = view.cell(&"nonce")?;
                view.assume(cell, 0, nonce..=nonce);
            }
            result(view, nonce, [("nonce", Write::Set(nonce + 1))])
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
    assert_eq!(report.re_executions + 100, u64::from(runs.load(Ordering::Relaxed)));
}

#[test]
fn a_value_written_again_unchanged_disturbs_nobody() {
    // 0 writes x late; 1 reads x, and writes the same y whatever it finds; 2 reads y before and after.
    let read_y = Event::default();
    let wait = read_y.clone();
    let script = Script {
        bodies: vec![
            body(move |view| {
                wait.wait();
                std::thread::sleep(Duration::from_millis(5));
                result(view, 0, [("x", Write::Set(1))])
            }),
            body(move |view| see_result(view, "x", [("y", Write::Set(4))])),
            body(move |view| {
                while look(view, "y")? == 0 {
                    std::thread::yield_now();
                }
                let value = see(view, "y")?;
                read_y.happens();
                result(view, value, [])
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
    let report = run_script(&empty, &mut include_all(), &options(2)).unwrap();
    assert_eq!(report.settled, 0);
    let one = Script { bodies: vec![body(|view| result(view, 9, []))] };
    let mut judge = include_all();
    let report = run_script(&one, &mut judge, &options(2)).unwrap();
    assert_eq!(judge.outputs, [(0, 9)]);
    assert_eq!(report.sequential.map(|fallback| fallback.reason), Some(Reason::FewTransactions));
}

#[test]
fn a_pool_runs_block_after_block() {
    let pool = Pool::new(3).unwrap().oversubscribed();
    for round in 0..200 {
        let bodies = (0..10).map(|_| {
            body(move |view| {
                let x = see(view, "x")?;
                result(view, x, [("x", Write::Set(x + round))])
            })
        });
        let script = Script { bodies: bodies.collect() };
        let mut judge = include_all();
        run(&pool, &script, &mut judge, &options(3)).unwrap();
        assert_eq!(judge.outputs.last(), Some(&(9, 9 * round)));
    }
}
