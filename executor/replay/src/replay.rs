//! Executing a block in every way that is asked for: comparing the results, then measuring the time.

mod report;

pub use report::{BestSpeedup, BlockReport, ParallelReport, Times};

use crate::difference::{Difference, difference, field};
use crate::load::Load;
use crate::plain::{PlainError, PlainLoop};
use crate::schedule::foreseeable;
use std::fmt;
use std::time::{Duration, Instant};
use weft_evm::{Executed, ExecutionError, Executor, Mode, Products, SpecId};

/// What to do with each block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayOptions {
    /// Numbers of workers, in the order of the report.
    pub workers: Vec<usize>,
    /// Compare every result with the oracle's, as often as `repeat` says.
    pub compare: bool,
    /// Execute with the block's own access list, too.
    pub with_list: bool,
    /// How often each way is measured.
    pub repeat: u32,
    /// Let all workers take part, also where there are fewer cores, and in small blocks; see [`Executor::oversubscribed`].
    pub oversubscribe: bool,
}

/// A way to execute a block, as an error and a report name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The plain loop of revm.
    Plain,
    /// The executor's oracle.
    Oracle,
    /// In parallel, on so many workers.
    Parallel(usize),
    /// With the access list, on so many workers.
    WithList(usize),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain loop"),
            Self::Oracle => f.write_str("oracle"),
            Self::Parallel(1) => f.write_str("1 worker"),
            Self::Parallel(workers) => write!(f, "{workers} workers"),
            Self::WithList(1) => f.write_str("1 worker with list"),
            Self::WithList(workers) => write!(f, "{workers} workers with list"),
        }
    }
}

/// Why a block could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A result is not what the header or the oracle says.
    #[error(
        "block {block}: {}: {way} differs from the {against}: expected {}, found {}",
        difference.field, difference.expected, difference.found
    )]
    Differs {
        /// The block.
        block: String,
        /// The way that gave the other value.
        way: Way,
        /// `header` or `oracle`.
        against: &'static str,
        /// Where they part.
        difference: Box<Difference>,
    },
    /// An execution says that a block is invalid, but the chain has it.
    #[error("block {block}: {way}: {error}")]
    Execution {
        /// The block.
        block: String,
        /// The way.
        way: Way,
        /// What the executor says.
        error: ExecutionError,
    },
    /// The plain loop cannot execute a block.
    #[error("block {block}: {error}")]
    Plain {
        /// The block.
        block: String,
        /// What it says.
        error: PlainError,
    },
}

/// Replays blocks; keeps its workers and their code between them, as a node does.
#[derive(Debug)]
pub struct Replayer {
    executors: Vec<(usize, Executor)>,
    plain: PlainLoop,
    options: ReplayOptions,
}

impl Replayer {
    /// Starts the workers.
    #[must_use]
    pub fn new(options: ReplayOptions) -> Self {
        let executor = |n: &usize| match Executor::new(*n) {
            all if options.oversubscribe => (*n, all.oversubscribed()),
            as_useful => (*n, as_useful),
        };
        let executors = options.workers.iter().map(executor).collect();
        Self { executors, plain: PlainLoop::default(), options }
    }

    /// Executes a block in every way, compares what it gives with the header and, where asked, with the oracle, and then
    /// measures. Only the measured runs leave out what the comparison needs.
    ///
    /// # Errors
    /// [`ReplayError`] naming the block, and the field that differs.
    pub fn replay(&self, load: &Load) -> Result<BlockReport, ReplayError> {
        let times = if self.options.compare { self.options.repeat.max(1) } else { 1 };
        let reference = self.verify_times(load, times)?;
        self.measure(load, &reference)
    }

    /// Executes a block once in every way and compares what it gives, as [`replay`](Self::replay) does, without measuring.
    /// Returns one of the results, with all products.
    ///
    /// # Errors
    /// As [`replay`](Self::replay).
    pub fn verify(&self, load: &Load) -> Result<Executed, ReplayError> {
        self.verify_times(load, 1)
    }

    fn verify_times(&self, load: &Load, times: u32) -> Result<Executed, ReplayError> {
        let oracle = if self.options.compare {
            let way = Way::Oracle;
            let executed = self.execute(load, way, Mode::Oracle, Products::ALL)?;
            Some(against_header(load, way, executed)?)
        } else {
            None
        };
        let mut first = None;
        for (workers, executor) in (0..times).flat_map(|_| &self.executors) {
            let way = Way::Parallel(*workers);
            let executed = run(executor, load, way, Mode::Verify, Products::ALL)?;
            let executed = against_header(load, way, executed)?;
            against_oracle(load, way, oracle.as_ref(), &executed)?;
            if self.options.with_list {
                let way = Way::WithList(*workers);
                let mode = Mode::WithList(&executed.access_list);
                let listed = run(executor, load, way, mode, Products::ALL)?;
                let listed = against_header(load, way, listed)?;
                // Without the oracle, at least the other way must agree.
                against_oracle(load, way, oracle.as_ref().or(Some(&executed)), &listed)?;
            }
            first.get_or_insert(executed);
        }
        Ok(oracle.or(first).expect("a replay has at least one number of workers"))
    }

