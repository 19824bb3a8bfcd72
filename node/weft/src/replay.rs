//! `weft replay`: real Ethereum blocks through the executor, compared with their headers and with the oracle, and measured.

mod output;
mod records;

use crate::failure::{ExitStatus, Failure};
use crate::say;
use clap::Args;
use output::Format;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use weft_replay::blocks::{BlockError, find_blocks, read_blocks};
use weft_replay::replay::{BlockReport, ReplayError, ReplayOptions, Replayer};

/// Flags of `weft replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Folder with the blocks: NUMBER/block.json and NUMBER/prestate.json
    #[arg(long, value_name = "DIR")]
    pub blocks: PathBuf,
    /// Numbers of workers to run with
    #[arg(long, value_delimiter = ',', default_value = "1,2,4", value_parser = parse_workers)]
    pub workers: Vec<usize>,
    /// Compare every result with a sequential run by code of its own, not only with the header; as often as --repeat says
    #[arg(long)]
    pub compare: bool,
    /// Run also with the block's access list
    #[arg(long)]
    pub with_list: bool,
    /// How often each way is compared and measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: u32,
    /// Let all workers take part, also where there are fewer cores, and in small blocks: slower, but more schedules are tried
    #[arg(long)]
    pub oversubscribe: bool,
    /// Write the report to this file, too: JSON or CSV by its extension
    #[arg(long, value_name = "FILE", value_parser = parse_out)]
    pub out: Option<(PathBuf, Format)>,
    /// Write the execution record of each block to DIR/NUMBER.json, for weft record show, diff and open
    #[arg(long, value_name = "DIR")]
    pub records: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] with status [`ExitStatus::Mismatch`] at the first block that does not give what it should, else when blocks
/// cannot be read or the report cannot be written.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let folders = find_blocks(&args.blocks).map_err(|error| unreadable(args, &error))?;
    let loads = read_blocks(&folders).map_err(|error| unreadable(args, &error))?;
    let replayer = Replayer::new(ReplayOptions {
        workers: args.workers.clone(),
        compare: args.compare,
        with_list: args.with_list,
        repeat: args.repeat,
        oversubscribe: args.oversubscribe,
    });
    let mut reports: Vec<BlockReport> = Vec::with_capacity(loads.len());
    let progress = Progress { of: loads.len(), shown: std::io::stderr().is_terminal() };
    for (place, load) in loads.iter().enumerate() {
        progress.show(place, &load.name);
        let report = replayer.replay(load);
        if let (Some(folder), Ok(_)) = (&args.records, &report) {
            let executed = replayer.record(load).map_err(|error| mismatch(&error))?;
            records::write(folder, load, &executed)?;
        }
        progress.clear();
        reports.push(report.map_err(|error| mismatch(&error))?);
    }
    if let Some((path, format)) = &args.out {
        let text = format.render(&reports);
        std::fs::write(path, text).map_err(|error| {
            let what = format!("cannot write the report to {}: {error}", path.display());
            Failure::new(ExitStatus::Unexpected, what)
        })?;
    }
    say(&output::table(&reports))?;
    if cfg!(debug_assertions) {
        say(
            "this build checks the assertions of its own code, which costs time: cargo bench measures without them\n",
        )?;
    }
    if let Some(folder) = &args.records {
        say(&format!(
            "records in {}: weft record open {}\n",
            folder.display(),
            records::path(folder, &loads[0]).display()
        ))?;
    }
    let compared = if args.compare { "their headers and the oracle" } else { "their headers" };
    say(&format!("\n{} blocks give what {compared} say\n", reports.len()))
}

fn unreadable(args: &ReplayArgs, error: &BlockError) -> Failure {
    let failure = Failure::new(ExitStatus::Config, error.to_string());
    match error {
        BlockError::Read { .. } | BlockError::NoBlocks { .. } => failure
            .fact("asked", args.blocks.display())
            .fix("weft replay --blocks DIR, where DIR holds NUMBER/block.json and NUMBER/prestate.json"),
        _ => failure.fix("fetch the block again: eth_getBlockByNumber(number, true), debug_traceBlockByNumber with prestateTracer"),
    }
}

