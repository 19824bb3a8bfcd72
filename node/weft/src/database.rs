//! `weft db …`: a node's database in the hands of a person.

mod output;

pub(crate) use output::size;

use crate::cli::{DbCommand, HomeArgs, PruneArgs};
use crate::config::Config;
use crate::consensus_log::ConsensusLog;
use crate::control;
use crate::failure::{ExitStatus, Failure};
use crate::home::Home;
use serde::Serialize;
use std::borrow::Cow;
use std::path::Path;
use weft_store::{CheckReport, DatabaseStats, Maintenance, Retention, StoreError, StoreOptions};
use weft_types::CommitCertificate;

/// Findings that a failure lists.
const FINDINGS_SHOWN: usize = 10;

/// Runs one command; returns what it prints.
///
/// # Errors
/// [`Failure`] naming what is damaged, missing or in use.
pub fn run(command: &DbCommand) -> Result<String, Failure> {
    match command {
        DbCommand::Check(args) => check(args),
        DbCommand::Stats(args) => {
            let stats = stats(&Home::new(&args.home))?;
            Ok(answer(args.json, &stats, output::stats))
        }
        DbCommand::Compact(args) => compact(args),
        DbCommand::Prune(args) => prune(args),
        DbCommand::Path(args) => {
            let path = Home::new(&args.home).database();
            let text = path.display().to_string();
            Ok(answer(args.json, &serde_json::json!({ "path": text }), |_| format!("{text}\n")))
        }
        DbCommand::Version(args) => {
            let home = Home::new(&args.home);
            let version = weft_store::directory_version(&home.database())
                .map_err(|error| failure(&home, &error))?;
            Ok(answer(args.json, &version, output::version))
        }
    }
}

/// The answer as JSON, one line, or as text.
pub(crate) fn answer<T: Serialize>(
    json: bool,
    value: &T,
    text: impl FnOnce(&T) -> String,
) -> String {
    if !json {
        return text(value);
    }
    let json = serde_json::to_string(value).expect("numbers and texts have a JSON form");
    format!("{json}\n")
}

/// Opens the database of a home while no node runs on it.
pub(crate) fn open(home: &Home) -> Result<Maintenance, Failure> {
    Maintenance::open(&home.database(), &StoreOptions::node())
        .map_err(|error| failure(home, &error))
}

/// From the database itself, or from the node that holds it.
fn stats(home: &Home) -> Result<DatabaseStats, Failure> {
    match Maintenance::open(&home.database(), &StoreOptions::node()) {
        Err(StoreError::Locked { .. }) => control::stats(home),
        database => {
            database.and_then(|database| database.stats()).map_err(|error| failure(home, &error))
        }
    }
}

/// What a person is told when the store refuses.
pub(crate) fn failure(home: &Home, error: &StoreError) -> Failure {
    let database = home.database();
    match error {
        StoreError::Missing { .. } => {
            Failure::new(ExitStatus::Config, "this home has no database yet")
                .fact("home", home.root().display())
                .fix("start the node once, or restore a snapshot: weft snapshot restore --help")
        }
        StoreError::Locked { .. } => Failure::new(
            ExitStatus::Busy,
            "this home is in use by another process",
        )
        .fact("home", home.root().display())
        .fix(
            "stop the node first; weft db stats, path and version and weft snapshot work beside it",
        ),
        StoreError::Snapshot { path, reason } => {
            Failure::new(ExitStatus::Unexpected, "the snapshot cannot be made")
                .fact("path", path.display())
                .fact("cause", reason)
                .fix("check the folder's permissions and the free space")
        }
        other => damaged(&database, &other.to_string()),
    }
}

/// A database that cannot be trusted.
pub(crate) fn damaged(path: &Path, cause: &str) -> Failure {
    Failure::new(ExitStatus::Damaged, "a database cannot be opened")
        .fact("folder", path.display())
        .fact("cause", cause)
        .fix("restore a snapshot or a backup of the home, or start a new one: the node catches up from its peers")
}

