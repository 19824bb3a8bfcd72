//! From the engine's report to the local profile of a run.

use weft_stm::{Outcome, Report};
use weft_types::{Incarnation, IncarnationOutcome, Location, RunMode, RunProfile, TxIndex};

/// The profile in terms of places in the block. Incarnations of candidates that were left out are left out, too.
pub(crate) fn profile_of(report: &Report<Location>, included: &[u32]) -> RunProfile {
    let place =
        |candidate: u32| included.binary_search(&candidate).ok().map(|place| TxIndex(place as u32));
    let whole = report.sequential.is_some_and(|fallback| fallback.from == 0);
    let mut incarnations: Vec<Incarnation> = report
        .incarnations
        .iter()
        .filter_map(|run| {
            let outcome = match &run.outcome {
                Outcome::Settled => IncarnationOutcome::Settled,
                Outcome::Aborted { location, writer } => IncarnationOutcome::Aborted {
                    location: Some(*location),
                    by: writer.and_then(place),
                },
                Outcome::Blocked { on } => IncarnationOutcome::Blocked { on: place(*on)? },
                Outcome::Panicked => IncarnationOutcome::Panicked,
                Outcome::Skipped | Outcome::Failed | Outcome::Discarded => {
                    IncarnationOutcome::Aborted { location: None, by: None }
                }
            };
            Some(Incarnation {
                index: place(run.index)?,
                incarnation: run.incarnation,
                worker: run.worker,
                start_us: run.start_us,
                duration_us: run.duration_us,
                outcome,
            })
        })
        .collect();
    incarnations.sort_by_key(|run| (run.start_us, run.index, run.incarnation));
    RunProfile {
        mode: if whole { RunMode::Sequential } else { RunMode::BlockStm },
        workers: report.workers,
        wall_us: report.wall_us,
        root_us: 0,
        discarded: report.executions.saturating_sub(u64::from(report.settled)),
        incarnations,
        validations: report.validations,
        fallback_at: report
            .sequential
            .filter(|fallback| fallback.from > 0)
            .and_then(|fallback| place(fallback.from)),
    }
}
