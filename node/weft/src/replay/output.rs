//! The report of `weft replay` as a table, as JSON and as CSV.

use serde::Serialize;
use std::fmt::Write;
use weft_replay::replay::{BlockReport, ParallelReport, Way};

/// A form of the report in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object: all blocks and the totals.
    Json,
    /// One row for each block and way to execute it.
    Csv,
}

/// All blocks together, for one way to execute them. Times in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Total {
    workers: usize,
    with_list: bool,
    sequential_median_us: f64,
    median_us: f64,
    speedup: f64,
    minimum_speedup: f64,
    worst_speedup: f64,
    worst_block: String,
    reexecutions: u64,
}

impl Format {
    pub(super) fn render(self, reports: &[BlockReport]) -> String {
        match self {
            Self::Json => {
                let report = serde_json::json!({ "blocks": reports, "total": totals(reports) });
                serde_json::to_string_pretty(&report).expect("numbers and strings are JSON") + "\n"
            }
            Self::Csv => csv(reports),
        }
    }
}

/// The table on stdout: a row a block, then a row of totals.
pub(super) fn table(reports: &[BlockReport]) -> String {
    let Some(first) = reports.first() else { return String::new() };
    let mut text = format!(
        "{:>9} {:<17} {:>5} {:>6} {:>5} {:>6} {:>8}",
        "block", "fork", "txs", "Mgas", "dep", "path", "plain ms"
    );
    for way in &first.parallel {
        let name = format!("{}w{}", way.workers, if way.with_list { " list" } else { "" });
        let _ = write!(text, " | {name:>7} {:>6} {:>4}", "x", "re");
    }
    text.push_str(" | best");
    for best in &first.best_by_gas {
        let workers = best.workers.map_or_else(|| "inf".to_owned(), |workers| workers.to_string());
        let _ = write!(text, " {workers:>5}");
    }
    text.push('\n');
    for report in reports {
        let _ = write!(
            text,
            "{:>9} {:<17} {:>5} {:>6.2} {:>5} {:>6.2} {:>8.2}",
            report.block,
            report.fork,
            report.transactions,
            report.gas_used as f64 / 1e6,
            report.dependent_transactions,
            report.critical_path_gas as f64 / 1e6,
            report.sequential.median_us / 1e3
        );
        for way in &report.parallel {
            let (ms, gain, again) = (way.times.median_us / 1e3, way.speedup, way.reexecutions);
            let _ = write!(text, " | {ms:>7.2} {gain:>5.2}x {again:>4}");
        }
        text.push_str(" |     ");
        for best in &report.best_by_gas {
            let _ = write!(text, " {:>4.2}x", best.speedup);
        }
        text.push('\n');
    }
    for total in totals(reports) {
        let way = if total.with_list { Way::WithList } else { Way::Parallel };
        let name = way(total.workers);
        let _ = writeln!(
            text,
            "all blocks, {name}: plain {:.2} ms, parallel {:.2} ms, {:.2}x (of minima {:.2}x), {} re-executions; worst block {} at {:.2}x",
            total.sequential_median_us / 1e3,
            total.median_us / 1e3,
            total.speedup,
            total.minimum_speedup,
            total.reexecutions,
            total.worst_block,
            total.worst_speedup,
        );
    }
    text.push_str(
        "dep: transactions that read what another one of the block wrote; path: the heaviest chain of them, in Mgas; plain: \
         a loop of revm; x: plain over parallel, medians; re: executions discarded; best: the perfect schedule in gas\n",
    );
    text
}

fn totals(reports: &[BlockReport]) -> Vec<Total> {
    let Some(first) = reports.first() else { return Vec::new() };
    let total = |place: usize| {
        let way = |report: &BlockReport| report.parallel[place].clone();
        let sum = |pick: &dyn Fn(&BlockReport) -> f64| reports.iter().map(pick).sum::<f64>();
        let sequential = sum(&|report| report.sequential.median_us);
        let parallel = sum(&|report| way(report).times.median_us);
        let minimum = sum(&|report| report.sequential.minimum_us)
            / sum(&|report| way(report).times.minimum_us);
        let slower = |a: &&BlockReport, b: &&BlockReport| way(a).speedup.total_cmp(&way(b).speedup);
        let worst = reports.iter().min_by(slower).unwrap_or(first);
        let ParallelReport { workers, with_list, .. } = way(first);
        Total {
            workers,
            with_list,
            sequential_median_us: sequential,
            median_us: parallel,
            speedup: sequential / parallel,
            minimum_speedup: minimum,
            worst_speedup: way(worst).speedup,
            worst_block: worst.block.clone(),
            reexecutions: reports.iter().map(|report| way(report).reexecutions).sum(),
        }
    };
    (0..first.parallel.len()).map(total).collect()
}