fn check(args: &HomeArgs) -> Result<String, Failure> {
    let home = Home::new(&args.home);
    let genesis = home.read_genesis()?;
    let database = open(&home)?;
    if database.genesis() != genesis.hash() {
        return Err(Failure::new(ExitStatus::Unsafe, "this home belongs to another chain")
            .fact("home", format!("{}  genesis {}", home.root().display(), database.genesis()))
            .fact("asked", format!("genesis {}", genesis.hash()))
            .fix("use the genesis.json that this home was made with (nothing was changed)"));
    }
    let mut report = database.check().map_err(|error| failure(&home, &error))?;
    drop(database);
    if let Some(finding) = behind_the_log(&home, report.height)? {
        report.findings.push(finding);
    }
    if report.findings.is_empty() {
        return Ok(answer(args.json, &report, output::check));
    }
    if args.json {
        crate::say(&answer(true, &report, output::check))?;
    }
    Err(broken(&home, &report))
}

/// A block that was decided is committed before the next one is: a database that ends earlier has
/// lost blocks.
fn behind_the_log(home: &Home, height: u64) -> Result<Option<String>, Failure> {
    let path = home.consensus();
    if !path.join("CURRENT").exists() {
        return Ok(None);
    }
    let unreadable = |error: crate::consensus_log::LogError| damaged(&path, &error.to_string());
    let log = ConsensusLog::open(&path).map_err(unreadable)?;
    let decided: Option<CommitCertificate> = log.last_decided().map_err(unreadable)?;
    let decided = decided.map_or(0, |certificate| certificate.height.0);
    Ok((decided > height + 1)
        .then(|| format!("the head is {height}, but block {decided} was decided: blocks are lost")))
}

fn broken(home: &Home, report: &CheckReport) -> Failure {
    let mut failure = Failure::new(ExitStatus::Damaged, "the database is damaged")
        .fact("folder", home.database().display());
    for finding in report.findings.iter().take(FINDINGS_SHOWN) {
        failure = failure.fact("found", finding);
    }
    if report.findings.len() > FINDINGS_SHOWN {
        failure = failure.fact("more", report.findings.len() - FINDINGS_SHOWN);
    }
    failure.fix(
        "restore a snapshot or a backup, or remove the folder: the node catches up from its peers",
    )
}

/// Room before and after.
#[derive(Serialize)]
struct Room {
    before_bytes: u64,
    after_bytes: u64,
    oldest: Vec<(Cow<'static, str>, u64)>,
}

fn compact(args: &HomeArgs) -> Result<String, Failure> {
    let home = Home::new(&args.home);
    let room = room(&home, &open(&home)?, Maintenance::compact)?;
    Ok(answer(args.json, &room, output::room))
}

fn prune(args: &PruneArgs) -> Result<String, Failure> {
    let home = Home::new(&args.home.home);
    let configured = Config::read(&home.config())?.state.retention();
    let retention = Retention {
        history: args.history.unwrap_or(configured.history),
        receipts: args.receipts.unwrap_or(configured.receipts),
        logs: args.logs.unwrap_or(configured.logs),
        access_lists: args.access_lists.unwrap_or(configured.access_lists),
        records: args.records.unwrap_or(configured.records),
        records_bytes: configured.records_bytes,
    };
    let database = open(&home)?;
    let room = room(&home, &database, |database| database.prune(&retention).map(|_| ()))?;
    Ok(answer(args.home.json, &room, output::room))
}

fn room(
    home: &Home,
    database: &Maintenance,
    work: impl FnOnce(&Maintenance) -> Result<(), StoreError>,
) -> Result<Room, Failure> {
    let failed = |error: StoreError| failure(home, &error);
    let before = database.stats().map_err(failed)?;
    work(database).map_err(failed)?;
    let after = database.stats().map_err(failed)?;
    Ok(Room {
        before_bytes: before.directory_bytes,
        after_bytes: after.directory_bytes,
        oldest: after.oldest,
    })
}
