//! One block in numbers.

use super::Way;
use crate::load::Load;
use crate::schedule::best_speedup;
use serde::Serialize;
use std::time::Duration;
use weft_types::AccessRecord;

/// What replaying one block showed. Times in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockReport {
    /// Its name: the number of a real block.
    pub block: String,
    /// The fork, as revm names it.
    pub fork: String,
    /// Transactions in it.
    pub transactions: usize,
    /// Gas that they used.
    pub gas_used: u64,
    /// The plain loop of revm.
    pub sequential: Times,
    /// The executor, for each number of workers.
    pub parallel: Vec<ParallelReport>,
    /// Transactions that read what another one of the block wrote, nonces of their own senders aside.
    pub dependent_transactions: usize,
    /// The heaviest chain of dependent transactions, in gas.
    pub critical_path_gas: u64,
    /// What the perfect schedule reaches, where a transaction takes as long as the gas that it uses.
    pub best_by_gas: Vec<BestSpeedup>,
    /// What the perfect schedule reaches, where it takes as long as it took in the plain loop.
    pub best_by_time: Vec<BestSpeedup>,
}

/// The executor on so many workers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParallelReport {
    /// Number of workers.
    pub workers: usize,
    /// Executed with the block's access list, without speculation.
    pub with_list: bool,
    /// How long it took.
    #[serde(flatten)]
    pub times: Times,
    /// Median of the plain loop over this median.
    pub speedup: f64,
    /// Executions that were discarded in the last run.
    pub reexecutions: u64,
}

/// The middle and the smallest of several times, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// The middle one.
    pub median_us: f64,
    /// The smallest.
    pub minimum_us: f64,
}

/// The best speed-up on so many workers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BestSpeedup {
    /// Number of workers; `None` for as many as there are transactions.
    pub workers: Option<usize>,
    /// Time of one worker over theirs.
    pub speedup: f64,
}

/// The numbers of workers that the perfect schedule is computed for, besides an unlimited number.
const SCHEDULED_WORKERS: [usize; 4] = [2, 4, 8, 16];

impl Times {
    /// Sums samples up; the median of an even number of them is the mean of the two in the middle.
    ///
    /// # Panics
    /// When there are no samples.
    #[must_use]
    pub fn of(mut samples: Vec<Duration>) -> Self {
        assert!(!samples.is_empty(), "nothing was measured");
        samples.sort_unstable();
        let us = |place: usize| samples[place].as_secs_f64() * 1e6;
        let (low, high) = ((samples.len() - 1) / 2, samples.len() / 2);
        Self { median_us: (us(low) + us(high)) / 2.0, minimum_us: us(0) }
    }
}

impl BlockReport {
    pub(super) fn new(
        load: &Load,
        record: &AccessRecord,
        weights: &[u64],
        plain: Vec<Duration>,
        parallel: Vec<(Way, Vec<Duration>, u64)>,
    ) -> Self {
        let sequential = Times::of(plain);
        let parallel = parallel
            .into_iter()
            .filter_map(|(way, samples, reexecutions)| {
                let (workers, with_list) = match way {
                    Way::Parallel(workers) => (workers, false),
                    Way::WithList(workers) => (workers, true),
                    Way::Plain | Way::Oracle => return None,
                };
                let times = Times::of(samples);
                let speedup = sequential.median_us / times.median_us;
                Some(ParallelReport { workers, with_list, times, speedup, reexecutions })
            })
            .collect();
        let gas: Vec<u64> = record.transactions.iter().map(|access| access.gas_used).collect();
        Self {
            block: load.name.clone(),
            fork: format!("{:?}", load.rules.spec),
            transactions: load.transactions.len(),
            gas_used: load.header.gas_used,
            sequential,
            parallel,
            dependent_transactions: record.dependent_transactions(),
            critical_path_gas: record.critical_path().0,
            best_by_gas: best(record, &gas),
            best_by_time: best(record, weights),
        }
    }
}

fn best(record: &AccessRecord, weights: &[u64]) -> Vec<BestSpeedup> {
    let all = record.transactions.len().max(1);
    SCHEDULED_WORKERS
        .into_iter()
        .map(|workers| BestSpeedup {
            workers: Some(workers),
            speedup: best_speedup(record, weights, workers),
        })
        .chain([BestSpeedup { workers: None, speedup: best_speedup(record, weights, all) }])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(samples: &[u64]) -> Times {
        Times::of(samples.iter().map(|us| Duration::from_micros(*us)).collect())
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(times(&[9, 1, 5]), Times { median_us: 5.0, minimum_us: 1.0 });
        assert_eq!(times(&[9, 1, 5, 6]), Times { median_us: 5.5, minimum_us: 1.0 });
        assert_eq!(times(&[4]), Times { median_us: 4.0, minimum_us: 4.0 });
    }
}
