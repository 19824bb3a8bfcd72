//! Printing what was measured.

use crate::measure::Series;
use crate::sound;
use crate::system::ticks_ms;
use std::time::Duration;
use weft_replay::Load;
use weft_replay::replay::Times;

/// A block this much slower than the plain loop counts as slower.
const SLOWER: f64 = 0.97;

fn times(samples: &[Duration]) -> Times {
    Times::of(samples.to_vec())
}

/// Times of one way, next to the plain loop's in the same rounds.
struct Pair {
    plain: Times,
    own: Times,
}

impl Pair {
    fn of(series: &Series) -> Self {
        Self { plain: times(&series.plain), own: times(&series.own) }
    }

    fn minimum_ratio(&self) -> f64 {
        self.plain.minimum_us / self.own.minimum_us
    }

    fn median_ratio(&self) -> f64 {
        self.plain.median_us / self.own.median_us
    }
}

/// One load, a row for each way.
pub(crate) fn load(load: &Load, about: &str, series: &[Series]) {
    let plain: Vec<Duration> = sound(series).flat_map(|series| series.plain.clone()).collect();
    println!("\n{}: {about}", load.name);
    let head = ["way", "min ms", "median ms", "plain/min", "plain/median", "CPU ms", "re-executed"];
    println!(
        "  {:<17} {:>9} {:>9} {:>9} {:>12} {:>8} {:>11}",
        head[0], head[1], head[2], head[3], head[4], head[5], head[6]
    );
    if !plain.is_empty() {
        let ticks: u64 = sound(series).map(|series| series.plain_ticks).sum();
        let all = times(&plain);
        println!(
            "  {:<17} {:>9.3} {:>9.3} {:>9} {:>12} {:>8.1} {:>11}",
            "plain loop",
            all.minimum_us / 1e3,
            all.median_us / 1e3,
            "",
            "",
            ticks_ms(ticks) / plain.len() as f64,
            ""
        );
    }
    for series in series {
        let name = series.way.to_string();
        if let Some(failure) = &series.failure {
            println!("  {name:<17} FAILED: {failure}");
            continue;
        }
        let (pair, rounds) = (Pair::of(series), series.own.len() as f64);
        println!(
            "  {name:<17} {:>9.3} {:>9.3} {:>9.2} {:>12.2} {:>8.1} {:>11.1}",
            pair.own.minimum_us / 1e3,
            pair.own.median_us / 1e3,
            pair.minimum_ratio(),
            pair.median_ratio(),
            ticks_ms(series.own_ticks) / rounds,
            series.reexecutions as f64 / rounds,
        );
    }
}

/// The real blocks: a row for each, with the ratio of the medians, then the totals of the larger ones.
pub(crate) fn blocks(blocks: &[(Load, Vec<Series>)], gas_min: u64) {
    let Some((_, first)) = blocks.first() else { return };
    println!("\nreal blocks: plain loop over executor, medians");
    print!("  {:>9} {:>6} {:>5} {:>9}", "block", "Mgas", "txs", "plain ms");
    for series in first {
        print!(" {:>10}", short(series));
    }
    println!();
    for (load, all) in blocks {
        let plain: Vec<Duration> = sound(all).flat_map(|series| series.plain.clone()).collect();
        let plain_ms = if plain.is_empty() { 0.0 } else { times(&plain).median_us / 1e3 };
        let mgas = load.header.gas_used as f64 / 1e6;
        let count = load.transactions.len();
        print!("  {:>9} {mgas:>6.2} {count:>5} {plain_ms:>9.3}", load.name);
        for series in all {
            match &series.failure {
                Some(_) => print!(" {:>10}", "FAILED"),
                None => print!(" {:>10.2}", Pair::of(series).median_ratio()),
            }
        }
        println!();
    }
    for (load, all) in blocks {
        let mut failures: Vec<&String> = all.iter().filter_map(|s| s.failure.as_ref()).collect();
        failures.dedup();
        for failure in failures {
            println!("  block {} FAILED: {failure}", load.name);
        }
    }
    totals(blocks, gas_min);
}