fn mismatch(error: &ReplayError) -> Failure {
    let status = match error {
        ReplayError::Execution { error, .. } if !error.is_verdict() => ExitStatus::Unexpected,
        _ => ExitStatus::Mismatch,
    };
    match error {
        ReplayError::Differs { block, way, against, difference } => {
            let what = format!(
                "block {block}: {} is not what the {against} says ({way})",
                difference.field
            );
            Failure::new(status, what)
                .fact("expected", &difference.expected)
                .fact("found", &difference.found)
        }
        other => Failure::new(status, other.to_string()),
    }
}

/// One line on stderr that says how far it is; nothing when nobody watches.
struct Progress {
    of: usize,
    shown: bool,
}

impl Progress {
    fn show(&self, place: usize, block: &str) {
        if self.shown {
            let done = place * 30 / self.of.max(1);
            let bar = format!("{}{}", "=".repeat(done), " ".repeat(30 - done));
            eprint!("\r[{bar}] {place}/{} block {block}    ", self.of);
            let _ = std::io::stderr().flush();
        }
    }

    fn clear(&self) {
        if self.shown {
            eprint!("\r{:78}\r", "");
        }
    }
}

fn parse_workers(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(workers @ 1..=256) => Ok(workers),
        _ => Err("expected a number of workers from 1 to 256".to_owned()),
    }
}

fn parse_out(text: &str) -> Result<(PathBuf, Format), String> {
    let path = PathBuf::from(text);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Ok((path, Format::Json)),
        Some("csv") => Ok((path, Format::Csv)),
        _ => Err("expected a file name that ends in .json or .csv".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_replay::difference::Difference;
    use weft_replay::replay::Way;

    #[test]
    fn a_difference_ends_with_status_8_and_names_block_and_field() {
        let difference = Box::new(Difference {
            field: "receipts[3]".to_owned(),
            expected: "0x1".to_owned(),
            found: "0x0".to_owned(),
        });
        let block = "46147".to_owned();
        let error =
            ReplayError::Differs { block, way: Way::Parallel(2), against: "oracle", difference };
        let failure = mismatch(&error);
        assert_eq!(failure.status as u8, 8);
        let text = failure.to_string();
        assert!(
            text.contains("block 46147: receipts[3] is not what the oracle says (2 workers)"),
            "{text}"
        );
        assert!(text.contains("expected  0x1\n"), "{text}");
    }

    #[test]
    fn a_folder_without_blocks_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let args = ReplayArgs {
            blocks: folder.path().to_owned(),
            workers: vec![1],
            compare: false,
            with_list: false,
            repeat: 1,
            oversubscribe: false,
            out: None,
            records: None,
        };
        let failure = run(&args).unwrap_err();
        assert_eq!(failure.status, ExitStatus::Config);
        assert!(failure.to_string().contains("expected folders <number>/ with block.json"));
        assert!(failure.fix.is_some());
        let missing = ReplayArgs { blocks: folder.path().join("none"), ..args };
        let text = run(&missing).unwrap_err().to_string();
        assert!(text.contains("cannot read") && text.contains("none"), "{text}");
    }

    #[test]
    fn the_format_follows_the_extension() {
        assert_eq!(parse_out("a.json").unwrap().1, Format::Json);
        assert_eq!(parse_out("b/a.csv").unwrap().1, Format::Csv);
        assert!(parse_out("a.txt").is_err() && parse_out("json").is_err());
    }

    #[test]
    fn workers_are_numbers_from_1_to_256() {
        assert_eq!(parse_workers("16"), Ok(16));
        assert!(parse_workers("0").is_err() && parse_workers("257").is_err());
        assert!(parse_workers("two").is_err());
    }
}
