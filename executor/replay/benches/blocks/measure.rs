//! Running a block in turns: the plain loop, then the executor in one of its ways.

use crate::system::cpu_ticks;
use std::fmt;
use std::time::{Duration, Instant};
use weft_evm::{Executed, Executor, Mode, Products};
use weft_replay::Load;
use weft_replay::plain::PlainLoop;
use weft_types::Bytes;

/// Runs that take less than this are repeated more often.
const SHORT: Duration = Duration::from_millis(1);

/// For how long workers are told to look out for the block, as a node does when one is on its way.
const WARM: Duration = Duration::from_millis(5);

/// How long before the block comes.
const WAKING: Duration = Duration::from_micros(100);

/// How much more often.
const SHORT_ROUNDS_FACTOR: usize = 20;

/// A way to execute a block with the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In parallel, for receipts and the net change.
    Parallel(usize),
    /// The same with the block access list, which is made beforehand and decoded within the time.
    WithList(usize),
    /// In parallel, with everything that a node keeps: access list, access record, roots, profile.
    AllProducts(usize),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parallel(1) => f.write_str("1 worker"),
            Self::Parallel(workers) => write!(f, "{workers} workers"),
            Self::WithList(workers) => write!(f, "{workers}, list"),
            Self::AllProducts(workers) => write!(f, "{workers}, all products"),
        }
    }
}

/// What was measured of one way.
pub(crate) struct Series {
    pub(crate) way: Way,
    /// The plain loop, each just before the run of the same place in `own`.
    pub(crate) plain: Vec<Duration>,
    /// The executor.
    pub(crate) own: Vec<Duration>,
    /// Processor time of all runs of the plain loop, in ticks.
    pub(crate) plain_ticks: u64,
    /// Processor time of all runs of the executor, in ticks.
    pub(crate) own_ticks: u64,
    /// Discarded executions, all runs together.
    pub(crate) reexecutions: u64,
    /// Why the times mean nothing.
    pub(crate) failure: Option<String>,
}

/// Executors for all numbers of workers, and the plain loop.
pub(crate) struct Bench {
    executors: Vec<(usize, Executor)>,
    plain: PlainLoop,
    pause: Duration,
}

impl Bench {
    pub(crate) fn new(workers: &[usize], pause: Duration) -> Self {
        let executors = workers.iter().map(|n| (*n, Executor::new(*n))).collect();
        Self { executors, plain: PlainLoop::default(), pause }
    }

    /// Executes a block once, with all products.
    pub(crate) fn run_once(&self, load: &Load, way: Way) -> Result<Executed, String> {
        self.execute(load, way, &Bytes::new())
    }

    /// Measures a block in all ways.
    pub(crate) fn measure(&self, load: &Load, rounds: usize) -> Result<Vec<Series>, String> {
        let (input, state) = (load.input(), &*load.state);
        let plain = |of: &PlainLoop| {
            let start = Instant::now();
            let run = of.run(&input, state, false).map_err(|error| error.to_string())?;
            Ok::<_, String>((start.elapsed(), run.gas_used))
        };
        // Warms the analysed code of both sides, and is the reference.
        let (_, gas_used) = plain(&self.plain)?;
        let (first, _) = plain(&self.plain)?;
        let rounds = if first < SHORT { rounds * SHORT_ROUNDS_FACTOR } else { rounds };
        let list = self.access_list(load);
        let mut all: Vec<Series> =
            self.ways().into_iter().map(|way| Series::new(way, list.as_ref().err())).collect();
        let list = list.unwrap_or_default();
        for series in &mut all {
            // Once unmeasured: the first run of a kind pays for caches and pages.
            if series.failure.is_none()
                && let Err(failure) = self.execute(load, series.way, &list)
            {
                series.failure = Some(failure);
            }
        }
        for _ in 0..rounds {
            for series in &mut all {
                if series.failure.is_some() {
                    continue;
                }
                if !self.pause.is_zero() {
                    std::thread::sleep(self.pause);
                }
                let ticks = cpu_ticks();
                let start = Instant::now();
                let run = self.plain.run(&input, state, false).map_err(|e| e.to_string())?;
                series.plain.push(start.elapsed());
                let between = cpu_ticks();
                series.plain_ticks += between - ticks;
                drop(run);
                self.executor(series.way)?.warm(WARM);
                std::thread::sleep(WAKING);
                let ticks = cpu_ticks();
                let start = Instant::now();
                let executed = self.execute(load, series.way, &list);
                series.own.push(start.elapsed());
                series.own_ticks += cpu_ticks() - ticks;
                series.judge(executed, gas_used);
            }
        }
        Ok(all)
    }

    /// The ways, in the order of the table: parallel, with list, and one with all products.
    fn ways(&self) -> Vec<Way> {
        let workers = || self.executors.iter().map(|(workers, _)| *workers);
        let kept = workers().filter(|n| *n <= 2).last().or(workers().last());
        workers()
            .map(Way::Parallel)
            .chain(workers().map(Way::WithList))
            .chain(kept.map(Way::AllProducts))
            .collect()
    }

    fn access_list(&self, load: &Load) -> Result<Bytes, String> {
        let (workers, _) = self.executors.first().ok_or("no number of workers")?;
        Ok(self.run_once(load, Way::AllProducts(*workers))?.access_list)
    }

    fn execute(&self, load: &Load, way: Way, list: &Bytes) -> Result<Executed, String> {
        let (mode, products) = match way {
            Way::Parallel(_) => (Mode::Verify, Products::NONE),
            Way::WithList(_) => (Mode::WithList(list), Products::NONE),
            Way::AllProducts(_) => (Mode::Verify, Products::ALL),
        };
        self.executor(way)?
            .execute(&load.input(), &load.state, mode, products)
            .map_err(|error| format!("{way}: {error}"))
    }
}

impl Bench {
    fn executor(&self, way: Way) -> Result<&Executor, String> {
        let (Way::Parallel(workers) | Way::WithList(workers) | Way::AllProducts(workers)) = way;
        let found = self.executors.iter().find(|(of, _)| *of == workers);
        found
            .map(|(_, executor)| executor)
            .ok_or_else(|| format!("no executor has {workers} workers"))
    }
}

impl Series {
    fn new(way: Way, failure: Option<&String>) -> Self {
        Self {
            way,
            plain: Vec::new(),
            own: Vec::new(),
            plain_ticks: 0,
            own_ticks: 0,
            reexecutions: 0,
            failure: failure.cloned(),
        }
    }

    /// Times of a wrong result are no times.
    fn judge(&mut self, executed: Result<Executed, String>, gas_used: u64) {
        match executed {
            Err(failure) => self.failure = Some(failure),
            Ok(executed) if executed.gas_used != gas_used => {
                let found = executed.gas_used;
                self.failure = Some(format!("gas used: expected {gas_used}, found {found}"));
            }
            Ok(executed) => self.reexecutions += executed.profile.reexecutions(),
        }
    }
}
