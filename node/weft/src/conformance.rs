//! `weft conformance`: Ethereum's own test suites, judged as strictly as a node judges blocks.

pub mod rpc;

use crate::failure::{ExitStatus, Failure};
use crate::say;
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::io::{BufWriter, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;
use weft_replay::fixture::list_files;
use weft_replay::judge::{Checks, Difference, Judge, Outcome, Verdict, write_junit};

/// Characters of a file's path that the progress line shows.
const PROGRESS_CHARS: usize = 60;

/// `weft conformance …`
#[derive(Clone, Debug, Subcommand)]
pub enum ConformanceCommand {
    /// Import the blocks of blockchain tests (from Paris on; Amsterdam for its block access lists)
    Blockchain(ConformanceArgs),
    /// Run the transactions of state tests, in every fork that they state
    State(ConformanceArgs),
    /// Import a chain and send the requests of execution-apis' .io files
    Rpc(rpc::RpcArgs),
}

/// Flags of `weft conformance …`.
#[derive(Clone, Debug, Args)]
pub struct ConformanceArgs {
    /// Folder with .json files of a suite, searched to any depth; or one such file
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Worker threads of the executor; 0 means one per core
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub workers: u16,
    /// Run each block of several transactions under N schedules, too, drawn from the seeds 0, 1, …
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub schedules: u16,
    /// Judge only tests whose file, name or fork contains this text
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Write a JUnit report to this file, too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] with status [`ExitStatus::Mismatch`] when a test fails, [`ExitStatus::Config`] when there is no test to run.
pub fn run(command: &ConformanceCommand) -> Result<(), Failure> {
    match command {
        ConformanceCommand::Blockchain(args) => {
            judge("blockchain", args, Judge::judge_blockchain_file)
        }
        ConformanceCommand::State(args) => judge("state", args, Judge::judge_state_file),
        ConformanceCommand::Rpc(args) => rpc::run(args),
    }
}

fn judge(
    suite: &str,
    args: &ConformanceArgs,
    judge_file: impl Fn(&Judge, &Path) -> Vec<Verdict>,
) -> Result<(), Failure> {
    let files = list_files(&args.folder).map_err(|error| {
        Failure::new(ExitStatus::Config, error.to_string()).fix(format!(
            "weft conformance {suite} DIR, where DIR holds {suite} tests of Ethereum's suites"
        ))
    })?;
    let started = Instant::now();
    let checks = Checks { schedules: args.schedules, ..Checks::ALL };
    let judge = Judge::new(usize::from(args.workers), checks).with_filter(args.filter.clone());
    let shown = std::io::stderr().is_terminal();
    let mut verdicts = Vec::new();
    for (place, file) in files.iter().enumerate() {
        if shown {
            show_progress(place, files.len(), file);
        }
        verdicts.extend(judge_file(&judge, file));
    }
    if shown {
        eprint!("\r{:100}\r", "");
    }
    if verdicts.is_empty() {
        let what = format!("no test of {} matches", args.folder.display());
        let filter = args.filter.as_deref().unwrap_or_default();
        return Err(Failure::new(ExitStatus::Config, what).fact("filter", filter));
    }
    finish(suite, &args.folder, &verdicts, args.junit.as_deref(), started)?;
    describe_failure_count(suite, &args.folder, &verdicts)
}

/// Prints the report, and writes it where it is asked for.
fn finish(
    suite: &str,
    folder: &Path,
    verdicts: &[Verdict],
    junit: Option<&Path>,
    started: Instant,
) -> Result<(), Failure> {
    if let Some(path) = junit {
        write_report(path, suite, verdicts)?;
    }
    say(&report(folder, verdicts, started.elapsed().as_secs_f64()))
}

/// Ends with status 8 when a test failed.
fn describe_failure_count(suite: &str, folder: &Path, verdicts: &[Verdict]) -> Result<(), Failure> {
    let failed = verdicts.iter().filter(|v| matches!(v.outcome, Outcome::Failed(_))).count();
    if failed == 0 {
        return Ok(());
    }
    let what = format!("{failed} of {} {suite} tests failed", verdicts.len());
    Err(Failure::new(ExitStatus::Mismatch, what).fact("folder", folder.display()))
}

fn write_report(path: &Path, suite: &str, verdicts: &[Verdict]) -> Result<(), Failure> {
    let write = || {
        let mut out = BufWriter::new(std::fs::File::create(path)?);
        write_junit(&mut out, suite, verdicts)?;
        out.flush()
    };
    write().map_err(|error| {
        let what = format!("cannot write the report to {}: {error}", path.display());
        Failure::new(ExitStatus::Config, what)
    })
}

/// What did not pass, and one line that sums up.
fn report(folder: &Path, verdicts: &[Verdict], seconds: f64) -> String {
    let mut text = String::new();
    let (mut passed, mut failed, mut excepted) = (0, 0, 0);
    for verdict in verdicts {
        match &verdict.outcome {
            Outcome::Passed { .. } => passed += 1,
            Outcome::Failed(difference) => {
                failed += 1;
                describe(&mut text, "failed", folder, verdict, difference);
            }
            Outcome::Excepted { reason, difference } => {
                excepted += 1;
                describe(&mut text, "excepted", folder, verdict, difference);
                let _ = writeln!(text, "  reason    {reason}");
            }
        }
    }
    let all = verdicts.len();
    let _ = writeln!(
        text,
        "{passed} of {all} tests pass, {failed} failed, {excepted} excepted, in {seconds:.1} s"
    );
    text
}

fn describe(
    text: &mut String,
    word: &str,
    folder: &Path,
    verdict: &Verdict,
    difference: &Difference,
) {
    let file = verdict.file.strip_prefix(folder).ok().filter(|path| !path.as_os_str().is_empty());
    let file = file.unwrap_or(&verdict.file).display();
    let Difference { field, expected, found } = difference;
    let _ = write!(
        text,
        "{word}: {file}\n  test      {}\n  fork      {}\n  field     {field}\n  expected  {expected}\n  found     {found}\n",
        verdict.test, verdict.fork
    );
}

/// One line on stderr that says how far it is.
fn show_progress(place: usize, of: usize, file: &Path) {
    let name = file.display().to_string();
    let skipped = name.chars().count().saturating_sub(PROGRESS_CHARS);
    let name: String = name.chars().skip(skipped).collect();
    eprint!("\r[{place}/{of}] {name:PROGRESS_CHARS$}");
    let _ = std::io::stderr().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(folder: PathBuf) -> ConformanceArgs {
        ConformanceArgs { folder, workers: 2, schedules: 2, filter: None, junit: None }
    }

    /// A fixture that lies in the tree.
    fn fixture(name: &str) -> PathBuf {
        Path::new("../../executor/replay/tests/fixtures").join(name)
    }

    #[test]
    fn right_tests_end_well() {
        run(&ConformanceCommand::Blockchain(args(fixture("blockchain")))).unwrap();
        run(&ConformanceCommand::State(args(fixture("state/payment.json")))).unwrap();
    }

    #[test]
    fn a_wrong_test_ends_with_status_8_and_is_in_the_report() {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(fixture("state/payment.json")).unwrap();
        let wrong = text.replace("\"0x0a\"", "\"0x0b\"");
        assert_ne!(text, wrong, "the base fee is 10");
        std::fs::write(folder.path().join("wrong.json"), wrong).unwrap();
        let junit = folder.path().join("report.xml");
        let args = ConformanceArgs { junit: Some(junit.clone()), ..args(folder.path().to_owned()) };
        let failure = run(&ConformanceCommand::State(args)).unwrap_err();
        assert_eq!(failure.status as u8, 8);
        assert!(failure.to_string().contains("2 of 3 state tests failed"), "{failure}");
        let report = std::fs::read_to_string(junit).unwrap();
        assert!(report.contains(r#"tests="3" failures="2" skipped="0""#), "{report}");
    }

    #[test]
    fn what_failed_is_told_with_file_test_fork_and_field() {
        let difference = Difference {
            field: "gasUsed".to_owned(),
            expected: "21000".to_owned(),
            found: "21001".to_owned(),
        };
        let verdict = |outcome| Verdict {
            file: "suite/a/b.json".into(),
            test: "name".to_owned(),
            fork: "Osaka".to_owned(),
            outcome,
        };
        let verdicts = [
            verdict(Outcome::Passed { rejections: Vec::new() }),
            verdict(Outcome::Failed(difference)),
        ];
        assert_eq!(
            report(Path::new("suite"), &verdicts, 1.25),
            "failed: a/b.json\n  test      name\n  fork      Osaka\n  field     gasUsed\n  \
             expected  21000\n  found     21001\n\
             1 of 2 tests pass, 1 failed, 0 excepted, in 1.2 s\n"
        );
    }

    #[test]
    fn a_missing_folder_an_empty_one_and_a_filter_that_matches_nothing_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let status = |args| {
            let failure = run(&ConformanceCommand::State(args)).unwrap_err();
            (failure.status, failure.what)
        };
        let (missing, what) = status(args(folder.path().join("none")));
        assert_eq!(missing, ExitStatus::Config);
        assert!(what.starts_with("cannot read"), "{what}");
        let (empty, what) = status(args(folder.path().to_owned()));
        assert_eq!(empty, ExitStatus::Config);
        assert!(what.ends_with("holds no .json file"), "{what}");
        let filter = Some("nothing".to_owned());
        let (none, what) = status(ConformanceArgs { filter, ..args(fixture("state")) });
        assert_eq!(none, ExitStatus::Config);
        assert!(what.ends_with("matches"), "{what}");
    }
}
