//! Answers of `weft db` as text.

use super::Room;
use std::borrow::Cow;
use std::fmt::Write;
use weft_store::{CheckReport, DatabaseStats, DirectoryVersion};

pub(super) fn check(report: &CheckReport) -> String {
    let mut text = String::from("the database is consistent\n");
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "  {label:<9} {value}");
    };
    line("head", format!("{} {}", report.height, report.hash));
    line("root", format!("{} (rebuilt from the state)", report.state_root));
    line("blocks", format!("{} with {} transactions", report.blocks, report.transactions));
    line("history", format!("{} entries", report.history_entries));
    line("logs", format!("{} index entries", report.log_entries));
    line("addresses", format!("{} index entries", report.address_entries));
    text
}

pub(super) fn version(version: &DirectoryVersion) -> String {
    let mut text = String::new();
    let says = if version.found == version.expected {
        "as this program writes it".to_owned()
    } else {
        format!("this program writes {}", version.expected)
    };
    let _ = writeln!(text, "schema    {} ({says})", version.found);
    let _ = writeln!(text, "genesis   {}", version.genesis);
    let _ = writeln!(text, "head      {} {}", version.height, version.hash);
    text
}

pub(super) fn stats(stats: &DatabaseStats) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "head      {} {}", stats.height, stats.hash);
    let _ = writeln!(text, "on disk   {}", size(stats.directory_bytes));
    let _ = writeln!(text, "oldest    {}", oldest(&stats.oldest));
    let _ = writeln!(
        text,
        "\n{:<16} {:>12} {:>12} {:>12} {:>12}",
        "column", "entries", "tables", "blobs", "memory"
    );
    for column in &stats.columns {
        let _ = writeln!(
            text,
            "{:<16} {:>12} {:>12} {:>12} {:>12}",
            column.name,
            column.entries,
            size(column.table_bytes),
            size(column.blob_bytes),
            size(column.memory_bytes)
        );
    }
    text
}

pub(super) fn room(room: &Room) -> String {
    format!(
        "on disk   {}, before {}\noldest    {}\n",
        size(room.after_bytes),
        size(room.before_bytes),
        oldest(&room.oldest)
    )
}

fn oldest(oldest: &[(Cow<'static, str>, u64)]) -> String {
    let one = |(name, height): &(Cow<'static, str>, u64)| format!("{name} {height}");
    oldest.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_largest_unit_that_fits() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 29, "1.5 GiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