fn totals(blocks: &[(Load, Vec<Series>)], gas_min: u64) {
    let large: Vec<&(Load, Vec<Series>)> =
        blocks.iter().filter(|(load, _)| load.header.gas_used >= gas_min).collect();
    let Some((_, first)) = large.first() else { return };
    println!("\n  {} blocks of {} Mgas and more together", large.len(), gas_min / 1_000_000);
    println!(
        "  {:<17} {:>9} {:>9} {:>9} {:>12} {:>8} {:>11} {:>8} {:>7}  worst of all blocks",
        "way",
        "min ms",
        "median ms",
        "plain/min",
        "plain/median",
        "CPU ms",
        "re-executed",
        "geomean",
        "slower"
    );
    let plain: Vec<Times> = large
        .iter()
        .map(|(_, all)| sound(all).flat_map(|series| series.plain.clone()).collect::<Vec<_>>())
        .filter(|samples| !samples.is_empty())
        .map(|samples| times(&samples))
        .collect();
    println!(
        "  {:<17} {:>9.3} {:>9.3}",
        "plain loop",
        plain.iter().map(|plain| plain.minimum_us).sum::<f64>() / 1e3,
        plain.iter().map(|plain| plain.median_us).sum::<f64>() / 1e3,
    );
    for (place, series) in first.iter().enumerate() {
        total(&series.way.to_string(), place, &large, blocks);
    }
}

fn total(name: &str, place: usize, large: &[&(Load, Vec<Series>)], blocks: &[(Load, Vec<Series>)]) {
    let of = |all: &'_ [Series]| -> Option<Pair> {
        all[place].failure.is_none().then(|| Pair::of(&all[place]))
    };
    let pairs: Vec<Pair> = large.iter().filter_map(|(_, all)| of(all)).collect();
    if pairs.is_empty() {
        println!("  {name:<17} FAILED in all blocks");
        return;
    }
    let sum = |pick: fn(&Pair) -> f64| pairs.iter().map(pick).sum::<f64>();
    let (own_minimum, own_median) = (sum(|p| p.own.minimum_us), sum(|p| p.own.median_us));
    let (plain_minimum, plain_median) = (sum(|p| p.plain.minimum_us), sum(|p| p.plain.median_us));
    let logarithms: f64 = pairs.iter().map(|pair| pair.median_ratio().ln()).sum();
    let per_round = |pick: fn(&Series) -> f64| -> f64 {
        let sound = large.iter().map(|(_, all)| &all[place]).filter(|s| s.failure.is_none());
        sound.map(|series| pick(series) / series.own.len() as f64).sum()
    };
    let ratios = blocks.iter().filter_map(|(load, all)| Some((of(all)?.median_ratio(), load)));
    let slower = ratios.clone().filter(|(ratio, _)| *ratio < SLOWER).count();
    let worst = ratios.min_by(|a, b| a.0.total_cmp(&b.0));
    let worst =
        worst.map_or_else(String::new, |(ratio, load)| format!("{ratio:.2} in {}", load.name));
    let failed = large.len() - pairs.len();
    let note = if failed > 0 { format!("; {failed} FAILED") } else { String::new() };
    println!(
        "  {name:<17} {:>9.3} {:>9.3} {:>9.2} {:>12.2} {:>8.1} {:>11.1} {:>8.2} {slower:>7}  {worst}{note}",
        own_minimum / 1e3,
        own_median / 1e3,
        plain_minimum / own_minimum,
        plain_median / own_median,
        per_round(|series| ticks_ms(series.own_ticks)),
        per_round(|series| series.reexecutions as f64),
        (logarithms / pairs.len() as f64).exp(),
    );
}

/// A way in a narrow column.
fn short(series: &Series) -> String {
    use crate::measure::Way;
    match series.way {
        Way::Parallel(workers) => format!("{workers}w"),
        Way::WithList(workers) => format!("{workers}w list"),
        Way::AllProducts(workers) => format!("{workers}w all"),
    }
}
