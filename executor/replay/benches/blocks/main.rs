//! Made loads and real blocks: the plain loop of revm against the executor, within one process, by turns.
//!
//! `cargo bench --workspace --bench blocks -- --help` lists the flags. Before every run of the executor the plain loop runs, so
//! that whatever slows the machine down hits both. Building the state and dropping results is not measured.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

mod args;
mod measure;
mod system;
mod table;

use args::Args;
use measure::{Bench, Series, Way};
use std::process::ExitCode;
use weft_replay::Load;
use weft_replay::blocks::{find_blocks, read_blocks};
use weft_replay::loads::{KINDS, Kind};

/// The allocator of the node's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Real blocks below this are small: they count for the worst ratio only, not for the totals.
const MAIN_BLOCK_GAS_MIN: u64 = 4_000_000;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            println!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("error: {problem}\n{}", args::HELP);
            return ExitCode::from(2);
        }
    };
    let result = if args.memory { memory(&args) } else { run(&args) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let bench = Bench::new(&args.workers, args.pause);
    for kind in kinds(args)? {
        let load = kind.make();
        let series = bench.measure(&load, args.rounds)?;
        table::load(&load, kind.about, &series);
    }
    if args.load.as_deref().is_none_or(|name| name == "blocks") {
        real_blocks(args, &bench)?;
    }
    Ok(())
}

fn kinds(args: &Args) -> Result<Vec<&'static Kind>, String> {
    match args.load.as_deref() {
        Some("blocks") => Ok(Vec::new()),
        Some(name) => Kind::find(name).map(|kind| vec![kind]).ok_or_else(|| {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            format!("no load is called {name}: expected blocks, {}", names.join(", "))
        }),
        None => Ok(KINDS.iter().filter(|kind| !(args.quick && kind.large)).collect()),
    }
}

fn real_blocks(args: &Args, bench: &Bench) -> Result<(), String> {
    if args.blocks_by_default && !args.blocks.is_dir() {
        eprintln!("no real blocks in {}: give their folder with --blocks", args.blocks.display());
        return Ok(());
    }
    let folders = find_blocks(&args.blocks).map_err(|error| error.to_string())?;
    let mut blocks = Vec::new();
    for load in read_blocks(&folders).map_err(|error| error.to_string())? {
        if args.quick && blocks.len() == 8 {
            break;
        }
        let series = bench.measure(&load, args.rounds)?;
        blocks.push((load, series));
    }
    table::blocks(&blocks, MAIN_BLOCK_GAS_MIN);
    Ok(())
}

/// One run of the largest load in this process, and the most memory that it ever had.
fn memory(args: &Args) -> Result<(), String> {
    let name = args.load.as_deref().unwrap_or("transfers");
    let kind = Kind::find(name).ok_or_else(|| format!("no load is called {name}"))?;
    let load: Load = kind.make();
    let before = system::memory_kib("VmRSS")?;
    let bench = Bench::new(&args.workers, args.pause);
    let way = Way::Parallel(*args.workers.last().ok_or("no number of workers")?);
    let run = bench.run_once(&load, way)?;
    let after = system::memory_kib("VmHWM")?;
    println!(
        "{name}: {} transactions, {way}: {:.0} MB with block and state before the run, {:.0} MB at the peak (VmHWM), {:.0} MB for the run",
        load.transactions.len(),
        before as f64 * 1024.0 / 1e6,
        after as f64 * 1024.0 / 1e6,
        after.saturating_sub(before) as f64 * 1024.0 / 1e6,
    );
    drop(run);
    Ok(())
}

/// The series that compare to the plain loop without failure.
fn sound(series: &[Series]) -> impl Iterator<Item = &Series> {
    series.iter().filter(|series| series.failure.is_none())
}
