//! Executes a load in one way, again and again, for a profiler to look at.
//!
//! `profile WAY ROUNDS LOAD [WORKERS]`: WAY is plain, speculative or list (without products), all or list-all (with all of
//! them); LOAD is the name of a made load or a folder of real blocks.

use std::path::Path;
use std::time::Instant;
use weft_evm::{Executor, Mode, Products};
use weft_replay::blocks::{find_blocks, read_blocks};
use weft_replay::loads::Kind;
use weft_replay::plain::PlainLoop;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [way, rounds, load, rest @ ..] = words.as_slice() else {
        return Err("usage: profile WAY ROUNDS LOAD [WORKERS]".into());
    };
    let loads = match Kind::find(load) {
        Some(kind) => vec![kind.make()],
        None => read_blocks(&find_blocks(Path::new(load))?)?,
    };
    let workers = rest.first().map_or(Ok(1), |workers| workers.parse())?;
    let (executor, plain) = (Executor::new(workers), PlainLoop::default());
    for load in &loads {
        let input = load.input();
        let list = executor.execute(&input, &load.state, Mode::Verify, Products::ALL)?.access_list;
        let mut best = f64::MAX;
        for _ in 0..rounds.parse::<u32>()? {
            let start = Instant::now();
            match way.as_str() {
                "plain" => drop(plain.run(&input, &*load.state, false)?),
                "speculative" => {
                    executor.execute(&input, &load.state, Mode::Verify, Products::NONE)?;
                }
                "list" => {
                    executor.execute(&input, &load.state, Mode::WithList(&list), Products::NONE)?;
                }
                "list-all" => {
                    executor.execute(&input, &load.state, Mode::WithList(&list), Products::ALL)?;
                }
                "all" => {
                    executor.execute(&input, &load.state, Mode::Verify, Products::ALL)?;
                }
                other => return Err(format!("unknown way {other}").into()),
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        eprintln!("{}: {:.3} ms", load.name, 1e3 * best);
    }
    Ok(())
}
