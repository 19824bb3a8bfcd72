//! A blockchain node that runs EVM transactions in parallel and shows you why they did or did not.

use clap::Parser;
use std::process::ExitCode;
use weft::cli::Cli;

// Many small allocations on many threads: the system's allocator is the bottleneck without it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match weft::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.status as u8)
        }
    }
}
