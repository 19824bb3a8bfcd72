//! `weft record`: the parallel execution record on the command line, from a node or from files.

mod compare;
mod export;
mod file;
mod hotspots;
mod lanes;
mod open;
mod paper;
mod show;
mod source;
mod transaction;

pub use file::{FileError, RecordFile};

use crate::failure::{ExitStatus, Failure};
use crate::{node, say};
use clap::{Args, Subcommand, ValueEnum};
use paper::Paper;
use serde_json::{Value, json};
use source::{Found, Subject, fetch};
use std::path::PathBuf;

/// `weft record …`
#[derive(Clone, Debug, Subcommand)]
pub enum RecordCommand {
    /// Show a block or a transaction: who ran where, what collided, how fast it could have been, what to change
    Show(ShowArgs),
    /// Write the record of a block in another form
    Export(ExportArgs),
    /// Sum up where transactions waited
    Hotspots(HotspotsArgs),
    /// Compare two blocks, or two files
    Diff(DiffArgs),
    /// Open the page with a block of a node, or with the record in a file
    Open(OpenArgs),
}

/// Where the node is, and how to print.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// Node to ask
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545", env = "WEFT_RPC")]
    pub rpc: String,
}

/// Flags of `weft record show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// latest, a block number, the hash of a block or transaction, or a file
    #[arg(value_name = "BLOCK|TX|FILE", default_value = "latest")]
    pub subject: Subject,
    /// Show this transaction of the block, by its place in it
    #[arg(long, value_name = "INDEX")]
    pub tx: Option<u32>,
    /// The node
    #[command(flatten)]
    pub server: ServerArgs,
    /// Columns to print in; $COLUMNS or 80 if absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(40..=400))]
    pub width: Option<u16>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// A form of a record in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Chrome trace JSON, for ui.perfetto.dev, chrome://tracing and speedscope
    Perfetto,
    /// Everything; weft record show, diff and open read it
    Json,
    /// One line a transaction
    Csv,
    /// Graph of who waited for whom, for Graphviz
    Dot,
    /// The page with the record inside, one file that asks nobody for anything
    Html,
}

/// Flags of `weft record export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// latest, a block number, the hash of a block or transaction, or a file
    #[arg(value_name = "BLOCK|FILE")]
    pub subject: Subject,
    /// Form
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
    /// Write to this file instead of printing
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The node
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What hot spots are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The location at which a transaction waited
    Slot,
    /// The account of that location
    Account,
    /// The function that the waiting transaction called
    Function,
    /// Who signed the waiting transaction
    Sender,
}

/// Flags of `weft record hotspots`.
#[derive(Clone, Debug, Args)]
pub struct HotspotsArgs {
    /// Files to sum up, instead of blocks of a node
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// So many blocks up to the newest
    #[arg(long, value_name = "BLOCKS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub last: u64,
    /// What to count by
    #[arg(long, value_enum, default_value_t = By::Slot)]
    pub by: By,
    /// Most rows
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// The node
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Flags of `weft record diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArgs {
    /// The block or file before
    #[arg(value_name = "A")]
    pub before: Subject,
    /// The block or file after
    #[arg(value_name = "B")]
    pub after: Subject,
    /// The node
    #[command(flatten)]
    pub server: ServerArgs,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Flags of `weft record open`.
#[derive(Clone, Debug, Args)]
pub struct OpenArgs {
    /// latest, a block number, the hash of a block or transaction, or a file
    #[arg(value_name = "BLOCK|FILE", default_value = "latest")]
    pub subject: Subject,
    /// Only print the address
    #[arg(long)]
    pub no_browser: bool,
    /// Port on loopback for the record of a file; any free one if absent
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// The node
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: no node there, no such block, no record of it, or a file that is none.
pub fn run(command: &RecordCommand) -> Result<(), Failure> {
    match command {
        RecordCommand::Show(args) => show_command(args),
        RecordCommand::Export(args) => export_command(args),
        RecordCommand::Hotspots(args) => hotspots::run(args),
        RecordCommand::Diff(args) => {
            let before = block(&args.before, &args.server)?;
            let after = block(&args.after, &args.server)?;
            let (a, b) = (args.before.to_string(), args.after.to_string());
            let compared = compare::Comparison::new(&before.1, &after.1);
            let paper = Paper::of_stdout(None);
            say(&if args.json { compared.json() } else { compared.text(&a, &b, &paper) })
        }
        RecordCommand::Open(args) => open::run(args),
    }
}

fn show_command(args: &ShowArgs) -> Result<(), Failure> {
    let paper = Paper::of_stdout(args.width);
    let found = node::runtime()?.block_on(fetch(&args.subject, &args.server.rpc))?;
    let (value, record, index) = match found {
        Found::Block(value, record) => (value, record, args.tx),
        Found::Transaction(value, record, index) => (value, record, args.tx.or(Some(index))),
    };
    let Some(index) = index else {
        return say(&if args.json { line(&value) } else { show::text(&record, &paper) });
    };
    let one = transaction::of(&value, &record, index)?;
    say(&if args.json { line(&one) } else { transaction::text(&one, &record, &paper) })
}

fn export_command(args: &ExportArgs) -> Result<(), Failure> {
    let (value, record) = block(&args.subject, &args.server)?;
    let text = match args.format {
        Format::Json => line(&value),
        Format::Html => weft_rpc::standalone_page(&value),
        Format::Csv => export::csv(&record),
        Format::Dot => export::dot(&record),
        Format::Perfetto => export::perfetto(&record)
            .map(|trace| line(&trace))
            .ok_or_else(|| {
                let what = "this node did not note the executions of the block one by one";
                Failure::new(ExitStatus::Config, what)
                    .fact("block", record.record.number)
                    .fix("run the node with [record] level = \"full\"; other formats need no more than it has")
            })?,
    };
    let Some(path) = &args.out else { return say(&text) };
    std::fs::write(path, text).map_err(|error| {
        let what = format!("{} cannot be written", path.display());
        Failure::new(ExitStatus::Unexpected, what).fact("cause", error)
    })?;
    say(&format!("{}\n", path.display()))
}

/// The record of a block or file, or of the block of a transaction.
fn block(subject: &Subject, server: &ServerArgs) -> Result<(Value, RecordFile), Failure> {
    let found = node::runtime()?.block_on(fetch(subject, &server.rpc))?;
    Ok(match found {
        Found::Block(value, record) | Found::Transaction(value, record, _) => (value, record),
    })
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// A table of rows as JSON, for `--json`.
fn rows(name: &str, rows: Vec<Value>) -> String {
    line(&json!({ name: rows }))
}

#[cfg(test)]
mod tests;
