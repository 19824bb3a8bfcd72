//! Blocks whose schedule is forced: transactions and the settler wait for each other at chosen points.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::vm::Write;
use crate::{Settled, Verdict, run_sequential};

mod chores;
mod failing;
mod hazards;
mod reading;
mod settling;

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
    type Key = &'static str;
    type Base = i64;
    type Value = i64;
    type Delta = i64;
    type Observation = Range;
    type Output = i64;
    type Fatal = Unreadable;
    type Location = &'static str;
    /// Whether an execution is under way, or was when it panicked.
    type Worker<'r> = bool;

    fn transactions(&self) -> u32 {
        count(self.bodies.len())
    }
    fn worker(&self) -> bool {
        false
    }
    fn base(&self, key: &&'static str) -> Result<i64, Unreadable> {
        if *key == "unreadable" { Err(Unreadable(key)) } else { Ok(0) }
    }
    fn field(&self, base: &i64, _: Field) -> i64 {
        *base
    }
    fn location(&self, key: &&'static str, _: Field) -> &'static str {
        key
    }
    fn apply(&self, value: &i64, delta: &i64) -> Option<i64> {
        value.checked_add(*delta).filter(|sum| *sum >= 0)
    }
    fn holds(&self, observation: &Range, value: &i64) -> bool {
        observation.contains(value)
    }
    fn execute<'r>(&'r self, under_way: &mut bool, view: &mut View<'r, Self>) -> Executed {
        assert!(!*under_way, "the machine was left in the middle of an execution");
        *under_way = true;
        let executed = (self.bodies[view.index() as usize])(view);
        *under_way = false;
        executed
    }
}

/// Reads without observing.
fn look(view: &mut View<'_, Script>, key: &'static str) -> Result<i64, Stop<Unreadable>> {
    let cell = view.cell(&key)?;
    Ok(view.read(cell, 0)?.value)
}

/// Reads, and observes that the value is one of `range`.
fn see_in(
    view: &mut View<'_, Script>,
    key: &'static str,
    range: impl FnOnce(i64) -> Range,
) -> Result<i64, Stop<Unreadable>> {
    let cell = view.cell(&key)?;
    let read = view.read(cell, 0)?;
    view.observe(cell, 0, read.seen, range(read.value));
    Ok(read.value)
}

/// Reads and observes exactly.
fn see(view: &mut View<'_, Script>, key: &'static str) -> Result<i64, Stop<Unreadable>> {
    see_in(view, key, |value| value..=value)
}

/// An execution with this output and these writes.
fn result(
    view: &mut View<'_, Script>,
    output: i64,
    writes: impl IntoIterator<Item = (&'static str, Write<i64, i64>)>,
) -> Executed {
    let mut puts = Vec::new();
    for (key, write) in writes {
        puts.push(Put { cell: view.cell(&key)?, field: 0, write });
    }
    Ok(Execution { writes: puts, output })
}

/// An execution that sees one value exactly and returns it.
fn see_result(
    view: &mut View<'_, Script>,
    key: &'static str,
    writes: impl IntoIterator<Item = (&'static str, Write<i64, i64>)>,
) -> Executed {
    let value = see(view, key)?;
    result(view, value, writes)
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

/// Runs the block on a pool of its own.
fn run_script<S: Settle<Script> + Send>(
    script: &Script,
    judge: &mut S,
    options: &Options,
) -> Result<Report<&'static str>, RunError<Unreadable>> {
    run(&Pool::new(options.workers).unwrap().oversubscribed(), script, judge, options)
        .map(|(report, _)| report)
}

/// Runs the block on `workers` workers and returns the outputs in block order.
fn outputs(workers: usize, script: &Script) -> (Vec<i64>, Report<&'static str>) {
    let mut judge = include_all();
    let report = run_script(script, &mut judge, &options(workers)).unwrap();
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
            body(move |view| {
                ran.wait();
                result(view, 0, [("x", Write::Set(1))])
            }),
            body(move |view| {
                let _announce = Announce(run_once.clone());
                second(view)
            }),
        ],
    }
}