    /// Executes a block once more on the most workers, with everything that a record needs, and compares it with the header.
    ///
    /// # Errors
    /// As [`replay`](Self::replay).
    pub fn record(&self, load: &Load) -> Result<Executed, ReplayError> {
        let most = self.executors.iter().max_by_key(|(workers, _)| *workers);
        let (workers, executor) = most.expect("a replay has workers");
        let way = Way::Parallel(*workers);
        against_header(load, way, run(executor, load, way, Mode::Verify, Products::ALL)?)
    }

    fn measure(&self, load: &Load, reference: &Executed) -> Result<BlockReport, ReplayError> {
        let failed = |error| ReplayError::Plain { block: load.name.clone(), error };
        let input = load.input();
        let weights = self.plain.run(&input, &*load.state, true).map_err(failed)?.nanoseconds;
        let mut plain = Vec::new();
        let ways: Vec<(&Executor, Way)> = self
            .executors
            .iter()
            .flat_map(|(n, executor)| {
                [(executor, Way::Parallel(*n)), (executor, Way::WithList(*n))]
            })
            .filter(|(_, way)| self.options.with_list || !matches!(way, Way::WithList(_)))
            .collect();
        let mut samples = vec![Vec::new(); ways.len()];
        let mut reexecutions = vec![0; ways.len()];
        for _ in 0..self.options.repeat.max(1) {
            for (place, (executor, way)) in ways.iter().enumerate() {
                let start = Instant::now();
                let run_plain = self.plain.run(&input, &*load.state, false).map_err(failed)?;
                plain.push(start.elapsed());
                same_gas(load, Way::Plain, run_plain.gas_used)?;
                drop(run_plain);
                let mode = match way {
                    Way::WithList(_) => Mode::WithList(&reference.access_list),
                    _ => Mode::Verify,
                };
                let start = Instant::now();
                let executed = run(executor, load, *way, mode, Products::NONE)?;
                samples[place].push(start.elapsed());
                same_gas(load, *way, executed.gas_used)?;
                reexecutions[place] = executed.profile.reexecutions();
            }
        }
        let parallel = ways
            .iter()
            .zip(samples)
            .zip(reexecutions)
            .map(|(((_, way), samples), again)| (*way, samples, again))
            .collect::<Vec<(Way, Vec<Duration>, u64)>>();
        let record = foreseeable(&reference.access_record, &load.transactions);
        Ok(BlockReport::new(load, &record, &weights, plain, parallel))
    }

    fn execute(
        &self,
        load: &Load,
        way: Way,
        mode: Mode<'_>,
        products: Products,
    ) -> Result<Executed, ReplayError> {
        let (_, executor) = self.executors.first().expect("a replay has workers");
        run(executor, load, way, mode, products)
    }
}

fn run(
    executor: &Executor,
    load: &Load,
    way: Way,
    mode: Mode<'_>,
    products: Products,
) -> Result<Executed, ReplayError> {
    executor
        .execute(&load.input(), &load.state, mode, products)
        .map_err(|error| ReplayError::Execution { block: load.name.clone(), way, error })
}

/// Compares with the header what a header says of execution. The receipts before Byzantium carry state roots, which are not
/// computed here, so their root is not compared.
fn against_header(load: &Load, way: Way, executed: Executed) -> Result<Executed, ReplayError> {
    let header = &load.header;
    let roots = load.rules.spec.is_enabled_in(SpecId::BYZANTIUM);
    let found = field("gasUsed", &header.gas_used, &executed.gas_used)
        .or_else(|| field("logsBloom", &header.logs_bloom, &executed.logs_bloom))
        .or_else(|| {
            let compared = roots.then_some(&executed.receipts_root)?;
            field("receiptsRoot", &header.receipts_root, compared)
        })
        .or_else(|| field("requestsHash", &header.requests_hash?, &executed.requests_hash));
    match found {
        None => Ok(executed),
        Some(difference) => Err(differs(load, way, "header", difference)),
    }
}

fn against_oracle(
    load: &Load,
    way: Way,
    oracle: Option<&Executed>,
    executed: &Executed,
) -> Result<(), ReplayError> {
    match oracle.and_then(|oracle| difference(oracle, executed)) {
        None => Ok(()),
        Some(difference) => Err(differs(load, way, "oracle", difference)),
    }
}

fn same_gas(load: &Load, way: Way, gas_used: u64) -> Result<(), ReplayError> {
    match field("gasUsed", &load.header.gas_used, &gas_used) {
        None => Ok(()),
        Some(difference) => Err(differs(load, way, "header", difference)),
    }
}

fn differs(load: &Load, way: Way, against: &'static str, difference: Difference) -> ReplayError {
    let difference = Box::new(difference);
    ReplayError::Differs { block: load.name.clone(), way, against, difference }
}
