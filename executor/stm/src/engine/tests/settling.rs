//! Verdicts: what is skipped vanishes, and after a stop nothing goes on.

use super::*;

#[test]
fn skipped_writes_vanish_and_their_readers_run_again() {
    let (judging, read) = (Event::default(), Event::default());
    let (begun, done) = (judging.clone(), read.clone());
    let script = Script {
        bodies: vec![
            body(|view| result(view, 0, [("x", Write::Set(7))])),
            body(move |view| {
                if view.incarnation() == 0 {
                    judging.wait();
                }
                let x = see(view, "x")?;
                if view.incarnation() == 0 {
                    assert_eq!(x, 7, "the write is visible until it is skipped");
                }
                read.happens();
                result(view, x, [])
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
    let report = run_script(&script, &mut judge, &options(2)).unwrap();
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
            result(view, index, [])
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
    let report = run_script(&script, &mut judge, &options(2)).unwrap();
    assert_eq!((report.settled, judge.outputs.len()), (4, 4));
    assert_eq!(outcome(&report, 50, 0), &Outcome::Discarded);
}