fn csv(reports: &[BlockReport]) -> String {
    let mut text =
        "block,fork,transactions,gasUsed,dependentTransactions,criticalPathGas".to_owned();
    for kind in ["Gas", "Time"] {
        for best in reports.first().map_or(&[][..], |report| &report.best_by_gas) {
            let workers = best.workers.map_or_else(|| "Unlimited".to_owned(), |n| n.to_string());
            let _ = write!(text, ",bestBy{kind}{workers}");
        }
    }
    text.push_str(",sequentialMedianUs,sequentialMinimumUs,workers,withList,medianUs,minimumUs,speedup,reexecutions\n");
    for report in reports {
        let mut head = format!(
            "{},{},{},{},{},{}",
            report.block,
            report.fork,
            report.transactions,
            report.gas_used,
            report.dependent_transactions,
            report.critical_path_gas
        );
        for best in report.best_by_gas.iter().chain(&report.best_by_time) {
            let _ = write!(head, ",{:.4}", best.speedup);
        }
        let sequential = report.sequential;
        let _ = write!(head, ",{:.1},{:.1}", sequential.median_us, sequential.minimum_us);
        for way in &report.parallel {
            let _ = writeln!(
                text,
                "{head},{},{},{:.1},{:.1},{:.4},{}",
                way.workers,
                way.with_list,
                way.times.median_us,
                way.times.minimum_us,
                way.speedup,
                way.reexecutions
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use weft_replay::replay::{BestSpeedup, Times};

    fn report(block: &str, plain_us: f64, parallel_us: f64) -> BlockReport {
        let best = vec![
            BestSpeedup { workers: Some(2), speedup: 1.5 },
            BestSpeedup { workers: None, speedup: 3.0 },
        ];
        BlockReport {
            block: block.to_owned(),
            fork: "LONDON".to_owned(),
            transactions: 10,
            gas_used: 5_000_000,
            sequential: Times { median_us: plain_us, minimum_us: plain_us },
            parallel: vec![ParallelReport {
                workers: 2,
                with_list: false,
                times: Times { median_us: parallel_us, minimum_us: parallel_us },
                speedup: plain_us / parallel_us,
                reexecutions: 3,
            }],
            dependent_transactions: 4,
            critical_path_gas: 1_000_000,
            best_by_gas: best.clone(),
            best_by_time: best,
        }
    }

    #[test]
    fn totals_weigh_blocks_by_time_and_name_the_worst() {
        let totals = totals(&[report("1", 900.0, 300.0), report("2", 100.0, 200.0)]);
        assert_eq!(totals.len(), 1);
        assert_eq!(totals[0].speedup, 2.0);
        assert_eq!((totals[0].worst_block.as_str(), totals[0].worst_speedup), ("2", 0.5));
        assert_eq!(totals[0].reexecutions, 6);
    }

    #[test]
    fn rows_of_a_csv_have_as_many_fields_as_its_head() {
        let text = Format::Csv.render(&[report("1", 900.0, 300.0), report("2", 100.0, 200.0)]);
        let fields: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(fields, [18, 18, 18], "{text}");
        assert!(
            text.lines().nth(2).unwrap().starts_with("2,LONDON,10,5000000,4,1000000,1.5000,3.0000")
        );
    }

    #[test]
    fn json_has_every_block_and_the_totals() {
        let text = Format::Json.render(&[report("1", 900.0, 300.0)]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["blocks"][0]["parallel"][0]["medianUs"], 300.0);
        assert_eq!(value["blocks"][0]["bestByGas"][1]["workers"], serde_json::Value::Null);
        assert_eq!(value["total"][0]["speedup"], 3.0);
    }

    #[test]
    fn rows_of_the_table_stand_under_its_head() {
        let text = table(&[report("15537393", 900.0, 300.0), report("2", 100.0, 200.0)]);
        let widths: Vec<usize> = text.lines().take(3).map(str::len).collect();
        assert_eq!(widths[0], widths[1], "{text}");
        assert_eq!(widths[0], widths[2], "{text}");
    }
}
