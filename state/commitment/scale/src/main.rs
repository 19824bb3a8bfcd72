//! Measures the root of a block on millions of keys, and the crate jmt beside it.
//!
//! `cargo run --release --manifest-path state/commitment/scale/Cargo.toml -- [--large] [--no-jmt]`
//!
//! Prints a table in Markdown. Processor time is that of all threads, from `/proc/self/task`.

mod beside;
mod clock;
mod load;
mod ours;

use clock::Cost;
use load::Load;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SMALL: u64 = 1_000_000;
const LARGE: u64 = 10_000_000;

fn main() {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let mut rows: Vec<(String, Cost)> = Vec::new();
    let mut sizes = vec![SMALL];
    if has("--large") {
        sizes.push(LARGE);
    }
    for keys in sizes {
        let load = Load::new(keys);
        for (workers, memory, cost) in ours::measure(&load) {
            let what = format!("{} M keys, {memory}, {workers} worker(s)", keys / 1_000_000);
            rows.push((what, cost));
        }
        if keys == SMALL && !has("--no-jmt") {
            rows.push(("1 M keys, jmt 0.12 with BLAKE3".into(), beside::measure(&load)));
        }
    }
    println!(
        "| root of a block of {} changed keys | wall ms | CPU ms | CPU ns per key |",
        load::CHANGES
    );
    println!("|---|---|---|---|");
    for (what, cost) in rows {
        let per_key = cost.cpu_ms * 1e6 / load::CHANGES as f64;
        println!("| {what} | {:.1} | {:.1} | {per_key:.0} |", cost.wall_ms, cost.cpu_ms);
    }
}
